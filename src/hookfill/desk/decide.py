"""One signal: from the alert to orders and fills, or to a refusal that says why (pure).

The sequence is that of the house: what the alert means for the position → gates → engine → size → risk checks → orders and fills.
Whatever is looked at on the way goes into the trace, which the signal's story shows.
"""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.alpaca.instruct import TRADABLE
from hookfill.brokers.paper.fill import commission, market_fill_price
from hookfill.desk import trace
from hookfill.desk.book import Book
from hookfill.desk.case import Case, Refused, check_entry, convert, note_equity, only_leaves, reason_to_leave, risk_entry, ticket_of
from hookfill.desk.contracts import costs_of, priced_by
from hookfill.desk.currency import in_account_currency, traded_as
from hookfill.desk.model import NewHalt, Situation, Step, Verdict
from hookfill.desk.opening import Filled, Opening, enter
from hookfill.desk.options import canonical, choose, dealt_at, plan_of, turn_to
from hookfill.desk.price import quote_as_of, tradable_quote
from hookfill.desk.resting import cancel_opposed, check_can_wait, check_crowding, fill_by_volume, is_bounded, wait_for_price
from hookfill.desk.rows import Order
from hookfill.desk.settings import TradingRules
from hookfill.desk.sizing import size_of
from hookfill.desk.submit import new_position_id, send_entry, send_exit
from hookfill.desk.trade import Deal, Price, Ticket, filled_order, pay, reduce
from hookfill.desk.trial import Trial
from hookfill.desk.view import market_view, note_failures
from hookfill.engines.model import Filters
from hookfill.engines.registry import engine
from hookfill.kernel.ids import derived_id
from hookfill.kernel.lifecycle import SIGNAL
from hookfill.kernel.money import ZERO
from hookfill.kernel.reasons import Reason, explain
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Quote
from hookfill.orders.model import Leg, Side
from hookfill.orders.size import size_exit
from hookfill.positions.model import Position
from hookfill.risk.assess import Stage, assess_gates
from hookfill.signals.model import Signal

_EXITS_REGARDLESS = frozenset({Reason.HALTED, Reason.DAILY_LOSS_LIMIT_REACHED})
"""Gates that stop the entry of a reversal but not its closing leg; a stale alert closes nothing that was opened after it."""

TRADED = frozenset({"paper", "mt5", "alpaca"})
"""Kinds of account whose orders can be filled."""


def decide_signal(book: Book, situation: Situation, signal: Signal, rules: TradingRules | None, trial: Trial | None = None) -> Step:
    """What a signal leads to.

    Args:
        rules: its strategy's rules, understood; None when the strategy is gone.
        trial: of a signal that two engines judge.
    """
    account = roll_day(book.account, signal.as_of)
    notes: dict[str, Any] = {}
    halts: tuple[NewHalt, ...] = ()
    case: Case | None = None
    try:
        case = _prepare(book, situation, signal, rules, account, notes)
        case.trial = trial
        _judge(case)
        return _step(case)
    except Refused as refused:
        if refused.reason is Reason.ORDER_RATE_EXCEEDED:
            halts = (_own_halt(signal, refused.detail),)
        verdict = _refusal(situation, signal, refused, notes)
        return Step(account, verdict=verdict, halts=halts, rested=() if case is None else tuple(case.rested))


def _prepare(
    book: Book, situation: Situation, signal: Signal, rules: TradingRules | None, account: Account, notes: dict[str, Any]
) -> Case:
    strategy = situation.strategies.get(signal.strategy_id)
    if strategy is None or rules is None:
        raise Refused("discarded", Reason.STRATEGY_MISSING)
    if not strategy.is_enabled and not signal.is_by_operator:
        raise Refused("discarded", Reason.STRATEGY_DISABLED, strategy.name)
    timeline = account.timeline_at
    if signal.source == "import" and timeline is not None and signal.as_of < timeline:
        raise Refused("discarded", Reason.HISTORY_OUT_OF_ORDER, f"decided up to {timeline.isoformat()}")
    if account.kind not in TRADED:
        raise Refused("discarded", Reason.BROKER_UNSUPPORTED, account.kind)
    signal = canonical(signal)
    alert, symbol = signal.alert, signal.alert.symbol
    position = book.position(signal.strategy_id, symbol)
    planned, source = plan_of(book, signal, rules), priced_by(symbol)
    known = quote_as_of(situation.quotes.get(source), situation.history.get(source, ()), signal.as_of)
    max_age = float(situation.limits.price_max_age_seconds)
    # At a broker the price is an estimate and nothing is dealt at it, so there the alert's own serves in any case.
    # Of an alert that names a contract it is the contract's, not its underlying's.
    use_alert_price = (rules.market.use_alert_price or account.is_at_broker) and source == symbol
    quote = tradable_quote(known, alert, signal.as_of, max_age, use_alert_price=use_alert_price)
    notes |= {"plan": trace.plan(planned, position), "quote": trace.quote(quote, signal.as_of)}
    case = Case(book, situation, signal, strategy, rules, instrument_for(symbol), quote, planned, account, position, notes)
    if account.is_at_broker:
        return _at_broker(case)
    convert(case)
    return case


