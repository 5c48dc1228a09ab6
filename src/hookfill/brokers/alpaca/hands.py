"""The jobs of one account that this process has in hand: leased, carried out side by side, and told with their lease's token."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog

from hookfill.brokers.alpaca import store
from hookfill.brokers.alpaca.carry import Carrier, Errand, GuardedBroker, Timing, Watch
from hookfill.brokers.mt5.jobs import Fence, may_begin, stored_result
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.mt5.store import Agent, fence, finish_job, lease_job, lock_job
from hookfill.brokers.port import OrderState
from hookfill.ops.alarms import raise_alarm
from hookfill.ops.loop import UNREACHABLE

ORDER_ALARM = "alpaca_order"
MOST_AT_ONCE = 16
"""Jobs of one account that are carried out at the same time; those whose orders wait for a price are not counted."""
AGAIN_SECONDS = 1.0
_LOG = structlog.get_logger("hookfill.alpaca")
T = TypeVar("T")


class Hands:
    """Carries out an account's jobs."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        agent: Agent,
        broker: GuardedBroker,
        watch: Watch,
        ended: Callable[[], None],
        timing: Timing | None = None,
    ) -> None:
        """Work as ``agent`` (the session); ``ended`` is called whenever a job was told."""
        self._pool, self._agent, self._ended = pool, agent, ended
        self._carrier = Carrier(broker, watch, self, timing)
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._errands: dict[UUID, Errand] = {}

    async def take(self) -> None:
        """Keep the leases, and begin what waits."""
        async with self._pool.acquire() as connection:
            account_id = self._agent.account_id
            for job_id in await store.extend(connection, account_id, self._agent.agent_id, list(self._tasks)):
                if job_id in self._errands:
                    self._errands[job_id].cancel.set()
            while sum(not errand.waits for errand in self._errands.values()) < MOST_AT_ONCE:
                job = await lease_job(connection, self._agent)
                if job is None:
                    return
                self._begin(job, await store.order_of(connection, account_id, job["job_id"]))

    async def drain(self, seconds: float) -> None:
        """Wait for what is in hand, but no longer than so; what is left is looked for by whoever has the account next."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        left = list(self._tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, job: asyncpg.Record, order_id: UUID | None) -> None:
        job_id, expires_at, now = job["job_id"], job["expires_at"], job["now"]
        if job_id in self._tasks:  # its lease lapsed while the database could not be reached, and is ours again
            self._errands[job_id].lease_token = job["lease_token"]
            return
        errand = Errand(
            job_id=job_id,
            job_type=JobType(job["job_type"]),
            order_id=order_id,
            input_data=job["input_data"],
            lease_token=job["lease_token"],
            attempts=job["attempts"],
            begin_until=None,
        )
        if expires_at is not None:
            remaining = (expires_at - now) / timedelta(seconds=1) if may_begin(expires_at, now) else 0.0
            errand.begin_until = asyncio.get_running_loop().time() + remaining
        self._errands[job_id] = errand
        task = asyncio.create_task(self._carry_out(errand))
        self._tasks[job_id] = task
        task.add_done_callback(lambda _: self._over(job_id))

    def _over(self, job_id: UUID) -> None:
        self._tasks.pop(job_id, None)
        self._errands.pop(job_id, None)
        self._ended()

    async def _carry_out(self, errand: Errand) -> None:
        try:
            result = await self._carrier.carry_out(errand)
        except Exception:
            # A defect: one job must not stop the others. What it did is looked for once its lease has lapsed.
            _LOG.exception("job_met_a_defect", job_id=str(errand.job_id))
            return
        await self._patiently(lambda connection: self._tell(connection, errand, result))

    async def _tell(self, connection: asyncpg.Connection, errand: Errand, result: JobResult) -> None:
        """Store what came of a job, unless somebody else has it by now."""
        async with connection.transaction():
            job = await lock_job(connection, self._agent.account_id, errand.job_id)
            if job is None or fence(job, str(errand.lease_token)) is not Fence.ACCEPTED:
                _LOG.warning("job_result_too_late", job_id=str(errand.job_id), status=result.status)
                return
            stored = stored_result(result, job["created_at"], job["now"])
            await finish_job(connection, self._agent.account_id, job, result.status, stored, result.error_message)

    async def _patiently(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Do something in the database, again and again while it is away."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    return await work(connection)
            except UNREACHABLE as error:
                _LOG.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(AGAIN_SECONDS)

    # What carrying out needs of the books ------------------------------------------------------------------------------------

    async def guards_of(self, errand: Errand) -> Sequence[str]:
        """The broker's ids of the entries that made the position which a job closes."""
        account_id = self._agent.account_id
        return await self._patiently(lambda connection: store.guards_of(connection, account_id, errand.order_id))

    async def bought_for(self, errand: Errand) -> Decimal:
        """How much was bought in all for the position which a job closes."""
        account_id = self._agent.account_id
        return await self._patiently(lambda connection: store.bought_for(connection, account_id, errand.order_id))

    async def note_unknown(self, errand: Errand, text: str) -> None:
        """Show an order whose outcome nobody knows, and call a person."""
        account_id = self._agent.account_id

        async def note(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                await store.mark_unknown(connection, account_id, errand.order_id, text)
                await raise_alarm(connection, account_id, ORDER_ALARM, str(errand.input_data.get("client_order_id")), text)

        await self._patiently(note)

    async def note_working(self, errand: Errand, state: OrderState) -> None:
        """Show an order that is at the broker and not over."""
        account_id = self._agent.account_id
        await self._patiently(lambda connection: store.mark_working(connection, account_id, errand.order_id, state))
