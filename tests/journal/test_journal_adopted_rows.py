"""When an older row's event happened, and what it tells: its telemetry first, its columns for what that leaves open."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.journal.adopted import read_adopted
from hookfill.journal.grammar import Unreadable
from hookfill.journal.model import Direction, EventType

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
TRADE = "20251114_083600000_BULLISH"
SIGNAL = datetime(2025, 11, 14, 13, 36, tzinfo=UTC)


def adopt(row_id: int = 7, telemetry: Any = None, **columns: Any) -> Any:
    row = {"id": row_id, "trade_id": TRADE, "event_type": "MFE_UPDATE", **columns}
    return read_adopted(row_id, json.dumps(row), None if telemetry is None else json.dumps(telemetry), NOW)


@pytest.mark.parametrize(
    ("columns", "telemetry", "expected"),
    [
        ({}, None, SIGNAL + timedelta(microseconds=7)),
        ({"trade_id": "T1"}, None, NOW + timedelta(microseconds=7)),
        ({"signal_date": "2025-11-14", "signal_time": "09:30:00"}, None, datetime(2025, 11, 14, 14, 30, tzinfo=UTC)),
        ({"signal_date": "2025-11-14", "signal_time": "nonsense"}, None, SIGNAL + timedelta(microseconds=7)),
        (
            {"timestamp": "2025-11-14T15:00:00.25+00:00", "signal_date": "2025-11-14", "signal_time": "09:30:00"},
            None,
            datetime(2025, 11, 14, 15, 0, 0, 250_000, tzinfo=UTC),
        ),
        ({"created_at": "2025-11-14T15:00:00"}, None, datetime(2025, 11, 14, 15, tzinfo=UTC)),
        ({"timestamp": "0001-01-01T00:00:00+00:00"}, None, SIGNAL + timedelta(microseconds=7)),
        ({"timestamp": 5}, None, SIGNAL + timedelta(microseconds=7)),
        (
            {"timestamp": "2025-11-14T15:00:00+00:00"},
            {"event_timestamp": "2025-11-14T14:59:00Z"},
            datetime(2025, 11, 14, 14, 59, tzinfo=UTC),
        ),
    ],
)
def test_when_it_happened(columns: dict[str, Any], telemetry: Any, expected: datetime) -> None:
    [event] = adopt(telemetry=telemetry, **columns)
    assert event.at == expected


def test_telemetry_comes_first_and_columns_fill_what_it_leaves_open() -> None:
    told = {
        "schema_version": "1.0.0",
        "event_type": "ENTRY",
        "entry_price": 20500.125,
        "stop_loss": None,
        "setup": {"setup_id": "X"},
    }
    [event] = adopt(telemetry=told, entry_price=20500.13, stop_loss=20475.0, direction="Bearish")
    assert (event.event_type, event.entry_price, event.stop_loss) == (EventType.ENTRY, Decimal("20500.125"), Decimal(20475))
    assert (event.direction, event.schema_version, event.setup) == (Direction.BEARISH, "1.0.0", {"setup_id": "X"})


@pytest.mark.parametrize("telemetry", ["[]", "5", '{"a": "\\u0000"}', '{"a": 1e999999}'])
def test_telemetry_that_is_no_use_leaves_the_columns(telemetry: str) -> None:
    row = json.dumps({"id": 1, "trade_id": "T1", "event_type": "ENTRY", "entry_price": 5.5})
    [event] = read_adopted(1, row, telemetry, NOW)
    assert (event.trade_id, event.entry_price) == ("T1", Decimal("5.5"))


def test_each_row_has_its_own_key_and_always_the_same() -> None:
    keys = {adopt(row_id)[0].key for row_id in (1, 2, 11)}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}
    assert adopt(1) == adopt(1)


@pytest.mark.parametrize("columns", [{"trade_id": None}, {"event_type": "SOMETHING"}, {"event_type": None}])
def test_a_row_that_tells_nothing_of_any_trade(columns: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        adopt(**columns)
