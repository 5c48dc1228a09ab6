"""What makes telemetry unreadable, and that a check of it says what reading would."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.grammar import Unreadable, check, read
from hookfill.journal.model import EventType, Reading
from hookfill.kernel.exact_json import dumps
from hookfill.kernel.reasons import Reason
from support.telemetry import BATCH, EXIT, LEGACY_ENTRY, NOW, SNAPSHOT, TELEMETRY, raw

UNREADABLE: list[tuple[object, Reason]] = [
    ([], Reason.ALERT_NOT_OBJECT),
    ("ENTRY", Reason.ALERT_NOT_OBJECT),
    ({}, Reason.EVENT_TYPE_MISSING),
    ({"trade_id": "t"}, Reason.EVENT_TYPE_MISSING),
    ({"trade_id": "t", "event_type": None}, Reason.EVENT_TYPE_MISSING),
    ({"trade_id": "t", "event_type": " "}, Reason.EVENT_TYPE_MISSING),
    ({"trade_id": "t", "event_type": 5}, Reason.EVENT_TYPE_MISSING),
    ({"trade_id": "t", "event_type": "DANCE"}, Reason.EVENT_TYPE_UNKNOWN),
    ({"event_type": "ENTRY"}, Reason.TRADE_ID_MISSING),
    ({"event_type": "ENTRY", "trade_id": ""}, Reason.TRADE_ID_MISSING),
    ({"event_type": "ENTRY", "trade_id": 17}, Reason.TRADE_ID_MISSING),
    ({"event_type": "ENTRY", "trade_id": "x" * 101}, Reason.TRADE_ID_INVALID),
    ({"event_type": "SIGNAL_COMPLETED", "trade_id": "t"}, Reason.EXIT_REASON_UNKNOWN),
    ({"event_type": "EXIT", "trade_id": "t", "exit_reason": "bored"}, Reason.EXIT_REASON_UNKNOWN),
    (TELEMETRY | {"event_timestamp": "soon"}, Reason.TIME_INVALID),
    (TELEMETRY | {"event_timestamp": "1889-12-02T06:17:00"}, Reason.TIME_INVALID),
    (TELEMETRY | {"event_timestamp": True}, Reason.TIME_INVALID),
    (TELEMETRY | {"entry_price": 10**15}, Reason.NUMBER_INVALID),
    (TELEMETRY | {"entry_price": 10**50}, Reason.NUMBER_INVALID),
    (TELEMETRY | {"stop_loss": -1e300}, Reason.NUMBER_INVALID),
    (TELEMETRY | {"mfe_R": 1e-290}, Reason.NUMBER_INVALID),
    ({"event_type": "MFE_UPDATE_BATCH"}, Reason.PAYLOAD_INVALID),
    ({"event_type": "MFE_UPDATE_BATCH", "signals": "[]"}, Reason.PAYLOAD_INVALID),
    ({"event_type": "MFE_UPDATE_BATCH", "signals": [], "timestamp": "x"}, Reason.TIME_INVALID),
    ({"event_type": "HEARTBEAT", "timestamp": "x"}, Reason.TIME_INVALID),
]


@pytest.mark.parametrize(("told", "reason"), UNREADABLE)
def test_what_makes_a_message_useless_is_refused_with_its_reason(told: object, reason: Reason) -> None:
    for reader in (lambda body: read(body, NOW), check):
        with pytest.raises(Unreadable) as refused:
            reader(raw(told))
        assert refused.value.reason is reason
        assert refused.value.detail


@pytest.mark.parametrize(
    "body", [b"", b"buy now", b'{"type":"ENTRY","sl_price":25015.25",}', b'{"a":NaN}', b'{"a":1,"a":2}', b"\xff"]
)
def test_what_is_no_strict_json_is_refused(body: bytes) -> None:
    for reader in (read, check):
        with pytest.raises(Unreadable) as refused:
            reader(body)
        assert refused.value.reason is Reason.JSON_INVALID


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
MEMBERS = st.sampled_from(
    sorted({*TELEMETRY, *LEGACY_ENTRY, *EXIT, *BATCH["signals"][0], "automation_stage", "attributes", "signals"})
)
KINDS = st.sampled_from(
    [*EventType, "EXIT_BE", "SIGNAL_COMPLETED", "HEARTBEAT", "MFE_UPDATE_BATCH", "UNIFIED_SNAPSHOT_V1", "DANCE"]
)
ODD = st.dictionaries(MEMBERS, VALUES | st.dictionaries(MEMBERS, VALUES, max_size=4) | st.lists(VALUES, max_size=3), max_size=6)


def verdict(reader: Callable[[bytes], Reading], body: bytes) -> Reading | tuple[Reason, str]:
    try:
        return reader(body)
    except Unreadable as error:
        return error.reason, error.detail


@given(st.sampled_from([TELEMETRY, LEGACY_ENTRY, EXIT, BATCH, SNAPSHOT, {}]), ODD, KINDS)
def test_any_message_is_read_or_refused_and_a_check_says_the_same(base: dict[str, Any], odd: dict[str, Any], kind: str) -> None:
    body = raw(base | {"event_type": kind} | odd)
    reading = verdict(lambda body: read(body, NOW), body)
    if isinstance(reading, tuple):
        assert verdict(check, body) == reading
        return
    assert verdict(check, body) == Reading(reading.event_type, reading.trade_id, reading.schema_version)
    for event in reading.events:
        dumps(event.payload)
        assert (event.mae or 0) <= 0
