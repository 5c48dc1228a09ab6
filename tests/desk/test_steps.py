from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.desk.steps import Steps, amount, in_words, numbers, word

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def elapsed(*offsets_ms: float | None) -> list[float | None]:
    steps = Steps()
    for offset in offsets_ms:
        steps.add("step", "Title", "Says.", {}, at=None if offset is None else NOON + timedelta(milliseconds=offset))
    return [step["elapsed_ms"] for step in steps.told]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((0, 1.5, 4), [None, 1.5, 2.5]),
        ((0, None, 4), [None, None, 4.0]),
        ((None, 3), [None, None]),
        # The second host's clock is behind: no time passes, and what follows counts from the latest moment seen.
        ((10, 4, 12), [None, 0.0, 2.0]),
    ],
)
def test_elapsed_time_is_since_the_last_step_that_has_one(offsets: tuple[float | None, ...], expected: list[float | None]) -> None:
    assert elapsed(*offsets) == expected


def test_recorded_amounts_become_numbers_and_texts_stay() -> None:
    figures = {"limit": "300", "deviation_pct": "-0.5", "symbol": "7203", "reason": "12", "note": "1e5", "age": 1.5, "price": None}
    assert numbers(figures) == {**figures, "limit": Decimal(300), "deviation_pct": Decimal("-0.5")}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (False, "no"),
        (Decimal("1.500"), "1.5"),
        (0.1234567, "0.123457"),
        (NOON, "2026-03-02 12:00:00 UTC"),
        (3, "3"),
        ("fx", "fx"),
    ],
)
def test_figures_in_words(value: Any, text: str) -> None:
    assert word(value) == text
    assert in_words({"some_figure": value, "other": 1}) == f"some figure {text}, other 1"


def test_amounts() -> None:
    assert amount(None) is None
    assert amount("1.10") == Decimal("1.1")
