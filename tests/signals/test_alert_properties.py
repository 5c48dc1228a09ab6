"""Whatever comes in, the grammar answers, and what it takes for an alert is sound."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert, Malformed, Unusable


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    assert isinstance(parse_alert(body), Alert | Unusable | Malformed)


KEYS = st.sampled_from([
    "symbol", "ticker", "action", "side", "order", "direction", "signal", "quantity", "volume", "price", "sl", "tp", "stopLoss",
    "time", "timenow", "id", "max_lag", "market_position", "market_position_size", "prev_market_position",
    "prev_market_position_size", "position_size", "sentiment", "strike", "expiration", "option_type", "currency_type", "pricetype",
    "bar", "strategy_info", "sl_pips", "event_type",
])  # fmt: skip
VALUES = st.sampled_from([
    "buy", "sell", "close", "long", "short", "flat", "exit_long", "call", "put", "X", "EURUSD", "1.5", "0", "-1", "bullish",
    "2026-02-05T12:00:00Z", "{{x}}",
])  # fmt: skip
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=20) | VALUES
MEMBERS = st.dictionaries(KEYS | st.text(max_size=8), SCALARS, max_size=10)


@given(st.dictionaries(KEYS | st.text(max_size=8), SCALARS | MEMBERS | st.lists(SCALARS, max_size=3), max_size=14))
def test_arbitrary_alerts_never_raise_and_hold_sound_values(payload: dict[str, Any]) -> None:
    result = parse_alert(json.dumps(payload).encode())
    assert isinstance(result, Alert | Unusable | Malformed)
    if isinstance(result, Alert):
        numbers = (result.quantity, result.price, result.stop_loss, result.take_profit)
        assert all(number is None or (number.is_finite() and number > 0) for number in numbers)
        assert (result.target_side is not None) == (result.action is Action.TARGET)
        assert result.close_side is None or result.action is Action.CLOSE
        if result.target is not None:
            assert (result.target > 0) - (result.target < 0) == result.target_side


@given(st.sampled_from(["", " ", "\n"]), st.text(max_size=80))
def test_arbitrary_text_never_raises(space: str, text: str) -> None:
    assert isinstance(parse_alert((space + text).encode("utf-8", "surrogatepass")), Alert | Unusable | Malformed)
