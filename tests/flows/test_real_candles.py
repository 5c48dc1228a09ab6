"""Real candles and hundreds of alerts through the real server, against an independent recomputation, in two ways of feeding.

As history: candles and then TradingView's alert log imported by the command line. As it happens: candles and alerts over HTTP in
order of time, on a server whose messages carry the time. Both must leave the very ledger that a few dozen naive lines compute.
"""

import asyncio
import csv
import json
import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from hookfill.accounts.store import NewStrategy
from support.cli import Cli
from support.database import NO_LIMITS, new_strategy, query, value, wait_until
from support.http import PREFIX, Sender
from support.ledger import check_ledger
from support.naive import Bar, Fired, Naive
from support.server import CANDLES_KEY, Server

SEED = 20170419
CASH = Decimal(1_000_000)
REAL = "EURUSD_H1_2017-2018.csv"
SIZES = ["0.1", "0.25", "0.5", "1.37"]


def shared_data() -> Path:
    named = os.environ.get("HOOKFILL_SHARED_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"


@cache
def market(name: str) -> tuple[list[Bar], str, int]:
    """Bars, their timeframe, and how many alerts to fire."""
    if name == "real":
        path = shared_data() / "candles" / REAL
        if not path.exists():
            pytest.skip(f"{REAL} is not at {path.parent}; set HOOKFILL_SHARED_DATA to the folder that holds candles/")
        rows = [
            [f"{row[0].replace(' ', 'T')}+00:00", *row[1:5]]
            for row in list(csv.reader(path.read_text(encoding="utf-8").splitlines()))[1:]
        ]
        return bars_from(rows, timedelta(hours=1)), "H1", 400
    text = resources.files("hookfill.demo").joinpath("sample", "candles.csv").read_text(encoding="utf-8")
    rows = [row[2:7] for row in csv.reader(text.splitlines()) if row[:2] == ["EURUSD", "M1"]]
    return bars_from(rows, timedelta(minutes=1)), "M1", 170


def bars_from(rows: list[list[str]], length: timedelta) -> list[Bar]:
    opened = [datetime.fromisoformat(row[0]).astimezone(UTC) for row in rows]
    return [Bar(at, at + length, *map(Decimal, row[1:5])) for at, row in zip(opened, rows, strict=True)]


@cache
def alerts(name: str) -> list[Fired]:
    """Alerts of every kind in several dialects, each at whole seconds within the bar after the one whose close it knows."""
    bars, _, number = market(name)
    chance = random.Random(SEED)
    nexts = [place for place in range(0, len(bars) - 1, 2) if bars[place].closes_at == bars[place + 1].opened_at]
    fired = []
    for place in sorted(chance.sample(nexts, number)):
        length = bars[place].closes_at - bars[place].opened_at
        at = bars[place].closes_at + timedelta(seconds=chance.choice([0, 1, 2, chance.randrange(int(length.total_seconds()))]))
        fired.append(draw(chance, at, bars[place].close, Decimal("0.0030") if length > timedelta(minutes=1) else Decimal("0.0002")))
    return fired


def draw(chance: random.Random, at: datetime, price: Decimal, unit: Decimal) -> Fired:
    kind = chance.choices(["buy", "sell", "close", "target"], [35, 35, 12, 18])[0]
    size = Decimal(chance.choice(SIZES))
    if kind == "close":
        return Fired(
            at, chance.choice(["close EURUSD", '{"symbol":"EURUSD","action":"exit"}', '{"ticker":"FX:EURUSD","side":"flat"}']), kind
        )
    if kind == "target":
        side, sign = chance.choice([("long", 1), ("long", 1), ("short", -1), ("short", -1), ("flat", 0)])
        own = f'"market_position":"{side}","market_position_size":{size if sign else 0}'
        body = (
            f'{{"ticker":"EURUSD","price":{price},{own}}}'
            if chance.random() < 0.5
            else f'{{"symbol":"EURUSD","strategy":{{{own}}}}}'
        )
        return Fired(at, body, kind, sign * size)
    sign = 1 if kind == "buy" else -1
    stop = price - sign * unit * chance.choice([1, 2, 3]) if chance.random() < 0.7 else None
    target = price + sign * unit * chance.choice([1, 2, 4]) if chance.random() < 0.7 else None
    return Fired(at, say(chance, kind, size, price, stop, target), kind, size, stop, target)


def say(chance: random.Random, kind: str, size: Decimal, price: Decimal, stop: Decimal | None, target: Decimal | None) -> str:
    """The same wish in one of four dialects."""
    dialect = chance.randrange(4)
    if dialect == 0:
        members = {"symbol": "EURUSD", "action": kind, "volume": size, "price": price, "sl": stop, "tp": target}
    elif dialect == 1:
        members = {
            "ticker": "OANDA:EURUSD",
            "side": kind.upper(),
            "qty": str(size),
            "stop_loss": stop,
            "take_profit": target,
            "comment": "x",
        }
    elif dialect == 2:
        levels = "".join(f" {name}={level}" for name, level in (("sl", stop), ("tp", target)) if level is not None)
        return f"{kind} EURUSD {size}{levels}"
    else:
        levels = "".join(f",{name}={level}" for name, level in (("sl_price", stop), ("tp_price", target)) if level is not None)
        return f"60123456789,{kind},EURUSD,vol_lots={size}{levels}"
    return json.dumps({name: member for name, member in members.items() if member is not None}, default=str)


@cache
def expected(name: str) -> Naive:
    bars, _, _ = market(name)
    return Naive(CASH, max_hold(name)).walk(bars, alerts(name))


def max_hold(name: str) -> timedelta:
    return timedelta(hours=40) if name == "real" else timedelta(minutes=8)


def strategy_on(server: Server, database, name: str) -> NewStrategy:
    hours = str(max_hold(name) / timedelta(hours=1))
    return new_strategy(database, settings={"exits": {"max_hold_hours": hours}}, limits=NO_LIMITS, cash=CASH)


def check(url: str, name: str, strategy: NewStrategy) -> None:
    """The database holds what the naive recomputation says, order by order."""
    naive, account = expected(name), strategy.account_id
    verdicts = query(url, "SELECT as_of, status, reason FROM signals WHERE account_id = %s ORDER BY as_of", account)
    wanted = [
        (alert.at, "rejected" if reason and not _executed(naive, alert) else "executed", reason)
        for alert, reason in zip(alerts(name), naive.outcomes, strict=True)
    ]
    assert verdicts == wanted
    fills = query(
        url,
        """SELECT orders.as_of, orders.side, orders.quantity, fills.price, purpose, exit_reason
           FROM orders JOIN fills USING (account_id, order_id)
           WHERE account_id = %s ORDER BY orders.as_of, purpose DESC""",
        account,
    )
    assert fills == [tuple(fill) for fill in naive.fills]
    closed = query(
        url,
        """SELECT opened_at, closed_at, positions.exit_reason, average_fill_price
           FROM positions JOIN orders USING (account_id, position_id)
           WHERE account_id = %s AND positions.status = 'closed' AND orders.as_of = closed_at AND purpose = 'exit'
           ORDER BY opened_at""",
        account,
    )
    assert closed == naive.closed
    balance, cash = query(url, "SELECT balance, cash FROM accounts WHERE account_id = %s", account)[0]
    held = query(url, "SELECT quantity, mark, marked_until FROM positions WHERE account_id = %s AND status = 'open'", account)
    assert cash == naive.cash
    assert abs(balance - CASH - naive.realized) < Decimal("0.001")  # average prices have ten decimals
    assert cash + sum(quantity * mark * 100_000 for quantity, mark, _ in held) == naive.equity
    assert [(quantity, until) for quantity, _, until in held] == ([(naive.held, naive.last.closes_at)] if naive.held else [])


def _executed(naive: Naive, alert: Fired) -> bool:
    """A reversal whose entry was refused is executed all the same: it has closed."""
    return any(fill.at == alert.at and fill.reason in (None, "signal") for fill in naive.fills)


@pytest.mark.parametrize("name", ["real", "sample"])
def test_the_recomputation_sees_everything_worth_seeing(name: str) -> None:
    naive = expected(name)
    assert {fill.reason for fill in naive.fills} == {None, "signal", "stop_loss", "take_profit", "max_hold"}
    assert {None, "no_position", "already_at_target", "pyramiding_limit"} <= set(naive.outcomes)
    assert min(Counter(fill.reason for fill in naive.fills).values()) >= 3
    assert {alert.kind for alert in alerts(name)} == {"buy", "sell", "close", "target"}


@pytest.mark.parametrize("name", ["real", "sample"])
def test_imported_as_history(tmp_path: Path, database, name: str) -> None:
    bars, timeframe, number = market(name)
    candles, log = tmp_path / "candles.csv", tmp_path / "alerts.csv"
    with candles.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["Time", "Open", "High", "Low", "Close"], *([bar.opened_at.isoformat(), *bar[2:]] for bar in bars)]
        )
    with log.open("w", newline="") as file:  # newest first, as TradingView exports it
        rows = [[7, "FX:EURUSD, 1h", "", alert.body, alert.at.strftime("%Y-%m-%dT%H:%M:%SZ")] for alert in reversed(alerts(name))]
        csv.writer(file).writerows([["Alert ID", "Ticker", "Name", "Description", "Time"], *rows])
    with Server(tmp_path / "home", database_url=database.url) as server, Cli.beside(server, database) as cli:
        strategy = strategy_on(server, database, name)
        cli.json("import", "candles", candles, "--symbol", "EURUSD", "--timeframe", timeframe)
        told = cli.json("import", "alerts", log, "--strategy", strategy.strategy_id)
        assert (told["stored"], told["duplicates"], told["malformed"], told["skipped"]) == (number, 0, 0, 0)
        settle(database.url, bars[-1].closes_at)
    check(database.url, name, strategy)
    check_ledger(database.url)


