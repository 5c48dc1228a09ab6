"""The agent's loops: jobs, heartbeats, prices, snapshots, candles; each survives a server or terminal that is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID

import structlog

from hookfill.brokers.mt5.agent.client import POLL_SECONDS, Client, KeyRefused, Refused, ServerAway
from hookfill.brokers.mt5.agent.execute import Executor, Pending
from hookfill.brokers.mt5.agent.failpoints import Step, reach
from hookfill.brokers.mt5.agent.jobs import Job, UnusableJob, failed, job_from, wire
from hookfill.brokers.mt5.agent.journal import Entry, Journal, JournalError
from hookfill.brokers.mt5.agent.link import Backoff, OneThread, ServerClock
from hookfill.brokers.mt5.agent.pushing import Candles, Interest, Pusher
from hookfill.brokers.mt5.agent.sending import Lease, Sender
from hookfill.brokers.mt5.agent.terminal import Terminal, TerminalError
from hookfill.brokers.mt5.model import JobType
from hookfill.kernel.steady import steady_seconds

_CHANGING = frozenset({JobType.TRADE, JobType.CLOSE_POSITION})


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each loop turns, in seconds."""

    heartbeat_seconds: float = 20.0
    prices_seconds: float = 1.0
    snapshot_seconds: float = 10.0
    candles_seconds: float = 30.0
    look_again_seconds: float = 2.0
    goodbye_seconds: float = 5.0


@dataclass(slots=True)
class _Held:
    """A job under a lease of ours; ``is_known`` is false for one of which only the id is certain."""

    job: Job
    lease: Lease
    is_known: bool = True


