"""Alpaca's answers as our values (pure). What can't be used is left out and counted, never guessed.

The fields are those of its Market Data API: bars ``t o h l c v`` (v2/stocks/bars, v1beta3/crypto), quotes ``t bp ap`` (bid and ask
price), option snapshots ``latestQuote dailyBar impliedVolatility greeks`` (v1beta1/options/snapshots).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.kernel.money import MAX_PRICE, PRICE_STEP, ZERO, InvalidNumber, as_price, decimal_from
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.market.ingest import read_batch
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, InstrumentKind, Quote
from hookfill.market.option_chain import OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.market.option_symbols import option_in

SOURCE = "alpaca"
INDICATIVE = "alpaca_indicative"
WIDEST_SPREAD = Decimal("0.05")
"""Of the price: a share whose bid and ask lie further apart has no price that is worth the name (a closed or empty book)."""

_SHARE = re.compile(r"[A-Z]{1,5}(?:\.[A-Z]{1,2})?")
_COIN_QUOTES = ("USDT", "USDC", "USD", "BTC")


def share_at_alpaca(symbol: str) -> str | None:
    """What Alpaca calls a share or fund; None: it has nothing by this name (currencies, futures, indices, coins, options)."""
    if instrument_for(symbol).kind is not InstrumentKind.EQUITY or not _SHARE.fullmatch(symbol):
        return None
    return symbol


def coin_at_alpaca(symbol: str) -> str | None:
    """What Alpaca calls a pair of coins (``BTCUSD`` is its ``BTC/USD``); None: it is none that Alpaca trades."""
    if instrument_for(symbol).kind is not InstrumentKind.CRYPTO:
        return None
    name = symbol.replace("/", "")
    for quote in _COIN_QUOTES:
        base = name.removesuffix(quote)
        if base != name and base.isalnum():
            return f"{base}/{quote}"
    return None


def bars_from(entries: Iterable[object], symbol: str, timeframe: str, now: datetime) -> tuple[list[Candle], int]:
    """The closed bars in Alpaca's list, ascending, and how many entries are no bars.

    Args:
        now: a bar that closes later is still forming, and left out.
    """
    kind = instrument_for(symbol).kind
    sound: list[Candle] = []
    faults = 0
    for entry in entries:
        batch = read_batch({"candles": [_candle_entry(entry, symbol, timeframe, kind)]}, now)
        faults += bool(batch.faults)
        sound += [bar for bar in batch.candles if bar.closes_at <= now]
    return sorted(sound, key=lambda bar: bar.opened_at), faults


def _candle_entry(entry: object, symbol: str, timeframe: str, kind: InstrumentKind) -> dict[str, Any]:
    bar: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    volume = bar.get("v")
    if isinstance(volume, float):
        # Parts of coins are traded: rounding them would make most bars' volume zero.
        volume = None if kind is InstrumentKind.CRYPTO or not volume < MAX_PRICE else int(volume)
    return {
        "symbol": symbol,
        "timeframe": timeframe,
        "timestamp": bar.get("t"),
        "open": bar.get("o"),
        "high": bar.get("h"),
        "low": bar.get("l"),
        "close": bar.get("c"),
        "volume": volume,
    }


def quote_from(entry: object, symbol: str, now: datetime) -> Quote | None:
    """The middle between bid and ask; None where there is no such price: a side is missing, or they lie too far apart."""
    sides = _sides(entry)
    if sides is None:
        return None
    bid, ask, at = sides
    if bid <= ZERO or ask - bid > (bid + ask) / 2 * WIDEST_SPREAD:
        return None
    return Quote(symbol, as_price((bid + ask) / 2), min(at, now), SOURCE)


def option_quotes_from(
    snapshots: Mapping[str, object], underlying: str, source: str, now: datetime
) -> tuple[list[OptionQuote], int]:
    """The contracts of a chain that somebody offers, and how many entries name no contract or are no snapshots."""
    quotes: list[OptionQuote] = []
    faults = 0
    for symbol, snapshot in snapshots.items():
        contract = option_in(symbol)
        if contract is None or not isinstance(snapshot, dict):
            faults += 1
            continue
        sides = _sides(snapshot.get("latestQuote"))
        if sides is None or contract.underlying != underlying:  # after a split, contracts under a root of their own deliver else
            continue
        bid, ask, at = sides
        daily = snapshot.get("dailyBar")
        quotes.append(
            OptionQuote(
                contract=contract,
                bid=bid,
                ask=ask,
                at=min(at, now),
                source=source,
                volatility=_positive(snapshot.get("impliedVolatility")),
                greeks=_greeks(snapshot.get("greeks"), (bid + ask) / 2),
                open_interest=None,
                volume=_count(daily.get("v")) if isinstance(daily, dict) else None,
            )
        )
    return quotes, faults


def by_contract(quote: OptionQuote) -> tuple[object, ...]:
    """The order of a chain."""
    return quote.contract.expiration, quote.contract.right, quote.contract.strike


def open_interest_from(contracts: Iterable[object]) -> Iterator[tuple[str, int]]:
    """Symbols and open interest in Alpaca's list of contracts (v2/options/contracts), which tells it as text."""
    for contract in contracts:
        if not isinstance(contract, dict):
            continue
        symbol, number = contract.get("symbol"), _count(contract.get("open_interest"))
        if isinstance(symbol, str) and number is not None:
            yield symbol, number


def _sides(entry: object) -> tuple[Decimal, Decimal, datetime] | None:
    """Bid, ask and time of a quote; an ask of zero stands for none, a bid of zero for nobody who would pay anything."""
    if not isinstance(entry, dict):
        return None
    try:
        bid, ask = (decimal_from(entry.get(side), side) for side in ("bp", "ap"))
        at = parse_time(entry.get("t"), "t", needs_zone=True)
    except (InvalidNumber, InvalidTime):
        return None
    if not ZERO <= bid <= ask or not PRICE_STEP <= ask < MAX_PRICE:
        return None
    return as_price(bid), as_price(ask), at


def _greeks(entry: object, price: Decimal) -> Greeks | None:
    if not isinstance(entry, dict):
        return None
    values = [_number(entry.get(name)) for name in ("delta", "gamma", "theta", "vega", "rho")]
    delta, gamma, theta, vega, rho = values
    if delta is None or gamma is None or theta is None or vega is None or rho is None:
        return None
    return Greeks(price=float(price), delta=delta, gamma=gamma, theta=theta, vega=vega, rho=rho)


def _number(value: object) -> float | None:
    try:
        return float(decimal_from(value, "number"))
    except InvalidNumber:
        return None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None
