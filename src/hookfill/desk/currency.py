"""Instruments in the account's currency, for brokers that convert by themselves (pure).

Amounts at a MetaTrader broker are in the account's currency whatever is traded. A position there carries the rate as of its opening
in its multiplier; what the broker says that a close realised is booked as it says.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from hookfill.kernel.money import as_price
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Instrument, InstrumentKind, Quote

LOT_STEP = Decimal("0.01")
"""The step of nearly every symbol at MetaTrader brokers; the terminal floors to its own."""


@lru_cache(maxsize=4096)
def lots_of(symbol: str) -> Instrument:
    """A symbol as MetaTrader brokers trade it: whatever it is, in lots and hundredths of them; coins in their finer steps."""
    known = instrument_for(symbol)
    step = known.lot_step if known.kind is InstrumentKind.CRYPTO else LOT_STEP
    return replace(known, lot_step=step, min_quantity=step, in_contracts=True)


def rate_symbols(symbol: str, currency: str) -> list[str]:
    """The symbols whose prices could convert an instrument's amounts into the account's currency; none where nothing is to be."""
    quoted = instrument_for(symbol).currency
    return [] if quoted == currency else [quoted + currency, currency + quoted]


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
        return replace(instrument, multiplier=as_price(instrument.multiplier / price))
    direct, inverse = quotes.get(instrument.currency + currency), quotes.get(currency + instrument.currency)
    if direct is not None:
        return replace(instrument, multiplier=as_price(instrument.multiplier * direct.price))
    if inverse is not None:
        return replace(instrument, multiplier=as_price(instrument.multiplier / inverse.price))
    return None
