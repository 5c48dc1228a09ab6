"""Reads and validates batches of candles, all or nothing (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from hookfill.kernel.json_pieces import read_object
from hookfill.kernel.money import MAX_PRICE, PRICE_STEP, InvalidNumber, as_price, decimal_from
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.market.model import Candle
from hookfill.market.timeframes import InvalidTimeframe, bar_close, normalize_timeframe

MOST_CANDLES = 50_000
MOST_ERRORS = 100
"""How many faults are listed; the first ones are enough to mend a batch."""
MAX_VOLUME = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOGETHER = 500
"""How many bars are held as such while a large batch is read."""


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


class _TooManyError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Batch:
    """What a request brings.

    Attributes:
        candles: the sound bars, in order.
        faults: what is wrong; a batch with any must not be stored.
        revise: whether the last bars may be replaced, or the indices of those that may.
    """

    candles: list[Candle]
    faults: list[Fault]
    revise: bool | frozenset[int] = False


def read_candles(payload: object, now: datetime) -> tuple[list[Candle], list[Fault]]:
    """Candles of a request body, and what is wrong with them; a batch with any fault must not be stored.

    Args:
        payload: parsed JSON: ``{"candles": [{symbol, timeframe, timestamp, open, high, low, close, volume}, …]}``.
        now: bars may open at most one bar after this moment (UTC).
    """
    batch = read_batch(payload, now)
    return batch.candles, batch.faults


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request brings, as it goes on to PostgreSQL; the bars themselves would take several times as much memory.

    Attributes:
        text: the sound bars, in order, as ``as_json`` writes them.
        faults: what is wrong; a batch with any must not be stored.
        revise: whether the last bars may be replaced, or the indices of those that may.
        closes_at: when the last of the bars closes (UTC); None without any.
    """

    text: bytearray
    faults: list[Fault]
    revise: bool | frozenset[int] = False
    closes_at: datetime | None = None


def read_body(body: bytes, now: datetime) -> Reading:
    """The same from the request's own bytes, of which little more than the bytes is in memory at any time.

    Raises:
        StrictJsonError: they are not strict JSON; or a candle is longer than ``json_pieces.MOST_CHARACTERS``.
    """
    reader, text, closes_at = _Reader(now), bytearray(b"["), _EPOCH

    def take(entry: object) -> None:
        reader.take(entry)
        if reader.count > MOST_CANDLES:
            raise _TooManyError
        if len(reader.candles) >= _TOGETHER:
            write()

    def write() -> None:
        nonlocal closes_at
        if reader.candles:
            text.extend(b"," * (len(text) > 1) + bars_as_json(reader.candles))
            closes_at = max(closes_at, *(candle.closes_at for candle in reader.candles))
            reader.candles.clear()

    try:
        document = read_object(body, "candles", take)
    except _TooManyError:
        document = {"candles": []}  # what follows changes nothing about it
    batch = reader.finish(document)
    write()
    return Reading(text + b"]", batch.faults, batch.revise, closes_at if len(text) > 1 else None)


def read_batch(payload: object, now: datetime) -> Batch:
    """The same, with what the sender says of revising: ``"revise": true`` beside the list, or in a candle."""
    reader = _Reader(now)
    entries = payload.get("candles") if isinstance(payload, dict) else None
    if isinstance(entries, list) and len(entries) <= MOST_CANDLES:
        for entry in entries:
            reader.take(entry)
    elif isinstance(entries, list):
        reader.count = len(entries)
    return reader.finish(payload)


class _Reader:
    """Judges candles as they come, one by one."""

    def __init__(self, now: datetime) -> None:
        self.candles: list[Candle] = []
        self.count = 0
        self._now = now
        self._faults: list[Fault] = []
        self._revised: set[int] = set()

    def take(self, entry: Any) -> None:
        """Read one; when enough is wrong, the others are only counted."""
        index = self.count
        self.count += 1
        if len(self._faults) >= MOST_ERRORS or self.count > MOST_CANDLES:
            return
        try:
            candle = read_candle(entry, self._now)
            if _flag(entry.get("revise")):
                self._revised.add(index)
            self.candles.append(candle)
        except _Invalid as error:
            place = ("body", "candles", index, error.name) if error.name else ("body", "candles", index)
            self._faults.append(Fault(place, error.text))

    def finish(self, payload: object) -> Batch:
        """Judge what stands around them."""
        if not isinstance(payload, dict):
            return Batch([], [Fault(("body",), "Send a JSON object with a list named candles.", "model_attributes_type")])
        entries = payload.get("candles")
        if not isinstance(entries, list):
            kind = "missing" if entries is None else "list_type"
            return Batch([], [Fault(("body", "candles"), "Send a list of candles.", kind)])
        if not 0 < self.count <= MOST_CANDLES:
            return Batch([], [Fault(("body", "candles"), f"Send 1 to {MOST_CANDLES} candles in one request.", "too_long")])
        revise_all, faults = False, self._faults
        try:
            revise_all = _flag(payload.get("revise"))
        except _Invalid as error:
            faults = [Fault(("body", error.name), error.text), *faults][:MOST_ERRORS]
        return Batch(self.candles, faults, revise_all or (frozenset(self._revised) if self._revised else False))


