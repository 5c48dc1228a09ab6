"""What the desk gathers for one account, how its state folds forward, and the rows that come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.accounts.model import Account, Strategy
from hookfill.brokers.paper.fill import PaperModel
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.flight import Abroad, Moves
from hookfill.desk.rows import Order, Rested
from hookfill.desk.trial import NO_SHADOW_ROWS, Shadow, ShadowRows
from hookfill.engines.flags import NO_FLAGS, Flags
from hookfill.market.model import Candle, Quote
from hookfill.market.option_chain import OptionChain
from hookfill.positions.model import Position
from hookfill.risk.model import Halt, Limits
from hookfill.signals.model import Alert, Signal, Unusable

MAX_ATTEMPTS = 3
"""How often handling a signal may raise before it is dead-lettered."""

STUDY_BARS = 300
"""How many closed bars an engine sees: enough for an EMA of 200 to have forgotten its start."""

NO_MOVES = Moves()
"""Nothing happened at a broker."""

USUAL_COSTS = PaperModel()
"""Of an account that has set none of its own."""

PositionKey = tuple[UUID, str]
"""Strategy and symbol: a strategy holds at most one position in a symbol."""


@dataclass(frozen=True, slots=True)
class HaltRow:
    """A halt in force: ``strategy_id`` and ``symbol`` narrow it down as ``halt.scope`` says."""

    halt: Halt
    strategy_id: UUID | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class UnusableSignal:
    """A pending signal that asks for nothing that can be done: it is discarded with its reason."""

    signal_id: UUID
    asked: Unusable
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class OptionData:
    """What is known for trading options.

    Attributes:
        bars: of each underlying that options are asked on: closed and later bars per timeframe, longest timeframe first, oldest bar
            first; its volatility is made of them.
        chains: of each such underlying the stored chain, where one is fresh.
        closes: of each option that has ended and is still open: its underlying's last price until its end, by (underlying, end).
    """

    bars: Mapping[str, tuple[tuple[Candle, ...], ...]] = field(default_factory=dict)
    chains: Mapping[str, OptionChain] = field(default_factory=dict)
    closes: Mapping[tuple[str, datetime], Quote] = field(default_factory=dict)


NO_OPTIONS = OptionData()
"""Nobody trades any."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that deciding for one account needs, gathered under its lock.

    Attributes:
        signals: pending, in order of arrival.
        positions: the open ones.
        entry_times: per strategy, the moments of its entries in the minute before the first signal.
        quotes: the newest price per symbol.
        bars: bars that close after what the positions have accounted for and up to ``horizon``, ordered by close, then length.
        history: bars per symbol for prices as of the past, ordered by close (only when a signal is older than its quote).
        studies: bars per (symbol, timeframe) for engines, oldest first: at least the last ``STUDY_BARS`` before each signal.
        horizon: prices up to here are taken into account (UTC).
        unusable: pending signals whose alert can be read but not acted on.
        abroad: what is on its way at the account's broker; None for an account that trades on paper.
        flags: as they are while deciding.
        ab_split: percent of the signals of strategies with the engine ab that the council acts on.
        paper: what trading on paper costs the account.
        resting: its entries that wait for a price on paper.
        options: what trading options needs.
        shadow: the account's shadow book; None where nothing is to be done in one.
    """

    account: Account
    limits: Limits
    strategies: Mapping[UUID, Strategy]
    signals: tuple[Signal, ...]
    positions: tuple[Position, ...]
    halts: tuple[HaltRow, ...]
    entry_times: Mapping[UUID, tuple[datetime, ...]]
    quotes: Mapping[str, Quote]
    bars: tuple[Candle, ...]
    history: Mapping[str, tuple[Candle, ...]]
    studies: Mapping[tuple[str, str], tuple[Candle, ...]]
    horizon: datetime
    unusable: tuple[UnusableSignal, ...] = ()
    abroad: Abroad | None = None
    paper: PaperModel = USUAL_COSTS
    resting: tuple[RestingOrder, ...] = ()
    flags: Flags = NO_FLAGS
    ab_split: int = 0
    options: OptionData = NO_OPTIONS
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a signal.

    ``status`` is terminal; or ``approved`` while its orders are at a broker; or ``pending`` when handling it raised and it shall be
    tried again in ``attempts`` squared seconds.
    """

    signal_id: UUID
    asked: Alert | Unusable
    status: str
    engine: str
    reason: str | None = None
    error_message: str | None = None
    fill_price: Decimal | None = None
    order_id: UUID | None = None
    attempts: int = 0
    trace: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewHalt:
    """A halt that the desk itself puts in force."""

    halt_id: UUID
    strategy_id: UUID
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What one event (a signal or a bar) changed: applied to the book as a whole, or, when deciding raised, not at all.

    ``positions`` are the changed ones as they stand after it. ``entry_at`` is set when the strategy of the signal made an entry.
    """

    account: Account
    positions: tuple[Position, ...] = ()
    orders: tuple[Order, ...] = ()
    verdict: Verdict | None = None
    halts: tuple[NewHalt, ...] = ()
    entry_of: UUID | None = None
    entry_at: datetime | None = None
    moves: Moves = NO_MOVES
    rested: tuple[Rested, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows to write for one account; ``positions`` are those that changed, ``equity`` is what the account is worth after it.

    ``rested`` are the entries that changed while they rest, and ``resting`` is how many do after it. ``only_marked`` names the
    positions of which prices moved the marks and the stops, and nothing else changed.
    """

    account: Account
    verdicts: tuple[Verdict, ...]
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    halts: tuple[NewHalt, ...]
    equity: Decimal = Decimal(0)
    moves: Moves = NO_MOVES
    is_first_balance: bool = False
    rested: tuple[Rested, ...] = ()
    resting: int = 0
    shadow: ShadowRows = NO_SHADOW_ROWS
    only_marked: frozenset[UUID] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.verdicts or self.positions or self.moves or self.is_first_balance or self.rested or self.shadow)
