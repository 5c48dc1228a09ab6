"""What the API answers about experiments, the shadow book, and the engines' and agents' performance."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from hookfill.api.models import Amount, Model

Variant = Literal["A", "B"]
_RATE = "From 0 to 1; null: there is nothing to share."


class PairSide(Model):
    """What one engine thought of a signal and what came of it."""

    engine: Literal["rules", "council"]
    verdict: Literal["approved", "refused", "failed"] | None = Field(
        description="null: a gate came before any engine. failed: its code raised; it never disturbs the engine that acts."
    )
    bias: Literal[-1, 0, 1] | None = Field(description="1 bullish, -1 bearish, 0 neutral.")
    confidence: float | None = Field(description="0 to 100.")
    outcome: str = Field(
        description="entered, left (it closed or reduced only), failed, or the code of the reason for which nothing was traded."
    )
    is_shadow: bool = Field(description="Its trade is in the shadow book; else in the account.")
    status: Literal["waiting", "open", "closing", "closed"] | None = Field(
        description="Of its trade; waiting: its entry waits for a price or for the broker. null: there is none."
    )
    pnl: Amount | None = Field(
        description="What its entry came to, net of commission, in the account's currency; null: not closed, or no trade. In a "
        "position that several entries built it is this one's share."
    )
    position_id: UUID | None
    opened_at: datetime | None
    closed_at: datetime | None
    exit_reason: str | None


class PairAnswer(Model):
    """One signal of a strategy with the engine ab: judged by both engines, acted on by one in the account."""

    experiment_id: UUID
    signal_id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    symbol: str
    as_of: datetime = Field(description="The moment as of which it was decided, UTC.")
    created_at: datetime
    direction: Literal[-1, 0, 1] = Field(description="1 long, -1 short, 0: the signal only closes.")
    price: Amount | None = Field(description="The quote that both engines saw.")
    variant: Variant = Field(description="Whose verdict the account acted on: A the rules, B the council.")
    assignment_hash: str = Field(
        description="SHA-256 of symbol:timeframe:timestamp; its first eight digits modulo 100 below the split give B."
    )
    split_percentage: int = Field(description="The share of the signals that went to B then, in percent.")
    barred: str | None = Field(
        description="Why the account could not have entered, whatever an engine thought: then neither side did."
    )
    a: PairSide
    b: PairSide


class AgentOpinion(Model):
    """What one agent of the council thought."""

    agent: str
    kind: str
    bias: Literal[-1, 0, 1]
    confidence: float
    block: bool = Field(description="It forbade the entry.")
    error: str | None = Field(description="Why it had no opinion: its code failed.")
    reasons: list[str]


class PairDetail(PairAnswer):
    """A pair with what each agent of the council thought."""

    opinions: list[AgentOpinion]


class VariantResult(Model):
    """One engine's trades on the signals that asked for an entry."""

    approved: int = Field(description="Signals that it would have entered on.")
    trades: int
    open_trades: int
    wins: int = Field(description="Closed trades that made more than 0 net of commission.")
    win_rate: Amount | None = Field(description=_RATE)
    expectancy: Amount | None = Field(description="What a closed trade made on average, net, in the account's currency.")
    pnl: Amount = Field(description="What all closed trades made, net.")


class AgreementResult(Model):
    """The verdicts side by side."""

    both: int = Field(description="Both engines approved.")
    only_a: int
    only_b: int
    neither: int
    rate: Amount | None = Field(description=f"The share on which they agree. {_RATE}")


class DifferenceResult(Model):
    """What B made more than A, signal by signal; a side without a trade made 0."""

    pairs: int = Field(description="The closed pairs that it is made of.")
    total: Amount
    mean: Amount | None = Field(description="Per pair.")
    low: Amount | None = Field(
        description="With high the bounds of the mean by a percentile bootstrap with a fixed seed; null below two pairs."
    )
    high: Amount | None = Field(description="Where low and high are on the same side of 0, the difference is hardly chance.")
    confidence_percent: int
    resamples: int