@pytest.mark.parametrize("name", ["real", "sample"])
def test_fed_over_http_as_it_happens(tmp_path: Path, database, name: str) -> None:
    with Server(tmp_path / "home", database_url=database.url, HOOKFILL_TIME="messages") as server:
        strategy = strategy_on(server, database, name)
        asyncio.run(feed(server.port, strategy.secret, name))
        settle(database.url, market(name)[0][-1].closes_at)
    check(database.url, name, strategy)
    check_ledger(database.url)


async def feed(port: int, secret: str, name: str) -> None:
    """Before each alert, the bars that have closed by its time; after the last, the rest."""
    bars, timeframe, _ = market(name)
    sender = Sender(port)
    sent = 0
    for alert in [*alerts(name), None]:
        until = sent
        while until < len(bars) and (alert is None or bars[until].closes_at <= alert.at):
            until += 1
        if until > sent:
            body = json.dumps({"candles": [as_json(bar, timeframe) for bar in bars[sent:until]]}).encode()
            answer = await sender.post("/api/v1/candles", body, f"X-API-KEY: {CANDLES_KEY}")
            assert (answer.status, json.loads(answer.body)["records_added"]) == (201, until - sent), answer
            sent = until
        if alert is not None:
            answer = await sender.post(PREFIX + secret, alert.body.encode(), f"X-Hookfill-Time: {alert.at.isoformat()}")
            assert answer.status == 200
    sender.close()


def as_json(bar: Bar, timeframe: str) -> dict[str, str]:
    prices = {name: str(getattr(bar, name)) for name in ("open", "high", "low", "close")}
    return {"symbol": "EURUSD", "timeframe": timeframe, "timestamp": bar.opened_at.isoformat(), **prices}


def settle(url: str, until: datetime) -> None:
    """Every signal is decided and every open position has seen all bars."""
    undecided = "SELECT count(*) FROM signals WHERE status = 'pending'"
    behind = "SELECT count(*) FROM positions WHERE status <> 'closed' AND marked_until < %s"
    wait_until(lambda: value(url, undecided) == 0 and value(url, behind, until) == 0, "all is decided and marked")
