"""A fold that is asked to end ends between two signals, and the next one goes on as if there had been one."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome, Situation
from support.desk import after, at, bar, signal, situation

TEXTS = ("buy EURUSD 0.1 sl=1.05 tp=1.15", "close EURUSD", "sell EURUSD 0.2", "buy EURUSD 0.3", "close EURUSD")


def whole() -> Situation:
    signals = [signal(text, 1 + 2 * number, number=number) for number, text in enumerate(TEXTS)]
    bars = [bar(minute, f"{price} {price} {price} {price}") for minute in range(12) for price in [Decimal("1.1") + minute % 3]]
    return situation(*signals, bars=bars, horizon=at(12))


def counting(signals: int) -> Iterator[bool]:
    """Lets so many signals be begun, the first one in any case."""
    yield from [True] * (signals - 1)
    yield False


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_in_parts_it_comes_to_the_same(parts: list[int]) -> None:
    expected = fold(whole())
    now, orders, verdicts, left = whole(), [], [], list(whole().signals)
    for number in [*parts, len(TEXTS)]:
        steps = counting(number) if number < len(left) else iter([True] * len(left))
        outcome = fold(now, may_go_on=lambda steps=steps: next(steps))
        done = len(outcome.verdicts)
        assert done == min(number, len(left))
        left = left[done:]
        orders += outcome.orders
        verdicts += outcome.verdicts
        now = after(now, outcome, left, at(12))
        if not left:
            break
    assert [(one.signal_id, one.status, one.fill_price) for one in verdicts] == _verdicts(expected)
    assert [(one.client_order_id, one.as_of) for one in orders] == [(one.client_order_id, one.as_of) for one in expected.orders]
    assert now.account == expected.account


def _verdicts(outcome: Outcome) -> list[tuple[object, ...]]:
    return [(one.signal_id, one.status, one.fill_price) for one in outcome.verdicts]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_no_price_after_the_last_signal_is_looked_at(number: int) -> None:
    steps = counting(number)
    outcome = fold(whole(), may_go_on=lambda: next(steps))
    assert len(outcome.verdicts) == number
    assert outcome.account.timeline_at == at(1 + 2 * (number - 1))
