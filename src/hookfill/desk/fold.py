"""Folds one account forward: pending signals in order of arrival, and between them the prices that came meanwhile (pure).

The same situation always gives the same rows. A signal whose handling raises leaves the account as it was and is tried again
later; after ``MAX_ATTEMPTS`` it is dead-lettered with its traceback, and the others go on.
"""

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from heapq import merge
from uuid import UUID

from hookfill.brokers.mt5.model import EXIT_LIFE
from hookfill.desk.book import Book
from hookfill.desk.booking import book_news
from hookfill.desk.decide import decide_signal
from hookfill.desk.flight import Moves
from hookfill.desk.model import MAX_ATTEMPTS, Outcome, Situation, Step, UnusableSignal, Verdict
from hookfill.desk.passing import make_way, reach, see, true_at
from hookfill.desk.resting import end_waiting
from hookfill.desk.settings import TradingRules, rules_of
from hookfill.desk.shadow import ShadowBook
from hookfill.desk.trial import Trial, begin
from hookfill.engines.registry import AB
from hookfill.kernel.lifecycle import SIGNAL
from hookfill.kernel.reasons import Reason, explain
from hookfill.market.model import Candle, Quote
from hookfill.positions.invariants import check_ledger
from hookfill.signals.model import Signal

_MOST_TRACEBACK = 8_000


Bound = AbstractContextManager[None]
"""Bounds what is done within, each time anew: what does not end by itself is ended by raising."""
_NO_BOUND: Bound = nullcontext()


def fold(situation: Situation, bound: Bound = _NO_BOUND, may_go_on: Callable[[], bool] = lambda: True) -> Outcome:
    """All that happens to the account up to the horizon.

    Args:
        bound: entered around the handling of each signal.
        may_go_on: asked before each signal but the first; where it says no, the outcome ends before that signal, which stays
            pending with all after it.

    Raises:
        LedgerError: the outcome would break an invariant; nothing may be stored.
    """
    book = Book(situation)
    shadow = _shadow(situation)
    rules: dict[UUID, TradingRules] = {}
    if situation.abroad is not None:
        book_news(book, situation)
    prices = _prices(situation)
    place = 0
    end_waiting(book)
    for unusable in situation.unusable:
        book.apply(Step(book.account, verdict=_discard(unusable)))
    for number, signal in enumerate(situation.signals):
        if number and not may_go_on():
            break
        place = _fold_prices(book, shadow, situation, prices, place, signal.as_of)
        _advance(book, make_way(book, situation, signal.as_of))
        if shadow is not None:
            shadow.make_way(book.account, signal.as_of)
        if book.in_flight(signal.strategy_id, signal.alert.symbol):
            _keep_waiting(book, shadow, situation, signal)
            continue
        book.apply(_handle(book, shadow, situation, signal, rules, bound))
        _advance(book, signal.as_of)
    else:
        _fold_prices(book, shadow, situation, prices, place, situation.horizon)
        end_waiting(book, situation.horizon)
        if shadow is not None:
            shadow.end_waiting(book.account, situation.horizon)
    outcome = book.outcome() if shadow is None else replace(book.outcome(), shadow=shadow.rows())
    _check(situation, outcome)
    return outcome


def _shadow(situation: Situation) -> ShadowBook | None:
    """A shadow book where there is anything to do in one."""
    is_tried = any(strategy.engine == AB for strategy in situation.strategies.values())
    return ShadowBook(situation) if is_tried or situation.shadow is not None else None


def _prices(situation: Situation) -> list[Candle | Quote]:
    """Bars and newest quotes in order of time.

    A quote matters where no bar has closed at its time: it comes from a bar that is still forming. It comes after the bars that
    have. One beyond the horizon is never reached: it would make the bar around the horizon count by its close only.
    """
    bars: Sequence[Candle | Quote] = situation.bars
    quotes: list[Candle | Quote] = sorted(situation.quotes.values(), key=true_at)
    return list(merge(bars, quotes, key=true_at))


def _fold_prices(
    book: Book, shadow: ShadowBook | None, situation: Situation, prices: Sequence[Candle | Quote], place: int, until: datetime
) -> int:
    """Apply the prices from ``place`` on that are true by ``until``, and what time does between them.

    Returns:
        The place of the first price that is later.
    """
    while place < len(prices) and true_at(prices[place]) <= until:
        _advance(book, see(book, situation, prices[place]))
        if shadow is not None:
            shadow.see(book.account, prices[place])
        place += 1
    _advance(book, reach(book, situation, until))
    if shadow is not None:
        shadow.reach(book.account, until)
    return place


