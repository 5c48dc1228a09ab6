"""Invitations: a token that lets one more person register, once."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.store import hash_secret
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__, "people.sql")
INVITATION_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation just made; ``token`` is shown this once and stored only as its SHA-256."""

    stored: Mapping[str, Any]
    token: str = field(repr=False)


async def invite(connection: asyncpg.Connection, owner: UUID, email: str | None) -> NewInvitation:
    """A new invitation.

    Args:
        connection: the owner's view, or the installation's.
        owner: who invites.
        email: the only address that may use it (see ``users.email_from``); None: whoever has it.
    """
    token = secrets.token_urlsafe(32)
    stored = await connection.fetchrow(
        SQL.add_invitation.sql, new_id(), hash_secret(token), owner, email, float(INVITATION_SECONDS)
    )
    return NewInvitation(dict(stored), token)


async def list_invitations(connection: asyncpg.Connection, owner: UUID, limit: int, offset: int) -> list[dict[str, Any]]:
    """The owner's invitations, newest first."""
    return [dict(row) for row in await connection.fetch(SQL.list_invitations.sql, owner, limit, offset)]


async def revoke_invitation(connection: asyncpg.Connection, owner: UUID, invitation_id: UUID) -> bool:
    """Take an invitation back; False when there is none of that id that could still be used or has run out unused."""
    return await connection.fetchval(SQL.revoke_invitation.sql, owner, invitation_id) is not None
