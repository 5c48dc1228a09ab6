"""The payload of the signed webhook, checked field by field: all errors are told at once."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

from hookfill.kernel.reasons import Reason
from hookfill.signals.actions import VERBS, AlertRefused, Verb, combine
from hookfill.signals.fields import (
    Found,
    collect,
    read_expiration,
    read_level,
    read_moment,
    read_price,
    read_quantity,
    read_symbol,
    read_text,
)
from hookfill.signals.model import Action, Alert, OptionAsk
from hookfill.signals.waiting import DAY, MARKET, Waiting, read_waiting

_LONGEST_SYMBOL = 20
_LONGEST_TIMEFRAME = 16

_REQUIRED = frozenset({"symbol", "ticker", "action", "direction", "timeframe", "timestamp"})
"""The members of which every signal must have some; one that has no others asks for nothing beside its action."""

Read = TypeVar("Read")
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a refused payload, and what is wrong with it and what to send instead."""

    field: str
    message: str


@dataclass(slots=True)
class SignedFields:
    """What a payload holds, once every field of it is known to be usable; see ``Alert`` for their meaning."""

    symbol: str
    verb: Verb
    waiting: Waiting | None
    timeframe: str | None
    fired_at: datetime | None
    quantity: Decimal | None
    price: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    option: OptionAsk | None

    def alert(self) -> Alert:
        """The alert that they are."""
        waiting = self.waiting
        return Alert(
            symbol=self.symbol,
            action=self.verb.action,
            quantity=self.quantity,
            price=self.price,
            stop_loss=self.stop_loss,
            take_profit=self.take_profit,
            timeframe=self.timeframe,
            fired_at=self.fired_at,
            option=self.option,
            order_type=MARKET if waiting is None else waiting.order_type,
            order_price=None if waiting is None else waiting.price,
            time_in_force=DAY if waiting is None else waiting.time_in_force,
        )


def read_signed(payload: object) -> SignedFields | tuple[FieldError, ...]:
    """Check the signed webhook's payload (already parsed JSON). Never raises.

    Required are ``symbol`` or ``ticker``, ``timeframe``, ``timestamp``, and ``action`` or ``direction``. ``strike``,
    ``expiration``, quantity, price, stop and target may be there; other members are ignored.

    Returns:
        What it holds, or one error for each field that is missing or unusable.
    """
    if not isinstance(payload, dict):
        return (FieldError("body", "Send a JSON object."),)
    form = _Form(payload)
    symbol = form.read("symbol", ("symbol", "ticker"), _symbol)
    verb = form.verb()
    timeframe = form.read("timeframe", ("timeframe",), _timeframe)
    fired_at = form.read("timestamp", ("timestamp",), _timestamp)
    if symbol is not None and verb is not None and form.is_bare(verb):
        return SignedFields(symbol, verb, None, timeframe, fired_at, None, None, None, None, None)
    waiting = form.waiting()
    quantity = form.read_optional("quantity", _positive_quantity)
    price = form.read_optional("price", _price)
    stop_loss = form.read_optional("stop_loss", _stop_loss)
    take_profit = form.read_optional("take_profit", _take_profit)
    option = form.option(verb)
    form.check_distance()
    if form.errors or symbol is None or verb is None:
        return tuple(form.errors)
    return SignedFields(symbol, verb, waiting, timeframe, fired_at, quantity, price, stop_loss, take_profit, option)


def parse_signed(payload: object) -> Alert | tuple[FieldError, ...]:
    """Understand the signed webhook's payload: the alert that ``read_signed`` finds in it, or the errors."""
    fields = read_signed(payload)
    return fields.alert() if isinstance(fields, SignedFields) else fields


def signed_key(fields: SignedFields) -> bytes:
    """What the duplicate gate compares on the signed door: symbol, direction and timeframe (SHA-256).

    ``BUY`` and ``long`` are one direction; a call and a put each are another.
    """
    right = "" if fields.option is None else fields.option.right
    parts = ("signed", fields.symbol, fields.verb.action.value, right, fields.timeframe or "")
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


