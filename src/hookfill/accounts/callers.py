"""From what a request shows (an access token, an API key, the installation's token) to who asks and what that one may do."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from hookfill.accounts.api_keys import SCOPES
from hookfill.accounts.foreign_tokens import ForeignTokens
from hookfill.accounts.store import hash_secret
from hookfill.accounts.tokens import MOST_CHARACTERS, AccessTokens
from hookfill.accounts.users import user_of_subject
from hookfill.postgres.sql import load

SQL = load(__package__, "people.sql")
ALL_SCOPES = frozenset(SCOPES)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        role: ``owner`` or ``user``.
        scopes: what may be done; a person may do everything.
        is_program: it showed an API key.
    """

    user_id: UUID
    role: str
    scopes: frozenset[str] = ALL_SCOPES
    is_program: bool = False

    def may(self, scope: str) -> bool:
        """Whether a scope is given; who may trade may read what came of it."""
        return scope in self.scopes or (scope == "read" and "trade" in self.scopes)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Recognises callers, with one statement for each: who was disabled a moment ago is nobody already.

    Attributes:
        own: our own access tokens.
        foreign: those of a foreign issuer; None: not accepted.
    """

    own: AccessTokens
    foreign: ForeignTokens | None = None

    async def of_bearer(self, pool: asyncpg.Pool, token: str, timeout_seconds: float) -> Caller | None:
        """Who shows this token; None: nobody that is known, or one who is disabled.

        Raises:
            KeysUnavailable: a foreign issuer's keys could not be read yet.
        """
        if len(token) > MOST_CHARACTERS:
            return None
        user_id = self.own.read(token)
        identity = await self.foreign.read(token) if user_id is None and self.foreign is not None else None
        async with pool.acquire(timeout=timeout_seconds) as connection:
            if user_id is not None:
                row = await connection.fetchrow(SQL.caller_of_user.sql, user_id)
            elif identity is not None and self.foreign is not None:
                may_create = self.foreign.may_create_users and not identity.is_anonymous
                row = await user_of_subject(connection, identity.subject, identity.name, identity.user_id, may_create=may_create)
                row = None if row is None or row["is_disabled"] else row
            else:
                return await _of_opaque(connection, token)
        return None if row is None else Caller(row["user_id"], row["role"])

    async def of_api_key(self, pool: asyncpg.Pool, key: str, timeout_seconds: float) -> Caller | None:
        """Whose API key this is."""
        if len(key) > MOST_CHARACTERS:
            return None
        async with pool.acquire(timeout=timeout_seconds) as connection:
            found = await _of_opaque(connection, key)
        return found if found is not None and found.is_program else None


async def _of_opaque(connection: asyncpg.Connection, token: str) -> Caller | None:
    row = await connection.fetchrow(SQL.caller_of_token.sql, hash_secret(token))
    if row is None:
        return None
    if row["key_id"] is None:
        return Caller(row["user_id"], row["role"])
    return Caller(row["user_id"], row["role"], frozenset(row["scopes"]), is_program=True)
