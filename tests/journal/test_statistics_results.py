"""What a trade came to under a policy, case by case, and the rounding of R."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.journal.model import Direction, EventType, Status, TradeState
from hookfill.journal.results import Policy, as_r, outcome_of, result_of
from support.trades import MORNING, ended, trade

BE, STOP, OWN = EventType.EXIT_BREAK_EVEN, EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT


def came_to(state: TradeState, target: int) -> tuple[str | None, str | None]:
    """With and without the stop at the entry."""
    found = (result_of(outcome_of(state, policy), target) for policy in (Policy.BE, Policy.NO_BE))
    with_be, without = (None if result is None else f"{result.normalize():f}" for result in found)
    return with_be, without


def moves(be: str | None, no_be: str | None) -> dict[str, Any]:
    """How far a trade went."""
    return {name: None if text is None else Decimal(text) for name, text in (("be_mfe", be), ("no_be_mfe", no_be))}


@pytest.mark.parametrize(
    ("told", "target", "expected"),
    [
        # Nothing ended yet.
        ({}, 1, (None, None)),
        (moves("1.9", "2.1"), 2, (None, "2")),
        (moves("2", "2"), 2, ("2", "2")),
        (moves("1.9999999999", "1.9999999999"), 2, (None, None)),
        (moves("40", "40"), 20, ("20", "20")),
        # Stopped, never at +1R.
        (moves("0.99", "0.99") | ended(STOP), 1, ("-1", "-1")),
        (ended(STOP), 1, ("-1", "-1")),
        # At +1R and back: the stop lay at the entry, whichever exit was told.
        (moves("1.5", "1.5") | ended(BE), 2, ("0", None)),
        (moves("1.5", "1.5") | ended(STOP), 2, ("0", "-1")),
        (moves("1.5", "1.5") | ended(STOP), 1, ("1", "1")),
        (moves("0.4", "0.4") | ended(BE), 1, ("0", None)),
        # Left at the entry, while the trade without break-even went on and reached its target, or its stop.
        (moves("1.5", "3.2") | ended(BE), 3, ("0", "3")),
        (moves("1.5", "2.9") | ended(BE) | {"stopped_at": MORNING + timedelta(minutes=40)}, 3, ("0", "-1")),
        # Break-even was told as triggered, and no move with it.
        ({"be_triggered_at": MORNING} | ended(STOP), 2, ("0", "-1")),
        ({"be_triggered_at": MORNING + timedelta(minutes=21)} | ended(STOP, 20), 2, ("-1", "-1")),
        # A target of its own.
        (ended(OWN, price=Decimal(125)), 3, ("2.5", "2.5")),
        (ended(OWN, price=Decimal(125)), 2, ("2", "2")),
        (moves("3", "3") | ended(OWN, price=Decimal(125)), 3, ("3", "3")),
        (ended(OWN, price=Decimal(97)), 1, ("-0.3", "-0.3")),
        (ended(OWN, price=Decimal("103.33333333")), 1, ("0.333333", "0.333333")),
        (ended(OWN), 1, (None, None)),
        (ended(OWN, price=Decimal(125)) | {"stop_loss": None}, 1, (None, None)),
        (ended(OWN, price=Decimal(125)) | {"stop_loss": Decimal(100)}, 1, (None, None)),
        (ended(OWN, price=Decimal(80)) | {"stop_loss": Decimal(110), "direction": Direction.BEARISH}, 5, ("2", "2")),
        (ended(OWN, price=Decimal(80)) | {"stop_loss": Decimal(110), "direction": None}, 5, ("2", "2")),
        (moves("1.5", "1.5") | ended(OWN, price=Decimal(125)) | {"stopped_at": MORNING + timedelta(hours=2)}, 4, ("2.5", "2.5")),
        # Never a trade.
        (moves("5", "5") | {"status": Status.CANCELLED, "stopped_at": MORNING}, 1, (None, None)),
        ({"status": Status.PENDING}, 1, (None, None)),
    ],
)
def test_what_a_trade_came_to(told: dict[str, Any], target: int, expected: tuple[str | None, str | None]) -> None:
    assert came_to(trade(**told), target) == expected


def test_when_it_ended() -> None:
    open_still = trade(**moves("3", "3"))
    assert outcome_of(open_still, Policy.BE).at == open_still.last_event_at
    stopped_later = trade(**ended(BE, 20), stopped_at=MORNING + timedelta(minutes=45))
    assert outcome_of(stopped_later, Policy.BE).at == MORNING + timedelta(minutes=20)
    assert outcome_of(stopped_later, Policy.NO_BE).at == MORNING + timedelta(minutes=45)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("1.2361111111", "1.236111"),
        ("0.0000005", "0.000000"),
        ("0.0000015", "0.000002"),
        ("-0.93", "-0.930000"),
        ("7e14", "1000000.000000"),
        ("-7e14", "-1000000.000000"),
    ],
)
def test_r_is_rounded_and_bounded(told: str, shown: str) -> None:
    assert str(as_r(Decimal(told))) == shown
