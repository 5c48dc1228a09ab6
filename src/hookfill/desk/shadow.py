"""The shadow book: what the engine that was not chosen would have done, at the same prices and by the same rules (pure).

Each variant has a book of its own, which is an account's ``Book`` like any other: signals are decided in it by ``decide_signal``,
and prices and time change it by ``desk.passing``, so that whatever those learn holds here, too. What it makes never reaches the
account: of a step in the shadow book only the positions and orders are kept, cash and limits remain the account's own, and whatever
fails here is told and changes nothing.

- Gates and risk checks look at the account as it is, but that the strategy holds what its shadow holds. Where the account itself
  could not have entered (a check, no size), neither side does.
- Alerts that close or turn close the shadow's positions of both variants; which engine approves matters for entries only.
"""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from hookfill.accounts.model import Account
from hookfill.desk.book import Book
from hookfill.desk.decide import decide_signal
from hookfill.desk.model import Outcome, Situation, Step
from hookfill.desk.options import canonical, wants_option
from hookfill.desk.passing import make_way, reach, see
from hookfill.desk.resting import end_waiting
from hookfill.desk.settings import TradingRules
from hookfill.desk.trial import (
    VARIANTS,
    Experiment,
    Shadow,
    ShadowOrder,
    ShadowPosition,
    ShadowRows,
    ShadowTrade,
    SideOutcome,
    Trial,
)
from hookfill.engines.direction import direction
from hookfill.engines.model import Decision
from hookfill.engines.router import Variant
from hookfill.kernel.ids import derived_id
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Quote
from hookfill.positions.model import Position
from hookfill.signals.model import Signal

ENTERED, LEFT, FAILED = "entered", "left", "failed"
"""What a side did: it entered (and may have left something before), it only left, or its own code failed."""
_PLANS = frozenset(
    {Reason.PYRAMIDING_LIMIT, Reason.OPPOSITE_IGNORED, Reason.ALREADY_AT_TARGET, Reason.NO_POSITION, Reason.ACTION_MISSING}
)
"""What an alert may mean for a position that is held already: that is no affair of the account's limits."""
_MOST_TRACEBACK = 4_000


