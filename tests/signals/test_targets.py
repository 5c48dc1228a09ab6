"""Position-target semantics: every combination of order, position after and position before."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert, Unusable

D = Decimal
CONTRADICTORY = None


def target(size: int | None, side: int, previous: int | None = None, quantity: int | None = None) -> Alert:
    return Alert(
        "X",
        Action.TARGET,
        quantity=None if quantity is None else D(quantity),
        target=None if size is None else D(size),
        target_side=side,
        previous_side=previous,
    )


def close(side: int | None, quantity: int | None = None, previous: int | None = None) -> Alert:
    return Alert("X", Action.CLOSE, quantity=None if quantity is None else D(quantity), close_side=side, previous_side=previous)


# action, quantity, position, size, previous position, previous size → alert
CASES: list[tuple[str | None, int | None, str, Any, str | None, Any, Alert | None]] = [
    # the position alone
    (None, None, "long", 2, None, None, target(2, 1)),
    (None, None, "short", 2, None, None, target(-2, -1)),
    (None, None, "short", -2, None, None, target(-2, -1)),
    (None, None, "flat", 0, None, None, target(0, 0)),
    (None, None, "flat", None, None, None, target(0, 0)),
    (None, None, "long", None, None, None, target(None, 1)),
    (None, None, "LONG ", "2", None, None, target(2, 1)),
    # with the order: entries, reversals, additions, partial exits, exits
    ("buy", 2, "long", 2, "flat", 0, target(2, 1, 0, 2)),
    ("buy", 5, "long", 2, "short", 3, target(2, 1, -1, 5)),
    ("sell", 5, "short", 2, "long", 3, target(-2, -1, 1, 5)),
    ("buy", 1, "long", 3, "long", 2, target(3, 1, 1, 1)),
    ("sell", 1, "long", 2, "long", 3, target(2, 1, 1, 1)),
    ("buy", 1, "short", 2, "short", 3, target(-2, -1, -1, 1)),
    ("sell", 2, "flat", 0, "long", 2, target(0, 0, 1, 2)),
    ("buy", 2, "flat", 0, "short", 2, target(0, 0, -1, 2)),
    ("buy", 2, "flat", None, None, None, target(0, 0, None, 2)),
    ("buy", 0, "long", 2, None, None, target(2, 1)),
    # without sizes
    ("buy", 2, "long", None, "flat", None, target(None, 1, 0, 2)),
    ("buy", 4, "long", None, "short", None, target(None, 1, -1, 4)),
    ("buy", 2, "long", None, None, None, target(None, 1, None, 2)),
    ("buy", 2, "long", None, "long", None, Alert("X", Action.BUY, quantity=D(2), previous_side=1)),
    ("sell", 2, "long", None, "long", None, close(1, 2, 1)),
    ("sell", 2, "long", None, None, None, close(1, 2)),
    ("buy", 2, "short", None, None, None, close(-1, 2)),
    # closing words
    ("close", None, "flat", 0, "long", 2, target(0, 0, 1)),
    ("exit_long", None, "flat", 0, "long", 2, close(1, None, 1)),
    ("exit_long", None, "flat", 0, None, None, close(1)),
    ("exit_long", 1, "long", 1, "long", 2, target(1, 1, 1, 1)),
    ("exit_long", 1, "long", None, "long", None, close(1, 1, 1)),
    # what can't be
    ("buy", 2, "short", 2, "flat", 0, CONTRADICTORY),
    ("buy", 2, "short", 2, "long", 2, CONTRADICTORY),
    ("buy", 2, "short", 5, "short", 3, CONTRADICTORY),
    ("buy", 2, "long", 1, "long", 3, CONTRADICTORY),
    ("buy", 2, "flat", 0, "long", 2, CONTRADICTORY),
    ("sell", 2, "long", 2, "flat", 0, CONTRADICTORY),
    ("sell", 2, "flat", 0, "short", 2, CONTRADICTORY),
    ("sell", None, "long", None, None, None, CONTRADICTORY),
    ("close", None, "long", None, None, None, CONTRADICTORY),
    ("close", None, "long", 2, "flat", 0, CONTRADICTORY),
    ("exit_long", None, "short", 2, "long", 2, CONTRADICTORY),
    ("exit_long", None, "short", 2, None, None, CONTRADICTORY),
    ("exit_long", None, "flat", 0, "short", 2, CONTRADICTORY),
    ("exit_long", None, "long", 3, "long", 2, CONTRADICTORY),
    ("buy", 2, "long", 0, None, None, CONTRADICTORY),
    ("sell", 2, "flat", 2, None, None, CONTRADICTORY),
]


@pytest.mark.parametrize(("action", "quantity", "position", "size", "previous", "previous_size", "expected"), CASES)
def test_market_position(
    action: str | None,
    quantity: int | None,
    position: str,
    size: Any,
    previous: str | None,
    previous_size: Any,
    expected: Alert | None,
) -> None:
    payload = {
        "symbol": "X",
        "action": action,
        "quantity": quantity,
        "market_position": position,
        "market_position_size": size,
        "prev_market_position": previous,
        "prev_market_position_size": previous_size,
    }
    result = parse_alert(json.dumps(payload).encode())
    if expected is None:
        assert isinstance(result, Unusable)
        assert result.reason is Reason.ACTION_CONTRADICTORY
    else:
        assert result == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"action": "buy", "quantity": 3, "sentiment": "bullish"}, Alert("X", Action.BUY, quantity=D(3))),
        ({"action": "sell", "quantity": 3, "sentiment": "short"}, Alert("X", Action.SELL, quantity=D(3))),
        ({"action": "sell", "quantity": 3, "sentiment": "flat"}, target(0, 0, None, 3)),
        ({"action": "buy", "quantity": 3, "sentiment": "bearish"}, close(-1, 3)),
        ({"action": "exit", "sentiment": "bullish"}, close(None)),
        ({"action": "exit", "sentiment": "flat"}, close(None)),
        ({"sentiment": "flat"}, target(0, 0)),
        ({"action": "sell", "sentiment": "bullish"}, CONTRADICTORY),
        ({"action": "buy", "quantity": 3, "position_size": 3}, target(3, 1, None, 3)),
        ({"action": "sell", "quantity": 3, "position_size": 0}, target(0, 0, None, 3)),
        ({"action": "sell", "quantity": 3, "position_size": 5}, close(1, 3)),
        ({"action": "sell", "position_size": 5}, CONTRADICTORY),
        ({"action": "close", "position_size": 5}, close(None)),
    ],
)
def test_sentiment_and_position_size(members: dict[str, Any], expected: Alert | None) -> None:
    result = parse_alert(json.dumps({"symbol": "X"} | members).encode())
    if expected is None:
        assert isinstance(result, Unusable)
        assert result.reason is Reason.ACTION_CONTRADICTORY
    else:
        assert result == expected


@given(st.integers(-20, 20), st.integers(-20, 20).filter(bool), st.booleans())
def test_every_order_of_a_real_strategy_is_understood_as_its_position(before: int, order: int, with_previous: bool) -> None:
    """Whatever order takes ``before`` to ``after``, the alert that TradingView makes of it aims at ``after``."""
    names = {1: "long", 0: "flat", -1: "short"}
    after = before + order
    side, previous = (after > 0) - (after < 0), (before > 0) - (before < 0)
    payload = {
        "symbol": "X",
        "action": "buy" if order > 0 else "sell",
        "contracts": abs(order),
        "market_position": names[side],
        "market_position_size": abs(after),
    }
    if with_previous:
        payload |= {"prev_market_position": names[previous], "prev_market_position_size": abs(before)}
    result = parse_alert(json.dumps(payload).encode())
    assert isinstance(result, Alert)
    assert (result.action, result.target, result.target_side) == (Action.TARGET, after, side)
    assert result.previous_side == (previous if with_previous else None)
