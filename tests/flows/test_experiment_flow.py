"""The whole experiment over HTTP, in simulated time: two engines, a flag, the shadow book, and what came of it all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.database import query, wait_for_value, wait_until
from support.person import Person
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
"""New York opens on a Monday."""
SPECIALISTS = ("enable_orb_specialist", "enable_strat_specialist", "enable_ttm_specialist", "enable_satyland_sub_agent")


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Iterator[Server]:
    with Server(tmp_path, database_url=database.url, HOOKFILL_TIME="messages", AB_SPLIT_PERCENTAGE="100") as server:
        yield server


@pytest.fixture
def owner(served: Server) -> Iterator[Person]:
    with Person(served.url, OWNER_TOKEN) as person:
        yield person


def candle(symbol: str, opened_at: datetime, opening: float, close: float) -> dict[str, Any]:
    high, low = max(opening, close) + 0.02, min(opening, close) - 0.02
    prices = {name: round(price, 2) for name, price in (("open", opening), ("high", high), ("low", low), ("close", close))}
    return {"symbol": symbol, "timeframe": "M1", "timestamp": opened_at.isoformat(), **prices, "volume": 100}


def push(served: Server, bars: list[dict[str, Any]], now: datetime) -> None:
    headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": now.isoformat()}
    answer = httpx.post(f"{served.url}/api/v1/candles", json={"candles": bars}, headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text


def rise(symbol: str, minutes: int) -> list[dict[str, Any]]:
    """From an hour before the open on, each minute a little faster but for a rest before the last: all specialists see it."""
    level, bars = 500.0, []
    for number in range(-60, minutes):
        step = 0.0 if number < 0 or number == minutes - 2 else 0.01 * (number + 1)
        bars.append(candle(symbol, OPEN + timedelta(minutes=number), level, level + step))
        level += step
    return bars


def send(served: Server, symbol: str, now: datetime) -> dict[str, Any]:
    body = {"symbol": symbol, "direction": "long", "timeframe": "1m", "timestamp": now.isoformat()}
    answer = httpx.post(
        f"{served.url}/webhook", json=body, headers={"X-Hookfill-Time": now.isoformat()}, trust_env=False, timeout=30
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def settled(owner: Person, database: Database, count: int) -> list[dict[str, Any]]:
    """All pairs, oldest first, once there are so many."""
    wait_for_value(database.url, count, "SELECT count(*) FROM experiments")
    found: list[dict[str, Any]] = owner.get("/api/v1/experiments")
    return found[::-1]


def test_an_experiment_from_the_door_to_its_results(served: Server, owner: Person, database: Database) -> None:
    now = OPEN + timedelta(minutes=60)
    for symbol in ("SPY", "QQQ", "AAPL"):
        push(served, rise(symbol, 60), now)
    for flag in SPECIALISTS:
        owner.post("/api/v1/feature-flags", {"name": flag, "is_enabled": True})
    wait_for_value(database.url, 4, "SELECT count(*) FROM feature_flags WHERE is_enabled")

    check_the_councils_shadow(served, owner, database, now)
    check_the_councils_turn(served, owner, database, now)
    # AAPL has no opening-range specialist: the council is not sure enough, and A's entry is made in the shadow alone.
    send(served, "AAPL", now + timedelta(seconds=1))
    count = query(database.url, "SELECT count(*) FROM signals")[0][0]
    pair = settled(owner, database, count)[-1]
    assert (pair["a"]["outcome"], pair["b"]["outcome"]) == ("entered", "council_unsure")
    assert {one["symbol"] for one in owner.get("/api/v1/positions")} == {"SPY", "QQQ"}
    assert [one["symbol"] for one in owner.get("/api/v1/shadow-positions?variant=A")] == ["AAPL", "QQQ"]

    # Six days later the longest hold is over, for both books alike.
    later = OPEN + timedelta(days=7)
    for symbol in ("SPY", "QQQ", "AAPL"):
        push(served, [candle(symbol, later, 530.0, 531.0)], later + timedelta(minutes=1))
    wait_for_value(database.url, 0, "SELECT count(*) FROM shadow_positions WHERE status <> 'closed'")
    wait_for_value(database.url, 0, "SELECT count(*) FROM positions WHERE status <> 'closed'")
    check_results(owner, pair)


def check_the_councils_shadow(served: Server, owner: Person, database: Database, now: datetime) -> None:
    """While variant B is off, everything is A's; the council judges, and what it approves is held in the shadow."""
    answered = send(served, "SPY", now)
    assert answered["variant"] == "A"
    (pair,) = settled(owner, database, 1)
    assert (pair["experiment_id"], pair["variant"], pair["split_percentage"]) == (answered["experiment_id"], "A", 0)
    assert pair["a"]["outcome"] == "entered", pair
    assert not pair["a"]["is_shadow"]
    detail = owner.get(f"/api/v1/experiments/{pair['experiment_id']}")
    assert pair["b"]["outcome"] == "entered", [
        (one["agent"], one["bias"], one["confidence"], one["reasons"]) for one in detail["opinions"]
    ]
    assert pair["b"]["is_shadow"]
    (held,) = owner.get("/api/v1/shadow-positions")
    (real,) = owner.get("/api/v1/positions")
    assert (held["variant"], held["symbol"], held["quantity"]) == ("B", "SPY", real["quantity"])
    assert held["average_price"] == real["average_price"]


