"""The worker loop: wakes, finds accounts with work, and decides for one account at a time under its lock.

NOTIFY wakes it, a poll is the truth behind it (see ``ops.loop``). Several workers, in one process or many, share the work
through the account locks; an account that is locked elsewhere is skipped and found again.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from hookfill.desk.abroad import SQL as ABROAD
from hookfill.desk.apply import apply
from hookfill.desk.chains import SQL as OPTIONS
from hookfill.desk.experiments import SQL as SHADOW
from hookfill.desk.experiments import tell_failures
from hookfill.desk.fold import fold
from hookfill.desk.gather import MOST_SIGNALS, SQL, gather
from hookfill.desk.model import MAX_ATTEMPTS, Outcome, Situation
from hookfill.desk.resting_store import SQL as RESTING
from hookfill.desk.timers import GRACE
from hookfill.desk.watchdog import at_most
from hookfill.engines.flags import Flags
from hookfill.engines.router import split_in_force
from hookfill.kernel.clock import EPOCH, utc_now
from hookfill.ops.loop import POLL_SECONDS, UNREACHABLE, Loop
from hookfill.ops.pulse import Pulse
from hookfill.risk.model import DEFAULT_LIMITS, Limits

SIGNAL_SECONDS = 6.0
"""Deciding one signal takes a fraction of a millisecond, the first that asks for an exchange's calendar two seconds on a busy
machine; an engine that takes this long is caught in a loop."""
DECIDE_SECONDS = 5.0
"""After so long no further signal is begun in the same transaction: PostgreSQL cuts one that idles for 30 s, and whoever halts
trading waits for it to end. The rest comes in the next."""
SIGNALS_CHANNEL = "hookfill_signals"
PRICES_CHANNEL = "hookfill_prices"
RESULTS_CHANNEL = "hookfill_results"
_LOG = structlog.get_logger("hookfill.desk")


class Worker:
    """Decides for accounts until it is stopped."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        *,
        is_simulated: bool = False,
        concurrency: int = 4,
        poll_seconds: float = POLL_SECONDS,
        flags: Callable[[], Flags] = Flags,
        split_percentage: int = 0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Work through ``pool`` and listen through a connection made by ``connect``.

        Args:
            is_simulated: the time is what the messages carry, not the clock's.
            concurrency: accounts decided at the same time; the pool must have as many connections.
            poll_seconds: how often it looks for work of itself.
            flags: tells the feature flags as they are now.
            split_percentage: ``AB_SPLIT_PERCENTAGE``.
            limits: of accounts that have none of their own.
        """
        self._limits = limits
        self._is_simulated = is_simulated
        self._flags = flags
        self._split_percentage = split_percentage
        self._prices_moved = True
        self._news_came = True
        heard: dict[str, Callable[[], None]] = {
            SIGNALS_CHANNEL: self.wake,
            PRICES_CHANNEL: partial(self.wake, prices=True),
            RESULTS_CHANNEL: partial(self.wake, news=True),
        }
        self._loop = Loop(
            "desk",
            pool,
            connect,
            heard,
            self._accounts_with_work,
            self._work,
            poll_seconds=poll_seconds,
            concurrency=concurrency,
            look_at_all=self._look_at_all,
        )

    def wake(self, *, prices: bool = False, news: bool = False) -> None:
        """There may be work: pending signals, newer prices, or news from a broker."""
        self._prices_moved = self._prices_moved or prices
        self._news_came = self._news_came or news
        self._loop.wake()

    @property
    def pulse(self) -> Pulse:
        """How it fares; its counters tell how many signals came to which status."""
        return self._loop.pulse

    def stop(self) -> None:
        """End ``run`` after the work in hand."""
        self._loop.stop()

    async def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        await self._loop.run()

    async def work_off(self) -> int:
        """Decide everything that is due now; returns how many account transactions did something."""
        return await self._loop.work_off()

    def _look_at_all(self) -> None:
        """What was found may be undone; a steady stream of signals must not hide it from the poll."""
        self._prices_moved = self._news_came = True

    async def _accounts_with_work(self, connection: asyncpg.Connection) -> set[UUID]:
        look_at_prices, self._prices_moved = self._prices_moved, False
        look_at_news, self._news_came = self._news_came, False
        rows = await connection.fetch(SQL.accounts_with_signals.sql)
        if look_at_prices:
            now = await self._now(connection)
            rows += await connection.fetch(SQL.accounts_with_prices.sql, now)
            rows += await connection.fetch(ABROAD.accounts_with_own_prices.sql, now)
            rows += await connection.fetch(OPTIONS.accounts_with_option_prices.sql, now)
            rows += await connection.fetch(OPTIONS.accounts_with_due.sql, now - GRACE)
            rows += await connection.fetch(RESTING.accounts_with_resting.sql, now)
            rows += await connection.fetch(SHADOW.accounts_with_shadow_prices.sql, now, GRACE)
        if look_at_news:
            rows += await connection.fetch(ABROAD.accounts_with_news.sql)
        return {row["account_id"] for row in rows}

    async def _now(self, connection: asyncpg.Connection) -> datetime:
        if not self._is_simulated:
            return utc_now()
        return await connection.fetchval(SQL.simulated_now.sql) or EPOCH

    async def _work(self, connection: asyncpg.Connection, account_id: UUID) -> bool:
        try:
            return await self._decide(connection, account_id, MOST_SIGNALS)
        except UNREACHABLE:
            raise
        except Exception as error:
            _LOG.error("account_failed", account_id=str(account_id), error=f"{type(error).__name__}: {error}")
            self._loop.note_failure(error)
            return await self._one_by_one(connection, account_id)

    async def _decide(self, connection: asyncpg.Connection, account_id: UUID, most_signals: int) -> bool:
        """One transaction for one account; False when it is locked elsewhere or there was nothing to do."""
        async with connection.transaction():
            row = await connection.fetchrow(SQL.lock_account.sql, account_id)
            if row is None:
                return False
            now = await self._now(connection)
            situation = self._as_flagged(await gather(connection, row, now, most_signals, self._limits))
            self._prices_moved = self._prices_moved or situation.horizon < now  # more bars wait than one transaction takes
            give_up_at = time.monotonic() + DECIDE_SECONDS
            with at_most(SIGNAL_SECONDS) as bound:
                outcome = fold(situation, bound, lambda: time.monotonic() < give_up_at)
            if not outcome:
                tell_failures(account_id, outcome.shadow)
                return False
            await apply(connection, outcome)
        _tell_failures(outcome)
        self._loop.pulse.counters.update(verdict.status for verdict in outcome.verdicts)
        self._loop.pulse.counters.update(resolution.status for resolution in outcome.moves.resolutions)
        return True

    def _as_flagged(self, situation: Situation) -> Situation:
        flags = self._flags()
        return replace(situation, flags=flags, ab_split=split_in_force(flags, self._split_percentage))

    async def _one_by_one(self, connection: asyncpg.Connection, account_id: UUID) -> bool:
        """Something in the batch can't be gathered, folded or written: find out which signal, and count the attempt against it."""
        if not await self._prices_can_be_folded(connection, account_id):
            return False
        did_something = False
        for _ in range(MOST_SIGNALS):
            try:
                if not await self._decide(connection, account_id, 1):
                    return did_something
            except UNREACHABLE:
                raise
            except Exception as error:
                if not await self._note_failure(connection, account_id, error):
                    return did_something
            did_something = True
        return did_something

    async def _prices_can_be_folded(self, connection: asyncpg.Connection, account_id: UUID) -> bool:
        """Whether the account's prices and its broker's news can be folded: if not, its signals are innocent of it and wait."""
        async with connection.transaction():
            row = await connection.fetchrow(SQL.lock_account.sql, account_id)
            if row is None:
                return False
            try:
                situation = await gather(connection, row, await self._now(connection), 0, self._limits)
            except UNREACHABLE:
                raise
            except Exception:  # nothing of the account can be decided: each attempt is counted, so that this ends and is seen
                return True
            try:
                with at_most(SIGNAL_SECONDS) as bound:
                    fold(situation, bound)
            except Exception as error:
                _LOG.error("prices_failed", account_id=str(account_id), error=f"{type(error).__name__}: {error}")
                return False
            return True

    async def _note_failure(self, connection: asyncpg.Connection, account_id: UUID, error: Exception) -> bool:
        """Count a failed attempt of the account's first pending signal; False when it has none."""
        rows = await connection.fetch(SQL.pending_signals.sql, account_id, 1)
        if not rows:
            return False
        text = f"{type(error).__name__}: {error}"
        await connection.execute(SQL.note_failure.sql, MAX_ATTEMPTS, text, account_id, rows[0]["signal_id"])
        return True


def _tell_failures(outcome: Outcome) -> None:
    """Log the agents of the council whose code failed; the stories and experiments of their signals show the same."""
    failed = {
        (verdict.signal_id, failure["agent"], failure["error"])
        for verdict in outcome.verdicts
        for failure in verdict.trace.get("agent_failures", ())
    }
    for experiment in outcome.shadow.experiments:
        verdicts = (side.verdict for side in experiment.outcomes.values() if side.verdict is not None)
        opinions = (opinion for verdict in verdicts for opinion in verdict.opinions)
        failed |= {(experiment.signal.signal_id, one.agent, one.error) for one in opinions if one.error is not None}
    for signal_id, agent, error in sorted(failed):
        _LOG.error("agent_failed", signal_id=str(signal_id), agent=agent, error=error)
