"""Journal and ledgers in the database, by way of their own workers: planted differences are found and nothing else."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.exports import worker as exports
from hookfill.exports.envelope import ALL_SIGNALS, CONFIRMED_SIGNALS
from hookfill.journal.ledger_compare import Problem, Severity, Source
from hookfill.journal.ledgers import Reconciled, compare_days
from support.exports import batch, deliver
from support.journal import at, entry, put, work_all

TODAY = date(2026, 3, 2)
SIZE = 4


@pytest.fixture
async def account_id(connection: asyncpg.Connection) -> UUID:
    return await default_account(connection, await bootstrap(connection, "canary-owner-token-77aa10c3e2"))


def told(number: int) -> list[dict[str, Any]]:
    """A trade's telemetry: every third one is over."""
    trade_id = f"T{number:02}"
    events = [entry(trade_id, number, be_mfe=0.5, no_be_mfe=1.5, mae_global_r=-0.25)]
    if number % 3 == 0:
        over = entry(trade_id, number + 60, event_type="EXIT_STOP_LOSS", be_mfe=0.5, no_be_mfe=1.5, final_mfe_R=1.5)
        events.append(over)
    return events


def confirmed(number: int, **fields: Any) -> dict[str, Any]:
    """The same trade as the indicator exports it."""
    row = {
        "trade_id": f"T{number:02}",
        "triangle_time": _ms(number),
        "direction": "Bullish",
        "entry": 20500.25,
        "stop": 20475,
        "be_mfe": 0.5,
        "no_be_mfe": 1.5,
        "mae": -0.25,
        "completed": number % 3 == 0,
    }
    return row | fields


def signalled(number: int, **fields: Any) -> dict[str, Any]:
    row = {
        "trade_id": f"T{number:02}",
        "signal_time": _ms(number),
        "direction": "Bullish",
        "status": "CONFIRMED",
        "entry": 20500.25,
        "stop": 20475,
    }
    return row | fields


def _ms(number: int) -> int:
    return round(at(number).timestamp() * 1000)


async def journal(connection: asyncpg.Connection, account_id: UUID, numbers: Sequence[int]) -> None:
    await put(connection, account_id, *(event for number in numbers for event in told(number)))
    await work_all(connection, account_id)


