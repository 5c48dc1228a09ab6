"""What a job's end means for its order, case by case, and that no report can make up a fill."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.mt5.settle import settle
from hookfill.kernel.lifecycle import ORDER
from hookfill.kernel.reasons import Reason

LOT = Decimal("0.1")
CASES: list[tuple[str, Any, str | None, tuple[str, str, str | None, Reason | None]]] = [
    ("completed", {"fill_price": "1.1"}, None, ("filled", "0.1", "1.1", None)),
    ("completed", {"fill_price": 1.1, "filled_volume": 0.1}, None, ("filled", "0.1", "1.1", None)),
    ("completed", {"fill_price": "1.1", "filled_volume": "0.04"}, None, ("cancelled", "0.04", "1.1", None)),
    ("completed", {"fill_price": "1.1", "filled_volume": "0.2"}, None, ("filled", "0.1", "1.1", None)),
    ("completed", {"fill_price": "1.1", "filled_volume": "0.000000001"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "1.1", "filled_volume": "0"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "-1"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "0.00000000001"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "1e15"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "1e99"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", None, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", "1.1", None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("completed", {"fill_price": "1.1", "deal_ids": 5}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("failed", {"fill_price": "1.1"}, "no", ("rejected", "0", None, Reason.BROKER_REJECTED)),
    ("expired", None, None, ("expired", "0", None, Reason.JOB_EXPIRED)),
    ("cancelled", None, None, ("cancelled", "0", None, Reason.JOB_CANCELLED)),
    ("unheard of", {"fill_price": "1.1"}, None, ("rejected", "0", None, Reason.BROKER_REJECTED)),
]


@pytest.mark.parametrize(("status", "stored", "error", "expected"), CASES)
def test_the_end_of_an_order(
    status: str, stored: Any, error: str | None, expected: tuple[str, str, str | None, Reason | None]
) -> None:
    ended = settle(LOT, status, stored, error)
    price = None if expected[2] is None else Decimal(expected[2])
    assert (ended.status, ended.quantity, ended.price, ended.reason) == (expected[0], Decimal(expected[1]), price, expected[3])
    assert (ended.reason is None) or ended.text


@pytest.mark.parametrize(
    ("stored", "error", "words"),
    [
        ({"error_code": 10019}, None, "MetaTrader's return code 10019"),
        ({"error_code": 10019}, "No money.", "No money; MetaTrader's return code 10019"),
        ({"error_code": 10019}, "No money (10019)", "(No money (10019))"),
        ({"error_message": "Off quotes"}, None, "Off quotes"),
        ({}, None, "The broker did not fill the order. "),
    ],
)
def test_a_refusal_is_told_in_the_broker_s_words(stored: Any, error: str | None, words: str) -> None:
    assert words in str(settle(LOT, "failed", stored, error).text)


def test_the_figures_of_a_fill() -> None:
    told = {"fill_price": "1.1", "profit": "-3.5", "commission": "-0.7", "executed_at": "2026-03-02T12:00:05Z", "deal_ids": ["9"]}
    ended = settle(LOT, "completed", told, None)
    assert (ended.profit, ended.commission, ended.broker_order_id) == (Decimal("-3.5"), Decimal("0.7"), "9")
    assert ended.at is not None
    assert ended.at.isoformat() == "2026-03-02T12:00:05+00:00"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "fill_price",
        "filled_volume",
        "profit",
        "commission",
        "executed_at",
        "deal_ids",
        "error_code",
        "error_message",
        "broker_order_id",
    ]
)


@given(
    st.sampled_from(["completed", "failed", "expired", "cancelled", ""]),
    st.dictionaries(NAMES, JSON | st.decimals(), max_size=6) | JSON,
    st.none() | st.text(max_size=10),
)
def test_no_report_breaks_it_or_makes_up_a_fill(status: str, stored: Any, error: str | None) -> None:
    ended = settle(LOT, status, stored, error)
    assert ended.status in ("filled", "cancelled", "rejected", "expired")
    ORDER.move("submitting", ended.status)
    assert (ended.price is None) == (ended.quantity == 0)
    assert 0 <= ended.quantity <= LOT
    assert (ended.status == "filled") == (ended.quantity == LOT)
    assert ended.commission >= 0
    if ended.price is not None:
        assert status == "completed"
        assert 0 < ended.price < 10**15
