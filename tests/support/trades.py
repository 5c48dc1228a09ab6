"""Trades as they stand, made by hand or at random, for statistics."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from hookfill.journal.model import Direction, EventType, Exit, Session, Status, TradeState
from hookfill.journal.sessions import session_of, to_new_york

MORNING = datetime(2026, 3, 2, 15, tzinfo=UTC)
"""10:00 in New York on a Monday."""


def trade(number: int = 0, **more: Any) -> TradeState:
    """A long trade from 100 with its stop at 90, signalled so many minutes after ``MORNING``; open unless told otherwise."""
    signal_at = more.pop("signal_at", MORNING + timedelta(minutes=number))
    local = to_new_york(signal_at)
    told: dict[str, Any] = {
        "trade_id": f"{local:%Y%m%d_%H%M%S}000_BULLISH",
        "status": Status.ACTIVE,
        "session": session_of(signal_at),
        "last_event_at": signal_at + timedelta(minutes=30),
        "events": 1,
        "direction": Direction.BULLISH,
        "entered_at": signal_at,
        "entry_price": Decimal(100),
        "stop_loss": Decimal(90),
    }
    return TradeState(signal_at=signal_at, signal_date=local.date(), signal_hour=local.hour, **(told | more))


def ended(kind: EventType, minute: int = 20, price: Decimal | None = None) -> dict[str, Any]:
    """What a trade has that ended by an exit so many minutes after ``MORNING``."""
    at = MORNING + timedelta(minutes=minute)
    stopped = {"stopped_at": at} if kind is EventType.EXIT_STOP_LOSS else {}
    return {"status": Status.COMPLETED, "exit": Exit(kind, at, price), **stopped}


_r = st.decimals(-3, 30, places=3) | st.sampled_from([Decimal(text) for text in ("0.9999999", "1", "2", "20", "20.5", "2000000")])
_times = st.integers(0, 50).map(lambda minutes: MORNING + timedelta(minutes=minutes))
_prices = st.sampled_from([Decimal(text) for text in ("90", "95", "100", "103.3", "110", "125.5", "400")])


@st.composite
def trades(draw: Any) -> TradeState:
    """Any trade, also such as no indicator would tell."""
    kind = draw(st.none() | st.sampled_from([EventType.EXIT_BREAK_EVEN, EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT]))
    status = Status.COMPLETED if kind else draw(st.sampled_from([one for one in Status if one is not Status.COMPLETED]))
    signal_at = MORNING + timedelta(hours=draw(st.integers(0, 24 * 8)), minutes=draw(st.integers(0, 59)))
    return trade(
        signal_at=signal_at,
        status=status,
        session=draw(st.sampled_from(Session)),
        direction=draw(st.none() | st.sampled_from(Direction)),
        setup_id=draw(st.none() | st.sampled_from(["A", "B", "FVG_CORE"])),
        entry_price=draw(st.none() | _prices),
        stop_loss=draw(st.none() | _prices),
        entered_at=draw(st.none() | _times),
        exit=None if kind is None else Exit(kind, draw(_times), draw(st.none() | _prices)),
        stopped_at=draw(st.none() | _times),
        be_triggered_at=draw(st.none() | _times),
        be_mfe=draw(st.none() | _r),
        no_be_mfe=draw(st.none() | _r),
        final_mfe=draw(st.none() | _r) if status is Status.COMPLETED else None,
        mae=draw(st.none() | _r.map(lambda value: -abs(value))),
        last_mfe_at=draw(st.none() | _times),
        last_event_at=draw(_times),
    )
