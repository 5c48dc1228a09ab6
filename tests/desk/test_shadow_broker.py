"""An experiment in an account at a broker: one side is dealt there, the other on paper here, and nothing of it reaches a job."""

from decimal import Decimal
from typing import Any

import pytest

from hookfill.desk import trial
from hookfill.desk.experiments import SQL
from hookfill.engines.model import Decision, Filters, MarketView
from hookfill.kernel.reasons import Reason
from hookfill.signals.model import Signal
from support.broker import Broker, open_broker
from support.desk import only
from support.house import TOKEN, House, at


def thinks(name: str, letter: str) -> Any:
    def judge(asked: Signal, market: MarketView, filters: Filters) -> Decision:
        approves = market.only_leaves or letter in (asked.alert.comment or "")
        return Decision(name, approves, 1, 60.0, None if approves else Reason.ENGINE_TREND)

    return judge


@pytest.fixture
async def broker(house: House, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr(trial, "ENGINES", {"A": thinks("rules", "A"), "B": thinks("council", "B")})
    broker = await open_broker(house)
    broker.strategy = await broker.new_strategy("Tried", engine="ab")
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    return broker


def asks(approved: str, action: str = "buy") -> dict[str, Any]:
    return {"symbol": "EURUSD", "action": action, "volume": 0.1, "comment": approved}


async def pair(broker: Broker) -> dict[str, Any]:
    found: dict[str, Any] = (await broker.house.get("/api/v1/experiments")).json()[0]
    return found


async def test_one_side_is_sent_the_other_is_held_here(broker: Broker) -> None:
    await broker.alert(asks("AB"))
    assert len(await broker.jobs()) == 1
    held = only(await broker.all("shadow_positions", "position_id"))
    assert (held["variant"], held["quantity"], held["status"]) == ("B", Decimal("0.1"), "open")
    assert ((await pair(broker))["a"]["status"], (await pair(broker))["b"]["status"]) == ("waiting", "open")
    await broker.fill("1.1002", commission="0.7", deal_ids=["1"])
    assert (await pair(broker))["a"]["status"] == "open"
    await broker.alert(asks("-", "close"), 2)
    assert [job["job_type"] for job in await broker.jobs()] == ["close_position"]
    assert only(await broker.all("shadow_positions", "position_id"))["status"] == "closed"
    await broker.check()


async def test_what_only_the_shadow_holds_makes_no_job(broker: Broker) -> None:
    await broker.alert(asks("B"))
    assert await broker.jobs() == []
    assert await broker.orders() == []
    held = only(await broker.all("shadow_positions", "position_id"))
    assert held["multiplier"] == 100_000
    await broker.alert(asks("B", "close"), 1)
    assert await broker.jobs() == []
    left = only(await broker.all("shadow_positions", "position_id"))
    assert left["status"] == "closed"
    assert (await broker.account())["cash"] == (await broker.account())["starting_cash"]
    await broker.check()


async def test_an_order_that_dies_at_the_broker_was_no_trade(broker: Broker) -> None:
    await broker.alert(asks("AB"))
    await broker.report(only(await broker.jobs()), "failed", "no money")
    side = (await pair(broker))["a"]
    assert (side["outcome"], side["status"], side["pnl"]) == ("entered", None, None)


async def test_flattening_leaves_the_shadow_of_what_is_held_too(broker: Broker) -> None:
    await broker.alert(asks("AB"))
    await broker.fill("1.1002", commission="0.7", deal_ids=["1"])
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Hookfill-Time": at(2).isoformat()}
    answer = await broker.house.client.post(
        "/api/v1/flatten", json={"scope": "account", "id": str(broker.account_id)}, headers=headers
    )
    assert answer.status_code < 300, answer.text
    await broker.house.decide()
    assert only(await broker.all("shadow_positions", "position_id"))["status"] == "closed"
    assert len((await broker.house.get("/api/v1/experiments")).json()) == 1  # what a person asks for is nobody's to judge


async def test_a_signal_that_waited_too_long_for_the_broker_has_a_pair_that_says_so(broker: Broker) -> None:
    await broker.alert(asks("AB"))
    await broker.lease(only(await broker.jobs()))  # its end stays unknown
    waiting = await broker.alert(asks("AB", "sell"), 0.1)
    assert (await broker.signal(waiting))["status"] == "pending"
    await broker.house.bar(30, "1.1 1.1 1.1 1.1")
    await broker.house.decide()
    assert (await broker.signal(waiting))["status"] == "expired"
    told = await pair(broker)
    assert (told["signal_id"], told["a"]["outcome"], told["b"]["outcome"], told["barred"]) == (str(waiting), *["job_expired"] * 3)


async def test_an_addition_that_dies_at_the_broker_takes_nothing_of_what_the_position_made(broker: Broker) -> None:
    broker.strategy = await broker.new_strategy("Growing", engine="ab", settings={"policy": {"pyramiding": 2}})
    await broker.alert(asks("A"))
    await broker.fill("1.1", deal_ids=["1"])
    await broker.alert(asks("A") | {"volume": 0.2}, 1)
    await broker.report(only(await broker.jobs()), "failed", "no money")
    assert [((await pair(broker))["a"][name]) for name in ("outcome", "status", "pnl")] == ["entered", None, None]
    await broker.alert(asks("-", "close"), 2)
    await broker.fill("1.1010", deal_ids=["2"])
    made = [one["a"]["pnl"] for one in (await broker.house.get("/api/v1/experiments")).json()]
    realised = only(await broker.positions())["realized_pnl"]
    assert realised > 0
    assert [None if one is None else Decimal(str(one)) for one in made] == [None, None, realised]


async def test_an_addition_that_dies_at_the_broker_makes_its_engine_no_owner(broker: Broker) -> None:
    broker.strategy = await broker.new_strategy("Growing", engine="ab", settings={"policy": {"pyramiding": 2}})
    await broker.alert(asks("A"))
    await broker.fill("1.1", deal_ids=["1"])
    addition = await broker.alert(asks("A") | {"volume": 0.2}, 1)
    await broker.rows("UPDATE experiments SET variant = 'B' WHERE signal_id = $1", addition)
    held = [only(await broker.positions())["position_id"]]
    owners = [row["variant"] for row in await broker.rows(SQL.owners_of_positions.sql, broker.account_id, held)]
    assert sorted(owners) == ["A", "B"]  # it may still fill
    await broker.report(only(await broker.jobs()), "failed", "no money")
    assert [row["variant"] for row in await broker.rows(SQL.owners_of_positions.sql, broker.account_id, held)] == ["A"]
