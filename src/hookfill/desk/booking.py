"""Books what came back from a broker: orders end, positions and cash move, signals get their last word (pure).

Reports of jobs come first, in the order in which they ended, then deals that no job of ours made. A deal waits while an order of
its strategy and symbol is in flight: the report may be about the same deal, or about the position that it closed.
"""

import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.mt5.instruct import levels_sent
from hookfill.brokers.mt5.model import broker_symbol, magic_of
from hookfill.brokers.mt5.settle import Settlement, settle
from hookfill.desk.book import Book
from hookfill.desk.contracts import terms_of_fill
from hookfill.desk.currency import in_account_currency, traded_as
from hookfill.desk.flight import Abroad, Deal, DealNote, Flight, Moves, OrderEnd, Report, Resolution
from hookfill.desk.model import Situation, Step
from hookfill.desk.opening import Filled, Opening, enter
from hookfill.desk.rows import Fill, Order
from hookfill.desk.settings import rules_of
from hookfill.desk.trade import pay
from hookfill.exits.evaluate import past_target
from hookfill.exits.model import ExitReason, ExitRules
from hookfill.exits.rules import rules_for
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import derived_id
from hookfill.kernel.lifecycle import JOB, ORDER, POSITION, SIGNAL
from hookfill.kernel.money import ZERO, plain
from hookfill.kernel.reasons import Reason, explain
from hookfill.market.model import OptionContract
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill
from hookfill.positions.model import Position

SOURCE = "broker"
"""Where the price of a fill at a broker comes from."""
_DEAL_REASONS = {reason.value for reason in ExitReason}


def book_news(book: Book, situation: Situation) -> None:
    """Take over all that the broker's side has told and is not booked yet."""
    abroad = situation.abroad
    assert abroad is not None
    for report in abroad.reports:
        book.apply(_book_report(book, situation, abroad, report))
    for deal in abroad.deals:
        step = _book_deal(book, abroad, deal)
        if step is not None:
            book.apply(step)


def _book_report(book: Book, situation: Situation, abroad: Abroad, report: Report) -> Step:
    flight = book.flights.get(report.order_id)
    if flight is None or not flight.is_open:  # its order is gone with its strategy, or has ended: there is nothing to book it on
        return Step(book.account, moves=Moves(settled=(report.job_id,)))
    settlement = settle(flight.quantity, report.status, report.result, report.error_message)
    at = _moment(settlement.at or report.finished_at, flight.as_of, abroad.now)
    try:
        return _settled(book, situation, flight, report, settlement, at)
    except Exception:
        # What can't be booked must not stop the account: it is shown, and the reconciliation shows what the broker holds.
        text = explain(Reason.BROKER_REJECTED, f"its report could not be booked: {traceback.format_exc(limit=-2)}")
        failed = Settlement("rejected", reason=Reason.BROKER_REJECTED, text=text, broker_order_id=settlement.broker_order_id)
        return _settled(book, situation, flight, report, failed, at)


def _moment(at: datetime, earliest: datetime, latest: datetime) -> datetime:
    """A broker's time within what can be: other clocks than ours may be off."""
    return max(min(at, latest), earliest)


def _settled(book: Book, situation: Situation, flight: Flight, report: Report, settlement: Settlement, at: datetime) -> Step:
    """All that one report changes."""
    account, position, fill = roll_day(book.account, at), book.position(flight.strategy_id, flight.symbol), None
    if settlement.price is not None and flight.purpose == "entry":
        account, position, fill = _fill_entry(account, situation, position, flight, settlement, at)
    elif settlement.price is not None:
        account, position, fill = _fill_exit(account, position, flight, settlement, at)
    if position is not None and flight.purpose == "exit" and position.status == "closing":
        position = replace(position, status=POSITION.move(position.status, "open"))
    if settlement.price is not None and fill is None:
        text = explain(Reason.BROKER_REJECTED, "the position that it was to leave had been closed before")
        settlement = Settlement("cancelled", reason=Reason.BROKER_REJECTED, text=text, broker_order_id=settlement.broker_order_id)
    ended = _ended(flight, settlement, fill)
    dependants = [] if ended.status == "filled" else _dependants(book, report.job_id)
    moves = Moves(
        flights=(ended, *dependants),
        settled=(report.job_id,),
        cancelled=tuple(one.job_id for one in dependants if one.job_id is not None),
        ends=(_end(ended, (fill,) if fill is not None else ()), *(_end(one, ()) for one in dependants)),
    )
    resolution = _resolution(book, moves.flights)
    moves = replace(moves, resolutions=() if resolution is None else (resolution,))
    changed = () if position is None or position is book.position(flight.strategy_id, flight.symbol) else (position,)
    return Step(replace(account, timeline_at=max(account.timeline_at or at, at)), positions=changed, moves=moves)


