"""A trade does not depend on the order, the repetition or the batching of its events; and the real logs' figures are right."""

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.journal.fold import build_trade_state, dump, fold, join, load, merge
from hookfill.journal.grammar import Unreadable, read
from hookfill.journal.merging import of
from hookfill.journal.model import Direction, Event, EventType, Status, TradeState
from support.shared_data import shared_files

START = datetime(2025, 12, 2, 11, tzinfo=UTC)
NUMBERS = st.none() | st.decimals(-2, 4, places=2)
PRICES = st.none() | st.decimals(1, 9, places=1)
TABLES = st.none() | st.dictionaries(
    st.sampled_from(["setup_id", "x"]), st.sampled_from(["a", "b", 1, Decimal("0.10")]), max_size=2
)


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Events of one trade; times, moves and exits meet often."""
    told = st.fixed_dictionaries(
        dict.fromkeys(("mfe", "be_mfe", "no_be_mfe", "final_mfe", "mae"), NUMBERS)
        | dict.fromkeys(("entry_price", "stop_loss", "risk_distance", "current_price", "exit_price", "position_size"), PRICES)
        | dict.fromkeys(("targets", "setup", "market_state"), TABLES)
        | {
            "be_triggered": st.sampled_from([None, None, False, True]),
            "direction": st.sampled_from([None, *Direction]),
            "symbol": st.sampled_from([None, "A", "B"]),
            "schema_version": st.sampled_from([None, "1.0.0", "1.1.0"]),
            "exit_reason": st.sampled_from([None, "x", "y"]),
        }
    )
    kinds = st.sampled_from([EventType.MFE_UPDATE, *EventType])
    made = draw(st.lists(st.tuples(kinds, st.integers(0, 6), told), min_size=1, max_size=12))
    return [
        Event(index.to_bytes(8, "big") * 4, "20251202_060000000_BULLISH", kind, START + timedelta(minutes=minute), **members)
        for index, (kind, minute, members) in enumerate(made)
    ]


@given(events(), st.data())
@settings(max_examples=300)
def test_any_order_and_repetition_gives_the_same_trade(known: list[Event], data: st.DataObject) -> None:
    repeated = data.draw(st.lists(st.sampled_from(known), max_size=6))
    order = data.draw(st.permutations(known + repeated))
    (trade,), (again,) = fold(known).values(), fold(order).values()
    assert again == trade
    assert dump(again) == dump(trade)
    assert build_trade_state(again) == build_trade_state(trade)


@given(events(), st.data())
def test_any_split_gives_the_same_trade(known: list[Event], data: st.DataObject) -> None:
    (whole,) = fold(known).values()
    cut = data.draw(st.integers(0, len(known)))
    parts = [fold(part) for part in (known[:cut], known[cut:]) if part]
    trades = [load(json.loads(json.dumps(dump(trade)))) for part in parts for trade in part.values()]
    assert reduce(join, trades) == reduce(join, reversed(trades)) == whole
    stored = reduce(lambda trade, event: load(json.loads(json.dumps(dump(merge(trade, event))))), known[1:], of(known[0]))
    assert stored == whole


@given(events())
def test_what_is_kept_is_exact(known: list[Event]) -> None:
    (trade,) = fold(known).values()
    kept = json.loads(json.dumps(dump(trade)))
    assert load(kept) == trade
    assert dump(load(kept)) == kept == dump(trade)
    assert build_trade_state(load(kept)) == build_trade_state(trade)


@given(events())
def test_telling_all_of_it_again_changes_nothing_but_the_count(known: list[Event]) -> None:
    (trade,) = fold(known).values()
    again = join(trade, trade)
    assert dump(again) | {"events": 0} == dump(trade) | {"events": 0}


@given(events())
def test_the_moves_are_what_a_plain_search_finds(known: list[Event]) -> None:
    """Against a direct statement of the rules, which looks at all events at once."""
    (trade,) = fold(known).values()
    state = build_trade_state(trade)
    exits = [event for event in known if event.event_type.startswith("EXIT_") and event.event_type is not EventType.EXIT_PARTIAL]
    ended = min((event.at for event in exits), default=None)
    stopped = min((event.at for event in exits if event.event_type is not EventType.EXIT_BREAK_EVEN), default=None)
    moved = [event for event in known if event.event_type not in (EventType.SIGNAL_CREATED, EventType.CANCELLED)]

    def until(end: datetime | None) -> list[Event]:
        return [event for event in moved if end is None or event.at <= end]

    def first(*values: Decimal | None) -> Decimal | None:
        return next((value for value in values if value is not None), None)

    be = [value for event in until(ended) if (value := first(event.be_mfe, event.mfe)) is not None]
    stops = (EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT)
    no_be = [
        value
        for event in until(stopped)
        if (value := first(event.no_be_mfe, event.final_mfe if event.event_type in stops else None, event.mfe)) is not None
    ]
    mae = [event.mae for event in until(stopped) if event.mae is not None]
    assert (state.be_mfe, state.no_be_mfe, state.mae) == (max(be, default=None), max(no_be, default=None), min(mae, default=None))
    if ended is not None and not any(event.event_type is EventType.CANCELLED for event in known):
        assert state.status is Status.COMPLETED
        assert state.exit is not None
        assert state.exit.at == ended


# The real logs' figures, recomputed without Hookfill ------------------------------------------------------------


def recompute(path: Path) -> dict[str, Any]:
    """The figures of one log by a few lines that know the rules and nothing else."""
    trades: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        bodies = {row["Description"] for row in csv.DictReader(file)}
    for body in bodies:
        try:
            message = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            continue
        kind = message.get("event_type") or message["type"]
        when = str(message.get("event_timestamp") or message["timestamp"])
        for told in message.get("signals", [message]):
            if kind != "HEARTBEAT":
                trades.setdefault(told.get("trade_id") or told["signal_id"], []).append((when, kind, told))
    figures: dict[str, Any] = {"trades": len(trades), "open": 0, "pending": 0, "stopped": 0, "break_even": 0, "finals": []}
    for events_told in trades.values():
        exits = [told for told in events_told if told[1] in ("EXIT_BREAK_EVEN", "EXIT_STOP_LOSS")]
        if not exits:
            is_pending = {kind for _, kind, _ in events_told} == {"SIGNAL_CREATED"}
            figures["pending" if is_pending else "open"] += 1
            continue
        end = min(when for when, _, _ in exits)
        by_then = [(kind, told) for when, kind, told in events_told if when <= end]
        moves = [
            told.get(name) for _, told in by_then for name in ("mfe_R", "be_mfe", "no_be_mfe", "final_be_mfe", "final_no_be_mfe")
        ]
        touched = any(kind == "BE_TRIGGERED" for kind, _ in by_then) or any(move is not None and move >= 1 for move in moves)
        told_at_end = {kind: told for when, kind, told in exits if when == end}
        is_stop = "EXIT_BREAK_EVEN" not in told_at_end or ("EXIT_STOP_LOSS" in told_at_end and not touched)
        told = told_at_end["EXIT_STOP_LOSS" if is_stop else "EXIT_BREAK_EVEN"]
        figures["stopped" if is_stop else "break_even"] += 1
        names = ("final_mfe_R", "final_be_mfe", "be_mfe", "mfe_R")
        figures["finals"].append(next(told[name] for name in names if told.get(name) is not None))
    return figures


def states_of(path: Path) -> list[TradeState]:
    told: list[Event] = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                told += read(row["Description"].encode()).events
            except Unreadable:
                continue
    return [build_trade_state(trade) for trade in fold(told).values()]


@pytest.mark.parametrize("index", range(4))
def test_the_real_logs_figures_agree_with_a_few_lines_that_know_only_the_rules(index: int) -> None:
    path = shared_files("tradingview-alert-logs")[index]
    states, figures = states_of(path), recompute(path)
    finals = [state.final_mfe for state in states if state.final_mfe is not None]
    ends = [state.exit.event_type for state in states if state.exit is not None]
    assert len(states) == figures["trades"]
    assert sum(state.status in (Status.ACTIVE, Status.BE_PROTECTED) for state in states) == figures["open"]
    assert sum(state.status is Status.PENDING for state in states) == figures["pending"]
    assert ends.count(EventType.EXIT_STOP_LOSS) == figures["stopped"]
    assert ends.count(EventType.EXIT_BREAK_EVEN) == figures["break_even"]
    assert sorted(finals) == sorted(figures["finals"])
    assert len(finals) == len(ends)
