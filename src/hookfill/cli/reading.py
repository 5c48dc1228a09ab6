"""``hookfill status`` and ``story``: how things stand, and what became of one signal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.kernel.errors import HookfillError

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_SHOWN = 200


class NotFound(HookfillError):
    """What was asked for is not there."""


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show accounts, open positions, halts, what waits, and whether the server runs."""
    from hookfill.cli.show import print_json

    found = run_async(_status(home))
    if as_json:
        print_json(found)
    else:
        _print_status(found)


async def _status(home: Path | None) -> dict[str, Any]:
    from hookfill.desk.summary import account_summary, activity
    from hookfill.ops.queue import queue, worker_listens
    from hookfill.positions.store import list_positions

    async with session(home) as at:
        waiting = await queue(at.connection)
        return {
            "server": {"url": at.home.listening_url(), "worker": await worker_listens(at.connection)},
            "queue": {
                "pending": waiting.pending,
                "oldest_seconds": waiting.oldest_seconds,
                "spooled_batches": len(at.home.spooled()),
            },
            "accounts": await account_summary(at.connection, at.user_id, at.settings.limits),
            "positions": await list_positions(at.connection, at.user_id, limit=1_000),
            "activity": await activity(at.connection, at.user_id),
        }


def _print_status(found: Mapping[str, Any]) -> None:
    from hookfill.cli.show import console, money, pairs, table

    out = console()
    queue, did = found["queue"], found["activity"]
    waits = f"{queue['pending']} signals" + (f", the oldest for {queue['oldest_seconds']:g} s" if queue["pending"] else "")
    facts = {
        "server": found["server"]["url"] or "not running",
        "worker": "connected" if found["server"]["worker"] else "not running",
        "waiting": waits + (f", {queue['spooled_batches']} spooled batches" if queue["spooled_batches"] else ""),
        "messages": ", ".join(f"{did[name]} {name}" for name in ("alerts", "duplicates", "malformed", "refused")),
        "signals": ", ".join(f"{did[name]} {name}" for name in ("executed", "discarded", "rejected", "failed", "pending")),
        "trades": f"{did['orders']} orders, {did['fills']} fills, {did['positions_closed']} positions closed",
    }
    out.print(pairs("Hookfill", facts), "")
    accounts = [
        (a["name"], money(a["equity"], a["currency"]), money(a["cash"]), money(a["realized_today"]), money(a["open_risk"]))
        for a in found["accounts"]
    ]
    columns = ("account", "equity", "cash", "realised today", "open risk")
    out.print(table("Accounts", columns, accounts, right=columns[1:]))
    _print_positions(out, found["positions"])
    _print_halts(out, found["accounts"])


def _print_halts(out: "Console", accounts: Sequence[Mapping[str, Any]]) -> None:
    from hookfill.cli.show import table

    rows = [
        (
            account["name"],
            halt["scope"],
            halt["symbol"] or halt["strategy_id"],
            "entries" if halt["reduce_only"] else "everything",
            halt["reason"],
            halt["created_at"],
        )
        for account in accounts
        for halt in account["halts"]
    ]
    if rows:
        columns = ("account", "scope", "of", "halted", "reason", "since (UTC)")
        out.print(table("Halts in force (`hookfill resume` lifts them)", columns, rows))


def _print_positions(out: "Console", positions: Sequence[Mapping[str, Any]]) -> None:
    from hookfill.cli.show import money, table

    if not positions:
        out.print("No open position.\n")
        return
    columns = ("symbol", "strategy", "quantity", "entry", "mark", "as of (UTC)", "unrealised", "stop", "target")
    rows = [
        (
            p["contract"] or p["symbol"],
            p["strategy_name"],
            p["quantity"],
            p["average_price"],
            p["mark"],
            p["marked_at"],
            money(p["unrealized_pnl"]),
            p["trailing_stop"] or p["stop_price"],
            p["target_price"],
        )
        for p in positions
    ]
    out.print(table("Open positions", columns, rows, right=("quantity", "entry", "mark", "unrealised", "stop", "target")))


def story(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A signal's id, or a message's.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything that happened to one signal, in order, with figures and times."""
    from hookfill.cli.show import print_json

    try:
        wanted = UUID(identifier)
    except ValueError:
        raise NotFound(f"{identifier!a} is no id: `hookfill messages` and `hookfill status` show ids.") from None
    told = run_async(_story(home, wanted))
    if as_json:
        print_json(told)
    else:
        _print_story(told)


async def _story(home: Path | None, wanted: UUID) -> dict[str, Any]:
    from hookfill.desk.story import story as tell

    async with session(home) as at:
        told = await tell(at.connection, at.user_id, wanted)
    if told is None:
        raise NotFound(f"There is no signal or message {wanted} in this installation: check the id and --home.")
    return told


def _print_story(told: Mapping[str, Any]) -> None:
    from hookfill.cli.show import console, pairs, table

    facts = {
        "strategy": told["strategy_name"],
        "signal": told["signal_id"],
        "message": told["message_id"],
        "status": told["status"] + (f" ({told['reason']})" if told["reason"] else ""),
    }
    out = console()
    out.print(pairs(" ".join(filter(None, (told["action"], told["symbol"]))) or "Message", facts), "")
    rows = [
        (
            None if step["at"] is None else step["at"].strftime("%H:%M:%S.%f")[:-3],
            None if step["elapsed_ms"] is None else f"+{step['elapsed_ms']:g}",
            step["title"],
            step["says"],
            _figures(step["figures"]),
        )
        for step in told["steps"]
    ]
    out.print(table("Story (UTC)", ("at", "ms", "step", "what happened", "figures"), rows, right=("ms",)))


def _figures(figures: Mapping[str, Any]) -> str:
    """A step's numbers on one line; ids, nested ones and what is absent are left to --json."""
    from decimal import Decimal

    from hookfill.kernel.money import plain

    shown = [
        f"{name}={plain(value) if isinstance(value, Decimal) else value}"
        for name, value in figures.items()
        if value not in (None, "") and not name.endswith("_id") and not isinstance(value, Mapping | list | tuple)
    ]
    text = "  ".join(shown)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
