"""All real alert logs through the telemetry door of a real server: in their fire order, and in random orders with repeats.

The trades are the same whatever the order, however often each alert comes, whatever is killed meanwhile. What they must be is
recomputed here from the CSV files alone, by the rules that ``journal.fold`` states in words.
"""

import asyncio
import csv
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hookfill.postgres.model import Database
from support.cli import Cli
from support.database import query, wait_for_value
from support.indicator import TELEMETRY, Owner, Sending, exact, send
from support.server import Server
from support.shared_data import shared_files
from support.shelf import Shelf

JOURNAL = "/api/automated-signals"
PERIODS = {
    "date_from=2025-11-14&date_to=2025-11-14": ["2025-11-14", "2025-11-15"],
    "date_from=2025-12-01&date_to=2025-12-02": ["2025-12-02"],
    "date_from=2025-12-03&date_to=2025-12-11": ["2025-12-11"],
    "": ["2025-11-14", "2025-11-15", "2025-12-02", "2025-12-11"],
}
"""Which logs tell of the trades that were signalled on these days."""
HALF_OF_LAST_PLACE = Decimal("0.0000005")
"""R are shown with six places."""
UNREAD = "SELECT count(*) FROM messages WHERE state = 'received'"
STRAY = re.compile(r'("\w+":-?[\d.]+)"')
"""A number with a quote behind it, as one of the logs has them."""


# What the logs say ---------------------------------------------------------------------------------------------------------------


@cache
def logs() -> dict[str, list[tuple[str, str]]]:
    """Each log's (time, message), in the order of their firing."""
    found = {}
    for path in shared_files("tradingview-alert-logs"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["Time"], row["Description"]) for row in csv.DictReader(file)]
        found[path.stem.split("_")[3]] = rows[::-1]  # newest first, as TradingView writes them
    return found


def all_alerts() -> list[str]:
    """The messages of all logs, in the order of their firing."""
    return [told for _, told in sorted((row for rows in logs().values() for row in rows), key=lambda row: row[0])]


def meant(told: str) -> dict[str, Any]:
    """A message as it was meant: without stray quotes."""
    try:
        return exact(told)
    except ValueError:
        return exact(STRAY.sub(r"\1", told))


def is_sound(told: str) -> bool:
    try:
        json.loads(told)
    except ValueError:
        return False
    return True


def kind_of(message: dict[str, Any]) -> str:
    return message.get("event_type") or message["type"]


def events_told(alerts: Iterator[str] | set[str]) -> Counter[str]:
    """How many of each kind distinct messages tell; a batch tells one move of each of its trades."""
    counts: Counter[str] = Counter()
    for message in map(meant, alerts):
        kind = kind_of(message)
        counts["MFE_UPDATE" if kind == "MFE_UPDATE_BATCH" else kind] += len(message.get("signals", [message]))
    return counts


def figures(alerts: set[str]) -> dict[str, Any]:
    """The figures of a log by a few lines that know the rules and nothing else."""
    trades: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for message in map(meant, alerts):
        for told in message.get("signals", [message]):
            if (kind := kind_of(message)) != "HEARTBEAT":
                when = str(message.get("event_timestamp") or message["timestamp"])
                trades.setdefault(told.get("trade_id") or told["signal_id"], []).append((when, kind, told))
    ends: Counter[str] = Counter()
    finals = []
    for told in trades.values():
        end = min((when for when, kind, _ in told if kind.startswith("EXIT_")), default=None)
        if end is None:
            ends["pending" if {kind for _, kind, _ in told} == {"SIGNAL_CREATED"} else "active"] += 1
            continue
        names = ("mfe_R", "be_mfe", "no_be_mfe", "final_be_mfe", "final_no_be_mfe")
        is_touched = any(
            kind == "BE_TRIGGERED" or any((what.get(name) or 0) >= 1 for name in names) for when, kind, what in told if when <= end
        )
        last = {kind: what for when, kind, what in told if when == end and kind.startswith("EXIT_")}
        order = ["EXIT_STOP_LOSS", "EXIT_BREAK_EVEN"]
        kind = next(kind for kind in (reversed(order) if is_touched else order) if kind in last)
        ends["stopped" if kind == "EXIT_STOP_LOSS" else "break_even"] += 1
        names = ("final_mfe_R", "final_be_mfe", "be_mfe", "mfe_R")
        finals.append(next(last[kind][name] for name in names if last[kind].get(name) is not None))
    return {
        "trades": len(trades),
        **{name: ends[name] for name in ("pending", "active", "stopped", "break_even")},
        "finals": finals,
    }


