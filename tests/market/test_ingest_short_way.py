"""The short way of a batch, through PostgreSQL's own JSON functions, accepts and stores just what the long way does."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfill.kernel.strict_json import StrictJsonError
from hookfill.market.ingest import read_body
from hookfill.market.plain import plain_batch
from hookfill.market.store import Stored, become_candle_writer, store_plain, store_reading

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
USUAL: dict[str, str] = {
    "symbol": '"EURUSD"', "timeframe": '"M5"', "timestamp": '"2026-03-02T10:00:00Z"', "open": "1.1", "high": "1.2", "low": "1.0",
    "close": "1.15", "volume": "7",
}  # fmt: skip
"""A candle's members as JSON text, so that every spelling can be tried."""

ROWS = (
    "SELECT symbol, timeframe, timestamp, open::text, high::text, low::text, close::text, volume"
    " FROM market_data_candles ORDER BY 1, 2, 3"
)
QUOTES = "SELECT symbol, price::text, quoted_at, source, bar_seconds, bar_low::text, bar_high::text FROM quotes ORDER BY 1"


def body_of(*candles: dict[str, str], wrap: str = '{"candles":%s}') -> bytes:
    members = ["{" + ",".join(f'"{name.rstrip("+")}":{value}' for name, value in candle.items()) + "}" for candle in candles]
    return (wrap % f"[{','.join(members)}]").encode()


