"""Ledgers against the journal: each rule by itself, and that planted differences are found and nothing else."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.ledger_compare import (
    MOVE_TOLERANCE,
    Coverage,
    Finding,
    Journalled,
    Listed,
    Problem,
    Severity,
    Source,
    compare_ledgers,
)
from hookfill.journal.model import Status
from support.journal import at

MONDAY = date(2026, 3, 2)
TOLD_AT = at(600)
TRADE = Journalled(
    "T1",
    MONDAY,
    at(0),
    Status.COMPLETED,
    at(60),
    "Bullish",
    Decimal("20500.25"),
    Decimal(20475),
    Decimal("1.25"),
    Decimal("2.5"),
    Decimal("-0.5"),
    entered_at=at(1),
    exit_type="EXIT_STOP_LOSS",
    exit_at=at(60),
    stopped_at=at(60),
    last_mfe_at=at(59),
)
OPEN_TRADE = replace(TRADE, status=Status.ACTIVE, exit_type=None, exit_at=None, stopped_at=None)
ENDED_AT_ENTRY = replace(TRADE, exit_type="EXIT_BREAK_EVEN", stopped_at=None)
CONFIRMED = Listed(
    Source.CONFIRMED,
    "T1",
    MONDAY,
    at(0),
    TOLD_AT,
    "Bullish",
    Decimal("20500.25"),
    Decimal(20475),
    Decimal("1.25"),
    Decimal("2.5"),
    Decimal("-0.5"),
    completed=True,
)
SIGNAL = Listed(Source.ALL, "T1", MONDAY, at(0), TOLD_AT, "Bullish", Decimal("20500.25"), Decimal(20475), status="CONFIRMED")
WHOLE = [Coverage(source, MONDAY, MONDAY, at(-60), TOLD_AT) for source in Source]


def found(trade: Journalled | None, *listed: Listed, coverage: list[Coverage] | None = None, since: date | None = MONDAY) -> Any:
    ledgers = {source: {one.trade_id: one for one in listed if one.source is source} for source in Source}
    journal = {} if trade is None else {trade.trade_id: trade}
    return compare_ledgers(journal, ledgers, WHOLE if coverage is None else coverage, since)


def told(findings: list[Finding]) -> list[tuple[Problem, str | None, Severity]]:
    return [(one.problem, one.field, one.severity) for one in findings]


def test_the_same_in_all_three_is_nothing_to_tell() -> None:
    assert found(TRADE, CONFIRMED, SIGNAL) == []


def test_nothing_is_compared_with_nothing() -> None:
    assert compare_ledgers({}, {}, [], None) == []


MISSED = [
    ((CONFIRMED,), Severity.ERROR),
    ((SIGNAL,), Severity.ERROR),
    ((CONFIRMED, SIGNAL), Severity.ERROR),
    ((replace(SIGNAL, status="PENDING"),), Severity.INFO),
    ((replace(SIGNAL, status="Cancelled"),), Severity.INFO),
    ((replace(SIGNAL, status="SOMETHING"),), Severity.INFO),
]


@pytest.mark.parametrize(("listed", "severity"), MISSED)
def test_what_telemetry_never_brought(listed: tuple[Listed, ...], severity: Severity) -> None:
    assert told(found(None, *listed)) == [(Problem.MISSING_IN_JOURNAL, None, severity)]


@pytest.mark.parametrize("since", [None, MONDAY + timedelta(days=1)])
def test_before_the_first_telemetry_nothing_is_missing(since: date | None) -> None:
    assert found(None, CONFIRMED, since=since) == []


def test_what_a_whole_export_lacks() -> None:
    lacking = (Problem.MISSING_IN_LEDGER, None, Severity.WARNING)
    assert told(found(TRADE)) == [lacking, lacking]
    assert [one.source for one in found(TRADE, CONFIRMED)] == [Source.ALL]
    assert [one.source for one in found(TRADE, SIGNAL)] == [Source.CONFIRMED]


@pytest.mark.parametrize("status", [Status.PENDING, Status.CANCELLED])
def test_what_was_never_entered_is_no_confirmed_signal(status: Status) -> None:
    trade = replace(TRADE, status=status, entered_at=None, exit_type=None, exit_at=None)
    assert [one.source for one in found(trade)] == [Source.ALL]


NOT_COVERED = [
    [],
    [replace(run, first_day=MONDAY + timedelta(days=1)) for run in WHOLE],
    [replace(run, last_day=MONDAY - timedelta(days=1)) for run in WHOLE],
    [replace(run, taken_at=at(-1)) for run in WHOLE],
]


@pytest.mark.parametrize("coverage", NOT_COVERED)
def test_days_that_no_whole_export_covers_are_not_judged(coverage: list[Coverage]) -> None:
    assert found(TRADE, coverage=coverage) == []


def test_a_trade_that_was_entered_after_the_export_is_not_missing_among_the_confirmed() -> None:
    run = [replace(run, taken_at=at(0.5)) for run in WHOLE]
    assert [one.source for one in found(TRADE, coverage=run)] == [Source.ALL]


def test_before_the_exports_first_signal_it_is_only_noted() -> None:
    late = [replace(run, first_at=at(1)) for run in WHOLE]
    assert {one.severity for one in found(TRADE, coverage=late)} == {Severity.INFO}
    assert {one.severity for one in found(TRADE, coverage=late + WHOLE)} == {Severity.WARNING}


DIFFERENT = [
    ({"direction": "Bearish"}, ("direction", Severity.ERROR)),
    ({"entry": Decimal("20500.50")}, ("entry", Severity.ERROR)),
    ({"stop": Decimal("20474.75")}, ("stop", Severity.ERROR)),
    ({"be_mfe": Decimal("1.27")}, ("be_mfe", Severity.WARNING)),
    ({"be_mfe": Decimal("1.2")}, ("be_mfe", Severity.WARNING)),
    ({"no_be_mfe": Decimal(3)}, ("no_be_mfe", Severity.WARNING)),
    ({"mae": Decimal(-1)}, ("mae", Severity.WARNING)),
    ({"mae": Decimal(0)}, ("mae", Severity.WARNING)),
    ({"completed": False}, ("completed", Severity.WARNING)),
]


@pytest.mark.parametrize(("change", "finding"), DIFFERENT)
def test_fields_of_a_finished_trade(change: dict[str, Any], finding: tuple[str, Severity]) -> None:
    (one,) = found(TRADE, replace(CONFIRMED, **change), SIGNAL)
    assert (one.problem, one.field, one.severity) == (Problem.DIFFERENT, *finding)
    assert one.in_ledger == change[finding[0]]
    assert one.in_journal == (True if finding[0] == "completed" else getattr(TRADE, finding[0]))


WITHIN = [
    {"entry": Decimal("20500.26")},
    {"stop": Decimal("20475.0000")},
    {"be_mfe": Decimal("1.26")},
    {"mae": Decimal("-0.49")},
    {"be_mfe": None, "no_be_mfe": None, "mae": None, "entry": None, "stop": None, "direction": None, "completed": None},
]


@pytest.mark.parametrize("change", WITHIN)
def test_what_is_rounded_or_left_out_is_no_difference(change: dict[str, Any]) -> None:
    assert found(TRADE, replace(CONFIRMED, **change), SIGNAL) == []


def test_a_tick_of_a_currency_is_more_than_the_tolerance() -> None:
    cheap = replace(TRADE, entry=Decimal("1.07160"), stop=Decimal("1.0700"))
    listed = replace(CONFIRMED, entry=Decimal("1.07161"), stop=Decimal("1.0700"))
    assert [one.field for one in found(cheap, listed, replace(SIGNAL, entry=None, stop=None))] == ["entry"]


def test_what_both_ledgers_say_is_told_once() -> None:
    other = Decimal(20400)
    assert [one.source for one in found(TRADE, replace(CONFIRMED, stop=other), replace(SIGNAL, stop=other))] == [Source.CONFIRMED]
    assert len(found(TRADE, replace(CONFIRMED, stop=other), replace(SIGNAL, stop=Decimal(20300)))) == 2


def test_prices_that_telemetry_never_told() -> None:
    unknown = replace(TRADE, entry=None, be_mfe=None)
    findings = found(unknown, CONFIRMED, SIGNAL)
    assert [(one.field, one.severity, one.in_journal) for one in findings] == [
        ("be_mfe", Severity.WARNING, None),
        ("entry", Severity.WARNING, None),
    ]


MOVING = [
    # (told at minute, the ledger's move, severity): the trade is open, its last move came at minute 59.
    (600, "3", Severity.INFO),
    (600, "2", Severity.WARNING),
    (30, "2", Severity.INFO),
    (30, "3", Severity.WARNING),
]


@pytest.mark.parametrize(("minute", "move", "severity"), MOVING)
def test_an_open_trade_moves_on_between_two_tellings(minute: int, move: str, severity: Severity) -> None:
    listed = replace(CONFIRMED, told_at=at(minute), no_be_mfe=Decimal(move), completed=False)
    coverage: list[Coverage] = []
    assert told(found(OPEN_TRADE, listed, coverage=coverage)) == [(Problem.DIFFERENT, "no_be_mfe", severity)]


def test_a_ledger_from_before_the_end_may_be_behind() -> None:
    early = replace(CONFIRMED, told_at=at(30), completed=False, no_be_mfe=Decimal(1))
    assert told(found(TRADE, early, coverage=[])) == [(Problem.DIFFERENT, "no_be_mfe", Severity.INFO)]


STATUS = [
    (OPEN_TRADE, CONFIRMED, ("completed", Severity.ERROR)),
    (ENDED_AT_ENTRY, replace(CONFIRMED, completed=False), ("completed", Severity.INFO)),
    (replace(TRADE, status=Status.PENDING), CONFIRMED, ("status", Severity.ERROR)),
    (replace(TRADE, status=Status.CANCELLED), CONFIRMED, ("status", Severity.ERROR)),
    (replace(TRADE, status=Status.PENDING), SIGNAL, ("status", Severity.ERROR)),
    (TRADE, replace(SIGNAL, status="CANCELLED"), ("status", Severity.ERROR)),
    (replace(TRADE, status=Status.PENDING), replace(SIGNAL, status="INVALIDATED"), ("status", Severity.WARNING)),
    (TRADE, replace(SIGNAL, status="PENDING"), ("status", Severity.WARNING)),
    (TRADE, replace(SIGNAL, status="PENDING", told_at=at(1)), None),
    (TRADE, replace(SIGNAL, status="COMPLETED"), None),
    (TRADE, replace(SIGNAL, status="A WORD OF ITS OWN"), None),
    (TRADE, replace(CONFIRMED, completed=False, told_at=at(59)), None),
]


@pytest.mark.parametrize(("trade", "listed", "finding"), STATUS)
def test_where_a_trade_stands(trade: Journalled, listed: Listed, finding: tuple[str, Severity] | None) -> None:
    expected = [] if finding is None else [(Problem.DIFFERENT, *finding)]
    assert told(found(trade, listed, coverage=[])) == expected


def test_a_lost_entry_is_told_once() -> None:
    pending = replace(TRADE, status=Status.PENDING, entry=None, stop=None, be_mfe=None, no_be_mfe=None, mae=None)
    assert told(found(pending, CONFIRMED, SIGNAL)) == [(Problem.DIFFERENT, "status", Severity.ERROR)]


@st.composite
def trades(draw: st.DrawFn) -> dict[str, Journalled]:
    """Trades of some days, open and over, entered or not."""
    found = {}
    for number in range(draw(st.integers(1, 12))):
        day = draw(st.integers(0, 3))
        shape = draw(st.sampled_from([TRADE, OPEN_TRADE, ENDED_AT_ENTRY, replace(OPEN_TRADE, status=Status.PENDING)]))
        since = timedelta(days=day, minutes=number)
        moments = {
            name: value + since
            for name in ("signal_at", "last_event_at", "entered_at", "exit_at", "stopped_at", "last_mfe_at")
            if (value := getattr(shape, name)) is not None
        }
        found[f"T{number}"] = replace(shape, trade_id=f"T{number}", day=MONDAY + timedelta(days=day), **moments)
    return found


def exported(trade: Journalled, told_at: datetime) -> dict[Source, Listed]:
    """What an indicator would export of a trade."""
    common = (trade.trade_id, trade.day, trade.signal_at, told_at, trade.direction, trade.entry, trade.stop)
    status = "CONFIRMED" if trade.is_entered else "PENDING"
    listed = {Source.ALL: Listed(Source.ALL, *common, status=status)}
    if trade.is_entered:
        moves = (trade.be_mfe, trade.no_be_mfe, trade.mae)
        listed[Source.CONFIRMED] = Listed(Source.CONFIRMED, *common, *moves, completed=trade.status is Status.COMPLETED)
    return listed


@given(data=st.data(), journal=trades())
def test_planted_differences_are_found_and_nothing_else(data: st.DataObject, journal: dict[str, Journalled]) -> None:
    told_at = at(60 * 24 * 30)
    ledgers: dict[Source, dict[str, Listed]] = {source: {} for source in Source}
    for trade in journal.values():
        for source, listed in exported(trade, told_at).items():
            ledgers[source][trade.trade_id] = listed
    days = [trade.day for trade in journal.values()]
    first_at = min(trade.signal_at for trade in journal.values())
    coverage = [Coverage(source, min(days), max(days), first_at, told_at) for source in Source]
    assert compare_ledgers(journal, ledgers, coverage, min(days)) == []

    planted: set[tuple[str, Source, str | None]] = set()
    for trade in list(journal.values()):
        kind = data.draw(st.sampled_from(["none", "unlisted", "stop", "be_mfe"]))
        if kind == "unlisted":
            planted |= {(trade.trade_id, source, None) for source in ledgers if ledgers[source].pop(trade.trade_id, None)}
        elif kind == "stop":
            ledgers[Source.ALL][trade.trade_id] = replace(ledgers[Source.ALL][trade.trade_id], stop=Decimal(1))
            planted.add((trade.trade_id, Source.ALL, "stop"))
        elif kind == "be_mfe" and trade.is_entered and trade.be_mfe is not None:
            less = trade.be_mfe - 2 * MOVE_TOLERANCE
            ledgers[Source.CONFIRMED][trade.trade_id] = replace(ledgers[Source.CONFIRMED][trade.trade_id], be_mfe=less)
            planted.add((trade.trade_id, Source.CONFIRMED, "be_mfe"))
    findings = compare_ledgers(journal, ledgers, coverage, min(days))
    assert {(one.trade_id, one.source, one.field) for one in findings} == planted
    assert all(one.severity is not Severity.INFO for one in findings)
