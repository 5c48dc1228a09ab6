"""What is asked for and answered about the trade journal."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from hookfill.api.models import Amount, Model
from hookfill.journal.model import Direction, EventType, Session, Status
from hookfill.journal.quality import Gap
from hookfill.journal.reading import EventPlace, Place
from hookfill.journal.results import Policy
from hookfill.journal.sessions import direction_named, session_named
from hookfill.kernel.times import EARLIEST, LATEST

EXAMPLE_TRADE_ID = "20251202_061700000_BULLISH"


def _place(value: str) -> str:
    Place.parse(value)
    return value


def _event_place(value: str) -> str:
    EventPlace.parse(value)
    return value


def _text(value: str) -> str:
    if not value.strip() or "\x00" in value:
        raise ValueError("it must be text")
    return value


def _session(value: object) -> object:
    return session_named(value) or value if isinstance(value, str) else value


def _direction(value: object) -> object:
    return direction_named(value) or value if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


TradeCursor = Annotated[str, AfterValidator(_place), StringConstraints(max_length=700)]
EventCursor = Annotated[str, AfterValidator(_event_place), StringConstraints(max_length=100)]
TradeText = Annotated[str, AfterValidator(_text), StringConstraints(min_length=1, max_length=100)]
"""A trade's id or a setup's name."""
NewYorkDay = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]
SessionName = Annotated[Session, BeforeValidator(_session)]
"""In any case, with space or underscore."""
DirectionName = Annotated[Direction, BeforeValidator(_direction)]
"""Also long, short, buy, sell …, in any case."""
StatusName = Annotated[Status, BeforeValidator(_upper)]


class TradeExit(Model):
    """How a trade ended."""

    event_type: EventType
    at: datetime
    price: Amount | None
    reason: str | None = Field(description="As told.")


class TradeQuality(Model):
    """What is missing in what was told of a trade."""

    checks: int = Field(description="How many checks apply to it.")
    score: Amount = Field(description="How many of them it passes, in percent.")
    gaps: list[Gap]


class JournalTrade(Model):
    """A trade as it stands. Moves are in R: the distance from entry to original stop. Times are UTC."""

    trade_id: str
    status: Status
    direction: Direction | None
    session: Session
    symbol: str | None
    timeframe: str | None
    setup_id: str | None = Field(description="The setup's name for grouping.")
    signal_at: datetime = Field(description="The signal bar's time.")
    signal_date: date = Field(description="Its day in New York.")
    signal_hour: int = Field(description="Its hour in New York.")
    entered_at: datetime | None
    entry_price: Amount | None
    stop_loss: Amount | None = Field(description="The original one.")
    risk_distance: Amount | None = Field(description="One R as a price distance.")
    position_size: Amount | None
    current_price: Amount | None
    be_triggered_at: datetime | None = Field(description="When +1R was first told to be touched.")
    current_mfe: Amount | None = Field(description="The latest told; of a completed trade its final one.")
    be_mfe: Amount | None = Field(description="The greatest favourable move until the stop or, after +1R, the return to the entry.")
    no_be_mfe: Amount | None = Field(description="The same until the original stop.")
    final_mfe: Amount | None = Field(description="Of a completed trade.")
    mae: Amount | None = Field(description="The greatest adverse move, not above 0.")
    exit: TradeExit | None
    stopped_at: datetime | None = Field(description="When the original stop was hit.")
    cancelled_at: datetime | None
    last_event_at: datetime
    last_mfe_at: datetime | None
    event_count: int
    targets: dict[str, Any] | None = Field(description="As told, like setup and market_state.")
    setup: dict[str, Any] | None
    market_state: dict[str, Any] | None
    schema_version: str | None
    quality: TradeQuality
    updated_at: datetime = Field(description="When it last changed here.")


class TradeEvent(Model):
    """One thing that was told of a trade."""

    id: int
    event_type: str | None = Field(description="As stored; rows from before Hookfill may have another name for it, or none.")
    at: datetime = Field(description="When it happened by the indicator's clock, UTC.")
    source: str | None = Field(description="live, backfill …; null: a row from before Hookfill.")
    message_id: UUID | None
    direction: str | None
    session: str | None
    entry_price: Amount | None
    stop_loss: Amount | None
    risk_distance: Amount | None
    current_price: Amount | None
    exit_price: Amount | None
    mfe: Amount | None
    be_mfe: Amount | None
    no_be_mfe: Amount | None
    final_mfe: Amount | None
    mae: Amount | None
    telemetry: Any = Field(description="What was told, if it named a schema_version.")


class TradeLife(Model):
    """A trade, and what was told of it."""

    state: JournalTrade
    events: list[TradeEvent] = Field(description="By their own times, the earliest first.")


class TradeFigures(Model):
    """What some trades came to under the policy, with the target; in R."""

    trades: int
    decided: int = Field(description="Trades that have a result.")
    wins: int = Field(description="Results above 0.")
    losses: int = Field(description="Results below 0.")
    break_evens: int = Field(description="Results of 0.")
    win_rate: Amount | None = Field(description="wins ÷ decided, 0 to 1.")
    expectancy: Amount | None = Field(description="The mean result.")
    profit_factor: Amount | None = Field(description="Sum of the wins ÷ size of the sum of the losses; null without a loss.")
    total_r: Amount = Field(description="The sum of the results.")
    average_mfe: Amount | None = Field(
        description="Of the policy's move (be_mfe or no_be_mfe), where told; without cancelled trades."
    )
    average_mae: Amount | None


class TradeGroup(Model):
    """The figures of trades that have something in common."""

    name: str | None = Field(description="null: it was not told.")
    figures: TradeFigures


class TargetFigures(Model):
    """All trades with one target, with (be) and without (no_be) the stop going to the entry at +1R."""

    target: int
    be: TradeFigures
    no_be: TradeFigures
    better: Policy | None = Field(description="The policy of the higher expectancy; null: they are equal, or one decided nothing.")


class BestPolicy(Model):
    """The policy and target of the highest expectancy."""

    policy: Policy
    target: int
    expectancy: Amount
    decided: int


class EquityPoint(Model):
    """The sum of all results so far."""

    at: datetime
    equity: Amount


class EquityDrawdown(Model):
    """How far the equity fell below its highest, in R."""

    deepest: Amount
    from_at: datetime | None = Field(description="When the highest before it was reached; null: it was the beginning.")
    at: datetime | None = Field(description="When it was deepest.")
    present: Amount


class JournalFreshness(Model):
    """How current the journal is."""

    now: datetime
    version: int = Field(description="Grows with each change.")
    received_at: datetime | None = Field(description="When the latest message arrived.")
    event_at: datetime | None = Field(description="The latest event's own time.")
    heartbeat_at: datetime | None = Field(description="The latest heartbeat's own time.")
    live_at: datetime | None = Field(description="When the latest message about the present arrived.")
    waiting: int = Field(description="Messages that wait to be read; 1000: so many or more.")


class Under(Model):
    """Under which policy and with which target trades are counted."""

    policy: Policy
    target: int


class JournalStatistics(Under):
    """What the trades came to."""

    figures: TradeFigures
    by_status: dict[Status, int]
    final_mfe_trades: int = Field(description="Completed trades whose final move is known.")
    final_mfe_total: Amount
    final_mfe_average: Amount | None
    targets: list[TargetFigures]
    best: BestPolicy | None
    by_session: list[TradeGroup]
    by_direction: list[TradeGroup]
    by_setup: list[TradeGroup] = Field(description="The 200 most frequent, the most frequent first.")
    by_hour: list[TradeGroup] = Field(description="0 to 23: the signal's hour in New York.")
    by_weekday: list[TradeGroup] = Field(description="Likewise.")
    equity: list[EquityPoint] = Field(description="In the order in which trades ended; at most 250 points.")
    drawdown: EquityDrawdown
    freshness: JournalFreshness


class JournalDay(Model):
    """The trades signalled on a New York day."""

    date: date
    figures: TradeFigures
    open_trades: int = Field(description="Entered, and not ended.")
    score: Amount = Field(description="How complete they were told, in percent.")


class QualityDay(Model):
    """How complete a day's trades were told."""

    date: date
    trades: int
    trades_with_gaps: int
    score: Amount
    gaps: dict[Gap, int] = Field(description="Trades that have each gap.")


class JournalQuality(Model):
    """How complete trades were told."""

    trades: int
    trades_with_gaps: int
    score: Amount | None = Field(description="The mean of the trades' scores; null without trades.")
    gaps: dict[Gap, int]
    days: list[QualityDay]


class Today(Model):
    """The trades signalled since midnight in New York."""

    date: date
    figures: TradeFigures
    by_status: dict[Status, int]


class Dashboard(Under):
    """What a dashboard's page shows."""

    today: Today
    open_trades: list[JournalTrade] = Field(description="The newest 100 that were entered and have not ended.")
    open_total: int
    days: list[JournalDay] = Field(description="The last 42 days, as far as they have trades.")
    quality: JournalQuality = Field(description="Of the last 7 days.")
    freshness: JournalFreshness
