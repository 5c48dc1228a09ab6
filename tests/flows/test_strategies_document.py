"""The strategies' document from registration to fill, through HTTP alone, against the real server process."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.database import query, value, wait_until
from support.person import Person
from support.server import Server

ALERT = {"symbol": "BTCUSD", "action": "buy", "volume": 0.01, "price": 60_000, "comment": "from the document"}
"""A coin: its market is open whenever the tests run."""


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, REGISTRATION="open") as server:
        yield server


@pytest.fixture
def trader(served: Server, request: pytest.FixtureRequest) -> Iterator[Person]:
    with Person.register(served.url, f"{request.node.name[:50]}@example.com") as person:
        yield person


def alert(url: str, **changes: Any) -> httpx.Response:
    answer = httpx.post(url, json=ALERT | changes, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer


def test_from_registration_to_a_fill_on_paper(trader: Person) -> None:
    made = trader.post("/api/v1/strategies", {"name": "Coins"}, status=201)
    assert made["webhook_url"].startswith(trader.url)
    alert(made["webhook_url"])
    signal = trader.wait_for_signal("executed")
    assert signal["fill_price"] > 0
    assert signal["strategy_name"] == "Coins"
    assert signal["raw_payload"]["comment"] == "from the document"
    assert signal["resolved_at"] is not None
    listed = trader.get("/api/v1/strategies")
    assert made["strategy_id"] in {entry["strategy_id"] for entry in listed}


def test_a_disabled_strategy_discards_and_makes_no_job(trader: Person, module_database: Database) -> None:
    made = trader.post("/api/v1/strategies", {"name": "Coins"}, status=201)
    trader.patch(f"/api/v1/strategies/{made['strategy_id']}", {"is_enabled": False})
    alert(made["webhook_url"])
    signal = trader.wait_for_signal("discarded")
    assert signal["reason"] == "strategy_disabled"
    assert value(module_database.url, "SELECT count(*) FROM jobs") == 0
    trader.patch(f"/api/v1/strategies/{made['strategy_id']}", {"is_enabled": True})
    alert(made["webhook_url"], comment="again")
    trader.wait_for_signal("executed")


def test_a_breach_of_the_daily_loss_limit_discards_with_the_documents_text(trader: Person) -> None:
    made = trader.post("/api/v1/strategies", {"name": "Coins"}, status=201)
    trader.patch("/api/v1/user-settings", {"daily_loss_limit_pct": 0.01})
    alert(made["webhook_url"], volume=0.1, price=60_000, comment="in")
    trader.wait_for_signal("executed")
    alert(made["webhook_url"], action="close", price=59_000, comment="out, at a loss")
    trader.wait_for(lambda: [s["status"] for s in trader.get("/api/v1/signals")] == ["executed", "executed"], "the exit")
    alert(made["webhook_url"], price=59_000, comment="in again")
    signal = trader.wait_for_signal("discarded")
    assert signal["error_message"] == "daily_loss_limit_reached"


def test_a_deleted_strategy_takes_its_signals_along_and_forgets_its_secret(trader: Person, module_database: Database) -> None:
    made = trader.post("/api/v1/strategies", {"name": "Coins"}, status=201)
    alert(made["webhook_url"])
    signal = trader.wait_for_signal("executed")
    trader.delete(f"/api/v1/strategies/{made['strategy_id']}")
    assert trader.get("/api/v1/signals") == []
    trader.request("GET", f"/api/v1/signals/{signal['id']}", status=404)
    assert query(module_database.url, "SELECT 1 FROM webhook_secrets WHERE strategy_id = %s", made["strategy_id"]) == []

    def is_forgotten() -> bool:
        before = value(module_database.url, "SELECT count(*) FROM messages")
        alert(made["webhook_url"], comment=f"to nobody, {before}")
        return bool(value(module_database.url, "SELECT count(*) FROM messages") == before)

    wait_until(is_forgotten, "the doors forgetting the secret")


def test_one_traders_things_do_not_exist_for_another(served: Server, trader: Person) -> None:
    made = trader.post("/api/v1/strategies", {"name": "Mine"}, status=201)
    alert(made["webhook_url"])
    signal = trader.wait_for_signal("executed")
    with Person.register(served.url, "other@example.com") as other:
        for path in (f"/api/v1/strategies/{made['strategy_id']}", f"/api/v1/signals/{signal['id']}"):
            other.request("GET", path, status=404)
        assert other.get("/api/v1/signals") == []
        assert made["strategy_id"] not in str(other.get("/api/v1/strategies"))
