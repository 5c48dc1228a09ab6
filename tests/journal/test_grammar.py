"""Every format of telemetry: what its messages mean, and what makes one unreadable."""

import csv
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from hookfill.journal.grammar import Unreadable, read
from hookfill.journal.model import Direction, Event, EventType, Session
from hookfill.kernel.exact_json import dumps
from hookfill.kernel.reasons import Reason
from support.shared_data import shared_file, shared_files
from support.telemetry import BATCH, EXIT, LEGACY_ENTRY, NOW, SNAPSHOT, TELEMETRY, raw, utc


def one(told: dict[str, Any]) -> Event:
    (event,) = read(raw(told), NOW).events
    return event


def test_legacy_entry() -> None:
    reading = read(raw(LEGACY_ENTRY))
    (event,) = reading.events
    assert (reading.event_type, reading.trade_id, reading.schema_version) == ("ENTRY", LEGACY_ENTRY["signal_id"], None)
    assert (event.event_type, event.at, event.direction) == (EventType.ENTRY, utc("2025-11-14T19:57:00"), Direction.BULLISH)
    assert (event.session, event.be_triggered) == (Session.NY_PM, False)
    assert (event.entry_price, event.stop_loss, event.risk_distance) == (Decimal("25238.25"), Decimal("25206.75"), Decimal("31.5"))
    assert (event.be_mfe, event.no_be_mfe, event.mfe, event.mae) == (0, 0, None, None)
    assert event.targets == {"target_1r": Decimal("25269.75"), "target_2r": Decimal("25301.25"), "target_3r": Decimal("25332.75")}
    assert event.payload["status"] == "active"


def test_legacy_exit_tells_each_trades_final_move() -> None:
    told = {
        "type": "EXIT_BREAK_EVEN",
        "signal_id": "a",
        "completion_reason": "be_stop_loss_hit",
        "final_be_mfe": 1.5,
        "final_no_be_mfe": 2.5,
        "timestamp": 1763151060000,
    }
    ended = one(told)
    assert (ended.be_mfe, ended.no_be_mfe, ended.final_mfe) == (Decimal("1.5"), Decimal("2.5"), Decimal("1.5"))
    assert ended.exit_reason == "be_stop_loss_hit"
    assert one(told | {"type": "EXIT_SL"}).final_mfe == Decimal("2.5")


def test_telemetry() -> None:
    event = one(TELEMETRY)
    assert (event.schema_version, event.event_type, event.at) == ("1.0.0", EventType.ENTRY, utc("2025-12-02T11:17:00"))
    assert (event.symbol, event.timeframe, event.position_size, event.session) == ("MNQ1!", "1", 13, Session.LONDON)
    assert (event.mfe, event.mae, event.be_mfe, event.be_price, event.risk_distance) == (0, 0, None, None, None)
    assert (event.targets, event.setup) == (TELEMETRY["targets"], TELEMETRY["setup"])
    assert event.market_state == {"trend_regime": "Bullish", "trend_score": Decimal("0.8")}


@pytest.mark.parametrize(("told", "version"), [("1.0.0", "1.0.0"), (1, "1"), (1.1, "1.1"), (None, None), ("", None), ([], None)])
def test_a_version_makes_it_telemetry(told: object, version: str | None) -> None:
    assert read(raw(TELEMETRY | {"schema_version": told})).schema_version == version


def test_telemetry_of_both_trades() -> None:
    event = one(EXIT)
    assert (event.be_mfe, event.no_be_mfe, event.mae) == (Decimal("1.2361111111"), Decimal("2.4861111111"), Decimal("-0.93"))
    assert (event.final_mfe, event.exit_price) == (Decimal("2.4861111111"), Decimal("25486.5"))


def test_what_is_inside_attributes_counts_as_outside() -> None:
    wrapped = one({"type": "alert", "schema_version": "1.0.0", "attributes": TELEMETRY})
    plain = one(TELEMETRY)
    assert (wrapped.trade_id, wrapped.event_type, wrapped.at, wrapped.entry_price) == (
        plain.trade_id,
        plain.event_type,
        plain.at,
        plain.entry_price,
    )
    assert wrapped.schema_version == "1.0.0"


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [(kind.value, kind) for kind in EventType]
    + [
        ("EXIT_BE", EventType.EXIT_BREAK_EVEN),
        ("EXIT_SL", EventType.EXIT_STOP_LOSS),
        ("EXIT_TP", EventType.EXIT_TAKE_PROFIT),
        ("SIGNAL_CANCELLED", EventType.CANCELLED),
        ("be_triggered", EventType.BE_TRIGGERED),
        (" Mfe_Update ", EventType.MFE_UPDATE),
    ],
)
def test_every_name_of_an_event_with_a_trade_and_no_version(kind: str, event_type: EventType) -> None:
    reading = read(raw({"event_type": kind, "trade_id": "t", "timestamp": "2025-12-11T07:57:00Z"}))
    assert reading.events[0].event_type is event_type
    assert reading.event_type == kind.strip()


