"""What is sent, as bytes: alerts, batches of candles; and knowing an alert again."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from numbers import Integral, Real
from typing import Any

from hookfill.client.errors import InvalidArgument
from hookfill.client.model import Candle, SentAlert, Signal
from hookfill.client.retries import DUPLICATE_SECONDS
from hookfill.kernel import exact_json
from hookfill.kernel.strict_json import StrictJsonError, loads

AlertBody = bytes | str | Mapping[str, Any]
_FIELDS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")
_MASK = "***"


def alert_bytes(body: AlertBody) -> bytes:
    """An alert to the byte; a mapping becomes JSON, once, so that every attempt sends the same."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return _json(dict(body), "body")


def batches(candles: Iterable[Candle | Mapping[str, Any]], size: int) -> Iterator[list[Candle | Mapping[str, Any]]]:
    """The candles, so many at a time, taken only when it is their turn."""
    remaining = iter(candles)
    while some := list(islice(remaining, size)):
        yield some


def candle_bytes(candles: Iterable[Candle | Mapping[str, Any]], *, revise: bool) -> bytes:
    """A batch's body."""
    entries = [_candle(candle) for candle in candles]
    return _json({"candles": entries} | ({"revise": True} if revise else {}), "candles")


def _candle(candle: Candle | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(candle, Candle):
        return {name: _plain(getattr(candle, name)) for name in _FIELDS}
    return {name: _plain(value) for name, value in candle.items()}


def _plain(value: Any) -> Any:
    """Numbers and times of numpy, pandas and their like as Python's own; everything else as it is."""
    if value is None or type(value) in {Decimal, str, int, float}:
        return value
    if isinstance(value, datetime):
        return zoned(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def zoned(moment: datetime) -> str:
    """A moment as it is sent.

    Raises:
        InvalidArgument: it has no zone.
    """
    if moment.tzinfo is None:
        raise InvalidArgument("A time has no zone: give it one, such as moment.replace(tzinfo=UTC).")
    return moment.astimezone(UTC).isoformat()


def _json(value: Any, name: str) -> bytes:
    try:
        return exact_json.dumps(value)
    except TypeError as error:  # orjson's too; it names the type, and the value only if we do
        raise InvalidArgument(f"{name} can't be written as JSON: use text, numbers, Decimal, times, lists and mappings.") from error


def is_alert_of(signal: Signal, sent: SentAlert) -> bool:
    """Whether a signal came of an alert that was sent: the same body, and not older than what it could be a duplicate of."""
    if signal.created_at < sent.sent_at - timedelta(seconds=DUPLICATE_SECONDS):
        return False
    try:
        body = loads(sent.body)
    except StrictJsonError:
        body = sent.body.decode(errors="replace")
    return _is_same(body, signal.raw_payload)


def _is_same(sent: Any, kept: Any) -> bool:
    """Alike but for secrets, which the server masks."""
    if kept == _MASK:
        return True
    if isinstance(sent, dict) and isinstance(kept, dict):
        return sent.keys() == kept.keys() and all(_is_same(value, kept[name]) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(kept, list):
        return len(sent) == len(kept) and all(map(_is_same, sent, kept))
    return bool(sent == kept)
