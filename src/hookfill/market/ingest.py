"""Reads and validates batches of candles, all or nothing (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hookfill.kernel.money import MAX_PRICE, InvalidNumber, decimal_from
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.market.model import Candle
from hookfill.market.timeframes import InvalidTimeframe, bar_close, bar_seconds, normalize_timeframe

MOST_CANDLES = 50_000
MOST_ERRORS = 100
"""How many faults are listed; the first ones are enough to mend a batch."""
MAX_VOLUME = 2**63 - 1
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a batch: where (FastAPI's ``loc``) and what."""

    place: tuple[str | int, ...]
    text: str
    kind: str = "value_error"


class _Invalid(Exception):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name, self.text = name, text


def read_candles(payload: object, now: datetime) -> tuple[list[Candle], list[Fault]]:
    """Candles of a request body, and what is wrong with them; a batch with any fault must not be stored.

    Args:
        payload: parsed JSON: ``{"candles": [{symbol, timeframe, timestamp, open, high, low, close, volume}, …]}``.
        now: bars may open at most one bar after this moment (UTC).
    """
    if not isinstance(payload, dict):
        return [], [Fault(("body",), "Send a JSON object with a list named candles.", "model_attributes_type")]
    entries = payload.get("candles")
    if not isinstance(entries, list):
        return [], [Fault(("body", "candles"), "Send a list of candles.", "missing" if entries is None else "list_type")]
    if not 0 < len(entries) <= MOST_CANDLES:
        return [], [Fault(("body", "candles"), f"Send 1 to {MOST_CANDLES} candles in one request.", "too_long")]
    candles: list[Candle] = []
    faults: list[Fault] = []
    for index, entry in enumerate(entries):
        try:
            candles.append(read_candle(entry, now))
        except _Invalid as error:
            place = ("body", "candles", index, error.name) if error.name else ("body", "candles", index)
            faults.append(Fault(place, error.text))
            if len(faults) == MOST_ERRORS:
                break
    return candles, faults


def read_candle(entry: Mapping[str, Any], now: datetime) -> Candle:
    """One candle."""
    if not isinstance(entry, dict):
        raise _Invalid("", "A candle is an object.")
    symbol = _symbol(entry.get("symbol"))
    try:
        timeframe = normalize_timeframe(_present(entry, "timeframe"))
    except InvalidTimeframe as error:
        raise _Invalid("timeframe", str(error)) from None
    try:
        opened_at = parse_time(_present(entry, "timestamp"), "timestamp")
    except InvalidTime as error:
        raise _Invalid("timestamp", str(error)) from None
    if opened_at > now + timedelta(seconds=bar_seconds(timeframe)):
        raise _Invalid("timestamp", "The bar lies more than one bar in the future: send UTC, or the zone's offset with the time.")
    opening, high, low, close = (_price(entry, name) for name in _PRICES)
    _check_bounds(opening, high, low, close)
    volume = _volume(entry.get("volume"))
    return Candle(symbol, timeframe, opened_at, bar_close(timeframe, opened_at), opening, high, low, close, volume)


def _present(entry: Mapping[str, Any], name: str) -> Any:
    value = entry.get(name)
    if value is None:
        raise _Invalid(name, "This field is required.")
    return value


def _symbol(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 32:
        raise _Invalid("symbol", "Send a symbol of 1 to 32 characters.")
    return value.strip().upper()


def _price(entry: Mapping[str, Any], name: str) -> Decimal:
    try:
        price = decimal_from(_present(entry, name), name, limit=MAX_PRICE)
    except InvalidNumber as error:
        raise _Invalid(name, str(error)) from None
    if price <= 0:
        raise _Invalid(name, "A price must be greater than zero.")
    return price


def _check_bounds(opening: Decimal, high: Decimal, low: Decimal, close: Decimal) -> None:
    if high < low:
        raise _Invalid("high", "high must not be below low.")
    if not low <= opening <= high:
        raise _Invalid("open", "open must lie between low and high.")
    if not low <= close <= high:
        raise _Invalid("close", "close must lie between low and high.")


def _volume(value: object) -> int | None:
    if value is None:
        return None
    try:
        number = decimal_from(value, "volume", limit=Decimal(MAX_VOLUME))
    except InvalidNumber as error:
        raise _Invalid("volume", str(error)) from None
    if number < 0 or number != number.to_integral_value():
        raise _Invalid("volume", "volume must be a whole number of at least zero.")
    return int(number)
