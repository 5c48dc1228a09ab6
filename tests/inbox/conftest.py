"""A writer on the test's database with a spool of its own, and deliveries to put into it."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.inbox.model import Delivery, NewSignal
from hookfill.inbox.spool import Spool
from hookfill.inbox.writer import Writer
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Deliver = Callable[..., Delivery]


@pytest.fixture
def account_id() -> UUID:
    return new_id()


@pytest.fixture
def make(account_id: UUID) -> Deliver:
    """Make a delivery of the test's account: ``make(key=…, seconds=…)``; ``seconds`` after noon, with a pending signal."""

    def make_delivery(key: bytes | None = None, seconds: float = 0, *, signal: bool = True, **fields: Any) -> Delivery:
        at = NOON + timedelta(seconds=seconds)
        given: dict[str, Any] = {
            "account_id": account_id,
            "message_id": new_id(),
            "door": "tradingview",
            "body": b"{}",
            "received_at": at,
            "as_of": at,
            "seen_us": to_us(at),
            "strategy_id": UUID(int=7),
            "gate_key": key,
            "signal": NewSignal(new_id()) if signal else None,
        }
        return Delivery(**given | fields)

    return make_delivery


@pytest.fixture
async def database_pair(database: Database) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """Two connections, as of two writers."""
    one, two = await connect(database, name="one"), await connect(database, name="two")
    yield one, two
    await one.close()
    await two.close()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
async def writer(database: Database, spool: Spool) -> AsyncIterator[Writer]:
    """A running writer."""
    writer = Writer(partial(connect, database, name="inbox", timeout_seconds=1.0), spool)
    writer.start()
    yield writer
    await writer.stop()
