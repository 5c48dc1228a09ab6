"""What the tests of query plans rest on: both ways of planning are seen, and pages are visible to all when they are said to be."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from asyncpg.transaction import Transaction

from hookfill.postgres.model import Database
from support import plans
from support.database import PATIENCE_SECONDS
from support.plans import connected, explain, look, vacuum

FILL = "INSERT INTO quotes (symbol, price, quoted_at, source) SELECT 'S' || n, 1, now(), 'x' FROM generate_series(1, 20000) AS n"
RARE = "SELECT n FROM skewed WHERE $1::boolean IS NULL OR is_rare = $1"
HIDDEN = "SELECT relpages - relallvisible FROM pg_class WHERE oid = 'quotes'::regclass"


@pytest.fixture
async def skewed(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A table whose rows are all of one kind but a few."""
    await connection.execute("CREATE TEMPORARY TABLE skewed AS SELECT n, n <= 3 AS is_rare FROM generate_series(1, 20000) AS n")
    await connection.execute("CREATE INDEX skewed_by_kind ON skewed (is_rare)")
    await vacuum(connection, "skewed")
    return connection


@pytest.fixture
async def holder(database: Database) -> AsyncIterator[Transaction]:
    """A transaction that sees the database as it is now."""
    async with connected(database) as other:
        transaction = other.transaction(isolation="repeatable_read")
        await transaction.start()
        await other.fetchval("SELECT count(*) FROM quotes")
        yield transaction


async def test_a_plan_for_any_value_is_not_the_one_for_this_value(skewed: asyncpg.Connection) -> None:
    custom, generic = await explain(skewed, RARE, True)
    assert (custom.indexes, custom.read_whole("skewed"), custom.rows("skewed")) == ({"skewed_by_kind"}, set(), 3)
    assert (generic.indexes, generic.read_whole("skewed"), generic.rows("skewed")) == (set(), {"skewed"}, 20_000)
    with pytest.raises(AssertionError, match="force_generic_plan: Seq Scan skewed"):
        await look(skewed, ["skewed"], RARE, True)


async def test_a_statement_that_is_explained_changes_nothing(skewed: asyncpg.Connection) -> None:
    for plan in await explain(skewed, "DELETE FROM skewed WHERE n < $1 RETURNING n", 11):
        assert plan.steps[0]["Actual Rows"] == 10
    assert await skewed.fetchval("SELECT count(*) FROM skewed") == 20_000
    with pytest.raises(asyncpg.DivisionByZeroError):
        await explain(skewed, "SELECT n / $1 FROM skewed", 0)
    assert len(await explain(skewed, "SELECT n FROM skewed")) == 2


async def test_a_page_with_marks_of_deleted_rows_is_cleaned(connection: asyncpg.Connection) -> None:
    """The same on a table that an earlier test has used and left."""
    await connection.execute(FILL)
    await connection.execute("DELETE FROM quotes WHERE symbol = ANY ($1::text[])", [f"S{n}" for n in range(1, 6)])
    await connection.execute("VACUUM (ANALYZE, FREEZE) quotes")
    # More than that page where the server's own processes held some at the time: VACUUM passes those over.
    assert await connection.fetchval(HIDDEN) >= 1, "VACUUM does more than it did: then the helper may do less"
    await vacuum(connection, "quotes")
    assert await connection.fetchval(HIDDEN) == 0


async def test_an_older_snapshot_is_waited_for(
    connection: asyncpg.Connection, holder: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()
    wait = plans._wait_for_others

    async def told(connection: asyncpg.Connection, left: list[str]) -> None:
        waiting.set()
        await wait(connection, left)

    monkeypatch.setattr(plans, "_wait_for_others", told)
    await connection.execute(FILL)
    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_SECONDS):
        group.create_task(vacuum(connection))
        await waiting.wait()
        await holder.commit()
    assert await connection.fetchval(HIDDEN) == 0


@pytest.mark.usefixtures("holder")
async def test_who_keeps_pages_hidden_is_named(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PATIENCE_SECONDS", 0)
    await connection.execute(FILL)
    with pytest.raises(AssertionError, match=r"quotes: 0 of \d+.*idle in transaction SELECT count"):
        await vacuum(connection, "quotes")
