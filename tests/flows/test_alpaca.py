"""An alert reaches Alpaca and comes back as a fill: real server, real worker, Alpaca's stand-in with its own record of orders."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.alpaca.server import KEY, SECRET, serving
from support.alpaca.trading import FakeTrading, Trouble
from support.database import query, wait_until
from support.person import Person
from support.server import Server

QUICK = {
    "hookfill.brokers.alpaca.carry.Timing": {"visible": 0.5, "first_pause": 0.1},
    "hookfill.brokers.alpaca.answers.MOST_PAUSE_SECONDS": 0.5,
    "hookfill.brokers.alpaca.session.SOON_SECONDS": 0.1,
    "hookfill.brokers.alpaca.session.COMPARE_SECONDS": 1.0,
}
"""How soon the worker looks, and looks again."""

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def lasting() -> FakeTrading:
    return FakeTrading()


@pytest.fixture(scope="module")
def served(module_database: Database, lasting: FakeTrading, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    given = {"REGISTRATION": "open", "HOOKFILL_LOG_LEVEL": "debug", "NO_PROXY": "127.0.0.1"}
    with (
        serving(lasting) as url,
        Server(home, database_url=module_database.url, ALPACA_PAPER_URL=url, worker_constants=QUICK, **given) as server,
    ):
        yield server


@pytest.fixture
def fake(lasting: FakeTrading) -> FakeTrading:
    """The fake, as if nothing had been traded there."""
    lasting.begin_anew()
    return lasting


@pytest.fixture
def trader(served: Server, fake: FakeTrading, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody new: the accounts of the tests before go on, and see at the fake what is none of theirs."""
    with Person.register(served.url, f"{request.node.name[:50]}@example.com") as person:
        yield person


@pytest.fixture
def connection_id(trader: Person) -> str:
    body = {"kind": "alpaca", "label": "Alpaca", "credentials": {"key": KEY, "secret": SECRET}}
    return str(trader.post("/api/v1/broker-connections", body, status=201)["broker_connection_id"])


@pytest.fixture
def ask(module_database: Database, connection_id: str) -> Ask:
    """Runs a statement about the test's own account, which is ``:own``."""
    account = "(SELECT account_id FROM broker_connections WHERE broker_connection_id = %s)"
    return lambda statement: query(module_database.url, statement.replace(":own", account), connection_id)


@pytest.fixture
def webhook(trader: Person, connection_id: str, ask: Ask) -> str:
    """Of a strategy whose account was compared with the broker."""
    wait_until(
        lambda: ask("SELECT reconciled_at IS NOT NULL FROM alpaca_sessions WHERE account_id = :own") == [(True,)],
        "both sides compared",
    )
    body = {"name": "Coins at Alpaca", "broker_connection_id": connection_id}
    return str(trader.post("/api/v1/strategies", body, status=201)["webhook_url"])


def alert(url: str, action: str, **more: Any) -> None:
    body = {"symbol": "BTCUSD", "action": action, "volume": 0.1, **more}
    assert httpx.post(url, json=body, trust_env=False).status_code == 200


def test_an_alert_becomes_one_order_and_a_close_closes_it(trader: Person, webhook: str, fake: FakeTrading, ask: Ask) -> None:
    alert(webhook, "buy")
    signal = trader.wait_for_signal("executed")
    assert signal["fill_price"] == 50_000
    assert signal["broker_order_id"] == fake.accepted[0].order_id
    (position,) = trader.get("/api/v1/positions")
    assert (position["quantity"], position["average_price"]) == (0.1, 50_000)
    fake.prices["BTC/USD"] = Decimal(51_000)
    alert(webhook, "close")
    trader.wait_for(lambda: trader.get("/api/v1/positions?status=open") == [], "the position closed")
    assert fake.made() == [("BTC/USD", "buy", Decimal("0.1")), ("BTC/USD", "sell", Decimal("0.1"))]
    assert fake.positions.held == {}
    assert ask("SELECT balance, broker_balance > 0 FROM accounts WHERE account_id = :own") == [(Decimal(100_100), True)]


def test_a_worker_killed_between_call_and_record_orders_once(
    served: Server, trader: Person, webhook: str, fake: FakeTrading, ask: Ask
) -> None:
    fake.troubles.append(Trouble.HELD)
    fake.fills_at_once = False
    alert(webhook, "buy")
    wait_until(lambda: fake.accepted, "the order at the fake")
    worker = served.worker()
    assert worker is not None
    worker.kill()
    fake.fill(fake.accepted[0])
    signal = trader.wait_for_signal("executed")
    assert signal["fill_price"] == 50_000
    assert len(fake.posted) == len(fake.accepted) == 1
    assert ask("SELECT count(*), sum(quantity) FROM fills WHERE account_id = :own") == [(1, Decimal("0.1"))]
    assert ask("SELECT attempts FROM jobs WHERE account_id = :own") == [(2,)]


def test_alpaca_away_for_a_while_neither_loses_nor_doubles(trader: Person, webhook: str, fake: FakeTrading, ask: Ask) -> None:
    fake.troubles.append(Trouble.GATEWAY_AFTER)
    fake.goes_away = True
    fake.fills_at_once = False
    fake.break_stream()
    alert(webhook, "buy")
    wait_until(lambda: ask("SELECT status FROM orders WHERE account_id = :own") == [("unknown",)], "an order that is unknown")
    assert trader.get("/api/v1/signals?limit=1")[0]["status"] == "approved"
    kinds = {one["kind"] for one in trader.get("/api/v1/alarms")}
    assert "alpaca_order" in kinds
    fake.is_away = fake.goes_away = False
    fake.fill(fake.accepted[0])
    trader.wait_for_signal("executed")
    assert len(fake.posted) == 1
    trader.wait_for(lambda: [one for one in trader.get("/api/v1/alarms") if one["cleared_at"] is None] == [], "no alarm any more")


def test_an_entry_waits_for_both_sides_to_agree_and_an_exit_does_not(
    trader: Person, webhook: str, fake: FakeTrading, served: Server, ask: Ask
) -> None:
    alert(webhook, "buy")
    trader.wait_for_signal("executed")
    fake.positions.held["BTC/USD"] = Decimal("0.05")  # somebody sold a part by hand
    worker = served.worker()
    assert worker is not None
    worker.kill()
    wait_until(
        lambda: (
            ask("SELECT note FROM alpaca_sessions WHERE account_id = :own AND session_id IS NOT NULL AND told_at IS NOT NULL")
            != [(None,)]
            and ask("SELECT reconciled_at FROM alpaca_sessions WHERE account_id = :own") == [(None,)]
        ),
        "a comparison that found them to differ",
    )
    alert(webhook, "buy", symbol="ETHUSD")
    refused = trader.wait_for_signal("rejected")
    assert "compared with its broker" in refused["error_message"]
    alert(webhook, "close")
    signal = trader.wait_for_signal("executed")
    assert signal["error_message"] == "Filled 0.05 of 0.1; the rest was cancelled."
    assert fake.positions.held == {}


def test_a_refusal_reaches_the_signal_and_no_secret_the_log(
    served: Server, trader: Person, webhook: str, fake: FakeTrading
) -> None:
    fake.refusals["BTC/USD"] = (403, 40310000, "insufficient buying power")
    alert(webhook, "buy")
    signal = trader.wait_for_signal("failed")
    assert "insufficient buying power" in signal["error_message"]
    assert fake.accepted == []
    assert SECRET not in served.output()
    assert KEY not in served.output()