@pytest.mark.parametrize(
    ("stage", "event_type"),
    [
        ("SIGNAL_DETECTED", EventType.ENTRY),
        ("CONFIRMATION_DETECTED", EventType.ENTRY),
        ("TRADE_ACTIVATED", EventType.ENTRY),
        ("MFE_UPDATE", EventType.MFE_UPDATE),
        ("SIGNAL_CANCELLED", EventType.CANCELLED),
    ],
)
def test_stages(stage: str, event_type: EventType) -> None:
    told = {"automation_stage": stage, "signal_id": "t", "actual_entry_price": 5, "stop_loss_price": 4, "signal_type": "Bearish"}
    event = one(told)
    assert (event.event_type, event.entry_price, event.stop_loss, event.direction) == (event_type, 5, 4, Direction.BEARISH)
    assert event.at == NOW


@pytest.mark.parametrize(
    ("reason", "event_type"),
    [
        ("be_stop_loss_hit", EventType.EXIT_BREAK_EVEN),
        ("BREAK_EVEN", EventType.EXIT_BREAK_EVEN),
        ("break-even stop", EventType.EXIT_BREAK_EVEN),
        ("original_stop_loss_hit", EventType.EXIT_STOP_LOSS),
        ("stop_loss_hit", EventType.EXIT_STOP_LOSS),
        ("STOP_LOSS", EventType.EXIT_STOP_LOSS),
        ("take_profit_hit", EventType.EXIT_TAKE_PROFIT),
        ("Target Hit", EventType.EXIT_TAKE_PROFIT),
    ],
)
@pytest.mark.parametrize(
    "ending", [{"type": "signal_completed"}, {"event_type": "SIGNAL_COMPLETED"}, {"automation_stage": "TRADE_RESOLVED"}]
)
def test_an_ending_is_an_exit_by_its_reason(ending: dict[str, str], reason: str, event_type: EventType) -> None:
    for member in ("completion_reason", "exit_reason", "resolution_type"):
        assert one(ending | {"trade_id": "t", member: reason}).event_type is event_type


def test_a_strategy_that_signals_with_an_entry_price_has_entered() -> None:
    told = {"type": "signal_created", "signal_id": "20241110_143025_BULLISH", "timestamp": 1731267025000}
    assert one(told | {"entry_price": 4156.25}).event_type is EventType.ENTRY
    assert one(told).event_type is EventType.SIGNAL_CREATED
    assert one(TELEMETRY | {"event_type": "SIGNAL_CREATED"}).event_type is EventType.SIGNAL_CREATED


def test_a_batch_tells_of_each_of_its_trades() -> None:
    body = raw(BATCH)
    reading = read(body)
    first, second = reading.events
    assert (reading.event_type, reading.trade_id, reading.skipped, reading.beats) == ("MFE_UPDATE_BATCH", None, (), ())
    assert {first.event_type, second.event_type} == {EventType.MFE_UPDATE}
    assert first.at == second.at == utc("2025-12-11T12:57:00")
    assert (first.be_mfe, first.no_be_mfe, first.mae, first.current_price) == (
        Decimal("1.25"),
        Decimal("25.5"),
        Decimal("-0.69"),
        25692,
    )
    assert (first.be_triggered, second.be_triggered, second.mae) == (True, False, None)
    assert first.payload == json.loads(body, parse_float=Decimal)["signals"][0]
    assert first.key != second.key


def test_bad_members_of_a_batch_are_left_out_and_named() -> None:
    signals = [5, {"be_mfe": 1}, {"trade_id": "x" * 101}, {"trade_id": "t", "be_mfe": 10**15}, {"trade_id": "good", "be_mfe": 1}]
    reading = read(raw(BATCH | {"signals": signals}))
    assert [event.trade_id for event in reading.events] == ["good"]
    assert [skipped.index for skipped in reading.skipped] == [0, 1, 2, 3]
    assert ["JSON object" in reading.skipped[0].problem, "be_mfe" in reading.skipped[3].problem] == [True, True]


def test_a_batch_of_one_may_come_without_its_list_and_an_empty_one_says_nothing() -> None:
    assert [event.trade_id for event in read(raw(BATCH | {"signals": {"trade_id": "t"}})).events] == ["t"]
    assert read(raw(BATCH | {"signals": []})).events == ()