class _Form:
    """The payload while it is read; errors gather in ``errors``, one for each field."""

    def __init__(self, payload: Mapping[str, object]) -> None:
        self._payload = payload
        self.errors: list[FieldError] = []

    @cached_property
    def _found(self) -> Found:
        """Its members by field, sorted when something is asked for that not every signal has."""
        return collect(self._payload)

    def read(self, field: str, names: tuple[str, ...], reader: Callable[[object], Read]) -> Read | None:
        """A required field from the first of the named members that is there; None with an error noted if it is unusable."""
        value = self._given(names)
        if value is None:
            self._note(field, f"Required: send {' or '.join(names)}.")
            return None
        return self._try(field, reader, value)

    def read_optional(self, field: str, reader: Callable[[object], Read]) -> Read | None:
        """A field that may be there, under any of the names that alerts use for it."""
        value = self._found.values.get(field)
        return None if value is None else self._try(field, reader, value)

    def verb(self) -> Verb | None:
        """``action`` and ``direction``: one of them is needed, and both must agree."""
        action, direction = self._given(("action",)), self._given(("direction",))
        if action is None and direction is None:
            self._note("direction", "Required: send action (BUY or SELL) or direction (long, short, CALL or PUT).")
            return None
        acts = None if action is None else self._try("action", _action, action)
        directs = None if direction is None else self._try("direction", _direction, direction)
        if acts is not None and directs is not None:
            return self._try("direction", combine, (acts, directs))
        is_whole = (acts is None) == (action is None) and (directs is None) == (direction is None)
        return (acts or directs) if is_whole else None

    def option(self, verb: Verb | None) -> OptionAsk | None:
        """The option asked for, if any; without CALL or PUT a long signal asks for a call and a short one for a put."""
        strike = self.read_optional("strike", _strike)
        expiration = self.read_optional("expiration", read_expiration)
        if verb is None or (verb.right is None and strike is None and expiration is None):
            return None
        return OptionAsk(verb.right or ("CALL" if verb.action is Action.BUY else "PUT"), strike, expiration)

    def waiting(self) -> Waiting | None:
        """The limit or stop order asked for, if any; None for one at the market. Beside it some members mean other things."""
        waiting = self._try("order_type", read_waiting, self._found)
        if waiting is not None:
            self._found = waiting.found
        return waiting

    def is_bare(self, verb: Verb) -> bool:
        """Whether it holds no more than every signal must and no error: most signals, and nothing further is to be read in them."""
        return self._payload.keys() <= _REQUIRED and not (verb.right or self.errors)

    def check_distance(self) -> None:
        """A stop or target that is given as a distance is refused, not dropped."""
        if self._found.distance is not None:
            self._note(self._found.distance, "Send one stop and one target as prices.")

    def _given(self, names: tuple[str, ...]) -> object:
        """The first of the named members that is neither null nor blank."""
        for name in names:
            value = self._payload.get(name)
            if value is not None and not (isinstance(value, str) and not value.strip()):
                return value
        return None

    def _try(self, field: str, reader: Callable[[Given], Read], value: Given) -> Read | None:
        try:
            return reader(value)
        except AlertRefused as refusal:
            self._note(field, f"{refusal.detail[:1].upper()}{refusal.detail[1:]}.")
            return None

    def _note(self, field: str, message: str) -> None:
        if all(error.field != field for error in self.errors):
            self.errors.append(FieldError(field, message))


def _symbol(value: object) -> str:
    if not isinstance(value, str) or len(value.strip()) > _LONGEST_SYMBOL:
        raise AlertRefused(Reason.SYMBOL_INVALID, f"must be text of 1 to {_LONGEST_SYMBOL} characters")
    if "{{" in value:
        raise AlertRefused(Reason.PLACEHOLDER_UNFILLED, "a TradingView placeholder was not filled in")
    return read_symbol(value)


def _timeframe(value: object) -> str:
    text = read_text(value, _LONGEST_TIMEFRAME + 1)
    if text is None or len(text) > _LONGEST_TIMEFRAME:
        raise AlertRefused(Reason.PAYLOAD_INVALID, f"must be text of 1 to {_LONGEST_TIMEFRAME} characters, for example 5m")
    return text


def _action(value: object) -> Verb:
    return _word(value, ("buy", "sell"))


def _direction(value: object) -> Verb:
    return _word(value, ("long", "short", "call", "put"))


def _word(value: object, words: tuple[str, ...]) -> Verb:
    """The verb of one of a few words, in any case."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in words:
        raise AlertRefused(Reason.ACTION_UNKNOWN, f"must be one of {', '.join(words)}")
    return VERBS[word]


def _timestamp(value: object) -> datetime:
    return read_moment(value, "timestamp")


def _price(value: object) -> Decimal:
    return read_price(value, "price")


def _strike(value: object) -> Decimal:
    return read_price(value, "strike")


def _stop_loss(value: object) -> Decimal:
    return read_level(value, "stop_loss", "stopprice")


def _take_profit(value: object) -> Decimal:
    return read_level(value, "take_profit", "limitprice")


def _positive_quantity(value: object) -> Decimal:
    """A quantity that is not zero."""
    quantity = read_quantity(value)
    if quantity == 0:
        raise AlertRefused(Reason.NUMBER_INVALID, "quantity must be greater than zero")
    return quantity
