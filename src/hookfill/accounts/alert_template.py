"""Ready-made alert messages for a strategy: what goes into TradingView's Message box, and Pine for ``alert()`` (pure).

Every one of them is understood by ``signals.grammar``; a test fills the placeholders in and reads each. They are JSON whose
placeholders stand inside quotes, so that TradingView sends JSON whatever it fills in; texts of the script's author (order ids,
comments) are left out, since a quotation mark in one would break the message.
"""

from collections.abc import Mapping
from typing import Any

_INSTRUMENT = '"symbol": "{{ticker}}"'
_TIMES = '"timeframe": "{{interval}}", "time": "{{time}}", "timenow": "{{timenow}}"'
_ORDER = '"action": "{{strategy.order.action}}", "price": "{{strategy.order.price}}"'
_POSITION = '"market_position": "{{strategy.market_position}}", "prev_market_position": "{{strategy.prev_market_position}}"'
_SIZES = (
    '"quantity": "{{strategy.order.contracts}}", "market_position_size": "{{strategy.market_position_size}}", '
    '"prev_market_position_size": "{{strategy.prev_market_position_size}}"'
)

PINE = """\
//@version=6
// Put this function into your script, call it where an order is due, and make an alert on "Any alert() function call".
// Placeholders such as {{ticker}} are not filled in inside alert(): the message is put together here.
// action: "buy", "sell" or "close"; quantity, stop and target: na leaves them to the strategy's settings.
hookfill(string action, float quantity, float stop, float target) =>
    string message = '{"symbol": "' + syminfo.ticker + '", "action": "' + action + '"'
    message += ', "id": "' + syminfo.ticker + '-' + timeframe.period + '-' + str.tostring(time) + '-' + action + '"'
    message += ', "price": ' + str.tostring(close) + ', "timeframe": "' + timeframe.period + '"'
    message += na(quantity) ? '' : ', "quantity": ' + str.tostring(quantity)
    message += na(stop) ? '' : ', "sl": ' + str.tostring(stop)
    message += na(target) ? '' : ', "tp": ' + str.tostring(target)
    message += ', "time": "' + str.format_time(time, "yyyy-MM-dd'T'HH:mm:ss'Z'", "UTC") + '"'
    message += ', "timenow": "' + str.format_time(timenow, "yyyy-MM-dd'T'HH:mm:ss'Z'", "UTC") + '"}'
    alert(message, alert.freq_once_per_bar_close)

// For example:
// if ta.crossover(ta.ema(close, 8), ta.ema(close, 21))
//     hookfill("buy", na, close - 2 * ta.atr(14), na)
"""
"""Its id names the bar and the action: the same alert sent twice for one bar is one."""


def alert_template(strategy: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """All that an alert of a strategy needs.

    Args:
        strategy: as ``strategies.get_strategy`` gives it.
        base_url: how the outside reaches this server; the secret is known to nobody any more, so SECRET stands for it.
    """
    return {
        "webhook_url": f"{base_url}/api/v1/webhooks/tv/SECRET",
        "recommended": "own_size" if _sizes_itself(strategy) else "position",
        "strategy_alerts": _strategy_alerts(),
        "indicator_alerts": _indicator_alerts(),
        "pine": PINE,
        "hints": _hints(strategy),
    }


def _sizes_itself(strategy: Mapping[str, Any]) -> bool:
    """Whether sizes are to be Hookfill's: the strategy says how, or trades in lots, which TradingView does not count in."""
    return (
        strategy["risk_override_pct"] is not None or bool(strategy["settings"].get("sizing")) or strategy["account_kind"] == "mt5"
    )


def _strategy_alerts() -> list[dict[str, str]]:
    return [
        {
            "name": "position",
            "title": "The position as TradingView keeps it",
            "when": "Your script decides how much: the position becomes what TradingView says, also after a lost alert.",
            "message": _json(_INSTRUMENT, _ORDER, _SIZES, _POSITION, _TIMES),
        },
        {
            "name": "own_size",
            "title": "TradingView's side, Hookfill's size",
            "when": "Hookfill decides how much (sizing, risk_override_pct): only the position's side is TradingView's.",
            "message": _json(_INSTRUMENT, _ORDER, _POSITION, _TIMES),
        },
        {
            "name": "order",
            "title": "Just the order",
            "when": "For scripts that only ever open or close: each order is traded as it is, and no position is compared.",
            "message": _json(_INSTRUMENT, _ORDER, '"quantity": "{{strategy.order.contracts}}"', _TIMES),
        },
    ]


def _indicator_alerts() -> list[dict[str, str]]:
    titles = {"buy": "Go long", "sell": "Go short", "close": "Leave the position"}
    messages = [
        {
            "name": action,
            "title": title,
            "when": "One alert for this condition of your indicator; the size is as the strategy's settings say.",
            "message": _json(_INSTRUMENT, f'"action": "{action}"', '"price": "{{close}}"', _TIMES),
        }
        for action, title in titles.items()
    ]
    text = {
        "name": "text",
        "title": "The same as plain text",
        "when": "For who prefers words: buy or sell, the symbol, and more if you like (0.1, sl=1.07, tp=1.09).",
        "message": "buy {{ticker}} price={{close}}",
    }
    return [*messages, text]


def _json(*members: str) -> str:
    return "{" + ", ".join(members) + "}"


_URL = (
    "Put the webhook URL into the alert's Notifications and the message into its Message box. The URL was shown when the strategy "
    "was made; POST /api/v1/strategies/ID/rotate-secret gives a new one."
)
_PLACEHOLDERS = "Leave {{…}} as they are: TradingView fills them in. Inside alert() it does not: use the Pine function there."
_LEVELS = 'To stop at a price, add "sl" and "tp" with prices; they win over the strategy\'s own exit rules.'
_AGE = 'Add "max_lag_seconds": 60, and what arrives later than that is discarded.'
_LOTS = (
    "On currency pairs TradingView counts contracts in units of the base currency and Hookfill in lots (0.01 lots are 1,000 "
    "units): use own_size there."
)
_CANDLES = (
    'The engine looks at the candles of the alert\'s own timeframe: leave "timeframe" in the message, and push those candles '
    "(POST /api/v1/candles)."
)
_BOTH = (
    "Both engines judge every alert and one of them is acted on: the rules, or the council while the flag enable_variant_b is on."
)
_WINDOWS = "Entries outside the strategy's trading windows are rejected; exits pass at any time."
_OFF = "The strategy is switched off: its alerts are kept and discarded."


def _hints(strategy: Mapping[str, Any]) -> list[str]:
    settings, pairs, engine = strategy["settings"], strategy["allowed_pairs"], strategy["engine"]
    listed = "" if pairs is None else ", ".join(pairs) or "nothing"
    hints = {
        _URL: True,
        _PLACEHOLDERS: True,
        _LEVELS: True,
        _AGE: True,
        _LOTS: strategy["account_kind"] == "mt5" or not settings.get("sizing"),
        f"This strategy trades {listed}: alerts for others are rejected.": pairs is not None,
        _CANDLES: engine in ("rules", "council", "ab"),
        _BOTH: engine == "ab",
        _WINDOWS: bool(settings.get("windows")),
        _OFF: not strategy["is_enabled"],
    }
    return [hint for hint, applies in hints.items() if applies]
