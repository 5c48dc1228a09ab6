"""What an indicator's message says, whatever format it is in.

Formats: telemetry (``schema_version``, ``event_type``, ``trade_id``), the same without a version, the same inside
``attributes``, staged (``automation_stage``), legacy (``type``, ``signal_id``), batches (``MFE_UPDATE_BATCH``,
``UNIFIED_SNAPSHOT_V1``: a list ``signals``) and ``HEARTBEAT``.

A member that is not known, or of a kind that it should not be, stays in the event's payload and is left out of its fields; only
what makes a message useless makes it unreadable. Numbers are exact, moves are in R, MAE above 0 counts as 0.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.journal.formats import BATCH, ENDINGS, HEARTBEAT, KIND_MEMBERS, KINDS, REASONS, SNAPSHOT
from hookfill.journal.members import (
    Told,
    Unreadable,
    first_text,
    flag,
    moment,
    numbers,
    reason_told,
    short_text,
    table,
    trade_id,
)
from hookfill.journal.model import FINAL_EXITS, Beat, Event, EventType, Reading, Skipped
from hookfill.journal.sessions import direction_named, session_named, signal_time
from hookfill.kernel import strict_json
from hookfill.kernel.money import plain
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError

__all__ = ["Unreadable", "check", "read"]

_LONGEST_KIND = 60
_LONGEST_VERSION = 40
_BATCHES = frozenset({BATCH, SNAPSHOT})
_LONG_INTEGER = b"0" * 19
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_TARGET = re.compile(r"target_\d{1,2}r", re.ASCII | re.IGNORECASE)


def read(body: bytes, received_at: datetime | None = None) -> Reading:
    """Read one message.

    Args:
        body: its bytes; repaired, if it was repaired.
        received_at: when it arrived (UTC), or fired: the time of an event that tells none. Without it, such an event has its
            signal bar's time.

    Raises:
        Unreadable: it is no JSON object, does not say what happened to which trade, how a trade ended, or holds a time or a
            number out of bounds.
    """
    told = _told(body)
    name, kind = _kind(told)
    version = _version(told)
    keys = hashlib.sha256(body)
    if kind == HEARTBEAT:
        beat = Beat(keys.digest(), kind, _beat_moment(told, received_at), _signal_count(told), _without_lists(told))
        return Reading(name, None, version, beats=(beat,))
    if kind in _BATCHES:
        return _batch(keys, name, told, received_at)
    event_type = _event_type(kind, told)
    event = _event(keys.digest(), event_type, told, _moment(told, received_at), version)
    return Reading(name, event.trade_id, version, (event,))


def check(body: bytes) -> Reading:
    """What a door needs to answer: like ``read`` of a message with a time of arrival, but without its events and beats.

    Raises:
        Unreadable: whenever ``read`` would, for the same reason.
    """
    told = _told(body)
    name, kind = _kind(told)
    if kind in _BATCHES or kind == HEARTBEAT:
        moment(told)
        if kind in _BATCHES:
            _members(told)
        return Reading(name, None, _version(told))
    _event_type(kind, told)
    moment(told)
    trade = trade_id(told)
    numbers(told)
    return Reading(name, trade, _version(told))


def _told(body: bytes) -> dict[str, Any]:
    """The message's object; what is inside ``attributes`` counts as if it stood outside."""
    try:
        told = strict_json.loads(body)
    except StrictJsonError as error:
        raise Unreadable(Reason.JSON_INVALID, str(error)) from None
    if type(told) is not dict:
        raise Unreadable(
            Reason.ALERT_NOT_OBJECT, 'The message is no JSON object: send one such as {"event_type": …, "trade_id": …}.'
        )
    if _LONG_INTEGER in body.translate(_DIGITS_ALIKE):
        told = _without_long_integers(told)
    attributes = told.get("attributes")
    if type(attributes) is dict:
        told = {name: value for name, value in told.items() if name != "attributes"} | attributes
    return told


def _without_long_integers(value: Any) -> Any:
    """The same with integers beyond 64 bits as decimals, which is how they can be written as JSON again."""
    if type(value) is dict:
        return {name: _without_long_integers(member) for name, member in value.items()}
    if type(value) is list:
        return [_without_long_integers(member) for member in value]
    if type(value) is int and not -(2**63) <= value < 2**63:
        return Decimal(value)
    return value


def _kind(told: Told) -> tuple[str, str]:
    """What the message says happened: as told, and in capitals."""
    name = first_text(told, KIND_MEMBERS)
    if name is None:
        raise Unreadable(Reason.EVENT_TYPE_MISSING, "event_type is missing: send what happened, such as ENTRY.")
    return name, name.upper()


def _version(told: Told) -> str | None:
    """The telemetry's version, also where it is told as a number; None: the message is of an older format."""
    version = told.get("schema_version")
    if type(version) is Decimal:
        return plain(version)[:_LONGEST_VERSION]
    return short_text(told, "schema_version", _LONGEST_VERSION)


