"""Jobs for Alpaca: what the desk asks for, in Alpaca's terms, and what goes over the wire for it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.brokers.alpaca.model import MOST_ID
from hookfill.brokers.mt5.model import NewJob
from hookfill.brokers.port import Ask
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import MAX_QUANTITY, ZERO, decimal_from, plain, round_to_tick
from hookfill.kernel.times import parse_time
from hookfill.market.instruments import instrument_for
from hookfill.market.model import InstrumentKind

TRADABLE = frozenset({InstrumentKind.EQUITY, InstrumentKind.CRYPTO, InstrumentKind.OPTION})
"""What Alpaca trades; currencies, metals and futures it does not."""
COIN_FEE = Decimal("0.01")
"""Alpaca takes its fee for coins (0.25 % and less) out of the coins bought: so much less than was bought may be there."""
_KINDS = ("market", "limit", "stop")
_CENT, _FINE = Decimal("0.01"), Decimal("0.0001")
_DOLLAR = Decimal(1)


class UnusableJob(HookfillError, ValueError):
    """A job whose input can't be understood; nothing was done for it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an order shall be made.

    Attributes:
        order_type: ``market``, ``limit`` or ``stop``.
        price: the limit or the stop's level.
        time_in_force: ``day`` or ``gtc``.
        good_until: when what is left of it shall be cancelled (UTC), where Alpaca does not end it by itself; None: it does.
    """

    order_type: str = "market"
    price: Decimal | None = None
    time_in_force: str = "day"
    good_until: datetime | None = None


def for_alpaca(job: NewJob, client_order_id: str, terms: Terms | None = None) -> NewJob:
    """A job as ``brokers.mt5.instruct`` makes it, with what Alpaca needs and without what only a terminal knows."""
    terms = terms or Terms()
    kept = {name: value for name, value in job.input_data.items() if name not in ("comment", "max_spread")}
    told = {"client_order_id": client_order_id, "order_type": terms.order_type, "time_in_force": terms.time_in_force}
    if terms.price is not None:
        told["order_price"] = plain(terms.price)
    if terms.good_until is not None:
        told["good_until"] = terms.good_until.isoformat()
    return replace(job, input_data={**kept, **told})


def ask_from(given: Mapping[str, Any]) -> Ask:
    """A job's input as an order.

    Raises:
        UnusableJob: with the field that is wrong.
    """
    side, order_type = given.get("side"), given.get("order_type", "market")
    if side not in ("buy", "sell"):
        raise UnusableJob("The job's side must be buy or sell: nothing was done.")
    if order_type not in _KINDS:
        raise UnusableJob(f"The job's order_type must be one of {', '.join(_KINDS)}: nothing was done.")
    client_order_id = _word(given, "client_order_id")
    if len(client_order_id) > MOST_ID:
        raise UnusableJob(f"The job's client_order_id is longer than {MOST_ID} characters: nothing was done.")
    price = _number(given, "order_price")
    if order_type != "market" and price is None:
        raise UnusableJob(f"A {order_type} order needs a price: nothing was done.")
    quantity = _number(given, "volume")
    if quantity is None or not ZERO < quantity < MAX_QUANTITY:
        raise UnusableJob("The job's volume must be a number above zero: nothing was done.")
    return Ask(
        client_order_id=client_order_id,
        symbol=_word(given, "symbol"),
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=price,
        time_in_force="gtc" if given.get("time_in_force") == "gtc" else "day",
        stop_loss=_number(given, "sl"),
        take_profit=_number(given, "tp"),
    )


def good_until(given: Mapping[str, Any]) -> datetime | None:
    """When what is left of a job's order shall be cancelled; None: nobody has to."""
    told = given.get("good_until")
    return None if told is None else parse_time(told, "good_until")


