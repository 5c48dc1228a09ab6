"""Alpaca's documented JSON as values (pure)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.brokers.port import Funds, Holding, OrderState, Standing
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import MAX_QUANTITY, ZERO, decimal_from
from hookfill.kernel.times import parse_time

MOST_ID = 48
"""Characters of a client order id that Alpaca takes."""

_STANDINGS: Mapping[str, Standing] = {
    "filled": Standing.FILLED,
    "canceled": Standing.CANCELLED,
    "replaced": Standing.CANCELLED,
    "expired": Standing.EXPIRED,
    "rejected": Standing.REJECTED,
}
"""Every other status (new, accepted, held, partially_filled, pending_cancel, done_for_day, …) may still lead to a fill."""
_ENDED_AT = ("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at")


class Unreadable(HookfillError, ValueError):
    """What Alpaca sent is not what its documentation says: nothing is concluded from it."""


def order_from(told: object) -> OrderState:
    """An order as the orders endpoints and the stream of trade updates show it.

    Raises:
        Unreadable: a field that decides something is missing or makes no sense.
    """
    given = _mapping(told)
    try:
        status = given["status"]
        filled = decimal_from(given.get("filled_qty") or "0", "filled_qty", limit=MAX_QUANTITY)
        price = given.get("filled_avg_price")
        return OrderState(
            client_order_id=_text(given, "client_order_id"),
            broker_order_id=_text(given, "id"),
            symbol=str(given.get("symbol") or ""),
            side=_text(given, "side"),
            standing=_STANDINGS.get(str(status), Standing.WORKING),
            quantity=decimal_from(given.get("qty") or "0", "qty", limit=MAX_QUANTITY),
            filled=filled,
            price=decimal_from(price, "filled_avg_price") if price is not None and filled > ZERO else None,
            at=_last_moment(given),
            text=_why(given),
            order_type=str(given.get("type") or given.get("order_type") or "market"),
            legs=tuple(order_from(leg) for leg in given.get("legs") or ()),
        )
    except Unreadable:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"Alpaca sent an order that can't be read ({error}): see its status page, and look again.") from error


def holding_from(told: object) -> Holding:
    """One of ``GET /v2/positions``.

    Raises:
        Unreadable: it is no position.
    """
    given = _mapping(told)
    try:
        size = abs(decimal_from(given["qty"], "qty", limit=MAX_QUANTITY))
        available = given.get("qty_available")
        return Holding(
            symbol=_text(given, "symbol"),
            quantity=-size if given.get("side") == "short" else size,
            available=size if available is None else abs(decimal_from(available, "qty_available", limit=MAX_QUANTITY)),
            unrealized=_amount(given, "unrealized_pl"),
            average_price=_amount(given, "avg_entry_price"),
            price=_amount(given, "current_price"),
        )
    except Unreadable:
        raise
    except (KeyError, ValueError) as error:
        raise Unreadable(f"Alpaca sent a position that can't be read ({error}): see its status page, and look again.") from error


def funds_from(told: object) -> Funds:
    """``GET /v2/account``.

    Raises:
        Unreadable: it is no account.
    """
    given = _mapping(told)
    try:
        equity, currency = decimal_from(given["equity"], "equity"), _text(given, "currency")
    except (KeyError, ValueError) as error:
        raise Unreadable(f"Alpaca sent an account that can't be read ({error}): see its status page, and look again.") from error
    return Funds(equity, currency, _blocked(given))


def realised(funds: Funds, holdings: tuple[Holding, ...]) -> Decimal:
    """What is left of the equity without the profit of open positions: what elsewhere is called the balance."""
    return funds.equity - sum((one.unrealized or ZERO for one in holdings), ZERO)


def _amount(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    return None if value is None else decimal_from(value, name)


def _blocked(account: Mapping[str, Any]) -> str | None:
    if account.get("status") not in (None, "ACTIVE", "PAPER_ONLY"):
        return f"its status at Alpaca is {account['status']}"
    for name in ("account_blocked", "trading_blocked", "trade_suspended_by_user"):
        if account.get(name) is True:
            return f"Alpaca says {name}"
    return None


def _mapping(told: object) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise Unreadable("Alpaca sent something else than an object: see its status page, and look again.")
    return told


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"Alpaca sent no {name}: see its status page, and look again.")
    return value


def _last_moment(given: Mapping[str, Any]) -> datetime | None:
    """When it ended, else when it last changed. Its times have nine decimals, of which six are kept."""
    for name in (*_ENDED_AT, "updated_at", "submitted_at"):
        value = given.get(name)
        if isinstance(value, str) and value:
            return parse_time(_microseconds(value), name)
    return None


def _microseconds(text: str) -> str:
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[: min(digits, 6)]}{rest[digits:]}"


def _why(given: Mapping[str, Any]) -> str | None:
    for name in ("reject_reason", "reason"):
        value = given.get(name)
        if isinstance(value, str) and value:
            return value[:500]
    return "Somebody replaced it at Alpaca; what took its place is not ours." if given.get("status") == "replaced" else None
