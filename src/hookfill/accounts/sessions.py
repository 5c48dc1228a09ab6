"""Sessions: refresh tokens that are exchanged for new ones. One that is used twice was stolen: its whole family ends."""

import secrets
from uuid import UUID

import asyncpg

from hookfill.accounts.store import hash_secret
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__, "people.sql")
REFRESH_SECONDS = 30 * 86_400
"""How long a session lasts that nobody uses."""


async def open_session(connection: asyncpg.Connection, user_id: UUID) -> str:
    """Begin a session; returns its first refresh token. What is over of the user's earlier ones is deleted."""
    async with connection.transaction():
        await connection.execute(SQL.forget_old_refresh_tokens.sql, user_id)
        return await _add_token(connection, user_id, new_id())


async def renew_session(connection: asyncpg.Connection, token: str) -> tuple[UUID, str] | None:
    """Exchange a refresh token for the next one; None when it is not in force.

    A token that was used before ends the session for whoever holds it, the rightful user included: one of the two is a thief.
    """
    digest = hash_secret(token)
    async with connection.transaction():
        session = await connection.fetchrow(SQL.lock_session.sql, digest)
        if session is None or session["is_disabled"]:
            return None
        if await connection.fetchval(SQL.use_refresh_token.sql, digest) is None:
            if await connection.fetchval(SQL.was_refresh_token_used.sql, digest):
                await connection.execute(SQL.revoke_family.sql, session["family_id"])
            return None
        return session["user_id"], await _add_token(connection, session["user_id"], session["family_id"])


async def close_session(connection: asyncpg.Connection, token: str) -> None:
    """End the session that a refresh token belongs to; a token that belongs to none ends none."""
    async with connection.transaction():
        session = await connection.fetchrow(SQL.lock_session.sql, hash_secret(token))
        if session is not None:
            await connection.execute(SQL.revoke_family.sql, session["family_id"])


async def _add_token(connection: asyncpg.Connection, user_id: UUID, family_id: UUID) -> str:
    token = secrets.token_urlsafe(32)
    await connection.execute(SQL.add_refresh_token.sql, hash_secret(token), user_id, family_id, float(REFRESH_SECONDS))
    return token
