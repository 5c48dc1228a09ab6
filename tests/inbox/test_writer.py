"""The group-commit writer on a real PostgreSQL: order, duplicates, deliveries that can't be held."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from hookfill.inbox import store
from hookfill.inbox.model import Delivery, Receipt
from hookfill.inbox.spool import Spool, SpoolFull
from hookfill.inbox.writer import MAX_BATCH, Writer, pause_after
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect

Make = Callable[..., Delivery]


def signal_id(delivery: Delivery) -> UUID:
    assert delivery.signal is not None
    return delivery.signal.signal_id


async def submit_all(writer: Writer, deliveries: list[Delivery]) -> list[tuple[bool, UUID | None]]:
    receipts = await asyncio.gather(*(writer.submit(delivery) for delivery in deliveries))
    assert not any(receipt.spooled for receipt in receipts)
    return [(receipt.fresh, receipt.signal_id) for receipt in receipts]


async def test_what_piles_up_is_few_commits(
    connection: asyncpg.Connection, writer: Writer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    flush = store.flush

    async def counting_flush(connection: asyncpg.Connection, deliveries: list[Delivery], *, are_new: bool) -> object:
        sizes.append(len(deliveries))
        return await flush(connection, deliveries, are_new=are_new)

    monkeypatch.setattr(store, "flush", counting_flush)
    deliveries = [make(bytes([number % 256, number // 256])) for number in range(2 * MAX_BATCH + 20)]
    answers = await submit_all(writer, deliveries)
    assert answers == [(True, signal_id(delivery)) for delivery in deliveries]
    assert sizes == [MAX_BATCH, MAX_BATCH, 20]
    transactions = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM messages")
    assert transactions == 3


class Turns:
    """Senders who send again as soon as they are answered, and a database that has stored a batch when all others wait for it."""

    def __init__(self, writer: Writer, make: Make, senders: int) -> None:
        self._writer, self._make, self._senders = writer, make, senders
        self._waiting = 0
        self._sent = asyncio.Event()
        self.taken = asyncio.Event()
        self.noted: list[tuple[str, int]] = []

    def send(self, times: int, ended: asyncio.Queue[None]) -> None:
        """Let one sender send so many times."""

        def done(outcome: Receipt | Exception) -> None:
            assert isinstance(outcome, Receipt)
            self.noted.append(("answered", 1))
            if times > 1:
                self.send(times - 1, ended)
            else:
                self._senders -= 1
                ended.put_nowait(None)

        self._waiting += 1
        self._writer.put(self._make(None), done)
        self._sent.set()

    async def flush(self, _connection: asyncpg.Connection, deliveries: list[Delivery], *, are_new: bool) -> list[Receipt]:
        """In place of the store's."""
        assert are_new
        self.noted.append(("taken", len(deliveries)))
        self.taken.set()
        self._waiting -= len(deliveries)
        while self._waiting + len(deliveries) < self._senders:
            self._sent.clear()
            await self._sent.wait()
        return [Receipt(True, signal_id(delivery)) for delivery in deliveries]


