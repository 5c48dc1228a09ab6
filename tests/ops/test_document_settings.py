"""The environment variables of the options engine's document, with its own values: what they do, and what they are refused for."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from hookfill.kernel.errors import ConfigurationError
from hookfill.risk.model import Limits, limits_from
from hookfill.settings import AppMode, Mode, Settings

SECRET = "0f9c2b7d51e84a3c96d17a5b20f3e6c8"
NAMES = ("NODE_ENV", "HOOKFILL_MODE", "APP_MODE", "REDIS_URL", "HMAC_SECRET", "HOOKFILL_NOTIFY_URL", "HOOKFILL_METRICS_TOKEN")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("node_env", "own", "expected"),
    [
        (None, None, Mode.DEVELOPMENT),
        ("production", None, Mode.PRODUCTION),
        ("Production", None, Mode.PRODUCTION),
        ("development", None, Mode.DEVELOPMENT),
        ("anything", None, Mode.DEVELOPMENT),
        ("production", "development", Mode.DEVELOPMENT),
        ("development", "production", Mode.PRODUCTION),
    ],
)
def test_node_env_means_production_unless_the_mode_is_said(
    monkeypatch: pytest.MonkeyPatch, node_env: str | None, own: str | None, expected: Mode
) -> None:
    if node_env is not None:
        monkeypatch.setenv("NODE_ENV", node_env)
    if own is not None:
        monkeypatch.setenv("HOOKFILL_MODE", own)
    assert Settings().mode is expected


def test_node_env_production_does_not_start_with_the_documents_example_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    for secret in ("your-webhook-hmac-secret", "change-this-to-another-secure-random-string-for-webhooks"):
        monkeypatch.setenv("HMAC_SECRET", secret)
        with pytest.raises(ConfigurationError, match="placeholder"):
            Settings().check()
    monkeypatch.setenv("HMAC_SECRET", SECRET)
    Settings().check()


def test_the_application_trades_on_paper_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().app_mode is AppMode.PAPER
    monkeypatch.setenv("APP_MODE", "LIVE")
    assert Settings().app_mode is AppMode.LIVE
    monkeypatch.setenv("APP_MODE", "DEMO")
    with pytest.raises(ValidationError):
        Settings()


def test_redis_is_not_used_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().notes == []
    monkeypatch.setenv("REDIS_URL", "rediss://user:canary@host:6379")
    [note] = Settings().notes
    assert "REDIS_URL" in note
    assert "canary" not in note + repr(Settings())


def test_limits_come_from_the_environment_and_an_accounts_own_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().limits == Limits()
    for name, value in {
        "MAX_OPEN_POSITIONS": "7",
        "MAX_POSITIONS_PER_SYMBOL": "2",
        "MAX_POSITION_SIZE": "0.5",
        "MAX_EXPOSURE": "25000",
    }.items():
        monkeypatch.setenv(name, value)
    defaults = Settings().limits
    assert defaults == Limits(
        max_open_positions=Decimal(7),
        max_positions_per_symbol=Decimal(2),
        max_position_size=Decimal("0.5"),
        max_exposure=Decimal(25_000),
    )
    found = limits_from({"max_open_positions": "9", "price_collar_pct": 1}, defaults)
    assert (found.max_open_positions, found.max_exposure, found.price_collar_pct) == (9, 25_000, 1)


@pytest.mark.parametrize("value", ["NaN", "-1", "lots", "Infinity", "1e13"])
def test_a_limit_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAX_EXPOSURE", value)
    with pytest.raises(ValidationError):
        Settings()


def test_where_to_notify_must_be_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFILL_NOTIFY_URL", "hooks.example/canary")
    with pytest.raises(ConfigurationError, match="HOOKFILL_NOTIFY_URL") as refused:
        Settings().check()
    assert "canary" not in str(refused.value) + repr(Settings())


def test_in_production_the_metrics_token_is_no_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFILL_MODE", "production")
    monkeypatch.setenv("HMAC_SECRET", SECRET)
    monkeypatch.setenv("HOOKFILL_METRICS_TOKEN", "secret")
    with pytest.raises(ConfigurationError, match="METRICS_TOKEN"):
        Settings().check()
