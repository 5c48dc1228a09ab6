"""Entries that rest on paper: how they are made, what prices do to them, and how they end unfilled (pure).

A limit whose price the market has reached when it is made, and a stop that is triggered already, do not rest: they fill at once at
the quote, worsened by slippage, a limit never beyond its price. All others rest from then on, and the bar in which they were made
never fills them (``brokers.paper.rest``). While they rest they count in every limit as if they were filled at their price.

They end unfilled when their day is over, when somebody asks for it, when trading is halted, when their strategy is switched off or
deleted, when the day's loss reaches its limit, or when an alert of their strategy asks to leave or to go the other way. Whatever
had filled by then stays.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.paper import rest
from hookfill.brokers.paper.fill import commission
from hookfill.brokers.paper.rest import RestingOrder, Seen, Terms
from hookfill.desk.book import Book
from hookfill.desk.case import Case, Refused, check_entry, convert, ticket_of
from hookfill.desk.model import Step
from hookfill.desk.opening import Filled, Opening, enter
from hookfill.desk.price import is_fresh
from hookfill.desk.rows import Fill, Rested
from hookfill.desk.sizing import size_of
from hookfill.desk.submit import new_position_id
from hookfill.desk.trade import Price, pay
from hookfill.exits.rules import rules_from, rules_to_json
from hookfill.kernel.ids import derived_id
from hookfill.kernel.lifecycle import ORDER
from hookfill.kernel.money import ZERO, plain
from hookfill.kernel.reasons import Reason
from hookfill.market.calendar import is_open
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Instrument, Quote
from hookfill.orders.model import Leg, Side
from hookfill.orders.ticks import to_tick
from hookfill.positions.model import Position
from hookfill.risk.checks import daily_loss_limit_reached
from hookfill.risk.model import Entry
from hookfill.signals.model import Action

LAST_BAR_DELAY = timedelta(seconds=60)
"""The bar that closes when an order expires is waited for this long before the order is said to have expired."""


def check_can_wait(case: Case) -> None:
    """An entry can wait for a price on paper and at Alpaca, in what is not an option, and with nothing to leave before it.

    Raises:
        Refused: the alert asks for a limit or stop entry, and it can't.
    """
    if not case.alert.waits:
        return
    kind = case.alert.order_type
    if case.account.trades_lots:
        raise Refused("rejected", Reason.ORDER_TYPE_UNSUPPORTED, f"a {kind} order rests on paper and at Alpaca only")
    if any(leg.is_option for leg in case.plan.legs):
        raise Refused("rejected", Reason.ORDER_TYPE_UNSUPPORTED, f"a {kind} order for an option")
    if case.exits:
        detail = f"a {kind} order that would leave a position first; an alert at the market does both"
        raise Refused("rejected", Reason.ORDER_TYPE_UNSUPPORTED, detail)


def is_bounded(case: Case) -> bool:
    """Whether the account's entries take no more than a share of each bar's volume."""
    return case.book.paper.volume_cap_pct is not None


def wait_for_price(case: Case, leg: Leg, number: int) -> None:
    """Make the limit or stop entry that the alert asks for; it fills at once if the market has reached its price.

    Raises:
        Refused: it has no size, or a check refused it.
    """
    level = _on_grid(case, leg.side)
    met = case.quote if _is_met(case, leg.side, level) else None
    if met is None:
        # What it commits, and where its exits lie, follows from its own price.
        case.rests, case.quote = True, Quote(case.alert.symbol, level, case.now, "order")
        convert(case)
    assert case.quote is not None
    quantity = size_of(case, leg, case.quote.price, case.rules.exits)
    check_entry(case, quantity)
    order = _made(case, leg.side, number, quantity, case.alert.order_type, level)
    _begin(case, order, met)


def fill_by_volume(case: Case, leg: Leg, number: int, quantity: Decimal) -> None:
    """Make a market entry of which no more fills at once, and with each bar, than the account's share of its volume."""
    _begin(case, _made(case, leg.side, number, quantity, rest.MARKET, None), case.quote)


def check_crowding(case: Case, leg: Leg) -> None:
    """Entries that rest count as made: a strategy may have no more of them than it may make.

    Raises:
        Refused: it has as many already.
    """
    waiting = sum(order.filled == ZERO for order in waiting_of(case) if order.side is leg.side)
    entries = waiting + (case.position.entries if case.position is not None else 0)
    if waiting and entries >= case.rules.policy.pyramiding:
        detail = f"{waiting} resting, {entries} of at most {case.rules.policy.pyramiding} entries"
        raise Refused("rejected", Reason.PYRAMIDING_LIMIT, detail)


def waiting_of(case: Case) -> list[RestingOrder]:
    """The entries of the case's strategy that rest in its symbol."""
    own = (case.strategy.strategy_id, case.alert.symbol)
    return [order for order in case.waiting() if (order.strategy_id, order.symbol) == own]