def test_a_snapshot_is_a_sign_of_life_with_the_moves_of_open_trades() -> None:
    reading = read(raw(SNAPSHOT))
    (event,) = reading.events
    (beat,) = reading.beats
    assert (event.event_type, event.at) == (EventType.MFE_UPDATE, utc("2025-12-11T13:00:00"))
    assert (event.entry_price, event.stop_loss, event.mae) == (Decimal("25683.25"), Decimal("25671.25"), Decimal("-0.25"))
    assert (event.be_mfe, event.no_be_mfe) == (Decimal("1.5"), Decimal("2.5"))
    assert (beat.kind, beat.at, beat.signal_count) == ("UNIFIED_SNAPSHOT_V1", event.at, 2)
    assert "signals" not in beat.payload
    assert [skipped.index for skipped in reading.skipped] == [1]


def test_a_heartbeat_is_about_no_trade() -> None:
    reading = read(raw({"event_type": "HEARTBEAT", "timestamp": "2025-12-11T07:57:00", "signal_count": 1969}))
    (beat,) = reading.beats
    assert (reading.events, beat.at, beat.signal_count) == ((), utc("2025-12-11T12:57:00"), 1969)


def test_a_time_that_is_not_told_is_that_of_arrival_else_of_the_signal_bar() -> None:
    told = {"type": "ENTRY", "signal_id": "20251114_140100000_BULLISH", "entry_price": 20500}
    assert read(raw(told), NOW).events[0].at == NOW
    assert read(raw(told)).events[0].at == utc("2025-11-14T19:01:00")
    assert read(raw(told | {"date": "2025-11-14", "time": "14:57:00"})).events[0].at == utc("2025-11-14T19:57:00")
    with pytest.raises(Unreadable, match="timestamp") as refused:
        read(raw(told | {"signal_id": "test123"}))
    assert refused.value.reason is Reason.TIME_INVALID


def test_members_of_another_kind_stay_in_the_payload_alone() -> None:
    odd = {
        "entry_price": [1],
        "stop_loss": True,
        "mfe_R": "a lot",
        "symbol": 5.5,
        "session": "Mars",
        "direction": {"up": 1},
        "targets": "none",
        "be_triggered": "yes",
        "extra": {"deep": [1, {"x": None}]},
    }
    event = one(TELEMETRY | odd)
    assert (event.entry_price, event.stop_loss, event.mfe, event.symbol) == (None, None, None, None)
    assert (event.session, event.direction, event.targets, event.be_triggered) == (None, None, None, None)
    assert {name: event.payload[name] for name in ("session", "extra", "stop_loss", "mfe_R")} == {
        name: odd[name] for name in ("session", "extra", "stop_loss", "mfe_R")
    }


def test_numbers_may_be_text_and_an_adverse_move_is_never_positive() -> None:
    event = one(TELEMETRY | {"entry_price": "25492.25", "mae_R": 0.5})
    assert (event.entry_price, event.mae) == (Decimal("25492.25"), 0)


def test_the_first_of_two_tellings_of_a_number_counts() -> None:
    for told in ({"mfe": 1, "mfe_R": 2}, {"mfe_R": 2, "mfe": 1}):
        assert one({"event_type": "MFE_UPDATE", "trade_id": "t"} | told).mfe == 2


def test_a_payload_can_always_be_written_as_json_again() -> None:
    event = one(TELEMETRY | {"nonce": 10**40, "list": [2**63, -(2**64)]})
    assert json.loads(dumps(event.payload))["nonce"] == 10**40


def test_the_same_bytes_are_the_same_event_and_other_bytes_another() -> None:
    body = raw(BATCH)
    again = read(body, NOW)
    assert [event.key for event in read(body).events] == [event.key for event in again.events]
    assert read(raw(TELEMETRY)).events[0].key != read(raw(TELEMETRY) + b" ").events[0].key
    assert {len(event.key) for event in again.events} == {32}


def test_the_real_logs_are_read_but_for_the_six_malformed_entries() -> None:
    refused: dict[str, list[bytes]] = {}
    for path in shared_files("tradingview-alert-logs"):
        with path.open(newline="", encoding="utf-8") as file:
            bodies = {row["Description"].encode() for row in csv.DictReader(file)}
        for body in bodies:
            try:
                reading = read(body)
            except Unreadable:
                refused.setdefault(path.name, []).append(body)
                continue
            assert not reading.skipped
            assert reading.events or reading.beats
    assert {name: len(bodies) for name, bodies in refused.items()} == {"TradingView_Alerts_Log_2025-11-14_575e3.csv": 6}
    assert all(b'"type":"ENTRY"' in body for body in refused["TradingView_Alerts_Log_2025-11-14_575e3.csv"])


def test_a_real_alert_happened_in_the_minute_before_it_fired() -> None:
    """The clock without a zone is New York's: what was told and when it was fired agree."""
    path = shared_file("tradingview-alert-logs", "TradingView_Alerts_Log_2025-12-02_a1c67.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if '"ENTRY"' in row["Description"]]
    ages = [datetime.fromisoformat(row["Time"]) - read(row["Description"].encode()).events[0].at for row in rows]
    assert sorted(age.total_seconds() for age in ages)[len(ages) // 2] <= 120