class Runner:
    """The agent between one terminal and one server. Its loops run in one event loop, what blocks in threads of its own."""

    def __init__(
        self,
        terminal: Terminal,
        journal: Journal,
        client: Client,
        *,
        interest: Interest | None = None,
        candles: Candles | None = None,
        pace: Pace | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        """Prepare, don't start.

        Args:
            interest: the symbols whose prices are pushed from the start.
            candles: None: no candles are pushed.
            pause: what waits between looks at the terminal, in the jobs' thread.
        """
        self._terminal = OneThread(terminal)
        self._journal = journal
        self._client = client
        self._clock = ServerClock()
        self._interest = interest or Interest()
        self._pusher = Pusher(self._terminal, journal, self._interest)
        self._candles = candles
        self._pace = pace or Pace()
        self._stop = asyncio.Event()
        self._work = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobs")
        self._executor = Executor(Sender(self._terminal, journal, self._clock.now, pause or time.sleep))
        self._held: dict[UUID, _Held] = {}
        self._hand = asyncio.Lock()
        self._log = structlog.get_logger("agent")

    def stop(self) -> None:
        """Finish the job in hand, take no other, and end."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``stop``.

        Raises:
            KeyRefused: the server does not know this agent, or not any more.
            TerminalError: the terminal can't be started.
            JournalError: the journal can't be written.
        """
        await self._in_thread(self._terminal.connect)
        try:
            if await self._first_contact():
                await self._run_loops()
        finally:
            self._work.shutdown()
            self._terminal.close()

    async def _run_loops(self) -> None:
        loops = [
            self._repeat("heartbeat", self._pace.heartbeat_seconds, self._beat),
            self._repeat("prices", self._pace.prices_seconds, self._push_prices),
            self._repeat("snapshot", self._pace.snapshot_seconds, self._push_snapshot),
        ]
        if self._candles is not None:
            loops.append(self._repeat("candles", self._pace.candles_seconds, self._push_candles))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(loop) for loop in loops]
                # Heartbeats go on until the job in hand is finished, so that its lease holds.
                await self._take_jobs()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.to_thread(function, *arguments)

    # The beginning -----------------------------------------------------------------------------------------------------------

    async def _first_contact(self) -> bool:
        """Tell what the server does not know yet, and take up what is still leased to us; false if stopped before that."""
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                await self._report_all()
                await self._beat(first=True)
            except ServerAway as error:
                self._log.warning("server_away", reason=str(error))
                await self._wait(backoff.next())
            else:
                return True
        return False

    async def _resume(self, leases: Mapping[UUID, Any]) -> None:
        """Jobs of an earlier life of this agent."""
        for entry in self._journal.open_jobs():
            token, until = leases.get(entry.job_id, (None, None))
            if token == entry.lease_token:
                self._hold_again(entry, until)
            else:
                await self._look_after(entry)
        for job_id, (token, until) in leases.items():
            if self._journal.entry(job_id) is None:
                self._hold_again(self._journal.take(job_id, {"job_id": str(job_id)}, token), until)

    def _hold_again(self, entry: Entry, until: datetime) -> None:
        """A job that is still leased to us. Of one that ended the agent as it was given out, only the id may be known."""
        try:
            job = replace(job_from(entry.job, until), leased_until=until)
            self._held[entry.job_id] = _Held(job, Lease(until, job.expires_at))
        except UnusableJob:
            job = Job(entry.job_id, JobType.TRADE, {}, entry.lease_token, until, None, attempt=1, may_act=False)
            self._held[entry.job_id] = _Held(job, Lease(until, None), is_known=False)

    async def _look_after(self, entry: Entry) -> None:
        """A job whose lease has lapsed: what was dealt for it is told, else it is the server's to give out again."""
        self._journal.forget(entry.job_id)
        if entry.state != "acting":
            return
        now = self._clock.now()
        job = replace(job_from(entry.job, now), may_act=False)
        with suppress(TerminalError):
            if await self._in_thread(self._executor.has_trace, job):
                self._held[job.job_id] = _Held(job, Lease(now - timedelta(days=1), job.expires_at))

    # Jobs --------------------------------------------------------------------------------------------------------------------

    async def _take_jobs(self) -> None:
        backoff = Backoff(most_seconds=10.0)
        while not self._stop.is_set():
            try:
                await self._work_off()
                given = await self._next_job()
                backoff.reset()
            except ServerAway as error:
                self._log.warning("server_away", reason=str(error))
                await self._wait(backoff.next())
                continue
            if given is not None:
                self._accept(given)
        with suppress(ServerAway, TimeoutError):
            async with asyncio.timeout(self._pace.goodbye_seconds):
                await self._report_all()

    async def _next_job(self) -> Mapping[str, Any] | None:
        """The server's next job; None if there is none, or if we are to stop."""
        seconds = self._pace.look_again_seconds if self._held else POLL_SECONDS
        polling = asyncio.ensure_future(self._client.next_job(int(seconds)))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return polling.result() if polling.done() else None
        except Refused as error:
            if isinstance(error, KeyRefused):
                raise
            raise ServerAway(str(error)) from error
        finally:
            polling.cancel()
            stopping.cancel()

    def _accept(self, given: Mapping[str, Any]) -> None:
        try:
            job = job_from(given, self._clock.now())
        except UnusableJob as error:
            self._log.error("job_not_understood", reason=str(error))
            with suppress(KeyError, ValueError):
                job_id = UUID(str(given["job_id"]))
                self._journal.take(job_id, given, str(given["lease_token"]))
                self._journal.finish(job_id, wire(failed(str(error))))
            return
        self._log.info("job_taken", job_id=str(job.job_id), type=job.job_type.value, attempt=job.attempt, may_act=job.may_act)
        self._interest.add_job(job.input_data.get("symbol"))
        self._held[job.job_id] = _Held(job, Lease(job.leased_until, job.expires_at))

    async def _work_off(self) -> None:
        """Carry out, or look again after, each job that we hold, oldest first."""
        for held in list(self._held.values()):
            async with self._hand:
                await self._carry_out(held)
        await self._report_all()

    async def _carry_out(self, held: _Held) -> None:
        job = held.job
        loop = asyncio.get_running_loop()
        outcome: Mapping[str, Any] | Pending
        if held.is_known:
            outcome = await loop.run_in_executor(self._work, self._executor.carry_out, job, held.lease)
        else:
            found = await loop.run_in_executor(self._work, self._executor.find_out, job)
            outcome = Pending.LOOK_AGAIN if found is None else found
            if found is not None:
                self._journal.finish(job.job_id, found)
        if outcome is Pending.LOOK_AGAIN:
            return
        del self._held[job.job_id]
        if isinstance(outcome, Pending):
            self._log.warning("job_dropped", job_id=str(job.job_id), reason="The lease lapsed before anything was sent.")
            return
        facts = {name: outcome.get(name) for name in ("status", "fill_price", "broker_order_id", "error_message")}
        self._log.info("job_done", job_id=str(job.job_id), **facts)
        with suppress(ServerAway):
            await self._report_all()
        if job.job_type in _CHANGING:
            with suppress(ServerAway, Refused, TerminalError):
                await self._snapshot_now()

    async def _report_all(self) -> None:
        """Tell every outcome that the server has not acknowledged.

        Raises:
            ServerAway: it can't be told now.
            KeyRefused: the server does not know us.
        """
        for entry in self._journal.to_report():
            try:
                answer = await self._client.report(entry.job_id, entry.lease_token, entry.outcome or {})
                self._log.info("job_reported", job_id=str(entry.job_id), duplicate=bool(answer.get("duplicate")))
            except KeyRefused:
                raise
            except Refused as error:
                # 409: the lease is no longer ours; the server asks again if it does not know. 404: the job is gone.
                level = self._log.warning if error.status in {404, 409} else self._log.error
                level("result_refused", job_id=str(entry.job_id), status=error.status, reason=str(error))
                if error.status not in {404, 409} and "output_data" in (entry.outcome or {}):
                    self._journal.finish(entry.job_id, wire(failed(f"The server did not take the answer: {error}")))
                    continue
            reach(Step.AFTER_REPORT)
            self._journal.reported(entry.job_id)

    # What is told regularly --------------------------------------------------------------------------------------------------

    async def _beat(self, *, first: bool = False) -> None:
        facts = await self._in_thread(self._describe)
        asked_at = steady_seconds()
        heartbeat = await self._client.heartbeat(facts)
        self._clock.set(heartbeat.server_time, asked_at)
        for job_id, (token, until) in heartbeat.leases.items():
            held = self._held.get(job_id)
            if held is not None and held.job.lease_token == token:
                held.lease.leased_until = until
        if first:
            await self._resume(heartbeat.leases)

    def _describe(self) -> dict[str, Any]:
        try:
            facts, offset = self._terminal.describe(), self._terminal.offset_seconds()
        except TerminalError as error:
            return {"version": version("hookfill"), "terminal": {"connected": False, "problem": str(error)}}
        return {"version": version("hookfill"), "terminal": facts, "broker_time_offset_seconds": offset}

    async def _push_prices(self) -> None:
        ticks = await self._in_thread(self._pusher.prices)
        if ticks:
            try:
                await self._client.prices(ticks)
            except (ServerAway, Refused):
                self._pusher.forget_prices()
                raise

    async def _push_snapshot(self) -> None:
        async with self._hand:
            await self._snapshot_now()

    async def _snapshot_now(self) -> None:
        """Only while no job is in hand, or right after one was reported: the server must not see what it can't know yet."""
        if self._held or self._journal.to_report():
            return
        body, deals = await self._in_thread(self._pusher.snapshot, self._clock.now())
        answer = await self._client.snapshot(body)
        self._pusher.told(deals)
        if answer.get("differences"):
            self._log.warning("differences", differences=answer["differences"])

    async def _push_candles(self) -> None:
        assert self._candles is not None
        candles = await self._in_thread(self._pusher.candles, self._candles)
        if candles:
            try:
                await self._client.candles(candles, self._candles.key)
            except (ServerAway, Refused):
                self._pusher.forget_candles()
                raise

    async def _repeat(self, name: str, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        """Do something regularly; what the server or the terminal can't do now is logged and tried again later."""
        backoff = Backoff(least_seconds=seconds)
        while True:
            try:
                await do()
                backoff.reset()
                pause = seconds
            except KeyRefused:
                if name != "candles":
                    raise
                self._log.error("candles_refused", reason="The server refuses the candles key: see --candles-key.")
                return
            except (ServerAway, Refused, TerminalError) as error:
                self._log.warning("not_told", what=name, reason=str(error))
                pause = backoff.next()
            except JournalError:
                raise
            except Exception:
                self._log.exception("loop_met_a_defect", what=name)
                pause = backoff.next()
            await asyncio.sleep(pause)

    async def _wait(self, seconds: float) -> None:
        """Wait, but not longer than until we are to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
