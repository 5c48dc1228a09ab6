"""``hookfill reconcile``: did an alert get lost? TradingView's own log, or an indicator's ledgers, against what arrived."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session, start_logging
from hookfill.cli.reconcile_ledgers import reconcile_ledgers
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from hookfill.edge.backfill import Backfilled
    from hookfill.journal.compare import Comparison, Finding

MOST_SHOWN = 200
"""Rows of a table; ``--json`` tells all."""


def reconcile(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True, help="TradingView's alert log.")
    ] = None,
    backfill: Annotated[bool, typer.Option("--backfill", help="Bring in what is missing, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    ledger: Annotated[bool, typer.Option("--ledger", help="Compare the indicator's ledgers with the journal instead.")] = False,
    day: Annotated[str | None, typer.Option(help="With --ledger: the New York day, such as 2026-03-02; default: a week.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account's; default: all, with --ledger the default one.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare TradingView's alert log with what arrived; exits with 1 when something is missing.

    What an indicator tells can be brought in as of when it was fired (source "backfill"). Alerts of strategies are compared too,
    but no trade is made after the fact: `hookfill import alerts` replays them.

    With --ledger: what an indicator exported against what its telemetry told; exits with 1 on errors and warnings.
    """
    if ledger:
        if file is not None or backfill:
            raise ConfigurationError("--ledger takes neither a file nor --backfill: leave them out.")
        raise typer.Exit(run_async(reconcile_ledgers(home, day, account, as_json=as_json)))
    if day is not None:
        raise ConfigurationError("--day goes with --ledger: add it, or leave the day out.")
    if file is None:
        raise ConfigurationError(
            "Name TradingView's alert log (hookfill reconcile FILE.csv), or compare the ledgers with --ledger."
        )
    if backfill and as_json and not yes:
        raise ConfigurationError("--json can't ask: add --yes to bring in what is missing.")
    raise typer.Exit(1 if run_async(_reconcile(home, file, account, backfill=backfill, yes=yes, as_json=as_json)) else 0)


async def _reconcile(home: Path | None, file: Path, account: str | None, *, backfill: bool, yes: bool, as_json: bool) -> int:
    """How much is still missing afterwards."""
    from hookfill.cli.files import opened
    from hookfill.inbox.alert_log import read_alert_log
    from hookfill.journal.reconcile import compare_log

    async with session(home) as at:
        start_logging(at.settings)
        searched, target = await _accounts(at, account)
        with opened(file, quiet=as_json) as lines:
            found = await compare_log(at.connection, searched, read_alert_log(lines))
        if not as_json:
            _print(found, asks=backfill)
        chosen = [one for one in found.missing if one.can_backfill] if backfill else []
        done = None
        if chosen and (yes or typer.confirm(f"Bring in {len(chosen)} missing messages?")):
            done = await _backfill(at, target, chosen)
        _conclude(found, done, as_json=as_json)
    return len(found.missing) - (len(chosen) if done is not None else 0)


async def _accounts(at: Session, account: str | None) -> "tuple[list[UUID], UUID]":
    """Where to look, and whose the missing ones become: the default account's, as at the door."""
    from hookfill.accounts.store import accounts_of_user
    from hookfill.cli.accounts import account_named

    target = await account_named(at, account)
    if account is not None:
        return [target], target
    return [row["account_id"] for row in await accounts_of_user(at.connection, at.user_id)], target


async def _backfill(at: Session, account_id: "UUID", chosen: "Sequence[Finding]") -> "Backfilled":
    """Store what is missing; without a server, read it here as well."""
    from hookfill.edge.backfill import backfill
    from hookfill.kernel.clock import utc_now
    from hookfill.ops.queue import worker_listens

    done = await backfill(at.connection, account_id, chosen, utc_now())
    if not await worker_listens(at.connection):
        await _work_off(at)
    return done


async def _work_off(at: Session) -> None:
    from functools import partial

    from hookfill.exports.worker import exports_loop
    from hookfill.journal.worker import journal_loop
    from hookfill.postgres.pool import connect, open_pool

    pool = await open_pool(at.database, name="journal", min_size=1, max_size=2)
    try:
        for make in (journal_loop, exports_loop):
            await make(pool, partial(connect, at.database, name="journal wake")).work_off()
    finally:
        await pool.close()


def _print(found: "Comparison", *, asks: bool) -> None:
    from hookfill.cli.show import console, pairs
    from hookfill.journal.findings import advice, summary

    _table("Missing", found.missing)
    _table("Arrived, but malformed and not repaired", found.malformed)
    _table("Fired more often than arrived (repeats of what is here)", found.incomplete)
    _bad_rows(found)
    console().print(pairs("Alert log", summary(found)), "")
    for sentence in advice(found, backfilled=asks):
        console().print(sentence, markup=False)


def _table(title: str, findings: "Sequence[Finding]") -> None:
    from hookfill.cli.show import console, table
    from hookfill.journal.findings import describe

    if not findings:
        return
    names = ("line", "fired_at", "count", "kind", "event_type", "trade_id", "alert_name", "reason", "message_id")
    columns = ("line", "fired (UTC)", "arrived", "kind", "event", "trade", "alert", "why", "message")
    told = [describe(finding) for finding in findings[:MOST_SHOWN]]
    rows = [[({**one, "count": f"{one['arrived']} of {one['fired']}"})[name] for name in names] for one in told]
    console().print(table(_counted(title, len(findings)), columns, rows, right=("line",)))


def _bad_rows(found: "Comparison") -> None:
    from hookfill.cli.show import console, table

    bad = found.log.bad_rows
    if bad:
        rows = [(row.line, row.reason) for row in bad[:MOST_SHOWN]]
        console().print(table(_counted("Rows that are no alerts", len(bad)), ("line", "why"), rows, right=("line",)))


def _counted(title: str, number: int) -> str:
    return f"{title}: {number}" + (f"; the first {MOST_SHOWN}" if number > MOST_SHOWN else "")


def _conclude(found: "Comparison", done: "Backfilled | None", *, as_json: bool) -> None:
    from hookfill.cli.show import console, print_json
    from hookfill.journal.findings import answer

    facts: dict[str, Any] | None = None if done is None else {"stored": done.stored, "malformed": done.malformed}
    if as_json:
        print_json({**answer(found), "backfilled": facts})
    elif done is not None:
        console().print(f"Brought in {done.stored} messages.", markup=False)
        if done.malformed:
            console().print(f"{done.malformed} of them are malformed: see `hookfill messages repair`.", markup=False)
