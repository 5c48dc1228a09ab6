"""What is asked of and answered about strategies."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from hookfill.accounts.strategies import DEFAULT_OVERLAP_SECONDS, MOST_OVERLAP_SECONDS
from hookfill.api.fields import Asked, Bounds, Name, Symbol, TimeZone
from hookfill.api.models import Amount, Model
from hookfill.exits.rules import MOST_TARGETS
from hookfill.kernel.money import plain

MOST_PAIRS = 500
Percent = Annotated[Decimal, Bounds(above="0", most="100")]
Gain = Annotated[Decimal, Bounds(above="0", most="10000")]
"""In percent."""
Multiple = Annotated[Decimal, Bounds(above="0", most="1000")]
"""Of R, the initial risk."""
Hours = Annotated[Decimal, Bounds(above="0", most="87600")]
Minutes = Annotated[Decimal, Bounds(above="0", most="1440")]
Positive = Annotated[Decimal, Bounds(above="0", most="1000000000000")]
Volatility = Annotated[Decimal, Bounds(least="0", most="1000000")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class Engine(StrEnum):
    """What judges a strategy's alerts."""

    DIRECT = "direct"
    RULES = "rules"
    COUNCIL = "council"
    AB = "ab"


class Sizing(Asked):
    """How big an entry is when the alert names no quantity."""

    mode: Literal["fixed", "equity_percent", "risk_percent"] | None = Field(
        None,
        description="fixed: quantity (default); equity_percent: percent of equity committed; risk_percent: lost at the stop.",
    )
    quantity: Positive | None = Field(None, description="For fixed: lots, contracts, shares or coins.")
    percent: Percent | None = Field(None, description="For equity_percent and risk_percent (there the default is 1).")


class Policy(Asked):
    """How a strategy treats its own position."""

    on_opposite: Literal["reverse", "close", "ignore"] | None = Field(
        None, description="What an alert against the open position does; reverse by default."
    )
    pyramiding: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = Field(
        None, description="The largest number of entries in one position; 1 by default: never add."
    )


class Distance(Asked):
    """A distance from the entry price in exactly one unit."""

    price: Positive | None = None
    percent: Gain | None = None
    pips: Positive | None = None
    r: Multiple | None = Field(None, description="Multiples of the initial risk; targets only.")


class PartialTarget(Asked):
    """A part of the position takes its profit."""

    at: Distance = Field(description="How far from the entry; all partial targets in one unit.")
    percent: Percent = Field(description="Of the whole position, floored to the lot step.")


class Exits(Asked):
    """When a position is left; the alert's own sl and tp win over stop and target. Each rule is off until it is set.

    The first that holds leaves: stop and trailing stop, targets, then what goes by the clock. Options have defaults of their own.
    """

    stop: Distance | None = Field(None, description="Of an option in percent of what it cost, or of its own price.")
    target: Distance | None = None
    targets: Annotated[list[PartialTarget], Field(min_length=1, max_length=MOST_TARGETS)] | None = Field(
        None,
        description="Partial targets, nearest first. If they add up to 100 %, the last takes all that is left; else the rest runs.",
        examples=[[{"at": {"r": 1}, "percent": 50}, {"at": {"r": 2}, "percent": 25}]],
    )
    trailing_percent: Percent | None = Field(None, description="The trailing stop's distance from the best price.")
    trailing_arm_percent: Gain | None = Field(None, description="The gain over the average price that arms it.")
    break_even_at_r: Multiple | None = Field(None, description="At this many R of gain the stop moves to the average price.")
    max_hold_hours: Hours | None = Field(None, description="Leave at the first price at or after this age.")
    min_dte_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = Field(
        None, description="An option is left when the session opens in which so few days to its expiration are left."
    )
    session_close_minutes: Minutes | None = Field(None, description="Leave so long before the close of the day's session.")
    week_close_minutes: Minutes | None = Field(
        None, description="Leave so long before the close of the week's last session; coins trade on."
    )
    option_defaults: StrictBool | None = Field(
        None,
        description="Where nothing else is set, options are left at +50 % and −50 % of their cost, 15 % below their best price "
        "once they have won 20 %, after 120 hours, and when one day is left; on by default.",
    )


class Options(Asked):
    """Whether and how a strategy buys options."""

    trade: Literal["asked", "always"] | None = Field(
        None,
        description="asked (default): for alerts that ask for a call or a put; always: for every entry, long a call, short a put.",
    )
    rule: Literal["default", "tier"] | None = Field(
        None,
        description="default: the nearest strike that is not in the money, ending on the first Friday after max_hold_days; "
        "tier: the best contract within a tier's bounds. What the alert names itself wins.",
    )
    tier: Literal["SCALP_GUARDED", "SWING", "POSITION", "LEAPS"] | None = Field(None, description="With rule tier only.")
    max_hold_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = Field(None, description="With rule default; 5 by default.")


class Filters(Asked):
    """What the engines rules and ab insist on; everything is off until it is set."""

    trend: StrictBool | None = None
    min_atr_percent: Volatility | None = None
    max_atr_percent: Volatility | None = None
    min_confluence: Annotated[StrictInt, Field(ge=0, le=5)] | None = Field(None, description="How many of five votes must agree.")


class MarketRules(Asked):
    """How a strategy meets the market."""

    extended_hours: StrictBool | None = Field(None, description="Stocks may be traded outside regular hours; off by default.")
    use_alert_price: StrictBool | None = Field(
        None, description="Where no fresh market price is known, the alert's price is traded at; on by default."
    )


