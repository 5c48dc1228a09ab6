"""Whatever the shadow book holds comes back from its document as it was."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper.rest import RestingOrder, Terms
from hookfill.desk.shadow_state import from_json, to_json
from hookfill.kernel.reasons import Reason
from hookfill.orders.model import Side
from hookfill.positions.model import Position, Target

amounts = st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**9), max_value=10**9)
moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(max_size=10)
documents = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-5, 5) | texts, max_size=3)
targets = st.builds(Target, st.integers(1, 9), amounts, amounts, amounts)
positions = st.builds(
    Position,
    position_id=st.uuids(), strategy_id=st.uuids(), symbol=texts, quantity=amounts, average_price=amounts, cost=amounts,
    multiplier=amounts, entries=st.integers(1, 9), opened_at=moments, mark=amounts, marked_at=moments, marked_until=moments,
    best_price=amounts, realized_pnl=amounts, stop_price=st.none() | amounts, at_break_even=st.booleans(),
    status=st.sampled_from(["open", "closed"]), closed_at=st.none() | moments, exit_reason=st.none() | texts, exits=documents,
    targets=st.lists(targets, max_size=3).map(tuple), underlying=st.none() | texts, terms=st.none() | documents,
    leave_at=st.none() | moments, due_at=st.none() | moments,
)  # fmt: skip
orders = st.builds(
    RestingOrder,
    order_id=st.uuids(), client_order_id=texts, signal_id=st.uuids(), position_id=st.uuids(), strategy_id=st.uuids(), symbol=texts,
    side=st.sampled_from(Side), order_type=texts, level=st.none() | amounts, quantity=amounts, time_in_force=texts, as_of=moments,
    seen_until=moments, expires_at=st.none() | moments,
    terms=st.builds(Terms, amounts, amounts, st.none() | amounts, st.none() | amounts, documents),
    filled=amounts, spent=amounts, fills=st.integers(0, 9), unwanted=st.none() | st.sampled_from(Reason),
)  # fmt: skip


@given(positions | orders)
def test_there_and_back(value: Position | RestingOrder) -> None:
    stored = json.loads(json.dumps(to_json(value)))
    assert from_json(type(value), stored) == value


def test_a_document_of_another_version() -> None:
    """A field that it lacks has its default, one that is not known any more is left aside."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    one = Decimal(1)
    held = Position(UUID(int=1), UUID(int=2), "X", one, one, one, one, 1, at, one, at, at, one, due_at=at)
    stored = to_json(held) | {"forgotten": 1}
    del stored["due_at"]
    assert from_json(Position, stored) == replace(held, due_at=None)


def test_a_document_of_something_else() -> None:
    with pytest.raises(TypeError):
        from_json(Position, {"symbol": "X"})
