"""Alpaca's side of the feed against a fake that speaks its documents' JSON and knows every trouble."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.market.feeds import session
from hookfill.market.feeds.alpaca import AlpacaFeed, AlpacaKeys
from hookfill.market.feeds.port import ChainBounds, FeedError, FeedMalformed, FeedRefused, FeedUnavailable
from hookfill.market.feeds.session import GaveUp, Limits, Pace, in_thread
from support.alpaca.data import FakeData, Refusal, Trouble, bar, quote, snapshot
from support.alpaca.server import KEY, SECRET, serving

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
START = NOW - timedelta(minutes=30)
LIMITS = Limits(connect_seconds=5, read_seconds=5, answer_seconds=10, all_seconds=20, most_bytes=2_000_000, first_wait_seconds=0.01)
HASTY = replace(LIMITS, read_seconds=0.5, answer_seconds=1)
"""Where the first answer does not end."""
IMPATIENT = replace(LIMITS, read_seconds=0.1, answer_seconds=0.2)
"""Where no answer is a good one."""


class Asked:
    """The fake and the feed that asks it."""

    def __init__(self, data: FakeData, url: str) -> None:
        self.data = data
        self.url = url
        self.feed = self.asking()

    def asking(self, limits: Limits = LIMITS, **keys: str) -> AlpacaFeed:
        """Another feed on the same fake."""
        return AlpacaFeed(AlpacaKeys(**{"key": KEY, "secret": SECRET, "url": self.url, **keys}), limits, now=lambda: NOW)


@pytest.fixture
def asked() -> Iterator[Asked]:
    data = FakeData()
    data.bars["SPY", "1Min"] = [bar(START + timedelta(minutes=minute), 500 + minute) for minute in range(40)]
    data.bars["AAPL", "1Min"] = [bar(START + timedelta(minutes=minute), 200) for minute in range(3)]
    data.bars["BTC/USD", "1Min"] = [bar(START, 65_000, volume=0.125)]
    data.quotes = {"SPY": quote(NOW - timedelta(seconds=1), 500.1, 500.2), "BTC/USD": quote(NOW, 64_990.5, 65_010)}
    with serving(data) as url:
        here = Asked(data, url)
        yield here
        here.feed.close()


async def test_bars_come_over_all_pages_and_only_closed_ones(asked: Asked) -> None:
    asked.data.page_size = 7
    told = await asked.feed.bars(["SPY", "AAPL", "BTCUSD"], "M1", START, NOW + timedelta(hours=1))
    spy = [one for one in told.candles if one.symbol == "SPY"]
    assert [one.opened_at for one in spy] == [START + timedelta(minutes=minute) for minute in range(30)]
    assert spy[3].close == Decimal(503)
    assert (spy[3].low, spy[3].high, spy[3].volume) == (Decimal("502.5"), Decimal("503.5"), 1_000)
    assert len([one for one in told.candles if one.symbol == "AAPL"]) == 3
    assert told.source == "alpaca"
    assert told.at == NOW
    assert asked.data.paths().count("/v2/stocks/bars") == 7
    assert asked.data.asked[0][1]["feed"] == "iex"
    assert asked.data.asked[0][1]["symbols"] == "AAPL,SPY"


async def test_parts_of_coins_are_no_volume(asked: Asked) -> None:
    told = await asked.feed.bars(["BTCUSD"], "M1", START, NOW)
    assert [(one.symbol, one.close, one.volume) for one in told.candles] == [("BTCUSD", Decimal(65_000), None)]


async def test_a_time_out_of_the_span_is_left_out(asked: Asked) -> None:
    told = await asked.feed.bars(["SPY"], "M1", START + timedelta(minutes=2), START + timedelta(minutes=5))
    assert [one.close for one in told.candles] == [502, 503, 504]


@pytest.mark.parametrize("timeframe", ["M1", "M5", "M15", "M30", "H1", "H4", "D1", "W1", "MN1"])
async def test_every_timeframe_has_a_name_at_alpaca(asked: Asked, timeframe: str) -> None:
    assert (await asked.feed.bars(["AAPL"], timeframe, START, NOW)).unknown == frozenset()
    assert asked.data.asked[0][1]["timeframe"] == {
        "M1": "1Min", "M5": "5Min", "M15": "15Min", "M30": "30Min", "H1": "1Hour", "H4": "4Hour", "D1": "1Day", "W1": "1Week",
        "MN1": "1Month",
    }[timeframe]  # fmt: skip


async def test_quotes_are_the_middle_with_their_own_time(asked: Asked) -> None:
    told = await asked.feed.quotes(["SPY", "BTC/USD", "EURUSD", "ES1!"])
    assert told.quotes["SPY"].price == Decimal("500.15")
    assert told.quotes["SPY"].at == NOW - timedelta(seconds=1)
    assert told.quotes["SPY"].source == "alpaca"
    assert told.quotes["BTC/USD"].price == Decimal("65000.25")
    assert told.quotes.keys() == {"SPY", "BTC/USD"}
    assert told.unknown == frozenset()


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(0, 500), (500, 0), (0, 0), (450, 500), (501, 500), (-1, 500), ("x", 500), (None, None), (float("nan"), 500), (1e400, 1e400)],
)
async def test_a_side_that_is_missing_or_far_away_makes_no_price(asked: Asked, bid: float, ask: float) -> None:
    asked.data.quotes["SPY"] = quote(NOW, bid, ask)
    assert (await asked.feed.quotes(["SPY"])).quotes == {}


async def test_a_quote_from_ahead_of_our_clock_is_of_now(asked: Asked) -> None:
    asked.data.quotes["SPY"] = quote(NOW + timedelta(seconds=3), 500, 500.1)
    assert (await asked.feed.quotes(["SPY"])).quotes["SPY"].at == NOW


async def test_a_strange_symbol_costs_the_others_nothing(asked: Asked) -> None:
    symbols = ["SPY", "AAPL", "ZZZZ", "YYYY", "BTCUSD", "DOGEUSD"]
    told = await asked.feed.bars(symbols, "M1", START, NOW)
    assert {one.symbol for one in told.candles} == {"SPY", "AAPL", "BTCUSD"}
    assert told.unknown == {"ZZZZ", "YYYY", "DOGEUSD"}


async def test_what_alpaca_has_no_name_for_is_never_asked(asked: Asked) -> None:
    told = await asked.feed.bars(["EURUSD", "MNQ1!", "SPY260320C00500000", "US30", "TOOLONG"], "M1", START, NOW)
    assert told.candles == ()
    assert told.unknown == frozenset()
    assert asked.data.asked == []


async def test_too_many_requests_are_waited_for(asked: Asked) -> None:
    asked.data.troubles.extend([Refusal(429), Refusal(503), Refusal(504)])
    assert (await asked.feed.quotes(["SPY"])).quotes["SPY"].price == Decimal("500.15")
    assert len(asked.data.asked) == 4


class Waits(threading.Event):
    """What a session waits with: it is over at once, and remembers how long it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset"])
