"""``hookfill demo``: the sample trading day on a temporary installation, from the first message to the summary."""

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import JsonOption, run_async

if TYPE_CHECKING:
    from rich.progress import Progress

    from hookfill.demo.installation import Installation
    from hookfill.demo.replay_day import Event
    from hookfill.demo.run_day import Day


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary instead of serving until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary home in place.")] = False,
) -> None:
    """Replay a sample trading day on a fresh temporary installation and tell what happened."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    run_async(_Demo(once=once, as_json=as_json, keep=keep).run())


def _leave(number: int, _frame: object) -> None:
    """Unwind, so that server and home are removed; a second signal must not interrupt that."""
    for other in (signal.SIGTERM, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


class _Demo:
    """One run and how it is shown."""

    def __init__(self, *, once: bool, as_json: bool, keep: bool) -> None:
        self._once, self._as_json, self._keep = once, as_json, keep
        self._shown = contextlib.ExitStack()
        self._progress: Progress | None = None

    async def run(self) -> None:
        from hookfill.demo.run_day import run_day

        if not self._as_json:
            print("Starting a temporary installation with a PostgreSQL of its own …", flush=True)
        with self._shown:
            await run_day(keep=self._keep, on_start=self._on_start, on_progress=self._on_progress, on_end=self._on_end)

    def _on_start(self, place: "Installation", events: "list[Event]") -> None:
        if self._as_json:
            return
        from hookfill.cli.show import progress

        print(f"Replaying Wednesday 2026-03-04 over HTTP at {place.url}", flush=True)
        self._progress = self._shown.enter_context(progress(quiet=False))
        self._progress.add_task("alerts and candles", total=sum(event.weight for event in events))

    def _on_progress(self, weight: int) -> None:
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], weight)

    async def _on_end(self, day: "Day") -> None:
        self._shown.close()
        if self._as_json:
            from hookfill.cli.show import print_json

            print_json(day.counts)
        else:
            _print_day(day)
            if self._keep:
                print(f"The home is kept: {day.home}", flush=True)
        if not self._once:
            if not self._as_json:
                _print_where(day)
            await asyncio.Event().wait()


def _print_day(day: "Day") -> None:
    from hookfill.cli.show import console, money, pairs, table

    counts: dict[str, Any] = dict(day.counts)
    latency = counts["alert_to_fill_ms"]
    facts = {
        "alerts in": counts["alerts"],
        "duplicates": counts["duplicates"],
        "malformed, kept": counts["malformed"],
        "discarded": counts["discarded"],
        "rejected": counts["rejected"],
        "executed": counts["executed"],
        "orders": counts["orders"],
        "fills": counts["fills"],
        "positions": f"{counts['positions_opened']} opened, {counts['positions_closed']} closed",
        "realised P&L": money(counts["realized_pnl"], counts["currency"]),
        "equity": money(counts["equity"], counts["currency"]),
        "alert to fill": f"p50 {latency['p50']} ms, p99 {latency['p99']} ms",
        "replayed in": f"{counts['seconds']} s",
    }
    refusals = [
        (status, reason, number) for status in ("discarded", "rejected") for reason, number in counts[f"{status}_reasons"].items()
    ]
    out = console()
    out.print(pairs("The day", facts), "")
    out.print(table("Why alerts were not traded", ("", "reason", "alerts"), refusals, right=("alerts",)))
    out.print(table("How positions were left", ("exit", "positions"), counts["exits"].items(), right=("positions",)))


def _print_where(day: "Day") -> None:
    lines = [
        f"The server goes on at {day.url} until Ctrl-C. Look further with:",
        f"  hookfill status --home {day.home}",
        f"  hookfill story {day.story_id} --home {day.home}",
        f"  curl -H 'Authorization: Bearer {day.token}' {day.url}/api/v1/positions",
    ]
    print("\n".join(lines), flush=True)
