"""``GET /api/v1/candles/coverage`` and ``GET /api/v1/quotes`` over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.api.candle_models import LastPrice, Series
from hookfill.kernel.ids import new_id
from hookfill.market import series
from support.asking import OTHER
from support.house import CANDLES_KEY, TOKEN, House

MONDAY = datetime(2026, 2, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def push(house: House, symbol: str, timeframe: str, *opened_at: datetime, price: str = "1.1") -> None:
    shared = {"symbol": symbol, "timeframe": timeframe, "open": price, "high": price, "low": price, "close": price}
    content = json.dumps({"candles": [{**shared, "timestamp": at.isoformat(), "volume": 1} for at in opened_at]})
    headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": "2026-03-02T12:00:00Z"}
    answer = await house.client.post("/api/v1/candles", content=content, headers=headers)
    assert answer.status_code == 201, answer.text


async def get(house: House, path: str, token: str = TOKEN, **parameters: Any) -> httpx.Response:
    answer = await house.client.get(f"/api/v1/{path}", params=parameters, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code < 500, answer.text
    return answer


async def test_a_planted_gap_is_told_and_a_weekend_is_none(house: House) -> None:
    friday = MONDAY - timedelta(days=3)
    hours = [friday + n * HOUR for n in range(22)] + [MONDAY - 2 * HOUR + n * HOUR for n in range(12) if n not in (5, 6)]
    await push(house, "EURUSD", "H1", *hours)
    [told] = (await get(house, "candles/coverage", symbol="eurusd", timeframe="60")).json()
    Series.model_validate(told)
    assert told == {
        "symbol": "EURUSD",
        "timeframe": "H1",
        "bars": 32,
        "ranges": [
            {"from": "2026-01-30T00:00:00Z", "to": "2026-02-02T03:00:00Z", "bars": 27},
            {"from": "2026-02-02T05:00:00Z", "to": "2026-02-02T10:00:00Z", "bars": 5},
        ],
        "gaps": [{"from": "2026-02-02T03:00:00Z", "to": "2026-02-02T05:00:00Z", "missing_bars": 2}],
    }


async def test_every_series_is_told_of_in_order(house: House) -> None:
    for symbol, timeframe in (("ETHUSDT", "M5"), ("BTCUSDT", "M1"), ("BTCUSDT", "H1"), ("AAPL", "D1")):
        await push(house, symbol, timeframe, MONDAY)

    async def names(**parameters: Any) -> list[tuple[str, str]]:
        answer = await get(house, "candles/coverage", **parameters)
        assert "x-next-cursor" not in answer.headers
        return [(one["symbol"], one["timeframe"]) for one in answer.json()]

    assert await names() == [("AAPL", "D1"), ("BTCUSDT", "H1"), ("BTCUSDT", "M1"), ("ETHUSDT", "M5")]
    assert await names(symbol="BTCUSDT") == [("BTCUSDT", "H1"), ("BTCUSDT", "M1")]
    assert await names(timeframe="M5") == [("ETHUSDT", "M5")]
    assert await names(symbol="BTCUSDT", timeframe="M5") == []
    assert await names(symbol="BTC") == []


@pytest.mark.parametrize("bound", ["MOST_BARS", "MOST_BREAKS", "MOST_SERIES"])
async def test_pages_tell_of_everything_once(house: House, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    minutes = [n for n in range(60) if n % 7 not in (3, 4)]
    for symbol in ("BTCUSDT", "ETHUSDT", "Ω#/ 1"):
        await push(house, symbol, "M1", *(MONDAY + timedelta(minutes=n) for n in minutes))
    whole = (await get(house, "candles/coverage")).json()
    monkeypatch.setattr(series, bound, 1 if bound == "MOST_SERIES" else 5)
    told: dict[str, list[Any]] = {}
    gaps: dict[str, list[Any]] = {}
    cursor, pages = None, 0
    while cursor is not None or not pages:
        answer = await get(house, "candles/coverage", **({"cursor": cursor} if cursor else {}))
        for one in answer.json():
            told.setdefault(one["symbol"], []).extend(one["ranges"])
            gaps.setdefault(one["symbol"], []).extend(one["gaps"])
        cursor, pages = answer.headers.get("x-next-cursor"), pages + 1
    assert pages > 3
    assert gaps == {one["symbol"]: one["gaps"] for one in whole}
    for one in whole:
        joined: list[Any] = []
        for piece in told[one["symbol"]]:
            if joined and joined[-1]["to"] == piece["from"]:
                joined[-1] = {"from": joined[-1]["from"], "to": piece["to"], "bars": joined[-1]["bars"] + piece["bars"]}
            else:
                joined.append(piece)
        assert joined == one["ranges"]
        assert sum(piece["bars"] for piece in joined) == len(minutes)


@pytest.mark.parametrize(
    "parameters", [{"timeframe": "M7"}, {"symbol": ""}, {"cursor": "x"}, {"cursor": "!"}, {"cursor": "SDEuLkE" * 40}]
)
async def test_what_cannot_be_used_is_refused(house: House, parameters: dict[str, str]) -> None:
    assert (await get(house, "candles/coverage", **parameters)).status_code == 422


async def test_the_last_prices_with_source_age_and_bar(house: House) -> None:
    await push(house, "EURUSD", "M1", MONDAY, price="1.25")
    await push(house, "BTCUSDT", "H1", MONDAY, price="64000.5")
    async with house.pool.acquire() as connection:
        await connection.execute("UPDATE simulated_clock SET now_at = $1", MONDAY + timedelta(seconds=90.5))
    answer = await get(house, "quotes", symbols="eurusd,BTCUSDT,UNHEARD")
    told = json.loads(answer.content, parse_float=Decimal)
    for one in told:
        LastPrice.model_validate(one)
    assert told[1] == {
        "symbol": "EURUSD",
        "price": Decimal("1.25"),
        "quoted_at": "2026-02-02T00:01:00Z",
        "age_seconds": Decimal("30.5"),
        "source": "candle",
        "bar": {"seconds": 60, "low": Decimal("1.25"), "high": Decimal("1.25")},
        "scope": "everybody",
        "account_id": None,
    }
    assert [one["symbol"] for one in told] == ["BTCUSDT", "EURUSD"]
    assert [one["symbol"] for one in (await get(house, "quotes", limit=1)).json()] == ["BTCUSDT"]
    assert [one["symbol"] for one in (await get(house, "quotes", after="BTCUSDT")).json()] == ["EURUSD"]


async def test_the_callers_own_price_wins_where_it_is_newer(house: House) -> None:
    other = await house.new_user(OTHER)
    await push(house, "EURUSD", "M1", MONDAY)
    await push(house, "BTCUSDT", "M1", MONDAY)
    async with house.pool.acquire() as connection:
        account_id = await connection.fetchval("SELECT account_id FROM accounts WHERE user_id = $1", other)
        for symbol, second in (("EURUSD", 59), ("BTCUSDT", 61), ("XAUUSD", 0)):
            await connection.execute(
                "INSERT INTO account_quotes (account_id, symbol, price, quoted_at, source) VALUES ($1, $2, 7, $3, 'agent')",
                account_id, symbol, MONDAY + timedelta(seconds=second),
            )  # fmt: skip
        await connection.execute(
            "INSERT INTO account_quotes (account_id, symbol, price, quoted_at, source) VALUES ($1, 'BTCUSDT', 9, $2, 'agent')",
            new_id(), MONDAY + timedelta(hours=1),
        )  # fmt: skip
    told = {one["symbol"]: one for one in (await get(house, "quotes", OTHER)).json()}
    assert {symbol: (one["price"], one["scope"]) for symbol, one in told.items()} == {
        "BTCUSDT": (7, "account"),
        "EURUSD": (1.1, "everybody"),
        "XAUUSD": (7, "account"),
    }
    assert (told["BTCUSDT"]["account_id"], told["BTCUSDT"]["bar"]) == (str(account_id), None)
    assert {one["scope"] for one in (await get(house, "quotes")).json()} == {"everybody"}


@pytest.mark.parametrize(
    "parameters",
    [{"symbols": ""}, {"symbols": "A,,B"}, {"symbols": "A\0"}, {"symbols": ",".join("A" * 201)}, {"limit": 0}, {"after": ""}],
)
async def test_quotes_refuse_what_they_cannot_use(house: House, parameters: dict[str, Any]) -> None:
    assert (await get(house, "quotes", **parameters)).status_code == 422
