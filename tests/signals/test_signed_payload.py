"""The signed webhook's payload, field by field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.model import Action, Alert, OptionAsk
from hookfill.signals.signed import FieldError, SignedFields, parse_signed, read_signed, signed_key

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
D = Decimal
GOOD = {"symbol": "SPY", "direction": "long", "timeframe": "5m", "timestamp": "2026-02-05T12:00:00Z"}


def alert(action: Action = Action.BUY, **others: Any) -> Alert:
    return Alert(**({"symbol": "SPY", "action": action, "timeframe": "5m", "fired_at": NOON} | others))


ACCEPTED: list[tuple[dict[str, Any], Alert]] = [
    ({}, alert()),
    ({"symbol": None, "ticker": "amex:spy"}, alert()),
    ({"symbol": "", "ticker": "QQQ"}, alert(symbol="QQQ")),
    ({"symbol": "X" * 20}, alert(symbol="X" * 20)),
    ({"direction": "SHORT"}, alert(Action.SELL)),
    ({"direction": None, "action": "BUY"}, alert()),
    ({"direction": None, "action": "Sell"}, alert(Action.SELL)),
    ({"action": "buy"}, alert()),
    ({"direction": "short", "action": "sell"}, alert(Action.SELL)),
    ({"direction": "CALL"}, alert(option=OptionAsk("CALL"))),
    ({"direction": "put"}, alert(Action.SELL, option=OptionAsk("PUT"))),
    ({"direction": "PUT", "action": "BUY"}, alert(Action.SELL, option=OptionAsk("PUT"))),
    (
        {"direction": "CALL", "strike": 500, "expiration": "2026-02-20"},
        alert(option=OptionAsk("CALL", D(500), "2026-02-20")),
    ),
    ({"strike": "500.5"}, alert(option=OptionAsk("CALL", D("500.5")))),
    ({"direction": "short", "expiration": "260220"}, alert(Action.SELL, option=OptionAsk("PUT", None, "2026-02-20"))),
    ({"strike": None, "expiration": ""}, alert()),
    ({"timeframe": 5}, alert(timeframe="5")),
    ({"timeframe": " 1h "}, alert(timeframe="1h")),
    ({"timestamp": 1770292800}, alert()),
    ({"timestamp": 1770292800000}, alert()),
    ({"timestamp": "2026-02-05T07:00:00-05:00"}, alert()),
    (
        {"qty": 2, "price": "500.1", "sl": D("490.5"), "take_profit": 520, "secret": "s", "confidence": [1], "x": {"y": 1}},
        alert(quantity=D(2), price=D("500.1"), stop_loss=D("490.5"), take_profit=D(520)),
    ),
]


@pytest.mark.parametrize(("change", "expected"), ACCEPTED)
def test_accepts(change: dict[str, Any], expected: Alert) -> None:
    assert parse_signed(GOOD | change) == expected


REFUSED: list[tuple[dict[str, Any], set[str]]] = [
    ({"symbol": None}, {"symbol"}),
    ({"symbol": "  "}, {"symbol"}),
    ({"symbol": 5}, {"symbol"}),
    ({"symbol": "X" * 21}, {"symbol"}),
    ({"symbol": "S P Y"}, {"symbol"}),
    ({"symbol": "{{ticker}}"}, {"symbol"}),
    ({"direction": None}, {"direction"}),
    ({"direction": "up"}, {"direction"}),
    ({"direction": 1}, {"direction"}),
    ({"action": "hold"}, {"action"}),
    ({"action": "hold", "direction": "up"}, {"action", "direction"}),
    ({"action": "SELL"}, {"direction"}),
    ({"action": "BUY", "direction": "short"}, {"direction"}),
    ({"action": "SELL", "direction": "CALL"}, {"direction"}),
    ({"timeframe": None}, {"timeframe"}),
    ({"timeframe": ""}, {"timeframe"}),
    ({"timeframe": "x" * 17}, {"timeframe"}),
    ({"timeframe": True}, {"timeframe"}),
    ({"timeframe": []}, {"timeframe"}),
    ({"timestamp": None}, {"timestamp"}),
    ({"timestamp": "yesterday"}, {"timestamp"}),
    ({"timestamp": 5}, {"timestamp"}),
    ({"strike": -1}, {"strike"}),
    ({"strike": "many"}, {"strike"}),
    ({"expiration": "2026-02-30"}, {"expiration"}),
    ({"expiration": "soon"}, {"expiration"}),
    ({"quantity": 0}, {"quantity"}),
    ({"price": "NaN"}, {"price"}),
    ({"stop_loss": -1}, {"stop_loss"}),
    ({"tp": {"percent": 1}}, {"take_profit"}),
    ({"sl_pips": 50}, {"sl_pips"}),
    (
        {"symbol": "", "direction": None, "timeframe": None, "timestamp": None, "strike": 0},
        {"symbol", "direction", "timeframe", "timestamp", "strike"},
    ),
]


@pytest.mark.parametrize(("change", "fields"), REFUSED)
def test_refuses_and_names_every_field(change: dict[str, Any], fields: set[str]) -> None:
    errors = parse_signed(GOOD | change)
    assert not isinstance(errors, Alert)
    assert {error.field for error in errors} == fields
    assert len(errors) == len(fields)
    assert all(error.message.endswith(".") and error.message[0].isupper() for error in errors)


@pytest.mark.parametrize("change", [{}, *(change for change, _ in REFUSED)])
@pytest.mark.parametrize("verb", [{}, {"direction": None, "action": "SELL"}])
def test_what_says_nothing_more_changes_nothing(change: dict[str, Any], verb: dict[str, Any]) -> None:
    assert read_signed(GOOD | verb | change) == read_signed(GOOD | verb | change | {"id": "an alert's id", "comment": "nothing"})


@pytest.mark.parametrize("payload", [None, [], "text", 5, [GOOD]])
def test_only_an_object_is_a_payload(payload: object) -> None:
    assert parse_signed(payload) == (FieldError("body", "Send a JSON object."),)


def read(change: dict[str, Any]) -> SignedFields:
    result = read_signed(GOOD | change)
    assert isinstance(result, SignedFields)
    return result


def test_the_key_is_symbol_direction_and_timeframe() -> None:
    key = signed_key(read({}))
    assert len(key) == 32
    same = [{"action": "BUY"}, {"direction": None, "action": "buy"}, {"timestamp": 1770292860}, {"qty": 5}, {"symbol": "AMEX:spy"}]
    assert all(signed_key(read(change)) == key for change in same)
    other = [{"symbol": "QQQ"}, {"direction": "short"}, {"direction": "call"}, {"direction": "put"}, {"timeframe": "1m"}]
    keys = {signed_key(read(change)) for change in other}
    assert len(keys | {key}) == 6


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "action", "strike", "expiration", "price", "qty", "ticker", "secret"]),
        st.none() | st.text(max_size=10) | st.integers() | st.decimals() | st.lists(st.integers(), max_size=2),
    )
)
def test_never_raises(change: dict[str, Any]) -> None:
    result = parse_signed(GOOD | change)
    assert isinstance(result, Alert) or (result and all(isinstance(error, FieldError) for error in result))
