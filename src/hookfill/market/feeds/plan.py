"""What is to be fetched, and when (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hookfill.kernel.money import as_price
from hookfill.market.calendar import is_open
from hookfill.market.feeds.port import ChainBounds
from hookfill.market.instruments import instrument_for
from hookfill.market.model import OptionContract
from hookfill.market.sessions import NEW_YORK
from hookfill.market.timeframes import TIMEFRAMES, bar_close

OFFSETS = (2.0, 7.0, 15.0)
"""Seconds after a bar's close at which it is asked for: once, and again while it is missing."""
BACKFILL_DAYS = {"M1": 4, "M5": 10, "M15": 20, "M30": 40, "H1": 75, "H4": 250, "D1": 450, "W1": 2_200, "MN1": 3_650}
"""How far back bars are fetched of a symbol that is new: the 300 that engines look at, of a share, and a long weekend."""
NEAR_BARS = 15
"""Symbols whose newest bar is at most so old, in bars, are asked for together; others would make all fetch their past."""
AFTER_CLOSE = timedelta(minutes=2)
"""How long after a market's close its last bars are asked for."""
SPANS = ((21, Decimal("0.15")), (90, Decimal("0.30")), (180, Decimal("0.40")), (720, Decimal("0.60")))
"""Days of a chain and how far from the price its strikes reach, as a part of the price."""
DEFAULT_DAYS = 21
"""How far ahead the default rule and those who hold for a week look."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Watched:
    """A symbol that matters to somebody.

    Attributes:
        accounts: to whom.
        timeframes: what its bars are looked at in; minutes are always among them.
        option_days: how many days ahead options on it matter; None: none do.
        contracts: options on it that are held.
    """

    symbol: str
    accounts: frozenset[UUID]
    timeframes: frozenset[str]
    option_days: int | None = None
    contracts: tuple[OptionContract, ...] = ()


@dataclass(frozen=True, slots=True)
class BarsAsk:
    """One question for bars: of symbols in a timeframe that open from ``since`` on (UTC)."""

    symbols: tuple[str, ...]
    timeframe: str
    since: datetime


def trades_now(symbol: str, now: datetime, grace: timedelta = timedelta(0)) -> bool:
    """Whether a symbol's market is open, or was ``grace`` ago."""
    instrument = instrument_for(symbol)
    return is_open(instrument, now) or bool(grace and is_open(instrument, now - grace))


def due_bars(
    watched: Iterable[Watched],
    newest: Mapping[tuple[str, str], datetime],
    asked_at: Mapping[tuple[str, str], datetime],
    now: datetime,
) -> list[BarsAsk]:
    """The questions for bars that are due.

    Args:
        newest: when the newest known bar opened, by symbol and timeframe.
        asked_at: when each was asked for last.
    """
    due = [
        (one.symbol, timeframe)
        for one in watched
        for timeframe in sorted(one.timeframes)
        if _is_due(timeframe, newest.get((one.symbol, timeframe)), asked_at.get((one.symbol, timeframe)), now)
        and (trades_now(one.symbol, now, AFTER_CLOSE) or (one.symbol, timeframe) not in asked_at)
    ]
    groups: dict[tuple[str, bool], list[str]] = {}
    for symbol, timeframe in due:
        groups.setdefault((timeframe, _is_near(timeframe, newest.get((symbol, timeframe)), now)), []).append(symbol)
    return [_ask(symbols, timeframe, newest, now) for (timeframe, _), symbols in sorted(groups.items())]


def _is_due(timeframe: str, newest: datetime | None, asked: datetime | None, now: datetime) -> bool:
    """At the close of each bar, and at least each hour; again for as long as it is missing."""
    if asked is None:
        return True
    seconds = min(TIMEFRAMES[timeframe], _HOUR)
    closed_at = _EPOCH + timedelta(seconds=(now - _EPOCH) // timedelta(seconds=seconds) * seconds)
    is_missing = newest is None or bar_close(timeframe, newest) < closed_at
    offsets = OFFSETS if is_missing else OFFSETS[:1]
    return any(asked < closed_at + timedelta(seconds=offset) <= now for offset in offsets)


def _is_near(timeframe: str, newest: datetime | None, now: datetime) -> bool:
    return newest is not None and now - newest <= timedelta(seconds=NEAR_BARS * TIMEFRAMES[timeframe])


def _ask(symbols: Sequence[str], timeframe: str, newest: Mapping[tuple[str, str], datetime], now: datetime) -> BarsAsk:
    """From the oldest of their newest bars on: that one may have been revised."""
    earliest = now - timedelta(days=BACKFILL_DAYS[timeframe])
    sinces = [newest.get((symbol, timeframe), earliest) for symbol in symbols]
    return BarsAsk(tuple(symbols), timeframe, max(earliest, min(sinces)))


def chain_bounds(watched: Watched, spot: Decimal, now: datetime) -> ChainBounds:
    """Which contracts are fetched: those that the strategies' rules may choose, and those that are held."""
    today = now.astimezone(NEW_YORK).date()
    days = watched.option_days or DEFAULT_DAYS
    reach = next((part for most, part in SPANS if days <= most), SPANS[-1][1])
    last = max([today + timedelta(days=days), *(contract.expiration for contract in watched.contracts)])
    strikes = [spot * (1 - reach), spot * (1 + reach), *(contract.strike for contract in watched.contracts)]
    return ChainBounds(today, last, as_price(min(strikes)), as_price(max(strikes)))
