"""What is asked for and answered about candles and quotes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from hookfill.api.models import Amount, Model
from hookfill.kernel.times import parse_time
from hookfill.market.reading import Cursor
from hookfill.market.series import Place
from hookfill.market.timeframes import normalize_timeframe


def _symbol(value: str) -> str:
    # As the door for candles reads it: upper case, without the exchange in front.
    symbol = value.strip().upper().rpartition(":")[2]
    if not 0 < len(symbol) <= 32 or not symbol.isprintable():
        raise ValueError("send a symbol of 1 to 32 printable characters, such as EURUSD")
    return symbol


def _moment(value: Any) -> datetime:
    return parse_time(value, "it", needs_zone=True)


CandleSymbol = Annotated[str, AfterValidator(_symbol), StringConstraints(max_length=64)]
"""As candles are stored: upper case, without the exchange in front."""
Timeframe = Annotated[str, AfterValidator(normalize_timeframe), StringConstraints(min_length=1, max_length=20)]
ZonedMoment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "maxLength": 40})]
"""Unix seconds or milliseconds, or ISO 8601 with a zone; 1990 to 2100. UTC."""


def _cursor(value: str) -> str:
    Cursor.parse(value)
    return value


def _place(value: str) -> str:
    Place.parse(value)
    return value


PlaceText = Annotated[str, AfterValidator(_place), StringConstraints(max_length=256)]
CursorText = Annotated[str, AfterValidator(_cursor), StringConstraints(max_length=32)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
"""``HH:MM``."""


MOST_SYMBOLS = 200


def split_symbols(text: str) -> list[str]:
    """Symbols that are separated by commas.

    Raises:
        ValueError: one of them is none, or they are too many.
    """
    parts = text.split(",", MOST_SYMBOLS)
    if len(parts) > MOST_SYMBOLS:
        raise ValueError(f"send at most {MOST_SYMBOLS} symbols in one request")
    return [_symbol(part) for part in parts]


def _symbols(value: str) -> str:
    split_symbols(value)
    return value


Symbols = Annotated[str, AfterValidator(_symbols), StringConstraints(min_length=1, max_length=8_000)]


class Bar(Model):
    """One bar."""

    timestamp: int = Field(description="When it opened, in milliseconds since 1970 (UTC).", examples=[1_770_292_800_000])
    open: Amount
    high: Amount
    low: Amount
    close: Amount
    volume: Annotated[int | None, Field(description="null: not told.")]


class StoredRange(Model):
    """Bars without a gap."""

    begins: datetime = Field(alias="from", description="When the first bar opened.")
    ends: datetime = Field(alias="to", description="When the last bar closed.")
    bars: int


class Gap(Model):
    """Where bars are missing although the market was open."""

    begins: datetime = Field(alias="from", description="When the bar before closed.")
    ends: datetime = Field(alias="to", description="When the bar behind opened.")
    missing_bars: int = Field(description="How many there would be by the market's calendar.")


class Series(Model):
    """What is stored of one symbol in one timeframe."""

    symbol: str
    timeframe: str
    bars: int = Field(description="Bars that this page tells of.")
    ranges: list[StoredRange]
    gaps: list[Gap]


class LastPrice(Model):
    """The last price of a symbol."""

    symbol: str
    price: Amount
    quoted_at: datetime = Field(
        description="When the price was true: of a bar its close, or when it became known if it had not closed."
    )
    age_seconds: float
    source: str = Field(description="candle, alert or agent.")
    bar: Annotated["QuoteBar | None", Field(description="The bar that it came from; null: it came from none.")]
    scope: Literal["everybody", "account"] = Field(
        description="account: the caller's own agent or alert told it, for this account alone."
    )
    account_id: Annotated[UUID | None, Field(description="Of scope account: whose.")]


class QuoteBar(Model):
    """The bar that a price came from."""

    seconds: int = Field(description="Its length.")
    low: Amount
    high: Amount