def trade_ids(alerts: set[str]) -> set[str]:
    messages = [meant(told) for told in alerts]
    told = [member for message in messages if kind_of(message) != "HEARTBEAT" for member in message.get("signals", [message])]
    return {member.get("trade_id") or member["signal_id"] for member in told}


# What the server makes of them ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What is there after everything came in and was repaired.

    Attributes:
        trades: by id; told: the events of each; stats: of each period.
        kept: how often each body is stored; states: how many messages are in which.
        malformed: the bodies that the command line showed before anything was repaired.
        events: how many of each kind are stored.
    """

    answers: Counter[int]
    trades: dict[str, dict[str, Any]]
    told: dict[str, list[str]]
    stats: dict[str, dict[str, Any]]
    kept: Counter[bytes]
    states: Counter[str]
    malformed: list[str]
    events: Counter[str]


def look(server: Server, url: str, answers: Counter[int], malformed: list[str]) -> Run:
    with Owner(server) as owner:
        trades = {trade["trade_id"]: lasting(trade) for trade in owner.every_page(f"{JOURNAL}/trades?limit=200")}
        events = {trade_id: all_events(owner, trade_id, trade) for trade_id, trade in trades.items()}
        stats = {days: owner.get(f"{JOURNAL}/stats?{days}") for days in PERIODS}
    return Run(
        answers,
        trades,
        events,
        {days: {name: value for name, value in told.items() if name != "freshness"} for days, told in stats.items()},
        Counter(bytes(body) for (body,) in query(url, "SELECT body FROM messages")),
        Counter(state for (state,) in query(url, "SELECT state FROM messages")),
        malformed,
        Counter(dict(query(url, "SELECT event_type, count(*) FROM automated_signals GROUP BY event_type"))),
    )


def lasting(trade: dict[str, Any]) -> dict[str, Any]:
    """A trade without when it changed here."""
    return {name: value for name, value in trade.items() if name != "updated_at"}


def all_events(owner: Owner, trade_id: str, trade: dict[str, Any]) -> list[str]:
    """What was told of a trade, without which message told it, in an order of its own; its state is as in the list."""
    pages = owner.pages(f"{JOURNAL}/trades/{trade_id}?limit=200")
    assert all(lasting(page["state"]) == trade for page in pages)
    found = [event for page in pages for event in page["events"]]
    assert [event["at"] for event in found] == sorted(event["at"] for event in found)
    assert len(found) == trade["event_count"]
    return sorted(str({name: value for name, value in event.items() if name not in ("id", "message_id")}) for event in found)


def repair_by_command(server: Server, database: Database) -> list[str]:
    """Repair whatever is malformed; returns what it was."""
    with Cli.beside(server, database) as cli:
        found = cli.json("messages", "repair", "--apply")
    assert all(message["is_sent_on"] and exact(message["after"]) == meant(message["before"]) for message in found)
    return [message["before"] for message in found]


def repair_over_api(server: Server, database: Database) -> list[str]:
    """Look at what is malformed by the command line, and repair it over the API; returns what it was."""
    with Cli.beside(server, database) as cli:
        found = cli.json("messages", "--state", "malformed", "--limit", "1000")
    with Owner(server) as owner:
        for message in found:
            path = f"/api/v1/messages/{message['message_id']}/repair"
            preview = owner.get(path)
            assert (preview["is_repairable"], preview["before"]) == (True, message["body"])
            assert exact(preview["after"]) == meant(message["body"])
            assert owner.post(path)["repaired_by"] == ["stray_quote_after_number"]
    return [message["body"] for message in found]


@contextmanager
def served(shelf: Shelf, home: Path, **environment: str) -> Iterator[tuple[Server, Database]]:
    with shelf.lend() as database, Server(home, database_url=database.url, **environment) as server:
        yield server, database


# The tests -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_fire_order(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Each alert once per firing, one after the other; what is malformed repaired over the API."""
    bodies = [told.encode() for told in all_alerts()]
    with served(shelf, tmp_path_factory.mktemp("home")) as (server, database):
        answers = Counter(answer.status for answer in send(server, TELEMETRY, bodies))
        malformed = repair_over_api(server, database)
        wait_for_value(database.url, 0, UNREAD)
        return look(server, database.url, answers, malformed)


