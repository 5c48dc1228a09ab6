"""``hookfill import``: history from files. Importing the same file again changes nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session, start_logging
from hookfill.cli.files import opened
from hookfill.cli.import_candles import import_candles

if TYPE_CHECKING:
    from uuid import UUID

    from hookfill.edge.alert_log import Target
    from hookfill.inbox.alert_log import LoggedAlert

app = typer.Typer(help="Import history from files.", no_args_is_help=True, rich_markup_mode=None)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)]
MOST_REPORTED = 20
LOOK_SECONDS = 0.1
QUIET_SECONDS = 60
app.command("candles")(import_candles)


def _print_bad_rows(bad_rows: Sequence[Any]) -> None:
    from hookfill.cli.show import console, table

    if not bad_rows:
        return
    rows = [(bad.line, bad.reason) for bad in bad_rows[:MOST_REPORTED]]
    title = f"{len(bad_rows)} rows were skipped" + (f"; the first {MOST_REPORTED}" if len(bad_rows) > MOST_REPORTED else "")
    console().print(table(title, ("line", "why"), rows, right=("line",)))


@app.command("alerts")
def import_alerts(
    file: FileArgument,
    strategy: Annotated[str, typer.Option(help="Whose alerts they are: a strategy's name or id.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import TradingView's alert-log export: each alert is decided as of when it was fired."""
    from hookfill.cli.show import print_json

    result = run_async(_import_alerts(home, file, strategy, quiet=as_json))
    if as_json:
        print_json(result.facts() | {"bad_rows": [{"line": bad.line, "reason": bad.reason} for bad in result.bad_rows]})
        return
    _print_facts("Alerts imported", result.facts())
    _print_bad_rows(result.bad_rows)


@dataclass(slots=True)
class _Alerts:
    """What became of an alert log."""

    rows: int = 0
    stored: int = 0
    malformed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    bad_rows: list[Any] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "stored": self.stored,
            "duplicates": self.rows - self.stored - len(self.bad_rows),
            "malformed": self.malformed,
            "skipped": len(self.bad_rows),
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
        }

    def conclude(self, outcomes: Sequence[tuple[str, str | None, int]]) -> None:
        for status, reason, number in outcomes:
            self.outcomes[status] += number
            if reason is not None:
                self.reasons[reason] += number


async def _import_alerts(home: Path | None, file: Path, strategy: str, *, quiet: bool) -> _Alerts:
    from hookfill.cli.strategies import strategy_named
    from hookfill.edge.alert_log import Target
    from hookfill.inbox.alert_log import BadRow, in_order, read_alert_log

    result = _Alerts()
    async with session(home) as at:
        start_logging(at.settings)
        found = await strategy_named(at, strategy)
        alerts: list[LoggedAlert] = []
        with opened(file, quiet=quiet) as lines:
            for item in read_alert_log(lines):
                result.rows += 1
                if isinstance(item, BadRow):
                    result.bad_rows.append(item)
                else:
                    alerts.append(item)
        target = Target(found["account_id"], found["strategy_id"])
        signal_ids = await _store_alerts(at, in_order(alerts), target, result, quiet=quiet)
        if signal_ids:
            result.conclude(await _until_decided(at, target.account_id, signal_ids, quiet=quiet))
    return result


async def _store_alerts(
    at: Session, alerts: "Sequence[LoggedAlert]", target: "Target", result: _Alerts, *, quiet: bool
) -> "list[UUID]":
    """Store all in one commit; returns the ids of the signals."""
    from hookfill.edge.alert_log import BATCH, store_history
    from hookfill.inbox.store import wake_desk
    from hookfill.kernel.clock import utc_now

    received_at = utc_now()
    signal_ids = []
    with _counting("storing", len(alerts), quiet=quiet) as advance:
        async with at.connection.transaction():
            for start in range(0, len(alerts), BATCH):
                batch = alerts[start : start + BATCH]
                for item in await store_history(at.connection, batch, target, received_at):
                    result.stored += 1
                    result.malformed += item.state == "malformed"
                    if item.signal is not None:
                        signal_ids.append(item.signal.signal_id)
                advance(len(batch))
    await wake_desk(at.connection)
    return signal_ids


async def _until_decided(
    at: Session, account_id: "UUID", signal_ids: "Sequence[UUID]", *, quiet: bool
) -> "list[tuple[str, str | None, int]]":
    """Wait for the worker, or be the worker when none runs; returns what became of the signals.

    Signals that stay undecided although nothing moves for a while are left to the worker and counted as pending.
    """
    import asyncio
    import time

    from hookfill.ops.queue import worker_listens
    from hookfill.signals.store import count_outcomes

    if not await worker_listens(at.connection):
        await _work_off(at)
    pending, moved_at = len(signal_ids), time.monotonic()
    with _counting("deciding", len(signal_ids), quiet=quiet) as advance:
        while True:
            outcomes = await count_outcomes(at.connection, account_id, signal_ids)
            left = sum(number for status, _, number in outcomes if status == "pending")
            if not left or time.monotonic() - moved_at > QUIET_SECONDS:
                return outcomes
            if left != pending:
                advance(pending - left)
                pending, moved_at = left, time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)


async def _work_off(at: Session) -> None:
    """Decide what is due in this process."""
    from functools import partial

    from hookfill.desk.worker import Worker
    from hookfill.postgres.pool import connect, open_pool

    connections = at.settings.desk_concurrency + 1
    pool = await open_pool(at.database, name="desk", min_size=1, max_size=connections, only_looks_up=True)
    try:
        worker = Worker(
            pool,
            partial(connect, at.database, name="desk wake"),
            is_simulated=at.settings.is_simulated,
            concurrency=at.settings.desk_concurrency,
        )
        await worker.work_off()
    finally:
        await pool.close()


@contextmanager
def _counting(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over things that are counted."""
    from hookfill.cli.show import progress

    with progress(quiet=quiet) as shown:
        task = shown.add_task(what, total=total)
        yield lambda number: shown.advance(task, number)


def _print_facts(title: str, facts: dict[str, Any]) -> None:
    from hookfill.cli.show import console, pairs

    flat = {
        name: ", ".join(f"{number} {status}" for status, number in value.items()) if isinstance(value, dict) else value
        for name, value in facts.items()
    }
    console().print(pairs(title, flat), "")
