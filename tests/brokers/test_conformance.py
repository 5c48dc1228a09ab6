"""What every broker must do, whichever it is: one suite for paper, a simulated MetaTrader terminal and the fake Alpaca.

Alerts go in at the door, orders come out at the broker, and the books say what the broker did.
"""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from hookfill.postgres.model import Database
from support.house import TOKEN, House
from support.venues import MetaTrader, Paper, Venue, open_venue

WITH_JOBS = ["mt5", "alpaca"]
"""At paper there are none: deciding and filling are one transaction (see the answer that is lost)."""


@pytest.fixture(params=["paper", *WITH_JOBS])
async def venue(request: pytest.FixtureRequest, house: House, database: Database) -> AsyncIterator[Venue]:
    async with open_venue(request.param, house, database) as venue:
        yield venue


async def test_a_market_buy_fills_once(venue: Venue) -> None:
    signal = await venue.alert("buy")
    assert signal["status"] == "executed", signal["error_message"]
    assert signal["fill_price"] > 0
    assert (await venue.booked(), await venue.orders()) == (Decimal("0.1"), 1)
    await venue.work()
    assert await venue.orders() == 1
    await venue.check()


async def test_the_same_alert_again_is_no_second_order(venue: Venue) -> None:
    await venue.alert("buy", id="once")
    await venue.alert("buy", id="once")
    assert (await venue.booked(), await venue.orders()) == (Decimal("0.1"), 1)
    await venue.check()


@pytest.mark.parametrize("venue", WITH_JOBS, indirect=True)
async def test_the_same_order_submitted_again_is_one_order(venue: Venue) -> None:
    """What was asked of the broker is offered again, as after a lease that lapsed while its result was on the way."""
    await venue.alert("buy", work=False)
    await venue.house.decide()
    await venue.do_jobs()
    again = "UPDATE jobs SET status = 'running', result = NULL, finished_at = NULL, leased_until = now() WHERE account_id = $1"
    await venue.house.pool.execute(again, venue.account_id)
    await venue.work()
    [signal] = await venue.rows("signals", "signal_id")
    assert signal["status"] == "executed", signal["error_message"]
    assert (await venue.booked(), await venue.orders()) == (Decimal("0.1"), 1)
    await venue.check()


async def test_a_refusal_is_told(venue: Venue) -> None:
    await venue.reject_next()
    signal = await venue.alert("buy")
    assert signal["status"] in {"failed", "rejected"}
    assert signal["reason"]
    assert signal["error_message"]
    assert (await venue.booked(), await venue.held()) == (0, 0)
    await venue.check()


async def test_a_part_is_booked_as_a_part(venue: Venue) -> None:
    await venue.part_next()
    await venue.alert("buy", volume=float(venue.part * 2))
    assert await venue.booked() == venue.part
    [order] = await venue.rows("orders", "order_id")
    assert order["filled_quantity"] == venue.part
    assert order["status"] == ("partially_filled" if isinstance(venue, Paper) else "cancelled")
    await venue.check()


async def test_what_was_not_begun_can_be_cancelled(venue: Venue) -> None:
    if isinstance(venue, Paper):
        await venue.alert("buy", type="limit", limit_price=40_000)
        [order] = await venue.rows("orders", "order_id")
        path, status = f"/api/v1/orders/{order['order_id']}/cancel", 200
    else:
        await venue.alert("buy", work=False)
        await venue.house.decide()
        [job] = await venue.rows("jobs", "job_id")
        path, status = f"/api/v1/jobs/{job['job_id']}/cancel", 204
    answer = await venue.house.client.post(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == status, answer.text
    await venue.work()
    [order] = await venue.rows("orders", "order_id")
    assert order["status"] == "cancelled"
    assert (await venue.booked(), await venue.held()) == (0, 0)
    await venue.check()


async def test_a_close_leaves_nothing(venue: Venue) -> None:
    await venue.alert("buy")
    signal = await venue.alert("close")
    assert signal["status"] == "executed", signal["error_message"]
    assert (await venue.booked(), await venue.held(), await venue.orders()) == (0, 0, 2)
    again = await venue.alert("close", id="again")
    assert again["status"] == "rejected"
    assert await venue.orders() == 2
    await venue.check()


async def test_a_part_can_be_left(venue: Venue) -> None:
    await venue.alert("buy", volume=0.3)
    await venue.alert("close", volume=0.1)
    assert (await venue.booked(), await venue.held()) == (Decimal("0.2"), Decimal("0.2"))
    await venue.check()


async def test_a_reversal_leaves_before_it_enters(venue: Venue) -> None:
    settings = {"policy": {"on_opposite": "reverse"}}
    await venue.house.pool.execute("UPDATE strategies SET settings = $2 WHERE account_id = $1", venue.account_id, settings)
    await venue.alert("buy")
    await venue.alert("sell")
    expected = Decimal("-0.1")
    if not isinstance(venue, Paper | MetaTrader):
        expected = Decimal(0)  # Alpaca sells no coins short
    assert (await venue.booked(), await venue.held()) == (expected, expected)
    await venue.check()


async def test_an_answer_that_is_lost_makes_no_second_order(venue: Venue) -> None:
    """Taken by the broker, never heard of: found again, and booked once."""
    await venue.lose_next_answer()
    signal = await venue.alert("buy")
    assert signal["status"] == "executed", signal["error_message"]
    assert (await venue.booked(), await venue.orders()) == (Decimal("0.1"), 1)
    await venue.check()
