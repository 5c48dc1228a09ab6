"""Flags and the council in the real server: two processes, each of which follows a flag within a second."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookfill.engines.router import assign
from hookfill.postgres.model import Database
from support.database import query, value, wait_for_value, wait_until
from support.person import Person
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_agent"


@pytest.fixture(scope="module")
def own_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, built and unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("own agent")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)
    program = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=source, check=True, capture_output=True, text=True)
    site = folder / "site"
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


@pytest.fixture(scope="module")
def served(module_database: Database, own_agent: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the example agent installed, and every signal that may go to B going there."""
    environment = {"PYTHONPATH": str(own_agent), "AB_SPLIT_PERCENTAGE": "100"}
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, **environment) as server:
        yield server


@pytest.fixture
def owner(served: Server) -> Iterator[Person]:
    with Person(served.url, OWNER_TOKEN) as person:
        yield person


def switch(owner: Person, flag: str, *, is_enabled: bool) -> None:
    owner.post("/api/v1/feature-flags", {"name": flag, "is_enabled": is_enabled})


def signed(served: Server, symbol: str, moment: str) -> dict[str, Any]:
    """Send a message to the signed door; its answer."""
    body = {"symbol": symbol, "direction": "long", "timeframe": "5m", "timestamp": moment}
    answer = httpx.post(f"{served.url}/webhook", json=body, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_example_s_own_tests_pass(own_agent: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(EXAMPLE)]
    done = subprocess.run(
        [*command, str(EXAMPLE / "tests")],
        env={"PYTHONPATH": str(own_agent), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_signed_door_follows_the_flag(served: Server, owner: Person, module_database: Database) -> None:
    numbers = iter(range(1_000))

    def variant() -> str:
        return str(signed(served, f"DOOR{next(numbers)}", "2026-02-05T12:00:00Z")["variant"])

    assert variant() == "A"
    switch(owner, "enable_variant_b", is_enabled=True)
    wait_until(lambda: variant() == "B", "the door sends signals to B")
    switch(owner, "enable_variant_b", is_enabled=False)
    wait_until(lambda: variant() == "A", "the door sends signals to A again")
    stored = query(module_database.url, "SELECT DISTINCT variant, split_percentage FROM signals WHERE door = 'signed' ORDER BY 1")
    assert stored == [("A", 0), ("B", 100)]


def test_a_split_in_between_follows_the_hash(module_database: Database, tmp_path: Path) -> None:
    stored = "INSERT INTO feature_flags (name, is_enabled) VALUES ('enable_variant_b', true)"
    query(module_database.url, f"{stored} ON CONFLICT (name) DO UPDATE SET is_enabled = true")
    with Server(tmp_path, database_url=module_database.url, role="api") as server:
        answered = {symbol: signed(server, symbol, "2026-02-05T12:00:00Z") for symbol in (f"HASH{n}" for n in range(12))}
    expected = {symbol: assign(symbol, "5m", "2026-02-05T12:00:00Z", 50)[0] for symbol in answered}
    assert {symbol: content["variant"] for symbol, content in answered.items()} == expected
    assert set(expected.values()) == {"A", "B"}
    for content in answered.values():
        stored = query(
            module_database.url, "SELECT variant, split_percentage FROM signals WHERE signal_id = %s", content["signal_id"]
        )
        assert stored == [(content["variant"], 50)]


def push_candles(served: Server, symbol: str) -> None:
    """Closed minutes of a coin that rises ever faster, the last of them just now, with much volume at the end."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    bars = []
    for number in range(60):
        opening, close = 100 + 0.01 * number**1.5, 100 + 0.01 * (number + 1) ** 1.5
        bars.append(
            {
                "symbol": symbol,
                "timeframe": "M1",
                "timestamp": (now - timedelta(minutes=60 - number)).isoformat(),
                "open": round(opening, 4),
                "high": round(close + 0.001, 4),
                "low": round(opening - 0.001, 4),
                "close": round(close, 4),
                "volume": 1_000 if number == 59 else 100,
            }
        )
    headers = {"X-API-KEY": CANDLES_KEY}
    answer = httpx.post(f"{served.url}/api/v1/candles", json={"candles": bars}, headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text


def opinions_of(owner: Person, module_database: Database, url: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send an alert; the engine's step of its signal's story, and each agent's opinion by name."""
    before = value(module_database.url, "SELECT count(*) FROM decisions")
    alert = {"symbol": "BTCUSD", "action": "buy", "volume": 0.01, "timeframe": "1", "id": f"council {number}"}
    assert httpx.post(url, json=alert, trust_env=False, timeout=30).status_code == 200
    wait_for_value(module_database.url, before + 1, "SELECT count(*) FROM decisions")
    signal = owner.get("/api/v1/signals?limit=1")[0]
    steps = owner.get(f"/api/v1/signals/{signal['id']}/story")["steps"]
    (step,) = [one for one in steps if one["step"] == "engine"]
    return signal, {one["agent"]: one for one in step["figures"]["opinions"]}


def test_the_worker_asks_who_is_enabled_and_the_user_s_own_agent(served: Server, owner: Person, module_database: Database) -> None:
    push_candles(served, "BTCUSD")
    made = owner.post("/api/v1/strategies", {"name": "Council", "engine": "council"}, status=201)
    numbers = iter(range(1_000))

    def asked() -> set[str]:
        signal, opinions = opinions_of(owner, module_database, made["webhook_url"], next(numbers))
        assert signal["status"] == "rejected"
        assert signal["reason"] in ("council_neutral", "council_unsure")
        return set(opinions)

    core = {"technical", "context", "risk", "volume"}
    assert asked() == core
    switch(owner, "enable_strat_specialist", is_enabled=True)
    switch(owner, "enable_satyland_sub_agent", is_enabled=True)
    wait_until(lambda: asked() == core | {"strat", "satyland"}, "the worker asks the specialists")
    _, opinions = opinions_of(owner, module_database, made["webhook_url"], next(numbers))
    assert (opinions["volume"]["bias"], opinions["volume"]["confidence"], opinions["volume"]["kind"]) == (1, 65, "specialist")
    assert "10.00 times the usual" in opinions["volume"]["reasons"][0]
    assert opinions["technical"]["bias"] == 1
    switch(owner, "enable_strat_specialist", is_enabled=False)
    switch(owner, "enable_satyland_sub_agent", is_enabled=False)
    wait_until(lambda: asked() == core, "the worker asks them no more")
