"""How a trade stands: the rules of the fold, one by one."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.journal.fold import build_trade_state, dump, fold, load
from hookfill.journal.model import Direction, Event, EventType, Session, Status, TradeState
from support.telemetry import utc

TRADE = "20251202_061700000_BULLISH"
START = utc("2025-12-02T11:17:00")

SIGNAL_CREATED, ENTRY, MFE_UPDATE = EventType.SIGNAL_CREATED, EventType.ENTRY, EventType.MFE_UPDATE
BE_TRIGGERED, CANCELLED, EXIT_PARTIAL = EventType.BE_TRIGGERED, EventType.CANCELLED, EventType.EXIT_PARTIAL
BREAK_EVEN, STOP, TARGET = EventType.EXIT_BREAK_EVEN, EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def told(kind: EventType, minute: int, **members: Any) -> Event:
    numbers = {name: Decimal(value) for name, value in members.items() if type(value) is str and name not in _TEXTS}
    members |= numbers
    name = repr((kind, minute, sorted(members.items(), key=str)))
    key = name.encode().ljust(32, b"\0")[-32:]
    return Event(key, members.pop("trade_id", TRADE), kind, at(minute), **members)


_TEXTS = {"exit_reason", "symbol", "timeframe", "schema_version", "trade_id"}


def state(*events: Event) -> TradeState:
    trade = fold(events)[events[0].trade_id]
    assert load(dump(trade)) == trade
    return build_trade_state(trade)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([told(SIGNAL_CREATED, 0)], Status.PENDING),
        ([told(SIGNAL_CREATED, 0), told(CANCELLED, 5)], Status.CANCELLED),
        ([told(CANCELLED, 5)], Status.CANCELLED),
        ([told(ENTRY, 1)], Status.ACTIVE),
        ([told(MFE_UPDATE, 1)], Status.ACTIVE),
        ([told(EXIT_PARTIAL, 3)], Status.ACTIVE),
        ([told(ENTRY, 1), told(BE_TRIGGERED, 2)], Status.BE_PROTECTED),
        ([told(BE_TRIGGERED, 2)], Status.BE_PROTECTED),
        ([told(MFE_UPDATE, 2, be_triggered=True)], Status.BE_PROTECTED),
        ([told(MFE_UPDATE, 2, be_triggered=False)], Status.ACTIVE),
        ([told(ENTRY, 1), told(BREAK_EVEN, 9)], Status.COMPLETED),
        ([told(STOP, 9)], Status.COMPLETED),
        ([told(TARGET, 9)], Status.COMPLETED),
        # An exit is final, whatever else is told, and of whatever time.
        ([told(STOP, 9), told(MFE_UPDATE, 12, be_mfe="5")], Status.COMPLETED),
        ([told(STOP, 9), told(BE_TRIGGERED, 12)], Status.COMPLETED),
        ([told(STOP, 9), told(ENTRY, 12)], Status.COMPLETED),
        # What was cancelled stays so, but what had ended by then can't be cancelled.
        ([told(CANCELLED, 5), told(ENTRY, 6), told(MFE_UPDATE, 7)], Status.CANCELLED),
        ([told(ENTRY, 1), told(CANCELLED, 5)], Status.CANCELLED),
        ([told(CANCELLED, 5), told(STOP, 9)], Status.CANCELLED),
        ([told(CANCELLED, 9), told(STOP, 9)], Status.COMPLETED),
        ([told(CANCELLED, 12), told(STOP, 9)], Status.COMPLETED),
    ],
)
def test_status(events: list[Event], status: Status) -> None:
    now = state(*events)
    assert now.status is status
    assert (now.exit is not None) == (status is Status.COMPLETED)
    assert now.events == len(events)


@pytest.mark.parametrize(
    ("events", "exit_type"),
    [
        ([told(BREAK_EVEN, 5), told(STOP, 9)], BREAK_EVEN),
        ([told(STOP, 5), told(BREAK_EVEN, 9)], STOP),
        ([told(TARGET, 5), told(STOP, 9)], TARGET),
        # At one moment: a return to the entry only if +1R was touched by then.
        ([told(BREAK_EVEN, 5, mfe="0.25"), told(STOP, 5, mfe="0.25", final_mfe="0.25")], STOP),
        ([told(BREAK_EVEN, 5), told(STOP, 5)], STOP),
        ([told(BREAK_EVEN, 5, mfe="1"), told(STOP, 5, mfe="1", final_mfe="1")], BREAK_EVEN),
        ([told(MFE_UPDATE, 4, mfe="1.01"), told(BREAK_EVEN, 5), told(STOP, 5)], BREAK_EVEN),
        ([told(BE_TRIGGERED, 5), told(BREAK_EVEN, 5), told(STOP, 5)], BREAK_EVEN),
        ([told(MFE_UPDATE, 2, be_triggered=True), told(BREAK_EVEN, 5), told(STOP, 5)], BREAK_EVEN),
        ([told(BE_TRIGGERED, 6), told(MFE_UPDATE, 6, be_mfe="3"), told(BREAK_EVEN, 5), told(STOP, 5)], STOP),
        ([told(TARGET, 5), told(STOP, 5)], STOP),
        ([told(TARGET, 5), told(BREAK_EVEN, 5)], BREAK_EVEN),
    ],
)
def test_the_exit_by_which_a_trade_ended(events: list[Event], exit_type: EventType) -> None:
    ended = state(*events).exit
    assert ended is not None
    assert ended.event_type is exit_type


def test_an_exit_that_is_told_again_later_is_the_first_one() -> None:
    now = state(
        told(BREAK_EVEN, 9, exit_price="2", final_mfe="9"),
        told(BREAK_EVEN, 5, exit_price="1", exit_reason="be_stop_loss_hit", final_mfe="1.5"),
        told(BREAK_EVEN, 12, exit_price="3"),
    )
    assert now.exit is not None
    assert (now.exit.at, now.exit.price, now.exit.reason) == (at(5), 1, "be_stop_loss_hit")
    assert now.final_mfe == Decimal("1.5")


def test_of_two_tellings_of_one_exit_the_greater_move_counts() -> None:
    events = [
        told(STOP, 5, final_mfe="0.2", exit_price="1"),
        told(STOP, 5, exit_price="2"),
        told(STOP, 5, mfe="0.3", exit_price="3"),
    ]
    now = state(*events)
    assert now.exit is not None
    assert (now.exit.price, now.final_mfe) == (3, Decimal("0.3"))


def test_the_break_even_trade_ends_at_its_exit_and_the_other_at_the_stop() -> None:
    now = state(
        told(ENTRY, 0, be_mfe="0", no_be_mfe="0", mae="0"),
        told(MFE_UPDATE, 3, be_mfe="1.25", no_be_mfe="1.25", mae="-0.25"),
        told(BREAK_EVEN, 5, be_mfe="1.25", no_be_mfe="1.25", final_mfe="1.25"),
        told(MFE_UPDATE, 8, be_mfe="4", no_be_mfe="4.5", mae="-0.5"),
        told(STOP, 9, be_mfe="1.25", no_be_mfe="4.5", mae="-0.75", final_mfe="4.75"),
        told(MFE_UPDATE, 10, be_mfe="7", no_be_mfe="7", mae="-1"),
    )
    assert (now.be_mfe, now.no_be_mfe, now.mae, now.final_mfe) == (
        Decimal("1.25"),
        Decimal("4.5"),
        Decimal("-0.75"),
        Decimal("1.25"),
    )
    assert (now.stopped_at, now.current_mfe, now.last_mfe_at) == (at(9), Decimal("1.25"), at(10))


def test_a_format_with_one_move_tells_the_other_trades_at_the_stop() -> None:
    now = state(told(ENTRY, 0, mfe="0"), told(BREAK_EVEN, 4, mfe="1.34"), told(STOP, 9, mfe="1.34", final_mfe="3.86"))
    assert (now.be_mfe, now.no_be_mfe, now.final_mfe) == (Decimal("1.34"), Decimal("3.86"), Decimal("1.34"))


@pytest.mark.parametrize(
    ("events", "final"),
    [
        ([told(STOP, 5, mfe="0.2", final_mfe="0.3")], "0.3"),
        ([told(STOP, 5, final_mfe="-0.05"), told(ENTRY, 0, mfe="0")], "-0.05"),
        ([told(STOP, 5, be_mfe="0.2")], "0.2"),
        ([told(STOP, 5, mfe="0.2")], "0.2"),
        ([told(STOP, 5), told(MFE_UPDATE, 4, mfe="0.4"), told(MFE_UPDATE, 6, mfe="0.9")], "0.4"),
        ([told(STOP, 5)], None),
        ([told(ENTRY, 0, mfe="0.7")], None),
        ([told(CANCELLED, 1), told(ENTRY, 0, mfe="0.7")], None),
    ],
)
def test_the_final_move_is_the_exits_own(events: list[Event], final: str | None) -> None:
    assert state(*events).final_mfe == (Decimal(final) if final else None)


def test_while_open_the_current_move_is_that_of_the_latest_telling() -> None:
    now = state(told(MFE_UPDATE, 3, be_mfe="1", no_be_mfe="2"), told(MFE_UPDATE, 2, be_mfe="1", no_be_mfe="9", current_price="7"))
    assert (now.current_mfe, now.no_be_mfe, now.current_price, now.last_mfe_at) == (2, 9, 7, at(3))


def test_zero_is_a_value_and_a_pending_signal_has_no_moves() -> None:
    assert state(told(ENTRY, 0, be_mfe="0")).be_mfe == 0
    pending = state(told(SIGNAL_CREATED, 0, be_mfe="0", no_be_mfe="0", mae="0"))
    assert (pending.be_mfe, pending.mae, pending.last_mfe_at, pending.current_mfe) == (None, None, None, None)


def test_what_a_trade_is_like_is_told_best_by_the_entry_and_by_telemetry() -> None:
    now = state(
        told(SIGNAL_CREATED, 0, setup={"setup_id": "PENDING"}, position_size="0", schema_version="1.0.0"),
        told(ENTRY, 1, setup={"setup_id": "ALIGNED"}, entry_price="10", stop_loss="8", schema_version="1.0.0", symbol="MNQ1!"),
        told(MFE_UPDATE, 2, setup={"setup_id": "ACTIVE"}, position_size="3", schema_version="1.0.0"),
        told(STOP, 9, setup={"setup_id": "EXIT"}, position_size="4", schema_version="1.0.0"),
        told(ENTRY, 11, entry_price="99", stop_loss="98", risk_distance="50", direction=Direction.BEARISH),
    )
    assert (now.setup_id, now.setup, now.position_size, now.symbol) == ("ALIGNED", {"setup_id": "ALIGNED"}, 3, "MNQ1!")
    assert (now.entry_price, now.stop_loss, now.risk_distance, now.schema_version) == (10, 8, 2, "1.0.0")
    assert now.direction is Direction.BEARISH
    assert state(told(ENTRY, 1, risk_distance="50")).risk_distance == 50


@pytest.mark.parametrize(
    ("setup", "name"),
    [
        ({"setup_id": "A", "setup_family": "F"}, "A"),
        ({"setup_family": "F", "setup_variant": "V"}, "F_V"),
        ({"family": "F", "variant": "V"}, "F_V"),
        ({"setup_family": "F"}, "F"),
        ({"setup_id": 5}, None),
        ({"setup_id": "x" * 300}, "x" * 100),
    ],
)
def test_a_setups_short_name(setup: dict[str, Any], name: str | None) -> None:
    assert state(told(ENTRY, 1, setup=setup)).setup_id == name


def test_tables_keep_every_digit() -> None:
    targets = {"tp1_price": Decimal("25498.12345678901234567890"), "target_Rs": [1, 2, {"deep": None}]}
    assert state(told(ENTRY, 1, targets=targets)).targets == targets


def test_when_and_in_which_session_a_trade_was_signalled() -> None:
    now = state(told(ENTRY, 200), told(MFE_UPDATE, 260))
    assert (now.signal_at, now.signal_date.isoformat(), now.signal_hour, now.session) == (START, "2025-12-02", 6, Session.NY_PRE)
    assert (now.direction, now.entered_at, now.last_event_at) == (Direction.BULLISH, at(200), at(260))
    nameless = state(told(ENTRY, 200, trade_id="test123"), told(MFE_UPDATE, 100, trade_id="test123"))
    assert (nameless.signal_at, nameless.session, nameless.direction) == (at(100), Session.NY_PRE, None)


def test_a_staged_trade_is_entered_when_a_price_is_told() -> None:
    assert state(told(ENTRY, 1), told(ENTRY, 4, entry_price="5"), told(ENTRY, 6, entry_price="6")).entered_at == at(4)


def test_when_break_even_was_triggered_and_a_trade_cancelled() -> None:
    now = state(told(BE_TRIGGERED, 7), told(BE_TRIGGERED, 5), told(MFE_UPDATE, 4, be_triggered=True), told(CANCELLED, 9))
    assert (now.be_triggered_at, now.cancelled_at) == (at(4), at(9))
