"""Jobs as they come from the server, and results as they go back (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.brokers.mt5.agent.terminal import Side
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import MAX_QUANTITY, decimal_from
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.market.timeframes import normalize_timeframe

DEFAULT_DEVIATION_POINTS = 20
MOST_CANDLES = 5000
MOST_COMMENT = 31
"""Longer ones MetaTrader refuses or cuts."""


class UnusableJob(HookfillError, ValueError):
    """A job whose input can't be understood; nothing was done for it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job under a lease.

    Attributes:
        lease_token: the server's word for this lease; results must carry it.
        leased_until: when the lease lapses unless it is renewed, by the server's clock.
        expires_at: until when the job may be begun, by the server's clock; None: any time.
        may_act: false when it may only be found out what an earlier lease did.
    """

    job_id: UUID
    job_type: JobType
    input_data: Mapping[str, Any]
    lease_token: str
    leased_until: datetime
    expires_at: datetime | None
    attempt: int
    may_act: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What a ``trade`` job asks for; distances in pips are counted from the price at which it is sent."""

    symbol: str
    side: Side
    volume: Decimal
    magic: int
    comment: str
    sl: Decimal | None
    tp: Decimal | None
    sl_pips: Decimal | None
    tp_pips: Decimal | None
    max_spread_points: Decimal | None
    deviation_points: int


@dataclass(frozen=True, slots=True)
class Close:
    """What a ``close_position`` job asks for; ``side`` is the closing side."""

    symbol: str
    side: Side
    volume: Decimal
    magic: int
    comment: str
    deviation_points: int


@dataclass(frozen=True, slots=True)
class CandleQuery:
    """What a ``get_candles`` job asks for."""

    symbol: str
    timeframe: str
    since: datetime | None
    until: datetime | None
    limit: int


def job_from(given: Mapping[str, Any], now: datetime) -> Job:
    """The answer of ``jobs/next`` as a value.

    Args:
        now: the server's time, used where the server does not name the end of the lease.

    Raises:
        UnusableJob: a field that every job has can't be understood.
    """
    try:
        expires_at = given.get("expires_at")
        return Job(
            job_id=UUID(str(given["job_id"])),
            job_type=JobType(given["job_type"]),
            input_data=given.get("input_data") or {},
            lease_token=str(given["lease_token"]),
            leased_until=parse_time(given["leased_until"]) if given.get("leased_until") else now + timedelta(seconds=30),
            expires_at=None if expires_at is None else parse_time(expires_at),
            attempt=int(given.get("attempt") or 1),
            may_act=given.get("may_act") is not False,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableJob(f"The server sent a job that this agent does not understand ({error}): update the agent.") from error


def entry_from(given: Mapping[str, Any]) -> Entry:
    """A ``trade`` job's input.

    Raises:
        UnusableJob: with the field that is wrong.
    """
    deviation = _number(given, "deviation")
    return Entry(
        symbol=_text(given, "symbol"),
        side=_side(given),
        volume=_positive(given, "volume"),
        magic=_magic(given),
        comment=_text(given, "comment")[:MOST_COMMENT],
        sl=_number(given, "sl"),
        tp=_number(given, "tp"),
        sl_pips=_number(given, "sl_pips"),
        tp_pips=_number(given, "tp_pips"),
        max_spread_points=_number(given, "max_spread"),
        deviation_points=DEFAULT_DEVIATION_POINTS if deviation is None else int(deviation),
    )


def close_from(given: Mapping[str, Any]) -> Close:
    """A ``close_position`` job's input.

    Raises:
        UnusableJob: with the field that is wrong.
    """
    deviation = _number(given, "deviation")
    return Close(
        symbol=_text(given, "symbol"),
        side=_side(given),
        volume=_positive(given, "volume"),
        magic=_magic(given),
        comment=_text(given, "comment")[:MOST_COMMENT],
        deviation_points=DEFAULT_DEVIATION_POINTS if deviation is None else int(deviation),
    )


def candle_query_from(given: Mapping[str, Any]) -> CandleQuery:
    """A ``get_candles`` job's input.

    Raises:
        UnusableJob: with the field that is wrong.
    """
    try:
        limit = int(given.get("limit") or 500)
        return CandleQuery(
            symbol=_text(given, "symbol"),
            timeframe=normalize_timeframe(str(given.get("timeframe"))),
            since=None if given.get("from") is None else parse_time(given["from"], "from"),
            until=None if given.get("to") is None else parse_time(given["to"], "to"),
            limit=max(1, min(limit, MOST_CANDLES)),
        )
    except (InvalidTime, TypeError, ValueError) as error:
        raise UnusableJob(str(error)) from error


def wire(result: JobResult, output_data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A result as the body of ``POST …/result``, without the lease token; what is not known is left out."""
    fields: dict[str, Any] = {
        "status": result.status,
        "fill_price": result.fill_price,
        "filled_volume": result.filled_volume,
        "broker_order_id": result.broker_order_id,
        "broker_position_id": result.broker_position_id,
        "deal_ids": list(result.deal_ids) or None,
        "profit": result.profit,
        "commission": result.commission,
        "executed_at": None if result.executed_at is None else result.executed_at.isoformat(),
        "error_code": result.error_code,
        "error_message": result.error_message,
        "output_data": None if output_data is None else dict(output_data),
    }
    return {name: value for name, value in fields.items() if value is not None}


def failed(message: str, code: int | None = None) -> JobResult:
    """Nothing was dealt, and why."""
    return JobResult("failed", error_code=code, error_message=message)


def expired(message: str) -> JobResult:
    """Nothing was done, since its time was over."""
    return JobResult("expired", error_message=message)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UnusableJob(f"The job has no {name}: nothing was done.")
    return value.strip()


def _side(given: Mapping[str, Any]) -> Side:
    try:
        return Side(str(given.get("side")))
    except ValueError:
        raise UnusableJob("The job's side must be buy or sell: nothing was done.") from None


def _magic(given: Mapping[str, Any]) -> int:
    value = given.get("magic")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise UnusableJob("The job's magic must be a whole number: nothing was done.")
    return value


def _number(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        number = decimal_from(value, name)
    except ValueError as error:
        raise UnusableJob(f"{error} Nothing was done.") from error
    if number < 0:
        raise UnusableJob(f"The job's {name} must not be negative: nothing was done.")
    return number


def _positive(given: Mapping[str, Any], name: str) -> Decimal:
    number = _number(given, name)
    if number is None or not 0 < number < MAX_QUANTITY:
        raise UnusableJob(f"The job's {name} must be a number above zero: nothing was done.")
    return number
