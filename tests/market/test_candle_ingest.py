"""Reading batches of candles: what is accepted, and the place and the words of what is not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.strict_json import loads
from hookfill.market.ingest import MAX_VOLUME, MOST_CANDLES, MOST_ERRORS, read_candles
from hookfill.market.timeframes import TIMEFRAMES

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOUND = {
    "symbol": " oanda:eurusd ", "timeframe": "5", "timestamp": "2026-03-02T11:00:00Z", "open": 1.1, "high": "1.2", "low": 1,
    "close": Decimal("1.15"), "volume": 7,
}  # fmt: skip


def read(*changes: dict[str, Any]):
    return read_candles(
        {"candles": [{name: value for name, value in (SOUND | one).items() if value != "gone"} for one in changes]}, NOW
    )


def test_a_sound_candle() -> None:
    candles, faults = read({})
    assert faults == []
    bar = candles[0]
    assert (bar.symbol, bar.timeframe, bar.volume) == ("EURUSD", "M5", 7)
    assert (bar.opened_at, bar.closes_at) == (NOW - timedelta(hours=1), NOW - timedelta(minutes=55))
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, ("1.1", "1.2", "1", "1.15")))


FAULTY: list[tuple[dict[str, Any], str, str]] = [
    ({"symbol": "gone"}, "symbol", "required"),
    ({"symbol": ""}, "symbol", "1 to 32"),
    ({"symbol": "   "}, "symbol", "1 to 32"),
    ({"symbol": "OANDA:"}, "symbol", "1 to 32"),
    ({"symbol": "X" * 33}, "symbol", "1 to 32"),
    ({"symbol": 5}, "symbol", "1 to 32"),
    ({"timeframe": "gone"}, "timeframe", "required"),
    ({"timeframe": "M7"}, "timeframe", "M15"),
    ({"timeframe": []}, "timeframe", "M1"),
    ({"timeframe": True}, "timeframe", "M1"),
    ({"timestamp": "gone"}, "timestamp", "required"),
    ({"timestamp": "yesterday"}, "timestamp", "ISO 8601"),
    ({"timestamp": "2026-03-02T11:00:00"}, "timestamp", "zone"),
    ({"timestamp": {}}, "timestamp", "time"),
    ({"timestamp": "2026-03-02T12:05:01Z"}, "timestamp", "future"),
    ({"open": "gone"}, "open", "required"),
    ({"close": None}, "close", "required"),
    ({"high": "x"}, "high", "number"),
    ({"low": True}, "low", "number"),
    ({"low": []}, "low", "number"),
    ({"low": 0}, "low", "greater than zero"),
    ({"low": -1}, "low", "greater than zero"),
    ({"low": Decimal("NaN")}, "low", "finite"),
    ({"high": Decimal("Infinity")}, "high", "finite"),
    ({"high": 10**15}, "high", "below"),
    ({"high": Decimal(10**15)}, "high", "below"),
    ({"high": Decimal("1e16")}, "high", "below"),
    ({"low": Decimal("0.00000000004")}, "low", "at least"),
    ({"low": Decimal("1e-300")}, "low", ""),
    ({"high": "1.05"}, "open", "between"),
    ({"high": "0.9"}, "high", "below low"),
    ({"low": "1.12"}, "open", "between"),
    ({"close": "1.21"}, "close", "between"),
    ({"close": "0.99"}, "close", "between"),
    ({"volume": -1}, "volume", "at least zero"),
    ({"volume": Decimal("1.5")}, "volume", "whole"),
    ({"volume": MAX_VOLUME + 1}, "volume", "bounds"),
    ({"volume": "many"}, "volume", "number"),
    ({"volume": Decimal("NaN")}, "volume", "finite"),
]


@pytest.mark.parametrize(("changes", "field", "words"), FAULTY)
def test_a_fault_names_its_candle_and_field(changes, field, words) -> None:
    candles, faults = read({}, changes, {})
    assert [fault.place for fault in faults] == [("body", "candles", 1, field)]
    assert words in faults[0].text
    assert len(candles) == 2


@pytest.mark.parametrize(
    ("payload", "place", "kind"),
    [
        ([], ("body",), "model_attributes_type"),
        (None, ("body",), "model_attributes_type"),
        ({}, ("body", "candles"), "missing"),
        ({"candles": None}, ("body", "candles"), "missing"),
        ({"candles": {}}, ("body", "candles"), "list_type"),
        ({"candles": []}, ("body", "candles"), "too_long"),
        ({"candles": [1]}, ("body", "candles", 0), "value_error"),
        ({"candles": [None]}, ("body", "candles", 0), "value_error"),
        ({"candles": [SOUND] * (MOST_CANDLES + 1)}, ("body", "candles"), "too_long"),
    ],
)
def test_a_batch_that_is_none(payload, place, kind) -> None:
    candles, faults = read_candles(payload, NOW)
    assert (candles, [(fault.place, fault.kind) for fault in faults]) == ([], [(place, kind)])


def test_the_first_hundred_faults_are_enough() -> None:
    _, faults = read(*[{"open": 0}] * (MOST_ERRORS + 50))
    assert len(faults) == MOST_ERRORS


@pytest.mark.parametrize(
    "timestamp", ["2026-03-02T12:05:00Z", "2026-03-02T13:05:00+01:00", 1772453100, 1772453100000, "1772453100"]
)
def test_one_bar_ahead_is_the_most_however_it_is_written(timestamp) -> None:
    candles, faults = read({"timestamp": timestamp})
    assert faults == []
    assert candles[0].opened_at == NOW + timedelta(minutes=5)


def test_volume_may_be_missing_and_as_large_as_the_column() -> None:
    candles, faults = read(
        {"volume": "gone"}, {"volume": None}, {"volume": MAX_VOLUME}, {"volume": Decimal("12.0")}, {"volume": "3"}
    )
    assert faults == []
    assert [one.volume for one in candles] == [None, None, MAX_VOLUME, 12, 3]


def test_the_noise_of_binary_fractions_is_rounded_away() -> None:
    """MetaTrader's doubles come with up to seventeen digits: a price has ten decimals, and products of it stay exact."""
    noisy = {"open": "1.1000000000000001", "high": "1.2000000000499999", "low": "1.00000000005000001", "close": "1.15"}
    candles, faults = read(noisy)
    assert faults == []
    bar = candles[0]
    assert (bar.open, bar.high, bar.low) == (Decimal("1.1"), Decimal("1.2"), Decimal("1.0000000001"))
    assert str(bar.close) == "1.15"


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.decimals()
names = st.sampled_from([*SOUND, "candles", "x"])


@given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=9), max_leaves=20))
def test_nothing_makes_it_raise(junk) -> None:
    candles, faults = read_candles({"candles": [junk, SOUND]}, NOW)
    assert len(candles) + len(faults) == 2
    read_candles(junk, NOW)


prices = st.decimals("0.0001", "90000", places=5)


@given(st.lists(prices, min_size=4, max_size=4), st.sampled_from(sorted(TIMEFRAMES)))
def test_low_open_close_high_in_order_or_refused(four, timeframe) -> None:
    opening, high, low, close = four
    candles, faults = read({"open": opening, "high": high, "low": low, "close": close, "timeframe": timeframe})
    assert bool(candles) == (low <= opening <= high and low <= close <= high)
    assert bool(faults) != bool(candles)


def test_what_strict_json_brings_is_read_alike() -> None:
    numbers = '"open":1.10,"high":1.2e0,"low":1,"close":"1.15","volume":1'
    body = f'{{"candles":[{{"symbol":"EURUSD","timeframe":"H1","timestamp":1772452800,{numbers}}}]}}'.encode()
    candles, faults = read_candles(loads(body), NOW)
    assert faults == []
    assert candles[0].high == Decimal("1.2")
