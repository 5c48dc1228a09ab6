"""The experiment between two engines, as far as it concerns one signal (pure).

Engine A, the rules, and engine B, the council, judge every signal of a strategy with the engine ``ab`` on the same frozen view. The
variant says whose verdict the account acts on; what the other's would have led to is worked out afterwards, in the shadow book
(``desk.shadow``), so that nothing of it can stand in the way of trading.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.rows import Fill
from hookfill.engines import rules
from hookfill.engines.council import engine as council
from hookfill.engines.model import Decision, Engine, Filters, MarketView
from hookfill.engines.registry import AB
from hookfill.engines.router import Assignment, Variant, assign_alert
from hookfill.kernel.reasons import Reason, explain
from hookfill.orders.model import Plan
from hookfill.positions.model import Position
from hookfill.signals.model import Signal

VARIANTS: tuple[Variant, Variant] = ("A", "B")
ENGINES: Mapping[Variant, Engine] = {"A": rules.decide, "B": council.decide}
NAMES: Mapping[Variant, str] = {"A": rules.NAME, "B": council.NAME}
_NO_FILTERS = Filters()


@dataclass(slots=True)
class Judged:
    """What both engines look at, kept from the moment at which the acting one judged; and their verdicts, each made once."""

    signal: Signal
    market: MarketView | None = None
    filters: Filters = _NO_FILTERS
    decisions: dict[Variant, Decision] = field(default_factory=dict)
    failures: dict[Variant, str] = field(default_factory=dict)

    def by(self, variant: Variant) -> Decision | None:
        """An engine's verdict; None: a gate came before any engine, or it failed before.

        Raises:
            Exception: whatever the engine raises, once: an engine that hangs must not be asked again without a bound.
        """
        if self.market is not None and variant not in self.decisions and variant not in self.failures:
            try:
                self.decisions[variant] = ENGINES[variant](self.signal, self.market, self.filters)
            except Exception as error:
                self.failures[variant] = f"{type(error).__name__}: {error}"
                raise
        return self.decisions.get(variant)


@dataclass(slots=True)
class Trial:
    """One signal under decision by the engine ``ab``: for the account, or for one side of the shadow book.

    Attributes:
        acting: whose verdict counts here.
        is_shadow: nothing of it may reach the account or a broker.
        exits_only: what this side enters on the signal, the account does itself.
        barred: why the shadow book may not enter, whatever the engine thinks.
        planned: what the alert means for the account's own position; None: it was refused before.
        equity: the account's before its entry, by which the shadow's is sized, too; None: not known.
    """

    assignment: Assignment
    judged: Judged
    acting: Variant
    is_shadow: bool = False
    exits_only: bool = False
    barred: Reason | None = None
    planned: Plan | None = None
    equity: Decimal | None = None

    def note(self, planned: Plan) -> None:
        """Keep what the account's own side starts from."""
        if not self.is_shadow:
            self.planned = planned

    def judge(self, look: Callable[[], MarketView], filters: Filters, *, only_leaves: bool) -> Decision:
        """The verdict that counts here.

        Args:
            look: gives what this side's case sees. What the account's sees is kept, and both engines judge on that.
            filters: the strategy's.
            only_leaves: the signal can but close or reduce what this side holds.
        """
        judged = self.judged
        if judged.market is None and not (self.is_shadow and only_leaves):
            judged.market, judged.filters = replace(look(), only_leaves=False), filters
        if self.is_shadow:
            return self._in_shadow(only_leaves=only_leaves)
        assert judged.market is not None
        if only_leaves:  # no filter and no opinion stands between a position and its exit
            return ENGINES[self.acting](judged.signal, replace(judged.market, only_leaves=True), _NO_FILTERS)
        decision = judged.by(self.acting)
        assert decision is not None
        return decision

    def _in_shadow(self, *, only_leaves: bool) -> Decision:
        """The same where a verdict never fails: an engine's failure must not keep the shadow in a position."""
        name = NAMES[self.acting]
        if only_leaves:
            return Decision(name, approved=True, bias=0, confidence=100.0)
        if self.barred is not None:
            return Decision(name, False, 0, 0.0, self.barred, (explain(self.barred),))
        decision = self.judged.decisions.get(self.acting)
        return decision or Decision(name, approved=False, bias=0, confidence=0.0)

    def in_shadow(self, variant: Variant, *, exits_only: bool, barred: Reason | None) -> "Trial":
        """The same signal for one side of the shadow book."""
        return replace(self, acting=variant, is_shadow=True, exits_only=exits_only, barred=barred)


