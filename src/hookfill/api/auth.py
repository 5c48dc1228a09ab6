"""Who asks: a bearer token leads to a user, and a request reads through one connection."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hookfill.accounts.store import user_of_token
from hookfill.postgres.tenancy import as_user

ACQUIRE_SECONDS = 2.0
"""How long a request waits for a connection before it is told to come again."""

BEARER = HTTPBearer(auto_error=False, description="The owner's token: `hookfill token` shows it.")


async def _connection(request: Request) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        yield connection


# Given back before the answer is sent: a reader that takes its time must not hold a connection.
Connection = Annotated[asyncpg.Connection, Depends(_connection, scope="function")]


async def _user(
    connection: Connection, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER, scope="function")]
) -> UUID:
    user_id = await user_of_token(connection, credentials.credentials) if credentials is not None else None
    if user_id is None:
        text = "Send the header `Authorization: Bearer TOKEN` with the token that `hookfill token` shows."
        raise HTTPException(401, text, {"WWW-Authenticate": 'Bearer realm="hookfill"'})
    return user_id


User = Annotated[UUID, Depends(_user, scope="function")]
"""The user whose token came with the request; 401 without one. Enough for what only reads."""
Trader = Annotated[UUID, Depends(_user, scope="function")]
"""The same for what changes something: an API key needs the scope ``trade``."""


async def _own(request: Request, user_id: User) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
        yield connection


Own = Annotated[asyncpg.Connection, Depends(_own, scope="function")]
"""A connection in a transaction that sees only what is the caller's (row-level security); commits when the route returns."""
