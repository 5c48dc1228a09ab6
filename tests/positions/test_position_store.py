from decimal import Decimal

from hookfill.desk.gather import SQL as DESK
from hookfill.desk.held import position_from
from hookfill.kernel.lifecycle import POSITION
from hookfill.positions.apply import unrealized
from hookfill.positions.store import STATUSES, list_positions
from support.house import House, at


async def seed(house: House) -> None:
    """A short EURUSD position that left at its stop, and a long GBPUSD one of odd size that is open and marked."""
    strategy = await house.new_strategy("Breakout")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.bar(-1, "1.2500 1.2505 1.2495 1.2500", "GBPUSD")
    await house.alert(strategy, "sell EURUSD 0.1 sl=1.09")
    await house.alert(strategy, "buy GBPUSD 0.13 sl=1.24 tp=1.27")
    await house.decide()
    await house.bar(1, "1.0800 1.0910 1.0800 1.0905")
    await house.bar(1, "1.2500 1.2507 1.2495 1.2507", "GBPUSD")
    await house.decide()


async def test_open_and_closed_positions(house: House) -> None:
    await seed(house)
    async with house.pool.acquire() as connection:
        held = await list_positions(connection, house.owner)
        left = await list_positions(connection, house.owner, status="closed")
        everything = await list_positions(connection, house.owner, status="all")
    assert len(held) == len(left) == 1
    assert sorted(everything, key=lambda one: one["symbol"]) == left + held
    long, short = held[0], left[0]
    assert (long["symbol"], long["side"], long["quantity"], long["status"]) == ("GBPUSD", "long", Decimal("0.13"), "open")
    assert (long["mark"], long["marked_at"]) == (Decimal("1.2507"), at(2))
    assert (long["stop_price"], long["target_price"]) == (Decimal("1.24"), Decimal("1.27"))
    assert (long["exit_price"], long["exit_reason"], long["closed_at"]) == (None, None, None)
    assert (short["symbol"], short["side"], short["quantity"], short["status"]) == ("EURUSD", "short", 0, "closed")
    assert (short["entered_quantity"], short["exit_reason"], short["closed_at"]) == (Decimal("0.1"), "stop_loss", at(2))
    assert short["realized_pnl"] == (short["average_price"] - short["exit_price"]) * Decimal("0.1") * 100_000
    assert short["unrealized_pnl"] == 0
    assert {one["strategy_name"] for one in everything} == {"Breakout"}


async def test_unrealised_profit_is_what_the_desk_computes(house: House) -> None:
    await seed(house)
    async with house.pool.acquire() as connection:
        [shown] = await list_positions(connection, house.owner)
        [row] = await connection.fetch(DESK.open_positions.sql, house.account_id)
    position = position_from(row)
    assert shown["unrealized_pnl"] == unrealized(position, position.mark) != 0


async def test_pages(house: House) -> None:
    await seed(house)
    async with house.pool.acquire() as connection:
        everything = await list_positions(connection, house.owner, status="all")
        assert await list_positions(connection, house.owner, status="all", limit=1) == everything[:1]
        assert await list_positions(connection, house.owner, status="all", limit=1, offset=1) == everything[1:]
        assert await list_positions(connection, house.owner, offset=1) == []


async def test_others_see_nothing(house: House) -> None:
    await seed(house)
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        assert await list_positions(connection, other, status="all") == []


def test_every_state_can_be_asked_for() -> None:
    assert STATUSES["all"] == tuple(POSITION.steps)
    assert sorted(STATUSES["open"] + STATUSES["closed"]) == sorted(STATUSES["all"])
