"""Looking at the database from outside the server: queries, waits, accounts and strategies of a test's own."""

import asyncio
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from hookfill.accounts.store import NewStrategy, create_account, create_strategy, owner_id
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect

PATIENCE_SECONDS = 30.0
NO_LIMITS = {
    "max_open_positions": "100000",
    "max_positions_per_symbol": "100000",
    "max_position_size": "1000000",
    "max_exposure": "1000000000",
    "max_exposure_pct": "1000000",
    "daily_loss_limit_pct": "0",
    "max_signal_age_seconds": "100000",
    "price_collar_pct": "100000",
    "order_rate_per_minute": "100000",
}
"""Risk limits that never stop a test's stream of alerts."""


def query(url: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows of one statement in a transaction of its own."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        cursor = connection.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description is not None else []


def value(url: str, statement: str, *arguments: object) -> Any:
    """The first column of the first row."""
    return query(url, statement, *arguments)[0][0]


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Poll a condition until it holds; how long that took, in seconds. Past the bound it fails with ``what``."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"still not after {seconds:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - started


async def wait_until_async(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """The same for tests that run in the loop."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"still not after {seconds:g} s: {what}")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def wait_for_value(url: str, wanted: object, statement: str, *arguments: object) -> None:
    """Wait until a query's value is the wanted one."""
    seen: list[object] = [None]

    def holds(connection: psycopg.Connection) -> bool:
        seen[0] = connection.execute(statement, arguments or None).fetchall()[0][0]
        return seen[0] == wanted

    try:
        # One connection for all looks: a process for each of them would take more of the machine than what is waited for.
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
            wait_until(lambda: holds(connection), "")
    except AssertionError:
        raise AssertionError(f"{statement} gave {seen[0]!r} instead of {wanted!r} for {PATIENCE_SECONDS:g} s") from None


async def add_strategy(
    database: Database,
    *,
    settings: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    cash: Decimal = Decimal(1_000_000),
    account_id: UUID | None = None,
) -> NewStrategy:
    """A strategy on an account of its own (or the given one), made by another process than the server, as the CLI does."""
    connection = await connect(database, name="test")
    try:
        if account_id is None:
            limits = NO_LIMITS if limits is None else limits
            account_id = await create_account(connection, await owner_id(connection), str(new_id()), cash=cash, limits=limits)
        return await create_strategy(connection, account_id, str(new_id()), settings=settings)
    finally:
        await connection.close()


def new_strategy(database: Database, **options: Any) -> NewStrategy:
    """``add_strategy`` for tests without a loop."""
    return asyncio.run(add_strategy(database, **options))
