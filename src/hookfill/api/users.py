"""``/api/v1/auth``: registering, logging in and out, and the user's own password."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Request, Response

from hookfill.accounts.passwords import TooBusy
from hookfill.accounts.sessions import close_session, open_session, renew_session
from hookfill.accounts.tokens import ACCESS_SECONDS
from hookfill.accounts.users import (
    SQL,
    Application,
    EmailTaken,
    RegistrationRefused,
    change_password,
    check_may_register,
    me,
    register,
)
from hookfill.api import auth
from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Asking, Own, Person, User
from hookfill.api.models import InvalidRequest, Problem
from hookfill.api.people import people_of
from hookfill.api.people_models import LoginRequest, Me, PasswordRequest, RefreshRequest, RegisterRequest, Tokens
from hookfill.api.strict_body import StrictRoute
from hookfill.kernel.clock import utc_now

_OPEN: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": InvalidRequest, "description": "A field can't be used."},
    429: {"model": Problem, "description": "Too many attempts: Retry-After says how many seconds to wait."},
    503: {"model": Problem, "description": "The database does not answer now, or too many log in at once."},
}
_WRONG: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The e-mail address or the password is wrong."}}
_OVER: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The refresh token is used, over or unknown."}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "Registration needs an invitation, or the setup token."},
    409: {"model": Problem, "description": "There is a user of this address already."},
}
WRONG = "The e-mail address or the password is wrong: try again."
OVER = "This session is over: log in again with POST /api/v1/auth/login."
LOGS_IN_ELSEWHERE = "You log in elsewhere (or with the owner's token alone): there is no password here to change."

router = APIRouter(prefix="/api/v1/auth", tags=["people"], route_class=StrictRoute)


@asynccontextmanager
async def _database(request: Request) -> AsyncIterator[asyncpg.Connection]:
    """The installation's own view, only for as long as it is needed: hashing a password must hold no connection."""
    async with request.app.state.pool.acquire(timeout=auth.ACQUIRE_SECONDS) as connection:
        yield connection


def _busy(error: TooBusy) -> HTTPException:
    return HTTPException(503, str(error), {"Retry-After": "5"})


def _tokens(request: Request, user_id: UUID, refresh_token: str, status: int = 200) -> Json:
    access_token = people_of(request).recognition.own.issue(user_id, utc_now())
    return Json(
        {
            "user_id": user_id,
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
        },
        status,
        {"Cache-Control": "no-store"},
    )


@router.post("/register", status_code=201, summary="Register", response_model=Tokens, responses={**_OPEN, **_REFUSED})
async def register_user(request: Request, wanted: RegisterRequest) -> Json:
    """A new user with a paper account of 100,000 USD, logged in at once. The first one becomes the owner.

    Later ones need an invitation of the owner's, unless the server was started with REGISTRATION=open. In production mode the
    first one needs the setup token that `hookfill serve` prints.
    """
    people = people_of(request)
    attempt = people.begin_attempt(request, wanted.email)
    application = Application(
        wanted.email,
        wanted.invitation.get_secret_value() if wanted.invitation else None,
        wanted.setup_token.get_secret_value() if wanted.setup_token else None,
    )
    try:
        async with _database(request) as connection:
            await check_may_register(connection, people.rules, application)
        password_hash = await people.passwords.hash(wanted.password.get_secret_value())
        async with _database(request) as connection:
            user_id, is_owner = await register(connection, people.rules, application, password_hash)
            refresh_token = await open_session(connection, user_id)
    except RegistrationRefused as error:
        raise HTTPException(403, str(error)) from None
    except EmailTaken as error:
        raise HTTPException(409, str(error)) from None
    except TooBusy as error:
        raise _busy(error) from None
    if is_owner:
        people.on_owner()
    attempt.succeed()
    return _tokens(request, user_id, refresh_token, 201)


@router.post("/login", summary="Log in", response_model=Tokens, responses={**_OPEN, **_WRONG})
async def login(request: Request, wanted: LoginRequest) -> Json:
    """A new session. An unknown address, a wrong password and a disabled user are answered alike, after the same work."""
    people = people_of(request)
    attempt = people.begin_attempt(request, wanted.email)
    password = wanted.password.get_secret_value()
    async with _database(request) as connection:
        found = await connection.fetchrow(SQL.login_of_email.sql, wanted.email)
    stored: str | None = None if found is None else found["password_hash"]
    try:
        is_right = await people.passwords.verify(stored, password)
        if stored is None or not is_right or found["is_disabled"]:
            raise HTTPException(401, WRONG)
        renewed = await people.passwords.hash(password) if people.passwords.is_outdated(stored) else None
    except TooBusy as error:
        raise _busy(error) from None
    async with _database(request) as connection:
        if renewed is not None:
            await connection.execute(SQL.replace_password.sql, renewed, found["user_id"], stored)
        refresh_token = await open_session(connection, found["user_id"])
    attempt.succeed()
    return _tokens(request, found["user_id"], refresh_token)


@router.post("/refresh", summary="Renew a session", response_model=Tokens, responses={**_OPEN, **_OVER})
async def refresh(request: Request, wanted: RefreshRequest) -> Json:
    """Exchange the refresh token for new tokens. Each is good for one exchange: used again, it was stolen, and the session ends."""
    async with _database(request) as connection:
        renewed = await renew_session(connection, wanted.refresh_token.get_secret_value())
    if renewed is None:
        raise HTTPException(401, OVER)
    return _tokens(request, *renewed)


@router.post("/logout", status_code=204, summary="Log out", response_class=Response, responses=_OPEN)
async def logout(request: Request, wanted: RefreshRequest) -> Response:
    """End the session of a refresh token. Its access token is good until it runs out, 15 minutes at most."""
    async with _database(request) as connection:
        await close_session(connection, wanted.refresh_token.get_secret_value())
    return Response(status_code=204)


@router.get("/me", summary="Who you are", response_model=Me, responses=PROBLEMS)
async def get_me(connection: Own, user_id: User, caller: Asking) -> Json:
    """The user whose token or API key this is."""
    return Json({**await me(connection, user_id), "scopes": sorted(caller.scopes)})


@router.post("/password", summary="Change the password", response_model=Tokens, responses={**PROBLEMS, **_OPEN})
async def set_password(request: Request, user_id: Person, wanted: PasswordRequest) -> Json:
    """Every session ends; the answer begins a new one."""
    people = people_of(request)
    attempt = people.begin_attempt(request, str(user_id))
    async with _database(request) as connection:
        stored = await connection.fetchval(SQL.password_of_user.sql, user_id)
    if stored is None:
        raise HTTPException(403, LOGS_IN_ELSEWHERE)
    try:
        if not await people.passwords.verify(stored, wanted.current_password.get_secret_value()):
            raise HTTPException(403, "The current password is wrong: try again.")
        password_hash = await people.passwords.hash(wanted.new_password.get_secret_value())
    except TooBusy as error:
        raise _busy(error) from None
    async with _database(request) as connection, connection.transaction():
        await change_password(connection, user_id, password_hash)
        refresh_token = await open_session(connection, user_id)
    attempt.succeed()
    return _tokens(request, user_id, refresh_token)
