"""Halting, resuming and leaving: what a person does to trading by hand, straight on the database.

A halt is a row that the desk reads under the account's lock, in the transaction that stores orders. So after ``settle`` has held
each account's lock once, nothing that did not see the halt can be committed any more: a decision that had begun before is over, and
one that begins later sees it.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson

from hookfill.desk.gather import SQL as GATHER
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import NIL, new_id
from hookfill.postgres.sql import load
from hookfill.risk.halts import Scope, concerns, symbols_of
from hookfill.risk.model import Halt

SQL = load(__package__, "control.sql")
SETTLE_SECONDS = 5.0
"""How long a halt waits, over all accounts, for decisions that have begun already; they take milliseconds."""
BY_COMMAND = "command"
"""Who halts by a command on the machine itself."""
_HALTED = "trading was halted before an agent had begun it"


class FullyHalted(HookfillError):
    """Positions can't be left where a full halt is in force; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose trading is meant; what the scope does not need is None.

    Attributes:
        user_id: of a user's or, across all of a user's accounts, a symbol's trading.
        account_id: of an account's and a strategy's trading, and of a symbol's in one account.
    """

    scope: Scope
    user_id: UUID | None = None
    account_id: UUID | None = None
    strategy_id: UUID | None = None
    symbol: str | None = None

    def covers(self, strategy_id: UUID, symbol: str) -> bool:
        """Whether a strategy's trading in a symbol, in an account that is meant, is meant too."""
        return self.strategy_id in (None, strategy_id) and (self.symbol is None or self.symbol in symbols_of(symbol))


@dataclass(frozen=True, slots=True)
class Leaving:
    """A close that was asked for.

    Attributes:
        is_open: there is a position, not only an entry on its way.
        is_new: it was asked for just now, not by an earlier call.
    """

    account_id: UUID
    strategy_id: UUID
    symbol: str
    signal_id: UUID
    is_open: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """A halt in force; ``busy``: accounts whose running decision was not waited for any longer and may not have seen it."""

    halt: asyncpg.Record
    busy: tuple[UUID, ...]


async def find_target(
    connection: asyncpg.Connection, user_id: UUID, scope: Scope, wanted: UUID | None = None, symbol: str | None = None
) -> Target | None:
    """What a user means; None when it is not there, or another's.

    Args:
        wanted: the account's or the strategy's id; with a symbol an account's, or None for all of the user's.
        symbol: needed where the scope is a symbol.
    """
    match scope:
        case Scope.GLOBAL:
            return Target(scope)
        case Scope.USER:
            return Target(scope, user_id=user_id) if wanted in (None, user_id) else None
        case Scope.ACCOUNT:
            account_id = await connection.fetchval(SQL.own_account.sql, user_id, wanted)
            return None if account_id is None else Target(scope, account_id=account_id)
        case Scope.STRATEGY:
            account_id = await connection.fetchval(SQL.account_of_strategy.sql, user_id, wanted)
            return None if account_id is None else Target(scope, account_id=account_id, strategy_id=wanted)
    if wanted is None:
        return Target(scope, user_id=user_id, symbol=symbol)
    account_id = await connection.fetchval(SQL.own_account.sql, user_id, wanted)
    return None if account_id is None else Target(scope, account_id=account_id, symbol=symbol)


async def accounts_of(connection: asyncpg.Connection, target: Target) -> list[UUID]:
    """The accounts that are meant, in order; needs the installation's own role where they are everybody's."""
    if target.account_id is not None:
        return [target.account_id]
    return [row["account_id"] for row in await connection.fetch(SQL.accounts_of.sql, target.user_id)]


async def put_in_force(
    connection: asyncpg.Connection, target: Target, *, reduce_only: bool, reason: str, by: str
) -> asyncpg.Record:
    """Store a halt, in the caller's transaction; one that is in force already and says the same stands for it.

    It counts for every decision that begins after the commit. ``settle`` waits for those that began before.
    """
    return await connection.fetchrow(
        SQL.put_in_force.sql,
        target.account_id or NIL,
        target.scope.value,
        reduce_only,
        target.user_id,
        target.strategy_id,
        target.symbol,
        new_id(),
        reason,
        by,
    )


async def settle(
    connection: asyncpg.Connection, target: Target, halt: asyncpg.Record, *, seconds: float = SETTLE_SECONDS
) -> Settled:
    """Wait until no decision runs any more that has not seen a halt, which must be committed; and take back what nobody has begun.

    Trades that wait for an agent are cancelled: entries always, exits by a full halt. The desk is woken to cancel what rests.

    Args:
        connection: the installation's own, in no transaction.
        seconds: how long to wait in all.
    """
    give_up = time.monotonic() + seconds
    busy = []
    for account_id in await accounts_of(connection, target):
        try:
            async with connection.transaction():
                await _lock(connection, account_id, give_up)
                await _take_back(connection, account_id, target, reduce_only=halt["reduce_only"])
        except asyncpg.LockNotAvailableError:
            busy.append(account_id)
    await connection.execute(SQL.announce_halt.sql)
    if not busy:
        halt = await connection.fetchrow(SQL.settled.sql, halt["account_id"], halt["halt_id"])
    return Settled(halt, tuple(busy))


