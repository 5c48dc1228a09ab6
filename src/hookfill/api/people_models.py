"""What the routes about people take and answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from hookfill.accounts.passwords import GREATEST_LENGTH, LEAST_LENGTH
from hookfill.accounts.users import LONGEST_EMAIL, InvalidEmail, email_from
from hookfill.api.models import Model

_ID = "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"


def _email(text: str) -> str:
    try:
        return email_from(text)
    except InvalidEmail as error:
        raise ValueError(str(error)) from None


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("write it without control characters")
    return text


Email = Annotated[
    str, StringConstraints(max_length=LONGEST_EMAIL + 64), AfterValidator(_email), Field(examples=["ada@example.com"])
]
"""Trimmed and in small letters."""
Password = Annotated[SecretStr, Field(min_length=LEAST_LENGTH, max_length=GREATEST_LENGTH, examples=["correct horse battery"])]
GivenPassword = Annotated[SecretStr, Field(max_length=GREATEST_LENGTH, examples=["correct horse battery"])]
"""One that is to be compared: whatever its length."""
GivenToken = Annotated[SecretStr, Field(min_length=1, max_length=512, examples=["k3Jm…"])]
Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_one_line),
    Field(examples=["Research"]),
]


class Body(BaseModel):
    """A request body; a field that is not described here is refused."""

    model_config = ConfigDict(extra="forbid")


class RegisterRequest(Body):
    """A new user."""

    email: Email
    password: Password
    invitation: GivenToken | None = Field(None, description="The token of an invitation.")
    setup_token: GivenToken | None = Field(None, description="Of the first user in production mode: `hookfill serve` prints it.")


class LoginRequest(Body):
    """Who logs in."""

    email: Email
    password: GivenPassword


class RefreshRequest(Body):
    """A session's refresh token."""

    refresh_token: GivenToken


class PasswordRequest(Body):
    """The password that is, and the one that shall be."""

    current_password: GivenPassword
    new_password: Password


class Tokens(Model):
    """A session."""

    user_id: UUID = Field(examples=[_ID])
    access_token: str = Field(description="Send it as `Authorization: Bearer …`.", examples=["eyJhbGciOiJIUzI1NiIs…"])
    refresh_token: str = Field(description="Good for one exchange at POST /api/v1/auth/refresh.", examples=["k3Jm…"])
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds for which the access token is good.", examples=[900])


class Me(Model):
    """The user who asks."""

    user_id: UUID = Field(examples=[_ID])
    name: str
    email: str | None
    role: Literal["owner", "user"]
    created_at: datetime
    default_account_id: UUID | None
    scopes: list[Literal["read", "trade", "candles"]] = Field(description="What this token or key may do.")


Scope = Literal["read", "trade", "candles"]


class ApiKeyRequest(Body):
    """A new API key."""

    label: Label
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=10,
        description="read: see everything of one's own; trade: change it too; candles: push candles (the owner's keys only).",
        examples=[["read"]],
    )


class ApiKey(Model):
    """An API key, without the key."""

    key_id: UUID = Field(examples=[_ID])
    label: str
    prefix: str = Field(description="How the key begins.", examples=["hf_1a2b3c4d"])
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewApiKey(ApiKey):
    """An API key just made."""

    key: str = Field(
        description="Shown this once: send it as `Authorization: Bearer …` or `X-API-KEY`.", examples=["hf_1a2b3c4d_…"]
    )


class InvitationRequest(Body):
    """Whom to invite."""

    email: Email | None = Field(None, description="The only address that may use it; left out: whoever has the token.")


class Invitation(Model):
    """An invitation, without its token."""

    invitation_id: UUID = Field(examples=[_ID])
    email: str | None
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


class NewInvitation(Invitation):
    """An invitation just made."""

    token: str = Field(description="Shown this once: POST /api/v1/auth/register takes it as `invitation`.", examples=["k3Jm…"])
