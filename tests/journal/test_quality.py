"""What is missing in a trade, and what that makes of its score and its day's."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.days import quality_days
from hookfill.journal.model import EventType, Status, TradeState
from hookfill.journal.quality import Gap, quality_of
from hookfill.journal.records import PackedDay, pack, unpack
from support.trades import MORNING, ended, trade, trades

COMPLETE: dict[str, Any] = {"mae": Decimal(0), "last_mfe_at": MORNING}


def after(seconds: float) -> Any:
    return MORNING + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("told", "seconds", "gaps", "score"),
    [
        (COMPLETE, 0, [], "100.0"),
        (COMPLETE | {"entry_price": None}, 0, [Gap.ENTRY], "83.3"),
        (COMPLETE | {"stop_loss": None, "mae": None}, 0, [Gap.STOP, Gap.MAE], "66.7"),
        (COMPLETE | {"entered_at": None}, 0, [Gap.CONFIRMATION], "83.3"),
        (COMPLETE | {"trade_id": "no time"}, 0, [Gap.SESSION], "83.3"),
        # Stale after two minutes, not at two; counted from the latest telling of a move, else from the entry.
        (COMPLETE, 120, [], "100.0"),
        (COMPLETE, 120.000001, [Gap.STALE], "83.3"),
        (COMPLETE | {"last_mfe_at": None, "entered_at": MORNING + timedelta(seconds=30)}, 150, [], "100.0"),
        (COMPLETE | {"last_mfe_at": None, "entered_at": MORNING + timedelta(seconds=30)}, 151, [Gap.STALE], "83.3"),
        (COMPLETE | {"status": Status.BE_PROTECTED}, 121, [Gap.STALE], "83.3"),
        # What has ended is never stale; what was not entered has neither entry nor move.
        (COMPLETE | ended(EventType.EXIT_STOP_LOSS), 9000, [], "100.0"),
        (ended(EventType.EXIT_STOP_LOSS), 9000, [Gap.MAE], "80.0"),
        ({"status": Status.PENDING, "entered_at": None, "entry_price": None, "stop_loss": None}, 9000, [], "100.0"),
        ({"status": Status.CANCELLED, "entered_at": None, "trade_id": "no time"}, 0, [Gap.SESSION], "0.0"),
        (
            {"trade_id": "x", "entered_at": None, "entry_price": None, "stop_loss": None},
            121,
            [Gap.SESSION, Gap.CONFIRMATION, Gap.ENTRY, Gap.STOP, Gap.MAE, Gap.STALE],
            "0.0",
        ),
    ],
)
def test_gaps(told: dict[str, Any], seconds: float, gaps: list[Gap], score: str) -> None:
    quality = quality_of(trade(**told), after(seconds))
    assert (list(quality.gaps), str(quality.score)) == (gaps, score)


@given(st.lists(trades(), max_size=12), st.integers(-10, 100))
def test_days_add_up_what_each_trade_lacks(states: list[TradeState], minutes: int) -> None:
    now = MORNING + timedelta(minutes=minutes)
    days: dict[date, list[TradeState]] = defaultdict(list)
    for state in states:
        days[state.signal_date].append(state)
    told = quality_days(unpack(PackedDay(day, *pack(members)) for day, members in sorted(days.items())), now)
    for day in told.days:
        qualities = [quality_of(state, now) for state in days[day.date]]
        mean = sum((one.score for one in qualities), Decimal(0)) / len(qualities)
        assert day.score == mean.quantize(Decimal("0.1"), ROUND_HALF_EVEN)
        assert day.trades == len(qualities)
        assert day.trades_with_gaps == sum(bool(one.gaps) for one in qualities)
        assert day.gaps == {gap: sum(gap in one.gaps for one in qualities) for gap in Gap}
    assert [day.date for day in told.days] == sorted(days)
    assert told.gaps == {gap: sum(day.gaps[gap] for day in told.days) for gap in Gap}
    assert (told.trades, told.trades_with_gaps) == (len(states), sum(day.trades_with_gaps for day in told.days))
    assert (told.score is None) == (not states)
