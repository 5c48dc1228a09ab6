"""One account at Alpaca while this process trades it: jobs are carried out, both sides compared, and it never ends by itself."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hookfill.brokers.alpaca import compare, store
from hookfill.brokers.alpaca.carry import Timing, Watch
from hookfill.brokers.alpaca.client import Alpaca
from hookfill.brokers.alpaca.hands import ORDER_ALARM, Hands
from hookfill.brokers.alpaca.stream import Updates
from hookfill.brokers.mt5.reconcile import Seen
from hookfill.brokers.mt5.reports import Report, take_report
from hookfill.brokers.mt5.store import Agent
from hookfill.brokers.port import Holding, NotNow, OrderState, Refused, Standing, Unknown
from hookfill.ops.alarms import clear_alarms, raise_alarm
from hookfill.ops.loop import UNREACHABLE

UNREACHED = "alpaca_unreachable"
BEAT_SECONDS = 1.0
COMPARE_SECONDS = 15.0
"""How often both sides are compared."""
SOON_SECONDS = 1.0
"""How soon after something happened, or when they do not agree; from there it is twice as long each time, since Alpaca counts."""
FAILURES_TO_ALARM = 3
DRAIN_SECONDS = 3.0
_LOG = structlog.get_logger("hookfill.alpaca")


class Session:
    """Trades one account until it is stopped."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        found: store.Connection,
        session_id: UUID,
        keys: tuple[str, str, str],
        timing: Timing | None = None,
    ) -> None:
        """Prepare.

        Args:
            found: the account, as it was found.
            keys: key, secret and the URL of the trading API.
        """
        self.found = found
        self._pool, self._broker, self._watch = pool, Alpaca(*keys), Watch()
        self._agent = Agent(session_id, found.user_id, found.account_id, is_owner=found.is_owner)
        self._updates = Updates(*keys, self._heard, self._compare_soon)
        self._hands = Hands(pool, self._agent, self._broker, self._watch, self._job_ended, timing)
        self._wake, self._due = asyncio.Event(), asyncio.Event()
        self._guarded: frozenset[str] = frozenset()
        self._is_stopping = False

    def wake(self) -> None:
        """There may be a job."""
        self._wake.set()

    def stop(self) -> None:
        """End ``run`` after the work in hand, if that ends soon."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until it is stopped or cancelled."""
        beside = [asyncio.create_task(self._updates.run()), asyncio.create_task(self._keep_comparing())]
        try:
            while not self._is_stopping:
                self._wake.clear()
                try:
                    await self._hands.take()
                except UNREACHABLE as error:
                    _LOG.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
                except asyncpg.PostgresError as error:
                    _LOG.error("jobs_not_found", account_id=str(self.found.account_id), error=f"{type(error).__name__}: {error}")
                await _first_of(self._wake, BEAT_SECONDS)
            await self._hands.drain(DRAIN_SECONDS)
        finally:
            for task in beside:
                task.cancel()
            await self._hands.drain(0)
            await asyncio.gather(*beside, return_exceptions=True)

    def _heard(self, state: OrderState) -> None:
        if not self._watch.told(state) and state.is_over and state.symbol in self._guarded:
            self._compare_soon()  # it may be what guards a position

    def _job_ended(self) -> None:
        self._wake.set()
        self._compare_soon()

    def _compare_soon(self) -> None:
        self._due.set()

    # Both sides ---------------------------------------------------------------------------------------------------------------

    async def _keep_comparing(self) -> None:
        wait = SOON_SECONDS
        while True:
            self._due.clear()
            agrees = False
            try:
                agrees = await self._compare()
            except (Unknown, NotNow, Refused) as error:
                await self._note_failure(str(error))
            except UNREACHABLE as error:
                _LOG.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
            except Exception:
                _LOG.exception("not_compared", account_id=str(self.found.account_id))
            wait = COMPARE_SECONDS if agrees else min(wait * 2, COMPARE_SECONDS)
            if await _first_of(self._due, wait):
                wait = SOON_SECONDS
                await asyncio.sleep(SOON_SECONDS)  # what happens together is one reason to look

    async def _compare(self) -> bool:
        """Ask Alpaca, keep what it tells, and see whether the books agree."""
        account_id = self.found.account_id
        async with self._pool.acquire() as connection:
            now = await connection.fetchval("SELECT clock_timestamp()")
            entries = await store.guarded_entries(connection, account_id)
            ended = await store.ended_unfilled(connection, account_id)
        deals = await self._deals(entries)
        strays = await self._strays(ended)
        holdings, funds = tuple(await self._broker.positions()), await self._broker.funds()
        async with self._pool.acquire() as connection:
            told = await self._positions(connection, holdings)
            report = Report(now, compare.account_of(funds, holdings), told, deals)
            async with connection.transaction():
                seen = await take_report(connection, self._agent, report, now)
            note = _why_not(seen, strays, funds.blocked)
            is_agreed = note is None
            await store.note_told(connection, account_id, self._agent.agent_id, agrees=is_agreed, note=note)
            await clear_alarms(connection, account_id, UNREACHED, [])
            await self._alarm(connection, strays)
        return is_agreed

    async def _deals(self, entries: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
        deals: list[dict[str, Any]] = []
        for entry in entries:
            found = await self._broker.look_with_legs(entry["broker_order_id"])
            if found is not None:
                self._guarded |= {found.symbol}
                deals += compare.deals_of(found, entry["strategy_id"], entry["symbol"], self.found.symbol_map)
        return deals

    async def _strays(self, ended: dict[str, str]) -> list[OrderState]:
        """Orders that were taken as not made and are there after all; those that still work are cancelled."""
        if not ended:
            return []
        strays = compare.strays(await self._broker.recent(), ended)
        for one in strays:
            if one.standing is Standing.WORKING:
                await self._broker.cancel(one.broker_order_id)
        return strays

    async def _positions(self, connection: asyncpg.Connection, holdings: Sequence[Holding]) -> list[dict[str, Any]]:
        ours = compare.held_of(await store.held(connection, self.found.account_id))
        return compare.positions_of(holdings, ours, self.found.symbol_map)

    async def _alarm(self, connection: asyncpg.Connection, strays: Sequence[OrderState]) -> None:
        for one in strays:
            await raise_alarm(connection, self.found.account_id, ORDER_ALARM, compare.stray_subject(one), compare.stray_text(one))
        unknown = await store.unknown_orders(connection, self.found.account_id)
        await clear_alarms(connection, self.found.account_id, ORDER_ALARM, {*unknown, *map(compare.stray_subject, strays)})

    async def _note_failure(self, text: str) -> None:
        account_id = self.found.account_id
        with contextlib.suppress(*UNREACHABLE, asyncpg.PostgresError):
            async with self._pool.acquire() as connection:
                failures = await store.note_failure(connection, account_id, self._agent.agent_id, text)
                _LOG.warning("alpaca_not_reached", account_id=str(account_id), failures=failures, error=text)
                if failures >= FAILURES_TO_ALARM:
                    what = (
                        f"Alpaca could not be asked {failures} times in a row: {text}. Entries wait; look at the connection's keys."
                    )
                    await raise_alarm(connection, account_id, UNREACHED, "account", what)


def _why_not(seen: Sequence[Seen], strays: Sequence[OrderState], blocked: str | None) -> str | None:
    """Why broker and books do not agree, in words; None when they do."""
    if blocked is not None:
        return blocked
    if seen:
        return seen[0].difference.text
    return compare.stray_text(strays[0]) if strays else None


async def _first_of(event: asyncio.Event, seconds: float) -> bool:
    """Until the event is set, or so long; whether it was set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
