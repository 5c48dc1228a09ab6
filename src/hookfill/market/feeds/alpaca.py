"""Market data from Alpaca, through its own client library within our bounds.

Import this module only where Alpaca is asked: the library loads pandas.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Self, cast

import requests
import structlog

from hookfill.kernel.clock import utc_now
from hookfill.kernel.money import plain
from hookfill.market.feeds.alpaca_answers import (
    INDICATIVE,
    SOURCE,
    bars_from,
    by_contract,
    coin_at_alpaca,
    open_interest_from,
    option_quotes_from,
    quote_from,
    share_at_alpaca,
)
from hookfill.market.feeds.port import (
    ALL_CONTRACTS,
    Bars,
    ChainBounds,
    FeedMalformed,
    FeedRefused,
    FeedUnavailable,
    Quotes,
)
from hookfill.market.feeds.session import BoundedSession, GaveUp, Limits, Pace, in_thread
from hookfill.market.model import Quote
from hookfill.market.option_chain import OptionChain

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports the old half of websockets, which nothing uses here
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import DataFeed, OptionsFeed
    from alpaca.data.historical.crypto import CryptoHistoricalDataClient
    from alpaca.data.historical.option import OptionHistoricalDataClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.requests import (
        CryptoBarsRequest,
        CryptoLatestQuoteRequest,
        OptionChainRequest,
        StockBarsRequest,
        StockLatestQuoteRequest,
    )
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
    from alpaca.trading.client import TradingClient
    from alpaca.trading.requests import GetOptionContractsRequest

Told = Mapping[str, object]
"""What Alpaca tells by symbol: raw, so that numbers are read by our rules and not rounded by the library's."""
Asking = Callable[[bool, list[str]], Told]
"""Asks about shares (true) or coins by Alpaca's names."""

MOST_CONTRACTS = 10_000
"""Of one page of the list of contracts: what Alpaca allows."""
MOST_PAGES = 60
"""Of one answer: more are no answer to what is asked here, but a loop."""
_TIMEFRAMES = {
    "M1": TimeFrame(1, TimeFrameUnit.Minute),
    "M5": TimeFrame(5, TimeFrameUnit.Minute),
    "M15": TimeFrame(15, TimeFrameUnit.Minute),
    "M30": TimeFrame(30, TimeFrameUnit.Minute),
    "H1": TimeFrame(1, TimeFrameUnit.Hour),
    "H4": TimeFrame(4, TimeFrameUnit.Hour),
    "D1": TimeFrame(1, TimeFrameUnit.Day),
    "W1": TimeFrame(1, TimeFrameUnit.Week),
    "MN1": TimeFrame(1, TimeFrameUnit.Month),
}
_LOG = structlog.get_logger("hookfill.feed")


class _Bounded:
    """Mixed into the library's clients: they send through our session, once, and their loop over pages ends."""

    _session: requests.Session
    _retry: int
    _seen: frozenset[str] = frozenset()

    def bound(self, session: requests.Session) -> Self:
        """Put our session in the place of the library's own, and its retries, which know no bounds, to none."""
        assert isinstance(self._session, requests.Session), "another release of alpaca-py keeps its session elsewhere"
        assert isinstance(self._retry, int), "another release of alpaca-py counts its retries elsewhere"
        self._session.close()
        self._session, self._retry = session, 0
        return self

    def get(self, path: str, data: Any = None, **options: Any) -> Any:
        """One page.

        Raises:
            FeedMalformed: it is no page, or the pages lead round in a circle, or do not end.
        """
        page = super().get(path, data, **options)  # type: ignore[misc]  # of the client that this is mixed into
        if not isinstance(page, dict):
            raise FeedMalformed(f"Alpaca's answer to {path} is no JSON object.")
        if not (isinstance(data, dict) and data.get("page_token")):
            self._seen = frozenset()
        token = page.get("next_page_token")
        if token is not None:
            if not isinstance(token, str) or token in self._seen or len(self._seen) >= MOST_PAGES:
                raise FeedMalformed(f"Alpaca's pages of {path} do not end.")
            self._seen |= {token}
        return {name: {} if value is None and name != "next_page_token" else value for name, value in page.items()}


class _Stocks(_Bounded, StockHistoricalDataClient):
    pass


class _Coins(_Bounded, CryptoHistoricalDataClient):
    pass


class _Options(_Bounded, OptionHistoricalDataClient):
    pass


class _Contracts(_Bounded, TradingClient):
    pass