def _fill_entry(
    account: Account, situation: Situation, held: Position | None, flight: Flight, settlement: Settlement, at: datetime
) -> tuple[Account, Position, Fill]:
    """An entry opens a position, or grows the one that is there."""
    assert settlement.price is not None
    side, price, quantity, fee = Side(flight.side), settlement.price, settlement.quantity, settlement.commission
    if held is not None:
        if held.side != side.sign:
            raise HookfillError(f"the strategy holds {plain(held.quantity)} {held.symbol} on the other side")
        grown, _ = apply_fill(held, side, quantity, price, fee, at=at)
        # An alert that buys an option names its underlying's levels: those of the first entry stay.
        is_option = held.underlying is not None
        after = replace(
            grown,
            stop_price=grown.stop_price if flight.alert_stop is None or is_option else flight.alert_stop,
            target_price=grown.target_price if flight.alert_target is None or is_option else flight.alert_target,
        )
    else:
        after = _opened(account, situation, flight, settlement, at)
    fill = _fill(flight, after, settlement, quantity, ZERO, ZERO, at)
    return pay(account, fill), after, fill


def _opened(account: Account, situation: Situation, flight: Flight, settlement: Settlement, at: datetime) -> Position:
    assert settlement.price is not None
    side, price, lots = Side(flight.side), settlement.price, traded_as(account, flight.symbol)
    rules = rules_for(_exit_rules(situation, flight.strategy_id), lots)
    stop, target = levels_sent(flight.sent, side, price, lots)
    asked = Opening(
        position_id=derived_id(flight.as_of, flight.client_order_id, "position"),
        strategy_id=flight.strategy_id,
        symbol=flight.symbol,
        instrument=in_account_currency(lots, account.currency, price, situation.quotes) or lots,
        side=side,
        rules=rules,
        stop=stop,
        target=target,
        terms=_terms(situation, lots.option, price, at),
    )
    return enter(None, asked, Filled(settlement.quantity, price, settlement.commission, at, price, at))


def _terms(situation: Situation, contract: OptionContract | None, price: Decimal, at: datetime) -> dict[str, Any] | None:
    """What the price of an option that a broker filled is made of; None: it is no option."""
    if contract is None:
        return None
    spot = situation.quotes.get(contract.underlying)
    return terms_of_fill(contract, price, at, None if spot is None else spot.price).to_json()


def _exit_rules(situation: Situation, strategy_id: UUID) -> ExitRules:
    """The strategy's exit rules; none when it is gone, or when its settings can't be read any more."""
    strategy = situation.strategies.get(strategy_id)
    try:
        return ExitRules() if strategy is None else rules_of(strategy.settings).exits
    except HookfillError:
        return ExitRules()


def _fill_exit(
    account: Account, held: Position | None, flight: Flight, settlement: Settlement, at: datetime
) -> tuple[Account, Position | None, Fill | None]:
    """An exit shrinks the position that it was made for; nothing is booked when that is gone."""
    assert settlement.price is not None
    if held is None or held.position_id != flight.position_id:
        return account, held, None
    quantity = min(settlement.quantity, abs(held.quantity))
    profit = settlement.profit if quantity == settlement.quantity else None
    after, realized, adjustment = _leave(
        held, Side(flight.side), quantity, settlement.price, settlement.commission, profit, at, flight.exit_reason
    )
    if flight.exit_reason == ExitReason.PARTIAL_TARGET:
        after = past_target(held, after, traded_as(account, held.symbol))
    fill = _fill(flight, after, settlement, quantity, realized, adjustment, at)
    return pay(account, fill), after, fill


