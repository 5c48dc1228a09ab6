"""What settings may be set to, where that is one of a few."""

from enum import StrEnum


class Mode(StrEnum):
    """How strict the server is about its own safety."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Time(StrEnum):
    """Where the time that decisions are made at comes from."""

    WALL = "wall"
    MESSAGES = "messages"


class AppMode(StrEnum):
    """Whether orders may trade real money."""

    PAPER = "PAPER"
    LIVE = "LIVE"

    @classmethod
    def _missing_(cls, value: object) -> "AppMode | None":
        return next((mode for mode in cls if mode.value == str(value).upper()), None)


class Registration(StrEnum):
    """Who may register after the first user."""

    INVITATION = "invitation"
    OPEN = "open"


class Feed(StrEnum):
    """Where market data comes from beside what is pushed."""

    STORED = "stored"
    ALPACA = "alpaca"


class StockFeed(StrEnum):
    """Whose prices of shares Alpaca is asked for."""

    IEX = "iex"
    SIP = "sip"
    DELAYED_SIP = "delayed_sip"


class OptionFeed(StrEnum):
    """Whose prices of options Alpaca is asked for."""

    INDICATIVE = "indicative"
    OPRA = "opra"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @classmethod
    def _missing_(cls, value: object) -> "LogLevel | None":
        return next((level for level in cls if level.value == str(value).lower()), None)
