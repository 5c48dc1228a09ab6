"""Where bars lie in time: days that are cut by zones and sessions, clocks that are changed, pages of slots."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.market.aggregate import (
    BROKER_DAYS,
    SESSIONS,
    UTC_DAYS,
    DayRule,
    Slot,
    default_rule,
    longest,
    slots_from,
    slots_until,
    source_for,
)
from hookfill.market.calendar import is_open, load_exchange_sessions, trading_days
from hookfill.market.instruments import instrument_for
from hookfill.market.timeframes import TIMEFRAMES

NEW_YORK = ZoneInfo("America/New_York")
EVERY = 10_000


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    """Loaded before Hypothesis starts to look at how long an example takes."""
    load_exchange_sessions()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cut(rule: DayRule, timeframe: str, start: str, end: str, source: str = "M1") -> list[tuple[str, str]]:
    slots = slots_from(rule, timeframe, source, utc(start), utc(end), EVERY)
    return [(f"{slot.opens_at:%m-%d %H:%M}", f"{slot.closes_at:%m-%d %H:%M}") for slot in slots]


@pytest.mark.parametrize(
    ("symbol", "rule"),
    [("AAPL", SESSIONS), ("EURUSD", BROKER_DAYS), ("XAUUSD", BROKER_DAYS), ("BTCUSDT", UTC_DAYS), ("ES1!", UTC_DAYS)],
)
def test_the_rule_of_each_kind(symbol: str, rule: DayRule) -> None:
    assert default_rule(instrument_for(symbol)) == rule


def test_the_brokers_day_moves_with_new_yorks_clocks() -> None:
    """On 8 March 2026 clocks go forward, on 1 November back; the market is closed then, so that only Sunday's day is longer."""
    assert cut(BROKER_DAYS, "D1", "2026-03-05T00:00", "2026-03-11T00:00") == [
        ("03-05 22:00", "03-06 22:00"),
        ("03-06 22:00", "03-07 22:00"),
        ("03-07 22:00", "03-08 21:00"),
        ("03-08 21:00", "03-09 21:00"),
        ("03-09 21:00", "03-10 21:00"),
        ("03-10 21:00", "03-11 21:00"),
    ]
    assert cut(BROKER_DAYS, "D1", "2026-10-31T12:00", "2026-11-02T00:00") == [
        ("10-31 21:00", "11-01 22:00"),
        ("11-01 22:00", "11-02 22:00"),
    ]
    assert cut(BROKER_DAYS, "H4", "2026-11-01T12:00", "2026-11-02T03:00") == [
        ("11-01 13:00", "11-01 17:00"),
        ("11-01 17:00", "11-01 21:00"),
        ("11-01 21:00", "11-01 22:00"),
        ("11-01 22:00", "11-02 02:00"),
        ("11-02 02:00", "11-02 06:00"),
    ]


def test_the_brokers_weeks_and_months_begin_the_evening_before() -> None:
    assert cut(BROKER_DAYS, "W1", "2026-03-01T00:00", "2026-03-16T00:00") == [
        ("03-01 22:00", "03-08 21:00"),
        ("03-08 21:00", "03-15 21:00"),
        ("03-15 21:00", "03-22 21:00"),
    ]
    assert cut(BROKER_DAYS, "MN1", "2026-02-01T00:00", "2026-04-01T00:00") == [
        ("02-28 22:00", "03-31 21:00"),
        ("03-31 21:00", "04-30 21:00"),
    ]


def test_sessions_across_a_change_of_clocks_a_weekend_and_a_half_day() -> None:
    assert cut(SESSIONS, "D1", "2026-03-06T00:00", "2026-03-10T00:00") == [
        ("03-06 14:30", "03-06 21:00"),
        ("03-09 13:30", "03-09 20:00"),
    ]
    assert cut(SESSIONS, "H4", "2026-11-26T00:00", "2026-11-28T00:00") == [("11-27 14:30", "11-27 18:00")]
    assert cut(SESSIONS, "H1", "2026-11-27T00:00", "2026-11-28T00:00")[-1] == ("11-27 17:30", "11-27 18:00")
    assert cut(SESSIONS, "W1", "2026-11-20T00:00", "2026-12-01T00:00") == [
        ("11-23 14:30", "11-27 18:00"),
        ("11-30 14:30", "12-04 21:00"),
    ]
    assert cut(SESSIONS, "MN1", "2026-10-30T00:00", "2026-12-01T00:00") == [("11-02 14:30", "11-30 21:00")]


def test_a_bar_that_reaches_into_the_session_is_the_sessions() -> None:
    """Hours on the clock, and days that are stamped with midnight."""
    [hour] = slots_from(SESSIONS, "D1", "H1", utc("2026-03-06T00:00"), utc("2026-03-07T00:00"), EVERY)
    assert hour.reads_from <= utc("2026-03-06T14:00") < utc("2026-03-06T13:30") + timedelta(hours=1)
    assert hour.reads_from > utc("2026-03-06T13:30")
    [week] = slots_from(SESSIONS, "W1", "D1", utc("2026-03-09T00:00"), utc("2026-03-10T00:00"), EVERY)
    assert utc("2026-03-08T13:30") < week.reads_from <= utc("2026-03-09T00:00")


