"""Who trades an account at Alpaca, when entries may be sent, and how both sides are kept the same; on a real PostgreSQL."""

from decimal import Decimal

import pytest

from hookfill.accounts.vault import Vault
from hookfill.brokers.alpaca import store
from support.alpaca.server import KEY, SECRET
from support.alpaca.town import Town, running
from support.alpaca.trading import FakeTrading
from support.house import TOKEN


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
        told = (await town.house.get(f"/api/v1/accounts/{town.account_id}/reconciliation")).json()
        assert [one["kind"] for one in told["differences"]] == ["volume_differs"]
        assert [(one["symbol"], one["volume"], one["price_open"], one["is_foreign"]) for one in told["positions"]] == [
            ("SPY", 4, 500, False)
        ]
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