async def _lock(connection: asyncpg.Connection, account_id: UUID, give_up: float) -> asyncpg.Record | None:
    """Hold an account's lock, in the caller's transaction.

    Raises:
        asyncpg.LockNotAvailableError: somebody else still has it when it is time to give up (a monotonic clock's).
    """
    remaining = max(round((give_up - time.monotonic()) * 1000), 1)  # 0 would be for ever
    await connection.execute(SQL.wait_at_most.sql, f"{remaining}ms")
    return await connection.fetchrow(SQL.lock_account.sql, account_id)


async def _take_back(connection: asyncpg.Connection, account_id: UUID, target: Target, *, reduce_only: bool) -> None:
    rows = await connection.fetch(SQL.jobs_not_begun.sql, account_id)
    halted = [
        row["job_id"]
        for row in rows
        if target.covers(row["strategy_id"], row["symbol"]) and (row["purpose"] == "entry" or not reduce_only)
    ]
    if halted:
        await connection.execute(SQL.cancel_jobs.sql, _HALTED, account_id, halted)
        await connection.execute(SQL.announce_results.sql, str(account_id))


async def resume(connection: asyncpg.Connection, target: Target, by: str) -> list[asyncpg.Record]:
    """Lift the halts of a target and the narrower ones within it; returns them.

    Of the whole installation only those for everybody are lifted: the others are their users'.
    """
    account_ids = [] if target.scope is Scope.GLOBAL else await accounts_of(connection, target)
    if target.account_id is None:
        account_ids.append(NIL)
    rows: list[asyncpg.Record] = await connection.fetch(
        SQL.lift.sql, by, account_ids, target.user_id, target.strategy_id, target.symbol
    )
    return rows


async def list_halts(
    connection: asyncpg.Connection, user_id: UUID, *, in_force: bool | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    """The halts that concern a user's trading, newest first; ``in_force``: only those that are, or only those that are over."""
    mine = [row["account_id"] for row in await connection.fetch(SQL.accounts_of.sql, user_id)]
    rows: list[asyncpg.Record] = await connection.fetch(SQL.list_halts.sql, mine, user_id, in_force, limit, offset)
    return rows


async def flatten(
    connection: asyncpg.Connection, target: Target, *, reason: str, by: str, seconds: float = SETTLE_SECONDS
) -> list[Leaving]:
    """Ask the desk to leave every position that is meant, and entries that are on their way.

    Each is a message and a signal of its own, decided like any other, but that neither strategy nor engine is asked. What is being
    left by an earlier call already is not asked for again.

    Args:
        connection: the installation's own, in no transaction; each account's part commits by itself.
        reason, by: kept with the messages.
        seconds: how long to wait for accounts' locks in all.

    Raises:
        FullyHalted: a full halt forbids an exit; nothing was asked for.
        asyncpg.LockNotAvailableError: an account was being decided for all the time; call again.
    """
    give_up = time.monotonic() + seconds
    account_ids = await accounts_of(connection, target)
    for account_id in account_ids:
        await _check_halts(connection, account_id, target)
    leaving: list[Leaving] = []
    for account_id in account_ids:
        async with connection.transaction():
            if await _lock(connection, account_id, give_up) is not None:
                leaving += await _leave(connection, account_id, target, reason, by)
    return leaving


async def _to_leave(connection: asyncpg.Connection, account_id: UUID, target: Target) -> list[asyncpg.Record]:
    rows = await connection.fetch(SQL.to_leave.sql, account_id)
    return [row for row in rows if target.covers(row["strategy_id"], row["symbol"])]


async def _check_halts(connection: asyncpg.Connection, account_id: UUID, target: Target) -> None:
    held = await _to_leave(connection, account_id, target)
    if not held:
        return
    user_id = await connection.fetchval(SQL.user_of.sql, account_id)
    for row in await connection.fetch(GATHER.halts_in_force.sql, account_id, user_id):
        halt = Halt(row["scope"], row["reduce_only"], row["reason"])
        if not halt.reduce_only and _stops_any(halt, row, held):
            raise FullyHalted(
                f"A full halt ({halt.scope}: {halt.reason}) stops exits too: lift it, then flatten again. Flattening halts entries "
                "first, unless you tell it not to."
            )


def _stops_any(halt: Halt, row: asyncpg.Record, held: Iterable[asyncpg.Record]) -> bool:
    return any(
        concerns(halt, one["strategy_id"], one["symbol"], halted_strategy=row["strategy_id"], halted_symbol=row["symbol"])
        for one in held
    )


async def _leave(connection: asyncpg.Connection, account_id: UUID, target: Target, reason: str, by: str) -> list[Leaving]:
    held = await _to_leave(connection, account_id, target)
    asked = [
        Leaving(
            account_id, row["strategy_id"], row["symbol"], row["signal_id"] or new_id(), row["is_open"], row["signal_id"] is None
        )
        for row in held
    ]
    new = [one for one in asked if one.is_new]
    if new:
        await _ask(connection, account_id, new, reason, by)
    return asked


async def _ask(connection: asyncpg.Connection, account_id: UUID, new: Sequence[Leaving], reason: str, by: str) -> None:
    bodies = [orjson.dumps({"action": "close", "symbol": one.symbol, "comment": reason, "asked_by": by}) for one in new]
    await connection.execute(
        SQL.ask_to_leave.sql,
        [new_id() for _ in new],
        [one.signal_id for one in new],
        [one.strategy_id for one in new],
        [one.symbol for one in new],
        bodies,
        account_id,
    )
