"""Which keys mean what, and how single values are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal

from hookfill.kernel.money import MAX_PRICE, MAX_QUANTITY, PRICE_STEP, QUANTITY_STEP, InvalidNumber, as_price, decimal_from
from hookfill.kernel.reasons import Reason
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.market.option_symbols import option_in
from hookfill.signals.actions import AlertRefused, squash

# For each field the keys that mean it, the most telling first: the first that is there and not empty counts. Keys are compared
# without case and separators. Order ids ({{strategy.order.id}} is "Long" for every entry) are deliberately no ids of an alert.
_KEYS = {
    "symbol": "symbol ticker tv_instrument instrument pair",
    "action": "action side order_action order_side trade_action command cmd",
    "hint": "signal data type order direction",
    "right": "option_type option_right right put_call",
    "strike": "strike strike_price",
    "expiration": "expiration expiry expiration_date",
    "quantity": "quantity qty contracts order_contracts order_size vol_lots lots volume size amount",
    "quantity_unit": "currency_type quantity_type qty_type",
    "order_type": "order_type pricetype price_type",
    "price": "price signal_price order_price trigger_price close entry_price",
    "stop_loss": "sl stop_loss stoploss sl_price stop_loss_price stop_price stop",
    "take_profit": "tp take_profit takeprofit tp_price take_profit_price target_price",
    "comment": "comment order_comment alert_message",
    "dedupe_id": "id alert_id uuid",
    "timeframe": "timeframe interval tf",
    "fired_at": "timenow timestamp fired_at alert_time sent_at",
    "bar_at": "time bar_time",
    "max_lag_seconds": "max_lag_seconds max_lag",
    "market_position": "market_position",
    "market_position_size": "market_position_size",
    "previous_position": "prev_market_position previous_market_position",
    "previous_position_size": "prev_market_position_size previous_market_position_size",
    "position_size": "position_size",
    "sentiment": "sentiment",
    "telemetry": "schema_version event_type automation_stage",
}
_RANKS: dict[str, tuple[str, int]] = {}
for _name, _keys in _KEYS.items():
    for _rank, _key in enumerate(_keys.split()):
        _RANKS[_key] = _RANKS[squash(_key)] = (_name, _rank)

# Objects whose members are read as if they stood beside them.
_ENVELOPES = frozenset({"strategy", "strategyinfo", "order", "alert", "payload", "data"})
_BAR_KEYS = {"time": "bar_time", "close": "close"}
_NESTED_RANK = 100

# Stops and targets given as a distance, a trailing rule or in several steps. One price each is understood; a stop that the user
# asked for is never dropped silently, so an entry that carries one of these is refused.
_DISTANCE = re.compile(
    r"(?:sl|tp|stoploss|takeprofit|stop|target|trail|trailing|trailingstop|trailingstoploss|tsl)"
    r"(?:pips?|points?|ticks?|percent|percentage|pct|distance|offset|dollars?|usd|r|amount)"
    r"|(?:dollar|percent|percentage|pct|pips?|points?|ticks?)(?:sl|tp|stoploss|takeprofit)"
    r"|trail(?:trig(?:ger)?|dist|step)|be(?:trig(?:ger)?|offset)|(?:sl|tp|stoploss|takeprofit|stop|target)\d|target|trail|trailingstop|trailingstoploss|trailsl|trailstop|tsl|fsl"
)
_SYMBOL = re.compile(r"[A-Z0-9._\-:/!^=&]{1,32}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_SHORT_DATE = re.compile(r"(\d{2})(\d{2})(\d{2})", re.ASCII)
_LONGEST_LAG_SECONDS = 10_000_000


@dataclass(slots=True)
class Found:
    """What an alert holds, by field. ``distance`` names a stop or target that can't be taken as one price."""

    payload: Mapping[str, object]
    values: dict[str, object] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    actions: list[object] = field(default_factory=list)
    hints: list[object] = field(default_factory=list)
    distance: str | None = None


