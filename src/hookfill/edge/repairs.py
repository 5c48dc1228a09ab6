"""Malformed messages sent on: what the repair rules make of one, what its door says to that, and, on confirmation, the normal way.

A repaired alert is judged as of now: what it asked for when it was sent may be long gone, and is not pretended to happen then. Only
imported history, which is judged as of its own time, stays history.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.edge import indicator_export, signed, telemetry, tradingview
from hookfill.exports.envelope import DOOR as EXPORT_DOOR
from hookfill.inbox.model import Delivery
from hookfill.inbox.repair import RULES, Repair, RepairRule, RuleName, repair
from hookfill.inbox.store import lock_message, send_on
from hookfill.journal.model import DOOR as TELEMETRY_DOOR
from hookfill.kernel.clock import to_us
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.lifecycle import MESSAGE

_JUDGES: dict[str, Callable[[Delivery, bytes], object]] = {
    tradingview.DOOR: tradingview.judge,
    signed.DOOR: signed.judge,
    TELEMETRY_DOOR: telemetry.judge,
    EXPORT_DOOR: indicator_export.judge,
}
"""How each door reads a body; what the others refuse was told to its sender, who sends it again."""


class NotRepairable(HookfillError):
    """A message that can't be repaired: the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would become of a malformed message.

    Attributes:
        repair: what is read in place of its body, and which rules made it; None: nothing is. Without rules it is the body itself,
            which its door has learned to read since, or which a defect of ours kept from being handled.
        problem: why it can't be sent on; None: it can.
    """

    repair: Repair | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a message that was sent on.

    Attributes:
        state: ``processed`` (an alert: its signal is pending), ``received`` (a worker reads it next) or ``duplicate``.
        signal_id: of an alert; of a duplicate, the first delivery's.
        rules: the names of those that were applied.
    """

    state: str
    signal_id: UUID | None
    rules: tuple[RuleName, ...]


def propose(message: Mapping[str, Any], rules: tuple[RepairRule, ...] = RULES) -> Proposal:
    """What would become of a message.

    Args:
        message: all columns of its row.
        rules: those that may be applied.
    """
    return _judged(_delivery(message), rules)


async def send_repaired(
    connection: asyncpg.Connection, account_id: UUID, message_id: UUID, rules: tuple[RepairRule, ...] = RULES
) -> Repaired:
    """Repair a message and send it on; whoever asks second finds that it is done.

    Args:
        connection: one that sees and changes all.
        rules: those that may be applied.

    Raises:
        NotRepairable: there is no such message, it is not malformed (any more), or nothing makes it one that its door understands.
    """
    async with connection.transaction():
        message = await lock_message(connection, account_id, message_id)
        if message is None:
            raise NotRepairable("There is no message of this id any more.")
        item = _delivery(message)
        if item.strategy_id is not None and item.source == "live":
            item.as_of, item.seen_us = message["now_at"], to_us(message["now_at"])
        proposal = _judged(item, rules)
        if proposal.repair is None or proposal.problem is not None:
            raise NotRepairable(proposal.problem or "")
        if proposal.repair.rules:
            item.repaired_body, item.repaired_by = proposal.repair.body, proposal.repair.names
        receipt = await send_on(connection, item)
    state = MESSAGE.move(MESSAGE.move("malformed", "repaired"), "received")
    outcome = item.state if receipt.fresh else "duplicate"
    return Repaired(state if outcome == state else MESSAGE.move(state, outcome), receipt.signal_id, proposal.repair.rules)


def _delivery(message: Mapping[str, Any]) -> Delivery:
    """A stored message as a delivery, to be judged once more."""
    return Delivery(
        account_id=message["account_id"],
        message_id=message["message_id"],
        door=message["door"],
        body=bytes(message["body"]),
        received_at=message["received_at"],
        as_of=message["as_of"],
        seen_us=to_us(message["as_of"]),
        strategy_id=message["strategy_id"],
        source=message["source"],
        state=message["state"],
    )


def _judged(item: Delivery, rules: tuple[RepairRule, ...]) -> Proposal:
    """Let the message's door judge it as it is, else as the rules mend it; an item that can be sent on is marked so."""
    judge = _JUDGES.get(item.door)
    if judge is None:
        return Proposal(None, f"What the door {item.door} refuses is not repaired: its sender was told to send it again.")
    if item.state != "malformed":
        return Proposal(None, f"The message is {item.state}, not malformed: there is nothing to repair.")
    judge(item, item.body)
    if item.state != "malformed":
        return Proposal(Repair(item.body, ()))
    mended = repair(item.body, rules)
    if mended is None:
        return Proposal(None, "No repair rule makes this message valid JSON: mend it by hand and send it again.")
    judge(item, mended.body)
    if item.state == "malformed":
        return Proposal(mended, f"Repaired, the message still can't be used: {item.error}")
    item.reason = item.error = None
    return Proposal(mended)
