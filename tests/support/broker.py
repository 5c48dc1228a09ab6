"""A MetaTrader account in the house: its strategy's alerts go in, its jobs are finished as an agent's reports would."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.store import NewStrategy, create_account, create_strategy
from hookfill.ops.ledger import check_ledger
from support.house import House, at

LIMITS = {"max_exposure": "1000000", "max_exposure_pct": "1000"}


class Broker:
    """One account at a broker, with one strategy."""

    def __init__(self, house: House, account_id: UUID, strategy: NewStrategy) -> None:
        self.house = house
        self.account_id = account_id
        self.strategy = strategy

    async def new_strategy(self, name: str = "Second", **options: Any) -> NewStrategy:
        async with self.house.pool.acquire() as connection:
            return await create_strategy(connection, self.account_id, name, **options)

    async def alert(self, body: str | Mapping[str, Any], minute: float = 0, strategy: NewStrategy | None = None) -> UUID:
        """Send an alert and let the desk decide; its signal."""
        await self.house.alert(strategy or self.strategy, body, minute)
        await self.house.decide()
        return (await self.house.signal_ids())[-1]

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.house.pool.acquire() as connection:
            return await connection.fetch(statement, *arguments)

    async def all(self, table: str, order: str) -> list[dict[str, Any]]:
        """All rows that the account has in a table."""
        return [
            dict(row) for row in await self.rows(f"SELECT * FROM {table} WHERE account_id = $1 ORDER BY {order}", self.account_id)
        ]

    async def signal(self, signal_id: UUID) -> dict[str, Any]:
        return dict((await self.rows("SELECT * FROM signals WHERE signal_id = $1", signal_id))[0])

    async def jobs(self, status: str = "pending") -> list[dict[str, Any]]:
        """The account's jobs in a status, those that wait for another one last."""
        return [job for job in await self.all("jobs", "depends_on IS NOT NULL, job_id") if job["status"] == status]

    async def orders(self) -> list[dict[str, Any]]:
        return await self.all("orders", "order_id")

    async def positions(self) -> list[dict[str, Any]]:
        return await self.all("positions", "position_id")

    async def account(self) -> dict[str, Any]:
        return (await self.all("accounts", "account_id"))[0]

    async def lease(self, job: Mapping[str, Any]) -> None:
        """An agent has the job."""
        text = "UPDATE jobs SET status = 'running', attempts = 1, leased_until = now() + interval '1 minute' WHERE job_id = $1"
        await self.rows(text, job["job_id"])

    async def finish(self, job: Mapping[str, Any], status: str = "completed", error: str | None = None, **result: Any) -> None:
        """Store a result as an agent's report does; nobody has booked it then."""
        text = """UPDATE jobs SET status = $2, result = $3, error_message = $4, finished_at = clock_timestamp(), attempts = 1
                  WHERE job_id = $1"""
        await self.rows(text, job["job_id"], status, {"broker_order_id": "7001", **result}, error)

    async def report(self, job: Mapping[str, Any], status: str = "completed", error: str | None = None, **result: Any) -> None:
        """The same, and the desk books it."""
        await self.finish(job, status, error, **result)
        await self.house.decide()

    async def fill(self, price: str, **result: Any) -> None:
        """The only waiting job was filled."""
        [job] = await self.jobs()
        await self.report(job, fill_price=price, **result)

    async def deal(self, deal_id: str, side: str, quantity: str, price: str, minute: float, **columns: Any) -> None:
        """Something was dealt at the terminal, and the desk hears of it."""
        values = {"symbol": "EURUSD", "reason": "stop_loss", "magic": None, "profit": None} | columns
        text = """INSERT INTO broker_deals (account_id, deal_id, symbol, side, quantity, price, magic, reason, profit, dealt_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"""
        amounts = (Decimal(quantity), Decimal(price))
        told = (values["symbol"], side, *amounts, values["magic"], values["reason"], values["profit"], at(minute))
        await self.rows(text, self.account_id, deal_id, *told)
        await self.house.decide()

    async def price(self, price: str, minute: float, symbol: str = "EURUSD") -> None:
        """The account's own agent tells a price."""
        text = """INSERT INTO account_quotes (account_id, symbol, price, quoted_at, source) VALUES ($1, $2, $3, $4, 'agent')
                  ON CONFLICT (account_id, symbol) DO UPDATE SET price = excluded.price, quoted_at = excluded.quoted_at"""
        await self.clock(at(minute))
        await self.rows(text, self.account_id, symbol, Decimal(price), at(minute))
        await self.house.decide()

    async def clock(self, now: datetime) -> None:
        """Simulated time goes on."""
        text = """INSERT INTO simulated_clock (now_at) VALUES ($1)
                  ON CONFLICT (only_row) DO UPDATE SET now_at = greatest(simulated_clock.now_at, excluded.now_at)"""
        await self.rows(text, now)

    async def balance(self, balance: str) -> None:
        """The agent tells what the account holds."""
        text = "UPDATE accounts SET broker_balance = $2, broker_equity = $2, reported_at = now() WHERE account_id = $1"
        await self.rows(text, self.account_id, Decimal(balance))
        await self.house.decide()

    async def overdue(self, job: Mapping[str, Any]) -> None:
        """The time to begin a job is over."""
        await self.rows("UPDATE jobs SET expires_at = clock_timestamp() - interval '1 s' WHERE job_id = $1", job["job_id"])
        await self.house.decide()

    async def check(self) -> None:
        """Every invariant of the ledger holds."""
        async with self.house.pool.acquire() as connection:
            broken = [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds and not one.is_warning]
        assert not broken, broken


async def open_broker(
    house: House, *, balance: str | None = "10000", limits: Mapping[str, Any] | None = None, **strategy: Any
) -> Broker:
    """A MetaTrader account of the owner's, whose agent has told its balance, with one strategy."""
    async with house.pool.acquire() as connection:
        cash = Decimal(0)
        account_id = await create_account(
            connection, house.owner, "Terminal", cash=cash, limits=LIMITS if limits is None else limits
        )
        await connection.execute("UPDATE accounts SET kind = 'mt5' WHERE account_id = $1", account_id)
        made = await create_strategy(connection, account_id, "At the broker", **strategy)
    broker = Broker(house, account_id, made)
    if balance is not None:
        await broker.balance(balance)
    return broker


def asked(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job's input."""
    told = job["input_data"]
    return json.loads(told) if isinstance(told, str) else told
