"""How an order at Alpaca ended, as a job's result (pure)."""

from dataclasses import replace
from decimal import Decimal

from hookfill.brokers.mt5.model import JobResult
from hookfill.brokers.port import OrderState, Standing
from hookfill.kernel.money import ZERO

_WORDS = {
    Standing.REJECTED: "Alpaca took the order and then rejected it",
    Standing.CANCELLED: "The order was cancelled at Alpaca before anything of it was filled",
    Standing.EXPIRED: "The order ended at Alpaca unfilled, at the end of its time",
}


def result_of(state: OrderState, missing: Decimal = ZERO) -> JobResult:
    """The result of an order that is over.

    Args:
        missing: coins that were to be sold and that Alpaca had taken as its fee when they were bought: they count as sold, and what
            they were worth as commission.
    """
    if state.filled > ZERO and state.price is not None:
        is_whole = state.filled >= state.quantity
        gone = missing if is_whole else ZERO
        return JobResult(
            "completed",
            fill_price=state.price,
            filled_volume=state.filled + gone,
            broker_order_id=state.broker_order_id,
            commission=gone * state.price if gone else None,
            executed_at=state.at,
            deal_ids=(state.broker_order_id,),
        )
    status = "expired" if state.standing is Standing.EXPIRED else "failed"
    text = _WORDS.get(state.standing, "Alpaca says that it filled the order and names no price")
    words = f"{text}: {state.text}" if state.text else f"{text}."
    return JobResult(status, broker_order_id=state.broker_order_id, error_message=words)


def failed(text: str) -> JobResult:
    """Nothing was dealt, and why."""
    return JobResult("failed", error_message=text)


def expired(text: str) -> JobResult:
    """Nothing was done, since its time was over."""
    return JobResult("expired", error_message=text)


def with_note(result: JobResult, note: str) -> JobResult:
    """The result with one more sentence."""
    return replace(result, error_message=f"{result.error_message or ''} {note}".strip())
