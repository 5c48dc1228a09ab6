"""What a halt stops: everything, one user's trading, an account's, a strategy's, or a symbol's (pure)."""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from hookfill.market.option_symbols import option_in
from hookfill.risk.model import Halt


class Scope(StrEnum):
    """How far a halt reaches, the widest first."""

    GLOBAL = "global"
    USER = "user"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    SYMBOL = "symbol"


WHOLE = frozenset({Scope.GLOBAL, Scope.USER, Scope.ACCOUNT})
"""Scopes whose halts concern all that an account trades; which account that is, the one who gathers them has looked at."""


def concerns(halt: Halt, strategy_id: UUID, symbol: str, *, halted_strategy: UUID | None, halted_symbol: str | None) -> bool:
    """Whether a halt of the account's stops a strategy's trading in a symbol.

    A halt of a symbol stops the options on it, too: they move with it.
    """
    if halt.scope in WHOLE:
        return True
    if halt.scope == Scope.STRATEGY:
        return halted_strategy == strategy_id
    return halted_symbol is not None and halted_symbol in symbols_of(symbol)


def symbols_of(symbol: str) -> tuple[str, ...]:
    """A symbol and, of an option, its underlying."""
    contract = option_in(symbol)
    return (symbol,) if contract is None else (symbol, contract.underlying)


def stops_exits(halts: Iterable[Halt]) -> bool:
    """Whether one of these halts lets not even exits through."""
    return any(not halt.reduce_only for halt in halts)
