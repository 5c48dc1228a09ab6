"""Alerts as users send them, dialect by dialect: what each means, and why the others are refused."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import alert_key, parse_alert
from hookfill.signals.model import Action, Alert, Malformed, OptionAsk, Unusable

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
D = Decimal

# Whole messages as the receivers' own documentation and TradingView's placeholders produce them.
JSON_ALERTS: list[tuple[dict[str, Any], Alert]] = [
    ({"symbol": "EURUSD", "action": "buy"}, Alert("EURUSD", Action.BUY)),
    (
        {"symbol": "EURUSD", "action": "sell", "volume": 0.1, "comment": "breakout"},
        Alert("EURUSD", Action.SELL, quantity=D("0.1"), comment="breakout"),
    ),
    (
        {"ticker": "OANDA:eurusd", "side": "BUY", "qty": "2", "close": "1.0716", "stopLoss": 1.07, "takeProfit": "1.09", "tf": 5},
        Alert("EURUSD", Action.BUY, quantity=D(2), price=D("1.0716"), stop_loss=D("1.07"), take_profit=D("1.09"), timeframe="5"),
    ),
    (  # TradersPost
        {
            "ticker": "AMD", "action": "buy", "sentiment": "bullish", "quantity": 1, "price": 143.12,
            "time": "2026-02-05T12:00:00Z",
            "interval": "15", "quantityType": "fixed_quantity", "stopLoss": {"type": "stop", "stopPrice": 140.5},
            "takeProfit": {"limitPrice": 150},
        },
        Alert(
            "AMD", Action.BUY, quantity=D(1), price=D("143.12"), stop_loss=D("140.5"), take_profit=D(150), timeframe="15",
            bar_at=NOON,
        ),
    ),
    ({"ticker": "AMD", "action": "exit"}, Alert("AMD", Action.CLOSE)),
    (
        {"ticker": "AMD", "action": "sell", "sentiment": "flat", "quantity": 5},
        Alert("AMD", Action.TARGET, quantity=D(5), target=D(0), target_side=0),
    ),
    (
        {"ticker": "AMD", "action": "sell", "sentiment": "bullish", "quantity": 5},
        Alert("AMD", Action.CLOSE, quantity=D(5), close_side=1),
    ),
    ({"ticker": "AMD", "sentiment": "short"}, Alert("AMD", Action.TARGET, target_side=-1)),
    (  # 3Commas
        {
            "secret": "abc", "max_lag": "300", "timestamp": "2026-02-05T12:00:00Z", "trigger_price": "25000.5",
            "tv_exchange": "CME_MINI",
            "tv_instrument": "MNQ1!", "action": "sell", "bot_uuid": "0a-1b",
            "strategy_info": {
                "market_position": "short", "market_position_size": "3", "prev_market_position": "long",
                "prev_market_position_size": "2",
            },
            "order": {"amount": "5", "currency_type": "base"},
        },
        Alert(
            "MNQ1!", Action.TARGET, quantity=D(5), price=D("25000.5"), target=D(-3), target_side=-1, previous_side=1, fired_at=NOON,
            max_lag_seconds=300,
        ),
    ),
    (  # OpenAlgo
        {
            "apikey": "k", "strategy": "Test Strategy", "symbol": "IDEA", "exchange": "NSE", "action": "BUY", "product": "MIS",
            "pricetype": "MARKET", "quantity": "1", "position_size": "5", "price": "0", "trigger_price": "0",
            "disclosed_quantity": "0",
        },
        Alert("IDEA", Action.TARGET, quantity=D(1), target=D(5), target_side=1),
    ),
    (
        {"symbol": "IDEA", "action": "SELL", "quantity": 0, "position_size": 0},
        Alert("IDEA", Action.TARGET, target=D(0), target_side=0),
    ),
    (
        {"symbol": "IDEA", "action": "SELL", "quantity": 4, "position_size": "-4"},
        Alert("IDEA", Action.TARGET, quantity=D(4), target=D(-4), target_side=-1),
    ),
    (  # the nested template of many tutorials
        {
            "passphrase": "p", "time": "2026-02-05T12:00:00Z", "exchange": "NASDAQ", "ticker": "AAPL",
            "bar": {"time": "2026-02-05T11:55:00Z", "open": 1, "high": 2, "low": 1, "close": 190.25, "volume": 123456},
            "strategy": {
                "position_size": -2, "order_action": "sell", "order_contracts": 2, "order_price": 190.3, "order_id": "Short",
                "market_position": "short", "market_position_size": 2, "prev_market_position": "flat",
                "prev_market_position_size": 0,
            },
        },
        Alert(
            "AAPL", Action.TARGET, quantity=D(2), price=D("190.3"), target=D(-2), target_side=-1, previous_side=0, bar_at=NOON,
        ),
    ),
    (  # PickMyTrade
        {"symbol": "ES", "data": "buy", "quantity": 1, "price": "5000.25", "tp": 5010, "sl": 4990, "percentage_sl": 0,
        "trail": 0, "token": "t"},
        Alert("ES", Action.BUY, quantity=D(1), price=D("5000.25"), take_profit=D(5010), stop_loss=D(4990)),
    ),
    (  # times: when it fired, and its bar
        {"symbol": "X", "action": "buy", "time": 1770292500, "timenow": "2026-02-05T12:00:00", "max_lag_seconds": 60},
        Alert("X", Action.BUY, fired_at=NOON, bar_at=datetime(2026, 2, 5, 11, 55, tzinfo=UTC), max_lag_seconds=60),
    ),
    ({"symbol": "X", "action": "buy", "timestamp": 1770292800000}, Alert("X", Action.BUY, fired_at=NOON)),
    ({"symbol": "X", "action": "buy", "time": 1770292800}, Alert("X", Action.BUY, bar_at=NOON)),
    (
        {"symbol": "X", "action": "buy", "time": 1770292800, "max_lag": "30"},
        Alert("X", Action.BUY, bar_at=NOON, fired_at=NOON, max_lag_seconds=30),
    ),
    # options
    (
        {"ticker": "SPY", "action": "buy", "option_type": "call", "strikePrice": 500, "expiration": "2026-02-20"},
        Alert("SPY", Action.BUY, option=OptionAsk("CALL", D(500), "2026-02-20")),
    ),
    ({"symbol": "SPY", "direction": "PUT"}, Alert("SPY", Action.SELL, option=OptionAsk("PUT"))),
    ({"symbol": "SPY", "action": "buy", "direction": "put"}, Alert("SPY", Action.SELL, option=OptionAsk("PUT"))),
    (
        {"symbol": "SPY", "action": "sell", "strike": "480.5", "expiry": "260220"},
        Alert("SPY", Action.SELL, option=OptionAsk("PUT", D("480.5"), "2026-02-20")),
    ),
    # empty and null members count as not sent
    ({"symbol": None, "ticker": "X", "action": "buy", "qty": "", "sl": None, "comment": "  "}, Alert("X", Action.BUY)),
    # the first of several names counts
    ({"symbol": "X", "ticker": "Y", "action": "buy", "quantity": 1, "volume": 98765}, Alert("X", Action.BUY, quantity=D(1))),
    ({"symbol": "X", "action": "buy", "price": 5, "close": 6, "order_id": "Long"}, Alert("X", Action.BUY, price=D(5))),
    # a stop or quantity beside an exit can't hold it up
    ({"symbol": "X", "action": "close", "quantity": 0, "sl": 0, "sl_pips": 50}, Alert("X", Action.CLOSE)),
    ({"symbol": "X", "action": "close", "orderType": "limit", "tp1": 5}, Alert("X", Action.CLOSE)),
    ({"symbol": "X", "action": "buy", "orderType": "market", "stop": 4}, Alert("X", Action.BUY, stop_loss=D(4))),
    ({"symbol": "X", "action": "buy", "trailing": False, "trail": "0"}, Alert("X", Action.BUY)),
    ({"symbol": "X", "action": "close", "quantity": "0.5"}, Alert("X", Action.CLOSE, quantity=D("0.5"))),
    ({"symbol": "X", "action": "close", "amount": 50, "currency_type": "quote"}, Alert("X", Action.CLOSE)),
    ({"symbol": "X", "action": "buy", "id": 4711}, Alert("X", Action.BUY, dedupe_id="4711")),
    ({"symbol": "X", "action": "buy", "id": "i" * 300}, Alert("X", Action.BUY, dedupe_id=hashlib.sha256(b"i" * 300).hexdigest())),
    (
        {"symbol": "X", "action": "buy", "comment": "{{strategy.order.comment}}"},
        Alert("X", Action.BUY, comment="{{strategy.order.comment}}"),
    ),
    # floating point noise is cut to the places that Hookfill keeps
    (
        {"symbol": "X", "action": "buy", "price": D("25437.750000000004"), "qty": D("0.300000000000000004")},
        Alert("X", Action.BUY, price=D("25437.75"), quantity=D("0.3")),
    ),
]  # fmt: skip


class _Numbers(json.JSONEncoder):
    def default(self, o: object) -> object:
        return float(o) if isinstance(o, Decimal) else super().default(o)


def encode(payload: object) -> bytes:
    return json.dumps(payload, cls=_Numbers).encode()


@pytest.mark.parametrize(("payload", "alert"), JSON_ALERTS)
def test_json_alerts(payload: dict[str, Any], alert: Alert) -> None:
    assert parse_alert(encode(payload)) == alert


def test_numbers_are_exact() -> None:
    alert = parse_alert(b'{"symbol":"X","action":"buy","price":123456789012345.1234567891,"qty":"1234567890123.12345678"}')
    assert isinstance(alert, Unusable)
    alert = parse_alert(b'{"symbol":"X","action":"buy","price":123456789012345.1234567891,"qty":"12345678901.12345678"}')
    assert isinstance(alert, Alert)
    assert (str(alert.price), str(alert.quantity)) == ("123456789012345.1234567891", "12345678901.12345678")


@pytest.mark.parametrize(
    ("words", "action", "close_side"),
    [
        ("buy BUY Buy long LONG enter_long enterLong go-long bullish buy_to_open", Action.BUY, None),
        ("sell SHORT enter_short sellshort bear sell_to_open", Action.SELL, None),
        ("close exit FLAT flatten close_all exit-all closeposition", Action.CLOSE, None),
        ("close_long closelong exit_long EXITLONG sell_to_close", Action.CLOSE, 1),
        ("close_short closeshort exit_short buy_to_cover buy_to_close", Action.CLOSE, -1),
    ],
)
def test_action_words(words: str, action: Action, close_side: int | None) -> None:
    for word in words.split():
        assert parse_alert(encode({"symbol": "X", "action": word})) == Alert("X", action, close_side=close_side), word


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"action": "buy", "direction": "long"}, Alert("X", Action.BUY)),
        ({"action": "buy", "side": "long", "order_action": "BUY"}, Alert("X", Action.BUY)),
        ({"direction": "short"}, Alert("X", Action.SELL)),
        ({"signal": "buy"}, Alert("X", Action.BUY)),
        ({"type": "sell"}, Alert("X", Action.SELL)),
        ({"action": "buy", "type": "market", "signal": "golden cross"}, Alert("X", Action.BUY)),
        ({"action": "close", "direction": "long"}, Alert("X", Action.CLOSE, close_side=1)),
        ({"action": "exit", "side": "short"}, Alert("X", Action.CLOSE, close_side=-1)),
        ({"action": "buy", "signal": "exit_short"}, Alert("X", Action.CLOSE, close_side=-1)),
        ({"action": "close", "side": "buy"}, Alert("X", Action.CLOSE)),
        ({"action": "buy", "side": "sell"}, Reason.ACTION_CONTRADICTORY),
        ({"action": "buy", "direction": "short"}, Reason.ACTION_CONTRADICTORY),
        ({"action": "close_long", "direction": "short"}, Reason.ACTION_CONTRADICTORY),
        ({"action": "sell", "direction": "call"}, Reason.ACTION_CONTRADICTORY),
        ({"direction": "put", "option_type": "call"}, Reason.ACTION_CONTRADICTORY),
        ({"action": "buy", "side": "sell", "direction": "put"}, Reason.ACTION_CONTRADICTORY),
    ],
)
def test_several_words_are_read_together(members: dict[str, Any], expected: Alert | Reason) -> None:
    result = parse_alert(encode({"symbol": "X"} | members))
    if isinstance(expected, Alert):
        assert result == expected
    else:
        assert isinstance(result, Unusable)
        assert result.reason is expected


UNUSABLE: list[tuple[Any, Reason, str]] = [
    ([], Reason.ALERT_NOT_OBJECT, "list"),
    ([{"symbol": "X", "action": "buy"}], Reason.ALERT_NOT_OBJECT, "list"),
    ({}, Reason.SYMBOL_MISSING, "symbol"),
    ({"action": "buy"}, Reason.SYMBOL_MISSING, "ticker"),
    ({"symbol": "X"}, Reason.ACTION_MISSING, "action"),
    ({"symbol": "X", "action": None}, Reason.ACTION_MISSING, "action"),
    ({"symbol": "X", "position_size": 3}, Reason.ACTION_MISSING, "action"),
    ({"symbol": "X", "action": "hold"}, Reason.ACTION_UNKNOWN, "hold"),
    ({"symbol": "X", "action": "cancel"}, Reason.ACTION_UNKNOWN, "cancel"),
    ({"symbol": "X", "action": "buystop"}, Reason.ACTION_UNKNOWN, "buystop"),
    ({"symbol": "X", "action": 1}, Reason.ACTION_UNKNOWN, "text"),
    ({"symbol": "X", "action": ["buy"]}, Reason.ACTION_UNKNOWN, "text"),
    ({"symbol": "X", "action": "b" * 10_000}, Reason.ACTION_UNKNOWN, "bbb"),
    ({"symbol": "X", "market_position": "up"}, Reason.ACTION_UNKNOWN, "market_position"),
    ({"symbol": "X", "sentiment": 3}, Reason.ACTION_UNKNOWN, "sentiment"),
    ({"symbol": 1, "action": "buy"}, Reason.SYMBOL_INVALID, "text"),
    ({"symbol": "EUR USD", "action": "buy"}, Reason.SYMBOL_INVALID, "EUR USD"),
    ({"symbol": "É", "action": "buy"}, Reason.SYMBOL_INVALID, "xc9"),
    ({"symbol": "X" * 33, "action": "buy"}, Reason.SYMBOL_INVALID, "XXX"),
    ({"symbol": "OANDA:", "action": "buy"}, Reason.SYMBOL_INVALID, "OANDA"),
    ({"symbol": "'; DROP TABLE x", "action": "buy"}, Reason.SYMBOL_INVALID, "DROP"),
    ({"symbol": "{{ticker}}", "action": "buy"}, Reason.PLACEHOLDER_UNFILLED, "ticker"),
    ({"symbol": "X", "action": "{{strategy.order.action}}"}, Reason.PLACEHOLDER_UNFILLED, "action"),
    ({"symbol": "X", "action": "buy", "qty": "{{strategy.order.contracts}}"}, Reason.PLACEHOLDER_UNFILLED, "quantity"),
    ({"symbol": "X", "action": "buy", "id": "{{timenow}}"}, Reason.PLACEHOLDER_UNFILLED, "dedupe_id"),
    ({"symbol": "X", "action": "buy", "qty": 0}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": -1}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": "1,000"}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": "1_000"}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": "١"}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": "10%"}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": True}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": 10**13}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": 1e-9}, Reason.NUMBER_INVALID, "quantity"),
    ({"symbol": "X", "action": "buy", "qty": 100, "quantityType": "dollar_amount"}, Reason.NUMBER_INVALID, "dollar_amount"),
    ({"symbol": "X", "action": "buy", "order": {"amount": 10, "currency_type": "quote"}}, Reason.NUMBER_INVALID, "quote"),
    ({"symbol": "X", "action": "buy", "price": "NaN"}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "price": "Infinity"}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "price": "1e400"}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "price": 0}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "price": 10**16}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "price": "9" * 50}, Reason.NUMBER_INVALID, "price"),
    ({"symbol": "X", "action": "buy", "sl": 0}, Reason.NUMBER_INVALID, "stop_loss"),
    ({"symbol": "X", "action": "buy", "sl": "NaN"}, Reason.NUMBER_INVALID, "stop_loss"),
    ({"symbol": "X", "action": "buy", "sl": {"percent": 5}}, Reason.NUMBER_INVALID, "stop_loss"),
    ({"symbol": "X", "action": "buy", "takeProfit": {"amount": 5}}, Reason.NUMBER_INVALID, "take_profit"),
    ({"symbol": "X", "action": "buy", "tp": []}, Reason.NUMBER_INVALID, "take_profit"),
    ({"symbol": "X", "action": "buy", "sl_pips": 50}, Reason.NUMBER_INVALID, "sl_pips"),
    ({"symbol": "X", "action": "buy", "stopLossPercent": "2"}, Reason.NUMBER_INVALID, "stopLossPercent"),
    ({"symbol": "X", "action": "buy", "stopLoss": {"type": "trailing_stop", "stopPrice": 5}}, Reason.NUMBER_INVALID, "stop_loss"),
    ({"symbol": "X", "action": "buy", "stopLoss": {"stopPrice": 5, "trailPrice": 1}}, Reason.NUMBER_INVALID, "stop_loss"),
    ({"symbol": "X", "action": "buy", "tp1": 5, "tp2": 6}, Reason.NUMBER_INVALID, "tp2"),
    ({"symbol": "X", "action": "buy", "target": 5}, Reason.NUMBER_INVALID, "target"),
    ({"symbol": "X", "action": "buy", "trailing_stop": 1.5}, Reason.NUMBER_INVALID, "trailing_stop"),
    ({"symbol": "X", "market_position": "long", "dollar_sl": 100}, Reason.NUMBER_INVALID, "dollar_sl"),
    ({"symbol": "X", "action": "buy", "strike": -5}, Reason.NUMBER_INVALID, "strike"),
    ({"symbol": "X", "action": "buy", "max_lag": 0}, Reason.NUMBER_INVALID, "max_lag"),
    ({"symbol": "X", "action": "buy", "max_lag": "soon"}, Reason.NUMBER_INVALID, "max_lag"),
    ({"symbol": "X", "action": "buy", "time": "14:57:00"}, Reason.TIME_INVALID, "time"),
    ({"symbol": "X", "action": "buy", "timenow": 5}, Reason.TIME_INVALID, "timestamp"),
    ({"symbol": "X", "action": "buy", "expiration": "2026-02-30"}, Reason.TIME_INVALID, "expiration"),
    ({"symbol": "X", "action": "buy", "expiration": "next friday"}, Reason.TIME_INVALID, "expiration"),
    # telemetry describes a trade under way: its direction is no order
    (
        {"symbol": "MNQ1!", "schema_version": "1.0.0", "event_type": "MFE_UPDATE", "direction": "Bullish", "position_size": 13},
        Reason.ACTION_MISSING, "telemetry",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "reason", "fragment"), UNUSABLE)
def test_unusable_alerts(payload: Any, reason: Reason, fragment: str) -> None:
    result = parse_alert(encode(payload))
    assert isinstance(result, Unusable)
    assert result.reason is reason
    assert fragment in result.detail
    assert len(result.detail) < 200


def test_unusable_alerts_name_what_could_be_read() -> None:
    result = parse_alert(b'{"symbol":"fx:eurusd","action":"buy","qty":-1}')
    assert isinstance(result, Unusable)
    assert (result.symbol, result.action) == ("EURUSD", "buy")
    result = parse_alert(b'{"symbol":"fx:eurusd","action":"hodl"}')
    assert isinstance(result, Unusable)
    assert (result.symbol, result.action) == ("EURUSD", None)


@pytest.mark.parametrize(
    ("sent", "symbol"),
    [
        ("CME_MINI:MNQ1!", "MNQ1!"), ("BINANCE:BTCUSDT.P", "BTCUSDT.P"), (" eurusd.r ", "EURUSD.R"), ("BRK.B", "BRK.B"),
        ("NYMEX_DL:CL1!", "CL1!"), ("BTC/USD", "BTC/USD"), ("USDT_BTC", "USDT_BTC"), ("^GSPC", "^GSPC"), ("EURUSD=X", "EURUSD=X"),
        ("M&M", "M&M"), ("X" * 32, "X" * 32), ("NYSE:A/NYSE:B", "A/NYSE:B"),
    ],
)  # fmt: skip
def test_symbols(sent: str, symbol: str) -> None:
    assert parse_alert(encode({"symbol": sent, "action": "buy"})) == Alert(symbol, Action.BUY)


MALFORMED: list[tuple[bytes, Reason]] = [
    (b"", Reason.BODY_EMPTY),
    (b" \r\n\t", Reason.BODY_EMPTY),
    (b"\xef\xbb\xbf", Reason.BODY_EMPTY),
    (b"{", Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy"', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy",}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","price":1.0716"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy"}{"symbol":"Y"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","symbol":"Y","action":"buy"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","price":NaN}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","price":1e400}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","price":' + b"9" * 5000 + b"}", Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","comment":"\\u0000"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","comment":"\\ud800"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","comment":"\xff"}', Reason.JSON_INVALID),
    (b'{"symbol":"X","action":"buy","comment":"\x00"}', Reason.JSON_INVALID),
    (b"[" * 50_000, Reason.JSON_INVALID),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, Reason.JSON_INVALID),
    (b'{{"symbol":"X"}}', Reason.JSON_INVALID),
    (b"buy EURUSD \xff", Reason.ENCODING_INVALID),
    (b"buy EURUSD \x00", Reason.ENCODING_INVALID),
    (b"symbol=X&action=buy&comment=%00", Reason.ENCODING_INVALID),
    (b"symbol=X&action=buy&comment=%ff", Reason.ENCODING_INVALID),
    ("buy EURUSD".encode("utf-16"), Reason.ENCODING_INVALID),
]


@pytest.mark.parametrize(("body", "reason"), MALFORMED)
def test_malformed_bodies(body: bytes, reason: Reason) -> None:
    result = parse_alert(body)
    assert isinstance(result, Malformed)
    assert result.reason is reason
    assert result.detail


def test_byte_order_mark_is_no_trouble() -> None:
    assert parse_alert(b'\xef\xbb\xbf{"symbol":"X","action":"buy"}') == Alert("X", Action.BUY)
    assert parse_alert(b"\xef\xbb\xbfbuy X1") == Alert("X1", Action.BUY)


STRATEGY = UUID("0198c0de-0000-7000-8000-000000000001")


def key(body: bytes, strategy: UUID = STRATEGY) -> bytes:
    made = alert_key(strategy, body)
    assert isinstance(made, bytes)
    return made


def test_the_same_bytes_or_the_same_id_have_one_key() -> None:
    plain = b'{"symbol":"X","action":"buy"}'
    named, renamed = b'{"symbol":"X","action":"buy","id":"7"}', b'{"symbol":"X","action":"buy","alert_id":7,"comment":"again"}'
    assert key(plain) == key(plain) != key(plain + b" ")
    assert key(named) == key(renamed) != key(plain)
    assert len(key(plain)) == 32
    assert key(plain) != key(plain, uuid4())
    assert key(named) != key(named, uuid4())
    assert key(b"garbage") == key(b"garbage") != key(b"garbage ")


@pytest.mark.parametrize("name", ["order_id", "strategy_order_id", "orderId", "strategy_id", "bot_uuid"])
def test_order_ids_do_not_make_alerts_the_same(name: str) -> None:
    first, second = encode({"symbol": "X", "action": "buy", name: "Long"}), encode({"symbol": "X", "action": "sell", name: "Long"})
    assert key(first) != key(second)
