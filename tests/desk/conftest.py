"""A desk on the test's own database: accounts, alerts and candles in, rows out. Time is what the messages carry."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, create_account, create_strategy
from hookfill.desk.worker import Worker
from hookfill.inbox import store as inbox
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.market.model import Candle
from hookfill.market.store import Stored, store_candles
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import NO_LIMITS
from support.desk import at

LEDGER = {
    "orders": """as_of, symbol, purpose, side, order_type, exit_reason, quantity, stop_price, status, filled_quantity,
                 average_fill_price""",
    "fills": "filled_at, symbol, side, quantity, price, realized_pnl, commission, bar_low, bar_high, price_source",
    "positions": """opened_at, symbol, status, quantity, average_price, cost, entries, realized_pnl, mark, marked_at, marked_until,
                    stop_price, target_price, best_price, trailing_stop, at_break_even, closed_at, exit_reason""",
    "accounts": "cash, balance, day, day_start_balance, day_realized, timeline_at",
    "signals": "as_of, status, reason, error_message, fill_price, attempts",
}
"""What decisions write, without what carries the clock's time or a generated id."""


class Desk:
    """One account with one strategy, and hands to feed it."""

    def __init__(self, pool: asyncpg.Pool, database: Database) -> None:
        self.pool = pool
        self.connect = partial(connect, database, name="desk wake")
        self.owner = self.account_id = self.strategy_id = UUID(int=0)

    async def open(self) -> None:
        """Make the owner and the default account and strategy of the tests."""
        async with self.pool.acquire() as connection:
            self.owner = await bootstrap(connection, "an owner's token")
        self.account_id = await self.account()
        self.strategy_id = await self.strategy()

    async def account(self, limits: Mapping[str, Any] | None = None) -> UUID:
        async with self.pool.acquire() as connection:
            return await create_account(connection, self.owner, str(new_id()), limits=NO_LIMITS if limits is None else limits)

    async def strategy(self, account_id: UUID | None = None, engine: str = "direct", **settings: Any) -> UUID:
        async with self.pool.acquire() as connection:
            made = await create_strategy(connection, account_id or self.account_id, str(new_id()), engine=engine, settings=settings)
        return made.strategy_id

    async def alerts(
        self,
        *alerts: tuple[str, float],
        source: str = "live",
        account_id: UUID | None = None,
        strategy_id: UUID | None = None,
        shift: datetime | None = None,
    ) -> list[UUID]:
        """Store alerts, each with its minute after noon (or after ``shift``), in one commit; returns their signals."""
        deliveries = []
        for text, minute in alerts:
            as_of = at(minute) if shift is None else shift + (at(minute) - at(0))
            deliveries.append(
                Delivery(
                    account_id=account_id or self.account_id,
                    message_id=new_id(),
                    door="tradingview",
                    body=text.encode(),
                    received_at=as_of,
                    as_of=as_of,
                    seen_us=to_us(as_of),
                    strategy_id=strategy_id or self.strategy_id,
                    source=source,
                    signal=NewSignal(new_id()),
                )
            )
        async with self.pool.acquire() as connection:
            await inbox.advance_simulated_clock(connection, max(one.as_of for one in deliveries))
            await inbox.flush(connection, deliveries)
        return [one.signal.signal_id for one in deliveries if one.signal is not None]

    async def candles(self, *bars: Candle, known_at: datetime | None = None) -> Stored:
        """Store candles as a server on simulated time does."""
        known_at = known_at or max(one.closes_at for one in bars)
        async with self.pool.acquire() as connection, connection.transaction():
            await inbox.advance_simulated_clock(connection, known_at)
            return await store_candles(connection, bars, known_at)

    def worker(self, **options: Any) -> Worker:
        return Worker(self.pool, self.connect, **({"is_simulated": True} | options))

    async def decide(self, account_id: UUID, most_signals: int) -> bool:
        """One transaction for an account."""
        async with self.pool.acquire() as connection:
            return await self.worker()._decide(connection, account_id, most_signals)

    async def work(self) -> int:
        """Decide everything that is due; how many account transactions that took."""
        return await self.worker().work_off()

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(statement, *arguments)

    async def verdicts(self, signals: Iterable[UUID]) -> list[tuple[str, str | None]]:
        """Status and reason of signals."""
        rows = await self.rows("SELECT signal_id, status, reason FROM signals")
        known = {row["signal_id"]: (row["status"], row["reason"]) for row in rows}
        return [known[signal_id] for signal_id in signals]

    async def ledger(self, account_id: UUID | None = None) -> dict[str, list[tuple[Any, ...]]]:
        """All that decisions wrote for an account, without what carries a clock or a generated id."""
        read = {}
        for table, columns in LEDGER.items():
            text = f"SELECT {columns} FROM {table} WHERE account_id = $1 ORDER BY {columns}"
            read[table] = [tuple(row) for row in await self.rows(text, account_id or self.account_id)]
        return read


@pytest.fixture
async def desk(pool: asyncpg.Pool, database: Database) -> Desk:
    """A desk that is open."""
    desk = Desk(pool, database)
    await desk.open()
    return desk


Statements = list[str]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Statements]:
    """Every statement that a pool's connections run from now on."""
    seen: Statements = []
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        original = getattr(asyncpg.Connection, name)

        def run(self, query, *arguments, original=original, **options):
            seen.append(query)
            return original(self, query, *arguments, **options)

        monkeypatch.setattr(asyncpg.Connection, name, run)

    def taken() -> Statements:
        copy = list(seen)
        seen.clear()
        return copy

    return taken