async def export(
    connection: asyncpg.Connection, account_id: UUID, event_type: str, rows: Sequence[dict[str, Any]], leave_out: int | None = None
) -> None:
    """One run of exports, one batch of which may be left out; the last one comes first."""
    batches = [
        batch(rows[start : start + SIZE], event_type=event_type, number=start // SIZE, size=SIZE, total=len(rows))
        for start in range(0, len(rows), SIZE)
    ]
    bodies = [body for number, body in enumerate(batches) if number != leave_out]
    await deliver(connection, account_id, bodies[::-1], at=at(60 * 8))
    while await exports.work(connection, account_id):
        pass


async def compared(connection: asyncpg.Connection, account_id: UUID, day: date = TODAY) -> Reconciled:
    return await compare_days(connection, account_id, day, day)


def short(found: Reconciled) -> list[tuple[str, Source, Problem, str | None, Severity]]:
    return [(one.trade_id, one.source, one.problem, one.field, one.severity) for one in found.findings]


async def test_an_installation_without_anything(connection: asyncpg.Connection, account_id: UUID) -> None:
    found = await compared(connection, account_id)
    assert (found.fits, found.telemetry_since, found.coverage, found.answer()["days"]) == (True, None, [], [])


async def test_what_is_the_same_is_nothing_to_tell(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, range(10))
    await export(connection, account_id, CONFIRMED_SIGNALS, [confirmed(number) for number in range(10)])
    await export(connection, account_id, ALL_SIGNALS, [signalled(number) for number in range(10)])
    found = await compared(connection, account_id)
    assert (short(found), found.telemetry_since, found.broken_runs) == ([], TODAY, 0)
    assert found.answer()["days"] == [
        {
            "date": TODAY,
            "journal": 10,
            "confirmed_signals": 10,
            "all_signals": 10,
            "confirmed_signals_covered": True,
            "all_signals_covered": True,
            "errors": 0,
            "warnings": 0,
            "infos": 0,
        }
    ]


async def test_planted_differences_are_found_and_nothing_else(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, [number for number in range(12) if number != 4])
    planted: dict[int, dict[str, Any]] = {
        3: {"stop": 20470},
        5: {"direction": "Bearish"},
        6: {"be_mfe": 0.75},
        7: {"completed": True},
    }
    rows = [confirmed(number, **planted.get(number, {})) for number in range(12) if number != 8]
    await export(connection, account_id, CONFIRMED_SIGNALS, rows)
    await export(connection, account_id, ALL_SIGNALS, [signalled(number) for number in range(12)])
    assert short(await compared(connection, account_id)) == [
        ("T03", Source.CONFIRMED, Problem.DIFFERENT, "stop", Severity.ERROR),
        ("T04", Source.CONFIRMED, Problem.MISSING_IN_JOURNAL, None, Severity.ERROR),
        ("T05", Source.CONFIRMED, Problem.DIFFERENT, "direction", Severity.ERROR),
        ("T06", Source.CONFIRMED, Problem.DIFFERENT, "be_mfe", Severity.WARNING),
        ("T07", Source.CONFIRMED, Problem.DIFFERENT, "completed", Severity.ERROR),
        ("T08", Source.CONFIRMED, Problem.MISSING_IN_LEDGER, None, Severity.WARNING),
    ]


async def test_an_export_that_lacks_a_batch_covers_nothing(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, range(12))
    rows = [confirmed(number, **({"stop": 20470} if number == 2 else {})) for number in range(12)]
    await export(connection, account_id, CONFIRMED_SIGNALS, rows, leave_out=1)
    found = await compared(connection, account_id)
    assert [one.field for one in found.findings] == ["stop"]
    assert (found.broken_runs, found.covers(Source.CONFIRMED, TODAY)) == (1, False)
    # The missing batch comes after all: the same run is whole.
    await export(connection, account_id, CONFIRMED_SIGNALS, rows)
    assert (await compared(connection, account_id)).broken_runs == 0


async def test_other_days_are_left_out(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, [0])
    await export(connection, account_id, CONFIRMED_SIGNALS, [confirmed(0), confirmed(1), confirmed(60 * 24)])
    assert [one.trade_id for one in (await compared(connection, account_id)).findings] == ["T01"]
    tomorrow = await compared(connection, account_id, TODAY + timedelta(days=1))
    assert [one.trade_id for one in tomorrow.findings] == ["T1440"]


async def test_a_trade_whose_days_differ_is_one_trade(connection: asyncpg.Connection, account_id: UUID) -> None:
    """Its id, and so the journal, names another day than the ledger does."""
    trade_id = "20260302_235900000_BULLISH"
    await put(connection, account_id, entry(trade_id, 0, be_mfe=0.5, no_be_mfe=1.5, mae_global_r=-0.25))
    await work_all(connection, account_id)
    rows = [confirmed(60 * 15, trade_id=trade_id, completed=False)]
    await export(connection, account_id, CONFIRMED_SIGNALS, rows)
    for day in (TODAY, TODAY + timedelta(days=1)):
        assert short(await compared(connection, account_id, day)) == []


async def test_rows_that_are_no_signals_do_not_keep_a_run_from_covering(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, range(3))
    odd: list[Any] = ["text", 7, None, {"trade_id": "T09", "triangle_time": "soon"}, {"triangle_time": 1e40}]
    bodies = [batch([*odd, confirmed(0), confirmed(2)], size=15, total=7)]
    await deliver(connection, account_id, bodies, at=at(60 * 8))
    while await exports.work(connection, account_id):
        pass
    assert [one.trade_id for one in (await compared(connection, account_id)).findings] == ["T01"]


async def test_accounts_are_kept_apart(connection: asyncpg.Connection, account_id: UUID) -> None:
    await journal(connection, account_id, range(3))
    other = UUID(int=9)
    assert (await compared(connection, other)).answer()["days"] == []