def begin(signal: Signal, engine: str, split: int) -> Trial | None:
    """A trial of a signal of a strategy with this engine; None where both engines are not asked.

    A door that has answered a variant has chosen for good; for the others the router chooses now.

    Args:
        split: percent of the signals that engine B acts on.
    """
    if engine != AB:
        return None
    asked = split if signal.split_percentage is None else signal.split_percentage
    assignment = assign_alert(signal.alert, signal.as_of, asked)
    for answered in VARIANTS:
        if signal.variant == answered:
            assignment = replace(assignment, variant=answered)
    return Trial(assignment, Judged(signal), assignment.variant)


@dataclass(frozen=True, slots=True)
class SideOutcome:
    """What one engine's verdict on a signal led to.

    Attributes:
        verdict: None: a gate came before any engine, or the engine failed.
        says: ``entered``, ``left`` or the code of the reason for which nothing was traded.
        position_id: what its entry opened or grew.
        failure: what the engine raised.
    """

    verdict: Decision | None
    says: str
    position_id: UUID | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """The pair that a signal became, ready to be stored.

    Attributes:
        direction: 1 long, -1 short, 0: it only closes.
        price: what both engines saw; None: none was known.
        barred: why the account could not have entered, whatever an engine thought.
    """

    signal: Signal
    experiment_id: UUID
    direction: int
    price: Decimal | None
    assignment: Assignment
    outcomes: Mapping[Variant, SideOutcome]
    barred: Reason | None = None


@dataclass(frozen=True, slots=True)
class ShadowPosition:
    """A position of the shadow book after the fold.

    Attributes:
        side: ``long`` or ``short``; a closed position does not tell by itself.
        signal_id: what opened it; None where that is stored already.
    """

    variant: Variant
    position: Position
    side: str
    signal_id: UUID | None


@dataclass(frozen=True, slots=True)
class ShadowOrder:
    """An entry of the shadow book that rests, or rested until now."""

    variant: Variant
    order: RestingOrder


@dataclass(frozen=True, slots=True)
class ShadowTrade:
    """A fill of the shadow book, and why it was made: by a signal, or (None) by the position's own exits."""

    variant: Variant
    fill: Fill
    strategy_id: UUID
    signal_id: UUID | None
    purpose: str
    exit_reason: str | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """What is stored of an account's shadow book.

    Attributes:
        positions: the open ones of each side.
        orders: the entries of each side that rest.
        owners: whose verdicts built the account's own open positions, as far as they are a trial's.
    """

    positions: Mapping[Variant, tuple[Position, ...]] = field(default_factory=dict)
    orders: Mapping[Variant, tuple[RestingOrder, ...]] = field(default_factory=dict)
    owners: Mapping[UUID, frozenset[Variant]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether it holds anything, or anything rests in it."""
        return any(self.positions.values()) or any(self.orders.values())


@dataclass(frozen=True, slots=True)
class ShadowRows:
    """What a fold changed in the shadow book, and what went wrong in it."""

    experiments: tuple[Experiment, ...] = ()
    positions: tuple[ShadowPosition, ...] = ()
    orders: tuple[ShadowOrder, ...] = ()
    trades: tuple[ShadowTrade, ...] = ()
    failures: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.experiments or self.positions or self.orders)


NO_SHADOW_ROWS = ShadowRows()
"""Nothing happened in the shadow book."""