def _event_type(kind: str, told: Told) -> EventType:
    """What happened, by its name and, for an ending, its reason."""
    if kind in ENDINGS:
        reason = reason_told(told) or ""
        ending = REASONS.get(reason.upper().replace(" ", "_").replace("-", "_"))
        if ending is None:
            detail = "How the trade ended is not told: send exit_reason break_even, stop_loss or take_profit."
            raise Unreadable(Reason.EXIT_REASON_UNKNOWN, detail)
        return ending
    event_type = KINDS.get(kind)
    if event_type is None:
        known = ", ".join(EventType)
        raise Unreadable(Reason.EVENT_TYPE_UNKNOWN, f"event_type {kind[:_LONGEST_KIND]!a} is not known: send one of {known}.")
    # The strategy that signalled by this name did so when it had entered.
    if event_type is EventType.SIGNAL_CREATED and "event_type" not in told and told.get("entry_price") is not None:
        return EventType.ENTRY
    return event_type


def _moment(told: Told, received_at: datetime | None) -> datetime:
    """When it happened: told, else when the message came, else the signal bar's time."""
    at = moment(told) or received_at or signal_time(trade_id(told))
    if at is None:
        raise Unreadable(Reason.TIME_INVALID, "timestamp is missing: send ISO 8601 text or Unix milliseconds.")
    return at


def _event(key: bytes, event_type: EventType, told: Told, at: datetime, version: str | None) -> Event:
    """One event of one trade."""
    direction = first_text(told, ("direction", "bias", "signal_type", "trade_type"))
    session = first_text(told, ("session",))
    trade, read_numbers = trade_id(told), numbers(told)
    if event_type in FINAL_EXITS:
        _final_move(event_type, told, read_numbers)
    return Event(
        key,
        trade,
        event_type,
        at,
        direction=direction_named(direction) if direction else None,
        session=session_named(session) if session else None,
        symbol=short_text(told, "symbol"),
        timeframe=short_text(told, "timeframe"),
        be_triggered=flag(told, "be_triggered", "be_hit"),
        exit_reason=reason_told(told) if event_type in FINAL_EXITS or event_type is EventType.CANCELLED else None,
        targets=table(told, "targets") or table(told, "targets_extended") or _legacy_targets(told),
        setup=table(told, "setup"),
        market_state=table(told, "market_state"),
        schema_version=version,
        payload=told,
        **read_numbers,
    )


def _final_move(event_type: EventType, told: Told, read_numbers: dict[str, Decimal]) -> None:
    """A legacy exit tells both trades' final moves; this exit's own is the break-even trade's only if it ended at break-even."""
    if "final_mfe" not in read_numbers:
        own, name = ("be_mfe", "final_be_mfe") if event_type is EventType.EXIT_BREAK_EVEN else ("no_be_mfe", "final_no_be_mfe")
        if told.get(name) is not None and own in read_numbers:
            read_numbers["final_mfe"] = read_numbers[own]


def _legacy_targets(told: Told) -> Mapping[str, Any] | None:
    """``target_1r``, ``target_2r``, … as a table."""
    if "target_1r" not in told:
        return None
    return {name: value for name, value in told.items() if _TARGET.fullmatch(name)}


def _beat_moment(told: Told, received_at: datetime | None) -> datetime:
    """When a message about no trade in particular was sent."""
    at = moment(told) or received_at
    if at is None:
        raise Unreadable(Reason.TIME_INVALID, "timestamp is missing: send ISO 8601 text or Unix milliseconds.")
    return at


def _signal_count(told: Told) -> int | None:
    count = told.get("signal_count")
    return count if type(count) is int and 0 <= count < 2**31 else None


def _without_lists(told: Told) -> Told:
    """What a beat keeps: its lists stay in the message alone."""
    return {name: value for name, value in told.items() if type(value) is not list}


def _members(told: Told) -> list[Any]:
    """The trades that a batch tells of."""
    members = told.get("signals")
    if type(members) is dict:
        return [members]
    if type(members) is not list:
        raise Unreadable(Reason.PAYLOAD_INVALID, "signals is missing: send the list of trades that the batch tells of.")
    return members


def _batch(keys: "hashlib._Hash", name: str, told: Told, received_at: datetime | None) -> Reading:
    """One event per member that can be used; a snapshot is a sign of life as well."""
    at, kind = _beat_moment(told, received_at), name.upper()
    members = _members(told)
    version = _version(told)
    events: list[Event] = []
    skipped: list[Skipped] = []
    for index, member in enumerate(members):
        key = keys.copy()
        key.update(b"/%d" % index)
        try:
            events.append(_member(key.digest(), kind, member, at, version))
        except Unreadable as error:
            skipped.append(Skipped(index, error.detail))
    beats = (Beat(keys.digest(), kind, at, len(members), _without_lists(told)),) if kind == SNAPSHOT else ()
    return Reading(name, None, version, tuple(events), beats, tuple(skipped))


def _member(key: bytes, kind: str, member: object, at: datetime, version: str | None) -> Event:
    """A batch's telling of one trade: its moves now.

    A snapshot's trade that is completed is left out: how it ended is not told, and it must not look open.
    """
    if type(member) is not dict:
        raise Unreadable(Reason.ALERT_NOT_OBJECT, "It is no JSON object.")
    if kind == SNAPSHOT and member.get("completed") is True:
        raise Unreadable(Reason.EXIT_REASON_UNKNOWN, "It is completed, but how it ended is not told.")
    return _event(key, EventType.MFE_UPDATE, member, at, version)
