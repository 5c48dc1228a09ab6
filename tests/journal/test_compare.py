"""An alert log against what arrived: exactly what is missing is found, whatever order, repeats and disguises things come in."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.inbox.alert_log import BadRow, LoggedAlert
from hookfill.journal.compare import Arrival, Comparison, Kind, Known, Log, State, compare, gather, read_content, unaccounted
from hookfill.journal.grammar import read
from hookfill.signals.mask import mask_secrets
from support.journal import MONDAY, at, entry, heartbeat, move
from support.telemetry import BATCH, LEGACY_ENTRY, raw

MESSAGE_ID = UUID(int=7)
BUY = b'{"symbol":"EURUSD","action":"buy","volume":0.1}'
STRAY = raw(LEGACY_ENTRY).replace(b"25206.75,", b'25206.75",')
EXPORT = raw({"event_type": "ALL_SIGNALS_EXPORT", "batch_number": 0, "batch_size": 10, "total_signals": 1, "signals": []})


def logged(body: bytes | dict[str, Any], minute: float = 0, line: int = 2) -> LoggedAlert:
    return LoggedAlert(line, body if isinstance(body, bytes) else raw(body), at(minute), {"Alert ID": "7"})


def digest(body: bytes) -> bytes:
    return hashlib.sha256(mask_secrets(body)).digest()


def taken(deliveries: int = 1, door: str = "telemetry") -> Arrival:
    return Arrival(deliveries, frozenset({door}))


def set_aside(state: str, deliveries: int) -> Arrival:
    return Arrival(deliveries, frozenset(), MESSAGE_ID, state, "json_invalid")


def judged(log: Log, arrivals: dict[bytes, Arrival], known: Iterable[Known] = ()) -> Comparison:
    return compare(log, arrivals, unaccounted(log, arrivals), list(known))


def only(body: bytes | dict[str, Any], arrival: Arrival | None = None, known: Iterable[Known] = (), times: int = 1) -> Any:
    """The finding of a log with one body."""
    log = gather(logged(body, minute) for minute in range(times))
    (finding,) = judged(log, {} if arrival is None else {log.fired[0].digest: arrival}, known).findings
    return finding


def known_of(body: bytes, *, told_by: bytes | None = None) -> list[Known]:
    """A message's events as the journal has them."""
    reading = read(body, MONDAY)
    beats = [Known(beat.key, None, beat.kind, beat.at, told_by) for beat in reading.beats]
    return [Known(event.key, event.trade_id, event.event_type, event.at, told_by) for event in reading.events] + beats


KINDS = [
    (raw(entry()), Kind.TELEMETRY, "T1", "ENTRY", True),
    (raw(BATCH), Kind.TELEMETRY, None, "MFE_UPDATE_BATCH", True),
    (raw(heartbeat()), Kind.TELEMETRY, None, "HEARTBEAT", True),
    (STRAY, Kind.TELEMETRY, LEGACY_ENTRY["signal_id"], "ENTRY", False),
    (EXPORT, Kind.EXPORT, None, "ALL_SIGNALS_EXPORT", True),
    (BUY, Kind.TRADE, None, None, True),
    (b"close EURUSD", Kind.TRADE, None, None, True),
    (b"The price of gold crossed 4,000", Kind.UNREADABLE, None, None, True),
    (b'{"event_type":"NEWS","trade_id":"T1"}', Kind.UNREADABLE, None, None, True),
    (b"", Kind.UNREADABLE, None, None, True),
    (b"\xff\x00", Kind.UNREADABLE, None, None, True),
]


@pytest.mark.parametrize(("body", "kind", "trade_id", "event_type", "is_sound"), KINDS)
def test_whose_an_alert_is(body: bytes, kind: Kind, trade_id: str | None, event_type: str | None, is_sound: bool) -> None:
    content = read_content(gather([logged(body)]).fired[0])
    assert (content.kind, content.trade_id, content.event_type, content.is_sound) == (kind, trade_id, event_type, is_sound)


@pytest.mark.parametrize(
    ("body", "can_backfill"), [(raw(entry()), True), (STRAY, True), (EXPORT, True), (BUY, False), (b"Look at gold", False)]
)
def test_missing_alerts_are_brought_in_unless_they_are_trades(body: bytes, can_backfill: bool) -> None:
    finding = only(body)
    assert (finding.state, finding.deliveries, finding.can_backfill) == (State.MISSING, 0, can_backfill)


def test_a_body_that_arrived_is_there_and_its_content_is_not_even_read() -> None:
    finding = only(entry(), taken())
    assert (finding.state, finding.content, finding.lost_firings, finding.can_backfill) == (State.ARRIVED, None, 0, False)


def test_of_telemetry_one_delivery_is_enough() -> None:
    log = gather(logged(entry(), minute) for minute in range(5))
    found = judged(log, {log.fired[0].digest: taken(2)})
    assert (found.missing, [one.lost_firings for one in found.incomplete]) == ([], [3])


def test_of_a_strategys_alert_each_firing_must_have_arrived() -> None:
    assert only(BUY, taken(3), times=3).state is State.ARRIVED
    finding = only(BUY, taken(2), times=3)
    assert (finding.state, finding.deliveries, finding.lost_firings, finding.can_backfill) == (State.MISSING, 2, 1, False)


def test_telemetry_at_a_strategys_door_did_not_arrive_where_it_is_read() -> None:
    astray = only(entry(), taken(2, "tradingview"))
    assert (astray.state, astray.deliveries, astray.can_backfill) == (State.MISSING, 2, True)
    assert only(entry(), taken(2, "tradingview"), known_of(raw(entry()))).state is State.ARRIVED
    for body in (BUY, b"Look at gold"):
        assert only(body, taken(1, "tradingview")).state is State.ARRIVED


