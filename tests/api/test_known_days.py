"""Packed days that were read before are not read again until they are packed anew."""

from datetime import UTC, date, datetime
from uuid import uuid4

from hookfill.journal.known_days import Kept, KnownDays
from hookfill.journal.packing import pack_days
from hookfill.journal.reading import read_columns
from hookfill.journal.records import PackedDay
from hookfill.kernel.ids import new_id
from support.house import House

AT = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int, size: int) -> Kept:
    return Kept(AT, PackedDay(date(2026, 1, number), b"r" * size, "[]"))


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    known = KnownDays(most_bytes=100)
    old, new, newest = uuid4(), uuid4(), uuid4()
    known.keep(old, [day(1, 40)])
    known.keep(new, [day(1, 40)])
    known.keep(old, [day(1, 30), day(2, 10)])  # in place of what was there, and asked for again
    assert [len(known.of(one)) for one in (old, new)] == [2, 1]
    known.keep(newest, [day(1, 60)])
    assert [len(known.of(one)) for one in (old, new, newest)] == [2, 0, 1]


async def _pack(house: House) -> None:
    async with house.pool.acquire() as connection, connection.transaction():
        await pack_days(connection, house.account_id)


async def _trades(house: House, known: KnownDays | None = None, first: date = date(2025, 1, 1)) -> int:
    async with house.pool.acquire() as connection:
        return len((await read_columns(connection, house.account_id, first, known=known)).records)


async def test_only_what_was_packed_anew_is_read(house: House) -> None:
    known = KnownDays()
    for number, text in enumerate(("2025-12-02T14:00:00Z", "2025-12-03T14:00:00Z")):
        await _tell(house, number, text)
    await _pack(house)
    assert await _trades(house, known) == 2
    assert set(known.of(house.account_id)) == {date(2025, 12, 2), date(2025, 12, 3)}
    # What is known is not asked for: that it was spoilt meanwhile is not seen, until the day is packed anew.
    await house.pool.execute("UPDATE journal_days SET records = '' WHERE day = '2025-12-02'")
    assert await _trades(house, known) == 2
    assert await _trades(house) == 1
    assert await _trades(house, known, date(2025, 12, 3)) == 1
    await _tell(house, 2, "2025-12-02T15:00:00Z")
    assert await _trades(house, known) == 3
    await _pack(house)
    assert [await _trades(house, known), await _trades(house)] == [3, 3]


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
