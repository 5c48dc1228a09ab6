"""Pages of bars on PostgreSQL: complete, without repeats, bounded, and read from the index alone."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap
from hookfill.market import reading
from hookfill.market.aggregate import BROKER_DAYS, DayRule
from hookfill.market.reading import SQL, Cursor, InvalidCursor, Question, read_candles
from hookfill.market.timeframes import bar_seconds
from hookfill.postgres.tenancy import as_user
from support.bars import LATE, all_bars, flat_bars, pages, put
from support.plans import explain, vacuum

START = datetime(2026, 2, 2, tzinfo=UTC)
"""A Monday."""
MINUTE = timedelta(minutes=1)
INDEX = "market_data_candles_symbol_timeframe_timestamp_key"


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


async def test_random_pages_are_complete_and_repeat_nothing(connection: asyncpg.Connection) -> None:
    chance = random.Random(20260202)
    stored = sorted(START + chance.randrange(6_000) * MINUTE for _ in range(900))
    stored = sorted(set(stored))
    await put(connection, "BTCUSDT", "M1", flat_bars(stored))
    await put(connection, "BTCUSDT", "M5", flat_bars([START - timedelta(days=9)]))
    for _ in range(40):
        timeframe = chance.choice(["M1", "M15", "H1", "H4", "D1"])
        start, end = sorted(START + chance.randrange(-500, 7_000) * MINUTE for _ in range(2))
        limit = chance.choice([1, 7, 50, 1_000])
        step = timedelta(seconds=bar_seconds(timeframe))
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        source = [START - timedelta(days=9)] if timeframe != "M1" else stored
        opens = sorted({epoch + (at - epoch) // step * step for at in source})
        for low, high in ((start, end), (None, end), (None, None)):
            expected = [ms(at) for at in opens if (low is None or low <= at) and (high is None or at < high)]
            found = await all_bars(connection, Question("BTCUSDT", timeframe, low, high, limit))
            assert [bar["timestamp"] for bar in found] == expected, (timeframe, low, high, limit)


@pytest.mark.parametrize("timeframe", ["M5", "H1", "H4", "D1", "W1"])
async def test_pages_that_are_made_leap_over_holes(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, timeframe: str
) -> None:
    """A hole of years takes no pages of its own, and a page never reads more smaller bars than it may."""
    monkeypatch.setattr(reading, "MOST_READ", 3_000)
    hours = [START + hour * timedelta(hours=1) for hour in (*range(40), *range(30_000, 30_040))]
    await put(connection, "BTCUSDT", "M1", flat_bars(hours))
    for start in (START - timedelta(days=4_000), None):
        found = await pages(connection, Question("BTCUSDT", timeframe, start, limit=25))
        told = [bar["timestamp"] for page in (found if start else reversed(found)) for bar in page]
        step = bar_seconds(timeframe) * 1000
        monday = ms(datetime(1969, 12, 29, tzinfo=UTC)) if timeframe == "W1" else 0
        assert told == sorted({(ms(at) - monday) // step * step + monday for at in hours})
        assert len(found) <= 40


async def test_two_kinds_of_bars_never_stand_side_by_side(connection: asyncpg.Connection) -> None:
    await put(connection, "EURUSD", "M1", flat_bars(START + n * MINUTE for n in range(120)))
    await put(connection, "EURUSD", "H1", flat_bars([START]))
    page = await read_candles(connection, Question("EURUSD", "H1"), LATE)
    assert (page.bars, page.source) == (1, "H1")
    page = await read_candles(connection, Question("EURUSD", "H1", START + timedelta(hours=1)), LATE)
    assert (page.bars, page.source, page.body) == (0, None, b"[]")
    page = await read_candles(connection, Question("EURUSD", "H4"), LATE)
    assert (page.bars, page.source) == (1, "H1")


async def test_days_cut_otherwise_are_made_anew_where_there_is_something_smaller(connection: asyncpg.Connection) -> None:
    await put(connection, "EURUSD", "D1", flat_bars([START]))
    question = Question("EURUSD", "D1", rule=DayRule())
    assert (await read_candles(connection, question, LATE)).source == "D1"
    await put(connection, "EURUSD", "H1", flat_bars(START + n * timedelta(hours=1) for n in range(30)))
    page = await read_candles(connection, question, LATE)
    assert (page.bars, page.source) == (2, "H1")
    hours = Question("EURUSD", "H1", rule=BROKER_DAYS)  # which days don't change
    assert (await read_candles(connection, hours, LATE)).bars == 30


@pytest.mark.parametrize("source", ["H1", "M30"])
async def test_the_last_bar_is_forming_until_its_slot_is_over(connection: asyncpg.Connection, source: str) -> None:
    await put(connection, "EURUSD", source, flat_bars([START, START + timedelta(hours=1)]))
    closes = START + timedelta(hours=2)
    question = Question("EURUSD", "H1")
    assert (await read_candles(connection, question, closes - MINUTE)).forming_at == START + timedelta(hours=1)
    assert (await read_candles(connection, question, closes)).forming_at is None


async def test_volumes_that_are_not_told_stay_untold(connection: asyncpg.Connection) -> None:
    price = [Decimal("1.5")] * 4
    untold = [(START + n * MINUTE, *price, None) for n in range(5)]
    told = [(START + n * MINUTE, *price, None if n == 7 else 2**62) for n in range(5, 10)]
    await put(connection, "EURUSD", "M1", untold + told)
    found = await all_bars(connection, Question("EURUSD", "M5"))
    assert [bar["volume"] for bar in found] == [None, 4 * 2**62]


@pytest.mark.parametrize("at", [START, START + timedelta(microseconds=1)])
@pytest.mark.parametrize("is_backwards", [True, False])
def test_a_cursor_survives_its_text(at: datetime, is_backwards: bool) -> None:
    assert Cursor.parse(str(Cursor(at, is_backwards))) == Cursor(at, is_backwards)


@pytest.mark.parametrize(
    "text", ["", "a", "a1", "x1770000000000000", "a1770000000000000 ", "a9999999999999999", "b000000000000000"]
)
def test_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursor, match="X-Next-Cursor"):
        Cursor.parse(text)


SYMBOLS, MINUTES = 40, 1_500


@pytest.fixture
async def crowded(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Bars of many symbols as they arrive, minute by minute, seen as one person sees them."""
    owner = await bootstrap(connection, "canary-token-of-the-plans")
    await connection.execute(
        "INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close, volume)"
        " SELECT 'S' || n % $1::integer, 'M1', $3::timestamptz + n / $1::integer * interval '1 minute', 1.5, 1.6, 1.4, 1.5, n"
        " FROM generate_series(0, $1::integer * $2::integer - 1) AS n",
        SYMBOLS, MINUTES, START,
    )  # fmt: skip
    await vacuum(connection, "market_data_candles")
    async with as_user(connection, owner):
        yield connection


