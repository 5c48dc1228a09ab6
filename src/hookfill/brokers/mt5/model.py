"""Jobs for MetaTrader agents as frozen values: what is asked, what came of it (pure)."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from hookfill.kernel.money import decimal_from
from hookfill.kernel.times import parse_time

ENTRY_LIFE = timedelta(seconds=20)
"""How long after its signal a market order may be begun (the contract's default); later it would trade at another price."""
EXIT_LIFE = timedelta(minutes=5)
"""The same for an order that leaves a position: late is better than never, but not for ever."""
LEASE = timedelta(seconds=60)
"""How long an agent has a job to itself; each heartbeat renews it."""
ONLINE = timedelta(minutes=6)
DEGRADED = timedelta(minutes=10)
"""An agent is online for less than the first since its last heartbeat, degraded for less than the second, then offline."""


class JobType(StrEnum):
    """What an agent can be asked for; the last three are questions and change nothing at the broker."""

    TRADE = "trade"
    CLOSE_POSITION = "close_position"
    GET_POSITIONS = "get_positions"
    GET_ACCOUNT = "get_account"
    GET_CANDLES = "get_candles"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be stored with the order that it carries out.

    Attributes:
        depends_on: a job of the same account that must be completed first.
        expires_at: until when it may be begun (UTC).
    """

    job_id: UUID
    job_type: JobType
    input_data: Mapping[str, Any]
    order_id: UUID | None
    depends_on: UUID | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class JobResult:
    """What an agent told of a trade or a close, or what became of the job without one.

    Attributes:
        status: ``completed``, ``failed``, ``expired`` or ``cancelled``.
        fill_price: the volume-weighted price of all that was dealt; None if nothing was.
        filled_volume: in lots, positive; None means all that was asked for.
        broker_order_id, broker_position_id: the terminal's tickets, as text.
        profit: realised by a close, in account currency, without commission and swap; None if the terminal did not say.
        commission: paid for it, positive, in account currency.
        executed_at: when it was dealt (UTC); None if the terminal did not say.
        error_code: MetaTrader's retcode of a refusal.
    """

    status: str
    fill_price: Decimal | None = None
    filled_volume: Decimal | None = None
    broker_order_id: str | None = None
    broker_position_id: str | None = None
    profit: Decimal | None = None
    commission: Decimal | None = None
    executed_at: datetime | None = None
    error_code: int | None = None
    error_message: str | None = None
    deal_ids: tuple[str, ...] = field(default=())


def magic_of(strategy_id: UUID) -> int:
    """The number that marks a strategy's orders at the terminal: positive, below 2³¹, the same for good."""
    return int.from_bytes(hashlib.sha256(strategy_id.bytes).digest()[:4], "big") & 0x7FFF_FFFF or 1


def comment_of(job_id: UUID) -> str:
    """The text that marks a job's order at the terminal, 24 characters; MetaTrader keeps 31, some brokers a few less."""
    return "hf" + urlsafe_b64encode(job_id.bytes).decode().rstrip("=")


def broker_symbol(symbol: str, symbol_map: Mapping[str, str]) -> str:
    """A symbol as the broker calls it: by its own entry in the map, else with the suffix that ``*`` stands for."""
    return symbol_map.get(symbol) or symbol + symbol_map.get("*", "")


def our_symbol(symbol: str, symbol_map: Mapping[str, str]) -> str:
    """A broker's symbol as alerts call it: ``broker_symbol`` the other way round."""
    for ours, theirs in symbol_map.items():
        if theirs == symbol and ours != "*":
            return ours
    return symbol.removesuffix(symbol_map.get("*", "")).upper()


def result_from(status: str, stored: Mapping[str, Any] | None, error_message: str | None = None) -> JobResult:
    """A job's stored status and result as a value.

    Raises:
        InvalidNumber, InvalidTime: a number or a time that can't be used; nothing may be booked from it.
    """
    given = dict(stored or {})
    code = given.get("error_code")
    return JobResult(
        status=status,
        fill_price=_number(given, "fill_price"),
        filled_volume=_number(given, "filled_volume"),
        broker_order_id=_text(given, "broker_order_id"),
        broker_position_id=_text(given, "broker_position_id"),
        profit=_number(given, "profit"),
        commission=_number(given, "commission"),
        executed_at=None if given.get("executed_at") is None else parse_time(given["executed_at"], "executed_at"),
        error_code=code if isinstance(code, int) else None,
        error_message=error_message or _text(given, "error_message"),
        deal_ids=tuple(str(deal) for deal in given.get("deal_ids") or ()),
    )


def _number(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    return None if value is None else decimal_from(value, name)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    return None if value is None or value == "" else str(value)