def test_more_deliveries_than_firings_are_nothing_to_tell_of() -> None:
    finding = only(entry(), taken(9))
    assert (finding.state, finding.lost_firings) == (State.ARRIVED, 0)


def test_what_arrived_malformed_waits_for_repair() -> None:
    finding = only(STRAY, set_aside("malformed", 1))
    assert (finding.state, finding.arrival.message_id, finding.can_backfill) == (State.MALFORMED, MESSAGE_ID, False)


def test_what_was_refused_at_the_door_is_missing() -> None:
    finding = only(entry(), set_aside("refused", 0))
    assert (finding.state, finding.deliveries, finding.can_backfill) == (State.MISSING, 0, True)


def test_a_repaired_message_is_known_by_its_events() -> None:
    mended = raw(LEGACY_ENTRY)
    finding = only(STRAY, set_aside("malformed", 1), known_of(mended))
    assert (finding.state, finding.by_event) == (State.ARRIVED, True)


@pytest.mark.parametrize("body", [raw(entry()), raw(BATCH), raw(heartbeat())])
def test_events_with_the_same_keys_prove_that_it_arrived_some_time(body: bytes) -> None:
    assert only(body, None, known_of(body)).by_event


def test_a_body_that_was_changed_on_its_way_is_known_by_trade_event_and_time() -> None:
    spaced = json.dumps(entry(), indent=2).encode()
    finding = only(entry(), None, known_of(spaced, told_by=digest(spaced)))
    assert (finding.state, finding.by_event) == (State.ARRIVED, True)


@pytest.mark.parametrize("other", [entry(minute=1), entry("T2"), {**entry(), "event_type": "CANCELLED"}])
def test_another_trade_event_or_time_is_not_the_same(other: dict[str, Any]) -> None:
    assert only(entry(), None, known_of(raw(other))).state is State.MISSING


def test_a_batch_is_there_when_all_of_its_trades_are() -> None:
    spaced = known_of(json.dumps(BATCH, indent=1).encode())
    assert only(BATCH, None, spaced).state is State.ARRIVED
    assert only(BATCH, None, spaced[:1]).state is State.MISSING


def test_an_event_that_another_alert_of_the_log_brought_proves_nothing() -> None:
    arrived, lost = raw(move(mfe=0.5)), raw(move(mfe=0.6))
    log = gather([logged(arrived), logged(lost)])
    known = known_of(arrived, told_by=digest(arrived))
    found = judged(log, {digest(arrived): taken()}, known)
    assert [one.fired.body for one in found.missing] == [lost]


def test_one_event_stands_for_one_alert_only() -> None:
    spaced = json.dumps(move(mfe=0.7), indent=1).encode()
    log = gather([logged(move(mfe=0.5)), logged(move(mfe=0.6))])
    found = judged(log, {}, known_of(spaced, told_by=digest(spaced)))
    assert sorted(one.state for one in found.findings) == [State.ARRIVED, State.MISSING]


def test_an_alert_is_shown_by_its_first_firing() -> None:
    rows = [logged(entry(), 3, line=2), BadRow(3, "it has not as many columns as the header"), logged(entry(), 1, line=4)]
    log = gather(rows)
    assert (log.rows, log.alerts, log.bad_rows) == (3, 2, (rows[1],))
    (fired,) = log.fired
    assert (fired.line, fired.times, fired.first_at, fired.last_at) == (4, 2, at(1), at(3))


def test_secrets_are_masked_before_bodies_are_compared() -> None:
    body = raw({**entry(), "secret": "canary-log-secret"})
    (fired,) = gather([logged(body)]).fired
    assert b"canary" not in fired.body
    assert fired.digest == digest(body)


def test_an_empty_log_has_nothing_to_tell() -> None:
    assert judged(gather([]), {}).findings == ()


@given(data=st.data(), times=st.lists(st.integers(1, 4), min_size=1, max_size=25))
def test_exactly_what_was_left_out_is_missing(data: st.DataObject, times: list[int]) -> None:
    """Any k of n distinct bodies, some of them of the same trade and moment; firings in any order."""
    bodies = [raw(move(f"T{number % 3}", number % 4, number / 100)) for number in range(len(times))]
    left_out = data.draw(st.sets(st.sampled_from(bodies)))
    rows = [
        logged(body, repeat, line=2 + number) for number, body in enumerate(bodies) for repeat in range(times[bodies.index(body)])
    ]
    log = gather(data.draw(st.permutations(rows)))
    arrivals = {
        digest(body): taken(data.draw(st.integers(1, number)))
        for body, number in zip(bodies, times, strict=True)
        if body not in left_out
    }
    known = [event for body in bodies if body not in left_out for event in known_of(body, told_by=digest(body))]
    found = judged(log, arrivals, data.draw(st.permutations(known)))
    assert {one.fired.body for one in found.missing} == left_out
    assert sum(one.lost_firings for one in found.incomplete) == sum(
        number - arrivals[digest(body)].deliveries for body, number in zip(bodies, times, strict=True) if body not in left_out
    )


@given(order=st.permutations(range(8)))
def test_the_order_of_the_rows_makes_no_difference(order: list[int]) -> None:
    rows = [logged(entry(f"T{number % 3}"), number, line=number) for number in range(8)]
    assert gather([rows[place] for place in order]) == gather(rows)


def test_findings_come_in_the_order_of_their_firing() -> None:
    rows = [logged(entry(f"T{minute}"), minute) for minute in (5, 1, 3)]
    assert [one.fired.first_at for one in judged(gather(rows), {}).findings] == [at(1), at(3), at(5)]
