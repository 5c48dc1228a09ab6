"""What matters is fetched when it is due, stored as what is pushed, and what fails is an alarm: against the fake and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import create_strategy
from hookfill.kernel.ids import derived_id
from hookfill.market.feeds import loop
from hookfill.market.feeds.alpaca import AlpacaFeed, AlpacaKeys
from hookfill.market.feeds.fetch import Fetcher
from hookfill.market.feeds.loop import FeedLoop
from hookfill.market.feeds.session import Limits
from hookfill.market.feeds.stored import option_chain_of
from hookfill.market.feeds.watching import read_watched
from hookfill.ops.pulse import Pulse
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.alpaca.data import FakeData, Refusal, bar, quote, snapshot
from support.alpaca.server import KEY, SECRET, serving
from support.database import wait_until_async
from support.house import House

OPEN = datetime(2026, 3, 4, 15, 0, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Limits(read_seconds=0.5, all_seconds=2, tries=1)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = OPEN

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Desk:
    """A house, the fake, and who fetches from it."""

    def __init__(self, house: House, data: FakeData, feed: AlpacaFeed, clock: Clock) -> None:
        self.house, self.data, self.feed, self.clock = house, data, feed, clock
        self.pulse = Pulse("feed")
        self.fetcher = Fetcher(house.pool, feed, 5, clock, self.pulse)

    async def round(self, seconds: float = 0) -> None:
        self.clock.forward(seconds)
        await self.fetcher.prices()
        await self.fetcher.chains()

    async def signal(
        self, symbol: str, timeframe: str | None = None, age: timedelta = MINUTE, *, option: bool = False, **strategy: object
    ) -> UUID:
        """A decided signal of a strategy of its own."""
        text = """INSERT INTO signals (account_id, signal_id, message_id, strategy_id, door, source, symbol, action, alert, status,
                      as_of, created_at) VALUES ($1, $2, $2, $3, 'tv', 'test', $4, 'buy', $5, 'executed', now(), now())"""
        alert = {"symbol": symbol, "action": "buy", "timeframe": timeframe} | ({"option": {"right": "CALL"}} if option else {})
        account_id = strategy.pop("account_id", self.house.account_id)
        async with self.house.pool.acquire() as connection:
            made = await create_strategy(connection, account_id, f"{symbol} {timeframe} {age}", **strategy)  # type: ignore[arg-type]
            signal_id = derived_id(self.clock.now - age, symbol, str(timeframe))
            await connection.execute(text, account_id, signal_id, made.strategy_id, symbol, alert)
        return made.strategy_id

    async def alarms(self) -> dict[str, str]:
        rows = await self.house.pool.fetch("SELECT subject, text FROM alarms WHERE kind = 'market_feed' AND cleared_at IS NULL")
        return {row["subject"]: row["text"] for row in rows}

    async def price(self, symbol: str) -> Decimal | None:
        return await self.house.pool.fetchval("SELECT price FROM quotes WHERE symbol = $1", symbol)

    async def candles(self, symbol: str) -> dict[str, int]:
        text = "SELECT timeframe, count(*) AS bars FROM market_data_candles WHERE symbol = $1 GROUP BY timeframe"
        return {row["timeframe"]: row["bars"] for row in await self.house.pool.fetch(text, symbol)}


@pytest.fixture
def data() -> Iterator[FakeData]:
    data = FakeData()
    minutes = [bar(OPEN.replace(second=0) - 30 * MINUTE + number * MINUTE, 500 + number) for number in range(40)]
    data.bars = {("SPY", "1Min"): minutes, ("SPY", "1Hour"): [bar(OPEN.replace(minute=0, second=0) - timedelta(hours=1), 499)]}
    data.quotes = {"SPY": quote(OPEN, 530, 530.1)}
    data.chains["SPY"] = {f"SPY260320C00{strike}000": snapshot(OPEN, 3.1, 3.3) for strike in range(500, 560)}
    data.interest = {"SPY260320C00530000": "1234"}
    return data


@pytest.fixture
async def desk(house: House, data: FakeData) -> AsyncIterator[Desk]:
    clock = Clock()
    with serving(data) as url:
        feed = AlpacaFeed(AlpacaKeys(KEY, SECRET, url, url), LIMITS, now=clock)
        yield Desk(house, data, feed, clock)
        feed.close()


async def test_nothing_matters_nothing_is_asked(desk: Desk) -> None:
    await desk.round()
    assert desk.data.asked == []
    assert await desk.alarms() == {}


async def test_the_past_then_each_minute_then_newest_prices(desk: Desk) -> None:
    await desk.signal("SPY", "1h")
    await desk.round()
    assert await desk.candles("SPY") == {"M1": 30, "H1": 1}
    assert await desk.price("SPY") == Decimal("530.05")
    asked = desk.data.paths()
    assert asked == ["/v2/stocks/bars", "/v2/stocks/bars", "/v2/stocks/quotes/latest"]
    await desk.round(2)
    assert desk.data.paths() == asked
    desk.data.quotes["SPY"] = quote(OPEN + timedelta(seconds=4), 531, 531.1)
    await desk.round(3)
    assert desk.data.paths()[3:] == ["/v2/stocks/quotes/latest"]
    assert await desk.price("SPY") == Decimal("531.05")
    await desk.round(60)
    assert desk.data.paths()[4:] == ["/v2/stocks/bars", "/v2/stocks/quotes/latest"]
    assert await desk.candles("SPY") == {"M1": 31, "H1": 1}
    assert desk.pulse.counters == {"bars": 33, "quotes": 3}


async def test_a_bar_that_comes_late_is_asked_for_again(desk: Desk) -> None:
    await desk.signal("SPY")
    late = desk.data.bars["SPY", "1Min"].pop(30)
    desk.data.bars["SPY", "1Min"] = desk.data.bars["SPY", "1Min"][:30]
    await desk.round()
    await desk.round(60)
    assert await desk.candles("SPY") == {"M1": 30}
    desk.data.bars["SPY", "1Min"].append(late)
    await desk.round(5)
    assert await desk.candles("SPY") == {"M1": 31}


async def test_a_last_bar_that_was_revised_takes_its_new_values(desk: Desk) -> None:
    opened_at = datetime(2026, 3, 3, 5, tzinfo=UTC)
    desk.data.bars["SPY", "1Day"] = [bar(opened_at, 499)]
    await desk.signal("SPY", "1D")
    await desk.round()
    desk.data.bars["SPY", "1Day"] = [bar(opened_at, 498)]
    await desk.round(3_600)
    text = "SELECT close FROM market_data_candles WHERE timeframe = 'D1'"
    assert await desk.house.pool.fetchval(text) == 498


async def test_a_closed_market_is_left_alone(desk: Desk) -> None:
    await desk.signal("SPY")
    await desk.round()
    desk.data.asked.clear()
    await desk.round(12 * 3_600)
    await desk.round(60)
    assert desk.data.asked == []


async def test_the_desk_is_told_of_prices(desk: Desk, connection: asyncpg.Connection) -> None:
    heard = asyncio.Event()
    await connection.add_listener("hookfill_prices", lambda *_: heard.set())
    await desk.signal("SPY")
    await desk.round()
    async with asyncio.timeout(10):
        await heard.wait()


async def test_chains_with_their_open_interest_where_options_are_traded(desk: Desk) -> None:
    await desk.signal("SPY", option=True)
    await desk.round()
    async with desk.house.pool.acquire() as connection:
        chain = await option_chain_of(connection, "SPY", desk.clock.now)
    assert chain is not None
    assert (chain.source, chain.spot, len(chain.quotes)) == ("alpaca_indicative", Decimal("530.05"), 60)
    assert {one.contract.strike: one.open_interest for one in chain.quotes if one.open_interest} == {530: 1234}
    asked = desk.data.paths()[-2:]
    assert asked == ["/v2/options/contracts", "/v1beta1/options/snapshots/SPY"]
    await desk.round(30)
    assert desk.data.paths().count("/v1beta1/options/snapshots/SPY") == 1
    await desk.round(31)
    assert desk.data.paths().count("/v1beta1/options/snapshots/SPY") == 2
    assert desk.data.paths().count("/v2/options/contracts") == 1


async def test_no_chain_where_no_options_are_traded(desk: Desk) -> None:
    await desk.signal("SPY")
    await desk.round()
    assert not [path for path in desk.data.paths() if "options" in path]


async def test_what_fails_three_times_is_an_alarm_until_it_works(desk: Desk) -> None:
    await desk.signal("SPY")
    desk.data.troubles.extend([Refusal(503)] * 6)
    for seconds, expected in ((0, set()), (5, set()), (10, {"bars", "quotes"})):
        await desk.round(seconds)
        assert set(await desk.alarms()) == expected
    assert desk.pulse.is_failing
    assert "503" in (await desk.alarms())["bars"]
    await desk.round(60)
    assert await desk.alarms() == {}
    assert await desk.candles("SPY")


async def test_a_failure_that_passes_is_no_alarm(desk: Desk) -> None:
    await desk.signal("SPY")
    for _ in range(4):
        desk.data.troubles.extend([Refusal(503), None])
        await desk.round(60)
        await desk.round(60)
    assert await desk.house.pool.fetchval("SELECT count(*) FROM alarms WHERE kind = 'market_feed'") == 0


async def test_failures_are_not_tried_again_at_once(desk: Desk) -> None:
    await desk.signal("SPY")
    desk.data.troubles.extend([Refusal(503)] * 100)
    for _ in range(120):
        await desk.round(1)
    assert len(desk.data.asked) < 16


async def test_refused_keys_are_an_alarm_at_once_and_for_each_account(desk: Desk) -> None:
    await desk.signal("SPY")
    elsewhere = await desk.house.new_strategy_elsewhere()
    account = await desk.house.pool.fetchval("SELECT account_id FROM strategies WHERE strategy_id = $1", elsewhere.strategy_id)
    await desk.signal("SPY", "5", account_id=account)
    desk.data.troubles.extend([Refusal(403, message="forbidden.")] * 5)
    await desk.round()
    rows = await desk.house.pool.fetch("SELECT account_id, text FROM alarms WHERE subject = 'bars'")
    assert {row["account_id"] for row in rows} == {desk.house.account_id, account}
    assert all("ALPACA_API_KEY" in row["text"] for row in rows)


@pytest.mark.parametrize("is_known_elsewhere", [False, True])
async def test_a_symbol_without_any_price_is_an_alarm(desk: Desk, is_known_elsewhere: bool) -> None:
    await desk.signal("SPY")
    await desk.signal("ZZZZ")
    if is_known_elsewhere:
        await desk.house.bar(0, "1 1 1 1", "ZZZZ")
    await desk.round()
    await desk.round(6)
    assert set(await desk.alarms()) == (set() if is_known_elsewhere else {"ZZZZ"})
    assert await desk.price("SPY")
    assert not desk.fetcher.troubles.has_errors
    asked = len([wanted for _, wanted in desk.data.asked if "ZZZZ" in wanted["symbols"]])
    await desk.round(60)
    assert len([wanted for _, wanted in desk.data.asked if "ZZZZ" in wanted["symbols"]]) == asked


async def test_an_alarm_about_what_matters_no_more_is_over(desk: Desk) -> None:
    await desk.signal("SPY")
    await desk.signal("ZZZZ", age=timedelta(days=4, hours=23))
    await desk.round()
    await desk.round(6)
    assert set(await desk.alarms()) == {"ZZZZ"}
    desk.clock.forward(3_600)
    await desk.round(60)
    assert await desk.alarms() == {}


class TestWatched:
    """What matters."""

    async def read(self, desk: Desk) -> dict[str, tuple[set[str], int | None]]:
        async with desk.house.pool.acquire() as connection:
            watched = await read_watched(connection, desk.clock.now)
        return {symbol: (set(one.timeframes), one.option_days) for symbol, one in watched.items()}

    async def test_signals_of_the_last_days(self, desk: Desk) -> None:
        await desk.signal("SPY", "5m")
        await desk.signal("SPY", "1D")
        await desk.signal("QQQ", age=timedelta(days=6))
        await desk.signal("IWM", option=True)
        await desk.signal("AAPL", "tick", settings={"options": {"trade": "always", "rule": "tier", "tier": "LEAPS"}})
        await desk.signal("MSFT", settings={"options": {"trade": "always"}})
        assert await self.read(desk) == {
            "SPY": ({"M1", "M5", "D1"}, None),
            "IWM": ({"M1"}, 21),
            "AAPL": ({"M1"}, 720),
            "MSFT": ({"M1"}, 21),
        }

    async def test_strategies_that_are_off_do_not_matter_but_their_lists_do_while_on(self, desk: Desk) -> None:
        strategy_id = await desk.signal("QQQ", allowed_pairs=["spy", "BTCUSD"])
        assert (await self.read(desk)).keys() == {"QQQ", "SPY", "BTCUSD"}
        await desk.house.pool.execute("UPDATE strategies SET is_enabled = false WHERE strategy_id = $1", strategy_id)
        assert await self.read(desk) == {}

    async def test_terminals_tell_their_own_prices(self, desk: Desk) -> None:
        await desk.signal("SPY")
        await desk.house.pool.execute("UPDATE accounts SET kind = 'mt5'")
        assert await self.read(desk) == {}

    async def test_positions_and_orders_that_rest(self, desk: Desk) -> None:
        house = desk.house
        await house.bar(-1, "60000 60000 60000 60000", "BTCUSD")
        await house.alert(await house.new_strategy(), {"action": "buy", "symbol": "BTCUSD", "quantity": "0.01"})
        await house.decide()
        assert await house.pool.fetchval("SELECT count(*) FROM positions WHERE symbol = 'BTCUSD'") == 1
        await house.pool.execute("DELETE FROM signals")
        assert (await self.read(desk)).keys() == {"BTCUSD"}
        await house.pool.execute("UPDATE positions SET symbol = 'SPY260320C00500000', underlying = 'SPY'")
        async with house.pool.acquire() as connection:
            (spy,) = (await read_watched(connection, desk.clock.now)).values()
        assert (spy.symbol, spy.option_days, [one.symbol for one in spy.contracts]) == ("SPY", 21, ["SPY260320C00500000"])
        assert spy.accounts == {house.account_id}


async def test_one_of_many_fetches_and_another_takes_its_place(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PRICES_SECONDS", "CHAINS_SECONDS", "WAITING_SECONDS"):
        monkeypatch.setattr(loop, name, 0.2)
    await desk.signal("SPY")
    connected: list[asyncpg.Connection] = []

    async def connect_now(name: str) -> asyncpg.Connection:
        made = await connect(database, name=name)
        connected.append(made)
        return made

    loops = [
        FeedLoop(desk.house.pool, partial(connect_now, name), desk.feed, lambda: None, quote_seconds=5, now=desk.clock)
        for name in ("one", "two")
    ]
    first = asyncio.create_task(loops[0].run())
    await wait_until_async(lambda: loops[0].pulse.counters["bars"] == 30, "the first fetches")
    second = asyncio.create_task(loops[1].run())
    await wait_until_async(lambda: loops[1].pulse.succeeded_at is not None, "the second waits")
    assert loops[1].pulse.counters == {}
    loops[0].stop()
    await first
    desk.clock.forward(60)
    await wait_until_async(lambda: loops[1].pulse.counters["bars"] > 0, "the second fetches")
    connected[-1].terminate()
    await wait_until_async(lambda: len(connected) == 3, "it takes its place again")
    loops[1].stop()
    await second
