"""Where the server is and who asks it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hookfill.client.errors import InvalidArgument
from hookfill.client.retries import Retries

JSON: Mapping[str, str] = {"content-type": "application/json"}
_LEGIBLE = re.compile(r"[!-~]{1,2000}")


@dataclass(frozen=True, slots=True)
class Config:
    """What every call needs.

    Attributes:
        base_url: the server's address without a slash at its end.
        token: an access token, the owner's token or an API key, sent as a bearer's.
        api_key: an API key, sent as ``X-API-KEY``.
        candles_key: the key of the candles' door.
        timeout_seconds: for each of connecting, sending and every part of an answer.
        chance: draws a number from 0 to 1.
    """

    base_url: str
    token: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    candles_key: str | None = field(repr=False)
    timeout_seconds: float
    retries: Retries
    chance: Callable[[], float]

    def __post_init__(self) -> None:
        """Refuse what can't be sent."""
        if self.token is not None and self.api_key is not None:
            raise InvalidArgument("Give token or api_key, not both: the server would look at the token only.")
        for name in ("token", "api_key", "candles_key"):
            value = getattr(self, name)
            if value is not None and not _LEGIBLE.fullmatch(value):
                raise InvalidArgument(f"{name} must be printable ASCII without spaces: was it copied whole, without a line's end?")
        if not 0 < self.timeout_seconds <= 3600:
            raise InvalidArgument("timeout_seconds must lie between 0 and 3600.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in any error."""
        return tuple(secret for secret in (self.token, self.api_key, self.candles_key) if secret)

    def user_headers(self) -> dict[str, str]:
        """Who asks.

        Raises:
            InvalidArgument: nobody does.
        """
        if self.token is not None:
            return {"authorization": f"Bearer {self.token}"}
        if self.api_key is not None:
            return {"x-api-key": self.api_key}
        raise InvalidArgument("This needs to know who asks: give token=… (such as `hookfill token` shows) or api_key=….")

    def candles_headers(self) -> dict[str, str]:
        """Who pushes candles: the candles' own key, else the API key.

        Raises:
            InvalidArgument: neither is there.
        """
        key = self.candles_key or self.api_key
        if key is None:
            raise InvalidArgument(
                "Pushing candles needs a key: give candles_key=… (the server's MT5_API_KEY), or api_key=… with scope candles."
            )
        return {**JSON, "x-api-key": key}


def base_address(url: str, name: str) -> str:
    """An http(s) address without a slash at its end.

    Raises:
        InvalidArgument: it is none, or holds a password, a query or a fragment. It is not quoted: it may be a secret.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not _LEGIBLE.fullmatch(url) or any(mark in url for mark in "@?#\\"):
        raise InvalidArgument(
            f"{name} must be an http or https address such as https://hookfill.example.com, with nothing after ?."
        )
    return url.rstrip("/")
