"""Whatever comes in, the grammar answers, and what it takes for an alert is sound."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.fields import collect, first_of
from hookfill.signals.grammar import alert_key, parse_alert
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Action, Alert, Malformed, Unusable

STRATEGY = UUID("0198c0de-0000-7000-8000-000000000001")


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


IDS = st.sampled_from(["id", "ID", "i_d", "alert_id", "alertId", "Alert-Id", "uuid", "UUID", "data", "alert", "bar", "symbol", "x"])


@given(st.dictionaries(IDS, SCALARS | st.dictionaries(IDS, SCALARS, max_size=4) | st.lists(SCALARS, max_size=2), max_size=8))
def test_the_own_id_is_found_alone_as_it_is_found_with_all_other_fields(payload: dict[str, Any]) -> None:
    assert first_of(payload, "dedupe_id") == collect(payload).values.get("dedupe_id")


@given(st.sampled_from(["", " ", "\n"]), st.text(max_size=80))
def test_arbitrary_text_never_raises(space: str, text: str) -> None:
    assert isinstance(parse_alert((space + text).encode("utf-8", "surrogatepass")), Alert | Unusable | Malformed)


@given(st.dictionaries(KEYS | st.text(max_size=8), SCALARS | MEMBERS | st.lists(SCALARS, max_size=3), max_size=14))
def test_an_alert_has_the_key_of_its_own_id_whether_or_not_it_is_understood(payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()
    key, parsed = alert_key(STRATEGY, body), parse_alert(body)
    if isinstance(parsed, Alert) and parsed.dedupe_id is not None:
        assert key == alert_key(STRATEGY, json.dumps({"id": parsed.dedupe_id}).encode())
    elif isinstance(parsed, Alert):
        assert key != alert_key(STRATEGY, body + b" ")


@given(st.binary(max_size=300) | st.text(max_size=80).map(str.encode))
def test_exactly_the_bodies_that_can_not_be_read_have_no_key(body: bytes) -> None:
    assert isinstance(alert_key(STRATEGY, body), Malformed) == isinstance(parse_alert(body), Malformed)


@given(st.dictionaries(KEYS | st.text(max_size=8), SCALARS | MEMBERS, max_size=14))
def test_masking_secrets_does_not_change_what_is_asked(payload: dict[str, Any]) -> None:
    body = json.dumps(payload | {"secret": "s3cret"}).encode()
    assert parse_alert(mask_secrets(body)) == parse_alert(body)


@pytest.mark.parametrize(
    "text",
    [
        b"60123456789,buy,EURUSD,vol_lots=0.1,sl_price=1.07123",
        b"60123456789,closelong,EURUSD",
        b"license=abc buy EURUSD 0.1",
        b"symbol=EURUSD&action=buy&secret=abc",
    ],
)
def test_a_masked_text_alert_asks_for_the_same(text: bytes) -> None:
    masked = mask_secrets(text)
    assert masked != text
    assert isinstance(parse_alert(text), Alert)
    assert parse_alert(masked) == parse_alert(text)
