"""Broker credentials under lock: encrypted before they reach the database, never sent back to anybody."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hookfill.kernel.errors import ConfigurationError, HookfillError

LEAST_KEY_LENGTH = 32


class CredentialsUnreadable(HookfillError):
    """Stored credentials were encrypted with another key."""


class Vault:
    """Encrypts and decrypts with the installation's key (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, keys: str) -> None:
        """Take a key: any random text of at least 32 characters; several, separated by commas, while keys are changed.

        The first one encrypts, all of them decrypt.

        Raises:
            ConfigurationError: a key is too short.
        """
        texts = [key.strip() for key in keys.split(",")]
        if any(len(text) < LEAST_KEY_LENGTH for text in texts):
            raise ConfigurationError(
                f"HOOKFILL_CREDENTIALS_KEY is shorter than {LEAST_KEY_LENGTH} characters: use a random text (openssl rand -hex 32)."
            )
        # Random text has all the entropy that it needs: hashing only brings it to Fernet's form.
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(sha256(text.encode()).digest())) for text in texts])

    @classmethod
    def of_this_process(cls) -> "Vault":
        """A vault whose key ends with this process: for servers that outlive nothing (tests)."""
        return cls(secrets.token_urlsafe(32))

    def close(self, credentials: Mapping[str, str]) -> bytes:
        """The credentials, encrypted."""
        return self._fernet.encrypt(orjson.dumps(dict(credentials)))

    def open(self, closed: bytes) -> dict[str, str]:
        """The credentials as they were given.

        Raises:
            CredentialsUnreadable: none of the keys is the one they were encrypted with.
        """
        try:
            found: dict[str, str] = orjson.loads(self._fernet.decrypt(closed))
        except InvalidToken:
            raise CredentialsUnreadable(
                "The stored credentials were encrypted with another key: set HOOKFILL_CREDENTIALS_KEY to that one, "
                "or enter the credentials again."
            ) from None
        return found