def as_json(candles: Sequence[Candle]) -> bytes:
    """Candles as the JSON array that PostgreSQL takes apart; numbers exactly."""
    return b"[" + bars_as_json(candles) + b"]"


def bars_as_json(candles: Sequence[Candle]) -> bytes:
    """The same without its brackets."""
    names = {name: orjson.dumps(name).decode() for name in {candle.symbol for candle in candles}}
    bars = [
        f'{{"symbol":{names[c.symbol]},"timeframe":"{c.timeframe}","timestamp":"{c.opened_at.isoformat()}","open":{c.open},'
        f'"high":{c.high},"low":{c.low},"close":{c.close},"volume":{"null" if c.volume is None else c.volume}}}'
        for c in candles
    ]
    return ",".join(bars).encode()


def read_candle(entry: Mapping[str, Any], now: datetime) -> Candle:
    """One candle."""
    if not isinstance(entry, dict):
        raise _Invalid("", "A candle is an object.")
    get = entry.get
    symbol = _symbol(get("symbol"))
    timeframe = _timeframe(get("timeframe"))
    opened_at = _opened_at(get("timestamp"))
    closes_at = bar_close(timeframe, opened_at)
    if opened_at - now > closes_at - opened_at:
        raise _Invalid("timestamp", "The bar lies more than one bar in the future: send UTC, or the zone's offset with the time.")
    opening = _price(get("open"), "open")
    high = _price(get("high"), "high")
    low = _price(get("low"), "low")
    close = _price(get("close"), "close")
    if not (low <= opening <= high and low <= close <= high):
        _check_bounds(opening, high, low, close)
    volume = _volume(get("volume"))
    opened_at, closes_at = _bar_open(timeframe, opened_at), _bar_open(timeframe, closes_at)
    return Candle(symbol, timeframe, opened_at, closes_at, opening, high, low, close, volume)


_MISSING = "This field is required."


@lru_cache(maxsize=1024)
def _known_timeframe(text: str | int) -> str:
    return normalize_timeframe(text)


def _timeframe(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Invalid("timeframe", _MISSING if value is None else "Send a timeframe such as M1, 5 or 1h.")
    try:
        return _known_timeframe(value)
    except InvalidTimeframe as error:
        raise _Invalid("timeframe", str(error)) from None


def _opened_at(value: object) -> datetime:
    if value is None:
        raise _Invalid("timestamp", _MISSING)
    try:
        return parse_time(value, "timestamp", needs_zone=True)
    except InvalidTime as error:
        raise _Invalid("timestamp", str(error)) from None


_GRIDS = {"M5": 300, "M15": 900}
_MINUTE = 60


def _bar_open(timeframe: str, moment: datetime) -> datetime:
    """When the bar opened whose sender told a moment within it.

    Bars of up to 15 minutes open on the same minutes in every zone and at every exchange. Longer ones need not: hours of a share
    begin at 09:30, half-hours of some exchanges at 09:15, days at a broker's own midnight. Of those only the seconds are dropped.
    """
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    past = seconds % _GRIDS.get(timeframe, _MINUTE)
    return moment if not past and not moment.microsecond else _EPOCH + timedelta(seconds=seconds - past)


def _flag(value: object) -> bool:
    if value is not None and not isinstance(value, bool):
        raise _Invalid("revise", "revise must be true or false.")
    return value is True


def _symbol(value: object) -> str:
    # Without the exchange in front, as alerts name it.
    symbol = value.strip().upper().rpartition(":")[2] if isinstance(value, str) else ""
    if not 0 < len(symbol) <= 32:
        raise _Invalid("symbol", _MISSING if value is None else "Send a symbol of 1 to 32 characters.")
    return symbol


def _price(value: object, name: str) -> Decimal:
    # The common case of what strict JSON brings, without the detours.
    if type(value) is Decimal and value.is_finite() and PRICE_STEP <= value < MAX_PRICE:
        price = value
    elif value is None:
        raise _Invalid(name, _MISSING)
    else:
        try:
            price = decimal_from(value, name, limit=MAX_PRICE)
        except InvalidNumber as error:
            raise _Invalid(name, str(error)) from None
    rounded = as_price(price)  # doubles come with up to 17 digits
    if not PRICE_STEP <= rounded < MAX_PRICE:
        least = "greater than zero" if price <= 0 else f"at least {PRICE_STEP:f}"
        raise _Invalid(name, f"A price must be {least} and below {MAX_PRICE:f}.")
    return price if rounded == price else rounded


def _check_bounds(opening: Decimal, high: Decimal, low: Decimal, close: Decimal) -> None:
    if high < low:
        raise _Invalid("high", "high must not be below low.")
    if not low <= opening <= high:
        raise _Invalid("open", "open must lie between low and high.")
    if not low <= close <= high:
        raise _Invalid("close", "close must lie between low and high.")


def _volume(value: object) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_VOLUME):
        return value
    try:
        number = decimal_from(value, "volume", limit=Decimal(MAX_VOLUME))
    except InvalidNumber as error:
        raise _Invalid("volume", str(error)) from None
    if number < 0 or number != number.to_integral_value():
        raise _Invalid("volume", "volume must be a whole number of at least zero.")
    return int(number)
