"""How PostgreSQL runs a statement, and large tables to ask it about: what all tests of query plans share.

A statement is prepared and explained in both ways in which it may be run: planned for its arguments, and once for all arguments, as
PostgreSQL may settle on after some runs. ``EXPLAIN`` of a statement with parameters is no help there: it plans for its arguments
whatever ``plan_cache_mode`` says.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from psycopg import sql

from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import PATIENCE_SECONDS

MODES = ("force_custom_plan", "force_generic_plan")
_OWN = "CREATE FUNCTION pg_temp.own(n bigint) RETURNS uuid LANGUAGE sql AS $$SELECT lpad(to_hex(n), 32, '0')::uuid$$"
MOST_TRIES = 5
_POLL_SECONDS = 0.02
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained"
_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY oid"
_NOT_VISIBLE = """SELECT oid::regclass::text || ': ' || relallvisible || ' of ' || relpages
                  FROM pg_class WHERE oid = ANY ($1::text[]::regclass[]) AND relallvisible < relpages"""
_RUNNING = """SELECT concat_ws(' ', backend_type, pid, application_name, state, left(query, 200)) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start <= $1
                    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"""


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """One way in which a statement was run; ``mode`` tells which, ``steps`` are its nodes from the top."""

    mode: str
    steps: tuple[dict[str, Any], ...]

    @property
    def indexes(self) -> set[str]:
        """The names of all indexes that it uses."""
        return {step["Index Name"] for step in self.steps if "Index Name" in step}

    def scans(self, *tables: str) -> list[dict[str, Any]]:
        """The steps that read one of the tables, or any table if none is named."""
        return [step for step in self.steps if "Relation Name" in step and (not tables or step["Relation Name"] in tables)]

    def rows(self, *tables: str) -> int:
        """How many rows those steps looked at, whether they passed them on or not."""
        return round(sum(_rows(step) for step in self.scans(*tables)))

    def read_whole(self, *tables: str) -> set[str]:
        """Which of the tables it reads from their beginning to their end."""
        return {step["Relation Name"] for step in self.scans(*tables) if step["Node Type"] == "Seq Scan"}

    def __repr__(self) -> str:
        shown = ("Node Type", "Relation Name", "Index Name", "Actual Rows", "Actual Loops")
        return f"{self.mode}: " + "; ".join(" ".join(str(step[key]) for key in shown if key in step) for step in self.steps)


def _rows(step: dict[str, Any]) -> float:
    """What PostgreSQL tells is the mean of a step's loops."""
    removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
    return float((step["Actual Rows"] + removed) * step["Actual Loops"])


async def explain(connection: asyncpg.Connection, statement: str, *arguments: object) -> tuple[Plan, Plan]:
    """Run a statement as it is planned for its arguments, and for any, and tell how. What it changes is undone."""
    given = ", ".join(sql.Literal(argument).as_string(None) for argument in arguments)
    await connection.execute(f"PREPARE explained AS {statement}")
    try:
        custom, generic = [await _explain(connection, mode, f"({given})" if given else "") for mode in MODES]
    finally:
        await connection.execute("DEALLOCATE explained")
    return custom, generic


async def explain_after(
    connection: asyncpg.Connection, grow: Callable[[], Awaitable[None]], statement: str, *arguments: object
) -> Plan:
    """Run a statement as it was planned for all arguments before the tables grew, and tell how that plan fares afterwards."""
    given = ", ".join(sql.Literal(argument).as_string(None) for argument in arguments)
    await connection.execute(f"PREPARE explained AS {statement}")
    try:
        await _explain(connection, MODES[1], f"({given})")
        await grow()
        return await _explain(connection, MODES[1], f"({given})")
    finally:
        await connection.execute("DEALLOCATE explained")


async def _explain(connection: asyncpg.Connection, mode: str, given: str) -> Plan:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        [told] = await connection.fetchval(_EXPLAIN + given)
    finally:
        await transaction.rollback()
    return Plan(mode, tuple(_steps(told["Plan"])))


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _steps(child)


async def look(
    connection: asyncpg.Connection, tables: Collection[str], statement: str, *arguments: object
) -> list[tuple[set[str], int]]:
    """For either plan the indexes that it uses, and how many rows it looks at in the tables that grow: it may read none whole."""
    plans = await explain(connection, statement, *arguments)
    for plan in plans:
        assert not plan.read_whole(*tables), plan
    return [(plan.indexes, plan.rows(*tables)) for plan in plans]


async def assert_little_is_read(
    connection: asyncpg.Connection,
    statement: str,
    arguments: Sequence[object],
    *,
    returned: int,
    most: int,
    index: str | None = None,
) -> None:
    """A statement returns so many rows, looks at ``most`` at most in all tables together, and uses the index, however planned."""
    found = len(await connection.fetch(statement, *arguments))
    assert found == returned, f"{found} rows returned, not {returned}"
    for plan in await explain(connection, statement, *arguments):
        assert plan.rows() <= most, f"{plan.rows()} rows read, not {most} at most: {plan}"
        assert index is None or index in plan.indexes, f"without {index}: {plan}"


@asynccontextmanager
async def connected(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database, for as long as it is used."""
    connection = await connect(database, name="test")
    try:
        yield connection
    finally:
        await connection.close()


async def crowd(connection: asyncpg.Connection, statements: Sequence[str], *arguments: object) -> None:
    """Run the statements that make tables large, all with the same arguments, and ``vacuum`` every table.

    They may say ``pg_temp.own(number)`` for the id of that number.
    """
    await connection.execute(_OWN)
    for statement in statements:
        await connection.execute(statement, *arguments)
    await vacuum(connection)


def fill(database: Database, statements: Sequence[str]) -> Database:
    """``crowd`` for a module's fixture; the same database, now full."""

    async def run() -> None:
        async with connected(database) as connection:
            await crowd(connection, statements)

    asyncio.run(run())
    return database


async def vacuum(connection: asyncpg.Connection, *tables: str) -> None:
    """Analyse the tables, or all that are ours if none is named, and have every page of theirs known as visible to all.

    A plain VACUUM need not do. Pages on which rows were deleted, as those of a database that an earlier test has used, keep their
    marks while they are few: cleaning the indexes does away with them. It passes by a page that somebody has in hand (the
    checkpointer that writes it, say), unless it has to freeze what is on it: then it waits. And it leaves what is newer than the
    oldest snapshot of this database, such as that of an autovacuum worker: when that has gone, another VACUUM finishes.
    """
    names = list(tables) or [name for (name,) in await connection.fetch(_TABLES)]
    left: list[str] = []
    for _ in range(MOST_TRIES):
        await connection.execute(f"VACUUM (ANALYZE, FREEZE, INDEX_CLEANUP ON) {', '.join(names)}")
        left = [line for (line,) in await connection.fetch(_NOT_VISIBLE, names)]
        if not left:
            return
        await _wait_for_others(connection, left)
    raise AssertionError(f"after {MOST_TRIES} times VACUUM there are pages that are not known as visible to all: {left}")


async def _wait_for_others(connection: asyncpg.Connection, left: list[str]) -> None:
    """Wait until the transactions have gone that run now and may still see what was there before."""
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    give_up = time.monotonic() + PATIENCE_SECONDS
    while running := await connection.fetch(_RUNNING, now):
        if time.monotonic() > give_up:
            told = [line for (line,) in running]
            raise AssertionError(
                f"VACUUM can't mark pages as visible to all ({left}): after {PATIENCE_SECONDS:g} s still run {told}"
            )
        await asyncio.sleep(_POLL_SECONDS)
