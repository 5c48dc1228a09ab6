"""When a position's time is up: each rule by table, with holidays, half days and week-ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.exits.evaluate import on_price
from hookfill.exits.model import ExitReason, ExitRules
from hookfill.exits.timing import expires_at, timed
from hookfill.market.calendar import is_open
from hookfill.market.instruments import instrument_for
from hookfill.orders.model import Side
from hookfill.positions.apply import open_position
from hookfill.positions.model import Position

D = Decimal


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opened(symbol: str, at: datetime, rules: ExitRules) -> Position:
    made = open_position(
        position_id=UUID(int=1),
        strategy_id=UUID(int=2),
        symbol=symbol,
        side=Side.BUY,
        quantity=D(1),
        price=D(5),
        multiplier=D(1),
        commission=D(0),
        at=at,
    )
    return timed(made, rules, instrument_for(symbol))


SESSION, WEEK, DTE, HOLD = (
    ExitRules(session_close_minutes=D(5)),
    ExitRules(week_close_minutes=D(15)),
    ExitRules(min_dte_days=D(1)),
    ExitRules(max_hold_hours=D(120)),
)
OPTION = "SPY260320C00500000"
"""Its last day is a Friday."""


@pytest.mark.parametrize(
    ("symbol", "at", "rules", "leave_at", "reason"),
    [
        ("SPY", "2026-03-02 15:00", ExitRules(), None, None),
        ("SPY", "2026-03-02 15:00", HOLD, "2026-03-07 15:00", "max_hold"),
        ("SPY", "2026-03-02 15:00", SESSION, "2026-03-02 20:55", "session_close"),
        # After the clocks have changed; on a half day; before the open; after the close the next session's counts.
        ("SPY", "2026-03-09 15:00", SESSION, "2026-03-09 19:55", "session_close"),
        ("SPY", "2026-11-27 15:00", SESSION, "2026-11-27 17:55", "session_close"),
        ("SPY", "2026-03-02 10:00", SESSION, "2026-03-02 20:55", "session_close"),
        ("SPY", "2026-03-06 22:00", SESSION, "2026-03-09 19:55", "session_close"),
        # In the last minutes already: at the first price that follows.
        ("SPY", "2026-03-02 20:57", SESSION, "2026-03-02 20:57", "session_close"),
        ("EURUSD", "2026-03-02 15:00", SESSION, "2026-03-02 21:55", "session_close"),
        ("EURUSD", "2026-03-02 15:00", WEEK, "2026-03-06 21:45", "week_close"),
        ("EURUSD", "2026-03-06 21:50", WEEK, "2026-03-06 21:50", "week_close"),
        ("EURUSD", "2026-03-08 21:30", WEEK, "2026-03-13 20:45", "week_close"),
        # The exchange rests on Good Friday: its week ends on Thursday.
        ("SPY", "2026-03-30 15:00", WEEK, "2026-04-02 19:45", "week_close"),
        ("BTCUSD", "2026-03-02 15:00", WEEK, None, None),
        ("BTCUSD", "2026-03-02 15:00", SESSION, "2026-03-02 23:55", "session_close"),
        (OPTION, "2026-03-02 15:00", DTE, "2026-03-19 13:30", "min_dte"),
        (OPTION, "2026-03-02 15:00", ExitRules(min_dte_days=D(0)), "2026-03-20 13:30", "min_dte"),
        # Six days before is a Saturday: the session before it.
        (OPTION, "2026-03-02 15:00", ExitRules(min_dte_days=D(6)), "2026-03-13 13:30", "min_dte"),
        # Bought with less time than that: the rule is not about it.
        (OPTION, "2026-03-19 14:00", DTE, None, None),
        ("SPY", "2026-03-02 15:00", DTE, None, None),
        # The earliest counts; of two at once the first in the order of judging.
        (OPTION, "2026-03-18 15:00", replace(SESSION, min_dte_days=D(1)), "2026-03-18 19:55", "session_close"),
        ("SPY", "2026-03-06 14:00", replace(SESSION, week_close_minutes=D(5)), "2026-03-06 20:55", "session_close"),
    ],
)  # fmt: skip
def test_when_the_time_is_up(symbol: str, at: str, rules: ExitRules, leave_at: str | None, reason: str | None):
    position = opened(symbol, utc(at), rules)
    assert (position.leave_at, position.leave_for) == (leave_at and utc(leave_at), reason)
    end = utc("2026-03-20 20:00") if symbol == OPTION else None
    assert position.due_at == min((moment for moment in (position.leave_at, end) if moment), default=None)


def test_only_options_end():
    assert expires_at(instrument_for(OPTION)) == utc("2026-03-20 20:00")
    assert expires_at(instrument_for("SPY")) is None


@settings(deadline=None)  # the first question about a market loads its calendar
@given(
    symbol=st.sampled_from(["SPY", "EURUSD", "BTCUSD", "ES1!", OPTION]),
    minutes=st.integers(0, 60 * 24 * 13),
    rules=st.builds(
        ExitRules,
        max_hold_hours=st.none() | st.integers(1, 200).map(Decimal),
        min_dte_days=st.none() | st.integers(0, 10).map(Decimal),
        session_close_minutes=st.none() | st.integers(1, 300).map(Decimal),
        week_close_minutes=st.none() | st.integers(1, 300).map(Decimal),
    ),
)
def test_the_moment_is_never_before_the_entry_and_its_market_is_open_then(symbol: str, minutes: int, rules: ExitRules) -> None:
    at = utc("2026-03-02 00:00") + timedelta(minutes=minutes)
    position = opened(symbol, at, rules)
    if position.leave_at is None:
        return
    assert position.leave_at >= at
    by_calendar = position.leave_for in (ExitReason.MIN_DTE, ExitReason.SESSION_CLOSE, ExitReason.WEEK_CLOSE)
    if by_calendar and position.leave_at > at:
        assert is_open(instrument_for(symbol), position.leave_at)
    # The first price from then on leaves it, and none before.
    instrument = instrument_for(symbol)
    before = on_price(position, D(5), position.leave_at - timedelta(seconds=1), ExitRules(), instrument)
    assert before.exit is None
    after = on_price(position, D(5), position.leave_at + timedelta(seconds=1), ExitRules(), instrument)
    assert after.exit is not None
    assert after.exit.reason == position.leave_for
