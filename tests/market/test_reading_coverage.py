"""What counts as missing: the market's calendar decides."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.market.calendar import load_exchange_sessions
from hookfill.market.coverage import Break, Gap, Stretch, describe, find_gap
from hookfill.market.instruments import instrument_for
from hookfill.market.timeframes import bar_close, bar_seconds

NEW_YORK = ZoneInfo("America/New_York")
COIN = instrument_for("BTCUSDT")
START = datetime(2026, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


def missing(symbol: str, timeframe: str, before: str, behind: str, zone: object = UTC) -> int:
    """How many bars are missing between two neighbours; 0 if there is no gap."""
    opened = [datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC) for text in (before, behind)]
    gap = find_gap(instrument_for(symbol), timeframe, *opened)
    if gap is None:
        return 0
    assert (gap.begins_at, gap.ends_at) == (bar_close(timeframe, opened[0]), opened[1])
    return gap.missing


@pytest.mark.parametrize(
    ("symbol", "timeframe", "before", "behind", "count"),
    [
        # A night, a weekend with a change of clocks, Independence Day, a half day and Thanksgiving: no gaps of a share.
        ("AAPL", "M1", "2026-03-04T15:59", "2026-03-05T09:30", 0),
        ("AAPL", "M5", "2026-03-06T15:55", "2026-03-09T09:30", 0),
        ("AAPL", "M30", "2026-07-02T15:30", "2026-07-06T09:30", 0),
        ("AAPL", "M1", "2026-11-27T12:59", "2026-11-30T09:30", 0),
        ("AAPL", "H1", "2026-11-25T15:00", "2026-11-27T10:00", 0),
        # The opening, the rest of a day, a day between.
        ("AAPL", "M1", "2026-03-04T15:59", "2026-03-05T09:33", 3),
        ("AAPL", "M5", "2026-03-04T15:45", "2026-03-05T09:30", 2),
        ("AAPL", "M15", "2026-03-04T15:45", "2026-03-06T09:30", 26),
        # Days of a share, however they are stamped.
        ("AAPL", "D1", "2026-03-06T00:00", "2026-03-09T00:00", 0),
        ("AAPL", "D1", "2026-03-06T09:30", "2026-03-09T09:30", 0),
        ("AAPL", "D1", "2026-04-02T00:00", "2026-04-06T00:00", 0),
        ("AAPL", "D1", "2026-03-05T00:00", "2026-03-09T00:00", 1),
        ("AAPL", "W1", "2026-03-02T00:00", "2026-03-09T00:00", 0),
        ("AAPL", "W1", "2026-03-02T00:00", "2026-03-23T00:00", 2),
        ("AAPL", "MN1", "2026-03-01T00:00", "2026-04-01T00:00", 0),
        ("AAPL", "MN1", "2026-03-01T00:00", "2026-06-01T00:00", 2),
        # Currencies: the weekend from Friday 17:00, Christmas and New Year's Day.
        ("EURUSD", "H1", "2026-03-06T16:00", "2026-03-08T17:00", 0),
        ("EURUSD", "H1", "2026-03-06T16:00", "2026-03-08T19:00", 2),
        ("EURUSD", "M1", "2025-12-24T16:59", "2025-12-25T17:00", 0),
        ("EURUSD", "H4", "2025-12-31T13:00", "2026-01-01T17:00", 0),
        ("EURUSD", "M5", "2026-03-04T12:00", "2026-03-04T12:30", 5),
        ("EURUSD", "D1", "2026-03-05T17:00", "2026-03-08T17:00", 0),
        ("EURUSD", "D1", "2026-03-04T17:00", "2026-03-08T17:00", 1),
        ("EURUSD", "D1", "2026-03-05T19:00", "2026-03-08T20:00", 0),  # stamped with midnight in London
        ("EURUSD", "W1", "2026-03-01T17:00", "2026-03-15T17:00", 1),
        ("ES1!", "M1", "2026-03-04T16:59", "2026-03-04T18:00", 0),
        ("ES1!", "M1", "2026-03-04T16:57", "2026-03-04T18:02", 4),
        ("BTCUSDT", "H1", "2026-03-06T16:00", "2026-03-08T17:00", 47),  # an hour less: clocks go forward
        ("BTCUSDT", "M1", "2026-03-06T16:00", "2026-03-06T16:01", 0),
        ("BTCUSDT", "M1", "2026-03-06T16:00:00", "2026-03-06T16:01:30", 0),  # half a bar has no room
    ],
)
def test_pauses(symbol: str, timeframe: str, before: str, behind: str, count: int) -> None:
    assert missing(symbol, timeframe, before, behind, NEW_YORK) == count


def breaks_of(opened_at: list[datetime], timeframe: str) -> list[Break]:
    """What the statement ``breaks`` tells of bars."""
    step, last = timedelta(seconds=bar_seconds(timeframe)), len(opened_at)
    neighbours = enumerate(zip([None, *opened_at], opened_at, strict=False), start=1)
    return [
        Break(at, before, number) for number, (before, at) in neighbours if before is None or at - before > step or number == last
    ]


def test_stretches_lie_between_gaps() -> None:
    minutes = [START + timedelta(minutes=n) for n in (0, 1, 2, 5, 7, 8)]
    at = [START + timedelta(minutes=n) for n in range(10)]
    stretches, gaps = describe(COIN, "M1", breaks_of(minutes, "M1"))
    assert stretches == [Stretch(at[0], at[3], 3), Stretch(at[5], at[6], 1), Stretch(at[7], at[9], 2)]
    assert gaps == [Gap(at[3], at[5], 2), Gap(at[6], at[7], 1)]
    continued, same = describe(COIN, "M1", breaks_of(minutes, "M1"), is_continued=True)
    assert (continued, same) == ([Stretch(at[1], at[3], 2), *stretches[1:]], gaps)


@pytest.mark.parametrize("is_continued", [False, True])
def test_one_bar_and_none(is_continued: bool) -> None:
    assert describe(COIN, "M1", [], is_continued=is_continued) == ([], [])
    stretches, gaps = describe(COIN, "M1", [Break(START, None, 1)], is_continued=is_continued)
    assert (stretches, gaps) == ([] if is_continued else [Stretch(START, START + timedelta(minutes=1), 1)], [])


@settings(deadline=None)
@given(st.sets(st.integers(0, 400), min_size=1), st.integers(1, 30))
def test_bars_and_gaps_make_up_the_whole_also_page_by_page(numbers: set[int], size: int) -> None:
    opened = [START + timedelta(minutes=number) for number in sorted(numbers)]
    stretches, gaps = describe(COIN, "M1", breaks_of(opened, "M1"))
    assert sum(stretch.bars for stretch in stretches) == len(opened)
    assert sum(gap.missing for gap in gaps) == max(numbers) - min(numbers) + 1 - len(opened)
    edges = [edge for stretch in stretches for edge in (stretch.begins_at, stretch.ends_at)]
    assert edges[1:-1] == [edge for gap in gaps for edge in (gap.begins_at, gap.ends_at)]
    told, found = 0, []
    for first in range(0, len(opened), size):  # each page begins with the last bar of the page before
        page = opened[max(0, first - 1) : first + size]
        pieces, between = describe(COIN, "M1", breaks_of(page, "M1"), is_continued=first > 0)
        told, found = told + sum(piece.bars for piece in pieces), found + between
    assert (told, found) == (len(opened), gaps)


def test_no_year_of_a_share_has_a_gap_where_it_has_every_session() -> None:
    """Bars of 30 minutes of every session of 2025, as they are counted by hand from the exchange's hours."""
    holidays = {"01-01", "01-09", "01-20", "02-17", "04-18", "05-26", "06-19", "07-04", "09-01", "11-27", "12-25"}
    half_days = {"07-03", "11-28", "12-24"}
    opened = []
    for day in (date(2025, 1, 1) + timedelta(days=n) for n in range(365)):
        if day.weekday() < 5 and f"{day:%m-%d}" not in holidays:
            opening = datetime.combine(day, time(9, 30), NEW_YORK)
            opened += [opening + timedelta(minutes=30 * n) for n in range(7 if f"{day:%m-%d}" in half_days else 13)]
    opened = [at.astimezone(UTC) for at in opened]
    stretches, gaps = describe(instrument_for("AAPL"), "M30", breaks_of(opened, "M30"))
    assert gaps == []
    assert [stretch.bars for stretch in stretches] == [247 * 13 + 3 * 7]
