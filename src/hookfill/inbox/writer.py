"""The group-commit writer: what has piled up while the last commit was under way goes to disk as one statement.

There is no artificial delay: with one sender a batch is one delivery, under load it is what came in meanwhile, or as much of it as
keeps this process and the database busy at the same time (``_Lane._share``). Deliveries of one account always take the same lane,
so they are stored in the order in which they arrived.

When the database does not answer within ``ANSWER_SECONDS``, batches go to the spool and are acknowledged all the same; a
background task writes them on, in order, as soon as the database is back, and only then do new ones go to the database again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import perf_counter

import asyncpg
import structlog

from hookfill.inbox import store
from hookfill.inbox.model import Delivery, Receipt
from hookfill.inbox.spool import Spool, SpoolFull
from hookfill.inbox.tally import Tally
from hookfill.kernel.reasons import Reason
from hookfill.postgres.pool import DATABASE_ERRORS

ANSWER_SECONDS = 1.0
RETRY_SECONDS = 0.25
NOTIFY_SECONDS, NOTIFY_SECONDS_EACH, NOTIFY_SECONDS_AT_MOST = 0.005, 0.0005, 0.05
MAX_BATCH = 500
MAX_WAITING = 50_000
_DECOY = Receipt(fresh=True, signal_id=None)
_LOG = structlog.get_logger("hookfill.inbox")

Connect = Callable[[], Awaitable[asyncpg.Connection]]
Done = Callable[[Receipt | Exception], None]
"""What is called when a delivery is on disk, or when it is known that it could not be brought there."""
_Waiting = tuple[Delivery, Done, float]
"""A delivery, who waits for it, and since when by a clock that only goes forward."""
_BAD_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class _Lane:
    """One database connection and the deliveries that wait for it."""

    def __init__(self, writer: "Writer") -> None:
        self._writer = writer
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._last_size = 0

    def put(self, delivery: Delivery, done: Done) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise SpoolFull("Too many messages wait for the database: slow down, or give the database more power.")
        self._waiting.append((delivery, done, perf_counter()))
        self._wake.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._take()
                outcomes = await self._outcomes(batch)
                if self._waiting:  # the database gets its next batch first, and works on it while these senders are answered
                    loop.call_soon(self._writer.settle, batch, outcomes)
                else:
                    self._writer.settle(batch, outcomes)

    def _take(self) -> list[_Waiting]:
        """What waits, up to this batch's share; a key's genuine repeat (later than the window) must wait for the next one."""
        first_seen: dict[bytes, int] = {}  # whose key it is does not matter: a batch that ends early loses nothing
        batch: list[_Waiting] = []
        most = self._share()
        while self._waiting and len(batch) < most:
            delivery = self._waiting[0][0]
            key, seen_us = delivery.gate_key, delivery.seen_us
            if key is not None and seen_us - first_seen.setdefault(key, seen_us) > store.WINDOW_US:
                break
            batch.append(self._waiting.popleft())
        self._last_size = len(batch)
        return batch

    def _share(self) -> int:
        """How many deliveries the next batch may have: half of those waiting and those just stored together.

        Senders that wait for their answer before they send again come in two groups: the database stores one while this process
        reads the other. If each batch took all that waits, unequal groups would stay unequal for ever, and the database would idle
        while the large one is read; as it is, they even out within a few batches.
        """
        return min(MAX_BATCH, (len(self._waiting) + self._last_size + 1) // 2)

    async def _outcomes(self, batch: list[_Waiting]) -> list[Receipt | Exception]:
        """Bring a batch to disk; what became of each of its deliveries."""
        try:
            receipts = iter(await self._write([delivery for delivery, _, _ in batch]))
        except Exception as error:
            return [error] * len(batch)
        return [_DECOY if delivery.is_decoy else next(receipts) for delivery, _, _ in batch]

    async def _write(self, batch: list[Delivery]) -> list[Receipt]:
        """Bring a batch to disk; receipts for all that are no decoys."""
        deliveries = [delivery for delivery in batch if not delivery.is_decoy]
        if self._writer.is_spooling:
            return await self._writer.spool(deliveries)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._flush(deliveries, batch)
        except DATABASE_ERRORS as error:
            self._drop_connection()
            self._writer.start_spooling(error)
            return await self._writer.spool(deliveries)

    async def _flush(self, deliveries: list[Delivery], batch: list[Delivery]) -> list[Receipt]:
        if self._connection is None or self._connection.is_closed():  # it may have died while there was nothing to send
            self._connection = await self._writer.connect()
        if not deliveries:
            with contextlib.suppress(*_BAD_DATA):  # of what is not stored
                await store.commit_decoy(self._connection, batch)
            return []
        if self._writer.is_simulated:
            await store.advance_simulated_clock(self._connection, max(delivery.as_of for delivery in deliveries))
        receipts = await _store(self._connection, deliveries, are_new=True)
        self._writer.note_stored(deliveries)
        return receipts

    def _drop_connection(self) -> None:
        _drop(self._connection)
        self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=ANSWER_SECONDS)
            self._connection = None


async def _store(connection: asyncpg.Connection, deliveries: list[Delivery], *, are_new: bool) -> list[Receipt]:
    """Flush; one delivery that the database can't hold must not cost the others theirs: halve until it stands alone."""
    try:
        return await store.flush(connection, deliveries, are_new=are_new)
    except _BAD_DATA as error:
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            first = await _store(connection, deliveries[:middle], are_new=are_new)
            return [*first, *await _store(connection, deliveries[middle:], are_new=are_new)]
        _LOG.error("delivery_unstorable", message_id=str(deliveries[0].message_id), error=str(error))
        return await store.flush(connection, [_as_malformed(deliveries[0], error)], are_new=are_new)


