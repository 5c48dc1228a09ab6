"""Our own access tokens: JWTs (RFC 7519) with exactly one algorithm, and every claim checked.

What a token says of how it is to be checked (``alg``, ``kid``, ``jku``, ``jwk``, ``x5u``) decides nothing: the algorithm is HS256
and the key is the installation's (RFC 8725, 3.1).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from hookfill.kernel.ids import new_id

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "hookfill"
ACCESS_SECONDS = 15 * 60
LEEWAY_SECONDS = 5
"""By how much the clocks of two nodes may differ."""
MOST_CHARACTERS = 8192
"""A longer token is none."""
LEAST_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 has at least 256 bits."""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Makes and reads access tokens.

    Attributes:
        secret: signs them; the same on every node.
    """

    secret: str = field(repr=False)

    def issue(self, user_id: UUID, now: datetime) -> str:
        """A token for a user that is good for ACCESS_SECONDS."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "type": "access",
            "iat": now,
            "exp": now + timedelta(seconds=ACCESS_SECONDS),
            "jti": str(new_id()),
        }
        return jwt.encode(claims, self.secret, ALGORITHM)

    def read(self, token: str) -> UUID | None:
        """Whose token it is; None when it is not one of ours, or is over."""
        claims = read_claims(token, self.secret, ALGORITHM, AUDIENCE, ISSUER)
        if claims is None or claims.get("type") != "access":
            return None
        return plain_uuid(claims["sub"])


def read_claims(token: str, key: Any, algorithm: str, audience: str, issuer: str | None) -> dict[str, Any] | None:
    """A token's claims, when its signature, times, audience and issuer are right and it names a subject.

    Args:
        token: as it came from a stranger.
        key: the one key that may have signed it.
        algorithm: the one algorithm that may have been used.
        audience: whom it must be for, alone.
        issuer: who must have made it; None: anyone who has the key.
    """
    if len(token) > MOST_CHARACTERS:
        return None
    required = ["exp", "iat", "sub", "aud"] + (["iss"] if issuer is not None else [])
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": required, "strict_aud": True},
        )
    except Exception:  # whatever a stranger's text makes the parsers raise (RecursionError, OverflowError, …): it is no token
        return None
    return claims if isinstance(claims["sub"], str) and claims["sub"] else None


def plain_uuid(text: str) -> UUID | None:
    """A UUID in its usual form only: one user has one ``sub``."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
