"""``GET /api/v1/candles`` over HTTP: what it answers, page by page, and how clients save themselves the next answer."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.api.candle_models import Bar
from support.house import CANDLES_KEY, TOKEN, House

PATH = "/api/v1/candles"
FIRST = datetime(2026, 2, 2, tzinfo=UTC)
"""A Monday."""


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def candle(
    number: int, *, symbol: str = "BTCUSDT", timeframe: str = "M1", step: timedelta = timedelta(minutes=1)
) -> dict[str, Any]:
    at, price = FIRST + number * step, Decimal("1.08000") + number * Decimal("0.0001")
    bounds = {
        "open": price,
        "high": price + Decimal("0.0003"),
        "low": price - Decimal("0.0002"),
        "close": price + Decimal("0.0001"),
    }
    return {"symbol": symbol, "timeframe": timeframe, "timestamp": at.isoformat(), **bounds, "volume": number}


async def push(house: House, candles: list[Mapping[str, Any]]) -> None:
    headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": "2026-03-02T12:00:00Z"}
    content = json.dumps({"candles": candles}, default=str)
    answer = await house.client.post(PATH, content=content, headers=headers)
    assert answer.status_code == 201, answer.text


async def read(house: House, headers: Mapping[str, str] | None = None, **parameters: Any) -> httpx.Response:
    sent = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "identity", **(headers or {})}
    named = {"symbol": "BTCUSDT", "timeframe": "M1", **{name.removesuffix("_"): value for name, value in parameters.items()}}
    answer = await house.client.get(PATH, params={name: value for name, value in named.items() if value is not None}, headers=sent)
    assert answer.status_code < 500, answer.text
    return answer


def bars(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = json.loads(answer.content, parse_float=Decimal)
    for bar in found:
        Bar.model_validate(bar)
    return found


async def test_bars_come_back_as_they_were_pushed_ascending(house: House) -> None:
    await push(house, [candle(2), candle(0), {**candle(1), "volume": None}])
    answer = await read(
        house, symbol=" binance:btcusdt ", timeframe="1m", from_=int(FIRST.timestamp()), to="2026-02-02T01:02:00+01:00"
    )
    price = Decimal("1.08000")
    assert bars(answer) == [
        {
            "timestamp": ms(FIRST) + 60_000 * number,
            "open": price + step,
            "high": price + step + Decimal("0.0003"),
            "low": price + step - Decimal("0.0002"),
            "close": price + step + Decimal("0.0001"),
            "volume": volume,
        }
        for number, step, volume in ((0, Decimal(0), 0), (1, Decimal("0.0001"), None))
    ]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-candles-source"] == "M1"
    assert "x-next-cursor" not in answer.headers
    assert "x-candles-forming" not in answer.headers


async def test_nothing_known_is_an_empty_list(house: House) -> None:
    answer = await read(house, symbol="UNHEARD")
    assert (bars(answer), answer.headers.get("x-candles-source")) == ([], None)


async def test_without_a_start_the_newest_come_first_page_by_page(house: House) -> None:
    await push(house, [candle(number) for number in range(10)])
    assert [bar["volume"] for bar in bars(await read(house, limit=4))] == [6, 7, 8, 9]
    first = await read(house, limit=4, to=ms(FIRST) + 9 * 60_000)
    assert [bar["volume"] for bar in bars(first)] == [5, 6, 7, 8]
    second = await read(house, limit=4, to=ms(FIRST) + 9 * 60_000, cursor=first.headers["x-next-cursor"])
    third = await read(house, limit=4, cursor=second.headers["x-next-cursor"])
    assert [bar["volume"] for bar in bars(second) + bars(third)] == [1, 2, 3, 4, 0]
    assert "x-next-cursor" not in third.headers


async def test_the_link_leads_to_the_next_page(house: House) -> None:
    await push(house, [candle(number) for number in range(10)])
    answer = await read(house, limit=3, from_=ms(FIRST), to=ms(FIRST) + 8 * 60_000)
    seen = [bar["volume"] for bar in bars(answer)]
    while "link" in answer.headers:
        path = answer.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
        answer = await house.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
        seen += [bar["volume"] for bar in bars(answer)]
    assert seen == list(range(8))


async def test_a_bar_that_has_not_closed_is_named(house: House) -> None:
    await push(house, [candle(0)])
    async with house.pool.acquire() as connection:
        await connection.execute("UPDATE simulated_clock SET now_at = $1", FIRST + timedelta(seconds=59))
    assert (await read(house)).headers["x-candles-forming"] == str(ms(FIRST))
    async with house.pool.acquire() as connection:
        await connection.execute("UPDATE simulated_clock SET now_at = $1", FIRST + timedelta(seconds=60))
    assert "x-candles-forming" not in (await read(house)).headers


async def test_larger_bars_are_made_of_smaller_ones(house: House) -> None:
    await push(house, [candle(number, timeframe="M30", step=timedelta(minutes=30)) for number in range(9)])
    answer = await read(house, timeframe="H4", from_=ms(FIRST))
    price = Decimal("1.08000")
    first = {"open": price, "high": price + Decimal("0.0010"), "low": price - Decimal("0.0002"), "close": price + Decimal("0.0008")}
    assert bars(answer)[0] == {"timestamp": ms(FIRST), **first, "volume": 28}
    assert [bar["timestamp"] for bar in bars(answer)] == [ms(FIRST), ms(FIRST) + 4 * 3_600_000]
    assert answer.headers["x-candles-source"] == "M30"
    await push(house, [candle(0, timeframe="H4")])
    assert len(bars(await read(house, timeframe="H4"))) == 1, "what is stored is never filled up"


async def test_days_can_be_cut_otherwise(house: House) -> None:
    await push(house, [candle(number, timeframe="H1", step=timedelta(hours=1)) for number in range(48)])
    days = bars(await read(house, timeframe="D1"))
    assert [bar["timestamp"] for bar in days] == [ms(FIRST), ms(FIRST) + 86_400_000]
    days = bars(await read(house, timeframe="D1", day_boundary="17:00", zone="America/New_York"))
    assert [bar["timestamp"] - ms(FIRST) for bar in days] == [-2 * 3_600_000, 22 * 3_600_000, 46 * 3_600_000]
    days = bars(await read(house, timeframe="D1", zone="Asia/Kolkata"))
    assert [bar["timestamp"] - ms(FIRST) for bar in days] == [-330 * 60_000, 1_110 * 60_000, 2_550 * 60_000]


async def test_an_answer_about_the_past_can_be_kept_and_asked_after(house: House) -> None:
    await push(house, [candle(number) for number in range(30) if number != 5])
    past = {"from_": ms(FIRST), "to": ms(FIRST) + 20 * 60_000}
    answer = await read(house, **past)
    assert answer.headers["cache-control"] == "private, max-age=300"
    tag = answer.headers["etag"]
    for sent in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = await read(house, {"If-None-Match": sent}, **past)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await read(house, {"If-None-Match": '"other"'}, **past)).status_code == 200
    await push(house, [candle(0, symbol="ETHUSDT")])
    assert (await read(house, {"If-None-Match": tag}, **past)).status_code == 304
    await push(house, [candle(5)])
    assert (await read(house, {"If-None-Match": tag}, **past)).status_code == 200
    assert (await read(house)).headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "gzip"), ("*", "gzip"), ("identity", None), ("gzip;q=0", None), ("GZIP;q=0.5", "gzip"), ("br", None)],
)
async def test_large_answers_are_compressed_for_who_takes_it(house: House, accepted: str, encoding: str | None) -> None:
    await push(house, [candle(number) for number in range(60)])
    async with house.client.stream(
        "GET",
        PATH,
        params={"symbol": "BTCUSDT", "timeframe": "M1"},
        headers={"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": accepted},
    ) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert len(json.loads(gzip.decompress(raw) if encoding else raw)) == 60


async def test_a_small_answer_is_not_compressed(house: House) -> None:
    await push(house, [candle(0)])
    assert "content-encoding" not in (await read(house, {"Accept-Encoding": "gzip"})).headers


@pytest.mark.parametrize(
    "parameters",
    [
        {"symbol": None},
        {"symbol": ""},
        {"symbol": "NYSE:"},
        {"symbol": "A\0B"},
        {"symbol": "X" * 33},
        {"timeframe": None},
        {"timeframe": "M7"},
        {"timeframe": "m"},
        {"from_": "2026-02-02T00:00:00"},
        {"from_": "yesterday"},
        {"from_": 1},
        {"to": 10**20},
        {"from_": "2026-02-02T00:00:01Z", "to": "2026-02-02T00:00:00Z"},
        {"limit": 0},
        {"limit": 50_001},
        {"cursor": "c1770000000000000"},
        {"cursor": "a9999999999999999"},
        {"cursor": "a"},
        {"zone": "Mars/Olympus"},
        {"day_boundary": "24:00"},
        {"day_boundary": "17:00:00"},
    ],
)
async def test_what_cannot_be_used_is_named(house: House, parameters: dict[str, Any]) -> None:
    answer = await read(house, **parameters)
    assert answer.status_code == 422, answer.text
    names = {fault["loc"][-1] for fault in answer.json()["detail"]}
    assert names <= {name.removesuffix("_") for name in parameters}


async def test_who_may_push_may_read_and_nobody_else(house: House) -> None:
    await push(house, [candle(0)])
    for scope, status in (("read", 200), ("candles", 200), ("trade", 200)):
        made = await house.client.post(
            "/api/v1/api-keys", json={"label": scope, "scopes": [scope]}, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert made.status_code == 201, made.text
        answer = await house.client.get(
            PATH, params={"symbol": "BTCUSDT", "timeframe": "M1"}, headers={"X-API-KEY": made.json()["key"]}
        )
        assert answer.status_code == status, scope
    assert (await house.client.get(PATH, params={"symbol": "BTCUSDT", "timeframe": "M1"})).status_code == 401


async def test_other_methods_are_told_which_ones_there_are(house: House) -> None:
    answer = await house.client.delete(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