async def test_the_answer_says_how_long_to_wait(asked: Asked, header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = time.time(), Waits()
    monkeypatch.setattr(session.time, "time", lambda: now)
    for one in asked.feed._sessions:
        monkeypatch.setattr(one, "_closing", waits)
    asked.data.troubles.append(Refusal(429, {header: "7" if header == "retry-after" else str(int(now) + 7)}))
    assert (await asked.feed.quotes(["SPY"])).quotes
    assert waits.seconds == [7.0 if header == "retry-after" else int(now) + 7 - now]


async def test_a_wait_beyond_all_bounds_is_not_waited_for(asked: Asked) -> None:
    asked.data.troubles.append(Refusal(429, {"retry-after": "3600"}))
    with pytest.raises(FeedUnavailable, match="3600 s"):
        await asked.feed.quotes(["SPY"])
    assert len(asked.data.asked) == 1


async def test_a_refusal_in_the_middle_of_the_pages_loses_nothing(asked: Asked) -> None:
    asked.data.page_size = 10
    asked.data.troubles.extend([None, Refusal(500), None, Trouble.CUT])
    told = await asked.feed.bars(["SPY"], "M1", START, NOW)
    assert len({one.opened_at for one in told.candles}) == len(told.candles) == 30


@pytest.mark.parametrize("trouble", [Trouble.HANG, Trouble.DRIP, Trouble.CUT, Trouble.HUGE])
async def test_whatever_does_not_end_is_ended_and_tried_again(asked: Asked, trouble: Trouble) -> None:
    asked.data.troubles.append(trouble)
    assert (await asked.asking(HASTY).bars(["AAPL"], "M1", START, NOW)).candles
    assert len(asked.data.asked) == 2


@pytest.mark.parametrize("trouble", [Trouble.HANG, Trouble.DRIP, Trouble.CUT, Trouble.HUGE, Refusal(503), Refusal(429)])
async def test_after_some_tries_it_is_told(asked: Asked, trouble: Trouble | Refusal) -> None:
    asked.data.troubles.extend([trouble] * 4)
    with pytest.raises(FeedUnavailable, match="again by itself"):
        await asked.asking(IMPATIENT).bars(["AAPL"], "M1", START, NOW)
    assert len(asked.data.asked) == 4


@pytest.mark.parametrize("trouble", [Trouble.HALF, Trouble.HTML, Trouble.LIST, Trouble.OTHER, Trouble.DEEP])
async def test_what_can_not_be_read_is_told_and_never_guessed(asked: Asked, trouble: Trouble) -> None:
    for ask in (
        lambda: asked.feed.bars(["AAPL"], "M1", START, NOW),
        lambda: asked.feed.quotes(["SPY"]),
        lambda: asked.feed.option_chain("SPY", Decimal(500)),
    ):
        asked.data.troubles.append(trouble)
        with pytest.raises(FeedMalformed):
            await ask()


async def test_null_is_nothing(asked: Asked) -> None:
    asked.data.troubles.extend([Trouble.NULL] * 3)
    assert (await asked.feed.bars(["AAPL"], "M1", START, NOW)).candles == ()
    assert (await asked.feed.quotes(["SPY"])).quotes == {}
    assert await asked.feed.option_chain("SPY", Decimal(500)) is None


@pytest.mark.parametrize("page_size", [7, 40])
async def test_pages_in_a_circle_are_left(asked: Asked, page_size: int) -> None:
    asked.data.page_size, asked.data.is_circular = page_size, True
    with pytest.raises(FeedMalformed, match="do not end"):
        await asked.feed.bars(["SPY"], "M1", START, NOW)
    assert len(asked.data.asked) <= 8


async def test_bars_that_are_none_are_left_out(asked: Asked) -> None:
    good = bar(START, 500)
    bad = [{**good, "h": 1}, {**good, "t": "yesterday"}, {**good, "c": None}, {**good, "o": "NaN"}, 7, None, {**good, "c": 1e300}]
    asked.data.bars["SPY", "1Min"] = [good, *bad]
    told = await asked.feed.bars(["SPY"], "M1", START, NOW)
    assert [one.close for one in told.candles] == [500]
    asked.data.bars["SPY", "1Min"] = bad
    with pytest.raises(FeedMalformed, match="None of the 7 entries"):
        await asked.feed.bars(["SPY"], "M1", START, NOW)


@pytest.mark.parametrize("keys", [{"key": "wrong"}, {"secret": "wrong"}])
async def test_wrong_keys_are_not_tried_again(asked: Asked, keys: dict[str, str]) -> None:
    with pytest.raises(FeedRefused, match="ALPACA_API_KEY") as refusal:
        await asked.asking(**keys).quotes(["SPY"])
    assert "canary" not in str(refusal.value)
    assert len(asked.data.asked) == 1


async def test_a_question_that_is_refused_for_another_reason_is_told(asked: Asked) -> None:
    asked.data.troubles.append(Refusal(422, message="feed: no such feed"))
    with pytest.raises(FeedRefused, match="no such feed"):
        await asked.feed.quotes(["SPY"])


async def test_nobody_listens(asked: Asked) -> None:
    feed = asked.asking(url="http://127.0.0.1:1")
    with pytest.raises(FeedUnavailable):
        await feed.quotes(["SPY"])


async def test_closing_ends_what_waits(asked: Asked) -> None:
    asked.data.troubles.append(Refusal(429, {"retry-after": "15"}))
    asking = asyncio.create_task(asked.feed.quotes(["SPY"]))
    async with asyncio.timeout(10):
        await asyncio.to_thread(asked.data.came.wait)
        asked.feed.close()
        with pytest.raises(FeedUnavailable, match="closed"):
            await asking


class TestChains:
    """Option chains."""

    SYMBOL = "SPY260320C00500000"

    def fill(self, data: FakeData) -> None:
        data.chains["SPY"] = {
            f"SPY{day}{right}{strike:05}000": snapshot(NOW - timedelta(seconds=2), 3.1, 3.3)
            for day in ("260313", "260320", "260417")
            for right in "CP"
            for strike in range(490, 511)
        }

    async def test_a_chain_over_its_pages(self, asked: Asked) -> None:
        self.fill(asked.data)
        asked.data.page_size = 25
        chain = await asked.feed.option_chain("SPY", Decimal("500.15"))
        assert chain is not None
        assert len(chain.quotes) == 126
        assert (chain.underlying, chain.spot, chain.at) == ("SPY", Decimal("500.15"), NOW)
        assert len(asked.data.asked) == 6
        found = {one.contract.symbol: one for one in chain.quotes}[self.SYMBOL]
        assert (found.bid, found.ask, found.at) == (Decimal("3.1"), Decimal("3.3"), NOW - timedelta(seconds=2))
        assert (found.volatility, found.volume, found.open_interest) == (0.21, 250, None)
        assert found.greeks is not None
        assert (found.greeks.delta, found.greeks.theta, found.greeks.price) == (0.5, -0.12, 3.2)
        order = [(one.contract.expiration, one.contract.right, one.contract.strike) for one in chain.quotes]
        assert order == sorted(order)

    async def test_bounds_are_asked_for(self, asked: Asked) -> None:
        self.fill(asked.data)
        bounds = ChainBounds(date(2026, 3, 15), date(2026, 3, 31), Decimal("499.5"), Decimal(502))
        chain = await asked.feed.option_chain("SPY", Decimal(500), bounds)
        assert chain is not None
        assert {one.contract.strike for one in chain.quotes} == {500, 501, 502}
        assert {one.contract.expiration for one in chain.quotes} == {date(2026, 3, 20)}

    @pytest.mark.parametrize(("feed", "source"), [("indicative", "alpaca_indicative"), ("opra", "alpaca")])
    async def test_delayed_prices_are_marked(self, asked: Asked, feed: str, source: str) -> None:
        self.fill(asked.data)
        chain = await asked.asking(option_feed=feed).option_chain("SPY", Decimal(500))
        assert chain is not None
        assert chain.source == source
        assert {one.source for one in chain.quotes} == {source}
        assert asked.data.asked[0][1]["feed"] == feed

    async def test_greeks_and_volatility_may_be_missing(self, asked: Asked) -> None:
        asked.data.chains["SPY"] = {self.SYMBOL: snapshot(NOW, 0, 0.01, delta=None)}
        chain = await asked.feed.option_chain("SPY", Decimal(500))
        assert chain is not None
        assert (chain.quotes[0].greeks, chain.quotes[0].volatility) == (None, None)
        assert chain.quotes[0].bid == 0

    @pytest.mark.parametrize(
        "entries", [{}, {"SPY260320C00500000": {"latestTrade": {"p": 3}}}, {"SPY260320C00500000": snapshot(NOW, 1, 0)}]
    )
    async def test_a_chain_without_a_price_is_none(self, asked: Asked, entries: dict[str, object]) -> None:
        asked.data.chains["SPY"] = entries
        assert await asked.feed.option_chain("SPY", Decimal(500)) is None

    async def test_contracts_that_deliver_something_else_are_left_out(self, asked: Asked) -> None:
        asked.data.chains["SPY"] = {"SPY1260320C00500000": snapshot(NOW, 1, 1.1), self.SYMBOL: snapshot(NOW, 1, 1.1)}
        chain = await asked.feed.option_chain("SPY", Decimal(500))
        assert chain is not None
        assert [one.contract.symbol for one in chain.quotes] == [self.SYMBOL]

    async def test_names_of_no_contract_are_left_out(self, asked: Asked) -> None:
        asked.data.chains["SPY"] = {"SPY": {}, self.SYMBOL: snapshot(NOW, 1, 1.1)}
        chain = await asked.feed.option_chain("SPY", Decimal(500))
        assert chain is not None
        assert len(chain.quotes) == 1

    async def test_no_options_are_asked_on_what_has_none(self, asked: Asked) -> None:
        assert await asked.feed.option_chain("EURUSD", Decimal(1)) is None
        assert asked.data.asked == []


def test_the_pace_lets_a_tenth_through_at_once_and_then_one_by_one() -> None:
    pace = Pace(60)
    waits = [pace.take(100.0) for _ in range(9)]
    assert waits[:6] == [0.0] * 6
    assert waits[6:] == [1.0, 2.0, 3.0]
    assert pace.take(200.0) == 0.0


def test_no_pace_no_wait() -> None:
    assert {Pace(None).take(0.0) for _ in range(100)} == {0.0}


async def test_what_blocks_without_end_is_not_waited_for() -> None:
    end = threading.Event()
    with pytest.raises(GaveUp, match="no end within"):
        await in_thread(end.wait, 0.01)
    end.set()


async def test_requests_keep_the_pace(asked: Asked) -> None:
    feed = asked.asking(Limits(per_minute=1, all_seconds=5))
    assert (await feed.quotes(["SPY"])).quotes
    with pytest.raises(FeedError, match="waited for"):
        await feed.quotes(["SPY"])
    assert len(asked.data.asked) == 1