class ShadowBook:
    """Both variants' shadows of one account while it folds forward, and the rows that come out of it."""

    def __init__(self, situation: Situation) -> None:
        """Start from what was gathered."""
        known = situation.shadow or Shadow()
        alone = replace(situation, signals=(), entry_times={}, abroad=None)
        self._situation = situation
        self._situations = {
            variant: replace(alone, positions=known.positions.get(variant, ()), resting=known.orders.get(variant, ()))
            for variant in VARIANTS
        }
        self._books = {variant: Book(self._situations[variant]) for variant in VARIANTS}
        self._owners = dict(known.owners)
        self._opened_by: dict[tuple[Variant, UUID], UUID | None] = {}
        self._experiments: list[Experiment] = []
        self._failures: list[str] = []

    def see(self, account: Account, price: Candle | Quote) -> None:
        """A price comes; what is called an account here is the account's own, as it stands, by whose limits the shadow goes."""
        self._each(account, f"see {price.symbol}", lambda book, situation: see(book, situation, price))

    def reach(self, account: Account, until: datetime) -> None:
        """No more prices come up to a moment."""
        self._each(account, "reach", lambda book, situation: reach(book, situation, until))

    def make_way(self, account: Account, at: datetime) -> None:
        """A signal comes."""
        self._each(account, "make way", lambda book, situation: make_way(book, situation, at))

    def end_waiting(self, account: Account, until: datetime) -> None:
        """All signals and prices up to a moment have come."""
        self._each(account, "end waiting", lambda book, _: end_waiting(book, until))

    def _each(self, account: Account, doing: str, act: Callable[[Book, Situation], object]) -> None:
        for variant in VARIANTS:
            book = self._books[variant]
            if not book.open and not book.resting:
                continue
            book.account = account
            try:
                act(book, self._situations[variant])
            except Exception:
                self._fail(doing, variant)

    def follow(self, book: Book, signal: Signal, rules: TradingRules | None, trial: Trial, step: Step) -> Step:
        """Do in the shadow what a signal means there, after the account's own step for it was made and before it is applied.

        Returns:
            The account's step, with the pair in its trace.
        """
        outcomes: dict[Variant, SideOutcome] = {}
        barred = _barred(trial, step)
        for variant in VARIANTS:
            verdict, failure = self._verdict(trial, variant), trial.judged.failures.get(variant)
            says, position_id = self._side(book, signal, rules, trial, variant, step, barred)
            outcomes[variant] = SideOutcome(verdict, FAILED if failure else says, position_id, failure)
        if signal.is_by_operator:
            return step
        experiment = _experiment(signal, trial, outcomes, barred or _barred_in_shadow(outcomes, trial))
        self._experiments.append(experiment)
        self._note_owner(trial, step)
        assert step.verdict is not None
        told = {**step.verdict.trace, "experiment": _told(experiment)}
        return replace(step, verdict=replace(step.verdict, trace=told))

    def give_up(self, signal: Signal, trial: Trial, reason: Reason) -> None:
        """Note the pair of a signal whose handling failed for good."""
        nothing = SideOutcome(None, reason.value)
        self._experiments.append(_experiment(signal, trial, dict.fromkeys(VARIANTS, nothing), reason))

    def fail(self, signal: Signal, trial: Trial, step: Step, text: str) -> None:
        """Note the pair of a signal that could not be followed; ``text`` tells why."""
        self._failures.append(f"follow {signal.signal_id}: {text[-_MOST_TRACEBACK:]}")
        outcomes = {variant: SideOutcome(trial.judged.decisions.get(variant), FAILED) for variant in VARIANTS}
        outcomes[trial.acting] = SideOutcome(trial.judged.decisions.get(trial.acting), *_said(step))
        self._experiments.append(_experiment(signal, trial, outcomes))

    def _verdict(self, trial: Trial, variant: Variant) -> Decision | None:
        try:
            return trial.judged.by(variant)
        except Exception:
            self._fail(f"judge {trial.judged.signal.signal_id}", variant)
            return None

    def _side(
        self,
        book: Book,
        signal: Signal,
        rules: TradingRules | None,
        trial: Trial,
        variant: Variant,
        step: Step,
        barred: Reason | None,
    ) -> tuple[str, UUID | None]:
        """What one variant's side did: the account's own step for the one that acts, else what the shadow made of it."""
        if trial.planned is None:  # it was refused before anything was looked at
            return _said(step)
        is_shared = variant == trial.acting or self._shares(book, signal, rules, trial, variant)
        own = trial.in_shadow(variant, exits_only=is_shared, barred=barred)
        try:
            made = self._step(book, signal, rules, own)
        except Exception:
            self._fail(f"follow {signal.signal_id}", variant)
            made = None
        if is_shared:
            return _said(step)
        return (FAILED, None) if made is None else _said(made)

    def _step(self, book: Book, signal: Signal, rules: TradingRules | None, own: Trial) -> Step | None:
        """The signal decided in one variant's shadow; None where that holds nothing and is not to enter."""
        variant, strategy_id = own.acting, signal.strategy_id
        shadow = self._books[variant]
        held = [position for key, position in shadow.open.items() if key[0] == strategy_id]
        waiting = [order for order in shadow.resting.values() if order.strategy_id == strategy_id]
        if own.exits_only and not held and not waiting:
            return None
        made = decide_signal(book.as_if(strategy_id, held, waiting), self._situation, signal, rules, own)
        shadow.apply(Step(shadow.account, positions=made.positions, orders=made.orders, rested=made.rested))
        return made

    def _shares(self, book: Book, signal: Signal, rules: TradingRules | None, trial: Trial, variant: Variant) -> bool:
        """Whether what the account holds is this variant's, too, and the alert adds nothing to it for either."""
        assert trial.planned is not None
        if any(leg.purpose == "entry" for leg in trial.planned.legs) or _concerned(self._books[variant], signal, rules):
            return False
        return any(variant in self._owners.get(one.position_id, ()) for one in _concerned(book, signal, rules))

    def _note_owner(self, trial: Trial, step: Step) -> None:
        for position_id in _entered(step):
            self._owners[position_id] = self._owners.get(position_id, frozenset()) | {trial.acting}

    def _fail(self, doing: str, variant: Variant) -> None:
        self._failures.append(f"{doing} ({variant}): {traceback.format_exc()[-_MOST_TRACEBACK:]}")

    def rows(self) -> ShadowRows:
        """What is to be written."""
        outcomes = [(variant, self._books[variant].outcome()) for variant in VARIANTS]
        trades = tuple(trade for variant, outcome in outcomes for trade in _trades(variant, outcome))
        return ShadowRows(
            experiments=tuple(self._experiments),
            positions=tuple(
                _position(variant, position, trades) for variant, outcome in outcomes for position in outcome.positions
            ),
            orders=tuple(ShadowOrder(variant, rested.order) for variant, outcome in outcomes for rested in outcome.rested),
            trades=trades,
            failures=tuple(self._failures),
        )


