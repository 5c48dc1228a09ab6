"""``POST /api/v1/strike-selection``: what would be bought, of which chain, and what can't be asked."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.api.strike_models import StrikeAnswer
from hookfill.market.feeds.stored import keep_chain
from hookfill.market.model import Candle
from hookfill.market.option_chain import OptionChain, model_chain
from hookfill.market.store import store_candles
from hookfill.market.timeframes import bar_close
from support.house import TOKEN, House

AT = datetime(2026, 2, 5, 15, tzinfo=UTC)
WHAT_IF = {"symbol": "SPY", "direction": "long", "spot": 497.3, "volatility": 0.15, "at": "2026-02-05T15:00:00Z"}


async def ask(house: House, question: Any, token: str = TOKEN) -> httpx.Response:
    return await house.client.post("/api/v1/strike-selection", json=question, headers={"Authorization": f"Bearer {token}"})


async def told(house: House, **question: Any) -> dict[str, Any]:
    """The answer, which must be just what the model describes."""
    answer = await ask(house, question)
    assert answer.status_code == 200, answer.text
    StrikeAnswer.model_validate_json(answer.content, strict=False)
    found: dict[str, Any] = json.loads(answer.content)
    return found


async def days_of(house: House, symbol: str = "SPY", number: int = 40) -> None:
    """Daily bars up to the day before, that move by 1 % up and down in turns; the last closes at 100."""
    bars = []
    day, left = AT.replace(hour=0) - timedelta(days=1), number
    while left:
        if day.weekday() < 5:
            left -= 1
            close = Decimal(repr(round(100 * math.exp(0.01 * (left % 2 != (number - 1) % 2)), 6)))
            bars.append(Candle(symbol, "D1", day, bar_close("D1", day), close, close, close, close, 1))
        day -= timedelta(days=1)
    async with house.pool.acquire() as connection:
        await store_candles(connection, bars[::-1], AT)


async def test_a_market_that_somebody_supposes(house: House) -> None:
    found = await told(house, **WHAT_IF)
    assert (found["source"], found["spot"], found["spot_at"], found["volatility"]) == ("model", 497.3, None, 0.15)
    chosen = found["chosen"]
    assert (chosen["symbol"], chosen["readable"]) == ("SPY260213C00498000", "SPY 2026-02-13 498 C")
    assert (chosen["right"], chosen["strike"], chosen["expiration"], chosen["days"]) == ("CALL", 498, "2026-02-13", 8)
    assert (chosen["expires_at"], chosen["quoted_at"]) == ("2026-02-13T21:00:00Z", "2026-02-05T15:00:00Z")
    assert (chosen["source"], chosen["open_interest"], chosen["volume"]) == ("model", None, None)
    assert chosen["cost"] == pytest.approx(100 * chosen["ask"])
    assert chosen["bid"] < chosen["greeks"]["price"] < chosen["ask"]
    assert 0.4 < chosen["greeks"]["delta"] < 0.6
    assert found["refusal"] is None
    assert sum(found["verdicts"].values()) == len(found["candidates"])
    assert found["candidates"][0]["verdict"] == "chosen"
    assert {one["verdict"] for one in found["candidates"]} == {"chosen", "eligible", "in_the_money", "expiration"}


@pytest.mark.parametrize(
    ("question", "symbol"),
    [
        ({"direction": "short"}, "SPY260213P00497000"),
        ({"direction": None, "right": "PUT"}, "SPY260213P00497000"),
        ({"direction": "long", "right": "CALL"}, "SPY260213C00498000"),
        ({"symbol": " nasdaq:spy "}, "SPY260213C00498000"),
        ({"strike": 480}, "SPY260213C00480000"),
        ({"expiration": "2026-04-03"}, "SPY260402C00498000"),  # Good Friday
        ({"strike": "512.5", "expiration": "2026-02-18"}, "SPY260218C00512500"),
        ({"max_hold_days": 20}, "SPY260227C00498000"),
        ({"at": "2025-04-09T15:00:00Z"}, "SPY250417C00498000"),
    ],
)
async def test_what_is_asked_decides(house: House, question: dict[str, Any], symbol: str) -> None:
    assert (await told(house, **{**WHAT_IF, "limit": 0, **question}))["chosen"]["symbol"] == symbol


async def test_a_tier_with_its_scores(house: House) -> None:
    found = await told(house, **WHAT_IF, rule="tier", tier="SWING", limit=3)
    assert (found["rule"], found["tier"], len(found["candidates"])) == ("tier", "SWING", 3)
    best, second, _ = found["candidates"]
    assert best["symbol"] == found["chosen"]["symbol"]
    assert best["score"] >= second["score"] > 0
    assert 21 <= best["days"] <= 90
    assert 0.25 <= best["delta"] <= 0.40
    assert set(best["parts"]) == {"liquidity", "stability", "theta", "vega", "cost"}
    assert found["verdicts"]["delta"] > 0


async def test_the_stored_price_and_volatility_count(house: House) -> None:
    await days_of(house)
    found = await told(house, symbol="SPY", direction="long", at=AT.isoformat())
    assert (found["source"], found["spot"], found["spot_at"]) == ("model", 100, "2026-02-05T00:00:00Z")
    assert found["volatility"] == pytest.approx(0.01 * math.sqrt(252), rel=0.05)
    assert found["chosen"]["strike"] == 100
    later = await told(house, symbol="SPY", direction="long", at="2026-02-05T15:00:00Z", spot=120)
    assert (later["spot"], later["spot_at"], later["volatility"]) == (120, None, found["volatility"])
    assert later["chosen"]["strike"] == 120
    supposed = await told(house, symbol="SPY", direction="long", at=AT.isoformat(), volatility=0.5)
    assert (supposed["spot"], supposed["volatility"], supposed["volatility_rank"]) == (100, 0.5, None)
    past = await told(house, symbol="SPY", direction="long", at="2026-02-04T12:00:00Z")
    assert (past["spot"], past["spot_at"]) == (pytest.approx(101.005017), "2026-02-04T00:00:00Z")  # the day's bar had not closed
    before = await told(house, symbol="SPY", direction="long", at="2020-01-02T15:00:00Z")
    assert before["refusal"]["code"] == "option_chain_missing"
    assert "Push candles" in before["refusal"]["remedy"]


async def test_a_chain_that_a_feed_brought_wins_while_it_is_fresh(house: House) -> None:
    made = model_chain("SPY", Decimal("497.30"), 0.2, AT)
    listed = [quote for quote in made.quotes if quote.contract.symbol in ("SPY260213C00500000", "SPY260220C00500000")]
    async with house.pool.acquire() as connection:
        assert await keep_chain(connection, OptionChain("SPY", AT, "alpaca", made.spot, tuple(listed)))
    found = await told(house, symbol="SPY", direction="long", at=(AT + timedelta(seconds=60)).isoformat())
    assert (found["source"], found["spot"], found["spot_at"]) == ("alpaca", 497.3, "2026-02-05T15:00:00Z")
    assert found["chosen"]["symbol"] == "SPY260213C00500000"
    assert [one["symbol"] for one in found["candidates"]] == ["SPY260213C00500000", "SPY260220C00500000"]
    refused = await told(house, symbol="SPY", direction="long", strike=505, at=AT.isoformat())
    assert (refused["refusal"]["code"], refused["chosen"]) == ("option_not_listed", None)
    supposed = await told(house, symbol="SPY", direction="long", at=AT.isoformat(), spot=510, volatility=0.2)
    assert supposed["source"] == "model"
    stale = await told(house, symbol="SPY", direction="long", at=(AT + timedelta(hours=1)).isoformat())
    assert stale["refusal"]["code"] == "option_chain_missing"


@pytest.mark.parametrize(
    ("question", "code", "words"),
    [
        ({"symbol": "EURUSD"}, "option_chain_missing", "shares, funds and indices"),
        ({"symbol": "SPY260220C00500000"}, "option_chain_missing", "shares, funds and indices"),
        ({"spot": None}, "option_chain_missing", "No price of SPY"),
        ({"volatility": None}, "option_chain_missing", "too few candles"),
        ({"strike": 500.25}, "option_not_listed", "multiples of 0.5"),
        ({"expiration": "2026-02-04"}, "option_not_listed", "has passed"),
        ({"expiration": "1990-02-02"}, "option_not_listed", "has passed"),
        ({"expiration": "2099-12-31"}, "option_not_listed", "the last is"),
        ({"spot": 0.01, "rule": "tier", "tier": "SWING"}, "option_out_of_bounds", "None of"),
        ({"at": "1990-01-02T15:00:00Z"}, "option_chain_missing", "No chain"),
        ({"at": "2099-12-31T23:00:00Z"}, "option_chain_missing", "No chain"),
        ({"at": "2099-12-23T15:00:00Z"}, "option_not_listed", "5 or more days"),
    ],
)
async def test_what_can_t_be_bought_says_why(house: House, question: dict[str, Any], code: str, words: str) -> None:
    found = await told(house, **{**WHAT_IF, **question})
    assert found["chosen"] is None
    assert found["refusal"]["code"] == code
    assert found["refusal"]["remedy"]
    assert words in found["explanation"]


@pytest.mark.parametrize(
    "question",
    [
        {"direction": None},
        {"right": "PUT"},  # against a long view
        {"direction": "up"},
        {"symbol": ""},
        {"symbol": None},
        {"symbol": "S\u0000PY"},
        {"strike": 0},
        {"strike": 100_000},
        {"strike": "NaN"},
        {"strike": "1e400"},
        {"expiration": "2026-02-30"},
        {"expiration": "20260220"},
        {"expiration": 20260220},
        {"expiration": "1989-12-31"},
        {"rule": "tier"},
        {"tier": "SWING"},
        {"rule": "tier", "tier": "SWING", "max_hold_days": 5},
        {"rule": "best"},
        {"max_hold_days": -1},
        {"max_hold_days": 366},
        {"max_hold_days": 2.5},
        {"spot": 0},
        {"spot": 1_000_001},
        {"volatility": 0.001},
        {"volatility": 6},
        {"at": "yesterday"},
        {"at": "2100-01-01T00:00:00Z"},
        {"limit": -1},
        {"limit": 10_001},
        {"side": "buy"},
    ],
)
async def test_what_can_t_be_asked(house: House, question: dict[str, Any]) -> None:
    assert (await ask(house, {**WHAT_IF, **question})).status_code == 422


async def test_it_needs_a_token(house: House) -> None:
    assert (await house.client.post("/api/v1/strike-selection", json=WHAT_IF)).status_code == 401
    assert (await ask(house, WHAT_IF, "wrong")).status_code == 401


async def test_without_a_moment_it_is_now(house: House) -> None:
    await house.alert(await house.new_strategy(), "buy EURUSD 0.1")  # which sets the simulated clock to 2026-03-02
    found = await told(house, symbol="SPY", direction="long", spot=100, volatility=0.2)
    assert found["at"] == "2026-03-02T12:00:00Z"
    assert found["chosen"]["expiration"] == "2026-03-13"
