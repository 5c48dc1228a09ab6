"""Who trades an account at Alpaca, when entries may be sent, and how both sides are kept the same; on a real PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.vault import Vault
from hookfill.brokers.alpaca import session as sessions
from hookfill.brokers.alpaca import store
from hookfill.brokers.alpaca.worker import AlpacaWorker, Places
from hookfill.kernel.ids import new_id
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.alpaca.server import KEY, SECRET, serving
from support.alpaca.trading import FakeTrading
from support.house import TOKEN, House

PATIENCE_SECONDS = 30
OPEN = 180.0
"""Minutes after noon (UTC) at which New York trades."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SOON_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "COMPARE_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr("hookfill.brokers.alpaca.worker.POLL_SECONDS", 0.05)


@pytest.fixture
def fake() -> FakeTrading:
    return FakeTrading()


@pytest.fixture
def url(fake: FakeTrading) -> Iterator[str]:
    with serving(fake) as url:
        yield url


class Town:
    """A house with an account at Alpaca, and workers that trade it."""

    def __init__(self, house: House, database: Database, pool: asyncpg.Pool, url: str) -> None:
        self.house, self.database, self.pool, self.url = house, database, pool, url
        self.minute = OPEN
        self.account_id, self.connection_id, self.secret = new_id(), new_id(), ""

    async def connect(self, **body: Any) -> None:
        """Make the broker connection and a strategy over the API."""
        asked = {"kind": "alpaca", "label": "Alpaca", "credentials": {"key": KEY, "secret": SECRET}, **body}
        made = await self.post("/api/v1/broker-connections", asked)
        self.account_id, self.connection_id = UUID(made["account_id"]), UUID(made["broker_connection_id"])
        strategy = await self.post("/api/v1/strategies", {"name": "S", "broker_connection_id": made["broker_connection_id"]})
        self.secret = strategy["webhook_url"].rpartition("/")[2]
        limits = {"max_exposure": "10000000", "max_exposure_pct": "10000", "max_position_size": "1000"}
        await self.house.pool.execute("UPDATE accounts SET limits = $2 WHERE account_id = $1", self.account_id, limits)

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = await self.house.client.post(path, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def worker(self, vault: Vault | None = None, **places: Any) -> AlpacaWorker:
        """A worker that would trade at the fake."""
        known = {"paper_url": self.url, "live_url": self.url, **places}
        vault = vault or self.house.api.state.vault
        return AlpacaWorker(self.pool, partial(connect, self.database, name="alpaca"), vault, Places(**known))

    async def alert(self, action: str, **more: Any) -> dict[str, Any]:
        """Send an alert, let the desk decide, and return the signal."""
        self.minute += 0.1
        strategy = type("Known", (), {"secret": self.secret})()
        await self.house.alert(strategy, {"symbol": "SPY", "action": action, "volume": 10, **more}, self.minute)
        newest = "SELECT status FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"
        await self.until(newest, lambda status: status not in (None, "pending"), "the signal decided")
        return dict(await self.row("SELECT * FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"))

    async def row(self, statement: str) -> asyncpg.Record:
        """The first row of a statement about the account."""
        return await self.house.pool.fetchrow(statement, self.account_id)

    async def until(self, statement: str, is_so: Callable[[Any], object], what: str) -> Any:
        """Let the desk decide and wait until the first value of a statement is as wanted."""
        seen: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    await self.house.decide()
                    seen = await self.house.pool.fetchval(statement, self.account_id)
                    if is_so(seen):
                        return seen
                    await asyncio.sleep(0.02)
        raise AssertionError(f"{what}: still {seen!r} after {PATIENCE_SECONDS} s")

    async def compared(self) -> None:
        """Wait until both sides agree."""
        await self.until("SELECT reconciled_at FROM alpaca_sessions WHERE account_id = $1", bool, "both sides compared")

    async def executed(self) -> None:
        """Wait until the newest signal is."""
        newest = "SELECT status FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"
        await self.until(newest, lambda status: status == "executed", "the signal executed")

    async def alarms(self) -> dict[str, str]:
        """Kind and text of what is in force."""
        rows = await self.house.pool.fetch(
            "SELECT kind, text FROM alarms WHERE account_id = $1 AND cleared_at IS NULL", self.account_id
        )
        return {row["kind"]: row["text"] for row in rows}

    async def until_alarm(self, kind: str) -> str:
        """The text of an alarm, once it is in force."""
        wanted = f"SELECT text FROM alarms WHERE account_id = $1 AND cleared_at IS NULL AND kind = '{kind}'"
        return str(await self.until(wanted, bool, f"the alarm {kind}"))

    async def check(self) -> None:
        async with self.house.pool.acquire() as connection:
            broken = [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds and not one.is_warning]
        assert not broken, broken


@pytest.fixture
async def town(house: House, database: Database, pool: asyncpg.Pool, url: str) -> Town:
    return Town(house, database, pool, url)


@contextlib.asynccontextmanager
async def running(*workers: AlpacaWorker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*tasks)


async def test_entries_wait_for_the_first_comparison_and_for_a_living_session(town: Town) -> None:
    await town.connect()
    assert await store.entries_refused(town.house.pool, town.account_id) == store.NO_SESSION
    assert (await town.alert("buy"))["reason"] == "broker_not_reconciled"
    async with running(town.worker()):
        await town.compared()
        assert await store.entries_refused(town.house.pool, town.account_id) is None
        account = await town.row("SELECT starting_cash, broker_equity FROM accounts WHERE account_id = $1")
        assert account["broker_equity"] == 100_000
    assert await store.entries_refused(town.house.pool, town.account_id) == store.NO_SESSION


async def test_what_blocks_the_account_at_alpaca_stops_entries(town: Town, fake: FakeTrading) -> None:
    fake.is_blocked = True
    await town.connect()
    async with running(town.worker()):
        note = "SELECT note FROM alpaca_sessions WHERE account_id = $1"
        await town.until(note, lambda text: text == "Alpaca says trading_blocked", "the note")
        assert "trading_blocked" in (await town.alert("buy"))["error_message"]
        fake.is_blocked = False
        await town.compared()


async def test_shares_are_bought_guarded_and_a_stop_there_is_booked_once(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        assert (await town.alert("buy", sl=490, tp=520))["status"] == "approved"
        await town.executed()
        entry = fake.accepted[0]
        assert [leg.kind for leg in entry.legs] == ["limit", "stop"]
        fake.prices["SPY"] = Decimal(490)
        fake.fill(entry.legs[1])
        closed = "SELECT status FROM positions WHERE account_id = $1"
        await town.until(closed, lambda status: status == "closed", "the position closed")
    position = await town.row("SELECT * FROM positions WHERE account_id = $1")
    assert (position["exit_reason"], position["realized_pnl"]) == ("stop_loss", -100)
    assert await town.house.pool.fetchval("SELECT count(*) FROM broker_deals WHERE account_id = $1", town.account_id) == 1
    assert await town.alarms() == {}
    await town.check()


async def test_a_close_frees_the_shares_first(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", sl=490)
        await town.executed()
        await town.alert("close")
        await town.until("SELECT status FROM positions WHERE account_id = $1", lambda status: status == "closed", "closed")
    assert (fake.positions.held, [leg.status for leg in fake.accepted[0].legs]) == ({}, ["canceled"])
    await town.check()


async def test_sold_by_hand_is_a_difference_with_an_alarm(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy")
        await town.executed()
        fake.positions.held["SPY"] = Decimal(4)
        assert "We hold 10 SPY, and the broker 4" in await town.until_alarm("reconciliation")
        path = f"/api/v1/accounts/{town.account_id}/differences"
        answer = await town.house.get(path)
        if answer.status_code == 200:
            assert "SPY" in answer.text
        fake.positions.held["SPY"] = Decimal(10)
        await town.until(
            "SELECT count(*) FROM alarms WHERE account_id = $1 AND cleared_at IS NULL", lambda count: count == 0, "no alarm"
        )


async def test_foreign_positions_are_none_of_our_business(town: Town, fake: FakeTrading) -> None:
    fake.positions.held["SPY"] = fake.positions.paid["SPY"] = Decimal(500)
    await town.connect()
    async with running(town.worker()):
        await town.compared()
    assert await town.alarms() == {}


async def test_an_order_that_appears_after_it_was_given_up_is_cancelled_or_shown(town: Town, fake: FakeTrading) -> None:
    fake.fills_at_once = False
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy")
        working = "SELECT status FROM orders WHERE account_id = $1"
        await town.until(working, lambda status: status == "working", "the order working")
        ended = "UPDATE orders SET status = 'rejected' WHERE account_id = $1"
        finished = "UPDATE jobs SET status = 'failed', finished_at = now(), settled_at = now() WHERE account_id = $1"
        for statement in (ended, finished):
            await town.house.pool.execute(statement, town.account_id)
        assert "appeared at Alpaca" in await town.until_alarm("alpaca_order")
        await town.until(working, lambda _: fake.accepted[0].status == "canceled", "the order cancelled at Alpaca")
        fake.accepted[0].status, fake.accepted[0].filled, fake.accepted[0].spent = "filled", Decimal(10), Decimal(5_000)
        text = "SELECT text FROM alarms WHERE account_id = $1 AND kind = 'alpaca_order' ORDER BY raised_at DESC LIMIT 1"
        await town.until(text, lambda found: found and "has filled 10 SPY" in found, "the alarm about the fill")


async def test_alpaca_away_is_an_alarm_until_it_is_back(town: Town, fake: FakeTrading) -> None:
    fake.is_away = True
    await town.connect()
    async with running(town.worker()):
        assert "could not be asked" in await town.until_alarm("alpaca_unreachable")
        fake.is_away = False
        await town.compared()
        assert await town.alarms() == {}


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        ({"credentials": None}, {}, "has no key and secret"),
        ({"credentials": {"key": "k"}}, {}, "has no key and secret"),
        ({}, {"vault": Vault.of_this_process()}, "encrypted with another key"),
        ({"paper": False}, {}, "APP_MODE=LIVE"),
    ],
)
async def test_what_can_t_be_traded_says_why(town: Town, body: dict, options: dict, words: str) -> None:
    town.house.api.state.trades_live = True
    await town.connect(**body)
    async with running(town.worker(**options)):
        assert words in await town.until_alarm("alpaca_not_traded")
        assert words in (await town.alert("buy"))["error_message"]


async def test_real_money_is_traded_where_the_settings_say_so(town: Town) -> None:
    town.house.api.state.trades_live = True
    await town.connect(paper=False)
    async with running(town.worker(paper_url="http://127.0.0.1:9", trades_live=True)):
        await town.compared()


async def test_real_money_is_refused_where_they_do_not(town: Town) -> None:
    asked = {"kind": "alpaca", "label": "A", "paper": False, "credentials": {"key": KEY, "secret": SECRET}}
    refused = await town.post("/api/v1/broker-connections", asked, 409)
    assert "ALPACA_LIVE_CONFIRMATION" in refused["detail"]
    await town.post("/api/v1/broker-connections", {"kind": "mt5", "label": "M", "paper": False}, 422)


async def test_new_credentials_begin_a_new_session(town: Town) -> None:
    await town.connect(credentials={"key": KEY, "secret": "wrong"})
    async with running(town.worker()):
        await town.until_alarm("alpaca_unreachable")
        body = {"credentials": {"key_id": KEY, "secret_key": SECRET}}
        path = f"/api/v1/broker-connections/{town.connection_id}"
        answer = await town.house.client.patch(path, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        await town.compared()


async def test_one_process_trades_an_account_and_the_next_takes_over_when_it_is_gone(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    first, second = town.worker(), town.worker()
    session = "SELECT session_id FROM alpaca_sessions WHERE account_id = $1"
    async with running(second):
        async with running(first):
            await town.compared()
            held = await town.until(session, bool, "a session")
            await town.alert("buy")
            await town.executed()
            assert await town.house.pool.fetchval(session, town.account_id) == held
            kill = "SELECT pg_terminate_backend(holder_pid) FROM alpaca_sessions WHERE account_id = $1"
            await town.house.pool.fetchval(kill, town.account_id)
            await town.until(session, lambda found: found not in (None, held), "another session")
        await town.compared()
        await town.alert("close")
        await town.until("SELECT status FROM positions WHERE account_id = $1", lambda status: status == "closed", "closed")
    assert len(fake.accepted) == len(fake.posted) == 2
    await town.check()


async def test_a_connection_that_is_gone_ends_its_session(town: Town) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.house.pool.execute("UPDATE broker_connections SET is_enabled = false WHERE account_id = $1", town.account_id)
        own = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        alive = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = {own} AND $1::uuid IS NOT NULL"
        await town.until(alive, lambda count: count == 0, "the lock let go")
