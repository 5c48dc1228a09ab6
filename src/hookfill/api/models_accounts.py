"""What is asked of and answered about broker connections, trading accounts and a user's settings."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from hookfill.api.fields import Asked, Bounds, Name, Note, SymbolMap, TimeZone
from hookfill.api.models import Account, Amount, Limits, Model

MOST_CASH = "1000000000000"
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
CredentialName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
Sum = Annotated[Decimal, Bounds(above="0", most=MOST_CASH)]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("it must be printable text")
    return value


Secret = Annotated[str, AfterValidator(_printable), StringConstraints(min_length=1, max_length=2_000)]
Credentials = Annotated[dict[CredentialName, Secret], Field(max_length=20)]


class NewConnectionRequest(Asked):
    """A broker connection to be made, with a trading account of its own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"kind": "mt5", "label": "Terminal at home", "currency": "EUR", "symbol_map": {"*": ".r", "US30": "DJ30"}},
                {"kind": "paper", "label": "Swing", "starting_cash": 25_000, "time_zone": "America/New_York"},
                {"kind": "alpaca", "label": "Alpaca", "paper": True, "credentials": {"key": "PK…", "secret": "…"}},
            ]
        },
    )

    kind: Literal["paper", "mt5", "alpaca"]
    label: Name
    credentials: Credentials | None = Field(None, description="Stored encrypted and never sent back.")
    paper: bool = Field(
        True,
        description="Of a connection to Alpaca: its own paper trading; false trades real money, which the settings must allow "
        "(APP_MODE=LIVE and ALPACA_LIVE_CONFIRMATION). It can't be changed later.",
    )
    currency: Currency = Field("USD", description="The account's currency, three capital letters.")
    time_zone: TimeZone = Field("UTC", description="Whose midnight begins the account's trading day.")
    starting_cash: Annotated[Decimal, Bounds(least="0", most=MOST_CASH)] | None = Field(
        None, description="Of a paper account; 100,000 by default. What a broker's account holds, the broker tells."
    )
    symbol_map: SymbolMap | None = Field(None, description="Our symbols to the broker's; the key * is a suffix for all others.")

    @model_validator(mode="after")
    def _cash_is_the_brokers(self) -> "NewConnectionRequest":
        if self.kind != "paper" and self.starting_cash is not None:
            raise ValueError("starting_cash is for paper accounts: leave it out, the broker tells what the account holds")
        if self.kind != "alpaca" and not self.paper:
            raise ValueError("paper is for connections to Alpaca: leave it out, the broker's own account decides it elsewhere")
        return self


class ConnectionChange(Asked):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"label": "Terminal"}, {"symbol_map": {"*": ".pro"}}]}
    )

    label: Name = ""
    credentials: Credentials | None = Field(None, description="All of them take the old ones' place; null forgets them.")
    symbol_map: SymbolMap | None = Field(None, description="The whole map; null empties it.")


class NewConnectionAnswer(Model):
    """The connection and the trading account that was made with it."""

    broker_connection_id: UUID
    account_id: UUID


class ConnectionAnswer(Model):
    """A broker connection."""

    id: UUID
    broker_connection_id: UUID = Field(description="The same as id.")
    account_id: UUID
    kind: Literal["paper", "mt5", "alpaca"]
    label: str
    credential_names: list[str] = Field(description="Which credentials are set; what they are is never sent.")
    account_name: str
    currency: str
    time_zone: str
    symbol_map: dict[str, str]
    broker_balance: Amount | None = Field(description="What the broker told last; null: nothing yet, or a paper account.")
    broker_equity: Amount | None
    reported_at: datetime | None = Field(description="When the broker told it, UTC.")
    strategies: int = Field(description="How many trade there.")
    is_live: bool = Field(description="At Alpaca: it trades real money.")
    created_at: datetime


class UserSettingsAnswer(Model):
    """What holds for all of a user's accounts until an account or a strategy says otherwise."""

    risk_percent: Amount = Field(description="Of equity, lost at the stop, where a strategy sizes by risk and names no percentage.")
    daily_loss_limit_pct: Amount = Field(description="Of the balance at the account's midnight; 0 is off.")
    max_spread: Amount = Field(description="In points, for currencies and metals at MetaTrader; 0 allows any.")
    default_lot_size: Amount = Field(description="Where neither alert nor strategy names a size, at brokers that trade in lots.")
    stop_loss_pips: Amount = Field(
        description="For currencies and metals at MetaTrader, if nothing else names a stop; 0 sends none."
    )
    take_profit_pips: Amount


_Small = Bounds(least="0", most="999999")


