from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.timeframes import TIMEFRAMES, InvalidTimeframe, bar_close, bar_seconds, closest_timeframe, normalize_timeframe


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("M1", ["1m", "1", 1, "M1", "m1", "1min", "1 min", "60s", " 1m "]),
        ("M5", ["5m", "5", 5, "M5", "m5", "5min", "5 minutes"]),
        ("M15", ["15m", "15", "M15"]),
        ("M30", ["30m", "30", "M30"]),
        ("H1", ["60", 60, "1h", "1H", "H1", "h1", "60m", "H", "1hour"]),
        ("H4", ["240", "4h", "4H", "H4", "240m"]),
        ("D1", ["D", "1D", "1d", "D1", "d", "1440", "daily", "1 day", "24h"]),
        ("W1", ["W", "1W", "1w", "W1", "weekly", "10080", "7D"]),
        ("MN1", ["M", "1M", "MN", "MN1", "mn1", "1MN", "1mo", "monthly", "43200"]),
    ],
)
def test_spellings(name: str, spellings: list[str | int]) -> None:
    assert {spelling: normalize_timeframe(spelling) for spelling in spellings} == dict.fromkeys(spellings, name)


@pytest.mark.parametrize(
    "text", ["3m", "2h", "3", "M3", "2D", "3M", "H2", "0", 0, "-5", -5, "", "m", "abc", "100T", "1R", "1.5h", "M1M", "٥", True]
)
def test_everything_else_is_refused_with_the_list(text: str | int) -> None:
    with pytest.raises(InvalidTimeframe, match="M1, M5, M15, M30, H1, H4, D1, W1, MN1"):
        normalize_timeframe(text)


@pytest.mark.parametrize(
    ("text", "closest"),
    [
        ("1m", "M1"),
        ("1M", "MN1"),
        ("3m", "M5"),
        ("30s", "M1"),
        ("10", "M15"),
        ("45", "H1"),
        ("2h", "H1"),  # as near to H4: the shorter one
        ("3h", "H4"),
        ("12h", "D1"),
        ("2D", "D1"),
        ("3M", "MN1"),
        ("999999", "MN1"),
        ("100T", None),
        ("renko", None),
        ("m", None),
        ("0", None),
        ("", None),
        (None, None),
    ],
)
def test_the_closest_timeframe_of_free_text(text: str | None, closest: str | None) -> None:
    assert closest_timeframe(text) == closest


@pytest.mark.parametrize(
    ("timeframe", "opened", "closes"),
    [
        ("M1", (2026, 1, 31, 23, 59), (2026, 2, 1, 0, 0)),
        ("H4", (2026, 3, 7, 20, 0), (2026, 3, 8, 0, 0)),
        ("D1", (2026, 2, 28, 0, 0), (2026, 3, 1, 0, 0)),
        ("W1", (2026, 12, 28, 0, 0), (2027, 1, 4, 0, 0)),
        ("MN1", (2026, 1, 1, 0, 0), (2026, 2, 1, 0, 0)),
        ("MN1", (2026, 2, 1, 0, 0), (2026, 3, 1, 0, 0)),
        ("MN1", (2024, 2, 1, 0, 0), (2024, 3, 1, 0, 0)),
        ("MN1", (2026, 12, 1, 0, 0), (2027, 1, 1, 0, 0)),
        ("MN1", (2026, 1, 2, 14, 30), (2026, 2, 1, 14, 30)),  # a share's first session
        ("MN1", (2026, 1, 31, 22, 0), (2026, 2, 28, 22, 0)),  # midnight two hours east of UTC
        ("MN1", (2026, 2, 28, 22, 0), (2026, 3, 31, 22, 0)),
        ("MN1", (2024, 2, 29, 22, 0), (2024, 3, 31, 22, 0)),
        ("MN1", (2026, 12, 31, 22, 0), (2027, 1, 31, 22, 0)),
    ],
)
def test_when_a_bar_closes(timeframe: str, opened: tuple[int, ...], closes: tuple[int, ...]) -> None:
    assert bar_close(timeframe, datetime(*opened, tzinfo=UTC)) == datetime(*closes, tzinfo=UTC)


@pytest.mark.parametrize("timeframe", ["", "1m", "MN", "X"])
def test_lengths_take_normalised_names_only(timeframe: str) -> None:
    with pytest.raises(InvalidTimeframe):
        bar_seconds(timeframe)
    with pytest.raises(InvalidTimeframe):
        bar_close(timeframe, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.text(max_size=12) | st.integers(-10, 100_000))
def test_whatever_is_normalised_is_in_the_table_and_its_own_closest(text: str | int) -> None:
    try:
        name = normalize_timeframe(text)
    except InvalidTimeframe:
        return
    assert name in TIMEFRAMES
    assert normalize_timeframe(name) == closest_timeframe(text) == name


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.sampled_from(sorted(TIMEFRAMES)))  # noqa: DTZ001  # Hypothesis wants naive bounds
def test_bars_last_about_their_length(moment: datetime, timeframe: str) -> None:
    opened = moment.replace(tzinfo=UTC)
    length = bar_close(timeframe, opened) - opened
    if timeframe == "MN1":
        assert timedelta(days=1) <= length <= timedelta(days=31)
    else:
        assert length == timedelta(seconds=bar_seconds(timeframe))
