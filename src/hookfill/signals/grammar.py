"""From the bytes of a webhook to an ``Alert``: whatever TradingView users write, understood or refused with its reason.

Accepted are JSON in the field names of the common receivers (TradersPost, 3Commas, OpenAlgo and TradingView's own placeholders),
form-encoded bodies, and plain text (see ``text``). Nothing is guessed that could trade the wrong way round.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.signals.actions import AlertRefused, Verb, combine, squash, verb_of
from hookfill.signals.fields import (
    Found,
    collect,
    first_of,
    read_expiration,
    read_level,
    read_moment,
    read_price,
    read_quantity,
    read_seconds,
    read_symbol,
    read_text,
)
from hookfill.signals.model import Action, Alert, Malformed, OptionAsk, Unusable
from hookfill.signals.targets import Position, Source, Wish, resolve
from hookfill.signals.text import fields_from_text
from hookfill.signals.waiting import DAY, MARKET, read_waiting

_BOM = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n\v\f"
_PLACEHOLDER = re.compile(rb"\{\{[a-z]")
_LONGEST_ID = 200
_PLAIN_UNITS = frozenset({"base", "fixedquantity", "fixed", "contracts", "shares", "lots", "units", "quantity", "qty"})
_SIDES = {
    "long": 1, "buy": 1, "bullish": 1, "bull": 1,
    "flat": 0, "none": 0, "neutral": 0,
    "short": -1, "sell": -1, "bearish": -1, "bear": -1,
}  # fmt: skip


def parse_alert(body: bytes) -> Alert | Unusable | Malformed:
    """Understand a webhook's body. Never raises.

    Returns:
        The alert; or ``Unusable`` when it can be read but not acted on; or ``Malformed`` when it can't be read.
    """
    document = read_document(body)
    if isinstance(document, Malformed):
        return document
    return _understand_text(document) if isinstance(document, str) else _understand(document)


def read_document(body: bytes) -> object | Malformed:
    """The first half of ``parse_alert``: a JSON value, or the text of a body that is no JSON.

    Returns:
        ``Malformed`` when the body can't be read: empty, no clean UTF-8, or starting like JSON without being it.
    """
    start = body.removeprefix(_BOM).lstrip(_JSON_SPACE)[:3]
    if not start.strip():
        return Malformed(Reason.BODY_EMPTY, "the body is empty")
    if start[0] in b'{["' and not _PLACEHOLDER.match(start):
        try:
            payload = loads(body)
        except StrictJsonError as error:
            return Malformed(Reason.JSON_INVALID, str(error))
        return payload
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Malformed(Reason.ENCODING_INVALID, f"no valid UTF-8 at byte {error.start}")
    if "\x00" in text:
        return Malformed(Reason.ENCODING_INVALID, "the text holds a NUL character")
    return text


def alert_key(strategy_id: UUID, body: bytes) -> bytes | Malformed:
    """What the duplicate gate compares: the same bytes, or the same id of the alert's own, on one strategy (SHA-256).

    An alert need not be understood for this, so that it can be stored before anything is made of it.

    Returns:
        The key; or ``Malformed`` when the body can't be read.
    """
    document = read_document(body)
    if isinstance(document, Malformed):
        return document
    if isinstance(document, str):
        parsed = _understand_text(document)
        if isinstance(parsed, Malformed):
            return parsed
        own_id = parsed.dedupe_id if isinstance(parsed, Alert) else None
    else:
        own_id = _own_id(document)
    if own_id is not None:
        return hashlib.sha256(b"id\x00" + strategy_id.bytes + own_id.encode()).digest()
    return hashlib.sha256(b"body\x00" + strategy_id.bytes + body).digest()


def _own_id(payload: object) -> str | None:
    """The id that an alert carries itself."""
    raw = first_of(payload, "dedupe_id") if isinstance(payload, dict) else None
    return None if raw is None else _read_id(raw)


def _understand_text(text: str) -> Alert | Unusable | Malformed:
    """A body that is no JSON object: form-encoded or plain text."""
    try:
        fields = fields_from_text(text)
    except UnicodeDecodeError:
        return Malformed(Reason.ENCODING_INVALID, "the form's escapes are no valid UTF-8")
    except AlertRefused as refusal:
        return Unusable(refusal.reason, refusal.detail)
    if any(isinstance(value, str) and "\x00" in value for value in fields.values()):
        return Malformed(Reason.ENCODING_INVALID, "the form holds a NUL character")
    return _understand(fields)


def _understand(payload: object) -> Alert | Unusable:
    """An alert from its members."""
    if not isinstance(payload, dict):
        return Unusable(Reason.ALERT_NOT_OBJECT, f"it is a {'list' if isinstance(payload, list) else 'single value'}")
    found = collect(payload)
    symbol: str | None = None
    verb: Verb | None = None
    try:
        _check_placeholders(found)
        symbol = _read_own_symbol(found)
        verb = _read_verb(found)
        return build_alert(symbol, verb, found)
    except AlertRefused as refusal:
        return Unusable(refusal.reason, refusal.detail, symbol, None if verb is None else verb.action.value)


def build_alert(symbol: str, verb: Verb | None, found: Found) -> Alert:
    """Put an alert together once its symbol and words are known.

    Raises:
        AlertRefused: a field is unusable, or the fields contradict each other.
    """
    values = found.values
    position = _read_position(verb, found)
    quantity = _read_quantity(values, verb, position)
    wish = _read_wish(verb, quantity, position, found)
    fired_at, bar_at, max_lag_seconds = _read_times(values)
    leaves = wish.action is Action.CLOSE or wish.target_side == 0
    # A stop or an order type beside an exit means nothing, and an unusable one must not hold the exit up.
    waiting = None if leaves else read_waiting(found)
    if waiting is not None:
        values = waiting.found.values
    stop_loss, take_profit = (None, None) if leaves else _read_levels(found.distance, values)
    get = values.get
    return Alert(
        symbol=symbol,
        action=wish.action,
        quantity=quantity,
        price=_read_own_price(values),
        stop_loss=stop_loss,
        take_profit=take_profit,
        target=wish.target,
        target_side=wish.target_side,
        close_side=wish.close_side,
        previous_side=None if position is None else position.previous_side,
        timeframe=None if (raw := get("timeframe")) is None else read_text(raw, 16),
        fired_at=fired_at,
        bar_at=bar_at,
        max_lag_seconds=max_lag_seconds,
        dedupe_id=None if (raw := get("dedupe_id")) is None else _read_id(raw),
        comment=None if (raw := get("comment")) is None else read_text(raw, 500),
        option=_read_option(values, verb),
        order_type=MARKET if waiting is None else waiting.order_type,
        order_price=None if waiting is None else waiting.price,
        time_in_force=DAY if waiting is None else waiting.time_in_force,
    )


def _read_wish(verb: Verb | None, quantity: Decimal | None, position: Position | None, found: Found) -> Wish:
    """What the alert asks for, by its words, the position it describes, or both."""
    if position is not None:
        return resolve(verb, quantity, position)
    if verb is not None:
        return Wish(verb.action, close_side=verb.side)
    if "telemetry" in found.values:
        detail = "this is indicator telemetry, which has a door of its own: /api/automated-signals/webhook"
        raise AlertRefused(Reason.ACTION_MISSING, detail)
    raise AlertRefused(Reason.ACTION_MISSING, "none of action, side and market_position is there")


def _read_times(values: Mapping[str, object]) -> tuple[datetime | None, datetime | None, int | None]:
    """When the alert fired, its bar's time, and the age it may have in seconds."""
    fired, bar, lag = values.get("fired_at"), values.get("bar_at"), values.get("max_lag_seconds")
    bar_at = None if bar is None else read_moment(bar, "time")
    max_lag_seconds = None if lag is None else read_seconds(lag, "max_lag_seconds")
    if fired is not None:
        return read_moment(fired, "timestamp"), bar_at, max_lag_seconds
    # Whoever limits the alert's age and sends only ``time`` means that time.
    return (None if lag is None else bar_at), bar_at, max_lag_seconds


