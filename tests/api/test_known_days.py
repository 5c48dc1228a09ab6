"""Packed days that were read before are not read again until they are packed anew."""

import asyncio
import json
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.known_days import KnownDays, KnownSpan
from hookfill.journal.packing import pack_days
from hookfill.journal.reading import LAST_DAY, read_columns
from hookfill.journal.records import RECORD, Columns, PackedDay, unpack
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from support.database import wait_for_value
from support.house import House

OLDEST_IS_LATER = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s"
SIZE = RECORD.itemsize + 16
"""Of one trade's columns."""


def span(first: int, last: int, trades: int) -> KnownSpan:
    """Days of January, with all trades on the first one."""
    columns = unpack([PackedDay(date(2026, 1, first), bytes(RECORD.itemsize * trades), "[]")])
    return KnownSpan(date(2026, 1, first), date(2026, 1, last), 7, {date(2026, 1, first): 3}, columns)


def trades_known(known: KnownDays, account_id: UUID, first: int, last: int) -> int | None:
    found = known.of(account_id, date(2026, 1, first), date(2026, 1, last))
    return None if found is None else len(found.columns.records)


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    known = KnownDays(most_bytes=100 * SIZE)
    old, new, newest = uuid4(), uuid4(), uuid4()
    known.keep(old, span(1, 1, 40))
    known.keep(new, span(1, 1, 40))
    known.keep(old, span(1, 2, 40))  # in place of what was there, and asked for again
    assert [trades_known(known, one, 1, 2) for one in (old, new)] == [40, None]
    known.keep(newest, span(1, 1, 60))
    assert [trades_known(known, one, 1, 1) for one in (old, new, newest)] == [40, None, 60]
    known.keep(new, span(1, 1, 101))
    assert [trades_known(known, one, 1, 1) for one in (old, new, newest)] == [None, None, None]


def test_a_part_of_what_is_known_is_known() -> None:
    known, account_id = KnownDays(), uuid4()
    known.keep(account_id, span(3, 9, 2))
    asked = [(3, 9), (3, 3), (4, 9), (2, 9), (3, 10)]
    assert [trades_known(known, account_id, *days) for days in asked] == [2, 2, 0, None, None]
    known.keep(account_id, span(4, 9, 0))  # which tells less than is known
    assert trades_known(known, account_id, 3, 9) == 2
    known.keep(account_id, span(9, 10, 1))  # which tells something else
    assert [trades_known(known, account_id, *days) for days in ((9, 10), (3, 9))] == [1, None]


DAYS = st.dictionaries(
    st.integers(1, 9), st.tuples(st.integers(0, 3), st.lists(st.sampled_from("abc"), unique=True, min_size=1)), max_size=9
)


def _packed(days: dict[int, tuple[int, list[str]]], mark: int) -> list[PackedDay]:
    """So many trades on each day, each of a setup of the day's; ``mark`` is their hour."""
    found = []
    for number, (trades, names) in sorted(days.items()):
        records = np.zeros(trades, RECORD)
        records["hour"], records["setup"] = mark, np.arange(trades) % (len(names) + 1)
        found.append(PackedDay(date(2026, 1, number), records.tobytes(), json.dumps(names)))
    return found


def _told(columns: Columns) -> list[tuple[int, bytes, str | None]]:
    names = (None, *columns.names)
    rows = zip(columns.days, columns.records, columns.setups, strict=True)
    return [(int(day), record.tobytes(), names[setup]) for day, record, setup in rows]


@given(DAYS, DAYS)
def test_renewed_days_are_as_if_all_had_been_read(old: dict[int, Any], new: dict[int, Any]) -> None:
    before, changed = _packed(old, 1), _packed(new, 2)
    together = {day.day: day for day in (*before, *changed)}
    assert _told(unpack(before).renewed(changed)) == _told(unpack(together[day] for day in sorted(together)))


async def _pack(house: House) -> None:
    async with house.pool.acquire() as connection, connection.transaction():
        await pack_days(connection, house.account_id)