@pytest.mark.parametrize(
    ("timeframe", "rule", "stored", "is_default", "source"),
    [
        ("D1", UTC_DAYS, "M1 H1 H4", True, "H4"),
        ("D1", BROKER_DAYS, "M1 H1 H4", True, "H1"),  # hours divide 22:00 UTC, four of them don't
        ("D1", BROKER_DAYS, "H4", True, "H4"),  # the best that there is
        ("D1", SESSIONS, "M1 M30 H1 H4", True, "M30"),
        ("D1", SESSIONS, "H1", True, "H1"),
        ("W1", SESSIONS, "M1 D1", True, "D1"),
        ("MN1", BROKER_DAYS, "W1 D1", True, "D1"),
        ("MN1", BROKER_DAYS, "W1", True, None),
        ("W1", BROKER_DAYS, "M5 D1", False, "M5"),  # stored days are cut as they are
        ("W1", BROKER_DAYS, "D1", False, "D1"),
        ("D1", DayRule(zone=ZoneInfo("Asia/Kolkata")), "M1 M30 H1", False, "M30"),
        ("M5", UTC_DAYS, "M5 M15", True, None),
        ("M1", UTC_DAYS, "M1", True, None),
    ],
)
def test_what_bars_are_made_of(timeframe: str, rule: DayRule, stored: str, is_default: bool, source: str | None) -> None:
    assert source_for(timeframe, rule, stored.split(), is_default=is_default) == source


RULES = st.one_of(
    st.sampled_from([UTC_DAYS, BROKER_DAYS, SESSIONS]),
    st.builds(
        DayRule,
        st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59])),
        st.sampled_from(["UTC", "Europe/Athens", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]).map(
            ZoneInfo
        ),
    ),
)
STARTS = st.datetimes(datetime(1991, 1, 1), datetime(2098, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - made UTC
LENGTHS = {"M1": 600, "M5": 2_000, "H1": 20_000, "H4": 60_000, "D1": 300_000, "W1": 1_000_000, "MN1": 4_000_000}


@settings(max_examples=60, deadline=None)
@given(RULES, st.sampled_from(sorted(LENGTHS)), STARTS, st.floats(0, 1), st.integers(1, 40))
def test_pages_of_slots_are_complete_and_repeat_nothing(
    rule: DayRule, timeframe: str, start: datetime, share: float, most: int
) -> None:
    end = start + timedelta(minutes=share * LENGTHS[timeframe])
    whole = slots_from(rule, timeframe, "M1", start, end, EVERY)
    forwards: list[Slot] = []
    while page := slots_from(
        rule, timeframe, "M1", forwards[-1].opens_at + timedelta(microseconds=1) if forwards else start, end, most
    ):
        assert len(page) <= most
        forwards += page
    backwards: list[Slot] = []
    while page := slots_until(rule, timeframe, "M1", start, backwards[0].opens_at if backwards else end, most):
        assert len(page) <= most
        backwards = page + backwards
    assert forwards == backwards == whole
    for slot in whole:
        assert start <= slot.opens_at < end
        assert timedelta(0) < slot.closes_at - slot.opens_at <= longest(timeframe)
    for one, other in pairwise(whole):
        assert one.closes_at <= other.opens_at


@settings(max_examples=150, deadline=None)
@given(RULES.filter(lambda rule: not rule.by_sessions), st.sampled_from(sorted(LENGTHS)), STARTS)
def test_without_sessions_every_moment_lies_in_one_slot(rule: DayRule, timeframe: str, at: datetime) -> None:
    around = slots_from(rule, timeframe, "M1", at - longest(timeframe), at + timedelta(microseconds=1), EVERY)
    assert len([slot for slot in around if slot.reads_from <= at < slot.closes_at]) == 1


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["AAPL", "EURUSD", "BTCUSDT", "ES1!"]), STARTS)
def test_trading_days_are_when_the_market_is_open(symbol: str, at: datetime) -> None:
    instrument = instrument_for(symbol)
    days = list(trading_days(instrument, at, at + timedelta(microseconds=1)))
    local = at.astimezone(NEW_YORK) + (
        timedelta(hours=7) if symbol == "EURUSD" else timedelta(hours=6) if symbol == "ES1!" else timedelta(0)
    )
    is_holiday = symbol in ("EURUSD", "ES1!") and (local.month, local.day) in ((1, 1), (12, 25))
    assert bool(days) is (is_open(instrument, at) and not is_holiday)
    assert all(day.opens_at <= at < day.closes_at for day in days)


def test_a_trading_day_has_its_date() -> None:
    days = list(trading_days(instrument_for("EURUSD"), utc("2025-12-21T00:00"), utc("2025-12-28T00:00")))
    assert [day.date for day in days] == [date(2025, 12, number) for number in (22, 23, 24, 26)]
    assert (days[0].opens_at, days[0].closes_at) == (utc("2025-12-21T22:00"), utc("2025-12-22T22:00"))
    assert [day.date for day in trading_days(instrument_for("AAPL"), utc("2025-12-24T00:00"), utc("2025-12-27T00:00"))] == [
        date(2025, 12, 24),
        date(2025, 12, 26),
    ]


def test_a_date_that_a_zone_skipped_has_no_bar() -> None:
    """Samoa went from 29 to 31 December 2011 over the date line."""
    samoa = DayRule(zone=ZoneInfo("Pacific/Apia"))
    assert cut(samoa, "D1", "2011-12-28T00:00", "2012-01-01T00:00") == [
        ("12-28 10:00", "12-29 10:00"),
        ("12-29 10:00", "12-30 10:00"),
        ("12-30 10:00", "12-31 10:00"),
        ("12-31 10:00", "01-01 10:00"),
    ]


def test_every_timeframe_has_a_longest_slot() -> None:
    assert all(longest(name) >= timedelta(seconds=seconds) for name, seconds in TIMEFRAMES.items())
