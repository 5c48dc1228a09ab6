"""Alarms when an indicator falls silent or tells no more of an open trade: raised once, cleared when it is over."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.journal.quiet import is_silent, opened_at, stale_between, steady_since
from hookfill.journal.watch import MOST_STALE, watch_journals
from support.journal import at, entry, heartbeat, move, put, work_all

ACCOUNT = UUID(int=1)
TEN = timedelta(minutes=10)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("symbol", "now", "opened"),
    [
        ("MNQ1!", "2026-03-02 15:00", "2026-03-01 23:00"),  # Monday's day of futures begins on Sunday at 18:00 New York
        (None, "2026-03-02 15:00", "2026-03-01 23:00"),
        ("MNQ1!", "2026-03-02 22:30", None),  # the daily break
        ("MNQ1!", "2026-03-02 23:00", "2026-03-02 23:00"),
        ("MNQ1!", "2026-03-06 22:00", None),  # Friday evening
        ("MNQ1!", "2026-03-07 15:00", None),
        ("MNQ1!", "2026-03-08 21:59", None),  # Sunday, New York on summer time since this day
        ("MNQ1!", "2026-03-08 22:00", "2026-03-08 22:00"),
        ("MNQ1!", "2026-12-25 15:00", None),
        ("EURUSD", "2026-03-02 22:30", "2026-03-02 22:00"),
        ("AAPL", "2026-03-02 15:00", "2026-03-02 14:30"),
        ("AAPL", "2026-03-02 22:00", None),
        ("BTCUSDT", "2026-03-07 15:00", "2026-03-07 00:00"),
    ],
)
def test_when_the_market_opened(symbol: str | None, now: str, opened: str | None) -> None:
    assert opened_at(symbol, utc(now)) == (None if opened is None else utc(opened))


@pytest.mark.parametrize(
    ("live", "opened", "now", "expected"),
    [
        (0, -60, 10, False),
        (0, -60, 10.1, True),
        (0, None, 10.1, None),  # closed: what was said holds
        (0, None, 5, False),
        (-60, 0, 5, None),  # just opened after a break
        (-60, 0, 10, None),
        (-60, 0, 11, True),
        (0, 9 * 24 * 60, 7 * 24 * 60 + 1, False),  # given up
    ],
)
def test_whether_an_indicator_is_silent(live: float, opened: float | None, now: float, expected: bool | None) -> None:
    assert is_silent(at(live), None if opened is None else at(opened), at(now), TEN) is expected


def test_moves_are_steady_from_the_first_after_a_gap() -> None:
    assert steady_since(None, None, []) == (None, None)
    assert steady_since(None, None, [at(3), at(1), at(2)]) == (at(3), at(1))
    assert steady_since(at(3), at(1), [at(5)]) == (at(5), at(1))
    assert steady_since(at(3), at(1), [at(5.1)]) == (at(5.1), at(5.1))
    assert steady_since(at(3), at(1), [at(4), at(10), at(11)]) == (at(11), at(10))
    assert steady_since(at(3), at(1), [at(2), at(-90)]) == (at(3), at(1))  # late ones change nothing
    assert steady_since(at(3), at(1), []) == (at(3), at(1))


def test_stale_only_when_moves_come_steadily() -> None:
    assert stale_between(at(5), at(3)) is None
    assert stale_between(at(5.5), at(3)) == (at(5.5 - 24 * 60), at(3.5))


class Watch:
    """A journal on a clock of its own, as on a server whose messages carry the time."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def tell(self, minute: float, *told: Any) -> None:
        """Messages arrive."""
        await put(self._connection, ACCOUNT, *told, received_at=at(minute))
        await work_all(self._connection, ACCOUNT)

    async def look(self, minute: float) -> list[tuple[str, str]]:
        """Look so many minutes after; returns what is in force then."""
        text = "INSERT INTO simulated_clock (now_at) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET now_at = excluded.now_at"
        await self._connection.execute(text, at(minute))
        await watch_journals(self._connection, TEN)
        rows = await self._connection.fetch("SELECT kind, subject FROM alarms WHERE cleared_at IS NULL ORDER BY 1, 2")
        return [(row["kind"], row["subject"]) for row in rows]

    async def raised(self) -> int:
        count: int = await self._connection.fetchval("SELECT count(*) FROM alarms")
        return count


@pytest.fixture
def watch(connection: asyncpg.Connection) -> Watch:
    return Watch(connection)


SILENT = [("journal_silent", "telemetry")]


async def test_silence_is_told_once_and_over_with_the_next_message(watch: Watch, connection: asyncpg.Connection) -> None:
    await watch.tell(0, heartbeat(0))
    assert await watch.look(10) == []
    assert await watch.look(11) == SILENT
    assert await watch.look(12) == SILENT
    assert await watch.raised() == 1
    text = await connection.fetchval("SELECT text FROM alarms")
    assert text.startswith("The indicator has told nothing since 2026-03-02 15:00 UTC")
    await watch.tell(13, heartbeat(13))
    assert await watch.look(14) == []
    assert await watch.look(24) == SILENT
    assert await watch.raised() == 2


