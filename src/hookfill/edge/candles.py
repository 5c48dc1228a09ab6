"""``POST /api/v1/candles``: where MetaTrader and others push their bars; authenticated, validated, all or nothing.

A batch that is accepted is not kept as a message: every value of it is in the candles' table. One that is refused is.
"""

import asyncio
import hmac
from datetime import datetime

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, judged_as_of, refuse, refuse_unread
from hookfill.inbox.model import Delivery
from hookfill.inbox.spool import SpoolFull
from hookfill.inbox.store import advance_simulated_clock
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.market.ingest import Fault, read_candles
from hookfill.market.model import Candle
from hookfill.market.store import Stored, store_candles
from hookfill.postgres.pool import DATABASE_ERRORS, cut_after

PATH = "/api/v1/candles"
DOOR = "candles"
LIMIT = 8 * 1024 * 1024
"""Largest body, in bytes (the contracts' limit)."""
STORE_SECONDS = 30.0
"""For storing one batch."""
ACQUIRE_SECONDS = 1.5
"""For a free connection: behind that many batches, a sender had better try again later."""
ANSWER_SECONDS = 1.0
"""For any answer at all: a database that says nothing is away, and the sender is told so while it still listens."""
_KEPT_OF_REFUSED = 64 * 1024
"""How much of a refused batch is kept when it came without the key: strangers shall not fill the disk."""


async def handle(doors: Doors, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
    """Serve one batch."""
    request = await http.read_request(scope, receive, LIMIT)
    try:
        status, answer = await _serve(doors, request)
    except (SpoolFull, *DATABASE_ERRORS):
        await http.respond_json(send, 503, {"detail": "The candles could not be stored: send them again."}, http.RETRY)
        return
    await http.respond_json(send, status, answer, () if request.refusal is None else http.CLOSE)


async def _serve(doors: Doors, request: http.Request) -> tuple[int, dict[str, object]]:
    if not await _has_key(doors, request):
        request.body = request.body[:_KEPT_OF_REFUSED]
        await doors.writer.submit(refuse(_message(doors, request), "refused", Reason.API_KEY_INVALID))
        return 401, {"detail": "Invalid or missing API Key"}
    if request.refusal is not None:
        await doors.writer.submit(refuse_unread(_message(doors, request), request))
        return (400 if request.body else 413), {"detail": str(request.refusal)}
    try:
        # In a thread: reading thousands of bars takes tens of milliseconds, and alerts must not wait for it.
        candles, faults = await asyncio.to_thread(_read, request.body, judged_as_of(doors, request, None))
    except StrictJsonError as error:
        return await _refuse(doors, request, Reason.JSON_INVALID, [Fault(("body",), str(error), "json_invalid")])
    if faults:
        return await _refuse(doors, request, Reason.PAYLOAD_INVALID, faults)
    stored = await _store(doors, candles, request.received_at)
    answer: dict[str, object] = {
        "status": "success",
        "message": "Data ingested successfully.",
        "records_added": stored.added,
        "records_conflicting": stored.conflicting,
    }
    return 201, answer


def _message(doors: Doors, request: http.Request) -> Delivery:
    """A batch that is refused, as it is kept; one that is accepted is never made into a message."""
    return delivery(doors, request, DOOR, doors.secrets.signed_door.account_id, None)


def _read(body: bytes, now: datetime) -> tuple[list[Candle], list[Fault]]:
    return read_candles(loads(body), now)


async def _has_key(doors: Doors, request: http.Request) -> bool:
    """Whether it came with the configured key, which costs no look into the database, or with an API key that may push candles."""
    key = request.headers.get(b"x-api-key", b"")
    if hmac.compare_digest(key, doors.candles_key.encode()):
        return True
    return await doors.candle_keys.has(doors.candles_pool, key.decode("latin-1"), ANSWER_SECONDS)


async def _refuse(doors: Doors, request: http.Request, reason: Reason, faults: list[Fault]) -> tuple[int, dict[str, object]]:
    first = faults[0]
    await doors.writer.submit(
        refuse(_message(doors, request), "malformed", reason, f"{'.'.join(map(str, first.place))}: {first.text}")
    )
    return 422, {"detail": [{"type": fault.kind, "loc": list(fault.place), "msg": fault.text} for fault in faults]}


async def _store(doors: Doors, candles: list[Candle], received_at: datetime) -> Stored:
    async with doors.candles_pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        with cut_after(connection, ANSWER_SECONDS):
            await connection.execute("SELECT 1")
        with cut_after(connection, STORE_SECONDS):
            async with connection.transaction():
                if doors.is_simulated:
                    closed = max(candle.closes_at for candle in candles)
                    await advance_simulated_clock(connection, closed)
                    return await store_candles(connection, candles, closed)
                return await store_candles(connection, candles, received_at)
