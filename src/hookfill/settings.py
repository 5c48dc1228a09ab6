"""Every environment variable, its default and its meaning.

``docs/reference/settings.md`` is generated from this table.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hookfill.kernel.errors import ConfigurationError
from hookfill.ops.choices import AppMode, Feed, LogLevel, Mode, OptionFeed, Registration, StockFeed, Time
from hookfill.ops.notify import check_url
from hookfill.risk.model import Limits

__all__ = ["AppMode", "Feed", "LogLevel", "Mode", "OptionFeed", "Registration", "Settings", "StockFeed", "Time"]

PLACEHOLDERS = frozenset(
    {
        "change-this-to-another-secure-random-string-for-webhooks",
        "your-webhook-hmac-secret",
        "changeme",
        "change-me",
        "secret",
        "password",
        "your-secret",
        "test",
    }
)
"""Secrets that stand in published examples: as good as none."""
LEAST_SECRET_LENGTH = 16
LEAST_JWT_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 has at least 256 bits."""
DOOR_TOKENS = ("telemetry_token", "indicator_export_token", "metrics_token")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LIVE_SENTENCE = "I understand that this trades real money"


LIMITS = ("max_open_positions", "max_positions_per_symbol", "max_position_size", "max_exposure")
"""The limits whose defaults the environment may set."""


def _limit(name: str, says: str) -> Any:
    return Field(getattr(Limits(), name), ge=0, le=10**12, allow_inf_nan=False, description=f"{says} An account's own limit wins.")


