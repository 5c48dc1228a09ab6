"""Connections with settings that Hookfill can rely on.

Every connection is named (``pg_stat_activity.application_name``), speaks UTC, reads and writes ``jsonb`` as Python values, and is
cut when it idles inside a transaction: an account's lock must never outlive the one who forgot it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson

from hookfill.postgres.model import Database

T = TypeVar("T")

IDLE_IN_TRANSACTION_SECONDS = 30
PATIENCE_SECONDS = 30.0
"""How long opening a pool waits for a server that is still recovering."""
RETRY_SECONDS = 0.1
_JSONB_VERSION = b"\x01"
DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever using a database may raise. The last is asyncpg's own confusion when a server dies in the middle of an answer."""


async def open_pool(
    database: Database,
    *,
    name: str,
    min_size: int = 1,
    max_size: int = 10,
    connect_timeout_seconds: float = 10.0,
    command_timeout_seconds: float | None = None,
    lock_timeout_seconds: float | None = None,
    only_looks_up: bool = False,
) -> asyncpg.Pool:
    """Open a pool; close it with ``await pool.close()``.

    Args:
        database: where, from ``hookfill.postgres.database.resolve``.
        name: what the pool is for ("inbox", "desk"); shown by PostgreSQL as ``hookfill <name>``.
        min_size: connections that are opened now and kept.
        max_size: connections at most.
        connect_timeout_seconds: how long opening one connection may take.
        command_timeout_seconds: how long one statement may take before it is cancelled (asyncio's TimeoutError); None: no bound.
        lock_timeout_seconds: how long a statement may wait for a lock (``asyncpg.LockNotAvailableError``); None: no bound.
        only_looks_up: no table is read whole if an index leads to the rows. A plan that was made while a table was small, when
            reading it whole was cheapest, stays in use while the table grows: until somebody analyzes it, a minute later or so.
    """
    settings = _server_settings(name, lock_timeout_seconds) | ({"enable_seqscan": "off"} if only_looks_up else {})

    async def open_now() -> asyncpg.Pool:
        return await asyncpg.create_pool(
            **database.connect_arguments,
            timeout=connect_timeout_seconds,
            min_size=min_size,
            max_size=max_size,
            command_timeout=command_timeout_seconds,
            server_settings=settings,
            init=prepare_connection,
            reset=_leave_as_it_is,
        )

    return await _when_ready(open_now, PATIENCE_SECONDS)


async def connect(
    database: Database,
    *,
    name: str,
    timeout_seconds: float = 10.0,
    command_timeout_seconds: float | None = None,
    lock_timeout_seconds: float | None = None,
) -> asyncpg.Connection:
    """Open one connection with the same settings as a pool's, for LISTEN and for short programs. The caller closes it."""

    async def connect_now() -> asyncpg.Connection:
        return await asyncpg.connect(
            **database.connect_arguments,
            timeout=timeout_seconds,
            command_timeout=command_timeout_seconds,
            server_settings=_server_settings(name, lock_timeout_seconds),
        )

    connection = await _when_ready(connect_now, timeout_seconds)
    await prepare_connection(connection)
    return connection


@contextlib.contextmanager
def cut_after(connection: asyncpg.Connection, seconds: float) -> Iterator[None]:
    """Terminate a connection if what is done with it within takes longer, so that whatever waits on it fails at once.

    A statement that is cancelled, and the rollback after it, wait for the server's answer; from a host that vanished there is none.
    """
    cut = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        cut.cancel()


async def _when_ready(attempt: Callable[[], Awaitable[T]], patience_seconds: float) -> T:
    """Try again while the server says that it is starting or recovering, which after a crash it may be for a moment."""
    give_up = time.monotonic() + patience_seconds
    while True:
        try:
            return await attempt()
        except asyncpg.CannotConnectNowError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(RETRY_SECONDS)


async def prepare_connection(connection: asyncpg.Connection) -> None:
    """Read and write ``jsonb`` and ``json`` as Python values (dict, list, str, …; Decimal and UUID are written as strings)."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary")
    await connection.set_type_codec("json", schema="pg_catalog", encoder=_encode_json, decoder=orjson.loads, format="binary")


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Spare a connection that is given back the round trip of ``RESET ALL`` and its like.

    Whatever our statements set, lock or become on a pool's connection ends with their transaction, and asyncpg rolls back one that
    was left open before it asks here. Locks and LISTEN of a session are for those who hold a connection of their own.
    """


def _server_settings(name: str, lock_timeout_seconds: float | None) -> dict[str, str]:
    settings = {
        "application_name": f"hookfill {name}",
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "jit": "off",
    }
    if lock_timeout_seconds is not None:
        settings["lock_timeout"] = f"{round(lock_timeout_seconds * 1000)}ms"
    return settings


def _encode_json(value: Any) -> bytes:
    return orjson.dumps(value, default=_as_text)


def _encode_jsonb(value: Any) -> bytes:
    return _JSONB_VERSION + orjson.dumps(value, default=_as_text)


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])


def _as_text(value: Any) -> str:
    """What orjson does not write itself: decimals, and asyncpg's own kind of UUID."""
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be stored as JSON")