def _leave(
    held: Position,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    profit: Decimal | None,
    at: datetime,
    exit_reason: str | None,
) -> tuple[Position, Decimal, Decimal]:
    """The position after an exit, what it realised, and by how much the broker's own figure differs from ours."""
    after, ours = apply_fill(held, side, quantity, price, fee, at=at, exit_reason=exit_reason)
    adjustment = ZERO if profit is None else profit - ours
    return replace(after, realized_pnl=after.realized_pnl + adjustment), ours + adjustment, adjustment


def _fill(
    flight: Flight,
    position: Position,
    settlement: Settlement,
    quantity: Decimal,
    realized: Decimal,
    adjustment: Decimal,
    at: datetime,
) -> Fill:
    assert settlement.price is not None
    return Fill(
        fill_id=derived_id(flight.as_of, flight.order_id, "fill", "1"),
        order_id=flight.order_id,
        position_id=position.position_id,
        symbol=flight.symbol,
        side=flight.side,
        quantity=quantity,
        price=settlement.price,
        multiplier=position.multiplier,
        commission=settlement.commission,
        realized_pnl=realized,
        bar_low=None,
        bar_high=None,
        price_source=SOURCE,
        filled_at=at,
        adjustment=adjustment,
    )


def _ended(flight: Flight, settlement: Settlement, fill: Fill | None) -> Flight:
    """The order at its end."""
    status, filled = settlement.status, ZERO if fill is None else fill.quantity
    if fill is not None:
        status = "filled" if filled == flight.quantity else "cancelled"
    elif flight.status == "partially_filled" and status == "rejected":
        status = "cancelled"  # the broker had begun to fill it: only what was left of it can have been refused
    before = ORDER.move(flight.status, "partially_filled") if fill is not None and status == "cancelled" else flight.status
    return replace(
        flight,
        status=ORDER.move(before, status),
        position_id=flight.position_id if fill is None else fill.position_id,
        filled_quantity=filled,
        average_fill_price=None if fill is None else fill.price,
        broker_order_id=settlement.broker_order_id,
        reason=None if settlement.reason is None else settlement.reason.value,
        text=settlement.text,
        is_waiting=False,
    )


def _end(flight: Flight, fills: tuple[Fill, ...]) -> OrderEnd:
    return OrderEnd(
        order_id=flight.order_id,
        position_id=flight.position_id,
        side=flight.side,
        quantity=flight.quantity,
        status=flight.status,
        fills=fills,
        broker_order_id=flight.broker_order_id,
        reason=flight.reason,
        error_message=flight.text,
    )


def _dependants(book: Book, job_id: UUID) -> list[Flight]:
    """Orders that waited for a job which did not do all it was to do, cancelled: no agent has begun them."""
    text = explain(Reason.JOB_CANCELLED, "the order that it had to wait for was not filled")
    return [
        replace(
            flight,
            status=ORDER.move(flight.status, JOB.move("pending", "cancelled")),
            reason=Reason.JOB_CANCELLED.value,
            text=text,
            is_waiting=False,
        )
        for flight in book.flights.values()
        if flight.depends_on == job_id and flight.is_open and flight.is_waiting
    ]


def _resolution(book: Book, ended: tuple[Flight, ...]) -> Resolution | None:
    """The signal's last word, once none of its orders is in flight any more."""
    signal_id = ended[0].signal_id
    now = {**book.flights, **{flight.order_id: flight for flight in ended}}
    legs = [flight for flight in now.values() if flight.signal_id == signal_id]
    if signal_id is None or any(leg.is_open for leg in legs):
        return None
    entry = next((leg for leg in legs if leg.purpose == "entry"), None)
    leave = next((leg for leg in legs if leg.purpose == "exit"), None)
    done = next((leg for leg in (entry, leave) if leg is not None and leg.filled_quantity > ZERO), None)
    if done is None:
        # Of a reversal the closing leg comes first: when it fails, the entry is only its consequence.
        failed = leave or entry
        assert failed is not None
        status = "expired" if failed.status == "expired" else "failed"
        return Resolution(signal_id, SIGNAL.move("approved", status), failed.reason, failed.text, None, failed.broker_order_id)
    text, reason = done.text, done.reason
    if entry is not None and done is not entry:
        text, reason = f"Closed only; the entry was not made: {entry.text}", entry.reason
    executed = SIGNAL.move("approved", "executed")
    return Resolution(signal_id, executed, reason, text, done.average_fill_price, done.broker_order_id)