def cancel_opposed(case: Case) -> None:
    """End what rests of the strategy in the symbol, if the alert leaves, goes the other way, or sets a target."""
    action, side = case.alert.action, case.alert.close_side
    for order in waiting_of(case):
        sign = order.side.sign
        is_against = {
            Action.BUY: sign < 0,
            Action.SELL: sign > 0,
            Action.CLOSE: side is None or side == sign,
            Action.TARGET: True,
        }[action]
        if is_against and case.plan.refusal is not Reason.OPPOSITE_IGNORED:
            case.rested.append(_ended(order, "cancelled", Reason.ORDER_CANCELLED, f"an alert asked to {action.value}"))
    if case.rested:
        case.trace["cancelled"] = [str(rested.order_id) for rested in case.rested]


def meet_price(book: Book, price: Candle | Quote) -> bool:
    """Let a price of their symbol do what it does to the orders that rest; whether it did anything."""
    steps = 0
    for order in book.resting_in(price.symbol) if book.resting else ():
        step = meet(book, order, price)
        if step is not None:
            book.apply(step)
            steps += 1
    return steps > 0


def meet(book: Book, order: RestingOrder, price: Candle | Quote) -> Step | None:
    """What a price of its symbol does to an order that rests; None when it was accounted for before."""
    seen = rest.seen_of(price)
    if seen.at <= order.seen_until:
        return None
    account = roll_day(book.account, seen.at)
    ended = _expired(order, seen.at) or _unwanted(book, order) or _lost_its_place(book, order) or _after_loss(book, account, order)
    if ended is not None:
        return Step(account, rested=(ended,))
    instrument, looked = _instrument(order), replace(order, seen_until=seen.at)
    if rest.is_known_in_part(order, seen, book.paper):  # the rest of a bar that is still forming comes with its close
        return Step(book.account, rested=(Rested(looked),)) if isinstance(price, Candle) else None
    met = rest.fill_price(order, seen, instrument, book.paper) if rest.concerns(order, seen) else None
    met = met if met is not None and rest.is_traded(order, seen, instrument) else None
    quantity = ZERO if met is None else rest.part_of(order.left, seen.volume, instrument, book.paper)
    if met is None or quantity == ZERO:
        return Step(book.account, rested=(Rested(looked),))
    position = book.position(order.strategy_id, order.symbol)
    account, position, rested = _fill(book, account, position, looked, quantity, Price(met, seen.source, seen.low, seen.high), seen)
    return Step(account, positions=(position,), rested=(rested,))


def end_waiting(book: Book, at: datetime | None = None) -> None:
    """End what ends without a price: orders that nobody wants, that a halt stops, and whose time was up a while before ``at``."""
    found: list[Rested] = []
    for order in book.resting.values():
        ended = _unwanted(book, order)
        if ended is None and at is not None:
            ended = _expired(order, at - LAST_BAR_DELAY)
        if ended is not None:
            found.append(ended)
    if found:
        book.apply(Step(book.account, rested=tuple(found)))


def _on_grid(case: Case, side: Side) -> Decimal:
    """The order's price on the instrument's grid: a limit moves away from the market, so that it never fills worse than asked."""
    level = case.alert.order_price
    assert level is not None
    up = (side is Side.SELL) == (case.alert.order_type == rest.LIMIT)
    return to_tick(level, case.instrument, up=up, beside=level if case.quote is None else case.quote.price)


def _is_met(case: Case, side: Side, level: Decimal) -> bool:
    """Whether there is a price to trade at now, and it is at the order's level or beyond it."""
    quote, limits = case.quote, case.situation.limits
    if quote is None or not is_open(case.instrument, case.now, extended_hours=case.rules.market.extended_hours):
        return False
    fresh = quote.source == "alert" or is_fresh(quote, case.now, float(limits.price_max_age_seconds))
    return fresh and rest.is_met(case.alert.order_type, side, level, quote.price)


def _made(case: Case, side: Side, number: int, quantity: Decimal, order_type: str, level: Decimal | None) -> RestingOrder:
    ticket, quote, alert = ticket_of(case, number, "entry", None), case.quote, case.alert
    assert quote is not None
    return RestingOrder(
        order_id=ticket.order_id,
        client_order_id=ticket.client_order_id,
        signal_id=case.signal.signal_id,
        position_id=new_position_id(ticket),  # unless another one is open when it fills
        strategy_id=case.strategy.strategy_id,
        symbol=alert.symbol,
        side=side,
        order_type=order_type,
        level=level,
        quantity=quantity,
        time_in_force=alert.time_in_force,
        as_of=case.now,
        seen_until=case.now,
        expires_at=rest.expiry_of(case.instrument, case.now, alert.time_in_force),
        terms=Terms(
            multiplier=case.instrument.multiplier,
            estimate=quote.price if level is None else level,
            stop=alert.stop_loss,
            target=alert.take_profit,
            exits=rules_to_json(case.rules.exits),
            extended_hours=case.rules.market.extended_hours,
        ),
        status=ORDER.move("created", "working"),
    )


