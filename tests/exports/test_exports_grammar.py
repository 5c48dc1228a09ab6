"""What the rows of an export say, and which can't be used."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.exports.grammar import ALL, CONFIRMED, LEDGERS, read_rows, trade_id_of
from hookfill.exports.model import Kind, Ledger
from support.exports import TRIANGLE, all_row, confirmed_row, ms

VALUES = {
    "triangle_time": TRIANGLE,
    "confirmation_time": TRIANGLE + timedelta(minutes=1),
    "date": date(2025, 12, 17),
    "direction": "Bullish",
    "session": "NY AM",
    "age": Decimal(3),
    "entry": Decimal("21250.5"),
    "stop": Decimal("21240.25"),
    "be_mfe": Decimal("1.25"),
    "no_be_mfe": Decimal("2.5"),
    "mae": Decimal("-0.5"),
    "completed": False,
}


def exact(row: dict[str, Any]) -> dict[str, Any]:
    """As strict JSON is read: no floats."""
    return {name: Decimal(repr(value)) if isinstance(value, float) else value for name, value in row.items()}


def read(ledger: Ledger, **fields: Any) -> dict[str, Any]:
    """The values of one row, which must be usable."""
    make = confirmed_row if ledger is CONFIRMED else all_row
    reading = read_rows(ledger, [exact(make(**fields))])
    assert reading.skipped == ()
    return {"trade_id": reading.rows[0].trade_id, **reading.rows[0].values}


def test_a_confirmed_signal() -> None:
    assert read(CONFIRMED) == {"trade_id": "20251217_100000000_BULLISH", **VALUES}


def test_one_of_all_signals() -> None:
    found = read(ALL, bars_to_confirm="2", htf_1m=-1)
    assert found == {
        "trade_id": "20251217_100000000_BULLISH",
        "signal_time": TRIANGLE,
        "confirmation_time": TRIANGLE + timedelta(minutes=1),
        "direction": "Bullish",
        "status": "CONFIRMED",
        "bars_to_confirm": Decimal(2),
        "entry": Decimal("21250.5"),
        "stop": Decimal("21240.25"),
        "risk": Decimal("10.25"),
        "htf_daily": "Bullish",
        "htf_4h": "Bearish",
        "htf_1h": "Neutral",
        "htf_15m": "Bullish",
        "htf_5m": "Bullish",
        "htf_1m": "-1",
    }


@pytest.mark.parametrize(
    ("at", "direction", "trade_id"),
    [
        (datetime(2025, 12, 17, 15, tzinfo=UTC), "Bullish", "20251217_100000000_BULLISH"),
        (datetime(2025, 7, 1, 3, 30, 5, tzinfo=UTC), "Bearish", "20250630_233005000_BEARISH"),
    ],
)
def test_the_id_that_a_confirmed_signal_leaves_out(at: datetime, direction: str, trade_id: str) -> None:
    assert trade_id_of(at, direction) == trade_id
    for nothing in (..., None, "", "NaN"):
        assert read(CONFIRMED, trade_id=nothing, triangle_time=ms(at), direction=direction.lower())["trade_id"] == trade_id


@pytest.mark.parametrize("nothing", [..., None, "", " ", "NaN", "na", "null"])
@pytest.mark.parametrize("name", sorted(VALUES.keys() - CONFIRMED.required))
def test_nothing_is_nothing(name: str, nothing: Any) -> None:
    assert name not in read(CONFIRMED, **{name: nothing})


@pytest.mark.parametrize(
    ("name", "told", "value"),
    [
        ("entry", 0, Decimal(0)),
        ("mae", 0, Decimal(0)),
        ("age", "0", Decimal(0)),
        ("confirmation_time", "2025-12-17T10:01:00-05:00", TRIANGLE + timedelta(minutes=1)),
        ("confirmation_time", str(ms(TRIANGLE)), TRIANGLE),
        ("entry", " 21250.50 ", Decimal("21250.5")),
        ("entry", Decimal("1.00000000005"), Decimal("1.0000000000")),
        ("entry", -37.63, Decimal("-37.63")),
        ("date", "20251217", date(2025, 12, 17)),
        ("date", 20251217, date(2025, 12, 17)),
        ("date", ms(datetime(2025, 12, 18, 4, 59, tzinfo=UTC)), date(2025, 12, 17)),
        ("completed", 1, True),
        ("completed", "False", False),
        ("direction", "SHORT", "Bearish"),
        ("direction", "long", "Bullish"),
        ("session", " NY PRE ", "NY PRE"),
    ],
)
def test_spellings(name: str, told: Any, value: Any) -> None:
    assert read(CONFIRMED, **{name: told})[name] == value


def test_zero_as_a_time_is_no_time() -> None:
    assert "confirmation_time" not in read(CONFIRMED, confirmation_time=0)


@pytest.mark.parametrize(
    ("ledger", "fields", "reason", "part"),
    [
        (CONFIRMED, {"triangle_time": ...}, "field_missing", "triangle_time"),
        (CONFIRMED, {"triangle_time": 0}, "field_missing", "triangle_time"),
        (CONFIRMED, {"direction": None}, "field_missing", "direction"),
        (CONFIRMED, {"direction": "up"}, "field_invalid", "Bullish"),
        (CONFIRMED, {"direction": 1}, "field_invalid", "Bullish"),
        (CONFIRMED, {"triangle_time": "soon"}, "time_invalid", "triangle_time"),
        (CONFIRMED, {"triangle_time": "2025-12-17T10:00:00"}, "time_invalid", "zone"),
        (CONFIRMED, {"triangle_time": 10**20}, "time_invalid", "1990"),
        (CONFIRMED, {"entry": "abc"}, "number_invalid", "entry"),
        (CONFIRMED, {"entry": "Infinity"}, "number_invalid", "finite"),
        (CONFIRMED, {"entry": 10**16}, "number_invalid", "bounds"),
        (CONFIRMED, {"entry": Decimal("1e300")}, "number_invalid", "bounds"),
        (CONFIRMED, {"entry": []}, "number_invalid", "entry"),
        (CONFIRMED, {"entry": True}, "number_invalid", "entry"),
        (CONFIRMED, {"session": "x" * 41}, "field_invalid", "session"),
        (CONFIRMED, {"session": "a\nb"}, "field_invalid", "session"),
        (CONFIRMED, {"session": {}}, "field_invalid", "session"),
        (CONFIRMED, {"date": "2025-13-01"}, "time_invalid", "date"),
        (CONFIRMED, {"date": "0001-01-01"}, "time_invalid", "1990"),
        (CONFIRMED, {"date": []}, "time_invalid", "date"),
        (CONFIRMED, {"completed": "maybe"}, "field_invalid", "completed"),
        (CONFIRMED, {"completed": 2}, "field_invalid", "completed"),
        (CONFIRMED, {"trade_id": "x" * 101}, "field_invalid", "trade_id"),
        (CONFIRMED, {"trade_id": ["x"]}, "field_invalid", "trade_id"),
        (ALL, {"trade_id": None}, "field_missing", "trade_id"),
        (ALL, {"status": ""}, "field_missing", "status"),
        (ALL, {"direction": ...}, "field_missing", "direction"),
        (ALL, {"signal_time": ...}, "field_missing", "signal_time"),
    ],
)
def test_rows_that_cant_be_used(ledger: Ledger, fields: dict[str, Any], reason: str, part: str) -> None:
    make = confirmed_row if ledger is CONFIRMED else all_row
    bad, good = exact(make(**fields)), exact(make())
    reading = read_rows(ledger, [good, bad, good])
    assert [row.index for row in reading.rows] == [0, 2]
    [skipped] = reading.skipped
    assert (skipped.index, skipped.reason) == (1, reason)
    assert part in skipped.detail
    assert skipped.trade_id is None or len(skipped.trade_id) <= 100


def test_an_adverse_move_above_zero_is_zero_and_noted() -> None:
    reading = read_rows(CONFIRMED, [exact(confirmed_row(mae=0.25)), exact(confirmed_row(mae=-0.25))])
    assert [row.values["mae"] for row in reading.rows] == [0, Decimal("-0.25")]
    assert [row.note for row in reading.rows] == ["mae was 0.25: an adverse move is at most 0, so 0 was taken", None]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(LEDGERS)), st.data())
def test_any_row_is_read_or_skipped(event_type: str, data: st.DataObject) -> None:
    ledger = LEDGERS[event_type]
    likely = {
        Kind.MOMENT: st.just(ms(TRIANGLE)),
        Kind.DIRECTION: st.sampled_from(["Bullish", "BEARISH"]),
    }
    fields = {name: likely.get(kind, ANYTHING) | ANYTHING for name, kind in ledger.fields.items()}
    row = data.draw(ANYTHING | st.fixed_dictionaries({}, optional={"trade_id": ANYTHING, **fields}))
    reading = read_rows(ledger, [row])
    assert reading.total == 1
    for found in reading.rows:
        assert found.values.keys() >= ledger.required
        assert 0 < len(found.trade_id) <= 100
        assert all(value.is_finite() for value in found.values.values() if isinstance(value, Decimal))
