"""``POST /api/v1/candles``: where MetaTrader and others push their bars; authenticated, validated, all or nothing.

A batch that is accepted is not kept as a message: every value of it is in the candles' table. One that is refused is.
"""

import asyncio
import hmac
from datetime import datetime

import asyncpg

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, refuse, refuse_unread, submit
from hookfill.inbox.model import Delivery
from hookfill.inbox.spool import SpoolFull
from hookfill.inbox.store import advance_simulated_clock
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.market.ingest import Fault, read_candles
from hookfill.market.model import Candle
from hookfill.market.store import Stored, store_candles

PATH = "/api/v1/candles"
DOOR = "candles"
LIMIT = 8 * 1024 * 1024
"""Largest body, in bytes (the contracts' limit)."""
STORE_SECONDS = 30.0
_KEPT_OF_REFUSED = 64 * 1024
"""How much of a refused batch is kept when it came without the key: strangers shall not fill the disk."""


async def handle(doors: Doors, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
    """Serve one batch."""
    request = await http.read_request(scope, receive, LIMIT)
    try:
        status, answer = await _serve(doors, request)
    except (SpoolFull, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await http.respond_json(send, 503, {"detail": "The candles could not be stored: send them again."}, http.RETRY)
        return
    await http.respond_json(send, status, answer, () if request.refusal is None else http.CLOSE)


async def _serve(doors: Doors, request: http.Request) -> tuple[int, dict[str, object]]:
    door = doors.secrets.signed_door
    item = delivery(doors, request, DOOR, door.account_id, None)
    if not _has_key(doors, request):
        item.body = item.body[:_KEPT_OF_REFUSED]
        await submit(doors, refuse(item, "refused", Reason.API_KEY_INVALID))
        return 401, {"detail": "Invalid or missing API Key"}
    if request.refusal is not None:
        await submit(doors, refuse_unread(item, request))
        return (400 if request.body else 413), {"detail": str(request.refusal)}
    try:
        # In a thread: reading thousands of bars takes tens of milliseconds, and alerts must not wait for it.
        candles, faults = await asyncio.to_thread(_read, request.body, item.as_of)
    except StrictJsonError as error:
        return await _refuse(doors, item, Reason.JSON_INVALID, [Fault(("body",), str(error), "json_invalid")])
    if faults:
        return await _refuse(doors, item, Reason.PAYLOAD_INVALID, faults)
    stored = await _store(doors, candles, item)
    answer: dict[str, object] = {
        "status": "success",
        "message": "Data ingested successfully.",
        "records_added": stored.added,
        "records_conflicting": stored.conflicting,
    }
    return 201, answer


def _read(body: bytes, now: datetime) -> tuple[list[Candle], list[Fault]]:
    return read_candles(loads(body), now)


def _has_key(doors: Doors, request: http.Request) -> bool:
    return hmac.compare_digest(request.headers.get(b"x-api-key", b""), doors.candles_key.encode())


async def _refuse(doors: Doors, item: Delivery, reason: Reason, faults: list[Fault]) -> tuple[int, dict[str, object]]:
    first = faults[0]
    await submit(doors, refuse(item, "malformed", reason, f"{'.'.join(map(str, first.place))}: {first.text}"))
    return 422, {"detail": [{"type": fault.kind, "loc": list(fault.place), "msg": fault.text} for fault in faults]}


async def _store(doors: Doors, candles: list[Candle], item: Delivery) -> Stored:
    async with doors.candles_pool.acquire(timeout=STORE_SECONDS) as connection, connection.transaction():
        if doors.is_simulated:
            closed = max(candle.closes_at for candle in candles)
            await advance_simulated_clock(connection, closed)
            return await store_candles(connection, candles, closed)
        return await store_candles(connection, candles, item.received_at)