def check_the_councils_turn(served: Server, owner: Person, database: Database, now: datetime) -> None:
    """From the flag on, the split sends all signals to B."""
    owner.post("/api/v1/feature-flags", {"name": "enable_variant_b", "is_enabled": True})
    numbers = iter(range(1_000))
    wait_until(lambda: send(served, f"NONE{next(numbers)}", now)["variant"] == "B", "the door sends signals to B")
    assert send(served, "QQQ", now)["variant"] == "B"
    count = query(database.url, "SELECT count(*) FROM signals")[0][0]
    pair = settled(owner, database, count)[-1]
    assert (pair["symbol"], pair["variant"], pair["split_percentage"]) == ("QQQ", "B", 100)
    assert (pair["a"]["outcome"], pair["b"]["outcome"]) == ("entered", "entered")
    assert (pair["a"]["is_shadow"], pair["b"]["is_shadow"]) == (True, False)
    engines = query(
        database.url,
        "SELECT DISTINCT e.variant, d.trace #>> '{engine,engine}' FROM experiments e JOIN decisions d USING (account_id, signal_id)"
        " JOIN orders o USING (account_id, signal_id) ORDER BY 1",
    )
    assert engines == [("A", "rules"), ("B", "council")]


def check_results(owner: Person, pair: dict[str, Any]) -> None:
    results = owner.get(f"/api/v1/experiments/{pair['experiment_id']}/results")
    assert (results["split_percentage"], results["open_pairs"]) == (100, 0)
    assert (results["agreement"]["both"], results["agreement"]["only_a"]) == (1, 1 + results["barred"])
    assert results["signals"] == results["judged"] + results["unjudged"]
    alone = owner.get(f"/api/v1/experiments/{pair['experiment_id']}")
    assert alone["a"]["exit_reason"] == "max_hold"
    assert results["difference"]["pairs"] == 2
    assert Decimal(str(results["difference"]["total"])) == -Decimal(str(alone["a"]["pnl"])) < 0
    assert results["pair"] == alone
    everything = owner.get(f"/api/v1/experiments/{pair['strategy_id']}/results")
    assert everything["split_percentage"] is None
    assert everything["agreement"]["both"] == 2
    assert everything["difference"]["total"] == results["difference"]["total"]
    performance = owner.get("/api/v1/agents/performance")
    agents = {one["agent"]: one for one in performance["agents"]}
    assert {"technical", "context", "risk", "orb", "strat", "ttm", "satyland"} <= agents.keys()
    assert agents["orb"]["hits"] == agents["orb"]["scored"] == 2
    assert owner.get("/api/v1/agents/performance?horizon_minutes=5")["horizon_minutes"] == 5
    trades = owner.get(f"/api/v1/shadow-trades?signal_id={pair['signal_id']}")
    assert [one["purpose"] for one in trades] == ["entry"]
    story = owner.get(f"/api/v1/signals/{pair['signal_id']}/story")
    (told,) = [one for one in story["steps"] if one["step"] == "experiment"]
    assert "Engine B acts (100 % of the signals go to B)." in told["says"]
    assert "A, rules, approves, bullish" in told["says"]
    assert "in the shadow book: entered" in told["says"]
