"""A job at Alpaca: whatever goes wrong on the way, there is one order at most, and what is told is what happened."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from hookfill.brokers.alpaca import client
from hookfill.brokers.alpaca.carry import NO_TRACE, NOTHING_DONE
from hookfill.market.feeds.session import Limits
from support.alpaca.carrying import QUICK, Desk, open_desk
from support.alpaca.trading import FakeTrading, Trouble

QUICK_LIMITS = Limits(read_seconds=0.5, answer_seconds=0.5, all_seconds=5.0, tries=2, first_wait_seconds=0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon; how long an answer may take stays."""
    monkeypatch.setattr(client, "LIMITS", replace(client.LIMITS, first_wait_seconds=QUICK_LIMITS.first_wait_seconds))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


@pytest.fixture
async def deaf() -> AsyncIterator[Desk]:
    """Without the stream."""
    async with open_desk(stream=False) as desk:
        yield desk


async def test_a_market_order_is_filled_once_and_told_with_its_price(desk: Desk) -> None:
    result = await desk.carry_out()
    assert (result.status, result.fill_price, result.filled_volume) == ("completed", Decimal(50_000), Decimal("0.1"))
    assert result.broker_order_id == desk.fake.accepted[0].order_id
    assert result.executed_at is not None
    assert desk.fake.made() == [("BTC/USD", "buy", Decimal("0.1"))]
    assert await desk.held() == Decimal("0.1")


TAKEN = [Trouble.HANG_AFTER, Trouble.CUT_AFTER, Trouble.GATEWAY_AFTER, Trouble.HTML, Trouble.LATE]
NOT_TAKEN = [Trouble.HANG_BEFORE, Trouble.GATEWAY_BEFORE, Trouble.AWAY, Trouble.TOO_MANY]


