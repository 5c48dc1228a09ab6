"""Real money needs a mode and a typed sentence; keys go over nothing but https; the library is loaded by who needs it."""

import subprocess
import sys

import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.settings import LIVE_SENTENCE, Settings


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name in ("APP_MODE", "HOOKFILL_TIME", "ALPACA_LIVE_CONFIRMATION", "ALPACA_PAPER_URL", "ALPACA_LIVE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize(
    ("environment", "trades_live"),
    [
        ({}, False),
        ({"APP_MODE": "LIVE"}, False),
        ({"ALPACA_LIVE_CONFIRMATION": LIVE_SENTENCE}, False),
        ({"APP_MODE": "PAPER", "ALPACA_LIVE_CONFIRMATION": LIVE_SENTENCE}, False),
        ({"APP_MODE": "LIVE", "ALPACA_LIVE_CONFIRMATION": LIVE_SENTENCE, "HOOKFILL_TIME": "messages"}, False),
        ({"APP_MODE": "live", "ALPACA_LIVE_CONFIRMATION": LIVE_SENTENCE}, True),
    ],
)
def test_real_money_needs_both(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], trades_live: bool) -> None:
    found = settings(monkeypatch, **environment)
    found.check()
    assert found.trades_live is trades_live


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ALPACA_LIVE_CONFIRMATION": "yes"}, LIVE_SENTENCE),
        ({"ALPACA_LIVE_CONFIRMATION": LIVE_SENTENCE + "."}, LIVE_SENTENCE),
        ({"ALPACA_LIVE_URL": "http://api.alpaca.markets"}, "ALPACA_LIVE_URL must begin with https"),
        ({"ALPACA_PAPER_URL": "ftp://paper"}, "ALPACA_PAPER_URL must begin with https"),
        ({"ALPACA_PAPER_URL": "paper-api.alpaca.markets"}, "ALPACA_PAPER_URL must begin with https"),
    ],
)
def test_what_is_unsafe_is_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        settings(monkeypatch, **environment).check()


def test_the_fake_may_stand_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, ALPACA_PAPER_URL="http://127.0.0.1:5").check()


def test_a_worker_without_an_account_at_alpaca_does_not_load_its_library() -> None:
    heavy = ("requests", "pandas", "alpaca", "websockets")
    program = f"import sys, hookfill.working; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.strip() == "[]"