def _read_levels(distance: str | None, values: Mapping[str, object]) -> tuple[Decimal | None, Decimal | None]:
    """Stop loss and take profit of an entry; one that is given as a distance is refused, not dropped."""
    if distance is not None:
        advice = "send one stop and one target as prices, for example sl_price=1.0716"
        raise AlertRefused(Reason.NUMBER_INVALID, f"{distance[:40]} can't be taken as a price; {advice}")
    stop, target = values.get("stop_loss"), values.get("take_profit")
    return (
        None if stop is None else read_level(stop, "stop_loss", "stopprice"),
        None if target is None else read_level(target, "take_profit", "limitprice"),
    )


def _read_own_symbol(found: Found) -> str:
    if "symbol" not in found.values:
        raise AlertRefused(Reason.SYMBOL_MISSING, "none of symbol, ticker, pair and tv_instrument is there")
    return read_symbol(found.values["symbol"])


def _check_placeholders(found: Found) -> None:
    """Refuse ``{{…}}`` in any field that counts; the comment does not."""
    for name, value in found.values.items():
        if isinstance(value, str) and "{{" in value and name != "comment":
            raise AlertRefused(Reason.PLACEHOLDER_UNFILLED, f"{name} is {value[:60]!a}")
    for value in found.actions:
        if isinstance(value, str) and "{{" in value:
            raise AlertRefused(Reason.PLACEHOLDER_UNFILLED, f"action is {value[:60]!a}")