def test_every_delivery_is_a_stored_message(in_fire_order: Run) -> None:
    alerts = all_alerts()
    broken = sum(not is_sound(told) for told in alerts)
    assert in_fire_order.answers == {200: len(alerts) - broken, 400: broken}
    assert in_fire_order.kept == Counter(told.encode() for told in alerts)
    assert in_fire_order.states == {"processed": len(set(alerts)), "duplicate": len(alerts) - len(set(alerts))}
    assert max(in_fire_order.kept.values()) == 39  # the very same bytes, minute after minute


def test_the_same_bytes_are_one_event_however_often_they_come(in_fire_order: Run) -> None:
    assert in_fire_order.events == events_told(set(all_alerts()))


def test_what_is_malformed_is_kept_shown_and_repaired_to_trades(in_fire_order: Run) -> None:
    broken = [told for told in all_alerts() if not is_sound(told)]
    assert len(broken) == 6
    assert sorted(in_fire_order.malformed) == sorted(broken)
    for told in map(meant, broken):
        trade = in_fire_order.trades[told["signal_id"]]
        assert (trade["entry_price"], trade["stop_loss"], trade["direction"]) == (
            told["entry_price"],
            told["sl_price"],
            told["bias"],
        )
        assert trade["entered_at"] is not None


@pytest.mark.parametrize(("name", "number"), [("2025-11-14", 6), ("2025-11-15", 55), ("2025-12-02", 68), ("2025-12-11", 157)])
def test_a_logs_figures_are_those_that_a_few_lines_find(in_fire_order: Run, name: str, number: int) -> None:
    alerts = {told for _, told in logs()[name]}
    wanted = figures(alerts)
    trades = [in_fire_order.trades[trade_id] for trade_id in trade_ids(alerts)]
    exits = Counter(trade["exit"]["event_type"] for trade in trades if trade["exit"] is not None)
    statuses = Counter(trade["status"] for trade in trades)
    assert len(trades) == wanted["trades"] == number
    assert statuses["PENDING"] == wanted["pending"]
    assert statuses["ACTIVE"] + statuses["BE_PROTECTED"] == wanted["active"]
    assert statuses["COMPLETED"] == wanted["stopped"] + wanted["break_even"]
    assert exits == {
        kind: number
        for kind, number in (("EXIT_STOP_LOSS", wanted["stopped"]), ("EXIT_BREAK_EVEN", wanted["break_even"]))
        if number
    }
    finals = [trade["final_mfe"] for trade in trades if trade["final_mfe"] is not None]
    assert sum(finals) == sum(wanted["finals"])
    assert mean(finals) == mean(wanted["finals"])


