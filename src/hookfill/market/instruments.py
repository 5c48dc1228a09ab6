"""Symbol to instrument, by literal tables: what one unit of a symbol is, and what it commits.

Where the numbers come from:

* Currencies: ISO 4217. A lot of 100,000 units is the convention of MetaTrader brokers and of interbank quotes; the pip is the
  fourth decimal, or the second where a unit of the quote currency is worth a cent or less (the forint, rupee and baht are quoted
  so, too). The tick is a tenth of the pip, as in five-digit quotes.
* Spot metals: 100 troy ounces of gold, platinum and palladium and 5,000 of silver per lot, as in the contract specifications of
  MetaTrader brokers (the same sizes as COMEX's GC and SI).
* Margin of currencies and metals: 1/30, the European retail limit for major pairs (ESMA decision 2018/796, article 2).
* Futures: the contract specifications of CME Group (CME, CBOT, NYMEX, COMEX) and Cboe (VX): dollars per point, and the smallest
  price step. Grains and livestock are quoted in cents, so a point is a cent. A tenth of the notional stands for the margin, which
  the exchanges themselves set per contract and change often.
* Coins: the smallest order is worth one dollar, as at Alpaca; exchanges ask for more.
* Options on shares, funds and indices of the United States: 100 units of the underlying, prices in cents (the classes that trade in
  nickels and dimes are not told apart), paid in full.

What no table knows is treated as a US share. A numbered contract such as ``XYZ1!`` of an unlisted root counts as a future of
one dollar per point.
"""

import re
from decimal import Decimal
from functools import lru_cache

from hookfill.market.model import Instrument, InstrumentKind
from hookfill.market.option_symbols import option_in


def _words(text: str) -> frozenset[str]:
    """A table of words."""
    return frozenset(text.split())


CURRENCIES = _words(
    """
    AED ARS AUD BGN BHD BRL CAD CHF CLP CNH CNY COP CZK DKK EGP EUR GBP GEL HKD HUF IDR ILS INR ISK JOD JPY KES KRW KWD KZT
    MAD MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH USD UYU VND ZAR
    """
)
"""ISO 4217 codes that are traded as pairs, and CNH, the offshore yuan's customary code."""

HUNDREDTH_PIPS = frozenset({"JPY", "HUF", "INR", "THB"})
"""Quote currencies whose pip is the second decimal."""

METAL_LOTS = {"XAU": Decimal(100), "XAG": Decimal(5_000), "XPT": Decimal(100), "XPD": Decimal(100)}
"""Troy ounces per lot."""

STABLECOINS = frozenset({"USDT", "USDC", "BUSD", "FDUSD"})
"""US dollar coins: they count as USD, and whatever is quoted in one is crypto."""

COINS = _words(
    """
    1INCH AAVE ADA ALGO APE APT ARB ATOM AVAX AXS BAT BCH BNB BONK BSV BTC CAKE CHZ COMP CRO CRV DAI DASH DOGE DOT DYDX EGLD
    ENA ENS EOS ETC ETH FET FIL FLOKI FLOW FTM GALA GMX GRT HBAR HYPE ICP IMX INJ JTO JUP KAS KSM LDO LINK LRC LTC MANA
    MATIC MINA MKR NEAR NEO ONDO OP ORDI PAXG PENDLE PEPE POL PYTH QNT RENDER RNDR RUNE SAND SEI SHIB SNX SOL STX SUI
    SUSHI TAO TIA TON TRUMP TRX UNI USDC USDT VET WBTC WIF WLD XBT XLM XMR XRP XTZ YFI ZEC ZRX
    """
)
"""Coins that are recognised when they are quoted in a currency or in another coin."""