@pytest.mark.parametrize("trouble", [*TAKEN, *NOT_TAKEN])
@pytest.mark.parametrize("stream", [True, False])
async def test_whatever_happens_to_the_answer_there_is_one_order(
    trouble: Trouble, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIMITS", QUICK_LIMITS)
    async with open_desk(stream=stream) as desk:
        desk.fake.troubles.append(trouble)
        result = await desk.carry_out(seconds=15)
        assert result.status == "completed", result
        assert desk.fake.made() == [("BTC/USD", "buy", Decimal("0.1"))]
        assert len(desk.fake.posted) == (1 if trouble in TAKEN else 2)


@pytest.mark.parametrize("trouble", [Trouble.GATEWAY_BEFORE, Trouble.AWAY])
async def test_what_may_not_be_begun_any_more_is_given_up_after_looking(desk: Desk, trouble: Trouble) -> None:
    desk.fake.troubles.append(trouble)
    errand = desk.errand()
    carrying = asyncio.create_task(desk.carry_out(errand))
    await desk.until(lambda: desk.fake.posted, "the order sent")
    errand.begin_until = asyncio.get_running_loop().time()
    result = await carrying
    assert result.status == "failed"
    assert NO_TRACE in (result.error_message or "")
    assert desk.fake.made() == []
    assert len(desk.fake.posted) == 1
    assert desk.unknown


async def test_too_many_requests_until_its_time_is_over(desk: Desk) -> None:
    desk.fake.troubles.extend([Trouble.TOO_MANY] * 50)
    result = await desk.carry_out(seconds=0.1)
    assert result.status == "expired"
    assert desk.fake.made() == []


@pytest.mark.parametrize("was_made", [True, False])
async def test_a_later_lease_looks_before_it_acts(desk: Desk, was_made: bool) -> None:
    errand = desk.errand(attempts=2)
    if was_made:
        desk.fake.take(
            {"symbol": "BTC/USD", "qty": "0.1", "side": "buy", "type": "market", "time_in_force": "gtc"}
            | {"client_order_id": errand.input_data["client_order_id"]}
        )
    result = await desk.carry_out(errand)
    assert (result.status, len(desk.fake.accepted)) == ("completed", 1)
    assert len(desk.fake.posted) == (0 if was_made else 1)


async def test_a_later_lease_past_its_time_only_looks(desk: Desk) -> None:
    result = await desk.carry_out(attempts=2, seconds=0)
    assert (result.status, result.error_message) == ("expired", NOTHING_DONE)
    assert desk.fake.posted == []


async def test_while_alpaca_is_away_nothing_is_concluded(deaf: Desk) -> None:
    desk = deaf
    desk.fake.troubles.append(Trouble.GATEWAY_AFTER)
    desk.fake.fills_at_once, desk.fake.goes_away = False, True
    errand = desk.errand(seconds=0.05)
    carrying = asyncio.create_task(desk.carry_out(errand))
    await desk.until(lambda: desk.fake.accepted, "the order at the fake")
    await desk.until(lambda: desk.unknown, "the order shown as unknown")
    assert not carrying.done()
    desk.fake.is_away = desk.fake.goes_away = False
    desk.fake.fill(desk.fake.accepted[0])
    assert (await carrying).status == "completed"
    assert len(desk.fake.posted) == 1


async def test_away_for_longer_than_the_order_lives_and_nothing_was_taken(deaf: Desk) -> None:
    deaf.timing = replace(QUICK, settled=QUICK.visible / 2)  # shown as unknown: it was looked for long enough to give it up
    deaf.fake.is_away = True
    errand = deaf.errand()
    carrying = asyncio.create_task(deaf.carry_out(errand))
    await deaf.until(lambda: deaf.fake.turned_away, "the order turned away")
    errand.begin_until = asyncio.get_running_loop().time()
    await deaf.until(lambda: deaf.unknown, "the order shown as unknown")
    before = deaf.fake.turned_away
    await deaf.until(lambda: deaf.fake.turned_away >= before + 2, "looked for in vain")
    assert not carrying.done()
    deaf.fake.is_away = False
    result = await carrying
    assert (result.status, NO_TRACE in (result.error_message or "")) == ("failed", True)
    assert deaf.fake.accepted == []


async def test_a_refusal_is_told_in_the_broker_s_words(desk: Desk) -> None:
    desk.fake.refusals["BTC/USD"] = (403, 40310000, "insufficient buying power")
    result = await desk.carry_out()
    assert result.status == "failed"
    assert "insufficient buying power (40310000)" in (result.error_message or "")
    assert len(desk.fake.posted) == 1


async def test_rejected_after_it_was_taken(desk: Desk) -> None:
    desk.fake.fills_at_once = False
    carrying = asyncio.create_task(desk.carry_out())
    await desk.until(lambda: desk.working, "the order working")
    desk.fake.end(desk.fake.accepted[0], "rejected")
    result = await carrying
    assert (result.status, "rejected it" in (result.error_message or "")) == ("failed", True)


def _shuffled(events: list) -> list:
    return [*reversed(events), events[0], events[0]]


@pytest.mark.parametrize("mangle", [list, _shuffled, lambda events: []], ids=["in order", "out of order", "lost"])
async def test_parts_add_up_in_whatever_order_they_are_told(desk: Desk, mangle: object) -> None:
    desk.fake.splits, desk.fake.mangle = 4, mangle
    result = await desk.carry_out(volume="0.4")
    assert (result.status, result.filled_volume, result.fill_price) == ("completed", Decimal("0.4"), Decimal(50_000))
    assert result.commission is None


async def test_prices_of_parts_are_weighted(deaf: Desk) -> None:
    deaf.fake.fills_at_once = False
    carrying = asyncio.create_task(deaf.carry_out(volume="4"))
    await deaf.until(lambda: deaf.working, "the order working")
    order = deaf.fake.accepted[0]
    deaf.fake.fill(order, Decimal(1), price=Decimal(100))
    deaf.fake.fill(order, Decimal(3), price=Decimal(200))
    assert (await carrying).fill_price == Decimal(175)


async def test_an_entry_at_the_market_that_is_not_filled_in_time_keeps_its_part(desk: Desk) -> None:
    desk.fake.fills_at_once = False
    carrying = asyncio.create_task(desk.carry_out(volume="4"))
    await desk.until(lambda: desk.working, "the order working")
    desk.fake.fill(desk.fake.accepted[0], Decimal(1))
    result = await carrying
    assert (result.status, result.filled_volume) == ("completed", Decimal(1))
    assert desk.fake.accepted[0].status == "canceled"


async def test_a_limit_order_waits_and_ends_when_somebody_says_so(desk: Desk) -> None:
    desk.timing = replace(QUICK, patience=0.0)
    errand = desk.errand(order_type="limit", order_price="40000")
    carrying = asyncio.create_task(desk.carry_out(errand))
    await desk.until(lambda: desk.working, "the order working")
    before = len(desk.fake.asked)
    await desk.until(lambda: len(desk.fake.asked) >= before + 2, "looked at twice")  # an order at the market is over by now
    assert not carrying.done()
    assert desk.fake.accepted[0].status == "accepted"
    errand.cancel.set()
    result = await carrying
    assert (result.status, desk.fake.accepted[0].status) == ("failed", "canceled")
    assert "cancelled" in (result.error_message or "")


async def test_a_close_sells_what_is_there_and_never_more(desk: Desk) -> None:
    await desk.carry_out(volume="0.3")
    result = await desk.carry_out(job_type="close_position", side="sell", volume="0.5")
    assert (result.status, result.filled_volume) == ("completed", Decimal("0.3"))
    assert await desk.held() == 0
    again = await desk.carry_out(job_type="close_position", side="sell", volume="0.5")
    assert (again.status, "no such position" in (again.error_message or "")) == ("failed", True)
    assert len(desk.fake.accepted) == 2


async def test_coins_that_the_fee_took_count_as_sold_and_as_commission(desk: Desk) -> None:
    desk.fake.coin_fee = Decimal("0.0025")
    await desk.carry_out(volume="0.1")
    assert await desk.held() == Decimal("0.09975")
    result = await desk.carry_out(job_type="close_position", side="sell", volume="0.1")
    assert (result.status, result.filled_volume) == ("completed", Decimal("0.1"))
    assert result.commission == Decimal("0.00025") * 50_000
    assert await desk.held() == 0


async def test_the_fee_of_all_coins_is_missing_in_the_last_of_them(desk: Desk) -> None:
    desk.fake.coin_fee, desk.bought = Decimal("0.0025"), Decimal("0.1")
    await desk.carry_out(volume="0.1")
    part = await desk.carry_out(job_type="close_position", side="sell", volume="0.08")
    assert (part.filled_volume, part.commission) == (Decimal("0.08"), None)
    rest = await desk.carry_out(job_type="close_position", side="sell", volume="0.02")
    assert (rest.filled_volume, rest.commission) == (Decimal("0.02"), Decimal("0.00025") * 50_000)
    assert await desk.held() == 0


async def test_shares_are_guarded_by_alpaca_and_freed_before_they_are_sold(desk: Desk) -> None:
    result = await desk.carry_out(symbol="SPY", volume="10", sl="490", tp="520.004")
    sent = desk.fake.posted[0]
    assert (sent["order_class"], sent["time_in_force"]) == ("bracket", "gtc")
    assert (sent["take_profit"], sent["stop_loss"]) == ({"limit_price": "520.01"}, {"stop_price": "490"})
    entry = desk.fake.accepted[0]
    assert [leg.status for leg in entry.legs] == ["new", "new"]
    desk.guards = [str(result.broker_order_id)]
    closed = await desk.carry_out(job_type="close_position", side="sell", symbol="SPY", volume="10")
    assert (closed.status, closed.filled_volume) == ("completed", Decimal(10))
    assert [leg.status for leg in entry.legs] == ["canceled", "canceled"]
    assert await desk.held("SPY") == 0


async def test_what_a_stop_has_sold_is_not_sold_again(desk: Desk) -> None:
    result = await desk.carry_out(symbol="SPY", volume="10", sl="490")
    entry = desk.fake.accepted[0]
    assert desk.fake.posted[0]["order_class"] == "oto"
    desk.fake.fill(entry.legs[0])
    desk.guards = [str(result.broker_order_id)]
    closed = await desk.carry_out(job_type="close_position", side="sell", symbol="SPY", volume="10")
    assert closed.status == "failed"
    assert await desk.held("SPY") == 0


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"side": "up"}, "side"),
        ({"volume": "0"}, "volume"),
        ({"volume": "NaN"}, "volume"),
        ({"volume": None}, "volume"),
        ({"symbol": " "}, "symbol"),
        ({"client_order_id": "x" * 49}, "client_order_id"),
        ({"order_type": "iceberg"}, "order_type"),
        ({"order_type": "limit"}, "price"),
        ({"job_type": "get_positions"}, "by itself"),
    ],
)
async def test_a_job_that_can_t_be_understood_does_nothing(desk: Desk, told: dict, words: str) -> None:
    result = await desk.carry_out(**told)
    assert (result.status, words in (result.error_message or "")) == ("failed", True), result
    assert desk.fake.posted == []


async def test_wrong_keys_are_a_refusal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.alpaca.trading.is_authorised", lambda scope: False)
    result = await desk.carry_out()
    assert (result.status, "unauthorized" in (result.error_message or "")) == ("failed", True)
    assert isinstance(desk.fake, FakeTrading)
