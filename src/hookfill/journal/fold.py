"""From what a trade's events told to how the trade stands.

The rules, in plain words. Any script that has a trade's events can follow them:

- The trade ended at its earliest explicit exit (EXIT_BREAK_EVEN, EXIT_STOP_LOSS, EXIT_TAKE_PROFIT), by event time. Indicators
  tell a stop that was hit within the bar as a return to the entry and as a stop at once. Of such exits at one moment it is
  EXIT_BREAK_EVEN if +1R was touched by then (BE_TRIGGERED or ``be_triggered`` was told, or a move of 1 or more), for the entry
  then comes before the stop; else EXIT_STOP_LOSS: without +1R there is no return to the entry. A target comes last. Of several
  tellings of one exit at one moment the one with the greatest final move counts.
- A trade with an exit is COMPLETED, and stays so. One that was told to be CANCELLED is CANCELLED whatever else is told, unless
  its exit is not later than that. Else BE_PROTECTED if break-even was triggered; else ACTIVE if anything was told that only an
  entered trade has (also if its ENTRY was lost); else PENDING.
- ``final_mfe`` is what the exit by which it ended tells as final; if it tells none, the move that it tells; if it tells no move,
  ``be_mfe``. Only a COMPLETED trade has one.
- ``be_mfe`` is the greatest break-even move told up to that exit, ``no_be_mfe`` the greatest told up to the original stop or the
  target, ``mae`` the smallest up to there; what is told of later moments changes none of them. A format that tells one move
  tells it of both trades; only its EXIT_STOP_LOSS tells the final move of the one without break-even.
- What a trade is like (direction, prices, targets, setup …) is told best by telemetry before other formats, then by ENTRY,
  MFE_UPDATE, BE_TRIGGERED, exits, SIGNAL_CREATED; among equals the latest counts.
- A trade's session, date and hour are those of its signal bar.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from hookfill.exports.rows import exact_value
from hookfill.journal.merging import Ending, Steps, Trade, dump, fold, join, load, merge
from hookfill.journal.model import Direction, EventType, Exit, Status, TradeState
from hookfill.journal.sessions import direction_of, session_of, signal_time, to_new_york

__all__ = ["Trade", "build_trade_state", "dump", "fold", "join", "load", "merge"]

_ONE_R = Decimal(1)
_LONGEST_SETUP = 100


def build_trade_state(trade: Trade) -> TradeState:
    """How a trade stands by all that is known of it."""
    ended, exit_type = _end(trade)
    status = _status(trade, ended)
    word = _words_of(trade)
    signal_at = signal_time(trade.trade_id) or trade.first_at
    local = to_new_york(signal_at)
    is_completed = status is Status.COMPLETED and ended is not None and exit_type is not None
    final_mfe = _final_mfe(trade, ended) if is_completed else None
    stop = trade.exits.get(EventType.EXIT_STOP_LOSS)
    setup = _table(word.get("setup"))
    direction = word.get("direction")
    return TradeState(
        trade_id=trade.trade_id,
        status=status,
        signal_at=signal_at,
        signal_date=local.date(),
        signal_hour=local.hour,
        session=session_of(signal_at),
        last_event_at=trade.last_at,
        events=trade.events,
        direction=Direction(direction) if direction else direction_of(trade.trade_id),
        symbol=word.get("symbol"),
        timeframe=word.get("timeframe"),
        entered_at=trade.priced_at or trade.entered_at,
        entry_price=word.get("entry_price"),
        stop_loss=word.get("stop_loss"),
        risk_distance=_risk(word),
        current_price=word.get("current_price"),
        be_triggered_at=trade.be_triggered_at,
        current_mfe=_current_mfe(status, word.get("current_mfe"), final_mfe),
        be_mfe=_reached(trade.be_climb),
        no_be_mfe=_reached(trade.no_be_climb),
        final_mfe=final_mfe,
        mae=_reached(trade.mae_climb),
        exit=Exit(exit_type, ended.at, ended.price, ended.reason) if is_completed and ended and exit_type else None,
        stopped_at=stop.at if stop else None,
        cancelled_at=trade.cancelled_at,
        last_mfe_at=trade.last_mfe_at,
        setup_id=_setup_id(setup),
        position_size=word.get("position_size"),
        targets=_table(word.get("targets")),
        setup=setup,
        market_state=_table(word.get("market_state")),
        schema_version=word.get("schema_version"),
    )


def _words_of(trade: Trade) -> dict[str, Any]:
    return {name: word.value for name, word in trade.words.items()}


def _end(trade: Trade) -> tuple[Ending, EventType] | tuple[None, None]:
    """The exit by which the trade ended."""
    at = trade.ended_at
    if at is None:
        return None, None
    first = EventType.EXIT_BREAK_EVEN if _touched_one_r(trade, at) else EventType.EXIT_STOP_LOSS
    order = (first, EventType.EXIT_STOP_LOSS, EventType.EXIT_BREAK_EVEN, EventType.EXIT_TAKE_PROFIT)
    return next((ending, kind) for kind in order if (ending := trade.exits.get(kind)) is not None and ending.at == at)


def _touched_one_r(trade: Trade, at: datetime) -> bool:
    """Whether +1R was touched at a moment or before it: only then a stop can lie at the entry."""
    if trade.be_triggered_at is not None and trade.be_triggered_at <= at:
        return True
    climbed = [value for climb in (trade.be_climb, trade.no_be_climb) for told_at, value in climb if told_at <= at]
    return any(value >= _ONE_R for value in climbed)


def _status(trade: Trade, ended: Ending | None) -> Status:
    if trade.cancelled_at is not None and (ended is None or trade.cancelled_at < ended.at):
        return Status.CANCELLED
    if ended is not None:
        return Status.COMPLETED
    if trade.be_triggered_at is not None:
        return Status.BE_PROTECTED
    return Status.ACTIVE if trade.is_entered else Status.PENDING


def _final_mfe(trade: Trade, ended: Ending | None) -> Decimal | None:
    told = (ended.final_mfe, ended.mfe) if ended is not None else ()
    return next((move for move in told if move is not None), _reached(trade.be_climb))


def _current_mfe(status: Status, told: Decimal | None, final_mfe: Decimal | None) -> Decimal | None:
    """The latest telling's while the trade is open, then its final one."""
    return final_mfe if status is Status.COMPLETED else told


def _reached(climb: Steps) -> Decimal | None:
    return climb[-1][1] if climb else None


def _risk(word: Mapping[str, Any]) -> Decimal | None:
    """1R as a distance between prices: entry to original stop; what was told if one of them is unknown."""
    entry, stop = word.get("entry_price"), word.get("stop_loss")
    if entry is None or stop is None:
        return word.get("risk_distance")
    return cast("Decimal", abs(entry - stop))


def _table(text: str | None) -> Mapping[str, Any] | None:
    return cast("dict[str, Any]", exact_value(text)) if text else None


def _setup_id(setup: Mapping[str, Any] | None) -> str | None:
    """The setup's own id, else its family and variant."""
    if setup is None:
        return None
    named = setup.get("setup_id")
    if type(named) is not str:
        parts = [setup.get(f"setup_{part}", setup.get(part)) for part in ("family", "variant")]
        named = "_".join(part for part in parts if type(part) is str)
    return named[:_LONGEST_SETUP] or None