def _at_broker(case: Case) -> Case:
    """The case in the broker's terms, worth what they are worth in the account's currency.

    Raises:
        Refused: the broker does not trade it.
    """
    instrument = traded_as(case.account, case.alert.symbol)
    if case.account.kind == "alpaca" and instrument.kind not in TRADABLE:
        raise Refused("rejected", Reason.BROKER_UNSUPPORTED, f"{case.alert.symbol} at Alpaca")
    price = None if case.quote is None else case.quote.price
    converted = in_account_currency(instrument, case.account.currency, price, case.situation.quotes)
    case.instrument, case.is_convertible = converted or instrument, converted is not None
    return case


def _judge(case: Case) -> None:
    """Gates, engine, plan; then the closing legs, then the entry."""
    if case.trial is not None:
        case.trial.note(case.plan)
    note_equity(case)
    _pass_gates(case)
    check_can_wait(case)
    _pass_engine(case)
    cancel_opposed(case)
    if case.plan.refusal is not None:
        cancelled = f"; {len(case.rested)} that rested cancelled" if case.rested else ""
        raise Refused("rejected", case.plan.refusal, case.plan.detail + cancelled)
    for number, leg in enumerate(case.exits):
        turn_to(case, leg)
        _make_exit(case, leg, number)
    note_equity(case)
    if case.entry is None:
        return
    try:
        _make_entry(case, case.entry, len(case.exits))
    except Refused as refused:
        if not case.orders:
            raise
        _note_refused_entry(case, refused.reason, refused.detail)


def _pass_gates(case: Case) -> None:
    assessment = assess_gates(risk_entry(case, is_exit=only_leaves(case)))
    case.trace["gates"] = trace.checks(assessment)
    refusal = assessment.refusal
    if refusal is None:
        return
    refusals = {result.check for result in assessment.results if not result.passed}
    if _reverses(case) and refusals <= _EXITS_REGARDLESS and assess_gates(risk_entry(case, is_exit=True)).refusal is None:
        _leave_only(case, refusal.check, refusal.detail)
        return
    raise Refused(Stage.GATE.value, refusal.check, refusal.detail)


def _reverses(case: Case) -> bool:
    return case.entry is not None and bool(case.exits)


def _leave_only(case: Case, reason: Reason, detail: str) -> None:
    """Drop the entry of a reversal."""
    case.plan = replace(case.plan, legs=case.exits)
    _note_refused_entry(case, reason, detail)


def _note_refused_entry(case: Case, reason: Reason, detail: str) -> None:
    case.note = f"Closed only; the entry was refused: {explain(reason, detail)}"
    case.trace["entry_refused"] = reason.value


def _pass_engine(case: Case) -> None:
    if case.signal.is_by_operator:
        return
    filters = Filters() if only_leaves(case) else case.rules.filters  # no filter stands between a position and its exit
    if case.trial is not None:
        decision = case.trial.judge(partial(market_view, case), case.rules.filters, only_leaves=only_leaves(case))
    else:
        decision = engine(case.strategy.engine)(case.signal, market_view(case), filters)
    case.trace["engine"] = trace.decision(decision)
    note_failures(case, decision)
    if decision.approved:
        return
    reason, detail = decision.refusal or Reason.ENGINE_TREND, " ".join(decision.reasons)
    if not _reverses(case):
        raise Refused("rejected", reason, detail)
    _leave_only(case, reason, detail)  # its closing leg is an exit like any other


def _make_exit(case: Case, leg: Leg, number: int) -> None:
    assert case.position is not None
    assert leg.quantity is not None
    sized = size_exit(leg.quantity, abs(case.position.quantity), case.instrument)
    if sized.refusal is not None:
        raise Refused("rejected", sized.refusal, sized.explanation)
    if case.is_sent:
        send_exit(case, leg, number, sized.quantity)
        return
    quote = _exit_quote(case, case.position)
    met = dealt_at(case, leg.side, quote)
    price = Price(_market_price(case, leg.side, met), met.source, met.low, met.high)
    ticket = ticket_of(case, number, "exit", reason_to_leave(case))
    case.account, after, order = reduce(case.account, case.position, sized.quantity, price, ticket, case.book.paper)
    _keep(case, after, order, quote)


def _exit_quote(case: Case, position: Position) -> Quote:
    """An exit always has a price: the newest one known, at worst the position's last mark.

    An alert's own price beyond the collar around that mark is no price to leave at: the mark is. Where nobody but alerts tells a
    price, the mark is an alert's too, and however old: then the newer one counts.
    """
    quote = case.quote
    if quote is None or quote.at < position.marked_at:
        return Quote(position.symbol, position.mark, position.marked_at, "mark")
    collar = case.situation.limits.price_collar_pct * position.mark
    is_told = case.situation.quotes.get(quote.symbol) is not None
    if quote.source == "alert" and is_told and abs(quote.price - position.mark) * 100 > collar:
        return Quote(position.symbol, position.mark, case.now, "mark")
    return quote