class TradingWindow(Asked):
    """When a strategy may enter; exits pass at any time. One that ends at or before its beginning runs over midnight."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(
        None, min_length=1, max_length=7, description="The days on which it begins; all by default."
    )
    begin: Clock = Field(alias="from", description="The first minute in it, such as 09:30.", examples=["09:30"])
    end: Clock = Field(alias="to", description="The first minute after it; 24:00 is midnight.", examples=["16:00"])
    time_zone: TimeZone | None = Field(None, description="Whose clock it goes by; UTC by default.", examples=["America/New_York"])


class StrategySettings(Asked):
    """How a strategy trades, section by section; a section that is left out is as its defaults say."""

    sizing: Sizing | None = None
    policy: Policy | None = None
    exits: Exits | None = None
    filters: Filters | None = None
    market: MarketRules | None = None
    windows: list[TradingWindow] | None = Field(None, max_length=50, description="None: it may enter at any time.")
    options: Options | None = None

    def sections(self) -> dict[str, Any]:
        """The sections that were sent as the desk reads them, null for those to go back to their defaults; amounts as text."""
        sent = self.model_dump(include=self.model_fields_set)
        return {name: None if section is None else _stored(section) for name, section in sent.items()}


def _stored(value: Any) -> Any:
    """Without what is not set, amounts as plain text: JSON's numbers could lose digits on the way to the database."""
    if isinstance(value, dict):
        return {name: _stored(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_stored(inner) for inner in value]
    return plain(value) if isinstance(value, Decimal) else value


_EXAMPLE: Any = {
    "name": "Breakout",
    "risk_override_pct": 0.5,
    "allowed_pairs": ["EURUSD", "GBPUSD"],
    "engine": "direct",
    "settings": {
        "sizing": {"mode": "risk_percent", "percent": 1},
        "policy": {"on_opposite": "reverse", "pyramiding": 1},
        "exits": {"stop": {"pips": 50}, "target": {"r": 2}, "max_hold_hours": 120},
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:30", "to": "16:00", "time_zone": "America/New_York"}],
    },
}


class NewStrategyRequest(Asked):
    """A strategy to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE, {"name": "Breakout"}]})

    name: Name
    broker_connection_id: UUID | None = Field(None, description="Where it trades; left out: your default paper account.")
    risk_override_pct: Percent | None = Field(None, description="Risk per trade in percent of equity, instead of the sizing's own.")
    allowed_pairs: list[Symbol] | None = Field(
        None, max_length=MOST_PAIRS, description="The symbols that it may trade; null: all, an empty list: none."
    )
    engine: Engine = Field(
        Engine.DIRECT,
        description="direct: the alert decides; rules: filters may refuse; council: agents vote; ab: rules and council compared.",
    )
    is_enabled: StrictBool = True
    settings: StrategySettings | None = None


class StrategyChange(Asked):
    """What is to be changed; what is left out stays. Null clears an override; a settings section takes the old one's place."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"is_enabled": False}, {"risk_override_pct": None, "allowed_pairs": ["SPY"]}]},
    )

    name: Name = ""
    risk_override_pct: Percent | None = None
    allowed_pairs: list[Symbol] | None = Field(None, max_length=MOST_PAIRS)
    engine: Engine = Engine.DIRECT
    is_enabled: StrictBool = True
    settings: StrategySettings | None = Field(None, description="Null: all settings go back to their defaults.")


class RotateRequest(Asked):
    """How a new secret takes the old one's place."""

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=MOST_OVERLAP_SECONDS)] = Field(
        DEFAULT_OVERLAP_SECONDS, description="How long the old URL still works; 0: it stops at once."
    )


class NewStrategyAnswer(Model):
    """The webhook URL is the strategy's secret: it is shown this once."""

    strategy_id: UUID
    webhook_url: str = Field(examples=["https://hooks.example.com/api/v1/webhooks/tv/Zr5…"])


class NewSecretAnswer(Model):
    """A new webhook URL, shown this once."""

    webhook_url: str
    old_urls_expire_at: datetime = Field(description="Until then the URLs before it work as well, UTC.")


class StrategyAnswer(Model):
    """A strategy; its webhook URL can't be shown again."""

    id: UUID
    strategy_id: UUID = Field(description="The same as id.")
    name: str
    account_id: UUID
    account_name: str
    account_kind: Literal["paper", "mt5", "alpaca"]
    broker_connection_id: UUID | None = Field(description="Null: the account has none, as a default paper account.")
    connection_label: str | None
    engine: Engine
    is_enabled: bool
    is_signed_door: bool = Field(description="It is the strategy behind POST /webhook.")
    risk_override_pct: Amount | None
    allowed_pairs: list[str] | None
    settings: dict[str, Any] = Field(description="The sections that differ from the defaults.")
    signals: int = Field(description="How many alerts became signals.")
    signals_by_status: dict[str, int]
    created_at: datetime
    updated_at: datetime


class AlertMessage(Model):
    """A message to be put into a TradingView alert's Message box."""

    name: str
    title: str
    when: str = Field(description="What it is good for.")
    message: str = Field(description="The text for the Message box, with TradingView's placeholders.")


class AlertTemplates(Model):
    """All that an alert of this strategy needs."""

    webhook_url: str = Field(description="SECRET stands for what was shown when the strategy was made or its secret rotated.")
    recommended: str = Field(description="The name of the message that suits the strategy's settings.")
    strategy_alerts: list[AlertMessage] = Field(description="For alerts on a strategy's order fills.")
    indicator_alerts: list[AlertMessage] = Field(description="For alerts on an indicator's conditions.")
    pine: str = Field(description="Pine v6 for alert(), where placeholders are not filled in.")
    hints: list[str]