def fields_of(ask: Ask) -> dict[str, Any]:
    """The body of ``POST /v2/orders``; every number as text, so that none is rounded on the way.

    Shares in whole numbers get a bracket (or its half) of stop and target; fractions, coins and options can have none at Alpaca, so
    that there only the desk's own exits guard them. Coins are good until cancelled, options for the day: Alpaca knows no other.
    """
    kind = instrument_for(ask.symbol).kind
    fields: dict[str, Any] = {
        "symbol": alpaca_symbol(ask.symbol),
        "qty": plain(ask.quantity),
        "side": ask.side,
        "type": ask.order_type,
        "time_in_force": _force(ask, kind),
        "client_order_id": ask.client_order_id,
    }
    if ask.order_type == "limit" and ask.price is not None:
        fields["limit_price"] = plain(_priced(ask.price, kind, up=ask.side == "sell"))
    if ask.order_type == "stop" and ask.price is not None:
        fields["stop_price"] = plain(_priced(ask.price, kind, up=ask.side == "buy"))
    if can_be_guarded(ask):
        fields |= _guards(ask, kind)
    return fields


def can_be_guarded(ask: Ask) -> bool:
    """Whether Alpaca itself will guard what the order opens: whole shares with a stop or a target."""
    is_whole = ask.quantity == ask.quantity.to_integral_value()
    is_share = instrument_for(ask.symbol).kind is InstrumentKind.EQUITY
    return is_share and is_whole and (ask.stop_loss is not None or ask.take_profit is not None)


def _guards(ask: Ask, kind: InstrumentKind) -> dict[str, Any]:
    is_long = ask.side == "buy"
    legs: dict[str, Any] = {}
    if ask.take_profit is not None:
        legs["take_profit"] = {"limit_price": plain(_priced(ask.take_profit, kind, up=is_long))}
    if ask.stop_loss is not None:
        legs["stop_loss"] = {"stop_price": plain(_priced(ask.stop_loss, kind, up=not is_long))}
    return {"order_class": "bracket" if len(legs) == 2 else "oto", **legs}


def _force(ask: Ask, kind: InstrumentKind) -> str:
    if kind is InstrumentKind.CRYPTO:
        return "gtc"
    is_whole = ask.quantity == ask.quantity.to_integral_value()
    if kind is InstrumentKind.OPTION or not is_whole:
        return "day"
    # A guard must not lapse at the day's end while the position stays.
    return "gtc" if can_be_guarded(ask) else ask.time_in_force


def _priced(price: Decimal, kind: InstrumentKind, *, up: bool) -> Decimal:
    """On the grid that Alpaca accepts: cents from a dollar on, hundredths of cents below; coins as they are."""
    if kind is InstrumentKind.CRYPTO:
        return price
    step = _CENT if price >= _DOLLAR or kind is InstrumentKind.OPTION else _FINE
    return max(round_to_tick(price, step, up=up), step)


def alpaca_symbol(symbol: str) -> str:
    """A symbol as Alpaca's orders name it: coins with a slash before the currency (``BTC/USD``), options without padding."""
    instrument = instrument_for(symbol)
    if instrument.kind is not InstrumentKind.CRYPTO:
        return instrument.symbol
    bare = plain_symbol(instrument.symbol)
    quote = next((code for code in ("USDT", "USDC", "USD", "BTC", "EUR") if bare.endswith(code) and bare != code), "")
    return f"{bare.removesuffix(quote)}/{quote}" if quote else bare


def plain_symbol(symbol: str) -> str:
    """A symbol that compares: Alpaca writes coins with a slash in orders and without one in positions."""
    return symbol.replace("/", "").upper()


def to_sell(wanted: Decimal, available: Decimal, symbol: str) -> Decimal:
    """How much of a position can be left: never more than is there, since that would open the opposite one."""
    return min(wanted, available) if available > ZERO else ZERO


def missing_coins(wanted: Decimal, left: Decimal, symbol: str, bought: Decimal = ZERO) -> Decimal:
    """Coins that were bought and are not there because Alpaca took its fee out of them; 0 where it is more than a fee.

    Args:
        bought: how many in all, where a part of them was sold before: the fee of all of them is missing in what is left.
    """
    missing = wanted - left
    is_coin = instrument_for(symbol).kind is InstrumentKind.CRYPTO
    return missing if is_coin and ZERO < missing <= max(wanted, bought) * COIN_FEE else ZERO


def _word(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UnusableJob(f"The job has no {name}: nothing was done.")
    return value.strip()


def _number(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        number = decimal_from(value, name)
    except ValueError as error:
        raise UnusableJob(f"{error} Nothing was done.") from error
    if number <= ZERO:
        raise UnusableJob(f"The job's {name} must be above zero: nothing was done.")
    return number