class UserSettingsChange(Asked):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"daily_loss_limit_pct": 3, "risk_percent": 0.5}]})

    risk_percent: Annotated[Decimal, Bounds(above="0", most="100")] = Decimal(1)
    daily_loss_limit_pct: Annotated[Decimal, Bounds(least="0", most="100")] = Decimal(5)
    max_spread: Annotated[Decimal, _Small] = Decimal(30)
    default_lot_size: Annotated[Decimal, Bounds(above="0", most="999999")] = Decimal("0.01")
    stop_loss_pips: Annotated[Decimal, _Small] = Decimal(50)
    take_profit_pips: Annotated[Decimal, _Small] = Decimal(100)


Limit = Annotated[Decimal, Bounds(least="0", most="1000000000000")]


class LimitsChange(Asked):
    """Risk limits by name; null goes back to the default. A limit is reached, not exceeded, by what equals it."""

    max_open_positions: Limit | None = None
    max_positions_per_symbol: Limit | None = None
    max_position_size: Limit | None = Field(None, description="Contracts or lots of one position.")
    max_exposure: Limit | None = Field(None, description="Capital committed, in the account's currency.")
    max_exposure_pct: Limit | None = Field(None, description="The same in percent of equity; the tighter of the two holds.")
    daily_loss_limit_pct: Limit | None = Field(None, description="Of the balance at the account's midnight; 0 is off.")
    max_signal_age_seconds: Limit | None = None
    price_max_age_seconds: Limit | None = None
    price_collar_pct: Limit | None = None
    order_rate_per_minute: Limit | None = None


Commission = Annotated[Decimal, Bounds(least="0", most="1000000")]


class CommissionChange(Asked):
    """Per share, coin, lot or contract, in the account's currency; null goes back to the default."""

    equity: Commission | None = None
    fx: Commission | None = None
    crypto: Commission | None = None
    future: Commission | None = None
    option: Commission | None = Field(None, description="0.65 by default; all others are free.")


class CostsChange(Asked):
    """What trading on paper costs; null goes back to the default."""

    slippage_bps: Annotated[Decimal, Bounds(least="0", most="9999")] | None = Field(
        None, description="Basis points by which market and stop orders fill worse than the price they meet; 1 by default."
    )
    commission: CommissionChange = Field(default_factory=CommissionChange)
    option_spread_fraction: Annotated[Decimal, Bounds(least="0", most="1")] | None = Field(
        None, description="The share of its spread by which a market or stop order in an option fills worse; 0.25 by default."
    )
    volume_cap_pct: Annotated[Decimal, Bounds(above="0", most="100")] | None = Field(
        None, description="The share of each bar's volume, in percent, that an entry may take; by default there is no bound."
    )

    def given(self) -> dict[str, Any]:
        """The members that were sent, null ones included; commissions one by one."""
        given = super().given()
        return {**given, "commission": self.commission.given()} if "commission" in given else given


class AccountChange(Asked):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Swing", "limits": {"max_open_positions": 10}, "costs": {"slippage_bps": 2}}],
        },
    )

    name: Name = ""
    time_zone: TimeZone = Field("UTC", description="Whose midnight begins the trading day, from the next one on.")
    limits: LimitsChange = Field(default_factory=LimitsChange)
    symbol_map: SymbolMap = Field(default_factory=dict, description="The whole map.")
    costs: CostsChange = Field(default_factory=CostsChange, description="Of trading on paper, for the next price that is decided.")


class CommissionAnswer(Model):
    """Per share, coin, lot or contract, in the account's currency."""

    equity: Amount
    fx: Amount
    crypto: Amount
    future: Amount
    option: Amount


class CostsAnswer(Model):
    """What trading on paper costs."""

    slippage_bps: Amount
    commission: CommissionAnswer
    option_spread_fraction: Amount
    volume_cap_pct: Amount | None = Field(description="Of each bar's volume, in percent, for an entry; null: no bound.")


class AccountDetails(Account):
    """An account with what can be changed of it."""

    broker_connection_id: UUID | None
    starting_cash: Amount = Field(description="What it began with and what was put in since, less what was taken out.")
    symbol_map: dict[str, str]
    own_limits: dict[str, Amount] = Field(description="The limits that were set for this account.")
    default_limits: Limits = Field(description="This installation's limits, which hold where the account has none of its own.")
    costs: CostsAnswer = Field(description="What trading on paper costs here, defaults included.")


class MovementRequest(Asked):
    """Money to be put in or taken out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": 5_000, "note": "for the new strategy"}]})

    amount: Sum = Field(description="In the account's currency, positive.")
    note: Note | None = None


class MovementAnswer(Model):
    """Money put in or taken out."""

    id: UUID
    kind: Literal["deposit", "withdrawal"]
    amount: Amount
    note: str | None
    created_at: datetime


class MovedAnswer(MovementAnswer):
    """A movement, and what the account holds after it."""

    cash: Amount
    balance: Amount


class EquityPoint(Model):
    """What an account was worth at the end of a minute in which something changed."""

    at: datetime = Field(description="The minute's beginning, UTC.")
    equity: Amount
    balance: Amount
    cash: Amount