class Settings(BaseSettings):
    """The settings of one process, read from the environment."""

    # Never by the fields' own names: HOME, HOST and PORT belong to others.
    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(
        None, repr=False, description="PostgreSQL 15 or newer; unset: the embedded server in HOOKFILL_HOME."
    )
    home: Path = Field(
        default_factory=lambda: user_data_path("hookfill", appauthor=False),
        validation_alias="HOOKFILL_HOME",
        description="Folder for the embedded database, the spool and the generated secrets.",
    )
    host: str = Field("127.0.0.1", validation_alias="HOOKFILL_HOST", description="Address to listen on.")
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias="HOOKFILL_PORT",
        description="Port to listen on; 0: any free one.",
    )
    base_url: str | None = Field(
        None,
        validation_alias=AliasChoices("HOOKFILL_BASE_URL", "BASE_URL"),
        description="How the outside reaches this server (https://…); used in webhook URLs. Unset: the address it listens on.",
    )
    mode: Mode = Field(
        Mode.DEVELOPMENT,
        validation_alias="HOOKFILL_MODE",
        description="production refuses to start without HMAC_SECRET, with a placeholder as a secret, or on simulated time.",
    )
    time: Time = Field(
        Time.WALL,
        validation_alias="HOOKFILL_TIME",
        description="messages: demo and test servers take the time from the messages (X-Hookfill-Time or the alert's own).",
    )
    hmac_secret: SecretStr | None = Field(
        None, description="Signs POST /webhook; with it set, a message needs a valid signature or this secret in its body."
    )
    mt5_api_key: SecretStr | None = Field(
        None, description="API key of POST /api/v1/candles; unset: one is generated and shown by `hookfill token`."
    )
    telemetry_token: SecretStr | None = Field(
        None,
        description="What POST /api/automated-signals/webhook asks for, as ?token=… or in X-Telemetry-Token; unset: nothing.",
    )
    indicator_export_token: SecretStr | None = Field(
        None, description="What POST /api/indicator-export asks for, as ?token=… or in X-Indicator-Token; unset: nothing."
    )
    auto_repair: bool = Field(
        False,
        description="Repair malformed messages by the trusted rules as they come in; what came is kept beside what was made of it.",
    )
    candle_requests_per_minute: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        validation_alias="HOOKFILL_CANDLE_REQUESTS_PER_MINUTE",
        description="How many batches each key may push to POST /api/v1/candles within a minute; unset: any number.",
    )
    owner_token: SecretStr | None = Field(
        None,
        validation_alias="HOOKFILL_OWNER_TOKEN",
        description="The owner's bearer token; unset: one is generated and shown by `hookfill token`.",
    )
    registration: Registration = Field(
        Registration.INVITATION,
        description="Who may register after the first user, who becomes the owner: invitation (of the owner's), or open.",
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Signs access tokens (HS256); the same on every node. Unset: one is generated in HOOKFILL_HOME."
    )
    supabase_jwt_secret: SecretStr | None = Field(
        None, description="A Supabase project's JWT secret: its access tokens (HS256, audience authenticated) are accepted."
    )
    supabase_jwks: str | None = Field(
        None, description="File or https URL of a project's public keys (JWKS): its access tokens (RS256, ES256) are accepted."
    )
    supabase_issuer: str | None = Field(
        None, description="What iss of those tokens must be, such as https://ID.supabase.co/auth/v1; unset: it is not looked at."
    )
    supabase_auto_create: bool = Field(
        False,
        description="Make a user of whoever first comes with such a token (guests excepted); REGISTRATION=open does so too.",
    )
    credentials_key: SecretStr | None = Field(
        None,
        validation_alias="HOOKFILL_CREDENTIALS_KEY",
        description="Encrypts broker credentials; the same on every node. A new key is put before the old one, with a comma. "
        "Unset: one is generated in HOOKFILL_HOME.",
    )
    cors_origins: str = Field(
        "",
        validation_alias="HOOKFILL_CORS_ORIGINS",
        description="Origins, separated by commas, whose pages may call the API; * for all.",
    )
    allow_unsafe_database: bool = Field(
        False,
        validation_alias="HOOKFILL_ALLOW_UNSAFE_DATABASE",
        description="Run although fsync, full_page_writes or synchronous_commit is off; acknowledged alerts may then be lost.",
    )
    log_level: LogLevel = Field(
        LogLevel.INFO,
        validation_alias="HOOKFILL_LOG_LEVEL",
        description="What is logged to standard error: debug, info, warning or error, and what is graver.",
    )
    spool_max_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        validation_alias="HOOKFILL_SPOOL_MAX_BYTES",
        description="How much the local spool may hold while the database does not answer.",
    )
    journal_silent_minutes: int = Field(
        10,
        ge=2,
        le=10_080,
        validation_alias="HOOKFILL_JOURNAL_SILENT_MINUTES",
        description="How long an indicator that sends heartbeats may tell nothing, while its market is open, without an alarm.",
    )
    desk_concurrency: int = Field(
        4,
        ge=1,
        le=64,
        validation_alias="HOOKFILL_DESK_CONCURRENCY",
        description="How many accounts one worker process decides for at the same time.",
    )
    ab_split_percentage: int = Field(
        50,
        ge=0,
        le=100,
        description="Percent of the signals of strategies with the engine ab that engine B, the council, acts on while the flag "
        "enable_variant_b is on; while it is off, none.",
    )
    alpaca_live_confirmation: str = Field(
        "",
        description=f'What must be typed, with APP_MODE=LIVE, before real money is traded at Alpaca: "{LIVE_SENTENCE}".',
    )
    alpaca_paper_url: str = Field("https://paper-api.alpaca.markets", description="Where Alpaca's paper accounts are traded.")
    alpaca_live_url: str = Field("https://api.alpaca.markets", description="Where Alpaca's other accounts are traded.")
    market_feed: Feed = Field(
        Feed.STORED,
        description="stored: what is pushed is all there is. alpaca: bars, quotes and option chains also come from Alpaca, for the "
        "symbols that positions, orders and recent signals are about; needs ALPACA_API_KEY and ALPACA_SECRET_KEY.",
    )
    alpaca_api_key: SecretStr | None = Field(None, description="Key id at Alpaca: of the market feed, for the whole installation.")
    alpaca_secret_key: SecretStr | None = Field(None, description="The secret that belongs to ALPACA_API_KEY.")
    alpaca_data_url: str = Field("https://data.alpaca.markets", description="Where Alpaca's market data is asked for.")
    alpaca_stock_feed: StockFeed = Field(
        StockFeed.IEX,
        description="What the subscription covers: iex (free, one exchange), sip (all exchanges), delayed_sip (15 minutes late).",
    )
    alpaca_option_feed: OptionFeed = Field(
        OptionFeed.INDICATIVE,
        description="indicative: free and delayed, so that no order at a broker is priced by it; opra: the real quotes.",
    )
    alpaca_contracts_url: str = Field(
        "https://paper-api.alpaca.markets",
        description="Where Alpaca's list of option contracts and their open interest is asked for; with a live account's keys "
        "https://api.alpaca.markets.",
    )
    alpaca_quote_seconds: int = Field(
        5,
        ge=0,
        le=3_600,
        description="How often newest prices are asked for. 0: never; positions are then judged by whole minutes, which sees "
        "prices that were there for a moment only, but up to a minute late.",
    )
    alpaca_requests_per_minute: int = Field(
        150, ge=1, le=10_000, description="How many requests the market feed makes at most; Alpaca's free plan allows 200."
    )
    app_mode: AppMode = Field(
        AppMode.PAPER,
        description="LIVE: accounts at Alpaca that are no paper accounts may be traded, if ALPACA_LIVE_CONFIRMATION says so, too.",
    )
    max_open_positions: Decimal = _limit("max_open_positions", "Open positions of an account.")
    max_positions_per_symbol: Decimal = _limit("max_positions_per_symbol", "Open positions of an account in one symbol.")
    max_position_size: Decimal = _limit("max_position_size", "Contracts or lots of one position.")
    max_exposure: Decimal = _limit("max_exposure", "Capital that positions and open orders commit, in the account's currency.")
    max_hold_days: int = Field(
        5,
        ge=1,
        le=365,
        description="Days after which the signed webhook's strategy, as it is made at the first start, leaves a position.",
    )
    notify_url: SecretStr | None = Field(
        None,
        validation_alias="HOOKFILL_NOTIFY_URL",
        description="Where alarms are told, by POST of a JSON document; redirects are not followed. Unset: nowhere but in the API.",
    )
    notify_private: bool = Field(
        False, validation_alias="HOOKFILL_NOTIFY_PRIVATE", description="HOOKFILL_NOTIFY_URL may stand in a private network."
    )
    metrics_token: SecretStr | None = Field(
        None,
        validation_alias="HOOKFILL_METRICS_TOKEN",
        description="What GET /metrics asks for in `Authorization: Bearer …`; unset: nothing.",
    )
    node_env: str | None = Field(
        None, description="production counts as HOOKFILL_MODE=production where that is unset; all else means nothing here."
    )
    redis_url: SecretStr | None = Field(None, description="Not used: PostgreSQL keeps and wakes. Set, it is mentioned in the log.")

    @model_validator(mode="after")
    def _heed_node_env(self) -> "Settings":
        if "mode" not in self.model_fields_set and (self.node_env or "").lower() == Mode.PRODUCTION:
            self.mode = Mode.PRODUCTION
        return self

    def check(self) -> None:
        """Refuse what is unsafe.

        Raises:
            ConfigurationError: a key too short for its algorithm; a market feed without its keys, or on simulated time; production
                mode without a proper secret, or on simulated time.
        """
        for name in ("jwt_secret", "supabase_jwt_secret"):
            _check_key(name.upper(), getattr(self, name))
        self._check_feed()
        self._check_trading()
        if self.notify_url is not None:
            check_url(self.notify_url.get_secret_value())
        if self.mode is not Mode.PRODUCTION:
            return
        if self.time is Time.MESSAGES:
            raise ConfigurationError("Simulated time is for demos and tests: unset HOOKFILL_TIME, or HOOKFILL_MODE=production.")
        if self.hmac_secret is None:
            raise ConfigurationError("Production mode needs HMAC_SECRET: set it to a long random text (openssl rand -hex 32).")
        for name in (
            "hmac_secret",
            "mt5_api_key",
            "owner_token",
            "jwt_secret",
            "supabase_jwt_secret",
            "metrics_token",
            *DOOR_TOKENS,
        ):
            _check_secret(name.upper(), getattr(self, name))
        if (self.supabase_jwks or "").startswith("http://") and urlsplit(self.supabase_jwks).hostname not in LOOPBACK:
            raise ConfigurationError("SUPABASE_JWKS comes unprotected, so anybody on the way could name the keys: use https://.")

    def _check_feed(self) -> None:
        if self.market_feed is Feed.STORED:
            return
        if self.alpaca_api_key is None or self.alpaca_secret_key is None:
            raise ConfigurationError(
                "MARKET_FEED=alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY: set both, or MARKET_FEED=stored."
            )
        if self.time is Time.MESSAGES:
            raise ConfigurationError("Alpaca's prices are of today, not of the messages' time: unset HOOKFILL_TIME or MARKET_FEED.")
        for name in ("alpaca_data_url", "alpaca_contracts_url"):
            self._check_url(name)

    def _check_trading(self) -> None:
        for name in ("alpaca_paper_url", "alpaca_live_url"):
            self._check_url(name)
        if self.alpaca_live_confirmation and self.alpaca_live_confirmation != LIVE_SENTENCE:
            raise ConfigurationError(f'ALPACA_LIVE_CONFIRMATION is not the sentence that it must be: "{LIVE_SENTENCE}".')

    def _check_url(self, name: str) -> None:
        parts = urlsplit(getattr(self, name))
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise ConfigurationError(f"{name.upper()} must begin with https://, since the keys go with every request.")

    @property
    def trades_live(self) -> bool:
        """Whether real money may be traded: the mode says so, somebody has typed the sentence, and the time is the clock's."""
        return self.app_mode is AppMode.LIVE and self.alpaca_live_confirmation == LIVE_SENTENCE and not self.is_simulated

    @property
    def is_simulated(self) -> bool:
        """Whether messages carry the time."""
        return self.time is Time.MESSAGES

    @property
    def limits(self) -> Limits:
        """What an account's limits are where it has none of its own."""
        return Limits(**{name: getattr(self, name) for name in LIMITS})

    @property
    def notes(self) -> list[str]:
        """What somebody should know who set this environment up, to be logged at the start."""
        if self.redis_url is None:
            return []
        return ["REDIS_URL is set and not used: PostgreSQL keeps what is to be kept and wakes who is to be woken."]


def _check_key(name: str, value: SecretStr | None) -> None:
    if value is not None and len(value.get_secret_value().encode()) < LEAST_JWT_SECRET_BYTES:
        raise ConfigurationError(
            f"{name} is shorter than {LEAST_JWT_SECRET_BYTES} bytes, too short for HS256: "
            "use a long random text (openssl rand -hex 32)."
        )


def _check_secret(name: str, value: SecretStr | None) -> None:
    if value is None:
        return
    text = value.get_secret_value()
    if text.lower() in PLACEHOLDERS or len(text) < LEAST_SECRET_LENGTH:
        raise ConfigurationError(
            f"{name} is a placeholder or shorter than {LEAST_SECRET_LENGTH} characters: "
            "use a long random text (openssl rand -hex 32)."
        )