Table = Mapping[str, tuple[str, int]]
"""Key to its field and its place among the keys of that field."""


def table_of(keys: Mapping[str, str]) -> Table:
    """A table of other fields and their keys, in which the fields that are not named stay what they are for ``collect``."""
    table: dict[str, tuple[str, int]] = {}
    for name, words in {**_KEYS, **keys}.items():
        for rank, key in enumerate(words.split()):
            table[key] = table[squash(key)] = (name, rank)
    return table


def collect(payload: Mapping[str, object], table: Table = _RANKS) -> Found:
    """Sort an alert's members into fields; null and empty text count as not sent."""
    found = Found(payload)
    _collect(payload, found, 0, table)
    return found


def _collect(payload: Mapping[str, object], found: Found, offset: int, table: Table) -> None:
    values, ranks = found.values, found.ranks
    for key, value in payload.items():
        if value is None or value == "":
            continue
        known = table.get(key) or table.get(squash(key))
        if type(value) is dict and _enter(key, value, found, offset, table):
            continue
        if known is None:
            _note_distance(key, value, found)
            continue
        name, rank = known
        if name == "action":
            found.actions.append(value)
        elif name == "hint":
            found.hints.append(value)
        elif name not in ranks or rank + offset < ranks[name]:
            values[name] = value
            ranks[name] = rank + offset


def first_of(payload: Mapping[str, object], name: str) -> object:
    """The value that ``collect`` finds for one field (not an action or a hint), without sorting the others; None: there is none."""
    best, best_rank = None, _NESTED_RANK
    for key, value in payload.items():
        if type(value) is dict:
            return collect(payload).values.get(name)
        known = _RANKS.get(key) or _RANKS.get(squash(key))
        if known is not None and known[0] == name and known[1] < best_rank and value is not None and value != "":
            best, best_rank = value, known[1]
    return best


def _enter(key: str, inner: Mapping[str, object], found: Found, offset: int, table: Table) -> bool:
    """Read an object's members, if it is one that holds fields of the alert."""
    if offset:
        return False
    name = squash(key)
    if name == "bar":
        # Only its time and close: its volume is the market's, not the order's.
        inner = {_BAR_KEYS[member]: value for member, value in inner.items() if member in _BAR_KEYS}
    elif name not in _ENVELOPES:
        return False
    _collect(inner, found, _NESTED_RANK, table)
    return True


def _note_distance(key: str, value: object, found: Found) -> None:
    """Remember a stop or target that can't be taken as one price; zero and false switch it off."""
    if len(key) <= 40 and _DISTANCE.fullmatch(squash(key)) and str(value).strip().lower() not in {"0", "0.0", "false", "none"}:
        found.distance = key


def read_symbol(value: object) -> str:
    """A symbol in upper case, without the exchange in front of it; every spelling of an option becomes its OCC symbol.

    Raises:
        AlertRefused: no text, or characters that no symbol has.
    """
    if not isinstance(value, str):
        raise AlertRefused(Reason.SYMBOL_INVALID, "symbol must be text")
    symbol = value.strip().upper()
    exchange, colon, rest = symbol.partition(":")
    if colon and exchange:
        symbol = rest
    if symbol[-1:].isdigit() and (contract := option_in(symbol)) is not None:
        symbol = contract.symbol
    if not _SYMBOL.fullmatch(symbol):
        raise AlertRefused(
            Reason.SYMBOL_INVALID, f"symbol is {value[:40]!a}; use 1 to 32 letters, digits and . _ - : / ! characters"
        )
    return symbol


def looks_like_symbol(word: str) -> bool:
    """Whether a word of plain text can be a symbol: at least one letter, and its characters."""
    return any(letter.isalpha() for letter in word) and _SYMBOL.fullmatch(word.upper()) is not None


