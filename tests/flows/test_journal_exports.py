"""Exports made from the journal's own trades, over HTTP: the ledgers say what was sent, and only what was changed is found.

They are sent as an indicator would, but shuffled, with repeats, and without one batch of each kind.
"""

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from support.alert_log import fired
from support.database import wait_for_value
from support.indicator import EXPORTS, TELEMETRY, Owner, exact, send
from support.journal import at, entry
from support.server import Server
from support.shared_data import shared_file
from support.shelf import Shelf

SEED = 20251211
LOG = "TradingView_Alerts_Log_2025-12-11_3cc65.csv"
CONFIRMED, ALL = "INDICATOR_EXPORT_V2", "ALL_SIGNALS_EXPORT"
SIZES = {CONFIRMED: 15, ALL: 10}
LATE = {CONFIRMED: 0, ALL: 1}
"""Which batch of each comes after all others; what is changed is not in these."""
LEDGERS = {CONFIRMED: "/api/ledgers/confirmed", ALL: "/api/ledgers/all"}
UNREAD = "SELECT count(*) FROM messages WHERE state = 'received'"
WAITING = "SELECT count(*) FROM indicator_export_batches WHERE imported_at IS NULL"

Row = dict[str, Any]
Found = tuple[str, str, str, str, str | None]
"""Trade, ledger, problem, severity, field."""


def made_up() -> list[bytes]:
    """Sixty signals, four minutes apart, of which every fifth is never confirmed; their trades go all ways."""
    told: list[Row] = []
    for number in range(60):
        minute = number * 4
        name = f"{at(minute) - timedelta(hours=5):%Y%m%d_%H%M%S}000_{'BEARISH' if number % 3 else 'BULLISH'}"
        common = {"trade_id": name, "direction": "Bearish" if number % 3 else "Bullish", "session": "NY AM"}
        stop = 20525.5 if number % 3 else 20475
        told.append(entry(minute=minute, **common, event_type="SIGNAL_CREATED", entry_price=None, stop_loss=None))
        if number % 5 == 0:
            continue
        told.append(entry(minute=minute + 1, **common, stop_loss=stop))
        moves = {"be_mfe": 0.4 + number / 7, "no_be_mfe": 0.4 + number / 6, "mae_global_r": -number / 90}
        told.append(entry(minute=minute + 2, **common, **moves, event_type="MFE_UPDATE", stop_loss=stop))
        if number % 5 > 1:
            kind = "EXIT_STOP_LOSS" if number % 2 else "EXIT_BREAK_EVEN"
            told.append(entry(minute=minute + 3, **common, **moves, event_type=kind, stop_loss=stop))
    return [json.dumps(one).encode() for one in told]


def real() -> list[bytes]:
    return [body for _, body in fired(shared_file("tradingview-alert-logs", LOG))]


# What the indicator exports ------------------------------------------------------------------------------------------------------


def is_entered(trade: Mapping[str, Any]) -> bool:
    return trade["status"] in ("ACTIVE", "BE_PROTECTED", "COMPLETED")


