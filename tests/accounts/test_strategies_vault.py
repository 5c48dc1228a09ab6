"""The vault: what goes in comes out with the right key, and with no other."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.accounts.vault import CredentialsUnreadable, Vault
from hookfill.home import Home
from hookfill.kernel.errors import ConfigurationError
from hookfill.settings import Settings

OLD, NEW = "old-" + "k" * 40, "new-" + "k" * 40
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(st.dictionaries(texts, texts, max_size=5))
def test_what_goes_in_comes_out(credentials: dict[str, str]) -> None:
    vault = Vault(OLD)
    closed = vault.close(credentials)
    assert vault.open(closed) == credentials
    assert closed != vault.close(credentials)  # equal credentials don't look equal


def test_another_key_opens_nothing_and_a_key_can_be_changed() -> None:
    closed = Vault(OLD).close({"key": "canary"})
    assert b"canary" not in closed
    with pytest.raises(CredentialsUnreadable, match="HOOKFILL_CREDENTIALS_KEY"):
        Vault(NEW).open(closed)
    both = Vault(f"{NEW}, {OLD}")
    assert both.open(closed) == {"key": "canary"}
    assert Vault(NEW).open(both.close({"key": "canary"})) == {"key": "canary"}
    with pytest.raises(CredentialsUnreadable):
        Vault(OLD).open(closed[:-4] + b"AAA=")


@pytest.mark.parametrize("keys", ["", "short", "k" * 31, f"{'k' * 32},short", f"{'k' * 32},"])
def test_a_key_that_is_too_short_is_refused(keys: str) -> None:
    with pytest.raises(ConfigurationError, match="HOOKFILL_CREDENTIALS_KEY") as refused:
        Vault(keys)
    assert "kkk" not in str(refused.value)


def test_the_home_keeps_a_key_that_a_new_token_does_not_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOKFILL_CREDENTIALS_KEY", raising=False)
    home, settings = Home.at(tmp_path), Settings()
    closed = Vault(home.credentials_key(settings)).close({"key": "x"})
    home.forget_secrets()
    assert Vault(home.credentials_key(settings)).open(closed) == {"key": "x"}
    assert (tmp_path / "credentials-key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("HOOKFILL_CREDENTIALS_KEY", NEW)
    assert home.credentials_key(Settings()) == NEW
