"""What is asked of and answered about halts and leaving positions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from hookfill.api.fields import Asked, Note, TradedSymbol
from hookfill.api.models import Halt, Model
from hookfill.risk.halts import Scope

_NEEDED = {Scope.ACCOUNT: "id of the account", Scope.STRATEGY: "id of the strategy"}


class TargetRequest(Asked):
    """Whose trading is meant."""

    scope: Scope = Field(description="global (the owner's to ask for), user (all of yours), account, strategy or symbol.")
    id: UUID | None = Field(
        None, description="The account's or strategy's; with symbol an account's, left out: in all of your accounts."
    )
    symbol: TradedSymbol | None = Field(
        None, description="Of scope symbol: the symbol, and options on it; spelt as alerts may spell it."
    )

    @model_validator(mode="after")
    def _has_what_the_scope_needs(self) -> "TargetRequest":
        if self.scope in _NEEDED and self.id is None:
            raise ValueError(f"scope {self.scope.value} needs the {_NEEDED[self.scope]}")
        if (self.scope is Scope.SYMBOL) != (self.symbol is not None):
            raise ValueError("symbol belongs to scope symbol, which needs one")
        if self.scope is Scope.GLOBAL and self.id is not None:
            raise ValueError("scope global takes no id: it is everything")
        return self


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class HaltRequest(TargetRequest):
    """A halt to be put in force."""

    model_config = _examples(
        {"scope": "account", "id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10", "reduce_only": True, "reason": "news at 14:30"},
        {"scope": "symbol", "symbol": "SPY", "reduce_only": True, "reason": "earnings"},
        {"scope": "global", "reduce_only": False, "reason": "something is wrong"},
    )

    reduce_only: bool = Field(True, description="Exits are let through; false: nothing is, not even a stop loss.")
    reason: Note = Field("halted by hand", description="Shown with every signal that the halt refuses.")


class ResumeRequest(TargetRequest):
    """Halts to be lifted: the scope's own and the narrower ones within it."""

    model_config = _examples(
        {"scope": "account", "id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"}, {"scope": "symbol", "symbol": "SPY"}, {"scope": "user"}
    )


class FlattenRequest(TargetRequest):
    """Positions to be left."""

    model_config = _examples(
        {"scope": "account", "id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10", "reason": "over the week-end"},
        {"scope": "strategy", "id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10", "halt": False},
    )

    reason: Note = Field("flattened by hand", description="Kept with each message and with the halt.")
    halt: bool = Field(True, description="Put a reduce-only halt of the same scope in force first; it stays until it is lifted.")


class HaltRecord(Halt):
    """A halt, in force or past."""

    account_id: UUID | None = Field(description="null: more than one account's.")
    user_id: UUID | None = Field(description="Of a halt across a user's accounts.")
    created_by: str = Field(description="A user's id, command (by `hookfill halt`), or desk (the strategy ordered too fast).")
    settled_at: datetime | None = Field(
        description="Since when nothing can be committed any more that has not seen it, UTC; null: that was not waited for."
    )
    lifted_at: datetime | None = Field(description="null: it is in force.")
    lifted_by: str | None


class HaltAnswer(HaltRecord):
    """A halt that is in force now."""

    busy_accounts: list[UUID] = Field(
        description="Accounts that were still being decided for after five seconds: that one decision may not have seen the halt."
    )


class ResumeAnswer(Model):
    """What was lifted, and what still is in force."""

    lifted: list[HaltRecord]
    in_force: int = Field(description="Halts that still concern your trading: GET /api/v1/halts?in_force=true lists them.")


class LeavingAnswer(Model):
    """One close that was asked for."""

    signal_id: UUID = Field(description="Its signal, whose story tells what came of it.")
    account_id: UUID
    strategy_id: UUID
    symbol: str
    is_open: bool = Field(description="false: no position yet, but an entry on its way.")
    is_new: bool = Field(description="false: an earlier call is leaving it already.")


class FlattenAnswer(Model):
    """What is being left."""

    positions: int = Field(description="Open positions that are being left.")
    signal_ids: list[UUID]
    leaving: list[LeavingAnswer]
    halt: HaltRecord | None
