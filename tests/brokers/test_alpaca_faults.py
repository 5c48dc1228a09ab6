"""Many orders at once at a broker where anything goes wrong: at most one order each, and what is told is what was done."""

import asyncio
import random
from decimal import Decimal

import pytest

from hookfill.market.feeds.session import Limits
from support.alpaca.carrying import open_desk
from support.alpaca.trading import FakeTrading, Trouble

ORDERS = 40
LIMITS = Limits(read_seconds=0.4, answer_seconds=0.4, all_seconds=5.0, tries=2, first_wait_seconds=0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_at_most_one_order_each_whatever_goes_wrong(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr("hookfill.brokers.alpaca.client.LIMITS", LIMITS)
    async with open_desk(stream=chance.random() < 0.5) as desk:
        fake = desk.fake
        fake.splits = 4
        fake.mangle = lambda events: chance.sample(events, len(events)) * chance.choice([0, 1, 2])
        fake.troubles.extend(chance.choices([None, *(set(Trouble) - {Trouble.HELD})], k=ORDERS * 2))
        gate = asyncio.Semaphore(8)

        async def carry(errand: object) -> object:
            async with gate:
                return await desk.carry_out(errand)

        errands = [desk.errand(seconds=chance.choice([0.3, 15]), volume="0.4") for _ in range(ORDERS)]
        away = asyncio.create_task(_go_away(fake))
        results = await asyncio.gather(*(carry(errand) for errand in errands))
        await away
        for errand, result in zip(errands, results, strict=True):
            own = [one for one in fake.accepted if one.client_order_id == errand.input_data["client_order_id"]]
            assert len(own) == (1 if result.status == "completed" else 0), (errand, result)
            assert result.status != "completed" or result.filled_volume == own[0].filled == Decimal("0.4")
        done = sum(result.status == "completed" for result in results)
        assert done >= ORDERS / 4
        assert await desk.held() == done * Decimal("0.4")


async def _go_away(fake: FakeTrading) -> None:
    """Now and then Alpaca is not there at all, until some have noticed."""
    for orders in (2, 5, 8):
        await fake.bell.until(lambda orders=orders: len(fake.accepted) >= orders, f"{orders} orders taken")
        fake.is_away = True
        before = fake.turned_away
        await fake.bell.until(lambda before=before: fake.turned_away >= before + 30, "thirty requests turned away")
        fake.is_away = False