def _read_verb(found: Found) -> Verb | None:
    """What to do, from all the words that say so; None if there are none.

    Keys that often hold something else (``signal``, ``type``, ``direction``, ``data``) count only where their value is a known
    word, and not in telemetry, whose ``direction`` describes a trade that is under way.
    """
    verbs: list[Verb] = []
    for value in found.actions:
        verb = verb_of(value)
        if verb is None:
            shown = f"action is {value[:40]!a}" if isinstance(value, str) else "action must be text"
            raise AlertRefused(Reason.ACTION_UNKNOWN, shown)
        verbs.append(verb)
    if "telemetry" not in found.values:
        verbs.extend(verb for value in found.hints if (verb := verb_of(value)) is not None)
    if verbs and (right := found.values.get("right")) is not None and (verb := verb_of(right)) is not None:
        verbs.append(verb)
    if len(verbs) == 1:
        return verbs[0]
    return combine(verbs) if verbs else None


def _read_position(verb: Verb | None, found: Found) -> Position | None:
    """The position that the alert describes; None if it describes none."""
    values = found.values
    previous = values.get("previous_position")
    previous_side = None if previous is None else _read_side(previous, "prev_market_position")
    if (stated := values.get("market_position")) is not None:
        size = values.get("market_position_size", values.get("position_size"))
        before = values.get("previous_position_size")
        return Position(
            Source.MARKET_POSITION,
            _read_side(stated, "market_position"),
            None if size is None else abs(_signed(size)),
            previous_side,
            None if before is None else abs(_signed(before)),
        )
    if (sentiment := values.get("sentiment")) is not None:
        return Position(Source.SENTIMENT, _read_side(sentiment, "sentiment"), None, previous_side)
    if verb is not None and (size := values.get("position_size")) is not None:
        signed = _signed(size)
        return Position(Source.POSITION_SIZE, (signed > 0) - (signed < 0), abs(signed), previous_side)
    return None


def _signed(value: object) -> Decimal:
    """A position's size, which some send with a sign."""
    if isinstance(value, str) and value.strip().startswith("-"):
        return -read_quantity(value.strip()[1:])
    if isinstance(value, int | Decimal) and value < 0:
        return -read_quantity(-value)
    return read_quantity(value)


def _read_side(value: object, name: str) -> int:
    side = _SIDES.get(squash(value.strip())) if isinstance(value, str) else None
    if side is None:
        shown = f" is {value[:40]!a}" if isinstance(value, str) else " must be text"
        raise AlertRefused(Reason.ACTION_UNKNOWN, f"{name}{shown}; send long, short or flat")
    return side


def _read_quantity(values: Mapping[str, object], verb: Verb | None, position: Position | None) -> Decimal | None:
    """The quantity; where it does not matter (an exit, a known target), zero counts as not sent."""
    raw = values.get("quantity")
    if raw is None:
        return None
    leaves = (verb is not None and verb.action is Action.CLOSE) or (position is not None and position.side == 0)
    is_spare = leaves or (position is not None and position.size is not None)
    unit = values.get("quantity_unit")
    if isinstance(unit, str) and squash(unit) not in _PLAIN_UNITS:
        if is_spare:
            return None
        raise AlertRefused(
            Reason.NUMBER_INVALID, f"quantity is given as {unit[:40]!a}; send it in lots, contracts, shares or coins"
        )
    quantity = read_quantity(raw)
    if quantity == 0:
        if is_spare:
            return None
        raise AlertRefused(Reason.NUMBER_INVALID, "quantity must be greater than zero")
    return quantity


def _read_own_price(values: Mapping[str, object]) -> Decimal | None:
    """The price at which the alert fired. Beside an order type (OpenAlgo), zero stands for the market's price."""
    raw = values.get("price")
    if raw is None or ("order_type" in values and raw in (0, "0", "0.0", "0.00")):
        return None
    return read_price(raw, "price")


def _read_id(value: object) -> str | None:
    """The alert's own id; one that is too long to keep is replaced by its SHA-256."""
    text = read_text(value, 1 << 20)
    if text is None or len(text) <= _LONGEST_ID:
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def _read_option(values: Mapping[str, object], verb: Verb | None) -> OptionAsk | None:
    """The option the alert names: by call or put, or by strike or expiration (then a buy means a call and a sell a put)."""
    strike, expiration = values.get("strike"), values.get("expiration")
    if verb is None or (verb.right is None and strike is None and expiration is None):
        return None
    right = verb.right
    if right is None:
        if verb.action is Action.CLOSE:
            return None
        right = "CALL" if verb.action is Action.BUY else "PUT"
    return OptionAsk(
        right,
        None if strike is None else read_price(strike, "strike"),
        None if expiration is None else read_expiration(expiration),
    )