def _concerned(book: Book, signal: Signal, rules: TradingRules | None) -> list[Position]:
    """What a book holds that the alert is about, as its plan sees it: a position in the symbol, or options on it."""
    alert = canonical(signal).alert
    own, options = book.position(signal.strategy_id, alert.symbol), book.options_on(signal.strategy_id, alert.symbol)
    if options and (own is None or (rules is not None and wants_option(alert, rules))):
        return options
    return [] if own is None else [own]


def _trades(variant: Variant, outcome: Outcome) -> Iterable[ShadowTrade]:
    for order in outcome.orders:
        for fill in order.fills:
            yield ShadowTrade(variant, fill, order.strategy_id, order.signal_id, order.purpose, order.exit_reason)
    for rested in outcome.rested:
        for fill in rested.fills:
            yield ShadowTrade(variant, fill, rested.order.strategy_id, rested.order.signal_id, "entry", None)


def _position(variant: Variant, position: Position, trades: Iterable[ShadowTrade]) -> ShadowPosition:
    """A changed position with its side, which a closed one tells by its trades only, and what opened it, if that was now."""
    own = [trade for trade in trades if trade.variant == variant and trade.fill.position_id == position.position_id]
    entered = next((trade for trade in own if trade.purpose == "entry"), None)
    is_long = position.side > 0 or (position.side == 0 and any((one.fill.side == "sell") == (one.purpose == "exit") for one in own))
    return ShadowPosition(variant, position, "long" if is_long else "short", None if entered is None else entered.signal_id)


def _barred(trial: Trial, step: Step) -> Reason | None:
    """Why the account could not have entered by either engine's verdict; None: it did, an engine refused, or there was no entry."""
    assert step.verdict is not None
    decision, planned = trial.judged.decisions.get(trial.acting), trial.planned
    if step.entry_of is not None or step.verdict.reason is None or (decision is not None and not decision.approved):
        return None
    has_entry = planned is None or trial.judged.market is None or any(leg.purpose == "entry" for leg in planned.legs)
    return Reason(step.verdict.reason) if has_entry else None


def _barred_in_shadow(outcomes: dict[Variant, SideOutcome], trial: Trial) -> Reason | None:
    """Why the account could not have entered had the other engine acted, which alone approved; its own plan apart."""
    acting, other = outcomes[trial.acting], next(outcomes[one] for one in VARIANTS if one != trial.acting)
    is_alone = acting.verdict is not None and not acting.verdict.approved and other.verdict is not None and other.verdict.approved
    if not is_alone or other.says in (ENTERED, LEFT, FAILED):
        return None
    return None if other.says in _PLANS else Reason(other.says)


def _entered(step: Step) -> list[UUID]:
    """The positions that a step's entries concern: made at once, sent to a broker, or waiting for a price."""
    return [
        *(order.position_id for order in step.orders if order.purpose == "entry"),
        *(rested.order.position_id for rested in step.rested if rested.is_new),
    ]


def _said(step: Step) -> tuple[str, UUID | None]:
    """What a step did, and the position that its entry concerns."""
    entered = _entered(step)
    if entered:
        return ENTERED, entered[0]
    if step.orders:
        return LEFT, None
    assert step.verdict is not None
    return step.verdict.reason or LEFT, None


def _experiment(signal: Signal, trial: Trial, outcomes: dict[Variant, SideOutcome], barred: Reason | None = None) -> Experiment:
    market = trial.judged.market
    return Experiment(
        signal=signal,
        experiment_id=signal.experiment_id or derived_id(signal.as_of, signal.signal_id, "experiment"),
        direction=direction(signal.alert),
        price=None if market is None or market.quote is None else market.quote.price,
        assignment=trial.assignment,
        outcomes=outcomes,
        barred=barred,
    )


def _told(experiment: Experiment) -> dict[str, object]:
    """The pair as the signal's story tells it."""
    sides: dict[str, object] = {}
    for variant, outcome in experiment.outcomes.items():
        decision = outcome.verdict
        sides[variant] = {
            "engine": None if decision is None else decision.engine,
            "approved": None if decision is None else decision.approved,
            "bias": None if decision is None else decision.bias,
            "confidence": None if decision is None else decision.confidence,
            "reasons": [] if decision is None else list(decision.reasons),
            "outcome": outcome.says,
            "failure": outcome.failure,
        }
    return {
        "experiment_id": str(experiment.experiment_id),
        "variant": experiment.assignment.variant,
        "assignment_hash": experiment.assignment.assignment_hash,
        "split_percentage": experiment.assignment.split_percentage,
        "barred": experiment.barred,
        "sides": sides,
    }