def _begin(case: Case, order: RestingOrder, met: Quote | None) -> None:
    """Keep the order in the case, with what fills of it at once at the quote that it meets."""
    book, rested = case.book, Rested(order, is_new=True)
    case.entered = True
    if met is not None:
        instrument = _instrument(order)
        quantity = rest.part_of(order.left, met.volume, instrument, book.paper)
        if quantity > ZERO:
            price = rest.price_at_once(order.order_type, order.side, order.level, met, instrument, book.paper)
            seen = Seen(met.price, met.low, met.high, met.price, case.now, case.now, met.source)
            paid = Price(price, met.source, met.low, met.high)
            case.account, position, filled = _fill(book, case.account, case.position, order, quantity, paid, seen)
            # The market's newest price is the one that it met, and no newer for it: what leaves the position next meets its bar.
            if case.position is None or met.at > position.marked_at:
                position = replace(position, mark=met.price, marked_at=met.at)
            case.position = position
            case.changed.append(position)
            rested = rested.then(filled)
    case.rested.append(rested)
    case.trace["resting"] = {
        "order_id": str(order.order_id),
        "order_type": order.order_type,
        "price": None if order.level is None else plain(order.level),
        "quantity": plain(order.quantity),
        "filled": plain(rested.order.filled),
        "expires_at": None if order.expires_at is None else order.expires_at.isoformat(),
    }


def _fill(
    book: Book, account: Account, position: Position | None, order: RestingOrder, quantity: Decimal, price: Price, seen: Seen
) -> tuple[Account, Position, Rested]:
    """One fill of an order: it opens the strategy's position or adds to it."""
    fee = commission(quantity, _instrument(order), book.paper)
    filled = Filled(quantity, price.value, fee, seen.at, seen.close, seen.at)
    after = enter(position, _opening(order), filled, is_new_entry=order.filled == ZERO)
    fill = Fill(
        fill_id=derived_id(seen.at, order.client_order_id, "fill", str(order.fills + 1)),
        order_id=order.order_id,
        position_id=after.position_id,
        symbol=order.symbol,
        side=order.side.value,
        quantity=quantity,
        price=price.value,
        multiplier=after.multiplier,
        commission=fee,
        realized_pnl=ZERO,
        bar_low=price.low,
        bar_high=price.high,
        price_source=price.source,
        filled_at=seen.at,
    )
    return pay(account, fill), after, Rested(rest.with_fill(order, quantity, price.value, after.position_id), (fill,))


def _opening(order: RestingOrder) -> Opening:
    return Opening(
        position_id=order.position_id,
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        instrument=_instrument(order),
        side=order.side,
        rules=rules_from(order.terms.exits),
        stop=order.terms.stop,
        target=order.terms.target,
    )


def _instrument(order: RestingOrder) -> Instrument:
    """What is traded, with the multiplier that was settled when the order was made."""
    return replace(instrument_for(order.symbol), multiplier=order.terms.multiplier)


def _expired(order: RestingOrder, at: datetime) -> Rested | None:
    if order.expires_at is None or at <= order.expires_at:
        return None
    return _ended(order, "expired", Reason.ORDER_EXPIRED, f"it waited until {order.expires_at.isoformat()}")


def _unwanted(book: Book, order: RestingOrder) -> Rested | None:
    if order.unwanted is not None:
        return _ended(order, "cancelled", order.unwanted)
    halts = book.halts_for(order.strategy_id, order.symbol)
    return _ended(order, "cancelled", Reason.HALTED, f"{halts[0].scope}: {halts[0].reason}") if halts else None


def _lost_its_place(book: Book, order: RestingOrder) -> Rested | None:
    """An order that has filled in part belongs to the position that it made; and none turns a position round."""
    position = book.position(order.strategy_id, order.symbol)
    if order.filled > ZERO and (position is None or position.position_id != order.position_id):
        return _ended(order, "cancelled", Reason.ORDER_CANCELLED, "the position that it had filled into was closed")
    if position is not None and (position.side != order.side.sign or position.status != "open"):
        return _ended(order, "cancelled", Reason.ORDER_CANCELLED, "the strategy's position is on the other side, or being closed")
    return None


def _after_loss(book: Book, account: Account, order: RestingOrder) -> Rested | None:
    entry = Entry(
        now=order.seen_until,
        symbol=order.symbol,
        instrument=_instrument(order),
        day_start_balance=account.day_start_balance,
        day_realized=account.day_realized,
        limits=book.limits,
    )
    result = daily_loss_limit_reached(entry)
    return None if result.passed else _ended(order, "cancelled", Reason.DAILY_LOSS_LIMIT_REACHED, result.detail)


def _ended(order: RestingOrder, status: str, reason: Reason, detail: str = "") -> Rested:
    return Rested(replace(order, status=ORDER.move(order.status, status)), reason=reason, text=detail or None)
