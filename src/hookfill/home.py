"""Hookfill's home folder: generated secrets, the spool, where the server listens."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import psutil

from hookfill.kernel.errors import ConfigurationError
from hookfill.settings import Settings


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that HOOKFILL_HOME names; private to the user who runs Hookfill."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Home":
        """Use a folder, making it if it is not there.

        Raises:
            ConfigurationError: it can't be made.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"HOOKFILL_HOME {folder} can't be used ({error.strerror}): choose another folder.") from error
        return cls(folder.resolve())

    def owner_token(self, settings: Settings) -> str:
        """The owner's bearer token: the one set in the environment, else one generated at the first start."""
        return settings.owner_token.get_secret_value() if settings.owner_token else self._generated("owner-token")

    def candles_key(self, settings: Settings) -> str:
        """The API key of the candles door: MT5_API_KEY, else one generated at the first start."""
        return settings.mt5_api_key.get_secret_value() if settings.mt5_api_key else self._generated("candles-key")

    def jwt_secret(self, settings: Settings) -> str:
        """What signs access tokens: JWT_SECRET, else one generated at the first start."""
        return settings.jwt_secret.get_secret_value() if settings.jwt_secret else self._generated("jwt-secret")

    def setup_token(self) -> str:
        """The one-time token that lets the first user register as the owner; generated when it is first asked for."""
        return self._generated("setup-token")

    def forget_setup_token(self) -> None:
        """There is an owner now."""
        (self.folder / "setup-token").unlink(missing_ok=True)

    def credentials_key(self, settings: Settings) -> str:
        """What broker credentials are encrypted with: HOOKFILL_CREDENTIALS_KEY, else one generated at the first start.

        It is not among ``secret_files``: without it, what it has encrypted is lost.
        """
        key = settings.credentials_key
        return key.get_secret_value() if key is not None else self._generated("credentials-key")

    def forget_secrets(self) -> None:
        """Delete the generated secrets: new ones are made when they are next asked for."""
        for path in self.secret_files:
            path.unlink(missing_ok=True)

    @property
    def secret_files(self) -> tuple[Path, Path]:
        """Where the generated owner's token and candles key are kept (they need not exist)."""
        return self.folder / "owner-token", self.folder / "candles-key"

    def _generated(self, name: str) -> str:
        path = self.folder / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._read_secret(path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            secret = secrets.token_urlsafe(32)
            file.write(secret)
        return secret

    def _read_secret(self, path: Path) -> str:
        secret = path.read_text(encoding="utf-8").strip()
        if not secret:
            raise ConfigurationError(f"{path} is empty: delete it, and start again to have a new one made.")
        return secret

    @property
    def spool_folder(self) -> Path:
        """Where deliveries wait while the database does not answer."""
        return self.folder / "spool"

    def spooled(self) -> list[Path]:
        """The batches that wait there."""
        return sorted(self.spool_folder.glob("*.batch"))

    @property
    def _listening_file(self) -> Path:
        return self.folder / "listening.json"

    def write_listening(self, url: str, pid: int) -> None:
        """Remember where the server of this home listens."""
        self._listening_file.write_text(json.dumps({"url": url, "pid": pid}), encoding="utf-8")

    def forget_listening(self, pid: int) -> None:
        """The server has ended."""
        found = self._read_listening()
        if found is not None and found[1] == pid:
            self._listening_file.unlink(missing_ok=True)

    def listening_url(self) -> str | None:
        """Where the server of this home listens; None when none runs."""
        found = self._read_listening()
        return found[0] if found is not None and psutil.pid_exists(found[1]) else None

    def _read_listening(self) -> tuple[str, int] | None:
        try:
            found = json.loads(self._listening_file.read_text(encoding="utf-8"))
            return str(found["url"]), int(found["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
