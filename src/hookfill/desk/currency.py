"""Instruments in the account's currency (pure).

Amounts are in the account's currency whatever is traded: a position carries the rate as of its opening in its multiplier, so that
the ledger's arithmetic has no rounding in it. On paper that rate holds until it is closed. A broker converts by itself: what it
says that a close realised is booked as it says.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from hookfill.accounts.model import Account
from hookfill.kernel.money import ZERO, as_price
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Instrument, InstrumentKind, Quote

LOT_STEP = Decimal("0.01")
"""The step of nearly every symbol at MetaTrader brokers; the terminal floors to its own."""
_MOST_MULTIPLIER = Decimal(10) ** 9


@lru_cache(maxsize=4096)
def lots_of(symbol: str) -> Instrument:
    """A symbol as MetaTrader brokers trade it: whatever it is, in lots and hundredths of them; coins in their finer steps."""
    known = instrument_for(symbol)
    step = known.lot_step if known.kind is InstrumentKind.CRYPTO else LOT_STEP
    return replace(known, lot_step=step, min_quantity=step, in_contracts=True)


_BRIDGE = "USD"
"""Nearly everything is quoted against the dollar: two rates over it give the one between any two currencies."""


def traded_as(account: Account, symbol: str) -> Instrument:
    """A symbol as an account's broker trades it: in lots at MetaTrader, else in shares, coins and contracts."""
    return lots_of(symbol) if account.trades_lots else instrument_for(symbol)


@lru_cache(maxsize=4096)
def rate_symbols(symbol: str, currency: str) -> tuple[str, ...]:
    """The symbols whose prices could convert an instrument's amounts into the account's currency; none where nothing is to be."""
    quoted = instrument_for(symbol).currency
    if quoted == currency:
        return ()
    pairs = [(quoted, currency), (quoted, _BRIDGE), (_BRIDGE, currency)]
    return tuple(dict.fromkeys(name for one, other in pairs if one != other for name in (one + other, other + one)))


def in_account_currency(
    instrument: Instrument, currency: str, price: Decimal | None, quotes: Mapping[str, Quote]
) -> Instrument | None:
    """The instrument with a multiplier that gives amounts in ``currency``; None when no rate is known.

    Args:
        price: its own price: of a pair such as USDJPY in a dollar account it is the rate.
    """
    if instrument.currency == currency:
        return instrument
    if instrument.kind is InstrumentKind.FX and instrument.symbol.startswith(currency) and price is not None:
        return _at_rate(instrument, 1 / price)
    rate = _rate(instrument.currency, currency, quotes)
    if rate is None:
        over, under = _rate(instrument.currency, _BRIDGE, quotes), _rate(_BRIDGE, currency, quotes)
        rate = None if over is None or under is None else over * under
    return None if rate is None else _at_rate(instrument, rate)


def _rate(one: str, other: str, quotes: Mapping[str, Quote]) -> Decimal | None:
    """What a unit of one currency is worth in the other, by the price of their pair, whichever way round it is quoted."""
    direct, inverse = quotes.get(one + other), quotes.get(other + one)
    if direct is not None:
        return direct.price
    return None if inverse is None else 1 / inverse.price


def _at_rate(instrument: Instrument, rate: Decimal) -> Instrument | None:
    """A rate that leaves nothing of a unit at ten places is none to trade at."""
    multiplier = as_price(instrument.multiplier * rate)
    return replace(instrument, multiplier=multiplier) if ZERO < multiplier < _MOST_MULTIPLIER else None
