"""``POST /api/v1/candles``: where MetaTrader and others push their bars; authenticated, validated, all or nothing.

A batch that is accepted is not kept as a message: every value of it is in the candles' table. One that is refused is; but one that
comes too often, or finds no database, is only told to come again.

PostgreSQL itself takes apart and judges a batch that looks as most do (``market.plain``); what is unusual or faulty is read here.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from math import ceil

import asyncpg
import structlog

from hookfill.accounts.store import hash_secret
from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, judged_as_of, refuse, refuse_unread
from hookfill.inbox.model import Delivery
from hookfill.inbox.spool import SpoolFull
from hookfill.inbox.store import advance_simulated_clock
from hookfill.kernel.clock import utc_now
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError
from hookfill.market.ingest import Fault, Reading, read_body
from hookfill.market.plain import plain_batch
from hookfill.market.store import Stored, become_candle_writer, store_plain, store_reading
from hookfill.postgres.pool import DATABASE_ERRORS, cut_after

PATH = "/api/v1/candles"
DOOR = "candles"
LIMIT = 8 * 1024 * 1024
"""Largest body, in bytes (the contracts' limit)."""
STORE_SECONDS = 30.0
"""For storing one batch."""
ACQUIRE_SECONDS = 1.5
"""For a free connection."""
TURN_SECONDS = 10.0
"""For the batches before it to be stored; less as soon as one of them finds no database."""
ANSWER_SECONDS = 1.0
"""For any answer at all: a database that says nothing is away, and the sender is told so while it still listens."""
_KEPT_OF_STRANGERS = 64 * 1024
"""How much is kept of a batch without the key: strangers shall fill neither the memory nor the disk."""
_KEPT_OF_REFUSED = 1024 * 1024
"""How much is kept of any other that is refused, and whose sender is told in detail why: many times what is usual."""
_READERS = 2
"""Batches that are read at the same time; the others wait: alerts need processor and memory too."""
_READING = ThreadPoolExecutor(_READERS, thread_name_prefix="candles")
_LOG = structlog.get_logger("hookfill.candles")

_UNREAD = http.BodyIncomplete("The body was not read.", b"")
"""Whoever is answered before that is told that the connection ends."""

Answer = tuple[int, dict[str, object], http.Headers]


async def handle(doors: Doors, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
    """Serve one batch."""
    headers_in = dict(scope["headers"])
    request = http.Request(scope["path"], headers_in, http.kept_of(headers_in, scope.get("client")), b"", utc_now(), _UNREAD)
    try:
        status, answer, headers = await _serve(doors, request, scope, receive)
    except (SpoolFull, *DATABASE_ERRORS) as error:
        _LOG.warning("candles_not_stored", error=type(error).__name__, bytes=_size(request))
        status, answer, headers = 503, {"detail": "The candles could not be stored: send them again."}, http.RETRY
    await http.respond_json(send, status, answer, headers if request.refusal is None else (*headers, *http.CLOSE))


async def _serve(doors: Doors, request: http.Request, scope: http.Scope, receive: http.Receive) -> Answer:
    """Who comes is looked at before anything of the body is held in memory."""
    began = time.monotonic()
    if not await _has_key(doors, request):
        await _receive(request, scope, receive, keep=_KEPT_OF_STRANGERS)
        await doors.writer.submit(refuse(_message(doors, request), "refused", Reason.API_KEY_INVALID))
        _log_refusal(Reason.API_KEY_INVALID, request)
        return 401, {"detail": "Invalid or missing API Key"}, ()
    wait = doors.candles_rate.wait(_sender(request), began)
    if wait > 0:
        await _receive(request, scope, receive, keep=0)
        _log_refusal("too_many_requests", request)
        text = f"This key pushes more than {doors.candles_rate.per_minute} batches a minute: send larger ones less often."
        return 429, {"detail": text}, ((b"retry-after", str(ceil(wait)).encode()),)
    async with doors.candles_room.hold(http.announced_bytes(request.headers) or LIMIT, TURN_SECONDS):
        await _receive(request, scope, receive)
        return await _take(doors, request, began)


async def _receive(request: http.Request, scope: http.Scope, receive: http.Receive, keep: int | None = None) -> None:
    """Read the body of a request that has none yet."""
    read = await http.read_request(scope, receive, LIMIT, keep)
    request.body, request.received_at, request.refusal = read.body, read.received_at, read.refusal


async def _take(doors: Doors, request: http.Request, began: float) -> Answer:
    if request.refusal is not None:
        refused = refuse_unread(_message(doors, request), request)
        await doors.writer.submit(refused)
        _log_refusal(refused.reason or "", request)
        return (400 if request.body else 413), {"detail": str(request.refusal)}, ()
    size = _size(request)
    stored = await _store_as_it_came(doors, request)
    if stored is None:
        try:
            batch = await _read(doors, request)
        except StrictJsonError as error:
            return await _refuse(doors, request, Reason.JSON_INVALID, [Fault(("body",), str(error), "json_invalid")])
        if batch.faults:
            return await _refuse(doors, request, Reason.PAYLOAD_INVALID, batch.faults)
        request.body = b""  # all of it is in the batch, and need not be held twice
        stored = await _store(doors, batch, request.received_at)
    _log_stored(stored, size, began)
    return 201, _success(stored), ()


def _success(stored: Stored) -> dict[str, object]:
    return {
        "status": "success",
        "message": "Data ingested successfully.",
        "records_added": stored.added,
        "records_conflicting": stored.conflicting,
        "records_revised": stored.revised,
    }


def _log_stored(stored: Stored, size: int, began: float) -> None:
    _LOG.debug(
        "candles_stored",
        candles=stored.sent,
        symbols=stored.symbols,
        added=stored.added,
        conflicting=stored.conflicting,
        revised=stored.revised,
        bytes=size,
        duration_ms=round((time.monotonic() - began) * 1000, 1),
    )


def _log_refusal(reason: str, request: http.Request, faults: int = 0) -> None:
    """Never values of theirs: a sender that mixes up its fields may have put its key anywhere."""
    _LOG.info("candles_refused", reason=str(reason), bytes=_size(request), faults=faults)


def _size(request: http.Request) -> int:
    """Of the body as it came; less of it may be kept."""
    return max(http.announced_bytes(request.headers), len(request.body))


def _sender(request: http.Request) -> str:
    """Who is counted apart by the rate limit; not the key itself, which nothing in memory shall keep."""
    return hash_secret(request.headers[b"x-api-key"].decode("latin-1")).hex()


def _message(doors: Doors, request: http.Request) -> Delivery:
    """A batch that is refused, as it is kept; one that is accepted is never made into a message."""
    request.body = request.body[:_KEPT_OF_REFUSED]
    return delivery(doors, request, DOOR, doors.secrets.signed_door.account_id, None)


async def _read(doors: Doors, request: http.Request) -> Reading:
    """In a thread: reading thousands of bars takes tens of milliseconds, and alerts must not wait for it."""
    now = judged_as_of(doors, request, None)
    return await asyncio.get_running_loop().run_in_executor(_READING, read_body, request.body, now)


async def _has_key(doors: Doors, request: http.Request) -> bool:
    """Whether it came with the configured key, which costs no look into the database, or with an API key that may push candles."""
    key = request.headers.get(b"x-api-key", b"")
    if hmac.compare_digest(key, doors.candles_key.encode()):
        return True
    return await doors.candle_keys.has(doors.candles_pool, key.decode("latin-1"), ANSWER_SECONDS)


async def _refuse(doors: Doors, request: http.Request, reason: Reason, faults: list[Fault]) -> Answer:
    first = faults[0]
    await doors.writer.submit(
        refuse(_message(doors, request), "malformed", reason, f"{'.'.join(map(str, first.place))}: {first.text}")
    )
    _log_refusal(reason, request, len(faults))
    return 422, {"detail": [{"type": fault.kind, "loc": list(fault.place), "msg": fault.text} for fault in faults]}, ()


async def _store_as_it_came(doors: Doors, request: http.Request) -> Stored | None:
    """None: it must be read first, and nothing is stored. On simulated time the bars themselves say how late it is."""
    batch = None if doors.is_simulated else plain_batch(request.body)
    if batch is None:
        return None
    try:
        async with _writing(doors) as connection:
            return await store_plain(connection, batch, request.received_at)
    except asyncpg.DataError:
        return None


async def _store(doors: Doors, batch: Reading, received_at: datetime) -> Stored:
    closed = batch.closes_at if doors.is_simulated else None
    async with _writing(doors, closed) as connection:
        return await store_reading(connection, batch, closed or received_at)


@asynccontextmanager
async def _writing(doors: Doors, simulated_now: datetime | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that may store candles and nothing else."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(doors.candles_turns.turn(TURN_SECONDS))
        with doors.candles_turns.finding_out():
            connection = await stack.enter_async_context(doors.candles_pool.acquire(timeout=ACQUIRE_SECONDS))
            stack.enter_context(cut_after(connection, STORE_SECONDS))
            with cut_after(connection, ANSWER_SECONDS):
                await stack.enter_async_context(connection.transaction())
                if simulated_now is not None:
                    await advance_simulated_clock(connection, simulated_now)
                await become_candle_writer(connection)
        yield connection
