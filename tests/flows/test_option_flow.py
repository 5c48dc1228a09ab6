"""Options over HTTP against a real server whose messages carry the time: bought, marked, left at a target; and one that ends."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from hookfill.ops.ledger import check_ledger as check_invariants
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import NO_LIMITS, new_strategy, query, wait_for_value
from support.http import PREFIX, Sender
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

OPENS_AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
"""A Monday's opening of the exchange."""
STEP = timedelta(minutes=5)
END = datetime(2026, 3, 4, 21, tzinfo=UTC)
"""The close on Wednesday."""
CALL, ENDING = "SPY260313C00500000", "SPY260304C00500000"


class Market:
    """Bars of SPY that are pushed one after the other."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def bar(self, opened_at: datetime, prices: str) -> None:
        """Push one bar: open, high, low, close; it closes five minutes later."""
        names = zip(("open", "high", "low", "close"), prices.split(), strict=True)
        candle = {"symbol": "SPY", "timeframe": "M5", "timestamp": opened_at.isoformat(), **dict(names)}
        answer = await self._sender.post("/api/v1/candles", json.dumps({"candles": [candle]}).encode(), f"X-API-KEY: {CANDLES_KEY}")
        assert answer.status == 201, answer

    async def morning(self) -> datetime:
        """An hour of bars, which tell the volatility; the moment after it."""
        for number in range(12):
            await self.bar(OPENS_AT + number * STEP, f"500 501 499.5 {'500' if number % 2 else '500.6'}")
        return OPENS_AT + 12 * STEP


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, database_url=database.url, HOOKFILL_TIME="messages") as server:
        yield server


async def alert(sender: Sender, secret: str, body: str, at: datetime) -> None:
    answer = await sender.post(PREFIX + secret, body.encode(), f"X-Hookfill-Time: {at.isoformat()}")
    assert answer.status == 200


async def broken(database: Database) -> list[object]:
    connection = await connect(database, name="test")
    try:
        return [(one.name, one.findings) for one in await check_invariants(connection) if not one.holds and not one.is_warning]
    finally:
        await connection.close()


def told(server: Server, path: str) -> list[dict[str, object]]:
    """What the API answers to the owner."""
    answer = httpx.get(f"{server.url}/api/v1/{path}", headers={"Authorization": f"Bearer {OWNER_TOKEN}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()
    return found


def test_a_call_is_left_at_its_target_and_another_one_ends(served: Server, database: Database) -> None:
    strategy = new_strategy(database, limits=NO_LIMITS)
    other = new_strategy(database, limits=NO_LIMITS, settings={"exits": {"option_defaults": False}})

    async def trade() -> None:
        sender = Sender(served.port)
        market = Market(sender)
        now = await market.morning()
        body = {"symbol": "SPY", "direction": "CALL", "quantity": 2}
        await alert(sender, strategy.secret, json.dumps(body), now)
        await alert(sender, other.secret, "buy SPY call strike=500 expiration=2026-03-04 3", now + timedelta(seconds=5))
        wait_for_value(database.url, 2, "SELECT count(*) FROM signals WHERE status = 'executed'")
        await market.bar(now, "500 502 499 501")
        wait_for_value(database.url, 2, "SELECT count(*) FROM positions WHERE marked_until = %s", now + STEP)
        await market.bar(now + STEP, "501 525 500 505")
        wait_for_value(database.url, "closed", "SELECT status FROM positions WHERE symbol = %s", CALL)
        # Two days later: the last bar before the contract's end, and then one that only moves the time on.
        await market.bar(END - STEP, "507 508 506 507.35")
        await market.bar(END + 2 * STEP, "520 520 520 520")
        wait_for_value(database.url, "closed", "SELECT status FROM positions WHERE symbol = %s", ENDING)
        sender.close()

    asyncio.run(trade())
    rows = query(
        database.url,
        """SELECT p.symbol, p.underlying, p.exit_reason, f.side, f.price_source, f.price = p.target_price, f.price, f.commission
           FROM fills f JOIN positions p USING (account_id, position_id) ORDER BY p.symbol, f.filled_at""",
    )
    assert [row[:6] for row in rows] == [
        (ENDING, "SPY", "expired", "buy", "model", None),
        (ENDING, "SPY", "expired", "sell", "expiry", None),
        (CALL, "SPY", "take_profit", "buy", "model", False),
        (CALL, "SPY", "take_profit", "sell", "candle", True),
    ]
    assert (rows[1][6], rows[1][7]) == (Decimal("7.35"), 0)
    assert [row[7] for row in (rows[0], rows[2], rows[3])] == [Decimal("1.95"), Decimal("1.30"), Decimal("1.30")]
    assert asyncio.run(broken(database)) == []
    shown = {position["symbol"]: position for position in told(served, "positions?status=closed")}
    assert {shown[CALL]["exit_reason"], shown[ENDING]["exit_reason"]} == {"take_profit", "expired"}
    assert (shown[CALL]["contract"], shown[CALL]["underlying"]) == ("SPY 2026-03-13 500 C", "SPY")


def test_the_clock_alone_ends_it_after_the_server_was_down(served: Server, database: Database) -> None:
    """It ends while nothing runs; the next start finds it, whatever the time is by then."""
    other = new_strategy(database, limits=NO_LIMITS, settings={"exits": {"option_defaults": False}})

    async def trade() -> None:
        sender = Sender(served.port)
        market = Market(sender)
        now = await market.morning()
        await alert(sender, other.secret, "buy SPY put strike=500 expiration=2026-03-04 1", now)
        wait_for_value(database.url, 1, "SELECT count(*) FROM signals WHERE status = 'executed'")
        sender.close()

    asyncio.run(trade())
    served.kill()
    query(database.url, "UPDATE simulated_clock SET now_at = %s RETURNING 1", END + timedelta(days=3))
    with Server(served.home, database_url=database.url, HOOKFILL_TIME="messages"):
        wait_for_value(database.url, "expired", "SELECT exit_reason FROM positions")
    [[price, at]] = query(database.url, "SELECT price, filled_at FROM fills WHERE price_source = 'expiry'")
    assert (price, at) == (0, END)
    assert asyncio.run(broken(database)) == []
