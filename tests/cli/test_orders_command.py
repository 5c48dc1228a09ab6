"""``hookfill orders``: what rests is shown and can be cancelled, with the server down."""

import asyncio
from uuid import UUID, uuid4

import pytest

from hookfill.desk.worker import Worker
from hookfill.inbox import store
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.postgres.pool import connect, open_pool
from support.cli import Cli
from support.database import query, value
from support.desk import at


def alert(cli: Cli, text: str, minute: float) -> None:
    """An alert of the owner's strategy at a simulated time, decided at once."""
    account_id: UUID = value(cli.database.url, "SELECT account_id FROM accounts WHERE is_default")
    strategy_id: UUID = value(cli.database.url, "SELECT strategy_id FROM strategies")
    now = at(minute)
    delivery = Delivery(
        account_id,
        new_id(),
        "tradingview",
        text.encode(),
        now,
        now,
        to_us(now),
        strategy_id=strategy_id,
        signal=NewSignal(new_id()),
    )

    async def decide() -> None:
        pool = await open_pool(cli.database, name="test", max_size=5)
        async with pool.acquire() as connection:
            await store.advance_simulated_clock(connection, now)
            await store.flush(connection, [delivery])
        await Worker(pool, lambda: connect(cli.database, name="test"), is_simulated=True).work_off()
        await pool.close()

    asyncio.run(decide())


@pytest.fixture
def resting(cli: Cli) -> str:
    """The id of an order that rests."""
    query(cli.database.url, "UPDATE strategies SET engine = 'direct'")
    alert(cli, "buy BTCUSD 0.1 limit=50000", 0)
    (row,) = cli.json("orders", "--status", "working")
    return str(row["id"])


def test_what_rests_is_shown(cli: Cli, resting: str) -> None:
    text = cli.text("orders")
    assert "BTCUSD" in text
    assert "50000" in text
    assert "working" in text
    assert "2026-03-03 00:00:00" in text
    assert resting in text.replace("\n", "").replace(" ", "") or resting[:8] in text
    assert cli.json("orders", "--status", "filled") == []


def test_it_is_cancelled_with_the_server_down_and_ends_when_the_worker_runs(cli: Cli, resting: str) -> None:
    assert "being cancelled" in " ".join(cli.text("orders", "cancel", resting).split())
    (row,) = cli.json("orders", "cancel", resting)
    assert row["status"] == "working"
    assert row["cancel_requested_at"] is not None
    alert(cli, "close GBPUSD", 1)
    (row,) = cli.json("orders")
    assert (row["status"], row["reason"]) == ("cancelled", "order_cancelled")
    assert "there is nothing left of it to cancel" in cli.error("orders", "cancel", resting)


def test_all_or_none_are_cancelled(cli: Cli, resting: str) -> None:
    assert "There is no order" in cli.error("orders", "cancel", resting, uuid4())
    assert cli.json("orders")[0]["cancel_requested_at"] is None
    assert "is no id" in cli.error("orders", "cancel", "x")