def _book_deal(book: Book, abroad: Abroad, deal: Deal) -> Step | None:
    """A deal closes or reduces the position that it belongs to; None while it has to wait."""
    if deal.is_of_a_job:
        return _noted(book, deal, "It is booked with the job that told of it.")
    symbol_map = book.account.symbol_map
    if any(_is_about(deal, one.strategy_id, one.symbol, symbol_map) for one in book.flights.values() if one.is_open):
        return None
    leaves = -Side(deal.side).sign
    found = [p for p in book.open.values() if p.side == leaves and _is_about(deal, p.strategy_id, p.symbol, symbol_map)]
    if len(found) != 1:
        what = "no open position" if not found else f"{len(found)} open positions"
        return _noted(book, deal, f"It fits {what} of ours; nothing was booked. See the account's differences.")
    try:
        return _closed_by(book, abroad, found[0], deal)
    except HookfillError as error:
        return _noted(book, deal, f"It can't be booked: {error}")


def _is_about(deal: Deal, strategy_id: UUID, symbol: str, symbol_map: Mapping[str, str]) -> bool:
    """Whether a deal may be one of this strategy's in this symbol; one without a magic number may be anybody's."""
    if deal.magic and deal.magic != magic_of(strategy_id):
        return False
    return broker_symbol(symbol, symbol_map).upper() == deal.symbol.upper()


def _noted(book: Book, deal: Deal, note: str) -> Step:
    return Step(book.account, moves=Moves(deals=(DealNote(deal.deal_id, note),)))


def _closed_by(book: Book, abroad: Abroad, held: Position, deal: Deal) -> Step:
    """The position after a deal, with an exit order of its own so that the fill has one."""
    at = _moment(deal.dealt_at, held.opened_at, abroad.now)
    quantity = min(deal.quantity, abs(held.quantity))
    profit = deal.profit if quantity == deal.quantity else None
    exit_reason = deal.reason if deal.reason in _DEAL_REASONS else ExitReason.MANUAL.value
    side = Side(deal.side)
    after, realized, adjustment = _leave(held, side, quantity, deal.price, ZERO, profit, at, exit_reason)
    order_id = derived_id(deal.dealt_at, book.account.account_id, "deal", deal.deal_id)
    fill = Fill(
        fill_id=derived_id(deal.dealt_at, order_id, "fill", "1"),
        order_id=order_id,
        position_id=held.position_id,
        symbol=held.symbol,
        side=side.value,
        quantity=quantity,
        price=deal.price,
        multiplier=held.multiplier,
        commission=ZERO,
        realized_pnl=realized,
        bar_low=None,
        bar_high=None,
        price_source=SOURCE,
        filled_at=at,
        adjustment=adjustment,
    )
    order = Order(
        order_id=order_id,
        client_order_id=f"deal-{order_id.hex}",
        signal_id=None,
        position_id=held.position_id,
        strategy_id=held.strategy_id,
        symbol=held.symbol,
        side=side.value,
        order_type="market",
        purpose="exit",
        exit_reason=exit_reason,
        quantity=quantity,
        stop_price=None,
        status=ORDER.move("created", "filled"),
        as_of=at,
        fills=(fill,),
        broker_order_id=deal.deal_id,
    )
    account = pay(roll_day(book.account, at), fill)
    account = replace(account, timeline_at=max(account.timeline_at or at, at))
    left = "" if quantity == deal.quantity else f" {plain(deal.quantity - quantity)} lots more were dealt than we hold."
    note = DealNote(deal.deal_id, f"It closed {plain(quantity)} of position {held.position_id}.{left}")
    return Step(account, positions=(after,), orders=(order,), moves=Moves(deals=(note,)))
