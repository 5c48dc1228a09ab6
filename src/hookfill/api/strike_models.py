"""What is asked and answered about the choice of an option contract."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema, model_validator

from hookfill.api.candle_models import CandleSymbol
from hookfill.api.fields import Asked, Bounds, Moment
from hookfill.api.models import Amount, Model
from hookfill.market.option_prices import LEAST_VOLATILITY, MOST_VOLATILITY
from hookfill.orders.strike_rules import MOST_HOLD_DAYS

MOST_CANDIDATES = 10_000


def _day(value: object) -> date:
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("send a date such as 2026-02-20")
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise ValueError("send a date that exists, such as 2026-02-20") from None
    if not 1990 <= found.year < 2100:
        raise ValueError("send a date in the years 1990 to 2099")
    return found


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
_ASKED: Any = {"symbol": "SPY", "direction": "long", "spot": 497.3, "volatility": 0.15, "at": "2026-02-05T15:00:00Z", "limit": 10}
_TIER: Any = {"symbol": "SPY", "right": "PUT", "rule": "tier", "tier": "SWING"}


class StrikeQuestion(Asked):
    """Which contract would be bought? ``direction`` or ``right`` is needed; where both are given they must agree."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ASKED, _TIER]})

    symbol: CandleSymbol = Field(description="The underlying: a share, fund or index of the United States.")
    direction: Literal["long", "short"] | None = Field(None, description="long asks for a call, short for a put.")
    right: Literal["CALL", "PUT"] | None = None
    strike: Annotated[Decimal, Bounds(above="0", most="99999.999")] | None = Field(None, description="As if the alert named it.")
    expiration: Day | None = Field(None, description="As if the alert named it.")
    rule: Literal["default", "tier"] | None = Field(None, description="As in a strategy's options; default where left out.")
    tier: Literal["SCALP_GUARDED", "SWING", "POSITION", "LEAPS"] | None = Field(None, description="With rule tier only.")
    max_hold_days: Annotated[StrictInt, Field(ge=0, le=MOST_HOLD_DAYS)] | None = Field(None, description="With rule default; 5.")
    spot: Annotated[Decimal, Bounds(above="0", most="1000000")] | None = Field(
        None, description="The underlying's price; left out: the last that is known."
    )
    volatility: Annotated[Decimal, Bounds(least=str(LEAST_VOLATILITY), most=str(MOST_VOLATILITY))] | None = Field(
        None, description="Per year as a fraction; left out: the realised one of the stored candles."
    )
    at: Moment | None = Field(None, description="As of when; left out: now.")
    limit: Annotated[StrictInt, Field(ge=0, le=MOST_CANDIDATES)] = Field(
        1_000, description="How many candidates are told at most: the chosen one, the eligible ones by score, then the rejected."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.direction is None and self.right is None:
            raise ValueError("send direction (long or short) or right (CALL or PUT)")
        if self.direction is not None and self.right is not None and (self.direction == "long") != (self.right == "CALL"):
            raise ValueError("direction and right contradict each other: long asks for a CALL, short for a PUT")
        return self


class GreeksAnswer(Model):
    """For one unit of the underlying: delta, gamma per 1 of it, theta per day, vega per volatility point, rho per rate point."""

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class ContractAnswer(Model):
    """A contract and what it costs."""

    symbol: str = Field(description="OCC symbol without padding.", examples=["SPY260220C00500000"])
    readable: str = Field(examples=["SPY 2026-02-20 500 C"])
    right: Literal["CALL", "PUT"]
    strike: Amount
    expiration: date
    expires_at: datetime
    days: int = Field(description="Calendar days until the expiration.")
    bid: Amount
    ask: Amount
    spread_percent: Amount | None = Field(description="Of the price between bid and ask; null without a bid.")
    cost: Amount = Field(description="Of one contract at the ask: a hundred times it.")
    quoted_at: datetime
    source: str = Field(description="model: nobody has quoted it.")
    volatility: float | None
    open_interest: int | None
    volume: int | None
    greeks: GreeksAnswer | None


class CandidateAnswer(Model):
    """A contract that was looked at, and what was found."""

    symbol: str
    verdict: str = Field(description="chosen, eligible, or the bound that it misses.")
    score: float | None = Field(description="0 to 100; null where it was not reckoned.")
    strike: Amount
    expiration: date
    days: int
    bid: Amount
    ask: Amount
    spread_percent: Amount | None
    open_interest: int | None
    volume: int | None
    delta: float | None = Field(None, description="By rule tier only.")
    parts: dict[str, float] | None = Field(None, description="Of the score: liquidity, stability, theta, vega, cost; each 0 to 1.")


class RefusalAnswer(Model):
    """Why nothing would be bought."""

    code: str
    says: str
    remedy: str


class StrikeAnswer(Model):
    """The contract that would be bought, and all that spoke for and against it."""

    symbol: str
    at: datetime
    right: Literal["CALL", "PUT"]
    rule: Literal["default", "tier"]
    tier: str | None
    source: str | None = Field(description="model, or the feed whose chain it is; null: there is no chain.")
    spot: Amount | None
    spot_at: datetime | None = Field(description="When that price was true; null for one that was sent.")
    volatility: float | None = Field(description="What a model's chain was made of.")
    volatility_rank: float | None = Field(description="Where it stands in the history of the candles, 0 to 1.")
    rate: float | None
    chosen: ContractAnswer | None
    refusal: RefusalAnswer | None
    explanation: str
    verdicts: dict[str, int] = Field(description="How many candidates there were of each verdict.")
    candidates: list[CandidateAnswer]
