"""Reads the rows of an export batch (pure).

A row that lacks something required, or holds what can't be read, is skipped with its reason, and the others go in. What an
indicator writes for "nothing" (null, empty text, NaN and the like) is nothing, in any field.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hookfill.exports.envelope import ALL_SIGNALS, CONFIRMED_SIGNALS
from hookfill.exports.model import TIME_ZONE, Kind, Ledger, Reading, Row, Skipped
from hookfill.kernel.money import InvalidNumber, as_price, decimal_from
from hookfill.kernel.reasons import Reason
from hookfill.kernel.times import EARLIEST, LATEST, InvalidTime, parse_time

NEW_YORK = ZoneInfo(TIME_ZONE)
LONGEST_TRADE_ID = 100
LONGEST_TEXT = 40
CONFIRMED = Ledger(
    event_type=CONFIRMED_SIGNALS,
    fields={
        "triangle_time": Kind.MOMENT,
        "confirmation_time": Kind.MOMENT,
        "date": Kind.DAY,
        "direction": Kind.DIRECTION,
        "session": Kind.TEXT,
        "age": Kind.NUMBER,
        "entry": Kind.NUMBER,
        "stop": Kind.NUMBER,
        "be_mfe": Kind.NUMBER,
        "no_be_mfe": Kind.NUMBER,
        "mae": Kind.NUMBER,
        "completed": Kind.FLAG,
    },
    required=frozenset({"triangle_time", "direction"}),
    moment="triangle_time",
)
ALL = Ledger(
    event_type=ALL_SIGNALS,
    fields={
        "signal_time": Kind.MOMENT,
        "confirmation_time": Kind.MOMENT,
        "direction": Kind.DIRECTION,
        "status": Kind.TEXT,
        "bars_to_confirm": Kind.NUMBER,
        "entry": Kind.NUMBER,
        "stop": Kind.NUMBER,
        "risk": Kind.NUMBER,
        "htf_daily": Kind.TEXT,
        "htf_4h": Kind.TEXT,
        "htf_1h": Kind.TEXT,
        "htf_15m": Kind.TEXT,
        "htf_5m": Kind.TEXT,
        "htf_1m": Kind.TEXT,
    },
    required=frozenset({"direction", "status", "signal_time"}),
    moment="signal_time",
)
LEDGERS = {ledger.event_type: ledger for ledger in (CONFIRMED, ALL)}
_NOTHING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_DIRECTIONS = dict.fromkeys(("BULLISH", "BULL", "LONG", "BUY"), "Bullish") | dict.fromkeys(
    ("BEARISH", "BEAR", "SHORT", "SELL"), "Bearish"
)
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class _Unusable(Exception):
    """A row can't be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_rows(ledger: Ledger, signals: list[Any]) -> Reading:
    """Read a batch's ``signals``: exact JSON values, numbers as ``int`` or ``Decimal``."""
    rows: list[Row] = []
    skipped: list[Skipped] = []
    for index, signal in enumerate(signals):
        try:
            rows.append(_row(ledger, index, signal))
        except _Unusable as fault:
            skipped.append(Skipped(index, fault.reason, fault.detail, _told_id(signal)))
    return Reading(tuple(rows), tuple(skipped))


def trade_id_of(at: datetime, direction: str) -> str:
    """The id that the indicator gives a trade: its signal bar's time in New York, and its direction."""
    return f"{at.astimezone(NEW_YORK):%Y%m%d_%H%M%S}000_{direction.upper()}"


def signal_date(at: datetime) -> date:
    """The New York day that a moment belongs to."""
    return at.astimezone(NEW_YORK).date()


def _row(ledger: Ledger, index: int, signal: Any) -> Row:
    if not isinstance(signal, dict):
        raise _Unusable(Reason.ROW_NOT_OBJECT, "send one object for each signal")
    values = {}
    for name, kind in ledger.fields.items():
        told = signal.get(name)
        if told is None or (isinstance(told, str) and told.strip().lower() in _NOTHING):
            if name in ledger.required:
                raise _Unusable(Reason.FIELD_MISSING, f"{name} is missing")
            continue
        value = _READERS[kind](told, name)
        if value is not None:
            values[name] = value
        elif name in ledger.required:
            raise _Unusable(Reason.FIELD_MISSING, f"{name} is 0")
    trade_id = _trade_id(ledger, signal, values)
    return Row(index, trade_id, values, _mended(values))


