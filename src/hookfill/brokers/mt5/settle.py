"""What became of a job, as it is to be booked on its order (pure).

Nothing is ever made up: a report that names no price, or that can't be read, fills nothing and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.brokers.mt5.model import JobResult, result_from
from hookfill.kernel.money import MAX_PRICE, PRICE_STEP, QUANTITY_STEP, ZERO, as_price, floor_to_step, plain
from hookfill.kernel.reasons import Reason, explain


@dataclass(frozen=True, slots=True)
class Settlement:
    """An order's end.

    Attributes:
        status: ``filled``; ``cancelled`` (a part was filled, or nothing and it was cancelled), ``rejected`` or ``expired``.
        quantity: lots that were filled; 0 unless ``price`` is there.
        price: volume-weighted; None when nothing was filled.
        profit: what the broker says that a close realised, in account currency, without commission; None if it did not say.
        commission: not negative, in account currency.
        at: when it was dealt, by the agent; None if it did not say.
        broker_order_id: the broker's own number for it.
        reason: why it was not filled, or not wholly; ``text`` says it to people.
    """

    status: str
    quantity: Decimal = ZERO
    price: Decimal | None = None
    profit: Decimal | None = None
    commission: Decimal = ZERO
    at: datetime | None = None
    broker_order_id: str | None = None
    reason: Reason | None = None
    text: str | None = None


def settle(asked: Decimal, status: str, stored: Any, error_message: str | None) -> Settlement:
    """The end of an order for ``asked`` lots whose job ended so.

    Args:
        asked: lots, positive.
        status: the job's: ``completed``, ``failed``, ``expired`` or ``cancelled``.
        stored: the job's result as it lies in the database, whatever it holds.
        error_message: the job's.
    """
    try:
        result = _read(status, stored, error_message)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return _nothing("rejected", Reason.BROKER_REJECTED, f"the agent's report can't be used: {error}")
    numbered = result.broker_order_id or (result.deal_ids[0] if result.deal_ids else None) or result.broker_position_id
    if result.status == "completed":
        settlement = _completed(asked, result)
    elif result.status == "expired":
        settlement = _nothing("expired", Reason.JOB_EXPIRED, result.error_message)
    elif result.status == "cancelled":
        settlement = _nothing("cancelled", Reason.JOB_CANCELLED, result.error_message)
    else:
        settlement = _nothing("rejected", Reason.BROKER_REJECTED, _refusal(result))
    return replace(settlement, broker_order_id=numbered)


def _read(status: str, stored: Any, error_message: str | None) -> JobResult:
    if stored is not None and not isinstance(stored, Mapping):
        raise TypeError("it is no object")
    return result_from(status, stored, error_message)


def _completed(asked: Decimal, result: JobResult) -> Settlement:
    price = None if result.fill_price is None else as_price(result.fill_price)
    if price is None or not PRICE_STEP <= price < MAX_PRICE:
        detail = "the agent says that it was done but names no usable price; look at the terminal, and book it by hand if it was"
        return _nothing("rejected", Reason.BROKER_REJECTED, detail)
    told = asked if result.filled_volume is None else floor_to_step(result.filled_volume, QUANTITY_STEP)
    if told <= ZERO:
        return _nothing("rejected", Reason.BROKER_REJECTED, f"a volume of {plain(told)} was dealt")
    filled = Settlement(
        status="filled",
        quantity=min(told, asked),
        price=price,
        profit=None if result.profit is None else as_price(result.profit),
        commission=ZERO if result.commission is None else as_price(abs(result.commission)),
        at=result.executed_at,
    )
    if told < asked:
        text = f"Filled {plain(told)} of {plain(asked)}; the rest was cancelled."
        return replace(filled, status="cancelled", text=text)
    if told > asked:
        return replace(
            filled, text=f"The agent tells of {plain(told)} lots where {plain(asked)} were asked for; look at the terminal."
        )
    return filled


def _nothing(status: str, reason: Reason, detail: str | None) -> Settlement:
    return Settlement(status, reason=reason, text=explain(reason, (detail or "").rstrip(".")))


def _refusal(result: JobResult) -> str | None:
    """The broker's words, with MetaTrader's return code."""
    if result.error_code is None:
        return result.error_message
    if result.error_message is None or str(result.error_code) in result.error_message:
        return result.error_message or f"MetaTrader's return code {result.error_code}"
    return f"{result.error_message.rstrip('.')}; MetaTrader's return code {result.error_code}"
