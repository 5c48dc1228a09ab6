"""Trades as CSV (pure): times in UTC, numbers exact, text never run as a formula."""

from collections.abc import Iterable
from datetime import datetime

from hookfill.exports.table import cell, text_of
from hookfill.journal.model import TradeState
from hookfill.journal.quality import quality_of
from hookfill.journal.results import Policy, outcome_of, result_of

_MEMBERS = (
    "trade_id",
    "status",
    "direction",
    "session",
    "symbol",
    "setup_id",
    "signal_date",
    "signal_at",
    "entered_at",
    "entry_price",
    "stop_loss",
    "be_triggered_at",
    "be_mfe",
    "no_be_mfe",
    "final_mfe",
    "mae",
    "stopped_at",
    "last_event_at",
    "events",
)
COLUMNS = (*_MEMBERS, "exit_type", "exit_at", "exit_price", "be_result", "no_be_result", "score", "gaps")
"""The results are in R, at the target that was asked for."""


def head() -> bytes:
    """The file's first line."""
    return text_of([COLUMNS])


def lines(states: Iterable[TradeState], target: int, now: datetime) -> bytes:
    """The lines of some trades."""
    return text_of(_line(state, target, now) for state in states)


def _line(state: TradeState, target: int, now: datetime) -> list[str]:
    values: list[object] = [getattr(state, name) for name in _MEMBERS]
    ended = state.exit
    values += (None, None, None) if ended is None else (ended.event_type, ended.at, ended.price)
    values += (result_of(outcome_of(state, policy), target) for policy in (Policy.BE, Policy.NO_BE))
    quality = quality_of(state, now)
    return [cell(value) for value in (*values, quality.score, " ".join(quality.gaps))]