async def look(connection: asyncpg.Connection, statement: str, *arguments: object) -> int:
    """How many bars a statement looks at, all of them in the index alone, however it is planned."""
    plans = await explain(connection, statement, *arguments)
    for plan in plans:
        for step in plan.scans("market_data_candles"):
            assert (step["Node Type"], step["Index Name"], step["Heap Fetches"]) == ("Index Only Scan", INDEX, 0), plan
    return max(plan.rows("market_data_candles") for plan in plans)


@pytest.mark.parametrize("statement", ["bars_forwards", "bars_backwards"])
async def test_a_chart_looks_at_no_more_bars_than_it_shows(crowded: asyncpg.Connection, statement: str) -> None:
    sql = getattr(SQL, statement).sql
    assert await look(crowded, sql, "S7", "M1", START, LATE, 500) == 501
    assert await look(crowded, sql, "S7", "M1", START + 100 * MINUTE, START + 120 * MINUTE, 500) == 20
    assert await look(crowded, sql, "UNHEARD", "M1", START, LATE, 500) == 0


async def test_bars_that_are_made_look_at_their_slots_only(crowded: asyncpg.Connection) -> None:
    opens = [START + n * 15 * MINUTE for n in range(10, 20)]
    closes = [at + 15 * MINUTE for at in opens]
    assert await look(crowded, SQL.bars_of_slots.sql, "S7", "M1", opens, opens, closes) == 150


async def test_small_questions_are_single_looks(crowded: asyncpg.Connection) -> None:
    assert await look(crowded, SQL.stored_timeframes.sql, "S7", ["M1", "M5", "H1"]) == 1
    assert await look(crowded, SQL.edges.sql, "S7", "M1", START + 100 * MINUTE, LATE) == 2
    assert await look(crowded, SQL.next_series.sql, "S3", "M1") == 1


async def test_taking_stock_looks_at_no_more_bars_than_it_may(crowded: asyncpg.Connection) -> None:
    assert await look(crowded, SQL.breaks.sql, "S7", "M1", START, MINUTE, 700, 100) == 700
