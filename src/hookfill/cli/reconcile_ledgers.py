"""``hookfill reconcile --ledger``: an indicator's own tables against what its telemetry told, day by day."""

from pathlib import Path
from typing import TYPE_CHECKING

from hookfill.cli.common import session, start_logging
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import date

    from hookfill.journal.ledgers import Reconciled

DAYS = 7
MOST_SHOWN = 200


async def reconcile_ledgers(home: Path | None, day: str | None, account: str | None, *, as_json: bool) -> int:
    """Compare and print; returns the exit code: 1 when there is more than explains itself.

    Raises:
        ConfigurationError: the day or the account can't be used.
    """
    from hookfill.cli.accounts import account_named
    from hookfill.cli.show import print_json
    from hookfill.journal.ledgers import compare_days

    first, last = _days(day)
    async with session(home) as at:
        start_logging(at.settings)
        account_id = await account_named(at, account)
        found = await compare_days(at.connection, account_id, first, last)
    if as_json:
        print_json({"account_id": account_id, **found.answer()})
    else:
        _print(found)
    return 0 if found.fits else 1


def _days(day: str | None) -> "tuple[date, date]":
    from datetime import date, timedelta

    from hookfill.journal.sessions import to_new_york
    from hookfill.kernel.clock import utc_now
    from hookfill.kernel.times import EARLIEST, LATEST

    if day is None:
        today = to_new_york(utc_now()).date()
        return today - timedelta(days=DAYS - 1), today
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        chosen = None
    if chosen is None or not EARLIEST.date() <= chosen < LATEST.date():
        raise ConfigurationError("--day is no day from 1990 to 2099: give it such as 2026-03-02.")
    return chosen, chosen


def _print(found: "Reconciled") -> None:
    from hookfill.cli.show import console, table
    from hookfill.journal.ledger_compare import Severity

    told = found.answer()
    names = ("date", "journal", "confirmed_signals", "all_signals", "errors", "warnings", "infos")
    columns = ("day (New York)", "journal", "confirmed signals", "all signals", "errors", "warnings", "infos")
    title = f"{found.first} to {found.last}" if found.first != found.last else str(found.first)
    console().print(table(title, columns, [[day[name] for name in names] for day in told["days"]], right=columns[1:]))
    shown = [one for one in told["findings"] if one["severity"] != Severity.INFO]
    fields = ("date", "trade_id", "ledger", "severity", "problem", "field", "in_ledger", "in_journal", "note")
    if shown:
        rows = [[one[name] for name in fields] for one in shown[:MOST_SHOWN]]
        more = f"; the first {MOST_SHOWN}" if len(shown) > MOST_SHOWN else ""
        console().print(table(f"What does not fit: {len(shown)}{more}", [name.replace("_", " ") for name in fields], rows))
    for sentence in _remarks(found):
        console().print(sentence, markup=False)


def _remarks(found: "Reconciled") -> list[str]:
    """What else there is to know."""
    from hookfill.journal.ledger_compare import Severity

    remarks = []
    if found.telemetry_since is None:
        remarks.append("The journal has no trades: nothing can be missing in it. Let the indicator send its telemetry.")
    if infos := found.count(Severity.INFO):
        remarks.append(f"Differences that explain themselves: {infos}; --json tells them.")
    if found.broken_runs:
        remarks.append(f"Exports that lack batches, and so cover no day: {found.broken_runs}. Let the indicator export again.")
    if not found.coverage:
        remarks.append("No whole export covers these days: nothing can be missing in the ledgers.")
    return remarks
