"""Who asks: a token or an API key leads to a user, and a request reads through one connection.

Recognising the caller takes one statement on a connection that is given back at once; the route then has one of its own. Who was
disabled a moment ago is nobody already, whatever the token says.
"""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hookfill.accounts.callers import Caller
from hookfill.accounts.key_sets import KeysUnavailable
from hookfill.api.people import people_of
from hookfill.postgres.tenancy import as_user

ACQUIRE_SECONDS = 2.0
"""How long a request waits for a connection before it is told to come again."""
REFUSED = (
    "Send the header `Authorization: Bearer TOKEN` with an access token (POST /api/v1/auth/login gives one, POST "
    "/api/v1/auth/refresh the next one), an API key, or the owner's token that `hookfill token` shows."
)
"""The one answer to whoever is not recognised: it does not say why."""

BEARER = HTTPBearer(auto_error=False, description="An access token, an API key, or the owner's token that `hookfill token` shows.")
API_KEY = APIKeyHeader(name="X-API-KEY", auto_error=False, description="An API key: POST /api/v1/api-keys makes one.")


async def _connection(request: Request) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        yield connection


# Given back before the answer is sent: a reader that takes its time must not hold a connection.
Connection = Annotated[asyncpg.Connection, Depends(_connection, scope="function")]
"""A connection of the installation's own, which sees everybody's rows: for what no user's view can do."""


async def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER, scope="function")],
    api_key: Annotated[str | None, Depends(API_KEY, scope="function")],
) -> Caller:
    recognition, pool = people_of(request).recognition, request.app.state.pool
    found = None
    try:
        if "authorization" in request.headers:
            if bearer is not None:
                found = await recognition.of_bearer(pool, bearer.credentials, ACQUIRE_SECONDS)
        elif api_key is not None:
            found = await recognition.of_api_key(pool, api_key, ACQUIRE_SECONDS)
    except KeysUnavailable as error:
        raise HTTPException(503, str(error), {"Retry-After": "60"}) from error
    if found is None:
        raise HTTPException(401, REFUSED, {"WWW-Authenticate": 'Bearer realm="hookfill"'})
    return found


Asking = Annotated[Caller, Depends(_caller, scope="function")]
"""Whoever asks, with role and scopes; 401 for nobody."""


def _needs(caller: Caller, scope: str) -> UUID:
    if not caller.may(scope):
        text = f"This API key lacks the scope {scope}: make one that has it with POST /api/v1/api-keys, or log in."
        raise HTTPException(403, text)
    return caller.user_id


async def _user(caller: Asking) -> UUID:
    return _needs(caller, "read")


async def _trader(caller: Asking) -> UUID:
    return _needs(caller, "trade")


async def _person(caller: Asking) -> UUID:
    if caller.is_program:
        raise HTTPException(403, "An API key can't do this: log in with POST /api/v1/auth/login, or use the owner's token.")
    return caller.user_id


async def _owner(caller: Asking) -> UUID:
    user_id = await _person(caller)
    if caller.role != "owner":
        raise HTTPException(403, "Only the owner of this installation can do this: ask the owner.")
    return user_id


User = Annotated[UUID, Depends(_user, scope="function")]
"""The user whose token came with the request; 401 without one, 403 for an API key without ``read``. Enough for what only reads."""
Trader = Annotated[UUID, Depends(_trader, scope="function")]
"""The same for what changes something: an API key needs the scope ``trade``."""
Person = Annotated[UUID, Depends(_person, scope="function")]
"""The same for what concerns the user's own access: no API key can make another key or change the password."""
Owner = Annotated[UUID, Depends(_owner, scope="function")]
"""The owner in person."""


async def _own(request: Request, user_id: User) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
        yield connection


Own = Annotated[asyncpg.Connection, Depends(_own, scope="function")]
"""A connection in a transaction that sees only what is the caller's (row-level security); commits when the route returns."""