async def test_unequal_groups_of_senders_even_out_and_the_next_batch_goes_before_the_answers(
    writer: Writer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, ended = Turns(writer, make, 64), asyncio.Queue[None]()
    monkeypatch.setattr(store, "flush", turns.flush)
    for group in (50, 14):
        for _ in range(group):
            turns.send(20, ended)
        await turns.taken.wait()
    for _ in range(64):
        await ended.get()
    batches = [(place, size) for place, (what, size) in enumerate(turns.noted) if what == "taken"]
    assert [size for _, size in batches[8:30]] == [32] * 22
    # A batch is taken when the one before it is stored, and before any of its senders is told so.
    assert [place for place, _ in batches[8:30]] == [batches[8][0] + 33 * number for number in range(22)]
    answered = sum(1 for what, _ in turns.noted[: batches[8][0]] if what == "answered")
    assert answered == sum(size for _, size in batches[:7])


async def test_an_accounts_messages_are_stored_in_the_order_in_which_they_arrived(
    connection: asyncpg.Connection, writer: Writer, make: Make
) -> None:
    accounts = [new_id() for _ in range(7)]
    deliveries = [make(None, account_id=accounts[number % 7]) for number in range(1500)]
    await submit_all(writer, deliveries)
    for account in accounts:
        stored = await connection.fetch(
            "SELECT message_id FROM messages WHERE account_id = $1 ORDER BY xmin::text::bigint, message_id", account
        )
        assert [row[0] for row in stored] == [d.message_id for d in deliveries if d.account_id == account]


async def test_duplicates_within_a_batch_across_batches_and_across_writers_get_the_first_signal(
    connection: asyncpg.Connection, database: Database, writer: Writer, make: Make, tmp_path: Path
) -> None:
    first = make(b"key")
    assert await submit_all(writer, [first, make(b"key", 1), make(b"key", 2)]) == [
        (True, signal_id(first)),
        (False, signal_id(first)),
        (False, signal_id(first)),
    ]
    assert await submit_all(writer, [make(b"key", 3)]) == [(False, signal_id(first))]
    other = Writer(partial(connect, database, name="inbox"), Spool(tmp_path / "other"))
    other.start()
    assert await submit_all(other, [make(b"key", 4)]) == [(False, signal_id(first))]
    together = [make(b"race", number / 100) for number in range(60)]
    answers = await asyncio.gather(submit_all(writer, together[::2]), submit_all(other, together[1::2]))
    await other.stop()
    flat = [*answers[0], *answers[1]]
    assert sum(fresh for fresh, _ in flat) == 1
    assert len({found for _, found in flat}) == 1
    assert await connection.fetchval("SELECT count(*) FROM messages WHERE state = 'duplicate'") == 4 + 59
    assert await connection.fetchval("SELECT count(*) FROM signals") == 2


async def test_genuine_repeats_that_pile_up_together_are_both_traded(
    connection: asyncpg.Connection, writer: Writer, make: Make
) -> None:
    deliveries = [make(b"key", seconds) for seconds in (0, 59.9, 60.000001, 120, 120.000002)]
    answers = await submit_all(writer, deliveries)
    assert [fresh for fresh, _ in answers] == [True, False, True, False, True]
    assert answers[1][1] == answers[0][1]
    assert answers[3][1] == answers[2][1]
    assert await connection.fetchval("SELECT count(*) FROM signals") == 3


def with_nul_in_its_error(delivery: Delivery) -> Delivery:
    delivery.error = "a\x00b"
    return delivery


def with_a_lone_surrogate(delivery: Delivery) -> Delivery:
    delivery.content_type = "text/\ud800"
    return delivery


def with_an_unknown_variant(delivery: Delivery) -> Delivery:
    assert delivery.signal is not None
    delivery.signal.variant = "C"
    return delivery


@pytest.mark.parametrize(
    "spoil",
    [
        with_nul_in_its_error,
        with_a_lone_surrogate,
        with_an_unknown_variant,
    ],
)
async def test_a_delivery_that_the_database_can_not_hold_is_quarantined_alone(
    connection: asyncpg.Connection, writer: Writer, make: Make, spoil: Callable[[Delivery], Delivery]
) -> None:
    batch = [make(bytes([number]), body=f"body {number}".encode()) for number in range(8)]
    batch[5] = spoil(batch[5])
    good = [delivery for delivery in batch if delivery is not batch[5]]
    answers = await submit_all(writer, batch)
    assert [answer for place, answer in enumerate(answers) if place != 5] == [(True, signal_id(delivery)) for delivery in good]
    rows = await connection.fetch("SELECT message_id, state, reason, body FROM messages ORDER BY message_id")
    assert [tuple(row) for row in rows if row["message_id"] == batch[5].message_id] == [
        (batch[5].message_id, "malformed", "payload_invalid", b"body 5")
    ]
    assert {row["state"] for row in rows if row["message_id"] != batch[5].message_id} == {"processed"}
    assert await connection.fetchval("SELECT count(*) FROM signals") == 7
    assert not writer.is_spooling


async def test_a_decoy_goes_through_a_commit_of_its_own_and_stores_nothing(
    connection: asyncpg.Connection, writer: Writer, make: Make
) -> None:
    await writer.submit(make(None))
    before = await connection.fetchval("SELECT pg_current_wal_flush_lsn()")
    await writer.submit(replace(make(None), is_decoy=True))
    assert await connection.fetchval("SELECT pg_current_wal_flush_lsn() - $1::pg_lsn", before) > 400
    assert await connection.fetchval("SELECT count(*) FROM messages") == 1


async def test_too_many_waiting_are_refused(writer: Writer, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfill.inbox.writer.MAX_WAITING", 3)
    results = await asyncio.gather(*(writer.submit(make(None)) for _ in range(5)), return_exceptions=True)
    assert [isinstance(result, SpoolFull) for result in results] == [False, False, False, True, True]


async def test_the_desk_is_told_of_pending_signals_only(connection: asyncpg.Connection, writer: Writer, make: Make) -> None:
    heard = asyncio.Event()
    await connection.add_listener("hookfill_signals", lambda *_: heard.set())
    await writer.submit(make(None, signal=False))
    assert not writer._stored.is_set()
    await writer.submit(make(None))
    async with asyncio.timeout(10):
        await heard.wait()


def test_the_more_was_told_of_the_longer_is_the_pause_within_bounds() -> None:
    assert [pause_after(told) for told in (1, 10, 11, 40, 100, 50_000)] == [0.005, 0.005, 0.0055, 0.02, 0.05, 0.05]


async def test_a_burst_is_told_of_in_few_notifications_and_its_end_is_told_of(
    connection: asyncpg.Connection, writer: Writer, make: Make
) -> None:
    """Each listener looks at what there is: the last look must come after the last commit."""
    looks: asyncio.Queue[None] = asyncio.Queue()
    await connection.add_listener("hookfill_signals", lambda *_: looks.put_nowait(None))
    for _ in range(20):
        await submit_all(writer, [make(None) for _ in range(50)])
    seen = notified = 0
    async with asyncio.timeout(20):
        while seen < 1000:
            await looks.get()
            notified += 1
            seen = await connection.fetchval("SELECT count(*) FROM signals")
    assert 1 <= notified <= 20


async def test_the_journal_is_told_of_what_is_to_be_read(connection: asyncpg.Connection, writer: Writer, make: Make) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    for channel in ("hookfill_signals", "hookfill_journal"):
        await connection.add_listener(channel, lambda *notice: heard.put_nowait(notice[2]))
    await submit_all(writer, [make(None, signal=False, state="received"), make(None, signal=False, state="malformed")])
    async with asyncio.timeout(10):
        assert await heard.get() == "hookfill_journal"
    await submit_all(writer, [make(None, signal=False, state="received"), make(None)])
    async with asyncio.timeout(10):
        assert {await heard.get(), await heard.get()} == {"hookfill_signals", "hookfill_journal"}


async def test_stopping_answers_what_is_in_flight(
    connection: asyncpg.Connection, database: Database, spool: Spool, make: Make
) -> None:
    writer = Writer(partial(connect, database, name="inbox"), spool)
    writer.start()
    waiting = [writer.submit(make(None)) for _ in range(50)]
    await asyncio.sleep(0)
    await writer.stop()
    assert [task.result().fresh for task in waiting] == [True] * 50
    assert await connection.fetchval("SELECT count(*) FROM messages") == 50
