"""Access tokens of a Supabase project (or of who makes the same): accepted when the settings name its secret or its keys.

The settings choose the algorithm, never the token: HS256 with the project's secret, or what the kind of key in its key set says.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt

from hookfill.accounts.key_sets import KeySet
from hookfill.accounts.tokens import ALGORITHM, MOST_CHARACTERS, plain_uuid, read_claims

AUDIENCE = "authenticated"
"""``aud`` and ``role`` of the tokens of people; those of the project's own services have others."""
LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a foreign token names.

    Attributes:
        subject: the issuer's lasting name for the person.
        name: the e-mail address it gives, else the subject; shown, never used to find a user: issuers don't all verify it.
        user_id: the subject as a UUID, if it is one: policies of the project's own (``auth.uid()``) then fit our rows too.
        is_anonymous: a guest's, whom the project lets in without asking who it is.
    """

    subject: str
    name: str
    user_id: UUID | None
    is_anonymous: bool


@dataclass(frozen=True, slots=True)
class ForeignTokens:
    """Reads foreign access tokens.

    Attributes:
        secret: the project's HS256 secret.
        keys: its public keys.
        issuer: what ``iss`` must be; None: not looked at.
        may_create_users: whether an unknown person becomes a user at first sight.
    """

    secret: str | None = field(default=None, repr=False)
    keys: KeySet | None = None
    issuer: str | None = None
    may_create_users: bool = False

    async def read(self, token: str) -> Identity | None:
        """Whom a token names; None when it is not one of this issuer's, or is over.

        Raises:
            KeysUnavailable: it can't be told, since the issuer's keys could not be read yet.
        """
        claims = None
        if self.secret is not None:
            claims = read_claims(token, self.secret, ALGORITHM, AUDIENCE, self.issuer)
        if claims is None and self.keys is not None:
            claims = await self._read_by_keys(self.keys, token)
        return None if claims is None else _identity(claims)

    async def _read_by_keys(self, keys: KeySet, token: str) -> dict[str, Any] | None:
        header = _header(token)
        # Nobody makes us ask the issuer for keys with something that its tokens are not. The key, not this, says the algorithm.
        if header is None or header.get("alg") not in ("RS256", "ES256") or not isinstance(header.get("kid", ""), str):
            return None
        key = await keys.find(header.get("kid", ""))
        return None if key is None else read_claims(token, key.key, key.algorithm, AUDIENCE, self.issuer)


def _header(token: str) -> dict[str, Any] | None:
    if len(token) > MOST_CHARACTERS:
        return None
    try:
        return jwt.get_unverified_header(token)
    except Exception:  # whatever a stranger's text makes the parsers raise: it is no token
        return None


def _identity(claims: dict[str, Any]) -> Identity | None:
    subject = claims["sub"]
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable() or claims.get("role", AUDIENCE) != AUDIENCE:
        return None
    email = claims.get("email")
    name = email if isinstance(email, str) and 0 < len(email) <= LONGEST_SUBJECT and email.isprintable() else subject
    return Identity(subject, name, plain_uuid(subject), claims.get("is_anonymous") is True)
