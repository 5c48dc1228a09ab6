"""Entries that wait for a price: limit and stop orders in every dialect, and what a stop means without an order type."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert, Unusable
from hookfill.signals.signed import parse_signed

D = Decimal
BUY = {"symbol": "X", "action": "buy"}


def limit(level: str, **others: Any) -> Alert:
    return Alert("X", Action.BUY, order_type="limit", order_price=D(level), **others)


def stop(level: str, **others: Any) -> Alert:
    return Alert("X", Action.BUY, order_type="stop", order_price=D(level), **others)


UNDERSTOOD: list[tuple[dict[str, Any], Alert]] = [
    ({"order_type": "limit", "limit_price": 5}, limit("5")),
    ({"orderType": "LIMIT", "limitPrice": "5.5"}, limit("5.5")),
    ({"type": "limit", "limitPrice": 5, "signalPrice": 6}, limit("5", price=D(6))),
    ({"pricetype": "LMT", "price": 5}, limit("5")),
    ({"pricetype": "LIMIT", "price": 5, "trigger_price": 0}, limit("5")),
    ({"order_type": "limit", "price": 6, "limit_price": 5}, limit("5", price=D(6))),
    ({"order_type": "limit", "limit_price": 5, "close": 6}, limit("5", price=D(6))),
    ({"order_type": "limit", "order_price": 5}, limit("5")),
    ({"order_type": "limit", "limit_price": 5, "stop_price": 4, "tp": 7}, limit("5", stop_loss=D(4), take_profit=D(7))),
    ({"order_type": "stop", "stop_price": 7}, stop("7")),
    ({"order_type": "stop", "stop_price": 7, "sl": 6, "tp": 9}, stop("7", stop_loss=D(6), take_profit=D(9))),
    ({"orderType": "stop", "stopPrice": 7, "stopLoss": {"stopPrice": 6}}, stop("7", stop_loss=D(6))),
    ({"pricetype": "SL", "price": 8, "trigger_price": 7}, stop("7", price=D(8))),
    ({"pricetype": "SL-M", "price": 0, "trigger_price": "7"}, stop("7")),
    ({"order_type": "STP", "price": 7}, stop("7")),
    ({"order_type": "stop", "stop_price": 7, "stop": 6}, stop("7", stop_loss=D(6))),
    ({"order_type": "limit", "limit_price": 5, "time_in_force": "GTC"}, limit("5", time_in_force="gtc")),
    ({"order_type": "limit", "limit_price": 5, "timeInForce": "Day"}, limit("5")),
    ({"order": {"type": "limit", "limit_price": 5}}, limit("5")),
    # Without an order type it is what it always was.
    ({"stop_price": 4, "limit_price": 5}, Alert("X", Action.BUY, stop_loss=D(4))),
    ({"order_type": "market", "stop_price": 4}, Alert("X", Action.BUY, stop_loss=D(4))),
    ({"price": 5, "trigger_price": 6}, Alert("X", Action.BUY, price=D(5))),
    # An exit trades at the market, whatever stands beside it.
    ({"action": "close", "order_type": "limit", "limit_price": 5}, Alert("X", Action.CLOSE)),
    ({"action": "close", "order_type": "stop_limit"}, Alert("X", Action.CLOSE)),
]


@pytest.mark.parametrize(("change", "expected"), UNDERSTOOD)
def test_json(change: dict[str, Any], expected: Alert) -> None:
    assert parse_alert(json.dumps(BUY | change).encode()) == expected


TEXTS: list[tuple[str, Alert]] = [
    ("buy X 1 limit=5 sl=4 tp=7", limit("5", quantity=D(1), stop_loss=D(4), take_profit=D(7))),
    ("buy limit X 1 @5", limit("5", quantity=D(1))),
    ("X buy stop 1 @7", stop("7", quantity=D(1))),
    ("buy X 1 order_type=stop stop_price=7 tif=gtc", stop("7", quantity=D(1), time_in_force="gtc")),
    ("symbol=X&action=buy&order_type=limit&limit_price=5", limit("5")),
    ("buy X 1 stop=4", Alert("X", Action.BUY, quantity=D(1), stop_loss=D(4))),
    ("buy STOP 1", Alert("STOP", Action.BUY, quantity=D(1))),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_text(text: str, expected: Alert) -> None:
    assert parse_alert(text.encode()) == expected


REFUSED: list[tuple[dict[str, Any], Reason, str]] = [
    ({"orderType": "limit"}, Reason.NUMBER_INVALID, "limit_price"),
    ({"order_type": "limit", "limit_price": 0, "price": 0}, Reason.NUMBER_INVALID, "limit_price"),
    ({"order_type": "limit", "limit_price": "low"}, Reason.NUMBER_INVALID, "limit_price"),
    ({"order_type": "limit", "limit_price": -5}, Reason.NUMBER_INVALID, "limit_price"),
    ({"pricetype": "SL-M"}, Reason.NUMBER_INVALID, "stop_price"),
    ({"order_type": "stop", "sl": 5}, Reason.NUMBER_INVALID, "stop_price"),
    ({"order_type": "stop", "stop_price": 7, "limit_price": 8}, Reason.ORDER_TYPE_UNSUPPORTED, "stop-limit"),
    ({"type": "stop_limit", "stop_price": 5, "limit_price": 5}, Reason.ORDER_TYPE_UNSUPPORTED, "stop_limit"),
    ({"order_type": "trailing_stop"}, Reason.ORDER_TYPE_UNSUPPORTED, "trailing_stop"),
    ({"order_type": "limit", "limit_price": 5, "time_in_force": "ioc"}, Reason.ORDER_TYPE_UNSUPPORTED, "day or gtc"),
    ({"order_type": "limit", "limit_price": 5, "time_in_force": {"a": 1}}, Reason.ORDER_TYPE_UNSUPPORTED, "day or gtc"),
    # Words elsewhere may tell of an order that was filled: nothing is entered on them.
    ({"signal": "sl"}, Reason.ORDER_TYPE_UNSUPPORTED, "sl"),
    ({"order": "limit", "limit_price": 5}, Reason.ORDER_TYPE_UNSUPPORTED, "limit"),
]


@pytest.mark.parametrize(("change", "reason", "fragment"), REFUSED)
def test_refused(change: dict[str, Any], reason: Reason, fragment: str) -> None:
    result = parse_alert(json.dumps(BUY | change).encode())
    assert isinstance(result, Unusable), result
    assert result.reason is reason
    assert fragment in result.detail


SIGNED = {"symbol": "X", "direction": "long", "timeframe": "5m", "timestamp": "2026-02-05T12:00:00Z"}


def test_the_signed_door_takes_them_too() -> None:
    asked = parse_signed(SIGNED | {"order_type": "stop", "stop_price": 7, "sl": 6, "price": "6.9", "time_in_force": "gtc"})
    assert isinstance(asked, Alert)
    assert (asked.order_type, asked.order_price, asked.time_in_force) == ("stop", D(7), "gtc")
    assert (asked.stop_loss, asked.price) == (D(6), D("6.9"))
    plain = parse_signed(SIGNED | {"stop_price": 7})
    assert isinstance(plain, Alert)
    assert (plain.waits, plain.stop_loss) == (False, D(7))
    refused = parse_signed(SIGNED | {"order_type": "limit"})
    assert not isinstance(refused, Alert)
    assert [error.field for error in refused] == ["order_type"]


PRICES = st.decimals("0.0001", "99999", places=4)
KEYS = st.sampled_from(["limit_price", "stop_price", "trigger_price", "order_price", "price", "close", "sl", "tp"])


@given(st.dictionaries(KEYS, PRICES), st.sampled_from(["limit", "stop", "market", None]))
def test_an_order_price_is_one_that_was_sent_and_never_a_stop_loss(prices: dict[str, Decimal], kind: str | None) -> None:
    members = {name: str(price) for name, price in prices.items()} | ({} if kind is None else {"order_type": kind})
    alert = parse_alert(json.dumps(BUY | members).encode())
    if kind in (None, "market"):
        assert isinstance(alert, Alert)
        assert not alert.waits
    elif isinstance(alert, Alert):
        assert alert.order_price in {
            prices.get(name) for name in ("limit_price", "stop_price", "trigger_price", "order_price", "price")
        }
        expected = {"limit": prices.get("sl", prices.get("stop_price")), "stop": prices.get("sl")}[alert.order_type]
        assert alert.stop_loss == expected