@dataclass(frozen=True, slots=True)
class AlpacaKeys:
    """What Alpaca is asked with, and where.

    Attributes:
        url: of the market data API.
        contracts_url: of the trading API, which has the list of contracts.
        stock_feed: ``iex``, ``sip`` or ``delayed_sip``.
        option_feed: ``indicative`` (delayed) or ``opra``.
    """

    key: str
    secret: str
    url: str = "https://data.alpaca.markets"
    contracts_url: str = "https://paper-api.alpaca.markets"
    stock_feed: str = "iex"
    option_feed: str = "indicative"


class AlpacaFeed:
    """The port's Alpaca side. Prices are asked for one after the other, and so are chains; both may go on at once."""

    source = SOURCE

    def __init__(self, keys: AlpacaKeys, limits: Limits, *, now: Callable[[], datetime] = utc_now) -> None:
        """Nothing is connected yet."""
        self._seconds = limits.question_seconds
        pace = Pace(limits.per_minute)
        # Chains are fetched beside prices: each client has connections of its own, but the rate is for all.
        self._sessions = [BoundedSession(limits, pace) for _ in range(2)]
        prices, options = self._sessions
        self._stocks = _Stocks(keys.key, keys.secret, raw_data=True, url_override=keys.url).bound(prices)
        self._coins = _Coins(keys.key, keys.secret, raw_data=True, url_override=keys.url).bound(prices)
        self._options = _Options(keys.key, keys.secret, raw_data=True, url_override=keys.url).bound(options)
        self._contracts = _Contracts(keys.key, keys.secret, raw_data=True, url_override=keys.contracts_url).bound(options)
        self._stock_feed = DataFeed(keys.stock_feed)
        self._option_feed = OptionsFeed(keys.option_feed)
        self._now = now

    def close(self) -> None:
        """End whatever is under way."""
        for session in self._sessions:
            session.close()

    def covers(self, symbol: str) -> bool:
        """See the port: US shares and funds, and coins."""
        return share_at_alpaca(symbol) is not None or coin_at_alpaca(symbol) is not None

    async def bars(self, symbols: Sequence[str], timeframe: str, since: datetime, until: datetime) -> Bars:
        """See the port. Prices are as they were traded, not adjusted for splits."""
        now, candles, faults = self._now(), [], 0
        found, unknown = await self._of_all(symbols, lambda stocks, names: self._ask_bars(stocks, names, timeframe, since, until))
        for symbol, entries in found.items():
            some, wrong = bars_from(_listed(entries), symbol, timeframe, now)
            candles += [bar for bar in some if since <= bar.opened_at < until]
            faults += wrong
        self._tell_faults("bars", faults, len(candles))
        return Bars(tuple(candles), SOURCE, now, unknown)

    async def quotes(self, symbols: Sequence[str]) -> Quotes:
        """See the port. The price is the middle between bid and ask."""
        now = self._now()
        found, unknown = await self._of_all(symbols, self._ask_quotes)
        told = {symbol: quote_from(entry, symbol, now) for symbol, entry in found.items()}
        quotes: dict[str, Quote] = {symbol: quote for symbol, quote in told.items() if quote is not None}
        return Quotes(quotes, SOURCE, now, unknown)

    async def option_chain(self, underlying: str, spot: Decimal, bounds: ChainBounds = ALL_CONTRACTS) -> OptionChain | None:
        """See the port."""
        if share_at_alpaca(underlying) is None:
            return None
        now = self._now()
        request = OptionChainRequest(
            underlying_symbol=underlying,
            feed=self._option_feed,
            strike_price_gte=None if bounds.lowest_strike is None else float(bounds.lowest_strike),
            strike_price_lte=None if bounds.highest_strike is None else float(bounds.highest_strike),
            expiration_date_gte=bounds.first_expiration,
            expiration_date_lte=bounds.last_expiration,
        )
        snapshots = await self._ask(lambda: self._options.get_option_chain(request), [underlying])
        source = INDICATIVE if self._option_feed is OptionsFeed.INDICATIVE else SOURCE
        quotes, faults = option_quotes_from(snapshots or {}, underlying, source, now)
        self._tell_faults("option chain", faults, len(quotes))
        if not quotes:
            return None
        return OptionChain(underlying, now, source, spot, tuple(sorted(quotes, key=by_contract)))

    async def open_interest(self, underlying: str, bounds: ChainBounds = ALL_CONTRACTS) -> Mapping[str, int]:
        """See the port; of the contracts that can be traded now."""
        if share_at_alpaca(underlying) is None:
            return {}
        request = GetOptionContractsRequest(
            underlying_symbols=[underlying],
            strike_price_gte=None if bounds.lowest_strike is None else plain(bounds.lowest_strike),
            strike_price_lte=None if bounds.highest_strike is None else plain(bounds.highest_strike),
            expiration_date_gte=bounds.first_expiration,
            expiration_date_lte=bounds.last_expiration,
            limit=MOST_CONTRACTS,
        )
        known: dict[str, int] = {}
        while True:
            page = await self._ask(lambda: cast("Told", self._contracts.get_option_contracts(request)), [underlying])
            if page is None:
                return known
            known |= open_interest_from(_listed(page.get("option_contracts")))
            request.page_token = cast("str | None", page.get("next_page_token"))
            if not request.page_token:
                return known

    async def _of_all(self, symbols: Sequence[str], ask: Asking) -> tuple[dict[str, object], frozenset[str]]:
        """What Alpaca tells of each of our symbols, shares and coins apart; and those that it does not know."""
        told: dict[str, object] = {}
        unknown: set[str] = set()
        for is_stock, theirs_of in ((True, share_at_alpaca), (False, coin_at_alpaca)):
            theirs = {symbol: name for symbol in symbols if (name := theirs_of(symbol)) is not None}
            if not theirs:
                continue
            found, strange = await self._divided(sorted(set(theirs.values())), partial(ask, is_stock))
            told |= {symbol: found[name] for symbol, name in theirs.items() if name in found}
            unknown |= {symbol for symbol, name in theirs.items() if name in strange}
        return told, frozenset(unknown)

    async def _divided(self, names: list[str], ask: Callable[[list[str]], Told]) -> tuple[dict[str, object], set[str]]:
        """Alpaca refuses a whole question for one strange symbol: halves are asked until it stands alone."""
        found = await self._ask(lambda: ask(names), names)
        if found is not None:
            return dict(found), set()
        if len(names) == 1:
            return {}, set(names)
        middle = len(names) // 2
        left, strange_left = await self._divided(names[:middle], ask)
        right, strange_right = await self._divided(names[middle:], ask)
        return left | right, strange_left | strange_right

    def _ask_bars(self, is_stock: bool, names: list[str], timeframe: str, since: datetime, until: datetime) -> Told:
        span = {"symbol_or_symbols": names, "timeframe": _TIMEFRAMES[timeframe], "start": since, "end": until}
        if is_stock:
            return cast("Told", self._stocks.get_stock_bars(StockBarsRequest(**span, feed=self._stock_feed)))
        return cast("Told", self._coins.get_crypto_bars(CryptoBarsRequest(**span)))

    def _ask_quotes(self, is_stock: bool, names: list[str]) -> Told:
        if is_stock:
            return self._stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=names, feed=self._stock_feed))
        return self._coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols=names))

    async def _ask(self, call: Callable[[], Told], names: Sequence[str]) -> Told | None:
        """Alpaca's answer; None: it does not know one of the symbols.

        Raises:
            FeedRefused, FeedUnavailable, FeedMalformed: there is no answer that can be used.
        """
        try:
            answer = await in_thread(call, self._seconds)
        except GaveUp as error:
            raise FeedUnavailable(f"Alpaca does not answer: {error}. It is asked again by itself.") from error
        except APIError as error:
            _raise_unless_unknown(error, names)
            return None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise FeedMalformed(f"Alpaca's answer can't be read: {type(error).__name__}: {str(error)[:200]}") from error
        if not isinstance(answer, dict):
            raise FeedMalformed("Alpaca's answer is not what its documents describe.")
        return answer

    def _tell_faults(self, what: str, faults: int, sound: int) -> None:
        """A few entries that can't be used are left out; where all are like that, the answer is not what it should be."""
        if faults and not sound:
            raise FeedMalformed(f"None of the {faults} entries in Alpaca's {what} can be read.")
        if faults:
            _LOG.warning("entries_left_out", what=what, left_out=faults, sound=sound)


def _raise_unless_unknown(error: APIError, names: Sequence[str]) -> None:
    """Return where a symbol is not known; every other refusal is raised."""
    status = error.status_code
    text = str(error)[:200]
    if status in (400, 404, 422):
        if "symbol" in text.lower():
            _LOG.info("alpaca_refused", status=status, symbols=len(names), error=text)
            return
        raise FeedRefused(f"Alpaca refuses what it is asked ({status}): {text}")
    if status in (401, 403):
        raise FeedRefused(
            f"Alpaca refuses the keys, or they do not cover what is asked for ({status}): check ALPACA_API_KEY and "
            "ALPACA_SECRET_KEY, and that ALPACA_STOCK_FEED and ALPACA_OPTION_FEED name what the subscription holds."
        )
    raise FeedUnavailable(f"Alpaca answered {status} again and again: {text}. It is asked again by itself.")


def _listed(entries: object) -> Iterable[object]:
    """A list as it should be; what is none counts as one entry that can't be read."""
    return entries if isinstance(entries, list) else [entries] if entries is not None else []
