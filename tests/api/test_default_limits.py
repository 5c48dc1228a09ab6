"""The installation's limits hold where an account has none of its own: in what is shown, and in what is decided."""

from decimal import Decimal
from functools import partial

import httpx

from hookfill.api.build import build_api
from hookfill.desk.worker import Worker
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from hookfill.risk.model import Limits
from support.house import TOKEN, House
from support.people import bearer, quick_people

ONE_POSITION = Limits(max_open_positions=Decimal(1))


async def test_they_are_shown_beside_the_accounts_own(house: House) -> None:
    api = build_api(house.pool, "http://house", people=quick_people(), limits=ONE_POSITION)
    path = f"/api/v1/accounts/{house.account_id}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://house", headers=bearer(TOKEN)) as client:
        found = (await client.get(path)).json()
        assert (found["limits"]["max_open_positions"], found["own_limits"]) == (1, {})
        changed = (await client.patch(path, json={"limits": {"max_open_positions": 3}})).json()
        assert (changed["limits"]["max_open_positions"], changed["own_limits"]) == (3, {"max_open_positions": 3})
        assert changed["default_limits"]["max_open_positions"] == 1
        reset = (await client.patch(path, json={"limits": {"max_open_positions": None}})).json()
        assert (reset["limits"]["max_open_positions"], reset["own_limits"]) == (1, {})
        assert (await client.get("/api/v1/account")).json()["limits"]["max_open_positions"] == 1


async def test_they_are_decided_by_until_the_account_has_its_own(house: House, database: Database) -> None:
    worker = Worker(house.pool, partial(connect, database, name="desk"), is_simulated=True, limits=ONE_POSITION)
    strategy = await house.new_strategy()
    for symbol in ("EURUSD", "GBPUSD", "AUDUSD"):
        await house.bar(0, "1.0800 1.0810 1.0790 1.0805", symbol)
    alerts = [("EURUSD", "executed", None), ("GBPUSD", "rejected", "max_open_positions_exceeded"), ("AUDUSD", "executed", None)]
    for symbol, status, reason in alerts:
        if symbol == "AUDUSD":
            await house.pool.execute("UPDATE accounts SET limits = '{\"max_open_positions\": 2}'")
        await house.alert(strategy, {"symbol": symbol, "action": "buy", "volume": 0.01}, 1)
        await worker.work_off()
        row = await house.pool.fetchrow("SELECT status, reason FROM signals WHERE symbol = $1", symbol)
        assert tuple(row) == (status, reason)
