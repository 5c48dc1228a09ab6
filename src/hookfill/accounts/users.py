"""Users: who may register, and what a new one gets."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.store import SQL as STORE
from hookfill.accounts.store import create_account, hash_secret
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__, "people.sql")

LONGEST_EMAIL = 254
"""RFC 5321, 4.5.3.1.3."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
"""What browsers take for an e-mail address (WHATWG HTML, input type=email), in small letters."""

NEEDS_INVITATION = (
    "Registration here is by invitation: ask the owner for one (`hookfill users invite`, or POST /api/v1/invitations) and send "
    "its token as `invitation`."
)
INVITATION_UNUSABLE = (
    "This invitation is used, over, revoked or for another e-mail address: ask the owner for a new one (`hookfill users invite`)."
)
NEEDS_SETUP = (
    "The first user needs the setup token that `hookfill serve` prints when it starts: send it as `setup_token`; or make the "
    "owner on the server with `hookfill users create EMAIL --owner`."
)


class RegistrationRefused(HookfillError):
    """This person may not register; the text says what it takes."""


class EmailTaken(HookfillError):
    """There is a user of that e-mail address already."""


class InvalidEmail(HookfillError):
    """What was given is no e-mail address."""


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """Who may register.

    Attributes:
        is_open: anybody; else those with an invitation.
        needs_setup: the first user, who becomes the owner, must bring ``setup_token`` (production mode).
        setup_token: it; None while ``needs_setup`` is True: no one has it, since there was an owner when the server started.
    """

    is_open: bool = False
    needs_setup: bool = False
    setup_token: str | None = field(default=None, repr=False)

    def check_setup(self, given: str | None) -> None:
        """Let the first user in.

        Raises:
            RegistrationRefused: the setup token is missing or wrong.
        """
        if not self.needs_setup:
            return
        expected = self.setup_token or ""
        if not expected or not hmac.compare_digest(hash_secret(given or ""), hash_secret(expected)):
            raise RegistrationRefused(NEEDS_SETUP)


@dataclass(frozen=True, slots=True)
class Application:
    """What a person who registers brings.

    Attributes:
        email: from ``email_from``.
        invitation: an invitation's token.
        setup_token: of the first user.
    """

    email: str
    invitation: str | None = field(default=None, repr=False)
    setup_token: str | None = field(default=None, repr=False)


def email_from(text: str) -> str:
    """An e-mail address as it is stored and looked up: trimmed, in small letters.

    Raises:
        InvalidEmail: it is none.
    """
    email = text.strip(" \t\r\n").lower()
    if len(email) > LONGEST_EMAIL or not email.isascii() or _EMAIL.fullmatch(email) is None:
        raise InvalidEmail("This is no e-mail address: write it as name@example.com.")
    return email


async def check_may_register(connection: asyncpg.Connection, rules: RegistrationRules, application: Application) -> None:
    """Refuse early, before the costly hashing of the password; ``register`` judges again.

    Raises:
        RegistrationRefused, EmailTaken: this person can't register.
    """
    if application.invitation is not None:
        digest = hash_secret(application.invitation)
        if not await connection.fetchval(SQL.is_invitation_usable.sql, digest, application.email):
            raise RegistrationRefused(INVITATION_UNUSABLE)
    elif await is_owner_unclaimed(connection):
        rules.check_setup(application.setup_token)
    elif not rules.is_open:
        raise RegistrationRefused(NEEDS_INVITATION)
    if await connection.fetchval(SQL.is_email_taken.sql, application.email):
        raise EmailTaken("There is a user of this e-mail address already: log in, or use another address.")


async def register(
    connection: asyncpg.Connection, rules: RegistrationRules, application: Application, password_hash: str
) -> tuple[UUID, bool]:
    """A new user, or the owner, with everything a user needs, in one transaction.

    Returns:
        The user's id, and whether it is the owner's.

    Raises:
        RegistrationRefused, EmailTaken: this person can't register.
    """
    async with connection.transaction():
        if application.invitation is not None:
            return await _register_invited(connection, application, password_hash), False
        if await is_owner_unclaimed(connection):
            rules.check_setup(application.setup_token)
            owner = await claim_owner(connection, application.email, password_hash)
            if owner is not None:
                return owner, True
        if not rules.is_open:
            raise RegistrationRefused(NEEDS_INVITATION)
        return await create_user(connection, application.email, password_hash), False