def _as_malformed(delivery: Delivery, error: Exception) -> Delivery:
    """The raw bytes alone, quarantined: for a delivery whose reading the database refuses."""
    return replace(
        delivery,
        headers="{}",
        content_type=None,
        state="malformed",
        reason=Reason.PAYLOAD_INVALID,
        error=f"The database can't hold what was read from this message: {error}",
        gate_key=None,
        signal=None,
        repaired_body=None,
        repaired_by=None,
    )


class Writer:
    """Takes deliveries, answers when they are durable."""

    def __init__(self, connect: Connect, spool: Spool, *, lanes: int = 1, is_simulated: bool = False) -> None:
        """Write through connections made by ``connect``.

        Args:
            connect: makes a connection.
            spool: where deliveries go while the database does not answer.
            lanes: how many connections. One is fastest where commits are quick (more make smaller batches, which cost more in
                all); a database whose commits take many milliseconds may want more.
            is_simulated: messages carry the time.
        """
        self.connect = connect
        self.is_simulated = is_simulated
        self.is_spooling = not spool.is_empty()
        self.tally = Tally()
        self._spool = spool
        self._spool_lock = asyncio.Lock()
        self._lanes = [_Lane(self) for _ in range(lanes)]
        self._stored = asyncio.Event()
        self._to_wake: set[str] = set()
        self._stored_untold = 0
        self._resume = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def spooled_bytes(self) -> int:
        """How much waits in the spool."""
        return self._spool.bytes

    def start(self) -> None:
        """Start the lanes, the waker and the task that empties the spool."""
        if self.is_spooling:
            self._resume.set()
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]
        self._tasks += [asyncio.create_task(self._notify()), asyncio.create_task(self._empty_spool())]

    async def stop(self) -> None:
        """Answer what is in flight, then stop."""
        await self._idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes:
            await lane.close()

    def put(self, delivery: Delivery, done: Done) -> None:
        """Take a delivery in hand and call ``done`` with its receipt, or with what kept it from getting one (see ``submit``).

        Without a coroutine, because this is the hot path.

        Raises:
            SpoolFull: too many wait already; ``done`` is not called.
        """
        self._lanes[delivery.account_id.int % len(self._lanes)].put(delivery, done)
        self._in_flight += 1
        self._idle.clear()

    def settle(self, batch: Sequence[_Waiting], outcomes: Sequence[Receipt | Exception]) -> None:
        """Tell everyone what became of their delivery; one whose answer fails does not keep the others from theirs."""
        now = perf_counter()
        for (delivery, done, since), outcome in zip(batch, outcomes, strict=True):
            self._in_flight -= 1
            if not delivery.is_decoy:
                self.tally.note(delivery.door, delivery.state, outcome, now - since)
            try:
                done(outcome)
            except Exception:
                _LOG.exception("answer_failed")
        if not self._in_flight:
            self._idle.set()

    def submit(self, delivery: Delivery) -> asyncio.Future[Receipt]:
        """Take a delivery in hand at once; the receipt comes when it is durable.

        In place of the receipt comes ``SpoolFull`` where neither the database nor the spool could take it: the sender must be told
        to try again.
        """
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def done(outcome: Receipt | Exception) -> None:
            if future.done():
                return  # nobody waits any more
            if isinstance(outcome, Receipt):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        try:
            self.put(delivery, done)
        except SpoolFull as error:
            future.set_exception(error)
        return future

    def note_stored(self, deliveries: Sequence[Delivery]) -> None:
        """Remember to wake whoever goes on with what is stored now: pending signals, and messages that are to be read."""
        self._stored_untold += len(deliveries)
        for delivery in deliveries:
            if delivery.signal is not None:
                self._to_wake.add(store.DESK_CHANNEL)
            elif delivery.state == "received":
                self._to_wake.add(store.JOURNAL_CHANNEL)
        if self._to_wake:
            self._stored.set()

    def start_spooling(self, error: Exception) -> None:
        """From now on, until the spool is empty again, deliveries go to the spool."""
        if not self.is_spooling:
            _LOG.error("database_unreachable_spooling", error=f"{type(error).__name__}: {error}")
            self.is_spooling = True
        self._resume.set()

    async def spool(self, deliveries: list[Delivery]) -> list[Receipt]:
        """Put deliveries into the spool."""
        if deliveries:
            async with self._spool_lock:
                await asyncio.to_thread(self._spool.write, deliveries)
                self.start_spooling(ConnectionError("a batch was spooled"))
        return [Receipt(True, d.signal.signal_id if d.signal is not None else None, spooled=True) for d in deliveries]

    async def _empty_spool(self) -> None:
        """While spooling: try the database again and again; when the last batch is written on, go back to normal."""
        while True:
            await self._resume.wait()
            self._resume.clear()
            connection: asyncpg.Connection | None = None
            try:
                while self.is_spooling:
                    try:
                        async with asyncio.timeout(ANSWER_SECONDS * 10):
                            connection = connection or await self.connect()
                            await self._write_on(connection)
                    except DATABASE_ERRORS as error:
                        _LOG.warning("database_still_unreachable", error=f"{type(error).__name__}: {error}")
                        _drop(connection)
                        connection = None
                        await asyncio.sleep(RETRY_SECONDS)
            finally:
                _drop(connection)

    async def _write_on(self, connection: asyncpg.Connection) -> None:
        for path, deliveries in self._spool.batches():
            await _store(connection, deliveries, are_new=False)  # a commit whose answer got lost may have stored them
            self.note_stored(deliveries)
            self._spool.remove(path)
        async with self._spool_lock:  # no batch may slip in between looking and switching
            if self._spool.is_empty():
                self.is_spooling = False
                _LOG.info("spool_empty_database_back")

    async def _connect_to_notify(self) -> asyncpg.Connection:
        """A connection that stores nothing: its commits need not wait for the disk, and so do not disturb those that do."""
        connection = await self.connect()
        try:
            await store.skip_flush(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _notify(self) -> None:
        """One NOTIFY for all that was stored since the last: notifying inside each commit would make commits queue up."""
        connection: asyncpg.Connection | None = None
        try:
            while True:
                await self._stored.wait()
                self._stored.clear()
                channels, self._to_wake = self._to_wake, set()
                told, self._stored_untold = self._stored_untold, 0
                try:
                    connection = connection or await self._connect_to_notify()
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await store.wake(connection, channels)
                    await asyncio.sleep(pause_after(told))
                except DATABASE_ERRORS as error:
                    _LOG.warning("workers_not_notified", error=f"{type(error).__name__}: {error}")
                    _drop(connection)
                    connection = None
        finally:
            _drop(connection)


def pause_after(told: int) -> float:
    """How many seconds to wait between a notification of so many deliveries and the next one.

    The first goes out at once and a burst costs few: each delivery keeps a worker busy for longer than it adds to the pause, and
    until then nobody needs to hear of more.
    """
    return min(max(NOTIFY_SECONDS, told * NOTIFY_SECONDS_EACH), NOTIFY_SECONDS_AT_MOST)


def _drop(connection: asyncpg.Connection | None) -> None:
    """Leave a connection without waiting for the database, which may not answer."""
    if connection is not None:
        connection.terminate()
