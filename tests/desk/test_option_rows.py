"""Options on a real PostgreSQL: what is written comes back, prices of the underlying and time alone wake the desk."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.desk.gather import SQL, gather
from hookfill.desk.model import NO_OPTIONS
from hookfill.market.feeds.stored import keep_chain
from hookfill.market.option_chain import model_chain
from hookfill.ops.ledger import check_ledger as check_invariants
from support.database import NO_LIMITS
from support.desk import NOON, at, flat, only
from support.options import MORNING, NOW, premium, spy, still

D = Decimal
CALL = "SPY260313C00500000"
ENDING = "buy SPY call strike=500 expiration=2026-03-04 2"
END = datetime(2026, 3, 4, 21, tzinfo=UTC)
ENDS = int((END - NOON).total_seconds()) // 60
PLAIN = {"exits": {"option_defaults": False}}


async def positions(desk) -> list[asyncpg.Record]:
    return await desk.rows("SELECT * FROM positions ORDER BY position_id")


async def check(desk) -> None:
    async with desk.pool.acquire() as connection:
        broken = [(one.name, one.findings) for one in await check_invariants(connection) if not one.holds and not one.is_warning]
    assert not broken, broken


async def test_an_option_is_bought_marked_and_left_at_its_target(desk) -> None:
    await desk.candles(*MORNING)
    signals = await desk.alerts(("buy SPY call 2", NOW))
    await desk.work()
    assert await desk.verdicts(signals) == [("executed", None)]
    bought = only(await positions(desk))
    assert (bought["symbol"], bought["underlying"], bought["status"], bought["targets"]) == (CALL, "SPY", "open", [])
    assert bought["terms"].keys() == {"volatility", "rate", "source", "half_spread", "spot"}
    assert (bought["leave_for"], bought["leave_at"], bought["due_at"]) == ("max_hold", *[at(NOW + 120 * 60)] * 2)
    await desk.candles(spy(215, "500 502 499 501"))
    assert await desk.work() == 1  # found by its underlying's price
    marked = only(await positions(desk))
    assert (marked["mark"], marked["marked_until"]) == (premium(CALL, D(501), at(220), bought["terms"]), at(220))
    await desk.candles(spy(220, "501 525 500 520"))
    await desk.work()
    closed = only(await positions(desk))
    assert (closed["status"], closed["exit_reason"]) == ("closed", "take_profit")
    [_, sale] = await desk.rows("SELECT * FROM orders JOIN fills USING (account_id, order_id) ORDER BY as_of")
    assert (sale["exit_reason"], sale["price"], sale["stop_price"]) == (
        "take_profit",
        bought["target_price"],
        bought["target_price"],
    )
    assert (sale["position_id"], sale["signal_id"]) == (bought["position_id"], None)
    await check(desk)


async def test_what_was_written_comes_back(desk) -> None:
    strategy = await desk.strategy(
        exits={"targets": [{"at": {"percent": 20}, "percent": 50}, {"at": {"percent": "40.5"}, "percent": 25}]},
    )
    await desk.candles(*MORNING)
    await desk.alerts(("buy SPY call 5", NOW), strategy_id=strategy)
    await desk.work()
    async with desk.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(SQL.lock_account.sql, desk.account_id)
        situation = await gather(connection, row, at(NOW))
    position = only(situation.positions)
    assert [(one.number, one.percent, one.of) for one in position.targets] == [(1, 50, 100), (2, 25, 50)]
    assert position.targets[0].price > position.average_price
    assert situation.options is NO_OPTIONS  # nobody asks for any now, and none has ended
    # A bar takes the first target: that is written, too.
    await desk.candles(spy(215, "500 503 499 502"))
    await desk.work()
    left = only(await positions(desk))
    assert ([one["number"] for one in left["targets"]], left["quantity"], left["status"]) == ([2], 3, "open")
    await check(desk)


async def test_it_ends_when_nothing_comes_any_more(desk) -> None:
    """Only time goes on: the desk finds what is due by itself, and settles by the last price before the end."""
    strategy = await desk.strategy(**PLAIN)
    await desk.candles(*MORNING)
    await desk.alerts((ENDING, NOW), strategy_id=strategy)
    await desk.work()
    await desk.candles(still(ENDS - 5, "507.35"), known_at=END + timedelta(minutes=1))
    await desk.work()
    assert only(await positions(desk))["status"] == "open"
    await desk.candles(flat(0, "1.1"), known_at=END + timedelta(minutes=2))  # anybody's price moves the clock on
    await desk.work()
    ended = only(await positions(desk))
    assert (ended["status"], ended["exit_reason"], ended["closed_at"]) == ("closed", "expired", END)
    [fill] = await desk.rows("SELECT * FROM fills WHERE price_source = 'expiry'")
    assert (fill["price"], fill["commission"], fill["filled_at"]) == (D("7.35"), 0, END)
    assert await desk.work() == 0
    await check(desk)


async def test_a_worthless_end_is_written_and_counted(desk) -> None:
    strategy = await desk.strategy(**PLAIN)
    await desk.candles(*MORNING)
    await desk.alerts((ENDING, NOW), strategy_id=strategy)
    await desk.work()
    # The server was down over the end: days later the bars of then are read again.
    await desk.candles(still(ENDS - 5, "499"), still(ENDS + 3000, "600"))
    await desk.work()
    [order] = await desk.rows("SELECT * FROM orders WHERE exit_reason = 'expired'")
    assert (order["average_fill_price"], order["filled_quantity"], order["status"]) == (0, 2, "filled")
    account = only(await desk.rows("SELECT * FROM accounts WHERE account_id = $1", desk.account_id))
    assert account["cash"] == account["balance"] < 100_000
    await check(desk)


async def test_a_session_s_end_is_kept_without_a_price(desk) -> None:
    strategy = await desk.strategy(exits={"session_close_minutes": 10})
    await desk.candles(*MORNING, still(520, "501"))
    await desk.alerts(("buy SPY 3", 526), strategy_id=strategy)
    await desk.work()
    assert only(await positions(desk))["due_at"] == at(530)
    await desk.candles(flat(0, "1.1"), known_at=at(531.9))
    assert await desk.work() == 0
    await desk.candles(flat(1, "1.1"), known_at=at(532))
    assert await desk.work() == 1
    closed = only(await positions(desk))
    assert (closed["status"], closed["exit_reason"], closed["due_at"]) == ("closed", "session_close", None)
    await check(desk)


async def test_a_feed_s_chain_is_traded_and_marks(desk) -> None:
    chain = model_chain("SPY", D(500), 0.25, at(210))
    async with desk.pool.acquire() as connection:
        assert await keep_chain(connection, chain)
    await desk.candles(*MORNING)
    strategy = await desk.strategy(**PLAIN)
    signals = await desk.alerts(("buy SPY call 1", NOW), strategy_id=strategy)
    await desk.work()
    assert await desk.verdicts(signals) == [("executed", None)]
    quote = next(one for one in chain.quotes if one.contract.symbol == CALL)
    bought = only(await positions(desk))
    assert quote.ask < bought["average_price"] <= quote.ask * D("1.01")
    later = model_chain("SPY", D(503), 0.25, at(214))
    async with desk.pool.acquire() as connection:
        assert await keep_chain(connection, later)
    await desk.candles(still(210, "501"))
    await desk.work()
    told = next(one for one in later.quotes if one.contract.symbol == CALL)
    marked = only(await positions(desk))
    assert (marked["mark"], marked["marked_at"]) == (told.middle, at(214))


@pytest.mark.parametrize(("text", "reason"), [("buy SPY call @500", "candles"), ("buy SPY call", "price")])
async def test_without_a_price_or_candles_it_is_said_what_is_missing(desk, text: str, reason: str) -> None:
    signals = await desk.alerts((text, NOW))
    await desk.work()
    assert await desk.verdicts(signals) == [("rejected", "option_chain_missing")]
    [row] = await desk.rows("SELECT error_message FROM signals")
    assert reason in row["error_message"]


async def test_imported_history_goes_through_an_option_s_whole_life(desk) -> None:
    """All bars are there before the alerts are decided: it is bought, marked, and ends in one transaction."""
    strategy = await desk.strategy(**PLAIN)
    await desk.candles(*MORNING, *(still(240 + 15 * step, str(500 + step), "M15") for step in range(8)), still(ENDS - 5, "512.5"))
    await desk.candles(still(ENDS + 1440, "400"))
    signals = await desk.alerts((ENDING, NOW), source="import", strategy_id=strategy)
    await desk.work()
    assert await desk.verdicts(signals) == [("executed", None)]
    closed = only(await positions(desk))
    assert (closed["exit_reason"], closed["closed_at"]) == ("expired", END)
    [fill] = await desk.rows("SELECT price FROM fills WHERE price_source = 'expiry'")
    assert fill["price"] == D("12.5")
    await check(desk)


async def test_a_thousand_alerts_about_options_cost_few_statements(desk, watched) -> None:
    account = await desk.account(NO_LIMITS)
    strategy = await desk.strategy(account, policy={"pyramiding": 1000}, exits={"option_defaults": False})
    await desk.candles(*MORNING)
    await desk.alerts(
        *[("buy SPY call 1", NOW + number / 10_000) for number in range(50)], account_id=account, strategy_id=strategy
    )
    watched()
    await desk.work()
    assert len([text for text in watched() if "FROM" in text]) <= 30
    rows = await desk.rows("SELECT status, reason, count(*) FROM signals GROUP BY 1, 2")
    assert [tuple(row) for row in rows] == [("executed", None, 50)]