async def _register_invited(connection: asyncpg.Connection, application: Application, password_hash: str) -> UUID:
    digest = hash_secret(application.invitation or "")
    invitation_id = await connection.fetchval(SQL.accept_invitation.sql, digest, application.email)
    if invitation_id is None:
        raise RegistrationRefused(INVITATION_UNUSABLE)
    user_id = await create_user(connection, application.email, password_hash)
    await connection.execute(SQL.note_accepted.sql, user_id, invitation_id)
    return user_id


async def is_owner_unclaimed(connection: asyncpg.Connection) -> bool:
    """Whether nobody has registered as the owner yet."""
    is_unclaimed: bool = await connection.fetchval(SQL.is_owner_unclaimed.sql)
    return is_unclaimed


async def claim_owner(
    connection: asyncpg.Connection, email: str, password_hash: str | None, *, subject: str | None = None
) -> UUID | None:
    """Give the owner an e-mail address and a way to log in; None when there is one already.

    Raises:
        EmailTaken: another user has this address or this subject.
    """
    try:
        async with connection.transaction():
            owner: UUID | None = await connection.fetchval(SQL.claim_owner.sql, email, password_hash, subject)
            return owner
    except asyncpg.UniqueViolationError:
        raise EmailTaken(f"There is a user of {email} (or of this subject) already: use another address.") from None


async def create_user(connection: asyncpg.Connection, email: str, password_hash: str | None, *, subject: str | None = None) -> UUID:
    """An ordinary user with settings and a default paper account.

    Raises:
        EmailTaken: another user has this address or this subject.
    """
    async with connection.transaction():
        created: UUID | None = await connection.fetchval(SQL.create_user.sql, new_id(), email, email, password_hash, subject)
        if created is None:
            raise EmailTaken("There is a user of this e-mail address already: log in, or use another address.")
        await _equip(connection, created)
        return created


async def user_of_subject(
    connection: asyncpg.Connection, subject: str, name: str, user_id: UUID | None, *, may_create: bool
) -> asyncpg.Record | None:
    """The user of a foreign token issuer's subject, made at first sight if that is allowed: user_id, role, is_disabled.

    Args:
        connection: the installation's view.
        subject: the issuer's name for the person.
        name: what a new user is called.
        user_id: a new user's id; None: a new one.
        may_create: whether a new user may be made.
    """
    found = await connection.fetchrow(SQL.caller_of_subject.sql, subject)
    if found is not None or not may_create:
        return found
    async with connection.transaction():
        created = await connection.fetchval(SQL.create_user.sql, user_id or new_id(), name, None, None, subject)
        if created is not None:
            await _equip(connection, created)
    return await connection.fetchrow(SQL.caller_of_subject.sql, subject)  # made here, or by another request meanwhile


async def _equip(connection: asyncpg.Connection, user_id: UUID) -> None:
    await connection.execute(STORE.create_user_settings.sql, user_id)
    await create_account(connection, user_id, "Paper", is_default=True)


async def me(connection: asyncpg.Connection, user_id: UUID) -> Mapping[str, Any]:
    """The user, as the user may see it (run in the user's view)."""
    return dict(await connection.fetchrow(SQL.me.sql, user_id))


async def change_password(connection: asyncpg.Connection, user_id: UUID, password_hash: str) -> None:
    """Set a new password and end every session: whoever had the old one is out."""
    async with connection.transaction():
        await connection.execute(SQL.set_password.sql, password_hash, user_id)
        await connection.execute(SQL.revoke_sessions.sql, user_id)


async def set_disabled(connection: asyncpg.Connection, user_id: UUID, *, is_disabled: bool) -> None:
    """Shut a user out, or let one in again. Tokens of one who is shut out stop counting with the next request."""
    async with connection.transaction():
        await connection.execute(SQL.set_disabled.sql, is_disabled, user_id)
        if is_disabled:
            await connection.execute(SQL.revoke_sessions.sql, user_id)


async def list_users(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    """All users, oldest first, with how they log in; never a hash."""
    return [dict(row) for row in await connection.fetch(SQL.list_users.sql)]
