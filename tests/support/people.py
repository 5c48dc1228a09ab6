"""People for tests: passwords that cost little, tokens of every kind, and what a client does with them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt

from hookfill.accounts.callers import Recognition
from hookfill.accounts.foreign_tokens import ForeignTokens
from hookfill.accounts.passwords import Passwords
from hookfill.accounts.tokens import AccessTokens
from hookfill.accounts.users import RegistrationRules
from hookfill.api.people import People
from hookfill.kernel.clock import utc_now

JWT_SECRET = "canary-jwt-secret-51c0a7e9f2b84d6390"
SUPABASE_SECRET = "canary-supabase-secret-0b7d4e61a953c8f2"
PASSWORD = "canary-password-correct horse"
SUBJECT = "7f0a5c52-7d2f-4c7e-9f53-0f6f7c1b2a10"


def quick_people(**changes: Any) -> People:
    """As configured by default, with a known secret and cheap hashes."""
    people = People(recognition=Recognition(AccessTokens(JWT_SECRET)), passwords=Passwords(passes=1, memory_kib=64))
    return replace(people, **changes)


def people_with(foreign: ForeignTokens) -> People:
    """With a foreign issuer's tokens."""
    return quick_people(recognition=Recognition(AccessTokens(JWT_SECRET), foreign))


OPEN = RegistrationRules(is_open=True)


def claims_of(subject: object, **changes: Any) -> dict[str, Any]:
    """The claims of an access token of ours that is good; None takes one out."""
    now = utc_now()
    claims = {
        "iss": "hookfill",
        "aud": "hookfill",
        "sub": str(subject),
        "type": "access",
        "iat": now,
        "exp": now + timedelta(minutes=5),
        "jti": "1",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def foreign_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token of Supabase's."""
    own = {"iss": "https://id.supabase.co/auth/v1", "aud": "authenticated", "type": None, "jti": None, "role": "authenticated"}
    return claims_of(SUBJECT, **{**own, "email": "ada@elsewhere.example", **changes})


def sign(claims: Mapping[str, Any], key: Any = JWT_SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    """A token of these claims."""
    return jwt.encode(dict(claims), key, algorithm, headers=headers or None)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}
