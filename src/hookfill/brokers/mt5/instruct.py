"""Orders become jobs for an agent: what the terminal shall do, in the terminal's own terms (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.brokers.mt5.model import JobType, NewJob, broker_symbol, comment_of, magic_of
from hookfill.exits.model import Distance, DistanceKind, ExitRules
from hookfill.exits.rules import initial_levels
from hookfill.kernel.ids import derived_id
from hookfill.kernel.money import ZERO
from hookfill.market.model import Instrument
from hookfill.orders.model import Side

SOURCE = "tv_signal"
"""What a job's input names as its source: the contract's word."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An order as it leaves for the terminal.

    Attributes:
        signal_id: the signal that asked for it; None for an exit that a rule asked for.
        symbol: as alerts call it.
        quantity: lots, positive.
        as_of: the order's; the job's id follows from it and the order's id.
        expires_at: until when the job may be begun (UTC).
        depends_on: the job that must be completed before it.
    """

    order_id: UUID
    strategy_id: UUID
    signal_id: UUID | None
    symbol: str
    side: Side
    quantity: Decimal
    as_of: datetime
    expires_at: datetime
    depends_on: UUID | None = None

    @property
    def job_id(self) -> UUID:
        """The job's id: the same order never makes two jobs."""
        return derived_id(self.as_of, self.order_id, "job")


@dataclass(frozen=True, slots=True)
class Protection:
    """Stop and target of an entry at the terminal: as prices, or, without a price to count from, as distances from its fill."""

    sl: Decimal | None = None
    tp: Decimal | None = None
    sl_pips: Decimal | None = None
    tp_pips: Decimal | None = None


def with_defaults(rules: ExitRules, stop_pips: Decimal, target_pips: Decimal) -> ExitRules:
    """A strategy's exits, with the user's own distances where it names none; a distance of 0 stands for none."""
    stop, target = rules.stop, rules.target
    if stop is None and stop_pips > ZERO:
        stop = Distance(DistanceKind.PIPS, stop_pips)
    if target is None and target_pips > ZERO:
        target = Distance(DistanceKind.PIPS, target_pips)
    return replace(rules, stop=stop, target=target)


def protect(
    side: Side,
    price: Decimal | None,
    instrument: Instrument,
    rules: ExitRules,
    *,
    alert_stop: Decimal | None,
    alert_target: Decimal | None,
) -> Protection:
    """Stop and target for an entry.

    Args:
        price: what the entry is expected to fill at; None when no price is known.
        rules: as ``with_defaults`` gives them. In percent of an unknown price they can't be sent; the desk keeps to them itself.
    """
    if price is not None:
        levels = initial_levels(side, price, instrument, rules, alert_stop=alert_stop, alert_target=alert_target)
        return Protection(levels.stop, levels.target)
    stop_pips = None if alert_stop is not None else _pips(rules.stop, instrument, None)
    target_pips = None if alert_target is not None else _pips(rules.target, instrument, stop_pips)
    return Protection(alert_stop, alert_target, stop_pips, target_pips)


def _pips(distance: Distance | None, instrument: Instrument, risk_pips: Decimal | None) -> Decimal | None:
    """A distance in pips as far as that can be told without a price; ``risk_pips`` is one R."""
    if distance is None:
        return None
    match distance.kind:
        case DistanceKind.PIPS:
            return distance.value
        case DistanceKind.PRICE:
            return distance.value / instrument.pip
        case DistanceKind.R if risk_pips is not None:
            return distance.value * risk_pips
        case _:
            return None


def trade_job(order: Instruction, symbol_map: Mapping[str, str], protection: Protection, max_spread: Decimal) -> NewJob:
    """The job that makes an entry; ``max_spread`` in points, 0 allows any."""
    figures = {
        "sl": protection.sl,
        "tp": protection.tp,
        "sl_pips": protection.sl_pips,
        "tp_pips": protection.tp_pips,
        "max_spread": max_spread or None,
    }
    told = {name: value for name, value in figures.items() if value is not None}
    return _job(JobType.TRADE, order, symbol_map, told)


def close_job(order: Instruction, symbol_map: Mapping[str, str], position_id: UUID) -> NewJob:
    """The job that leaves a position, wholly or in part; ``order.side`` is the closing side."""
    return _job(JobType.CLOSE_POSITION, order, symbol_map, {"position_id": position_id})


def _job(job_type: JobType, order: Instruction, symbol_map: Mapping[str, str], more: Mapping[str, Any]) -> NewJob:
    signal = {} if order.signal_id is None else {"signal_id": order.signal_id}
    return NewJob(
        job_id=order.job_id,
        job_type=job_type,
        input_data={
            "symbol": broker_symbol(order.symbol, symbol_map),
            "side": order.side.value,
            "volume": order.quantity,
            "source": SOURCE,
            **signal,
            "order_id": order.order_id,
            "magic": magic_of(order.strategy_id),
            "comment": comment_of(order.job_id),
            **more,
        },
        order_id=order.order_id,
        depends_on=order.depends_on,
        expires_at=order.expires_at,
    )


def levels_sent(
    input_data: Mapping[str, Decimal | None], side: Side, fill_price: Decimal, instrument: Instrument
) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target that the terminal has for an entry filled at ``fill_price``, after the job's ``sl, tp, sl_pips, tp_pips``."""
    stop, target = input_data.get("sl"), input_data.get("tp")
    stop_pips, target_pips = input_data.get("sl_pips"), input_data.get("tp_pips")
    if stop is None and stop_pips is not None:
        stop = fill_price - side.sign * stop_pips * instrument.pip
    if target is None and target_pips is not None:
        target = fill_price + side.sign * target_pips * instrument.pip
    return (stop if stop is None or stop > ZERO else None), (target if target is None or target > ZERO else None)
