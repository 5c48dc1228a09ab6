"""Orders and their paper fills: one order moves cash, position and profit together (pure)."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hookfill.accounts.model import Account
from hookfill.brokers.paper.fill import PaperModel, commission
from hookfill.desk.rows import Fill, Order
from hookfill.kernel.ids import derived_id
from hookfill.kernel.lifecycle import ORDER
from hookfill.kernel.money import ZERO
from hookfill.market.instruments import instrument_for
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, cash_change
from hookfill.positions.model import Position


@dataclass(frozen=True, slots=True)
class Price:
    """The price at which an order fills, and where it comes from."""

    value: Decimal
    source: str
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Why an order is made: the signal and leg, or the position's own exit.

    ``client_order_id`` is deterministic, so that the same cause can't make two orders.
    """

    client_order_id: str
    signal_id: UUID | None
    strategy_id: UUID
    symbol: str
    purpose: str
    exit_reason: str | None
    at: datetime
    stop_price: Decimal | None = None
    order_type: str = "market"

    @property
    def order_id(self) -> UUID:
        """The order's id, which follows from its cause."""
        return derived_id(self.at, self.client_order_id)


@dataclass(frozen=True, slots=True)
class Deal:
    """What an order fills at once, and what that does to a position.

    Attributes:
        multiplier: the position's: units per contract or lot, times the rate of exchange at which it was opened.
        fee: the fill's commission, in account currency.
        realized: what the fill realised, gross of commission, in account currency.
    """

    position_id: UUID
    side: Side
    quantity: Decimal
    price: Price
    multiplier: Decimal
    fee: Decimal
    realized: Decimal = ZERO


def pay(account: Account, fill: Fill) -> Account:
    """The account after a fill: cash moves by the full notional, balance and the day by what was realised net of commission."""
    net = fill.realized_pnl - fill.commission
    paid = cash_change(Side(fill.side), fill.quantity, fill.price, fill.multiplier, fill.commission)
    return replace(
        account,
        cash=account.cash + paid + fill.adjustment,
        balance=account.balance + net,
        day_realized=account.day_realized + net,
    )


def filled_order(ticket: Ticket, deal: Deal) -> Order:
    """An order with the one fill that completes it."""
    fill = _fill(ticket, deal)
    return Order(
        order_id=fill.order_id,
        client_order_id=ticket.client_order_id,
        signal_id=ticket.signal_id,
        position_id=deal.position_id,
        strategy_id=ticket.strategy_id,
        symbol=ticket.symbol,
        side=fill.side,
        order_type=ticket.order_type,
        purpose=ticket.purpose,
        exit_reason=ticket.exit_reason,
        quantity=deal.quantity,
        stop_price=ticket.stop_price,
        status=ORDER.move("created", "filled"),
        as_of=ticket.at,
        fills=(fill,),
    )


def _fill(ticket: Ticket, deal: Deal) -> Fill:
    return Fill(
        fill_id=derived_id(ticket.at, ticket.client_order_id, "fill", "1"),
        order_id=ticket.order_id,
        position_id=deal.position_id,
        symbol=ticket.symbol,
        side=deal.side.value,
        quantity=deal.quantity,
        price=deal.price.value,
        multiplier=deal.multiplier,
        commission=deal.fee,
        realized_pnl=deal.realized,
        bar_low=deal.price.low,
        bar_high=deal.price.high,
        price_source=deal.price.source,
        filled_at=ticket.at,
    )


def reduce(
    account: Account, position: Position, quantity: Decimal, price: Price, ticket: Ticket, model: PaperModel
) -> tuple[Account, Position, Order]:
    """Leave a position, wholly or in part, at what ``model`` lets it cost."""
    side = Side.SELL if position.quantity > 0 else Side.BUY
    fee = commission(quantity, instrument_for(position.symbol), model)
    after, realized = apply_fill(position, side, quantity, price.value, fee, at=ticket.at, exit_reason=ticket.exit_reason)
    order = filled_order(ticket, Deal(position.position_id, side, quantity, price, position.multiplier, fee, realized))
    return pay(account, order.fills[0]), after, order
