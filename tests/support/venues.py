"""Where orders can be filled, each driven by the same few verbs: paper, a simulated MetaTrader terminal, the fake Alpaca."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.accounts.store import NewStrategy, create_account, create_strategy
from hookfill.brokers.alpaca import store
from hookfill.brokers.alpaca.carry import Watch
from hookfill.brokers.alpaca.client import Alpaca
from hookfill.brokers.alpaca.hands import Hands
from hookfill.brokers.mt5.agent.execute import Executor
from hookfill.brokers.mt5.agent.jobs import job_from
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.sending import Lease, Sender
from hookfill.brokers.mt5.agent.simulated import SimulatedTerminal
from hookfill.brokers.mt5.store import Agent
from hookfill.desk.apply import apply
from hookfill.desk.fold import fold
from hookfill.desk.gather import SQL, gather
from hookfill.kernel.ids import new_id
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.agents import CONNECTION, Connected, new_agent
from support.alpaca.carrying import QUICK
from support.alpaca.server import KEY, SECRET, serving
from support.alpaca.trading import FakeTrading, Trouble
from support.database import NO_LIMITS
from support.house import TOKEN, House, at

PRICES = "50000 50000 50000 50000"


class Venue:
    """One account with one strategy, and the broker behind it."""

    part = Decimal("0.05")

    def __init__(self, house: House, account_id: UUID, strategy: NewStrategy) -> None:
        self.house, self.account_id, self.strategy = house, account_id, strategy
        self.minute = 1.0

    async def alert(self, action: str, *, work: bool = True, **more: Any) -> dict[str, Any]:
        """Send an alert, let everything that follows happen, and return its signal."""
        self.minute += 0.1
        await self.house.alert(self.strategy, {"symbol": "BTCUSD", "action": action, "volume": 0.1, **more}, self.minute)
        if work:
            await self.work()
        return (await self.rows("signals", "signal_id"))[-1]

    async def work(self) -> None:
        """The desk decides, the broker does, the desk books: until nothing is left to do."""
        for _ in range(4):
            await self.house.decide()
            await self.do_jobs()
        await self.house.decide()

    async def do_jobs(self) -> None:
        """Let the broker do what is asked."""

    async def rows(self, table: str, order: str) -> list[dict[str, Any]]:
        """All rows that the account has in a table."""
        found = await self.house.pool.fetch(f"SELECT * FROM {table} WHERE account_id = $1 ORDER BY {order}", self.account_id)
        return [dict(row) for row in found]

    async def booked(self) -> Decimal:
        """What the books hold."""
        held = "SELECT coalesce(sum(quantity), 0) FROM positions WHERE account_id = $1 AND status <> 'closed'"
        return Decimal(await self.house.pool.fetchval(held, self.account_id))

    async def check(self) -> None:
        """Every invariant of the ledger holds, and both sides hold the same."""
        async with self.house.pool.acquire() as connection:
            broken = [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds and not one.is_warning]
        assert not broken, broken
        assert await self.booked() == await self.held()

    async def held(self) -> Decimal:
        """What the broker holds."""
        raise NotImplementedError

    async def orders(self) -> int:
        """How many orders the broker has taken."""
        raise NotImplementedError

    async def reject_next(self) -> None:
        """The broker will refuse the next order."""
        raise NotImplementedError

    async def part_next(self) -> None:
        """The broker will fill ``part`` of the next order and no more."""
        raise NotImplementedError

    async def lose_next_answer(self) -> None:
        """The broker will take the next order, and nobody will hear of it."""
        raise NotImplementedError


class Paper(Venue):
    """Filled here, in the transaction that decides."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.loses = False

    async def work(self) -> None:
        if self.loses:
            self.loses = False
            await self._decide_in_vain()
        await super().work()

    async def _decide_in_vain(self) -> None:
        """The process ends before it commits."""
        async with self.house.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            row = await connection.fetchrow(SQL.lock_account.sql, self.account_id)
            await apply(connection, fold(await gather(connection, row, at(self.minute))))
            await transaction.rollback()

    async def held(self) -> Decimal:
        signed = "SELECT coalesce(sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END), 0) FROM fills WHERE account_id = $1"
        return Decimal(await self.house.pool.fetchval(signed, self.account_id))

    async def orders(self) -> int:
        return len(await self.rows("orders", "order_id"))

    async def reject_next(self) -> None:
        limits = {**NO_LIMITS, "max_exposure": "1"}
        await self.house.pool.execute("UPDATE accounts SET limits = $2 WHERE account_id = $1", self.account_id, limits)

    async def part_next(self) -> None:
        costs = {"volume_cap_pct": "5"}
        await self.house.pool.execute("UPDATE accounts SET costs = $2 WHERE account_id = $1", self.account_id, costs)

    async def lose_next_answer(self) -> None:
        self.loses = True


