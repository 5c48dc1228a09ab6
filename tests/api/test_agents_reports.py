"""What agents tell by themselves: prices stay with whom they may, positions are compared, deals are booked once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from hookfill.api import agent_models, job_models
from hookfill.brokers.mt5.model import magic_of
from hookfill.brokers.mt5.reports import watch_agents
from support.agents import TestAgent, new_agent, new_connection, new_job
from support.house import House

OTHER = "canary-other-token-5e02f7a4c9"
ACCOUNT = {"balance": 10_050.5, "equity": 10_060, "currency": "EUR", "login": 1, "hedging": True}
DEAL = {
    "deal_id": 77, "symbol": "EURUSD.r", "side": "sell", "volume": 0.1, "price": 1.09, "magic": 7, "reason": "take_profit",
    "profit": 9.5, "time": "2026-03-02T12:00:00Z", "position_id": 5,
}  # fmt: skip
POSITION = """
INSERT INTO positions (
    account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier, entries, realized_pnl,
    commission, mark, marked_at, marked_until, stop_price, best_price, at_break_even, exits, opened_at
)
VALUES (
    $1, gen_random_uuid(), $2, 'EURUSD', 'open', 0.1, 1.08, 10800, 100000, 1, 0, 0, 1.08, now(), now(), $3, 1.08, false, '{}', now()
)
"""


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def price(symbol: str = "EURUSD.r", bid: Any = 1.08, ask: Any = 1.0802, seconds: float = 1) -> dict[str, Any]:
    return {"symbol": symbol, "bid": bid, "ask": ask, "time": ago(seconds)}


async def owners_agent(house: House) -> TestAgent:
    return await new_agent(house, await new_connection(house, symbol_map={"*": ".r", "GOLD": "XAUUSD"}))


async def others_agent(house: House) -> TestAgent:
    return await new_agent(house, await new_connection(house, await house.new_user(OTHER), symbol_map={"*": ".r"}), OTHER)


async def report(agent: TestAgent, *held: dict[str, Any], seconds: float = 0, **more: Any) -> list[dict[str, Any]]:
    answer = await agent.post("positions", {"taken_at": ago(seconds), "account": ACCOUNT, "positions": held, **more})
    assert answer.status_code == 200, answer.text
    TypeAdapter(agent_models.PositionsAnswer).validate_json(answer.content)
    found: list[dict[str, Any]] = answer.json()["differences"]
    return found


def held(magic: int | None, volume: float = 0.1, side: str = "buy", **more: Any) -> dict[str, Any]:
    return {"ticket": 5, "symbol": "EURUSD.r", "side": side, "volume": volume, "price_open": 1.08, "magic": magic, "sl": 0, **more}


async def test_the_owners_prices_serve_everybody(house: House) -> None:
    agent = await owners_agent(house)
    sent = [price(seconds=5), price(bid=1.09, ask=1.0901), price("XAUUSD", "2000.5", "2001"), price("X", 0, 0), price("Y", 2, 1)]
    answer = await agent.post("prices", {"prices": sent})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "ignored": 3})
    rows = await house.pool.fetch("SELECT symbol, price, source FROM quotes ORDER BY 1")
    assert [tuple(row) for row in rows] == [("EURUSD", Decimal("1.09005"), "agent"), ("GOLD", Decimal("2000.75"), "agent")]
    older = await agent.post("prices", {"prices": [price(bid=1, ask=1, seconds=60)]})
    assert older.json() == {"accepted": 0, "ignored": 1}
    assert await house.pool.fetchval("SELECT price FROM quotes WHERE symbol = 'EURUSD'") == Decimal("1.09005")
    assert await house.pool.fetchval("SELECT count(*) FROM account_quotes") == 0


async def test_others_prices_stay_with_their_account(house: House) -> None:
    agent, owners = await others_agent(house), await owners_agent(house)
    await owners.post("prices", {"prices": [price(seconds=30)]})
    answer = await agent.post("prices", {"prices": [price(bid=5, ask=5)]})
    assert answer.json() == {"accepted": 1, "ignored": 0}
    assert (await agent.post("prices", {"prices": [price(bid=6, ask=6, seconds=40)]})).json() == {"accepted": 0, "ignored": 1}
    assert [tuple(row) for row in await house.pool.fetch("SELECT symbol, price FROM quotes")] == [("EURUSD", Decimal("1.0801"))]
    rows = await house.pool.fetch("SELECT account_id, symbol, price FROM account_quotes")
    assert [tuple(row) for row in rows] == [(agent.account_id, "EURUSD", Decimal(5))]


async def test_a_price_of_the_future_is_no_price(house: House) -> None:
    agent = await owners_agent(house)
    answer = await agent.post("prices", {"prices": [price(seconds=-3600), price("GBPUSD.r", seconds=-30)]})
    assert answer.json() == {"accepted": 1, "ignored": 1}
    # A clock that is slightly ahead must not keep later prices out.
    assert await house.pool.fetchval("SELECT quoted_at <= clock_timestamp() FROM quotes WHERE symbol = 'GBPUSD'")
    assert (await agent.post("prices", {"prices": []})).json() == {"accepted": 0, "ignored": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid": -1}, {"bid": 1e16}, {"ask": "x"}, {"ask": None, "bid": [1]}, {"time": "now"}, {"symbol": ""}, {"symbol": "x" * 65},
        {"time": None},
    ],
)  # fmt: skip
async def test_prices_that_cant_be_read(house: House, wrong: dict[str, object]) -> None:
    agent = await owners_agent(house)
    assert (await agent.post("prices", {"prices": [{**price(), **wrong}]})).status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM quotes") == 0


async def test_too_many_prices(house: House) -> None:
    agent = await owners_agent(house)
    assert (await agent.post("prices", {"prices": [price()] * 2001})).status_code == 422


async def strategy_of(house: House, agent: TestAgent, stop: Decimal | None = None) -> int:
    """A strategy of the account with an open position; its magic."""
    strategy_id = uuid4()
    await house.pool.execute(
        "INSERT INTO strategies (account_id, strategy_id, name, engine) VALUES ($1, $2, 'x', 'direct')",
        agent.account_id,
        strategy_id,
    )
    await house.pool.execute(POSITION, agent.account_id, strategy_id, stop)
    return magic_of(strategy_id)


async def test_a_difference_that_lasts_is_an_alarm_until_it_is_gone(house: House) -> None:
    agent = await owners_agent(house)
    magic = await strategy_of(house, agent)
    [first] = await report(agent)
    assert (first["kind"], first["ours"], first["theirs"], first["is_lasting"]) == ("missing_at_broker", 0.1, 0, False)
    assert (await house.get("/api/v1/alarms")).json() == []
    [second] = await report(agent)
    assert (second["is_lasting"], second["since"]) == (True, first["since"])
    await report(agent)
    [alarm] = (await house.get("/api/v1/alarms", in_force=True)).json()
    TypeAdapter(job_models.Alarm).validate_python(alarm)
    assert (alarm["kind"], alarm["subject"]) == ("reconciliation", f"missing_at_broker EURUSD {magic}")
    shown = (await house.get(f"/api/v1/accounts/{agent.account_id}/reconciliation")).json()
    TypeAdapter(job_models.Reconciliation).validate_python(shown)
    assert [one["kind"] for one in shown["differences"]] == ["missing_at_broker"]
    assert await report(agent, held(magic), held(99, comment="by hand")) == []
    assert (await house.get("/api/v1/alarms", in_force=True)).json() == []
    [over] = (await house.get("/api/v1/alarms", in_force=False)).json()
    assert over["cleared_at"] is not None
    shown = (await house.get(f"/api/v1/accounts/{agent.account_id}/reconciliation")).json()
    assert [(one["symbol"], one["volume"], one["is_foreign"]) for one in shown["positions"]] == [
        ("EURUSD", 0.1, False), ("EURUSD", 0.1, True),
    ]  # fmt: skip
    assert (shown["account"]["equity"], shown["agent_id"]) == (10_060, str(agent.agent_id))


async def test_a_stop_that_the_terminal_lacks(house: House) -> None:
    agent = await owners_agent(house)
    magic = await strategy_of(house, agent, Decimal("1.07"))
    assert [one["kind"] for one in await report(agent, held(magic))] == ["stop_missing"]
    assert await report(agent, held(magic, sl=1.07)) == []


async def test_what_is_being_dealt_is_no_difference(house: House) -> None:
    agent = await owners_agent(house)
    magic = await strategy_of(house, agent)
    await report(agent)
    order = """
    INSERT INTO orders (
        account_id, order_id, client_order_id, strategy_id, symbol, side, order_type, purpose, quantity, status, as_of
    )
    SELECT account_id, gen_random_uuid(), 'x', strategy_id, symbol, 'sell', 'market', 'exit', 0.1, 'submitting', now()
    FROM positions
    """
    await house.pool.execute(order)
    assert [one["is_lasting"] for one in await report(agent)] == [False]  # as it was: this report could not compare it
    assert await report(agent, held(magic, 0.2)) != []
    await house.pool.execute("UPDATE orders SET status = 'filled'")
    assert [one["kind"] for one in await report(agent, held(magic, 0.2))] == ["volume_differs"]
    deal = {**DEAL, "magic": magic}
    await report(agent, held(magic, 0.2), deals=[deal])
    assert (await house.get("/api/v1/alarms")).json() == []


async def test_an_older_report_does_not_overwrite_a_newer(house: House) -> None:
    agent = await owners_agent(house)
    magic = await strategy_of(house, agent)
    await report(agent, held(magic))
    assert await report(agent, seconds=30) == []
    shown = (await house.get(f"/api/v1/accounts/{agent.account_id}/reconciliation")).json()
    assert len(shown["positions"]) == 1
    assert await report(agent, held(magic), seconds=-7200) == []  # a clock that is hours ahead counts as now
    assert len(await report(agent)) == 1


async def test_the_account_is_kept_and_its_currency_until_the_first_fill(house: House) -> None:
    agent = await owners_agent(house)
    statement = "SELECT broker_balance, broker_equity, currency, reported_at IS NULL FROM accounts WHERE account_id = $1"
    await report(agent)
    assert tuple(await house.pool.fetchrow(statement, agent.account_id)) == (Decimal("10050.5"), 10_060, "EUR", False)
    await report(agent, account={**ACCOUNT, "currency": "USDT"})
    assert (await house.pool.fetchrow(statement, agent.account_id))["currency"] == "EUR"
    fill = """
    INSERT INTO fills (
        account_id, fill_id, order_id, position_id, symbol, side, quantity, price, multiplier, commission, realized_pnl,
        price_source, filled_at
    )
    VALUES ($1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'X', 'buy', 1, 1, 1, 0, 0, 'agent', now())
    """
    await house.pool.execute(fill, agent.account_id)
    await report(agent, account={**ACCOUNT, "currency": "GBP", "equity": 5})
    assert tuple(await house.pool.fetchrow(statement, agent.account_id))[1:3] == (5, "EUR")


async def test_what_a_deal_without_a_job_cost_is_taken_off_its_profit(house: House) -> None:
    agent = await owners_agent(house)
    await report(agent, deals=[{**DEAL, "commission": -0.7}, {**DEAL, "deal_id": 78, "commission": 0.7, "profit": -1}])
    kept = await house.pool.fetch("SELECT profit FROM broker_deals ORDER BY deal_id")
    assert [row["profit"] for row in kept] == [Decimal("8.8"), Decimal("-1.7")]


async def test_deals_without_a_job_are_kept_once(house: House) -> None:
    agent = await owners_agent(house)
    await new_job(house, agent.account_id)
    await agent.result(await agent.next(), fill_price=1.08, deal_ids=[70])
    deals = [DEAL, DEAL, {**DEAL, "deal_id": 70}]
    await report(agent, deals=deals)
    await report(agent, deals=deals, seconds=30)  # also when the report itself is too old
    [kept] = await house.pool.fetch("SELECT * FROM broker_deals")
    assert (kept["deal_id"], kept["symbol"], kept["quantity"], kept["profit"]) == ("77", "EURUSD.r", Decimal("0.1"), Decimal("9.5"))
    assert (kept["reason"], kept["settled_at"]) == ("take_profit", None)
    assert kept["dealt_at"] == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"taken_at": "x"}, {"account": {**ACCOUNT, "balance": "NaN"}}, {"account": {**ACCOUNT, "equity": 1e15}}, {"positions": {}},
        {"positions": [held(1, volume=0)]}, {"positions": [held(1, side="long")]}, {"positions": [{**held(1), "ticket": ""}]},
        {"positions": [held(1)] * 2001}, {"deals": [{**DEAL, "reason": "whim"}]}, {"deals": [{**DEAL, "time": None}]},
        {"deals": [{**DEAL, "volume": 1e12}]}, {"deals": [{**DEAL, "price": -1}]},
    ],
)  # fmt: skip
async def test_reports_that_cant_be_read(house: House, wrong: dict[str, Any]) -> None:
    agent = await owners_agent(house)
    body = {"taken_at": ago(0), "account": ACCOUNT, "positions": [], **wrong}
    assert (await agent.post("positions", body)).status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM broker_snapshots") == 0


async def test_extremes_are_stored(house: House) -> None:
    agent = await owners_agent(house)
    extreme = {**ACCOUNT, "balance": "-999999999999998.9999999999", "login": "9" * 64, "leverage": 2**31 - 1}
    answer = await report(agent, held(2**63 - 1, 999_999_999_999.12345678), held(2**70), held(-(2**63), 1e-8), account=extreme)
    assert answer == []
    assert (await house.get(f"/api/v1/accounts/{agent.account_id}/reconciliation")).status_code == 200


async def test_answers_to_questions_are_reports_too(house: House) -> None:
    agent = await owners_agent(house)
    magic = await strategy_of(house, agent)
    path = f"/api/v1/accounts/{agent.account_id}/reconciliation"
    assert (await house.get(path)).json()["agent_id"] is None
    for job_type, answer in (("get_account", {"account": ACCOUNT}), ("get_positions", {"positions": [held(magic, 0.3)]})):
        await new_job(house, agent.account_id, job_type, input_data={})
        assert (await agent.result(await agent.next(), output_data=answer)).status_code == 200
    shown = (await house.get(path)).json()
    assert (shown["account"]["balance"], shown["differences"][0]["kind"]) == (10_050.5, "volume_differs")
    await new_job(house, agent.account_id, "get_positions", input_data={})
    assert (await agent.result(await agent.next(), output_data={"positions": [{"ticket": 1}]})).status_code == 200
    after = (await house.get(path)).json()
    assert after["positions"] == shown["positions"]


async def test_an_account_that_nobody_works_for_is_an_alarm(house: House) -> None:
    agent = await owners_agent(house)
    async with house.pool.acquire() as connection:
        await watch_agents(connection)
        assert (await house.get("/api/v1/alarms")).json() == []
        job_id = await new_job(house, agent.account_id)
        await watch_agents(connection)
        await watch_agents(connection)
        [alarm] = (await house.get("/api/v1/alarms", in_force=True)).json()
        assert (alarm["kind"], alarm["account_id"]) == ("agent_offline", str(agent.account_id))
        assert "jobs wait" in alarm["text"]
        await agent.post("heartbeat")
        await watch_agents(connection)
        assert (await house.get("/api/v1/alarms", in_force=True)).json() == []
        await house.pool.execute("UPDATE jobs SET status = 'expired' WHERE job_id = $1", job_id)
        await strategy_of(house, agent)
        await house.pool.execute("UPDATE agents SET heartbeat_at = clock_timestamp() - interval '10 minutes'")
        await watch_agents(connection)
        [alarm] = (await house.get("/api/v1/alarms", in_force=True)).json()
        assert "positions are open" in alarm["text"]
        assert (await house.get("/health")).json()["alarms"] == 1


async def test_a_question_that_nobody_takes_expires(house: House) -> None:
    agent = await owners_agent(house)
    question = await new_job(house, agent.account_id, "get_account", input_data={}, seconds=-1)
    trade = await new_job(house, agent.account_id, seconds=-1)
    async with house.pool.acquire() as connection:
        await watch_agents(connection)
    assert (await house.get(f"/api/v1/jobs/{question}")).json()["status"] == "expired"
    assert (await house.get(f"/api/v1/jobs/{trade}")).json()["status"] == "pending"  # the desk books its end