def _keep_waiting(book: Book, shadow: ShadowBook | None, situation: Situation, signal: Signal) -> None:
    """What is in flight decides what the signal means: it waits untouched, but no longer than even an exit would live.

    What waits for a price at the broker gives way to it: the rest of it is cancelled.
    """
    withdrawn = [replace(flight, is_withdrawn=True) for flight in book.waiting_abroad(signal.strategy_id, signal.alert.symbol)]
    if withdrawn:
        book.apply(Step(book.account, moves=Moves(flights=tuple(withdrawn), withdrawn=tuple(one.order_id for one in withdrawn))))
    abroad = situation.abroad
    if abroad is None or abroad.now < signal.as_of + EXIT_LIFE:
        return
    strategy = situation.strategies.get(signal.strategy_id)
    verdict = Verdict(
        signal_id=signal.signal_id,
        asked=signal.alert,
        status=SIGNAL.move(SIGNAL.move("pending", "approved"), "expired"),
        engine=strategy.engine if strategy is not None else "none",
        reason=Reason.JOB_EXPIRED.value,
        error_message=explain(Reason.JOB_EXPIRED, "it waited for an order of the same strategy and symbol whose end is not known"),
        attempts=signal.attempts,
    )
    book.apply(Step(book.account, verdict=verdict))
    trial = _trial(situation, signal)
    if shadow is not None and trial is not None:
        shadow.give_up(signal, trial, Reason.JOB_EXPIRED)


def _trial(situation: Situation, signal: Signal) -> Trial | None:
    strategy = situation.strategies.get(signal.strategy_id)
    return None if strategy is None else begin(signal, strategy.engine, situation.ab_split)


def _advance(book: Book, at: datetime | None) -> None:
    timeline = book.account.timeline_at
    if at is not None and (timeline is None or at > timeline):
        book.account = replace(book.account, timeline_at=at)


def _handle(
    book: Book, shadow: ShadowBook | None, situation: Situation, signal: Signal, rules: dict[UUID, TradingRules], bound: Bound
) -> Step:
    strategy = situation.strategies.get(signal.strategy_id)
    trial = _trial(situation, signal)
    try:
        if strategy is not None and signal.strategy_id not in rules:
            rules[signal.strategy_id] = rules_of(strategy.settings)
        with bound:
            step = decide_signal(book, situation, signal, rules.get(signal.strategy_id), trial)
    except Exception:
        step = Step(book.account, verdict=_failure(situation, signal, traceback.format_exc()))
        if shadow is not None and trial is not None and step.verdict is not None and step.verdict.status == "failed":
            shadow.give_up(signal, trial, Reason.DEAD_LETTERED)
        return step
    if shadow is None or trial is None:
        return step
    return _follow(book, shadow, signal, rules[signal.strategy_id], trial, step, bound)


def _follow(book: Book, shadow: ShadowBook, signal: Signal, rules: TradingRules, trial: Trial, step: Step, bound: Bound) -> Step:
    """The account's step with its pair; whatever happens in the shadow, the step stays what it is."""
    try:
        with bound:
            return shadow.follow(book, signal, rules, trial, step)
    except Exception:
        shadow.fail(signal, trial, step, traceback.format_exc())
        return step


def _discard(signal: UnusableSignal) -> Verdict:
    return Verdict(
        signal_id=signal.signal_id,
        asked=signal.asked,
        status=SIGNAL.move("pending", "discarded"),
        engine="none",
        reason=signal.asked.reason.value,
        error_message=explain(signal.asked.reason, signal.asked.detail),
        attempts=signal.attempts,
    )


def _failure(situation: Situation, signal: Signal, text: str) -> Verdict:
    """Another try, later each time; or the dead letter."""
    attempts = signal.attempts + 1
    strategy = situation.strategies.get(signal.strategy_id)
    is_dead = attempts >= MAX_ATTEMPTS
    return Verdict(
        signal_id=signal.signal_id,
        asked=signal.alert,
        status=SIGNAL.move("pending", "failed") if is_dead else "pending",
        engine=strategy.engine if strategy is not None else "none",
        reason=Reason.DEAD_LETTERED.value if is_dead else None,
        error_message=text[-_MOST_TRACEBACK:],
        attempts=attempts,
        trace={"traceback": text[-_MOST_TRACEBACK:]},
    )


def _check(situation: Situation, outcome: Outcome) -> None:
    check_ledger(
        {position.position_id: position for position in situation.positions},
        {position.position_id: position for position in (*situation.positions, *outcome.positions)},
        (*outcome.orders, *outcome.moves.ends, *outcome.rested),
        cash_before=situation.account.cash,
        cash_after=outcome.account.cash,
    )