class MetaTrader(Venue):
    """The agent's own executor at a simulated terminal, asking the server for jobs as the program does."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.terminal, self.journal = SimulatedTerminal(":memory:"), Journal(":memory:")
        self.agent: Any = None

    async def do_jobs(self) -> None:
        sender = Sender(self.terminal, self.journal, lambda: datetime.now(UTC), lambda _seconds: None)
        while (offered := await self.agent.next()) is not None:
            job = job_from(offered, datetime.now(UTC))
            outcome = Executor(sender).carry_out(job, Lease(job.leased_until, job.expires_at))
            assert isinstance(outcome, Mapping), outcome
            told = {name: str(value) if isinstance(value, Decimal) else value for name, value in outcome.items()}
            answer = await self.agent.result(offered, **told)
            assert answer.status_code == 200, answer.text

    async def held(self) -> Decimal:
        return sum((one.volume * (1 if one.side == "buy" else -1) for one in self.terminal.book().positions), Decimal(0))

    async def orders(self) -> int:
        return len(self.terminal.book().orders)

    async def reject_next(self) -> None:
        self.terminal.add_faults("10019")

    async def part_next(self) -> None:
        self.terminal.add_faults("10010", "10019")

    async def lose_next_answer(self) -> None:
        self.terminal.add_faults("none+done")


class AtAlpaca(Venue):
    """The worker's own hands, at the fake."""

    def __init__(self, *parts: Any, fake: FakeTrading, url: str) -> None:
        super().__init__(*parts)
        self.fake, self.session_id = fake, new_id()
        agent = Agent(self.session_id, self.house.owner, self.account_id, is_owner=True)
        self.hands = Hands(self.house.pool, agent, Alpaca(KEY, SECRET, url), Watch(), lambda: None, QUICK)

    async def do_jobs(self) -> None:
        await self.hands.take()
        async with asyncio.timeout(20):
            await self.hands.drain(20)

    async def held(self) -> Decimal:
        return self.fake.positions.held.get("BTC/USD", Decimal(0))

    async def orders(self) -> int:
        return len(self.fake.accepted)

    async def reject_next(self) -> None:
        self.fake.refusals["BTC/USD"] = (403, 40310000, "insufficient buying power")

    async def part_next(self) -> None:
        self.fake.part = self.part

    async def lose_next_answer(self) -> None:
        self.fake.troubles.append(Trouble.GATEWAY_AFTER)


@asynccontextmanager
async def open_venue(kind: str, house: House, database: Database) -> AsyncIterator[Venue]:
    """An account of a kind, which knows the price of a coin."""
    async with house.pool.acquire() as connection:
        cash = Decimal(100_000) if kind == "paper" else Decimal(0)
        account_id = await create_account(connection, house.owner, kind, cash=cash, limits=NO_LIMITS)
        strategy = await create_strategy(connection, account_id, kind)
        text = "UPDATE accounts SET kind = $2, broker_balance = $3, broker_equity = $3 WHERE account_id = $1"
        await connection.execute(text, account_id, kind, None if kind == "paper" else Decimal(100_000))
    await house.bar(0, PRICES, "BTCUSD")
    if kind == "paper":
        yield Paper(house, account_id, strategy)
    elif kind == "mt5":
        venue = MetaTrader(house, account_id, strategy)
        venue.agent = await _paired(house, account_id)
        yield venue
    else:
        async with _at_alpaca(house, database, account_id, strategy) as at_alpaca:
            yield at_alpaca


async def _paired(house: House, account_id: UUID) -> Any:
    connected = Connected(account_id, new_id())
    await house.pool.execute(CONNECTION, connected.broker_connection_id, house.owner, account_id, "mt5")
    return await new_agent(house, connected, TOKEN)


@asynccontextmanager
async def _at_alpaca(house: House, database: Database, account_id: UUID, strategy: NewStrategy) -> AsyncIterator[AtAlpaca]:
    fake = FakeTrading(has_stream=False)
    holding = await connect(database, name="holds")
    try:
        with serving(fake) as url:
            venue = AtAlpaca(house, account_id, strategy, fake=fake, url=url)
            assert await store.take(holding, account_id, venue.session_id)
            await store.note_told(holding, account_id, venue.session_id, agrees=True, note=None)
            yield venue
            await venue.hands.drain(0)
    finally:
        await holding.close()
