"""``hookfill messages``: what came in through the doors; ``messages repair``: what is malformed, mended and sent on."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.cli.reading import LONGEST_SHOWN, NotFound

if TYPE_CHECKING:
    from hookfill.cli.common import Session
    from hookfill.inbox.repair import RepairRule

MOST = 10_000
LONGEST_BODY = 2_000
app = typer.Typer(help="What came in through the doors; what is malformed can be repaired.", rich_markup_mode=None)


class MessageState(StrEnum):
    """What became of a message."""

    PROCESSED = "processed"
    MALFORMED = "malformed"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    RECEIVED = "received"


@app.callback(invoke_without_command=True)
def messages(
    context: typer.Context,
    state: Annotated[MessageState | None, typer.Option(help="Only those of one state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most, of each account.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what came in through the doors, newest first, with its raw bytes."""
    from hookfill.cli.show import cell, console, print_json, table

    if context.invoked_subcommand is not None:
        return
    found = run_async(_messages(home, state.value if state is not None else None, limit))
    if as_json:
        print_json(found)
        return
    rows = [
        (message["received_at"], message["door"], message["state"], message["reason"], message["body"], message["message_id"])
        for message in (_shortened(message) for message in found)
    ]
    console().print(table("Messages", ("received (UTC)", "door", "state", "reason", "body", "id"), rows))
    for message in found:
        if message["error"]:
            console().print(cell(f"{message['message_id']}: {message['error']}"), style="dim")


def _shortened(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "body": _cut(message["body"], LONGEST_SHOWN)}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


async def _messages(home: Path | None, state: str | None, limit: int) -> list[dict[str, Any]]:
    from hookfill.accounts.store import accounts_of_user
    from hookfill.inbox.store import list_messages

    found: list[dict[str, Any]] = []
    async with session(home) as at:
        for account in await accounts_of_user(at.connection, at.user_id):
            rows = await list_messages(at.connection, account["account_id"], state=state, limit=limit)
            found += [{**row, "body": _text(row["body"])} for row in rows]
    return sorted(found, key=lambda message: str(message["message_id"]), reverse=True)


def _text(body: bytes) -> str:
    return bytes(body).decode("utf-8", "backslashreplace")


@app.command("repair")
def repair(
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="Messages' ids; without any, all malformed ones.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Apply this rule only; without it, all that find their fault.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Repair them and send them on; without it they are only shown.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the repair rules make of malformed messages, before and after; with --apply, send them on.

    A message that is sent on takes the normal way: an alert becomes a signal as of now, telemetry goes into the journal, a batch
    into its ledger. What came stays stored.
    """
    from hookfill.cli.show import print_json

    rules = _rules(rule)
    asked = [_identifier(text) for text in identifiers or []]
    found = run_async(_repair(home, asked, rules, apply=apply))
    if as_json:
        print_json(found)
    else:
        _print_repairs(found, apply=apply)
    if asked and any(message["problem"] for message in found):
        raise typer.Exit(1)


def _rules(name: str | None) -> "tuple[RepairRule, ...]":
    from hookfill.inbox.repair import RULES, RuleName, rules_named

    if name is None:
        return RULES
    try:
        return rules_named(RuleName(name))
    except ValueError:
        raise NotFound(f"There is no repair rule {name!a}: choose one of {', '.join(RuleName)}.") from None


def _identifier(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{text!a} is no id: `hookfill messages --state malformed` shows ids.") from None


async def _repair(
    home: Path | None, identifiers: Sequence[UUID], rules: "tuple[RepairRule, ...]", *, apply: bool
) -> list[dict[str, Any]]:
    """The messages asked for, in order of arrival, each with what the rules make of it and, with ``apply``, what became of it."""
    from hookfill.inbox.store import message_of, messages_of

    async with session(home) as at:
        wanted = list(identifiers)
        if not wanted:
            rows = await messages_of(at.connection, at.user_id, state="malformed", limit=MOST, beginning=0)
            wanted = [row["message_id"] for row in reversed(rows)]
        found = []
        for identifier in wanted:
            message = await message_of(at.connection, at.user_id, identifier)
            if message is None:
                raise NotFound(
                    f"There is no message {identifier}: `hookfill messages --state malformed` shows what can be repaired."
                )
            found.append(await _repair_one(at, message, rules, apply=apply))
        return found


async def _repair_one(at: "Session", message: Mapping[str, Any], rules: "tuple[RepairRule, ...]", *, apply: bool) -> dict[str, Any]:
    from hookfill.edge.repairs import NotRepairable, propose, send_repaired

    proposal = propose(message, rules)
    told: dict[str, Any] = {name: message[name] for name in ("message_id", "door", "received_at", "state")}
    told |= {
        "rules": list(proposal.repair.rules) if proposal.repair is not None else [],
        "before": _text(message["body"]),
        "after": _text(proposal.repair.body) if proposal.repair is not None else None,
        "problem": proposal.problem,
        "is_sent_on": False,
        "signal_id": None,
    }
    if apply and proposal.problem is None:
        try:
            done = await send_repaired(at.connection, message["account_id"], message["message_id"], rules)
        except NotRepairable as error:  # somebody else was faster
            return told | {"problem": str(error)}
        told |= {"is_sent_on": True, "state": done.state, "signal_id": done.signal_id}
    return told


def _print_repairs(found: Sequence[Mapping[str, Any]], *, apply: bool) -> None:
    from hookfill.cli.show import console, pairs

    out = console()
    for message in found:
        facts = {
            "received (UTC)": message["received_at"],
            "door": message["door"],
            "rules": ", ".join(message["rules"]),
            "before": _cut(message["before"], LONGEST_BODY),
            "after": None if message["after"] is None else _cut(message["after"], LONGEST_BODY),
            "problem": message["problem"],
        }
        if message["is_sent_on"]:
            facts |= {"state": message["state"], "signal": message["signal_id"]}
        out.print(pairs(f"Message {message['message_id']}", facts), "")
    able = sum(message["problem"] is None for message in found)
    if not found:
        out.print("No message is malformed.")
    elif apply:
        out.print(f"Repaired and sent on: {able}. Left as they are: {len(found) - able}.")
    else:
        out.print(f"Repairable: {able} of {len(found)}." + (" Add --apply to repair them and send them on." if able else ""))
