"""Entries that wait for a price: which kind of order an alert asks for, at which price and for how long.

Understood are ``order_type`` (also as ``orderType``, ``pricetype`` or ``type``): ``limit`` and ``LMT``; ``stop``, ``STP`` and
OpenAlgo's ``SL`` and ``SL-M``, whose limit price is left out of account. Only beside such a type are ``limit_price``,
``stop_price`` and ``trigger_price`` the order's price; without one ``stop_price`` is a stop loss, as ever. Orders of two prices
are refused.
"""

from dataclasses import dataclass
from decimal import Decimal

from hookfill.kernel.reasons import Reason
from hookfill.signals.actions import AlertRefused, squash
from hookfill.signals.fields import Found, Table, collect, read_price, table_of

MARKET, LIMIT, STOP = "market", "limit", "stop"
DAY, GTC = "day", "gtc"

_TYPES = {
    **dict.fromkeys(("limit", "lmt", "limitorder"), LIMIT),
    **dict.fromkeys(("stop", "stp", "stoporder", "stopmarket", "sl", "slm"), STOP),
}
_REFUSED = frozenset({"stoplimit", "stplmt", "trailingstop", "trail", "marketiftouched", "mit", "limitiftouched", "lit"})
_LIVES = {
    **dict.fromkeys(("day", "today", "endofday", "dayorder"), DAY),
    **dict.fromkeys(("gtc", "goodtillcancelled", "goodtillcanceled", "goodtilcancelled", "goodtilcanceled"), GTC),
}
_ORDER_TYPE = "order_type pricetype price_type type"
_OWN_PRICE = "signal_price close"
_COMMON = {
    "order_type": _ORDER_TYPE,
    "hint": "signal data order direction",
    "time_in_force": "time_in_force tif",
    "limit_price": "limit_price limit",
    "trigger_price": "trigger_price",
    "order_price": "order_price entry_price",
    "plain_price": "price",
    "price": _OWN_PRICE,
}
_TABLES: dict[str, Table] = {
    LIMIT: table_of(_COMMON),
    STOP: table_of(_COMMON | {"order_stop": "stop_price", "stop_loss": "sl stop_loss stoploss sl_price stop_loss_price stop"}),
}
_PRICES = {
    LIMIT: ("limit_price", "order_price", "plain_price"),
    STOP: ("order_stop", "trigger_price", "order_price", "plain_price"),
}
_ZEROS = (0, "0", "0.0", "0.00")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The order that an entry asks for: ``order_type`` is ``limit`` or ``stop``, ``time_in_force`` ``day`` or ``gtc``.

    ``found`` holds the alert's fields as they are meant beside such an order.
    """

    order_type: str
    price: Decimal
    time_in_force: str
    found: Found


def read_waiting(found: Found) -> Waiting | None:
    """The order that an entry asks to be made for it; None for one at the market.

    Args:
        found: the alert's fields.

    Raises:
        AlertRefused: it is of a kind that is not taken, it has no price or two, or its life can't be read.
    """
    asked = [value for value in (found.values.get("order_type"), *found.hints) if isinstance(value, str)]
    if not asked:
        return None
    words = [squash(value.strip()) for value in asked]
    if not any(word in _TYPES or word in _REFUSED for word in words):
        return None
    kind = _kind(collect(found.payload, _TABLES[LIMIT]), asked)
    own = collect(found.payload, _TABLES[kind])
    name = next((name for name in _PRICES[kind] if own.values.get(name, 0) not in _ZEROS), None)
    if name is None:
        raise AlertRefused(Reason.NUMBER_INVALID, f"a {kind} order needs its price; send {kind}_price")
    if kind == STOP and own.values.get("limit_price", 0) not in _ZEROS:
        raise _refused("stop-limit")
    price = read_price(own.values[name], f"{kind}_price")
    fired_at = own.values.get("price") if name == "plain_price" else own.values.get("plain_price", own.values.get("price"))
    own.values["price"] = None if fired_at in _ZEROS else fired_at
    return Waiting(kind, price, _life(own), own)


def _kind(own: Found, asked: list[str]) -> str:
    """The kind of order; words elsewhere (``"signal": "sl"``) may tell of an order that was filled, and are refused."""
    value = own.values.get("order_type")
    kind = _TYPES.get(squash(value.strip())) if isinstance(value, str) else None
    if kind is None:
        raise _refused(next(value for value in asked if squash(value.strip()) in _TYPES.keys() | _REFUSED))
    return kind


def _life(own: Found) -> str:
    value = own.values.get("time_in_force", DAY)
    life = _LIVES.get(squash(value.strip())) if isinstance(value, str) else None
    if life is None:
        raise AlertRefused(Reason.ORDER_TYPE_UNSUPPORTED, f"time_in_force is {str(value)[:40]!a}; send day or gtc")
    return life


def _refused(kind: str) -> AlertRefused:
    return AlertRefused(Reason.ORDER_TYPE_UNSUPPORTED, f"{kind[:40]!a}; send market, limit or stop")