def _make_entry(case: Case, leg: Leg, number: int) -> None:
    if case.trial is not None and case.trial.exits_only:
        raise Refused("rejected", Reason.ENGINE_TREND, "the account's own side makes this entry")
    if leg.is_option:
        leg = choose(case, leg)
        convert(case)
    if case.is_sent:
        send_entry(case, leg, number)
        return
    check_crowding(case, leg)
    if case.alert.waits:
        wait_for_price(case, leg, number)
        return
    met = None if case.quote is None else dealt_at(case, leg.side, case.quote)
    quantity = ZERO if met is None else size_of(case, leg, met.price, case.rules.exits)
    check_entry(case, quantity)
    assert case.quote is not None  # price_missing has refused otherwise
    assert met is not None
    if is_bounded(case) and not leg.is_option:  # nobody tells how many contracts are traded in a bar
        fill_by_volume(case, leg, number, quantity)
        return
    fill = _market_price(case, leg.side, met)
    price = Price(fill, met.source, met.low, met.high)
    ticket = ticket_of(case, number, "entry", None)
    fee = commission(quantity, case.instrument, case.book.paper)
    filled = Filled(quantity, fill, fee, case.now, case.quote.price, case.quote.at)
    after = enter(case.position, opening_of(case, leg.side, ticket), filled)
    order = filled_order(ticket, Deal(after.position_id, leg.side, quantity, price, after.multiplier, fee))
    case.account = pay(case.account, order.fills[0])
    _keep(case, after, order, case.quote)
    case.entered = True


def _market_price(case: Case, side: Side, met: Quote) -> Decimal:
    return market_fill_price(side, met, case.instrument, costs_of(case.book.paper, case.terms))


def opening_of(case: Case, side: Side, ticket: Ticket) -> Opening:
    """What the case's entry asks for, at whatever price it fills."""
    return Opening(
        position_id=new_position_id(ticket),
        strategy_id=case.strategy.strategy_id,
        symbol=case.alert.symbol,
        instrument=case.instrument,
        side=side,
        rules=case.rules.exits,
        stop=case.alert.stop_loss,
        target=case.alert.take_profit,
        terms=None if case.terms is None else case.terms.to_json(),
    )


def _keep(case: Case, position: Position, order: Order, quote: Quote) -> None:
    """Collect an order and its position; an open position is marked by the quote it was traded at, if that is newer."""
    if position.status != "closed" and quote.at > position.marked_at:
        position = replace(position, mark=quote.price, marked_at=quote.at)
    case.position = position if position.status != "closed" else None
    case.changed.append(position)
    case.orders.append(order)


def _step(case: Case) -> Step:
    approved = SIGNAL.move("pending", "approved")
    order_id, fill_price = _filled_at(case)
    verdict = Verdict(
        signal_id=case.signal.signal_id,
        asked=case.asked or case.alert,
        status=approved if fill_price is None else SIGNAL.move(approved, "executed"),
        engine=case.strategy.engine,
        reason=case.trace.get("entry_refused"),
        error_message=case.note,
        fill_price=fill_price,
        order_id=order_id,
        attempts=case.signal.attempts,
        trace=case.trace,
    )
    is_too_fast = case.trace.get("entry_refused") == Reason.ORDER_RATE_EXCEEDED
    return Step(
        account=case.account,
        positions=tuple(case.changed),
        orders=tuple(case.orders),
        verdict=verdict,
        halts=(_own_halt(case.signal, "the entry of a reversal"),) if is_too_fast else (),
        entry_of=case.strategy.strategy_id if case.entered else None,
        entry_at=case.now if case.entered else None,
        moves=case.moves,
        rested=tuple(case.rested),
    )


def _filled_at(case: Case) -> tuple[UUID | None, Decimal | None]:
    """The last order and its price, when it is filled whole."""
    made = next((rested for rested in case.rested if rested.is_new), None)
    if made is not None:
        return (made.order_id, made.order.average_price) if made.status == "filled" else (None, None)
    last = case.orders[-1]
    return (last.order_id, last.fills[-1].price) if last.fills else (None, None)


def _refusal(situation: Situation, signal: Signal, refused: Refused, notes: dict[str, Any]) -> Verdict:
    strategy = situation.strategies.get(signal.strategy_id)
    # One message is a contract: clients look for the bare code.
    is_daily_loss = refused.reason is Reason.DAILY_LOSS_LIMIT_REACHED
    before = SIGNAL.move("pending", "approved") if refused.status == "expired" else "pending"
    return Verdict(
        signal_id=signal.signal_id,
        asked=signal.alert,
        status=SIGNAL.move(before, refused.status),
        engine=strategy.engine if strategy is not None else "none",
        reason=refused.reason.value,
        error_message=refused.reason.value if is_daily_loss else explain(refused.reason, refused.detail),
        attempts=signal.attempts,
        trace=notes,
    )


def _own_halt(signal: Signal, detail: str) -> NewHalt:
    return NewHalt(
        halt_id=derived_id(signal.as_of, signal.signal_id, "halt"),
        strategy_id=signal.strategy_id,
        reason=f"{Reason.ORDER_RATE_EXCEEDED.value}: {detail}",
        at=signal.as_of,
    )