@pytest.mark.parametrize("days", PERIODS)
def test_the_statistics_count_the_same(in_fire_order: Run, days: str) -> None:
    wanted = [figures({told for _, told in logs()[name]}) for name in PERIODS[days]]
    stats = in_fire_order.stats[days]
    finals = [value for one in wanted for value in one["finals"]]
    by_status = stats["by_status"]
    assert stats["figures"]["trades"] == sum(one["trades"] for one in wanted)
    assert by_status["ACTIVE"] + by_status["BE_PROTECTED"] == sum(one["active"] for one in wanted)
    assert by_status["COMPLETED"] == stats["final_mfe_trades"] == len(finals)
    assert abs(stats["final_mfe_total"] - sum(finals)) <= len(finals) * HALF_OF_LAST_PLACE
    assert abs((stats["final_mfe_average"] or 0) - (mean(finals) or 0)) <= 2 * HALF_OF_LAST_PLACE


def mean(values: list[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) / len(values) if values else None


def shuffled(seed: int) -> list[str]:
    """All alerts and half as many repeats, in a random order."""
    chance = random.Random(seed)
    alerts = all_alerts()
    alerts += chance.choices(alerts, k=len(alerts) // 2)
    chance.shuffle(alerts)
    return alerts


def check_same_journal(run: Run, reference: Run) -> None:
    assert run.trades == reference.trades
    assert run.told == reference.told
    assert run.events == reference.events
    assert run.stats == reference.stats


def check_same(run: Run, reference: Run, sent: list[str]) -> None:
    check_same_journal(run, reference)
    assert run.kept == Counter(told.encode() for told in sent)
    assert run.states == {"processed": len(set(sent)), "duplicate": len(sent) - len(set(sent))}


def test_a_random_order_with_repeats_and_repairs_in_between(in_fire_order: Run, shelf: Shelf, tmp_path: Path) -> None:
    sent = shuffled(1)
    half = len(sent) // 2
    with served(shelf, tmp_path / "home") as (server, database):
        for part in (sent[:half], sent[half:]):
            send(server, TELEMETRY, [told.encode() for told in part], connections=16)
            assert sorted(repair_by_command(server, database)) == sorted(told for told in part if not is_sound(told))
        wait_for_value(database.url, 0, UNREAD)
        run = look(server, database.url, Counter(), [])
    check_same(run, in_fire_order, sent)


def test_a_random_order_repaired_as_it_comes(in_fire_order: Run, shelf: Shelf, tmp_path: Path) -> None:
    sent = shuffled(2)
    with served(shelf, tmp_path / "home", AUTO_REPAIR="true") as (server, database):
        answers = Counter(answer.status for answer in send(server, TELEMETRY, [told.encode() for told in sent], connections=16))
        assert answers == {200: len(sent)}
        wait_for_value(database.url, 0, UNREAD)
        run = look(server, database.url, answers, [])
    check_same(run, in_fire_order, sent)


def test_a_random_order_and_a_power_cut_in_the_middle(in_fire_order: Run, shelf: Shelf, tmp_path: Path) -> None:
    sent = shuffled(3)
    with served(shelf, tmp_path / "home", AUTO_REPAIR="true") as (server, database):

        def cut() -> None:
            server.kill()
            server.start()

        async def send_through_it() -> Sending:
            sending = Sending(lambda: server.port, TELEMETRY, [told.encode() for told in sent], 16)
            task = asyncio.create_task(sending.run())
            await sending.reached(len(sent) // 3)
            await asyncio.to_thread(cut)
            return await task

        sending = asyncio.run(send_through_it())
        assert sending.broken > 0
        wait_for_value(database.url, 0, UNREAD)
        run = look(server, database.url, Counter(), [])
    check_same_journal(run, in_fire_order)
    # What was answered is there; of what was on its way when it happened, some is there twice.
    asked_for = Counter(told.encode() for told in sent)
    assert run.kept >= asked_for
    assert run.kept.total() <= asked_for.total() + sending.broken
    assert run.states == {"processed": len(asked_for), "duplicate": run.kept.total() - len(asked_for)}
