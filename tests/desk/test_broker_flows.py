"""From an alert to a job for the agent, and from its result to a booked fill, on a real PostgreSQL."""

from decimal import Decimal

import pytest

from hookfill.brokers.mt5.model import comment_of, magic_of
from hookfill.brokers.mt5.store import Agent, lease_job
from hookfill.kernel.ids import new_id
from support.broker import Broker, asked, open_broker
from support.house import House, at

PLAIN = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}


@pytest.fixture
async def broker(house: House) -> Broker:
    return await open_broker(house)


async def test_a_plain_alert_without_any_price_becomes_a_job(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    signal = await broker.signal(signal_id)
    assert (signal["status"], signal["resolved_at"], signal["fill_price"], signal["broker_order_id"]) == (
        "approved",
        None,
        None,
        None,
    )
    assert signal["decided_at"] is not None
    [job], [order] = await broker.jobs(), await broker.orders()
    assert (job["job_type"], job["order_id"], order["status"], order["filled_quantity"]) == (
        "trade",
        order["order_id"],
        "submitting",
        0,
    )
    assert asked(job) == {
        "symbol": "EURUSD",
        "side": "buy",
        "volume": 0.1,
        "source": "tv_signal",
        "signal_id": str(signal_id),
        "order_id": str(order["order_id"]),
        "magic": magic_of(broker.strategy.strategy_id),
        "comment": comment_of(job["job_id"]),
        "sl_pips": 50,
        "tp_pips": 100,
        "max_spread": 30,
    }
    assert 0 < (job["expires_at"] - job["created_at"]).total_seconds() <= 20
    await broker.check()


async def test_its_result_is_booked(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    await broker.fill("1.1", commission="0.7", deal_ids=["1"])
    signal, [order], [position] = await broker.signal(signal_id), await broker.orders(), await broker.positions()
    assert (signal["status"], signal["fill_price"], signal["broker_order_id"]) == ("executed", Decimal("1.1"), "7001")
    assert signal["resolved_at"] is not None
    assert (order["status"], order["filled_quantity"], order["broker_order_id"]) == ("filled", Decimal("0.1"), "7001")
    assert (position["status"], position["quantity"], position["commission"]) == ("open", Decimal("0.1"), Decimal("0.7"))
    assert (position["stop_price"], position["target_price"]) == (Decimal("1.095"), Decimal("1.11"))
    account = await broker.account()
    assert (account["starting_cash"], account["balance"], account["cash"]) == (10_000, Decimal("9999.3"), Decimal("-1000.7"))
    [fill] = await broker.all("fills", "fill_id")
    assert fill["price_source"] == "broker"
    assert await broker.all("equity_points", "at")
    await broker.check()


async def test_a_refusal_fails_the_signal_with_the_broker_s_words(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.report(job, "failed", "There is not enough money", error_code=10019)
    signal, [order] = await broker.signal(signal_id), await broker.orders()
    assert (signal["status"], signal["reason"], order["status"]) == ("failed", "broker_rejected", "rejected")
    assert "There is not enough money" in signal["error_message"]
    assert "10019" in signal["error_message"]
    assert signal["resolved_at"] is not None
    assert await broker.positions() == []
    await broker.check()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({}, "names no usable price"),
        ({"fill_price": "0"}, "names no usable price"),
        ({"fill_price": "NaN"}, "can't be used"),
        ({"fill_price": {"a": 1}}, "can't be used"),
        ({"fill_price": "1.1", "filled_volume": "0"}, "a volume of 0"),
        ({"fill_price": "1.1", "filled_volume": "-1"}, "a volume of -1"),
        ({"fill_price": "1.1", "executed_at": "soon"}, "can't be used"),
        ({"fill_price": "1.1", "deal_ids": 5}, "can't be used"),
    ],
)
async def test_what_can_t_be_used_is_booked_as_a_failure_and_stops_nothing(broker: Broker, result: dict, words: str) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.report(job, **result)
    signal = await broker.signal(signal_id)
    assert (signal["status"], words in signal["error_message"]) == ("failed", True), signal["error_message"]
    assert await broker.all("fills", "fill_id") == []
    again = await broker.alert(PLAIN | {"volume": 0.2}, 2)
    assert (await broker.signal(again))["status"] == "approved"
    await broker.check()


async def test_a_result_that_is_no_object_is_a_failure(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.finish(job, fill_price="1.1")
    await broker.rows("""UPDATE jobs SET result = '["1.1"]'""")
    await broker.house.decide()
    assert (await broker.signal(signal_id))["status"] == "failed"
    await broker.check()


async def test_a_part_is_filled_and_the_rest_cancelled(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    await broker.fill("1.1", filled_volume="0.04")
    signal, [order], [position] = await broker.signal(signal_id), await broker.orders(), await broker.positions()
    assert (signal["status"], signal["error_message"]) == ("executed", "Filled 0.04 of 0.1; the rest was cancelled.")
    assert (order["status"], order["filled_quantity"], position["quantity"]) == ("cancelled", Decimal("0.04"), Decimal("0.04"))
    await broker.check()


async def test_a_result_is_booked_once(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    before = await broker.account(), await broker.all("fills", "fill_id")
    await broker.rows("UPDATE jobs SET settled_at = NULL")
    await broker.house.decide()
    assert (await broker.account(), await broker.all("fills", "fill_id")) == before
    assert await broker.rows("SELECT FROM jobs WHERE settled_at IS NULL") == []
    await broker.check()


async def test_nobody_began_it_in_time(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.overdue(job)
    signal, [order] = await broker.signal(signal_id), await broker.orders()
    assert (signal["status"], signal["reason"], order["status"]) == ("expired", "job_expired", "expired")
    assert signal["resolved_at"] is not None
    await broker.check()


async def test_what_an_agent_has_in_hand_is_never_expired(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.lease(job)
    await broker.overdue(job)
    assert (await broker.signal(signal_id))["status"] == "approved"
    await broker.report(job, fill_price="1.1")
    assert (await broker.signal(signal_id))["status"] == "executed"
    await broker.check()


async def test_a_signal_that_waited_too_long_is_not_begun(broker: Broker) -> None:
    await broker.house.alert(broker.strategy, PLAIN, 0)
    await broker.house.alert(broker.strategy, {"symbol": "EURUSD", "action": "close"}, 0)
    await broker.clock(at(0.5))
    await broker.house.decide()
    entry, close = [await broker.signal(one) for one in await broker.house.signal_ids()]
    assert (entry["status"], entry["reason"]) == ("expired", "job_expired")
    assert (close["status"], close["reason"]) == ("rejected", "no_position")
    assert await broker.jobs() == []
    await broker.check()


async def test_a_cancelled_job_fails_its_signal(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.report(job, "cancelled", "by hand")
    signal, [order] = await broker.signal(signal_id), await broker.orders()
    assert (signal["status"], signal["reason"], order["status"]) == ("failed", "job_cancelled", "cancelled")
    await broker.check()


async def test_signals_wait_for_the_order_in_flight_and_only_for_that(broker: Broker) -> None:
    other = await broker.new_strategy()
    await broker.alert(PLAIN)
    waiting = await broker.alert({"symbol": "EURUSD", "action": "close"}, 0.1)
    elsewhere = await broker.alert(PLAIN, 0.1, other)
    free = await broker.alert(PLAIN | {"symbol": "GBPUSD"}, 0.1)
    row = await broker.signal(waiting)
    assert (row["status"], row["attempts"], row["decided_at"]) == ("pending", 0, None)
    assert {(await broker.signal(one))["status"] for one in (elsewhere, free)} == {"approved"}
    [first, *_] = await broker.jobs()
    await broker.report(first, fill_price="1.1")
    assert (await broker.signal(waiting))["status"] == "approved"
    [close] = [job for job in await broker.jobs() if job["job_type"] == "close_position"]
    assert {name: asked(close)[name] for name in ("side", "volume")} == {"side": "sell", "volume": 0.1}
    await broker.report(close, fill_price="1.2")
    row, [position] = await broker.signal(waiting), await broker.positions()
    assert (row["status"], row["fill_price"]) == ("executed", Decimal("1.2"))
    assert (position["status"], position["exit_reason"], position["realized_pnl"]) == ("closed", "signal", 1000)
    await broker.check()


async def test_what_waits_for_an_unknown_end_expires_when_even_an_exit_would(broker: Broker) -> None:
    await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.lease(job)
    waiting = await broker.alert({"symbol": "EURUSD", "action": "close"}, 0.1)
    await broker.clock(at(5.2))
    await broker.house.decide()
    row = await broker.signal(waiting)
    assert (row["status"], row["reason"]) == ("expired", "job_expired")
    await broker.check()


async def test_a_reversal_is_two_jobs_one_after_the_other(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    signal_id = await broker.alert(PLAIN | {"action": "sell"}, 2)
    close, entry = await broker.jobs()
    assert (close["job_type"], entry["job_type"], entry["depends_on"]) == ("close_position", "trade", close["job_id"])
    [position] = await broker.positions()
    assert position["status"] == "closing"
    await broker.check()
    await broker.report(close, fill_price="1.2")
    assert (await broker.signal(signal_id))["status"] == "approved"
    await broker.check()
    await broker.report(entry, fill_price="1.2001", broker_order_id="7002")
    signal, positions = await broker.signal(signal_id), await broker.positions()
    assert (signal["status"], signal["fill_price"], signal["broker_order_id"]) == ("executed", Decimal("1.2001"), "7002")
    assert [(one["status"], one["quantity"]) for one in positions] == [("closed", 0), ("open", Decimal("-0.1"))]
    await broker.check()


@pytest.mark.parametrize(("status", "word"), [("failed", "failed"), ("expired", "expired"), ("cancelled", "failed")])
async def test_when_the_close_of_a_reversal_fails_the_entry_is_not_begun(broker: Broker, status: str, word: str) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    signal_id = await broker.alert(PLAIN | {"action": "sell"}, 2)
    close, entry = await broker.jobs()
    await broker.report(close, status, "no luck")
    signal, [position] = await broker.signal(signal_id), await broker.positions()
    assert (signal["status"], position["status"], position["quantity"]) == (word, "open", Decimal("0.1"))
    assert [job["job_id"] for job in await broker.jobs("cancelled") if job["settled_at"]] == [
        job["job_id"] for job in (close, entry) if job is entry or status == "cancelled"
    ]
    assert {order["status"] for order in await broker.orders()} >= {"cancelled"}
    await broker.check()


async def test_closed_only_when_the_entry_of_a_reversal_fails(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    signal_id = await broker.alert(PLAIN | {"action": "sell"}, 2)
    close, entry = await broker.jobs()
    await broker.finish(close, fill_price="1.2")
    await broker.report(entry, "failed", "Market closed", error_code=10018)
    signal = await broker.signal(signal_id)
    assert (signal["status"], signal["fill_price"], signal["reason"]) == ("executed", Decimal("1.2"), "broker_rejected")
    assert signal["error_message"].startswith("Closed only; the entry was not made: ")
    await broker.check()


async def test_no_agent_gets_the_entry_of_a_reversal_before_its_close_is_booked(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    signal_id = await broker.alert(PLAIN | {"action": "sell"}, 2)
    close, _ = await broker.jobs()
    await broker.finish(close, fill_price="1.2", filled_volume="0.04")
    agent = Agent(new_id(), broker.house.owner, broker.account_id, is_owner=True)
    async with broker.house.pool.acquire() as connection:
        assert await lease_job(connection, agent) is None
        await broker.house.decide()
        assert await lease_job(connection, agent) is None
    signal, [position] = await broker.signal(signal_id), await broker.positions()
    assert (signal["status"], signal["reason"], position["quantity"]) == ("executed", "job_cancelled", Decimal("0.06"))
    await broker.check()


async def test_an_agent_gets_the_entry_once_its_close_is_booked(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    await broker.alert(PLAIN | {"action": "sell"}, 2)
    close, entry = await broker.jobs()
    await broker.report(close, fill_price="1.2")
    agent = Agent(new_id(), broker.house.owner, broker.account_id, is_owner=True)
    async with broker.house.pool.acquire() as connection:
        leased = await lease_job(connection, agent)
    assert leased is not None
    assert leased["job_id"] == entry["job_id"]