def _mended(values: dict[str, Any]) -> str | None:
    """Put right what can only be meant otherwise: an adverse move is never above zero. What was done, in words."""
    mae = values.get("mae")
    if mae is None or mae <= 0:
        return None
    values["mae"] = Decimal(0)
    return f"mae was {mae:f}: an adverse move is at most 0, so 0 was taken"


def _trade_id(ledger: Ledger, signal: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    told = signal.get("trade_id")
    if told is None or (isinstance(told, str) and told.strip().lower() in _NOTHING):
        if ledger is CONFIRMED:
            return trade_id_of(values["triangle_time"], values["direction"])
        raise _Unusable(Reason.FIELD_MISSING, "trade_id is missing")
    return _text(told, "trade_id", LONGEST_TRADE_ID)


def _told_id(signal: Any) -> str | None:
    told = signal.get("trade_id") if isinstance(signal, dict) else None
    return told[:LONGEST_TRADE_ID] if isinstance(told, str) else None


def _text(told: Any, name: str, longest: int = LONGEST_TEXT) -> str:
    """One line; a number is its text (bias fields of some versions hold 1 and -1)."""
    if isinstance(told, bool) or not isinstance(told, str | int | Decimal):
        raise _Unusable(Reason.FIELD_INVALID, f"{name} must be text")
    text = told.strip() if isinstance(told, str) else format(told, "f" if isinstance(told, Decimal) else "d")
    if len(text) > longest or not text.isprintable():
        raise _Unusable(Reason.FIELD_INVALID, f"{name} must be one line of at most {longest} characters")
    return text


def _direction(told: Any, name: str) -> str:
    found = _DIRECTIONS.get(told.strip().upper()) if isinstance(told, str) else None
    if found is None:
        raise _Unusable(Reason.FIELD_INVALID, f"{name} must be Bullish or Bearish")
    return found


def _number(told: Any, name: str) -> Decimal:
    try:
        return as_price(decimal_from(told.strip() if isinstance(told, str) else told, name)).normalize()
    except InvalidNumber as error:
        raise _Unusable(Reason.NUMBER_INVALID, str(error)) from None


def _moment(told: Any, name: str) -> datetime | None:
    """A moment; 0 is how some versions say that there is none."""
    try:
        return None if told in (0, "0") else parse_time(told, name, needs_zone=True)
    except InvalidTime as error:
        raise _Unusable(Reason.TIME_INVALID, str(error)) from None


def _day(told: Any, name: str) -> date:
    """A date as ISO 8601 text or as digits (20251217), or a moment, whose New York date is meant."""
    text = str(told).strip() if isinstance(told, str | int) and not isinstance(told, bool) else ""
    if len(text) in (8, 10) and not (len(text) == 10 and text.isdecimal()):
        try:
            found = date.fromisoformat(text)
        except ValueError:
            raise _Unusable(Reason.TIME_INVALID, f"{name} is no date; send one such as 2025-12-17") from None
        if not EARLIEST.date() <= found < LATEST.date():
            raise _Unusable(Reason.TIME_INVALID, f"{name} lies outside 1990 to 2100")
        return found
    try:
        return signal_date(parse_time(told, name, needs_zone=True).astimezone(UTC))
    except InvalidTime as error:
        raise _Unusable(Reason.TIME_INVALID, str(error)) from None


def _flag(told: Any, name: str) -> bool:
    found = told if isinstance(told, bool) else _FLAGS.get(str(told).strip().lower()) if isinstance(told, str | int) else None
    if found is None:
        raise _Unusable(Reason.FIELD_INVALID, f"{name} must be true or false")
    return found


_READERS: dict[Kind, Callable[[Any, str], Any]] = {
    Kind.MOMENT: _moment,
    Kind.DAY: _day,
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.DIRECTION: _direction,
    Kind.FLAG: _flag,
}
