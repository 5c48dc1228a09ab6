"""What a simulated terminal and its broker hold, and how an order changes it (pure).

It follows the MQL5 reference: hedging accounts open a position per order and close them by ticket; netting accounts keep one
position per symbol, which opposite orders reduce, close or turn around.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from hookfill.brokers.mt5.agent.requests import fillings_of, price_for
from hookfill.brokers.mt5.agent.terminal import (
    Answer,
    Deal,
    Entry,
    Execution,
    Filling,
    Order,
    Position,
    Reason,
    Side,
    SymbolInfo,
    Tick,
    TradeMode,
    TradeRequest,
)
from hookfill.kernel.money import ZERO, divide, floor_to_step

FIRST_TICKET = 1001
_CURRENCIES = frozenset(
    {"AUD", "CAD", "CHF", "CNH", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "JPY", "MXN", "NOK", "NZD", "PLN", "SEK", "SGD", "USD"}
)


@dataclass(slots=True)
class Book:
    """All that the simulated broker remembers; the functions of this module change it in place.

    Attributes:
        hidden: tickets of orders and deals that are not shown before so many looks.
        looks: how often somebody has looked at positions.
        faults: what the next orders will meet (``simulated.FAULTS``), first in front.
    """

    hedging: bool = True
    balance: Decimal = Decimal(10_000)
    is_market_open: bool = True
    trade_allowed: bool = True
    is_connected: bool = True
    next_ticket: int = FIRST_TICKET
    looks: int = 0
    positions: list[Position] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    hidden: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def ticket(self) -> int:
        """The next number."""
        self.next_ticket += 1
        return self.next_ticket - 1

    def shows(self, ticket: int) -> bool:
        """Whether what has this ticket is shown by now."""
        return self.hidden.get(ticket, 0) <= self.looks


def contract_size(symbol: str) -> Decimal:
    """Units in a lot: 100,000 of a currency, 100 ounces of gold, else one."""
    first, second = symbol[:3].upper(), symbol[3:6].upper()
    if first == "XAU":
        return Decimal(100)
    return Decimal(100_000) if first in _CURRENCIES and second in _CURRENCIES else Decimal(1)


def profit_of(side: Side, opened: Decimal, closed: Decimal, volume: Decimal, symbol: str) -> Decimal:
    """What a difference in price is worth; the quote currency is taken for the account's."""
    difference = closed - opened if side is Side.BUY else opened - closed
    return (difference * volume * contract_size(symbol)).quantize(Decimal("0.01"))


def why_not(book: Book, request: TradeRequest, symbol: SymbolInfo, tick: Tick, leverage: int) -> int | None:
    """The return code with which the broker would refuse a request; None if it would take it."""
    if not book.is_connected:
        return 10031
    if not book.trade_allowed:
        return 10027
    if symbol.trade_mode is TradeMode.DISABLED:
        return 10017
    if not book.is_market_open:
        return 10018
    if request.filling is not fillings_of(symbol)[0] and not _allows(symbol, request):
        return 10030
    volume = request.volume
    if not symbol.volume_min <= volume <= symbol.volume_max or floor_to_step(volume, symbol.volume_step) != volume:
        return 10014
    now = price_for(request.side, tick)
    is_instant = symbol.execution in {Execution.REQUEST, Execution.INSTANT}
    if is_instant and abs(request.price - now) > request.deviation_points * symbol.point:
        return 10004
    return _why_not_position(book, request) or _why_not_stops(request, symbol, tick) or _why_not_money(book, request, now, leverage)


def _allows(symbol: SymbolInfo, request: TradeRequest) -> bool:
    """Whether the mask itself names the request's filling mode."""
    bit = {Filling.FOK: 1, Filling.IOC: 2}.get(request.filling, 0)
    return symbol.execution in {Execution.MARKET, Execution.EXCHANGE} and bool(symbol.filling_mode & bit)


def _why_not_position(book: Book, request: TradeRequest) -> int | None:
    if request.position is None:
        return None
    position = next((position for position in book.positions if position.ticket == request.position), None)
    if position is None:
        return 10036
    if request.volume > position.volume:
        return 10038
    return 10013 if position.side is request.side or position.symbol != request.symbol else None


def _why_not_stops(request: TradeRequest, symbol: SymbolInfo, tick: Tick) -> int | None:
    leaving = price_for(request.side.opposite, tick)
    least = symbol.stops_level_points * symbol.point
    sign = 1 if request.side is Side.BUY else -1
    levels = ((request.sl, -sign), (request.tp, sign))
    distances = [(level - leaving) * direction for level, direction in levels if level is not None]
    return 10016 if any(distance <= ZERO or distance < least for distance in distances) else None