_COIN_QUOTES = dict.fromkeys(sorted(STABLECOINS), "USD") | {
    code: code for code in ("USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "KRW", "TRY", "BRL", "BTC", "ETH", "BNB")
}
"""What coins are quoted in, and the currency that it counts as."""

FUTURES = {
    # Equity indices.
    "ES": ("50", "0.25"),
    "MES": ("5", "0.25"),
    "NQ": ("20", "0.25"),
    "MNQ": ("2", "0.25"),
    "YM": ("5", "1"),
    "MYM": ("0.5", "1"),
    "RTY": ("50", "0.1"),
    "M2K": ("5", "0.1"),
    "EMD": ("100", "0.1"),
    "NKD": ("5", "5"),
    "VX": ("1000", "0.05"),
    # Energy.
    "CL": ("1000", "0.01"),
    "MCL": ("100", "0.01"),
    "QM": ("500", "0.025"),
    "BZ": ("1000", "0.01"),
    "NG": ("10000", "0.001"),
    "MNG": ("1000", "0.001"),
    "RB": ("42000", "0.0001"),
    "HO": ("42000", "0.0001"),
    # Metals.
    "GC": ("100", "0.1"),
    "MGC": ("10", "0.1"),
    "SI": ("5000", "0.005"),
    "SIL": ("1000", "0.005"),
    "HG": ("25000", "0.0005"),
    "MHG": ("2500", "0.0005"),
    "PL": ("50", "0.1"),
    # US Treasuries: points of the face value, in 32nds and parts of them.
    "ZT": ("2000", "0.00390625"),
    "ZF": ("1000", "0.0078125"),
    "ZN": ("1000", "0.015625"),
    "TN": ("1000", "0.015625"),
    "ZB": ("1000", "0.03125"),
    "UB": ("1000", "0.03125"),
    # Currencies, in US dollars per unit.
    "6A": ("100000", "0.00005"),
    "6B": ("62500", "0.0001"),
    "6C": ("100000", "0.00005"),
    "6E": ("125000", "0.00005"),
    "6J": ("12500000", "0.0000005"),
    "6N": ("100000", "0.00005"),
    "6S": ("125000", "0.00005"),
    "M6A": ("10000", "0.0001"),
    "M6B": ("6250", "0.0001"),
    "M6E": ("12500", "0.0001"),
    # Grains and livestock, in cents per bushel or pound (meal: dollars per ton).
    "ZC": ("50", "0.25"),
    "ZS": ("50", "0.25"),
    "ZW": ("50", "0.25"),
    "ZM": ("100", "0.1"),
    "ZL": ("600", "0.01"),
    "LE": ("400", "0.025"),
    "HE": ("400", "0.025"),
    "GF": ("500", "0.025"),
    # Crypto.
    "BTC": ("5", "5"),
    "MBT": ("0.1", "5"),
    "ETH": ("50", "0.5"),
    "MET": ("0.1", "0.5"),
}
"""Root to (US dollars per point, tick)."""

FX_MARGIN_RATE = Decimal("0.0333333333")
FUTURE_MARGIN_RATE = Decimal("0.1")

_DELAYED = re.compile(r"_DLY?$")
_PAIR = re.compile(r"([A-Z]{3})[/._-]?([A-Z]{3})(?:[._-][A-Z0-9]*)?")
_CONTRACT = re.compile(r"([A-Z0-9]{1,4}?)(?:[1-9][0-9]?!|[FGHJKMNQUVXZ](?:20)?[0-9]{1,2})")
_CONTINUOUS = re.compile(r"[A-Z0-9_&-]+?[1-9][0-9]?!")
_COIN_SUFFIX = re.compile(r"(?:\.[A-Z0-9]*|[_-]?PERP)$")


@lru_cache(maxsize=4096)
def instrument_for(symbol: str) -> Instrument:
    """How ``symbol`` is traded; never fails, since an unknown symbol is taken for a US share.

    Case, an exchange prefix (``CME_MINI:``) and the suffix of a delayed feed (``MNQ1!_DLY``) make no difference: all spellings give
    the same instrument. Currency pairs may carry separators (``EUR/USD``) and a broker's suffix after a separator (``EURUSD.R``).
    A suffix without one (``EURUSDm``) is not recognised: with some brokers it means another lot size. Every spelling of an option
    (``option_symbols``) gives the same instrument, under its OCC symbol.
    """
    name = _DELAYED.sub("", symbol.strip().upper().rpartition(":")[2])
    return _option(name) or _listed_future(name) or _pair(name) or _coin(name) or _unlisted_future(name) or _share(name)


def _option(name: str) -> Instrument | None:
    """A listed option: one contract is 100 of the underlying."""
    contract = option_in(name)
    if contract is None:
        return None
    return Instrument(
        symbol=contract.symbol,
        kind=InstrumentKind.OPTION,
        currency="USD",
        multiplier=Decimal(100),
        lot_step=Decimal(1),
        min_quantity=Decimal(1),
        tick=Decimal("0.01"),
        pip=Decimal("0.01"),
        margin_rate=Decimal(1),
        in_contracts=True,
        option=contract,
    )


def _listed_future(name: str) -> Instrument | None:
    """A contract of a root in ``FUTURES``: continuous (``ES1!``) or dated (``NQZ2025``, ``ESH6``)."""
    match = _CONTRACT.fullmatch(name)
    if match is None or match[1] not in FUTURES:
        return None
    multiplier, tick = FUTURES[match[1]]
    return _future(name, Decimal(multiplier), Decimal(tick))


def _unlisted_future(name: str) -> Instrument | None:
    """A continuous contract of which only the notation is known."""
    return _future(name, Decimal(1), Decimal("0.01")) if _CONTINUOUS.fullmatch(name) else None


def _future(name: str, multiplier: Decimal, tick: Decimal) -> Instrument:
    """Distances in pips are ticks here: futures have no pip of their own."""
    return Instrument(
        symbol=name,
        kind=InstrumentKind.FUTURE,
        currency="USD",
        multiplier=multiplier,
        lot_step=Decimal(1),
        min_quantity=Decimal(1),
        tick=tick,
        pip=tick,
        margin_rate=FUTURE_MARGIN_RATE,
        in_contracts=True,
    )


def _pair(name: str) -> Instrument | None:
    """A currency pair or a spot metal."""
    match = _PAIR.fullmatch(name)
    if match is None or match[1] == match[2] or match[2] not in CURRENCIES:
        return None
    base, quote = match.groups()
    if base not in CURRENCIES and base not in METAL_LOTS:
        return None
    pip = _pair_pip(base, quote)
    return Instrument(
        symbol=name,
        kind=InstrumentKind.FX,
        currency=quote,
        multiplier=METAL_LOTS.get(base, Decimal(100_000)),
        lot_step=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        tick=pip / 10,
        pip=pip,
        margin_rate=FX_MARGIN_RATE,
        in_contracts=True,
    )


def _pair_pip(base: str, quote: str) -> Decimal:
    """One pip: gold and its like are quoted to the cent with a pip of ten cents, silver to a tenth of a cent."""
    if base in METAL_LOTS:
        return Decimal("0.01") if base == "XAG" else Decimal("0.1")
    return Decimal("0.01") if quote in HUNDREDTH_PIPS else Decimal("0.0001")


def _coin(name: str) -> Instrument | None:
    """A coin quoted in a currency or a coin; a bare ``BTC`` is not one, since US funds trade under such names."""
    body = re.sub(r"[/_-]", "", _COIN_SUFFIX.sub("", name))
    for quote, currency in _COIN_QUOTES.items():
        base = body.removesuffix(quote)
        if base == body:
            continue
        if base in COINS or (quote in STABLECOINS and len(base) > 1):
            return _crypto(name, currency)
    return None


def _crypto(name: str, currency: str) -> Instrument:
    """Coins are counted in ten-thousandths; their prices differ by ten orders of magnitude, hence the fine tick."""
    return Instrument(
        symbol=name,
        kind=InstrumentKind.CRYPTO,
        currency=currency,
        multiplier=Decimal(1),
        lot_step=Decimal("0.0001"),
        min_quantity=Decimal("0.0001"),
        tick=Decimal("0.00000001"),
        pip=Decimal("0.01"),
        margin_rate=Decimal(1),
        in_contracts=False,
        min_notional=Decimal(1),
    )


def _share(name: str) -> Instrument:
    """A US share or fund, in whole shares."""
    return Instrument(
        symbol=name,
        kind=InstrumentKind.EQUITY,
        currency="USD",
        multiplier=Decimal(1),
        lot_step=Decimal(1),
        min_quantity=Decimal(1),
        tick=Decimal("0.01"),
        pip=Decimal("0.01"),
        margin_rate=Decimal(1),
        in_contracts=False,
    )