async def _trades(house: House, known: KnownDays | None = None, first: date = date(2025, 1, 1)) -> int:
    async with house.pool.acquire() as connection:
        return len((await read_columns(connection, house.account_id, first, known=known)).records)


async def test_only_what_was_packed_anew_is_read(house: House, database: Database) -> None:
    known = KnownDays()
    for number, text in enumerate(("2025-12-02T14:00:00Z", "2025-12-03T14:00:00Z")):
        await _tell(house, number, text)
    async with house.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_current_xact_id()")
        await _pack(house)
        assert await _trades(house, known) == 2
    found = known.of(house.account_id, date(2025, 1, 1), LAST_DAY)
    assert found is not None
    assert set(found.packed_in) == {date(2025, 12, 2), date(2025, 12, 3)}
    # As long as an older transaction is under way, be it in another database of the server, they are told again.
    await asyncio.to_thread(wait_for_value, database.url, True, OLDEST_IS_LATER, max(found.packed_in.values()))
    assert await _trades(house, known) == 2
    # What is known is not asked for: that it was spoilt meanwhile is not seen, until the day is packed anew.
    await house.pool.execute("UPDATE journal_days SET records = '' WHERE day = '2025-12-02'")
    assert await _trades(house, known) == 2
    assert await _trades(house) == 1
    assert await _trades(house, known, date(2025, 12, 3)) == 1
    await _tell(house, 2, "2025-12-02T15:00:00Z")
    assert await _trades(house, known) == 3
    await _pack(house)
    assert [await _trades(house, known), await _trades(house)] == [3, 3]


async def test_what_another_was_packing_meanwhile_is_read_afterwards(house: House) -> None:
    known = KnownDays()
    await _tell(house, 0, "2025-12-02T14:00:00Z")
    await _tell(house, 1, "2025-12-03T14:00:00Z")
    await _pack(house)
    assert await _trades(house, known) == 2
    await _tell(house, 2, "2025-12-02T15:00:00Z")
    async with house.pool.acquire() as packing, packing.transaction():
        await pack_days(packing, house.account_id)  # its number is lower than that of those that end before it
        await _tell(house, 3, "2025-12-03T15:00:00Z")
        await _pack(house)
        assert await _trades(house, known) == 4
        await _tell(house, 4, "2025-12-03T16:00:00Z")
        await _pack(house)
        assert await _trades(house, known) == 5
    # Of the day that was packed by the earlier transaction, which ended last, the trades come from what it kept.
    await house.pool.execute("UPDATE journal_days SET records = records || records WHERE day = '2025-12-02'")
    assert [await _trades(house, known), await _trades(house)] == [7, 7]


async def test_days_that_are_gone_are_not_told_any_more(house: House) -> None:
    known = KnownDays()
    for number, text in enumerate(("2025-12-02T14:00:00Z", "2025-12-03T14:00:00Z")):
        await _tell(house, number, text)
    await _pack(house)
    assert await _trades(house, known) == 2
    await house.pool.execute("DELETE FROM journal_days WHERE day = '2025-12-02'")
    assert await _trades(house, known) == 1
    # Put back from elsewhere, where transactions had lower numbers.
    await house.pool.execute("UPDATE journal_days SET packed_in = 1, records = records || records")
    assert [await _trades(house, known), await _trades(house, known)] == [2, 2]


async def test_nobody_is_told_what_others_have(house: House) -> None:
    known = KnownDays()
    await _tell(house, 0, "2025-12-02T14:00:00Z")
    await _pack(house)
    await _trades(house, known)
    async with house.pool.acquire() as connection:
        assert not len((await read_columns(connection, new_id(), known=known)).records)


async def _tell(house: House, number: int, at: str) -> None:
    told = {"type": "ENTRY", "signal_id": f"T{number}", "timestamp": at, "entry_price": 1, "sl_price": 0.5}
    answer = await house.client.post("/api/automated-signals/webhook", json=told)
    assert answer.status_code == 200
    assert (await house.get("/api/automated-signals/stats")).status_code == 200  # which folds what was sent
