"""Tells what a signal's orders did: fills, the position, and how it was left (pure)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.desk.steps import Steps, word
from hookfill.desk.telling_jobs import tell_job
from hookfill.kernel.money import ZERO
from hookfill.positions.apply import unrealized
from hookfill.positions.model import Position

_FILL = ("quantity", "price", "commission", "realized_pnl", "price_source", "bar_low", "bar_high", "filled_at")
_ORDER = (
    "client_order_id",
    "position_id",
    "symbol",
    "side",
    "order_type",
    "purpose",
    "exit_reason",
    "quantity",
    "limit_price",
    "stop_price",
    "status",
    "filled_quantity",
    "average_fill_price",
    "reason",
    "as_of",
)
_POSITION = (
    "position_id",
    "symbol",
    "status",
    "quantity",
    "average_price",
    "entries",
    "mark",
    "marked_at",
    "realized_pnl",
    "commission",
    "stop_price",
    "target_price",
    "trailing_stop",
    "at_break_even",
    "initial_risk",
    "opened_at",
    "closed_at",
    "exit_reason",
)

_NO_JOBS: Mapping[UUID, Mapping[str, Any]] = {}
"""Of orders that filled on paper."""


def tell_orders(
    steps: Steps,
    orders: Sequence[Mapping[str, Any]],
    positions: Mapping[UUID, Position],
    jobs: Mapping[UUID, Mapping[str, Any]] = _NO_JOBS,
) -> None:
    """The signal's own orders with their fills, and after the last order of each position the position itself."""
    last = {order["position_id"]: order["id"] for order in orders}
    for order in orders:
        figures = {"order_id": order["id"], **{name: order[name] for name in _ORDER}}
        says = f"{_order_words(order)} is {order['status']}."
        steps.add("order", "Order", says, figures, at=order["created_at"])
        if order["id"] in jobs:
            tell_job(steps, jobs[order["id"]])
        for fill in order["fills"]:
            _fill(steps, order, fill)
        position = positions.get(order["position_id"])
        if position is not None and last[order["position_id"]] == order["id"]:
            _position(steps, order, position)


def tell_exits(steps: Steps, exits: Sequence[Mapping[str, Any]], jobs: Mapping[UUID, Mapping[str, Any]] = _NO_JOBS) -> None:
    """How the position was left later, whichever rule or signal asked for it."""
    for order in exits:
        realized = sum((fill["realized_pnl"] for fill in order["fills"]), ZERO)
        figures = {
            "order_id": order["id"],
            "signal_id": order["signal_id"],
            **{name: order[name] for name in _ORDER},
            "realized_pnl": realized,
            "commission": sum((fill["commission"] for fill in order["fills"]), ZERO),
            "fills": [{"fill_id": fill["id"], **{name: fill[name] for name in _FILL}} for fill in order["fills"]],
        }
        cause = f"signal {order['signal_id']}" if order["signal_id"] is not None else f"its rule {order['exit_reason']}"
        says = f"{_order_words(order)} by {cause} is {order['status']}"
        if order["average_fill_price"] is not None:
            says += f" at {word(order['average_fill_price'])} as of {word(order['as_of'])}; it realised {word(realized)}"
        steps.add("exit", f"Exit: {order['exit_reason']}", f"{says}.", figures, at=order["created_at"])
        if order["id"] in jobs:
            tell_job(steps, jobs[order["id"]])


def _order_words(order: Mapping[str, Any]) -> str:
    return f"{order['order_type'].capitalize()} order to {order['side']} {word(order['quantity'])} {order['symbol']}"


def _fill(steps: Steps, order: Mapping[str, Any], fill: Mapping[str, Any]) -> None:
    figures = {"fill_id": fill["id"], **{name: fill[name] for name in _FILL}}
    bought = "Bought" if order["side"] == "buy" else "Sold"
    says = f"{bought} {word(fill['quantity'])} {order['symbol']} at {word(fill['price'])} (price from {fill['price_source']})"
    if fill["bar_low"] is not None:
        says += f", within its bar's {word(fill['bar_low'])} to {word(fill['bar_high'])}"
    if order["purpose"] == "exit":
        says += f"; it realised {word(fill['realized_pnl'])}"
    if fill["commission"]:
        says += f"; commission {word(fill['commission'])}"
    steps.add("fill", "Fill", f"{says}.", figures, at=fill["created_at"])


def _position(steps: Steps, order: Mapping[str, Any], position: Position) -> None:
    """The position that an order was for, and how it stands now."""
    open_profit = unrealized(position, position.mark)
    figures = {**{name: getattr(position, name) for name in _POSITION}, "unrealized_pnl": open_profit}
    side = "Long" if (order["side"] == "buy") == (order["purpose"] == "entry") else "Short"
    levels = [f"{name} {word(level)}" for name, level in _levels(position) if level is not None]
    says = f"{side} {position.symbol} at {word(position.average_price)}" + (f", {', '.join(levels)}. " if levels else ". ")
    if position.side:
        says += f"Now {position.status} with {word(abs(position.quantity))}, marked at {word(position.mark)} since "
        says += f"{word(position.marked_at)}: unrealised {word(open_profit)}."
    else:
        says += f"Now closed, as of {word(position.closed_at)} by {position.exit_reason}: realised {word(position.realized_pnl)}."
    steps.add("position", "Position", says, figures)


def _levels(position: Position) -> tuple[tuple[str, Decimal | None], ...]:
    return ("stop", position.stop_price), ("target", position.target_price), ("trailing stop", position.trailing_stop)
