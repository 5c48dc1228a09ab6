"""Positions that prices have only marked are written by a statement of their own, and come back as they were folded."""

import json
from dataclasses import fields, replace
from decimal import Decimal

import asyncpg

from hookfill.desk.apply import MARKING, apply
from hookfill.desk.fold import fold
from hookfill.desk.gather import SQL
from hookfill.desk.held import position_from
from hookfill.desk.model import Outcome, Situation
from hookfill.positions.model import MARKS, Position
from support.desk import ACCOUNT, after, at, bar, flat, only, signal, situation, strategy
from support.plans import explain, vacuum

RULES = {"exits": {"trailing_percent": 1, "break_even_at_r": 1, "stop": {"price": "0.02"}}}


def opened(text: str = "buy EURUSD 0.1 sl=1.08") -> tuple[Situation, Outcome]:
    before = situation(signal(text, 1), bars=[flat(0, "1.1")], strategies=[strategy(**RULES)], horizon=at(2))
    return before, fold(before)


def next_bar(before: Situation, outcome: Outcome, prices: str, *texts: str) -> tuple[Situation, Outcome]:
    signals = [signal(text, 5 + number, number=number) for number, text in enumerate(texts)]
    now = after(before, outcome, signals, at(9))
    more = situation(bars=[bar(2, prices)])
    now = Situation(**{field.name: getattr(now, field.name) for field in fields(now)} | {"bars": more.bars, "quotes": more.quotes})
    return now, fold(now)


def test_marks_and_stops_that_move_are_all() -> None:
    first = opened()
    assert first[1].only_marked == frozenset()  # it is new
    _, outcome = next_bar(*first, "1.1 1.13 1.1 1.125")
    position = only(outcome.positions)
    assert position.at_break_even
    assert position.trailing_stop is not None
    assert outcome.only_marked == {position.position_id}


def test_what_is_traded_is_written_whole() -> None:
    first = opened()
    for prices, texts in (("1.1 1.1 1.07 1.07", ()), ("1.1 1.1 1.1 1.1", ("close EURUSD",))):
        _, outcome = next_bar(*first, prices, *texts)
        assert only(outcome.positions).status == "closed"
        assert outcome.only_marked == frozenset()


def test_every_field_is_either_a_mark_or_compared() -> None:
    assert set(MARKS) < {field.name for field in fields(Position)}


async def test_it_comes_back_as_it_was_folded(connection: asyncpg.Connection) -> None:
    before, first = opened()
    await apply(connection, first)
    _, outcome = next_bar(before, first, "1.1 1.13 1.1 1.125")
    updated = "SELECT updated_at FROM positions"
    earlier = await connection.fetchval(updated)
    await apply(connection, outcome)
    row = await connection.fetchrow(SQL.open_positions.sql, ACCOUNT)
    assert position_from(row) == only(outcome.positions)
    assert await connection.fetchval(updated) > earlier
    assert row["mark"] == Decimal("1.125")


async def test_a_reversal_never_has_two_open_at_once(connection: asyncpg.Connection) -> None:
    before, first = opened()
    await apply(connection, first)
    _, outcome = next_bar(before, first, "1.1 1.1 1.1 1.1", "sell EURUSD 0.1")
    left, entered = outcome.positions
    assert (left.status, entered.status) == ("closed", "open")
    await apply(connection, replace(outcome, positions=(entered, left)))
    assert position_from(await connection.fetchrow(SQL.open_positions.sql, ACCOUNT)) == entered


async def test_only_the_account_s_own_are_marked(connection: asyncpg.Connection) -> None:
    _, first = opened()
    await apply(connection, first)
    rows = [{name: getattr(one, name) for name in ("position_id", *MARKS)} | {"mark": Decimal(7)} for one in first.positions]
    await connection.execute(MARKING.mark_positions.sql, rows, "00000000-0000-0000-0000-000000000000")
    assert position_from(await connection.fetchrow(SQL.open_positions.sql, ACCOUNT)) == only(first.positions)


async def test_a_thousand_are_found_by_their_keys(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """INSERT INTO positions (account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier,
               entries, realized_pnl, commission, mark, marked_at, marked_until, best_price, at_break_even, exits, opened_at)
           SELECT $1, gen_random_uuid(), gen_random_uuid(), 'X', CASE WHEN n <= 100 THEN 'open' ELSE 'closed' END, 1, 1, 1, 1, 1,
               0, 0, 1, now(), now(), 1, false, '{}', now() FROM generate_series(1, 20000) AS n""",
        ACCOUNT,
    )
    await vacuum(connection, "positions")
    rows = await connection.fetch(SQL.open_positions.sql, ACCOUNT)
    marked = json.dumps([{name: row[name] for name in ("position_id", *MARKS)} for row in rows], default=str)
    for plan in await explain(connection, MARKING.mark_positions.sql, marked, ACCOUNT):
        assert plan.scans("positions"), plan
        assert not plan.read_whole("positions"), plan