async def test_moves_are_signs_of_life_too(watch: Watch) -> None:
    await watch.tell(0, heartbeat(0))
    await watch.tell(9, move(minute=9))
    assert await watch.look(19) == []
    assert await watch.look(20) == SILENT


async def test_an_indicator_without_heartbeats_may_be_silent(watch: Watch) -> None:
    await watch.tell(0, entry())
    assert await watch.look(600) == []


async def test_history_is_no_sign_of_life_and_its_end_no_silence(watch: Watch) -> None:
    await watch.tell(60 * 24 * 30, heartbeat(0), move(minute=1), move("T2", 30))
    assert await watch.look(60 * 24 * 30 + 20) == []


async def test_no_alarm_while_the_market_is_closed(watch: Watch) -> None:
    friday = (4 * 24 + 6.9) * 60  # 16:54 New York
    await watch.tell(friday, heartbeat(friday))
    for minute in (5, 20, 24 * 60, 2 * 24 * 60):
        assert await watch.look(friday + minute) == []
    sunday = friday + 6 + (2 * 24 + 1 - 1) * 60  # 18:00 New York, on summer time since that morning
    assert await watch.look(sunday + 9) == []
    assert await watch.look(sunday + 11) == SILENT


async def test_what_was_silent_before_the_close_stays_so(watch: Watch) -> None:
    await watch.tell(0, heartbeat(0))
    assert await watch.look(15) == SILENT
    assert await watch.look(7.5 * 60) == SILENT  # the daily break
    assert await watch.look(8 * 24 * 60) == []  # given up


def batch(minute: float, *trades: str) -> dict[str, Any]:
    members = [{"trade_id": one, "be_mfe": 0.5, "no_be_mfe": 0.5} for one in trades]
    return {"event_type": "MFE_UPDATE_BATCH", "timestamp": at(minute).isoformat(), "signals": members}


async def test_an_open_trade_that_is_told_of_no_more(watch: Watch) -> None:
    await watch.tell(0, entry("A"), entry("B"))
    for minute in range(1, 6):
        await watch.tell(minute, batch(minute, "A", "B") if minute <= 3 else batch(minute, "A"))
        assert await watch.look(minute) == []
    await watch.tell(6, batch(6, "A"))
    assert await watch.look(6) == [("journal_stale", "B")]
    await watch.tell(7, batch(7, "A"))
    assert await watch.look(7) == [("journal_stale", "B")]
    assert await watch.raised() == 1
    await watch.tell(8, batch(8, "A", "B"))
    assert await watch.look(8) == []


async def test_a_trade_that_ended_is_not_missed(watch: Watch) -> None:
    await watch.tell(0, entry("A"), entry("B"))
    for minute in range(1, 8):
        await watch.tell(minute, batch(minute, "A"))
    assert await watch.look(7) == [("journal_stale", "B")]
    await watch.tell(8, {**entry("B", 2), "event_type": "EXIT_STOP_LOSS"})
    assert await watch.look(8) == []


async def test_after_a_pause_the_first_messages_prove_nothing(watch: Watch) -> None:
    await watch.tell(0, entry("A"), entry("B"))
    for minute in (1, 2, 3, 4):
        await watch.tell(minute, batch(minute, "A", "B"))
    await watch.tell(60, batch(60, "A"))  # B's part of it comes a moment later
    assert await watch.look(60) == []
    await watch.tell(60, batch(60, "B"))
    await watch.tell(62, batch(62, "A", "B"))
    assert await watch.look(62) == []


async def test_silence_of_all_is_not_the_fault_of_one_trade(watch: Watch) -> None:
    await watch.tell(0, entry("A"))
    for minute in range(1, 6):
        await watch.tell(minute, batch(minute, "A"))
    assert await watch.look(9) == []


async def test_a_trade_of_yesterday_is_given_up(watch: Watch) -> None:
    await watch.tell(0, entry("OLD"), batch(1, "OLD"))
    day = 24 * 60
    for minute in range(day, day + 5):
        await watch.tell(minute, batch(minute, "NEW"))
    assert await watch.look(day + 5) == []


async def test_alarms_about_trades_are_bounded_and_the_same_stay(watch: Watch) -> None:
    names = [f"T{n:02}" for n in range(30)]
    await watch.tell(0, *(entry(name) for name in names))
    for minute in range(1, 6):
        await watch.tell(minute, batch(minute, "X"))
    first = await watch.look(5)
    assert len(first) == MOST_STALE
    await watch.tell(6, batch(6, "X", first[0][1]))
    second = await watch.look(6)
    assert len(second) == MOST_STALE
    assert set(first[1:]) < set(second)


async def test_a_journal_that_was_never_live_is_not_watched(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, heartbeat(0), source="backfill")
    await work_all(connection, ACCOUNT)
    await watch_journals(connection, TEN)
    assert await connection.fetchval("SELECT count(*) FROM alarms") == 0