async def outcome(connection: asyncpg.Connection, body: bytes, *, short: bool) -> tuple[Any, ...] | None:
    """What one way makes of a batch, on an empty store: the answer, the bars, the quotes; None: refused. Undone at the end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        stored = await (_short(connection, body) if short else _long(connection, body))
        return stored and (stored, await connection.fetch(ROWS), await connection.fetch(QUOTES))
    except asyncpg.DataError:
        return None
    finally:
        await transaction.rollback()


async def _short(connection: asyncpg.Connection, body: bytes) -> Stored | None:
    batch = plain_batch(body)
    if batch is None:
        return None
    await become_candle_writer(connection)
    return await store_plain(connection, batch, NOW)


async def _long(connection: asyncpg.Connection, body: bytes) -> Stored | None:
    try:
        batch = read_body(body, NOW)
    except StrictJsonError:
        return None
    return None if batch.faults else await store_reading(connection, batch, NOW)


SHORT = [
    {},
    {"open": "1.10", "high": "1.20000", "low": "1", "close": "1.15000"},
    {"open": "11e-1", "high": "0.12E1"},
    {"open": "0.0000000001", "high": "999999999999999.9999999999", "low": "0.0000000001"},
    {"timestamp": "1772445600"},
    {"timestamp": "1772445600000"},
    {"timestamp": '"2026-03-02T15:30:00+05:30"'},
    {"timestamp": '"2026-03-02T09:00:00-00:00"'},
    {"timestamp": '"2024-02-29T00:00:00Z"', "timeframe": '"D1"'},
    {"timestamp": '"1990-01-01T00:00:00Z"', "timeframe": '"MN1"'},
    {"timestamp": '"2026-03-02T12:00:00Z"'},
    {"symbol": '"BRK.B"', "volume": "0"},
    {"symbol": '"ES1!"', "volume": "9223372036854775807"},
]


@pytest.mark.parametrize("changes", SHORT, ids=str)
async def test_usual_batches_go_the_short_way(connection: asyncpg.Connection, changes: dict[str, str]) -> None:
    body = body_of(USUAL | changes, USUAL | {"timeframe": '"H1"'})
    short = await outcome(connection, body, short=True)
    assert short is not None
    assert short == await outcome(connection, body, short=False)


async def test_without_volumes_too(connection: asyncpg.Connection) -> None:
    bare = {name: value for name, value in USUAL.items() if name != "volume"}
    body = body_of(bare, bare | {"timeframe": '"H1"'})
    short = await outcome(connection, body, short=True)
    assert short is not None
    assert short == await outcome(connection, body, short=False)


@pytest.mark.parametrize(
    ("wrap", "revise"),
    [
        ('{"candles":%s}', False),
        (' {\n"candles" : %s }\r\n', False),
        ('{"candles":%s,"revise":true}', True),
        ('{"candles":%s , "revise" : false }', False),
        ('{"revise":true, "candles":%s}', True),
    ],
)
def test_the_wrapping_says_whether_to_revise(wrap: str, revise: bool) -> None:
    batch = plain_batch(body_of(USUAL, USUAL, wrap=wrap))
    assert batch is not None
    assert (bytes(batch.candles), batch.entries, batch.revise) == (body_of(USUAL, USUAL, wrap="%s"), 2, revise)


@pytest.mark.parametrize(
    "wrap",
    [
        "%s", '{"candles":%s,"x":1}', '{"x":1,"candles":%s}', '{"revise":true,"candles":%s,"revise":true}', '{"candles":%s',
        '{"candles":%s}}', '{"candles":%s}x', '{"can dles":%s}', '{"candles":%s,"revise":tr ue}', '{"candles":%s,"revise":1}',
        '\ufeff{"candles":%s}', '{"candles":%s,"candles":%s}', '{"candles":[],"candles":%s}', '\x0b{"candles":%s}',
    ],
)  # fmt: skip
def test_other_wrappings_go_the_long_way(wrap: str) -> None:
    array = body_of(USUAL, wrap="%s").decode()
    assert plain_batch(wrap.replace("%s", array).encode()) is None


HIDDEN = [
    {"open+": "9"},  # a key twice
    {"volume+": "7"},
    {"symbol": '"SYMBOL"', "symbol+": '"EURUSD"'},
    {"open": '"1.1"'},
    {"open": '"NaN"', "high": '"NaN"'},
    {"open": '" 0x1 "'},
    {"open": '"1.1"', "timestamp": "1772445600"},
    {"open": '"1.1"', "timeframe": "5"},
    {"volume": '"7"'},
    {"volume": "null"},
    {"volume": "7.0"},
    {"volume": "7e0"},
    {"volume": "-1"},
    {"volume": "1e400"},
    {"volume": "9223372036854775808"},
    {"volume": "true"},
    {"open": "true"},
    {"open": "null"},
    {"open": "NaN"},
    {"open": "Infinity"},
    {"open": "1e-400"},
    {"open": "0.11e+0000000000000000000000000000000000000000000000000000000000000000001"},
    {"open": "1.1" + "0" * 70},
    {"open": "1.10000000001"},
    {"open": "-1", "low": "-1"},
    {"low": "0"},
    {"high": "1e15"},
    {"high": "1.0999"},
    {"close": "1.21"},
    {"low": "0.99999999999"},
    {"timestamp": '"2026-03-02T10:00:00"'},
    {"timestamp": '"2026-03-02 10:00:00Z"'},
    {"timestamp": '"20260302T100000Z"'},
    {"timestamp": '"2026-03-02T10:00:60Z"'},
    {"timestamp": '"2026-03-02T24:00:00Z"'},
    {"timestamp": '"2026-02-30T10:00:00Z"'},
    {"timestamp": '"2026-03-02T10:00:00+25:00"'},
    {"timestamp": '"2026-03-02T10:02:31Z"'},
    {"timestamp": '"2026-03-02T12:05:00Z"'},
    {"timestamp": '"2026-03-02T12:10:00Z"'},
    {"timestamp": '"1989-12-31T23:55:00Z"'},
    {"timestamp": '"now"'},
    {"timestamp": '"1772445600"'},
    {"timestamp": "1772445600.5"},
    {"timestamp": "1772445600001"},
    {"timestamp": "-1772445600"},
    {"timestamp": "true"},
    {"timeframe": '"5"'},
    {"timeframe": "5"},
    {"timeframe": '"1h"'},
    {"timeframe": '"M7"'},
    {"symbol": '"eurusd"'},
    {"symbol": '"OANDA:EURUSD"'},
    {"symbol": '" EURUSD"'},
    {"symbol": '""'},
    {"symbol": '"ß"'},
    {"symbol": '"EUR\\u0055SD"'},
    {"symbol": '"' + "X" * 33 + '"'},
    {"symbol": "true"},
    {"symbol": "{}"},
    {"symbol": "[]"},
    {"Open": "1.1"},
    {"spread": "3"},
    {"revise": "true"},
    {"revise": "1"},
    {"x": '"a}{b"'},
    {"open": "01.1"},
    {"open": "1."},
    {"open": "+1.1"},
]


@pytest.mark.parametrize("changes", HIDDEN, ids=str)
async def test_whatever_is_odd_or_wrong_is_left_to_the_long_way(connection: asyncpg.Connection, changes: dict[str, str]) -> None:
    """Beside a second bar that may make up for what this one has too many or too few of."""
    for other in (USUAL, {name: value for name, value in USUAL.items() if name != "volume"}):
        body = body_of(USUAL | changes, other | {"timeframe": '"H1"'})
        assert await outcome(connection, body, short=True) is None


async def test_missing_keys_are_not_made_up_by_others_twice(connection: asyncpg.Connection) -> None:
    for missing in USUAL:
        less = {name: value for name, value in USUAL.items() if name != missing} | {"timeframe": '"H1"'}
        for twice, value in USUAL.items():
            body = body_of(less, USUAL | {f"{twice}+": value})
            assert await outcome(connection, body, short=True) is None, (missing, twice)


ODD: dict[str, list[str]] = {}
for change in [*SHORT, *HIDDEN]:
    for key, text in change.items():
        ODD.setdefault(key, []).append(text)
one_change = st.sampled_from(sorted(ODD)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(ODD[name])))
candles = st.lists(one_change, max_size=3).map(dict)
minutes = st.sampled_from([0, 5, 10])


@st.composite
def batches(draw: st.DrawFn) -> bytes:
    """Some bars that overlap, with nothing, little or much that is odd about them."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        at = NOW - timedelta(hours=1, minutes=draw(minutes))
        base = USUAL | {"timestamp": f'"{at.isoformat()}"', "close": draw(st.sampled_from(["1.15", "1.1", "1.150"]))}
        base["symbol"] = draw(st.sampled_from(['"EURUSD"', '"GBPUSD"']))
        changed = base | (draw(candles) if draw(st.integers(0, 2)) == 2 else {})
        names = [name for name in changed if name != draw(st.sampled_from(["", "", "", *USUAL]))]
        if draw(st.booleans()):
            random.Random(draw(st.integers(0, 9))).shuffle(names)
        made.append({name: changed[name] for name in names})
    return body_of(
        *made, wrap=draw(st.sampled_from(['{"candles":%s}', '{ "revise": true, "candles": %s }', '{"candles":%s,"x":0}']))
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=batches())
async def test_both_ways_agree(body: bytes, connection: asyncpg.Connection) -> None:
    """What the short way accepts, the long way accepts too, with the same answer, bars and quotes."""
    short = await outcome(connection, body, short=True)
    assert short is None or short == await outcome(connection, body, short=False)


async def test_damaged_bytes_are_never_taken_for_more_than_they_are(connection: asyncpg.Connection) -> None:
    sound = body_of(USUAL)
    assert await outcome(connection, sound, short=True) is not None
    for position in range(len(sound)):
        for wrong in (b"", b"\xff", b"\x00", b","):
            damaged = sound[:position] + wrong + sound[position + 1 :]
            short = await outcome(connection, damaged, short=True)
            assert short is None or short == await outcome(connection, damaged, short=False), damaged


async def test_large_values_of_every_digit_are_exact(connection: asyncpg.Connection) -> None:
    prices = [Decimal(10**number) / 10**10 for number in range(20)]
    bodies = [
        USUAL | dict.fromkeys(("open", "high", "low", "close"), format(price, "f")) | {"timestamp": str(1772400000 + 300 * number)}
        for number, price in enumerate(prices)
    ]
    short = await outcome(connection, body_of(*bodies), short=True)
    assert short is not None
    assert [Decimal(row["close"]) for row in short[1]] == prices
    assert json.loads(body_of(*bodies))["candles"][0]["volume"] == short[1][0]["volume"]
