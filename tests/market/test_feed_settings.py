"""A feed that can't work is refused at the start, with what to do."""

import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.settings import Settings

KEYS = {"ALPACA_API_KEY": "canary-key", "ALPACA_SECRET_KEY": "canary-secret"}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "ALPACA_API_KEY and ALPACA_SECRET_KEY"),
        ({"ALPACA_API_KEY": "canary-key"}, "ALPACA_SECRET_KEY"),
        ({**KEYS, "HOOKFILL_TIME": "messages"}, "HOOKFILL_TIME"),
        ({**KEYS, "ALPACA_DATA_URL": "http://data.alpaca.markets"}, "ALPACA_DATA_URL must begin with https"),
        ({**KEYS, "ALPACA_CONTRACTS_URL": "http://paper-api.alpaca.markets"}, "ALPACA_CONTRACTS_URL must begin with https"),
    ],
)
def test_what_stands_in_the_way_is_named(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], told: str) -> None:
    for name, text in {"MARKET_FEED": "alpaca", **environment}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError, match=told):
        Settings().check()


@pytest.mark.parametrize(
    "environment",
    [
        {"MARKET_FEED": "stored"},
        {"MARKET_FEED": "alpaca", **KEYS},
        {"MARKET_FEED": "alpaca", **KEYS, "ALPACA_DATA_URL": "http://127.0.0.1:9"},
    ],
)
def test_what_can_work_is_taken_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    settings = Settings()
    settings.check()
    assert "canary" not in repr(settings)