def ms(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def two_places(value: Decimal | None) -> Decimal | None:
    return None if value is None else round(value, 2)


def confirmed_row(trade: Mapping[str, Any]) -> Row:
    """A trade as INDICATOR_EXPORT_V2 has it."""
    return {
        "trade_id": trade["trade_id"],
        "triangle_time": ms(trade["signal_at"]),
        "confirmation_time": ms(trade["entered_at"]),
        "date": trade["signal_date"],
        "direction": trade["direction"],
        "session": trade["session"],
        "age": Decimal(7),
        "entry": trade["entry_price"],
        "stop": trade["stop_loss"],
        **{name: two_places(trade[name]) for name in ("be_mfe", "no_be_mfe", "mae")},
        "completed": trade["status"] == "COMPLETED",
    }


def signal_row(trade: Mapping[str, Any]) -> Row:
    """A trade as ALL_SIGNALS_EXPORT has it."""
    prices = (trade["entry_price"], trade["stop_loss"])
    return {
        "trade_id": trade["trade_id"],
        "direction": trade["direction"],
        "status": "CONFIRMED" if is_entered(trade) else trade["status"],
        "signal_time": ms(trade["signal_at"]),
        "confirmation_time": ms(trade["entered_at"]),
        "bars_to_confirm": Decimal(2) if is_entered(trade) else None,
        "entry": prices[0],
        "stop": prices[1],
        "risk": abs(prices[0] - prices[1]) if None not in prices else None,
        **{f"htf_{name}": "Bullish" for name in ("daily", "4h", "1h", "15m", "5m", "1m")},
    }


@dataclass
class Export:
    """The indicator's tables, and what is to be found: from the beginning, and once the exports are whole."""

    confirmed: dict[str, Row]
    every: dict[str, Row]
    planted: set[Found] = field(default_factory=set)
    left_out: set[Found] = field(default_factory=set)

    def rows(self, event_type: str) -> list[Row]:
        """Oldest first, as the indicator has them."""
        if event_type == CONFIRMED:
            return sorted(self.confirmed.values(), key=lambda row: (row["triangle_time"], row["trade_id"]))
        return sorted(self.every.values(), key=lambda row: (row["signal_time"], row["trade_id"]))


def plant(export: Export, trades: Mapping[str, Mapping[str, Any]], chance: random.Random) -> None:
    """Change the tables in every way that is to be found, each in a trade of its own; the oldest third stays as it is."""
    inner = sorted(trades, key=lambda trade_id: (trades[trade_id]["signal_at"], trade_id))[len(trades) // 3 :]
    chance.shuffle(inner)

    def pick(*statuses: str, is_stopped: bool = False) -> str:
        for trade_id in inner:
            trade = trades[trade_id]
            if trade["status"] in statuses and has_all(trade) and (trade["stopped_at"] is not None or not is_stopped):
                inner.remove(trade_id)
                return trade_id
        raise AssertionError(f"there is no trade left that is {statuses}")

    def change(trade_id: str, name: str, value: object, severity: str, *, table: str = CONFIRMED) -> None:
        (export.confirmed if table == CONFIRMED else export.every)[trade_id][name] = value
        ledger = "confirmed_signals" if table == CONFIRMED else "all_signals"
        export.planted.add((trade_id, ledger, "different", severity, name))

    for name in ("entry", "stop"):
        trade_id = pick("COMPLETED", "ACTIVE", "BE_PROTECTED")
        change(trade_id, name, export.confirmed[trade_id][name] + Decimal("0.25"), "error")
    turned = pick("COMPLETED")
    change(turned, "direction", "Bullish" if trades[turned]["direction"] == "Bearish" else "Bearish", "error")
    for name, more in (("be_mfe", Decimal("0.5")), ("no_be_mfe", Decimal("-0.05")), ("mae", Decimal("-0.25"))):
        trade_id = pick("COMPLETED", is_stopped=True)
        change(trade_id, name, export.confirmed[trade_id][name] + more, "warning")
    change(pick("ACTIVE", "BE_PROTECTED"), "completed", True, "error")
    change(pick("PENDING"), "status", "CONFIRMED", "error", table=ALL)
    change(pick("ACTIVE", "BE_PROTECTED"), "status", "CANCELLED", "error", table=ALL)
    _plant_unknown(export, trades[pick("COMPLETED")])
    gone = pick("COMPLETED")
    del export.confirmed[gone], export.every[gone]
    export.left_out = {(gone, name, "missing_in_ledger", "warning", None) for name in ("confirmed_signals", "all_signals")}


def _plant_unknown(export: Export, like: Mapping[str, Any]) -> None:
    """Two that telemetry never told of: a trade, and a signal that was not confirmed."""
    moment = datetime.fromisoformat(like["signal_at"]) + timedelta(seconds=17)
    for trade_id, status in (("20251211_071717000_BULLISH", "ACTIVE"), ("20251211_071718000_BEARISH", "PENDING")):
        unknown = {**like, "trade_id": trade_id, "signal_at": moment.isoformat(), "status": status}
        export.every[trade_id] = signal_row(unknown)
        if status == "ACTIVE":
            export.confirmed[trade_id] = confirmed_row(unknown)
            export.planted.add((trade_id, "confirmed_signals", "missing_in_journal", "error", None))
        else:
            export.planted.add((trade_id, "all_signals", "missing_in_journal", "info", None))


def has_all(trade: Mapping[str, Any]) -> bool:
    names = ("entry_price", "stop_loss", "be_mfe", "no_be_mfe", "mae")
    return trade["status"] == "PENDING" or all(trade[name] is not None for name in names)


def batches(rows: list[Row], event_type: str) -> list[bytes]:
    """A table in batches, numbered from 0."""
    size = SIZES[event_type]
    envelope = {"event_type": event_type, "batch_size": size, "total_signals": len(rows)}
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [as_json({**envelope, "batch_number": number, "signals": part}) for number, part in enumerate(parts)]


def as_json(told: Row) -> bytes:
    return json.dumps(told, default=float).encode()


# The test ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["made up", "real"])
def test_ledgers_say_what_was_exported_and_only_what_was_changed_is_found(
    source: str, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(SEED)
    told = made_up() if source == "made up" else real()
    home = tmp_path_factory.mktemp("home")
    with shelf.lend() as database, Server(home, database_url=database.url) as server, Owner(server) as owner:
        assert {answer.status for answer in send(server, TELEMETRY, told, connections=8)} == {200}
        wait_for_value(database.url, 0, UNREAD)
        trades = {trade["trade_id"]: trade for trade in owner.every_page("/api/automated-signals/trades?limit=200")}
        export = Export(
            {name: confirmed_row(trade) for name, trade in trades.items() if is_entered(trade)},
            {name: signal_row(trade) for name, trade in trades.items()},
        )
        plant(export, trades, chance)
        sent = {event_type: batches(export.rows(event_type), event_type) for event_type in LEDGERS}

        send_exports(server, [body for name, bodies in sent.items() for body in bodies if body != bodies[LATE[name]]], chance)
        check_ledgers(owner, database.url, export, sent, LATE)
        assert findings(owner, trades) == export.planted
        told = reconcile(server, trades[min(trade_id for trade_id, *_ in export.planted if trade_id in trades)]["signal_date"])
        assert (told.returncode, "Exports that lack batches, and so cover no day: 2." in told.stdout) == (1, True)

        send_exports(server, [sent[name][place] for name, place in LATE.items()], chance)
        check_ledgers(owner, database.url, export, sent, {})
        assert findings(owner, trades) == export.planted | export.left_out


def reconcile(server: Server, day: str) -> subprocess.CompletedProcess[str]:
    """The same for one day by the command line."""
    command = [sys.executable, "-m", "hookfill", "reconcile", "--ledger", "--day", day, "--home", str(server.home)]
    return subprocess.run(command, check=False, env=server.environment, capture_output=True, text=True, timeout=120)


def send_exports(server: Server, bodies: list[bytes], chance: random.Random) -> None:
    """Send batches in a random order, every third of them twice; the repeats are known as such."""
    deliveries = bodies + chance.sample(bodies, len(bodies) // 3)
    chance.shuffle(deliveries)
    answers = [exact(answer.body)["status"] for answer in send(server, EXPORTS, deliveries, connections=4)]
    assert sorted(answers) == ["duplicate"] * (len(deliveries) - len(bodies)) + ["success"] * len(bodies)


def findings(owner: Owner, trades: Mapping[str, Mapping[str, Any]]) -> set[Found]:
    days = sorted(trade["signal_date"] for trade in trades.values())
    told = owner.get(f"/api/v1/reconciliations/ledger?date_from={days[0]}&date_to={days[-1]}")["findings"]
    found = {(one["trade_id"], one["ledger"], one["problem"], one["severity"], one["field"]) for one in told}
    assert len(found) == len(told)
    return found


def check_ledgers(owner: Owner, url: str, export: Export, sent: dict[str, list[bytes]], late: dict[str, int]) -> None:
    """The runs name what is missing, and the ledgers hold the rows of the batches that came."""
    wait_for_value(url, 0, WAITING)
    for event_type, bodies in sent.items():
        (run,) = owner.get(f"/api/indicator-export/runs?event_type={event_type}")
        missing = [late[event_type]] if event_type in late else []
        assert (run["missing"], run["missing_count"], run["is_complete"]) == (missing, len(missing), not missing)
        assert run["present"] == [number for number in range(len(bodies)) if number not in missing]
        assert (run["total_signals"], run["batch_size"]) == (len(export.rows(event_type)), SIZES[event_type])
        came = [row for number, body in enumerate(bodies) if number not in missing for row in exact(body)["signals"]]
        kept = {row["trade_id"]: row for row in owner.every_page(LEDGERS[event_type] + "?limit=200")}
        assert {name: as_sent(row, came[0]) for name, row in kept.items()} == {row["trade_id"]: row for row in came}


def as_sent(row: Row, like: Row) -> Row:
    """A ledger's trade as the indicator would write it."""
    moments = ("triangle_time", "signal_time", "confirmation_time")
    return {name: ms(row[name]) if name in moments else row[name] for name in like}