class ExperimentResults(Model):
    """What the experiment of a strategy came to."""

    strategy_id: UUID
    strategy_name: str | None
    currency: str
    split_percentage: int | None = Field(description="Only signals decided under this split; null: all of them.")
    since: datetime | None = Field(description="The oldest pair that is compared; at most the newest 20,000 are.")
    until: datetime | None
    signals: int = Field(description="All signals of the strategy while it tried both engines.")
    owned_by_b: int = Field(description="Those that the account acted on by engine B's verdict.")
    closing: int = Field(description="Those that only close; nothing is compared of these.")
    unjudged: int = Field(description="Those that a gate refused before any engine, or on which an engine failed.")
    judged: int = Field(description="Those that asked for an entry and that both engines judged: the pairs.")
    barred: int = Field(description="Pairs on which the account could not have entered by either verdict; they are not compared.")
    open_pairs: int = Field(description="Pairs that are not closed yet; they are not compared.")
    a: VariantResult
    b: VariantResult
    agreement: AgreementResult
    difference: DifferenceResult
    pair: PairDetail | None = Field(description="The pair that was asked for; null when a strategy was.")


class DecileResult(Model):
    """Calls of a tenth of the scale of confidence."""

    confidence_from: int
    confidence_to: int
    calls: int
    hits: int
    hit_rate: Amount
    average_confidence: Amount


class AgentPerformance(Model):
    """How good an engine or an agent is."""

    agent: str
    calls: int
    neutral: int = Field(description="Calls without a direction.")
    blocks: int = Field(description="Entries that it forbade.")
    errors: int = Field(description="Calls in which its code failed.")
    scored: int = Field(description="Calls with a direction where the market took one.")
    hits: int
    hit_rate: Amount | None = Field(description=f"hits / scored. {_RATE}")
    average_confidence: Amount | None = Field(description="0 to 100.")
    calibration: list[DecileResult] = Field(
        description="Scored calls by tenths of confidence; where the hit rate is the confidence, that is worth what it says."
    )


class Performance(Model):
    """How good the engines and the council's agents were on the newest 5,000 signals that asked for an entry."""

    signals: int
    horizon_minutes: int | None = Field(description="null: a call is right when the trade on the signal went its way.")
    engines: list[AgentPerformance]
    agents: list[AgentPerformance]


class ShadowPositionAnswer(Model):
    """What the engine that was not chosen would hold. Amounts are in the account's currency, and none is part of the account."""

    position_id: UUID = Field(description="Unique within its account and variant.")
    account_id: UUID
    variant: Variant = Field(description="Whose position it is.")
    signal_id: UUID | None = Field(description="The signal that opened it.")
    strategy_id: UUID
    strategy_name: str | None
    symbol: str
    status: Literal["open", "closing", "closed"]
    side: Literal["long", "short"]
    quantity: Amount = Field(description="Signed: negative is short, 0 when closed.")
    average_price: Amount
    multiplier: Amount
    entries: int
    mark: Amount
    marked_at: datetime
    unrealized_pnl: Amount
    realized_pnl: Amount = Field(description="Gross of commission.")
    commission: Amount
    opened_at: datetime
    closed_at: datetime | None
    exit_reason: str | None


class ShadowTradeAnswer(Model):
    """A fill of the shadow book."""

    trade_id: UUID = Field(description="Unique within its account and variant.")
    account_id: UUID
    variant: Variant
    position_id: UUID
    signal_id: UUID | None = Field(description="null: the position's own exit rules asked for it.")
    strategy_id: UUID
    strategy_name: str | None
    symbol: str
    side: Literal["buy", "sell"]
    purpose: Literal["entry", "exit"]
    exit_reason: str | None
    quantity: Amount
    price: Amount
    multiplier: Amount
    commission: Amount
    realized_pnl: Amount = Field(description="Gross of commission.")
    bar_low: Amount | None = Field(description="The bounds of the bar that the price comes from.")
    bar_high: Amount | None
    price_source: str
    traded_at: datetime