def _why_not_money(book: Book, request: TradeRequest, price: Decimal, leverage: int) -> int | None:
    if request.position is not None:
        return None
    held = next((position for position in book.positions if position.symbol == request.symbol), None)
    if not book.hedging and held is not None and held.side is not request.side:
        return None
    used = sum((margin_of(position.volume, position.price_open, position.symbol, leverage) for position in book.positions), ZERO)
    return 10019 if used + margin_of(request.volume, price, request.symbol, leverage) > book.balance else None


def margin_of(volume: Decimal, price: Decimal, symbol: str, leverage: int) -> Decimal:
    """What a position binds."""
    return divide(volume * price * contract_size(symbol), Decimal(leverage))


def deal_order(book: Book, request: TradeRequest, tick: Tick, now: datetime, volume: Decimal) -> Answer:
    """Carry a request out at the present price, for ``volume`` of it."""
    price = price_for(request.side, tick)
    order = Order(book.ticket(), request.symbol, request.side, request.volume, request.magic, request.comment, is_open=False)
    book.orders.append(order)
    deal = _book_deal(book, replace(request, volume=volume), price, now, order.ticket, Reason.PROGRAM)
    return Answer(10009, "Request executed", order.ticket, deal.ticket, price, volume)


def _book_deal(book: Book, request: TradeRequest, price: Decimal, now: datetime, order: int, reason: Reason) -> Deal:
    held = _held(book, request)
    entry = Entry.IN
    profit = ZERO
    if held is not None and held.side is not request.side:
        closing = min(held.volume, request.volume)
        entry = Entry.OUT if request.volume <= held.volume else Entry.IN_OUT
        profit = profit_of(held.side, held.price_open, price, closing, request.symbol)
    ticket = book.ticket()
    position_id = _change_position(book, request, held, price, now, order)
    deal = Deal(
        ticket, order, position_id, request.symbol, request.side, request.volume, price, entry, reason, profit,
        ZERO, request.magic, request.comment, now,
    )  # fmt: skip
    book.deals.append(deal)
    book.balance += profit
    return deal


def _held(book: Book, request: TradeRequest) -> Position | None:
    """The position that a request changes; None if it opens one."""
    if request.position is not None:
        return next(position for position in book.positions if position.ticket == request.position)
    if book.hedging:
        return None
    return next((position for position in book.positions if position.symbol == request.symbol), None)


def _change_position(book: Book, request: TradeRequest, held: Position | None, price: Decimal, now: datetime, order: int) -> int:
    """Open, enlarge, reduce, close or turn a position; returns its ticket."""
    if held is None:
        opened = Position(
            order, request.symbol, request.side, request.volume, price, price, request.sl, request.tp, ZERO,
            request.magic, request.comment, now,
        )  # fmt: skip
        book.positions.append(opened)
        return order
    book.positions.remove(held)
    if held.side is request.side:
        volume = held.volume + request.volume
        average = divide(held.price_open * held.volume + price * request.volume, volume)
        changed = replace(held, volume=volume, price_open=average, magic=request.magic, comment=request.comment)
    elif request.volume <= held.volume:
        changed = replace(held, volume=held.volume - request.volume)
    else:
        rest = request.volume - held.volume
        changed = replace(
            held, side=request.side, volume=rest, price_open=price, sl=request.sl, tp=request.tp,
            magic=request.magic, comment=request.comment, opened_at=now,
        )  # fmt: skip
    if changed.volume > ZERO:
        book.positions.append(changed)
    return held.ticket


def leave_by_hand(book: Book, position: Position, price: Decimal, now: datetime, reason: Reason, comment: str = "") -> Deal:
    """Close a position without a program: stop, target, or by hand (which carries no magic)."""
    magic = 0 if reason is Reason.MANUAL else position.magic
    request = TradeRequest(
        position.symbol, position.side.opposite, position.volume, price, None, None, 0, magic, comment, Filling.FOK, position.ticket
    )
    order = Order(book.ticket(), position.symbol, request.side, position.volume, magic, comment, is_open=False)
    book.orders.append(order)
    return _book_deal(book, request, price, now, order.ticket, reason)


def trigger(book: Book, tick: Tick, now: datetime) -> None:
    """Fire the stops and targets that a new price has reached; a stop is dealt at the price, which may be worse than it."""
    for position in [position for position in book.positions if position.symbol == tick.symbol]:
        price = price_for(position.side.opposite, tick)
        sign = 1 if position.side is Side.BUY else -1
        if position.sl is not None and (price - position.sl) * sign <= ZERO:
            leave_by_hand(book, position, price, now, Reason.STOP_LOSS, f"[sl {position.sl}]")
        elif position.tp is not None and (price - position.tp) * sign >= ZERO:
            leave_by_hand(book, position, position.tp, now, Reason.TAKE_PROFIT, f"[tp {position.tp}]")
