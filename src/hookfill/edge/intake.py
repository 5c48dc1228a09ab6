"""From a request to a delivery: the steps that all doors share."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

import asyncpg
import structlog

from hookfill.accounts.api_keys import CandleKeys
from hookfill.accounts.secret_cache import SecretCache
from hookfill.edge.http import RETRY, SIMULATED_TIME_HEADER, UNAVAILABLE, Answer, BodyIncomplete, Request
from hookfill.edge.rate import RateLimit
from hookfill.edge.room import Room
from hookfill.edge.turns import Turns
from hookfill.inbox.model import Delivery, Receipt
from hookfill.inbox.repair import TRUSTED, repair
from hookfill.inbox.spool import SpoolFull
from hookfill.inbox.writer import Writer
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.kernel.reasons import Reason, explain
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Alert
from hookfill.signals.reading import read_alert

ALERT_LIMIT = 64 * 1024
"""Largest body of an alert, in bytes (the contracts' limit)."""
CANDLES_ROOM = 16 * 1024 * 1024
"""How much of the candles door's bodies may be in memory at the same time, in bytes: two of the largest, dozens of usual ones."""
T = TypeVar("T")
_LOG = structlog.get_logger("hookfill.edge")


@dataclass(frozen=True, slots=True)
class Doors:
    """What the doors work with.

    Attributes:
        is_simulated: messages carry the time (demo and test servers only).
        hmac_secret: signs ``POST /webhook``; None leaves that door open.
        candles_key: the API key of the candles door.
        candles_pool: connections for storing candles, apart from the writer's, so that a large batch delays no alert.
        exports_pool: connections for opening the batches that indicators export, when their messages are stored.
        telemetry_token, export_token: what those doors ask for; None leaves them open.
        auto_repair: malformed messages are repaired by the trusted rules as they come in.
        candle_keys: the API keys that may push candles too.
        candles_rate: how often each key may.
        candles_turns: batches that are stored at the same time; the others wait, so that PostgreSQL has time for alerts.
        candles_room: for batches, from their first byte until they are answered.
        split: tells the percentage of signals that variant B acts on, as it is now.
    """

    writer: Writer
    secrets: SecretCache
    is_simulated: bool
    hmac_secret: str | None
    candles_key: str
    candles_pool: asyncpg.Pool
    exports_pool: asyncpg.Pool
    telemetry_token: str | None = None
    export_token: str | None = None
    auto_repair: bool = False
    candle_keys: CandleKeys = field(default_factory=CandleKeys)
    candles_rate: RateLimit = field(default_factory=lambda: RateLimit(None))
    candles_turns: Turns = field(default_factory=lambda: Turns(2))
    candles_room: Room = field(default_factory=lambda: Room(CANDLES_ROOM))
    split: Callable[[], int] = lambda: 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def keep(self, work: Coroutine[None, None, None]) -> None:
        """Do work that must wait for something; asyncio itself would let it be collected halfway."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def store(
        self, item: Delivery, answer: Answer, then: Callable[[Receipt], None], unstored: tuple[int, bytes] = (503, UNAVAILABLE)
    ) -> None:
        """Make a delivery durable, then answer through ``then``.

        What can't be stored is answered with ``unstored``, status and body: a 5xx, so that it comes again.
        """

        def done(outcome: Receipt | Exception) -> None:
            if isinstance(outcome, Receipt):
                then(outcome)
                return
            if not isinstance(outcome, SpoolFull):
                _LOG.error("delivery_not_stored", error=type(outcome).__name__, exc_info=outcome)
            answer(*unstored, RETRY)

        try:
            self.writer.put(item, done)
        except SpoolFull as error:
            done(error)


@dataclass(frozen=True, slots=True)
class AlertDoor:
    """A door where TradingView pushes.

    Attributes:
        handle: takes a request whose body has been read; answers when what it holds is durable.
        limit: the largest body, in bytes.
    """

    handle: Callable[[Doors, Request, Answer], None]
    limit: int = ALERT_LIMIT


def judged_as_of(doors: Doors, request: Request, alert_door: str | None) -> datetime:
    """The moment as of which a message is judged: its arrival; on simulated time what its header says, or the alert itself.

    Args:
        alert_door: the door whose alerts are to be asked; None where the body is no alert.
    """
    if not doors.is_simulated:
        return request.received_at
    header = request.headers.get(SIMULATED_TIME_HEADER)
    if header is not None:
        try:
            return parse_time(header.decode("latin-1"))
        except InvalidTime:
            return request.received_at
    alert = read_alert(alert_door, request.body) if alert_door is not None else None
    return alert.fired_at if isinstance(alert, Alert) and alert.fired_at is not None else request.received_at


def delivery(doors: Doors, request: Request, door: str, account_id: UUID, strategy_id: UUID | None) -> Delivery:
    """A delivery with secrets masked, not yet judged."""
    as_of = judged_as_of(doors, request, door if strategy_id is not None else None)
    return Delivery(
        account_id=account_id,
        message_id=new_id(),
        door=door,
        body=mask_secrets(request.body),
        received_at=request.received_at,
        as_of=as_of,
        seen_us=to_us(as_of),
        headers=request.kept.headers,
        content_type=request.kept.content_type,
        strategy_id=strategy_id,
    )


def has_token(request: Request, token: str | None, header: bytes) -> bool:
    """Whether a request brings a door's token, in its header or as ``?token=…``; None: the door asks for none."""
    if token is None:
        return True
    given = request.headers.get(header)
    if given is None:
        values = [value for name, _, value in (pair.partition(b"=") for pair in request.query.split(b"&")) if name == b"token"]
        given = unquote_to_bytes(values[0].replace(b"+", b" ")) if values else b""
    return hmac.compare_digest(given.strip(), token.encode())


def mend(doors: Doors, item: Delivery, judge: Callable[[Delivery, bytes], T]) -> T | None:
    """Let a door's judge read a malformed delivery as the trusted rules mend it, if that is so set (``AUTO_REPAIR``).

    Args:
        judge: marks a delivery with what it reads in a body: ``malformed``, or state, gate key and signal.

    Returns:
        What the judge has read; None: the delivery stays as malformed as it was.
    """
    if not doors.auto_repair or (mended := repair(item.body, TRUSTED)) is None:
        return None
    trial = replace(item, reason=None, error=None)
    reading = judge(trial, mended.body)
    if trial.state == "malformed":
        return None
    for name in ("state", "reason", "error", "gate_key", "seen_us", "signal"):
        setattr(item, name, getattr(trial, name))
    item.repaired_body, item.repaired_by = mended.body, mended.names
    return reading


def refuse(item: Delivery, state: str, reason: Reason, detail: str = "") -> Delivery:
    """Mark a delivery as ``malformed`` or ``refused``."""
    item.state, item.reason, item.error = state, reason, explain(reason, detail)
    return item


def refuse_unread(item: Delivery, request: Request) -> Delivery:
    """A body that could not be read whole: what arrived of it is kept."""
    reason = Reason.BODY_INCOMPLETE if isinstance(request.refusal, BodyIncomplete) else Reason.BODY_TOO_LARGE
    return refuse(item, "refused", reason, str(request.refusal))