def is_number(word: str) -> bool:
    """Whether a word is a plain decimal number."""
    return _NUMBER.fullmatch(word) is not None


def read_number(value: object, name: str, limit: Decimal = MAX_PRICE) -> Decimal:
    """A finite number. Text must be plain digits: ``1,000`` could be one or a thousand and is refused.

    Raises:
        AlertRefused: no number, or beyond ``limit``.
    """
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value):
            raise _number_refused(f"{name} is not a number; send digits such as 1.0716")
    try:
        return decimal_from(value, name, limit=limit)
    except InvalidNumber as error:
        raise _number_refused(str(error).rstrip(".")) from None


def read_price(value: object, name: str) -> Decimal:
    """A positive price at no more than 10 decimal places.

    Raises:
        AlertRefused: as ``read_number``, or zero or negative.
    """
    number = read_number(value, name)
    if number < PRICE_STEP:
        raise _number_refused(f"{name} must be greater than zero")
    return number if _places(number) <= 10 else as_price(number)


def read_quantity(value: object) -> Decimal:
    """A quantity, zero or positive, cut to 8 decimal places.

    Raises:
        AlertRefused: as ``read_number``, or negative, or positive and smaller than 0.00000001.
    """
    number = read_number(value, "quantity", MAX_QUANTITY)
    if number < 0 or 0 < number < QUANTITY_STEP:
        raise _number_refused("quantity must be greater than zero")
    return number if _places(number) <= 8 else number.quantize(QUANTITY_STEP, rounding=ROUND_DOWN)


def read_level(value: object, name: str, price_key: str) -> Decimal:
    """A stop or target price, plain or as TradersPost's object (``{"stopPrice": 99.5}``).

    Raises:
        AlertRefused: it is no price, or given as a distance.
    """
    if isinstance(value, dict):
        members = {squash(str(key)): inner for key, inner in value.items()}
        trails = any(key.startswith("trail") for key in members) or "trail" in str(members.get("type", "")).lower()
        value = members.get(price_key, members.get("price"))
        if value is None or trails:
            raise _number_refused(f"{name} must be given as a price ({price_key}), not as a distance or a trailing rule")
    return read_price(value, name)


def read_seconds(value: object, name: str) -> int:
    """A positive whole number of seconds.

    Raises:
        AlertRefused: anything else.
    """
    number = read_number(value, name, Decimal(_LONGEST_LAG_SECONDS))
    if number < 1:
        raise _number_refused(f"{name} must be at least one second")
    return int(number)


def read_moment(value: object, name: str) -> datetime:
    """A time as UTC.

    Raises:
        AlertRefused: it can't be read or lies outside 1990 to 2100.
    """
    try:
        return parse_time(value, name)
    except InvalidTime as error:
        raise AlertRefused(Reason.TIME_INVALID, str(error).rstrip(".")) from None


def read_expiration(value: object) -> str:
    """An option's expiration as an ISO date, from ``2026-02-20`` or ``260220``.

    Raises:
        AlertRefused: no such date.
    """
    text = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    whole, short = _DATE.fullmatch(text), _SHORT_DATE.fullmatch(text)
    parts = whole.groups() if whole else ("20" + short[1], short[2], short[3]) if short else None
    if parts is not None:
        year, month, day = (int(part) for part in parts)
        if 1990 <= year < 2100:
            try:
                return date(year, month, day).isoformat()
            except ValueError:
                pass
    raise AlertRefused(Reason.TIME_INVALID, "expiration is not a date; send it as 2026-02-20")


def read_text(value: object, longest: int) -> str | None:
    """Text or a number as text, cut to ``longest`` characters; None for anything else."""
    if isinstance(value, str):
        return value.strip()[:longest] or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)[:longest]
    return None


def _places(number: Decimal) -> int:
    """Decimal places that the number is written with."""
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _number_refused(detail: str) -> AlertRefused:
    return AlertRefused(Reason.NUMBER_INVALID, detail)
