"""Four days of the S&P 500 by the minute through the real server: shares and options, against an independent recomputation.

Alerts at its bars come in two ways: imported as history by the command line, and over HTTP in order of time on a server whose
messages carry the time. Either way every fill lies inside its bar, an option's inside the bar that its model makes of the index's,
and orders, prices, cash and profit are those that two short walks over the file compute, which import nothing of Hookfill's.
"""

import asyncio
import csv
import json
import random
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.cli import Cli
from support.database import NO_LIMITS, new_strategy, query, value, wait_until
from support.http import PREFIX, Sender
from support.ledger import check_ledger
from support.naive import Bar, Fired, Naive
from support.naive_options import NEW_YORK, NaiveOptions, Wish
from support.server import CANDLES_KEY, Server
from support.shared_data import shared_file

SEED = 20191105
CASH = Decimal(1_000_000)
UTC = ZoneInfo("UTC")
LAST_DAY = date(2019, 11, 8)
CENT = Decimal("0.01")
BOOKS: Mapping[str, dict[str, object]] = {
    "shares": {"exits": {"max_hold_hours": "0.5"}},
    "options": {},
    "options held longer": {},
    "calls to the end": {"exits": {"option_defaults": False}},
    "puts to the end": {"exits": {"option_defaults": False}},
}
"""Strategies, each on an account of its own, and their settings."""
WISHES = {"options": (120, SEED + 1), "options held longer": (20, SEED)}
"""How many alerts, and by which chance."""


@cache
def bars() -> list[Bar]:
    """The file, whose times are New York's and whose columns stand in an order of their own."""
    path = shared_file("candles", "SP500_M1_2019-11.csv")
    found = []
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        opened_at = datetime.strptime(row["Date"], "%m/%d/%Y %H:%M").replace(tzinfo=NEW_YORK).astimezone(UTC)
        prices = [Decimal(row[name]) for name in ("Open", "High", "Low", "Close")]
        found.append(Bar(opened_at, opened_at + timedelta(minutes=1), *prices))
    return found


def is_in_session(at: datetime) -> bool:
    local = at.astimezone(NEW_YORK)
    return 9 * 60 + 30 <= local.hour * 60 + local.minute < 16 * 60


@cache
def moments(number: int, seed: int) -> list[tuple[datetime, Bar]]:
    """Whole seconds within a minute after the close of some bars, each with the bar that is the last one known then."""
    chance = random.Random(seed)
    places = [
        bar for bar in bars()[20:] if is_in_session(bar.closes_at) and bar.closes_at < bars()[-1].closes_at - timedelta(minutes=3)
    ]
    chosen = sorted(chance.sample(places, number), key=lambda bar: bar.closes_at)
    return [(bar.closes_at + timedelta(seconds=chance.choice([0, 1, 2, chance.randrange(59)])), bar) for bar in chosen]


@cache
def fired() -> list[Fired]:
    """Alerts about shares."""
    chance = random.Random(SEED)
    alerts = []
    for at, bar in moments(110, SEED):
        kind = chance.choices(["buy", "sell", "close"], [40, 40, 20])[0]
        if kind == "close":
            alerts.append(Fired(at, "close SPX", kind))
            continue
        sign, size = (1 if kind == "buy" else -1), Decimal(chance.randint(1, 9))
        stop = bar.close - sign * chance.choice([1, 2, 4]) if chance.random() < 0.8 else None
        target = bar.close + sign * chance.choice([1, 2, 5]) if chance.random() < 0.8 else None
        levels = "".join(f" {name}={level}" for name, level in (("sl", stop), ("tp", target)) if level is not None)
        alerts.append(Fired(at, f"{kind} SPX {size}{levels}", kind, size, stop, target))
    return alerts


@cache
def wishes(book: str) -> list[Wish]:
    """Alerts about options. Those that are held to the end name what ends on the file's last day."""
    chance = random.Random(f"{book} {SEED}")
    if book in WISHES:
        alerts = [_wish(chance, at) for at, _ in moments(*WISHES[book])]
        return [*alerts, Wish(bars()[-1].closes_at - timedelta(seconds=30), "close SPX", None)]
    right = book.split(maxsplit=1)[0].upper().rstrip("S")
    alerts = []
    for at, bar in moments(9, SEED + len(book)):
        strike = (bar.close / 5).to_integral_value() * 5 + 5 * chance.randint(-4, 4)
        size = chance.randint(1, 3)
        body = {"symbol": "SPX", "action": right.lower(), "quantity": size, "strike": str(strike), "expiration": str(LAST_DAY)}
        alerts.append(Wish(at, json.dumps(body), right, size, strike, LAST_DAY))
    return alerts


def _wish(chance: random.Random, at: datetime) -> Wish:
    right = chance.choices(["CALL", "PUT", None], [45, 45, 10])[0]
    size = chance.randint(1, 3)
    return Wish(at, "close SPX", None) if right is None else Wish(at, f"buy SPX {right.lower()} {size}", right, size)


@cache
def expected_shares() -> Naive:
    return Naive(CASH, timedelta(minutes=30), lot=1, tick=CENT, is_trading=is_in_session).walk(bars(), fired())


@cache
def expected(book: str) -> NaiveOptions:
    return NaiveOptions(CASH, has_exits=book in WISHES).walk(bars(), wishes(book))


def alerts_of(book: str) -> list[Fired] | list[Wish]:
    return fired() if book == "shares" else wishes(book)


def check(url: str, strategies: Mapping[str, NewStrategy]) -> None:
    """The database holds what the walks say, order by order."""
    check_shares(url, strategies["shares"])
    for book in list(BOOKS)[1:]:
        check_options(url, strategies[book], expected(book))
    check_ledger(url)


def check_shares(url: str, strategy: NewStrategy) -> None:
    naive = expected_shares()
    rows = query(
        url,
        """SELECT orders.as_of, orders.side, orders.quantity, fills.price, purpose, exit_reason
           FROM orders JOIN fills USING (account_id, order_id)
           WHERE account_id = %s ORDER BY orders.as_of, purpose DESC""",
        strategy.account_id,
    )
    assert rows == [tuple(fill) for fill in naive.fills]
    closes = {bar.closes_at: bar for bar in bars()}
    for at, _, _, price, purpose, reason in rows:
        known = closes[at] if purpose == "exit" and reason != "signal" else [bar for bar in bars() if bar.closes_at <= at][-1]
        assert known.low <= price <= known.high
    balance, cash = query(url, "SELECT balance, cash FROM accounts WHERE account_id = %s", strategy.account_id)[0]
    assert cash == naive.cash
    assert abs(balance - CASH - naive.realized) < CENT


def check_options(url: str, strategy: NewStrategy, naive: NaiveOptions) -> None:
    found = query(url, "SELECT coalesce(reason, 'none') FROM signals WHERE account_id = %s ORDER BY as_of", strategy.account_id)
    assert [reason for (reason,) in found] == [reason or "none" for reason in naive.outcomes]
    rows = query(
        url,
        """SELECT orders.as_of, orders.symbol, orders.side, orders.quantity, fills.price, purpose, exit_reason, bar_low, bar_high
           FROM orders JOIN fills USING (account_id, order_id)
           WHERE account_id = %s ORDER BY orders.as_of, purpose DESC, orders.symbol""",
        strategy.account_id,
    )
    wanted = sorted(naive.deals, key=lambda deal: (deal.at, deal.purpose == "entry", deal.symbol))
    assert rows == [tuple(deal) for deal in wanted]
    assert all(low <= price <= high for *_, price, _, reason, low, high in rows if reason != "expired")
    balance, cash = query(url, "SELECT balance, cash FROM accounts WHERE account_id = %s", strategy.account_id)[0]
    assert (cash, balance) == (naive.cash, CASH + naive.realized)
    assert cash == balance  # nothing is held any more
    profit = query(url, "SELECT sum(realized_pnl - commission) FROM positions WHERE account_id = %s", strategy.account_id)[0][0]
    assert profit == naive.realized


def test_the_walks_see_everything_worth_seeing() -> None:
    assert {fill.reason for fill in expected_shares().fills} == {None, "signal", "stop_loss", "take_profit", "max_hold"}
    walks = [expected(book) for book in WISHES]
    assert {reason for walk in walks for reason in walk.reasons()} == {"signal", "stop_loss", "take_profit", "trailing_stop"}
    assert {outcome for walk in walks for outcome in walk.outcomes} == {None, "pyramiding_limit", "no_position"}
    ended = [deal for book in list(BOOKS)[3:] for deal in expected(book).deals if deal.reason == "expired"]
    assert Counter(deal.price > 0 for deal in ended)[True] >= 2
    assert Counter(deal.price > 0 for deal in ended)[False] >= 2


def test_imported_as_history(tmp_path: Path, database: Database) -> None:
    with Server(tmp_path / "home", database_url=database.url) as server, Cli.beside(server, database) as cli:
        strategies = made(database)
        zone, file = "America/New_York", str(shared_file("candles", "SP500_M1_2019-11.csv"))
        told = cli.json("import", "candles", file, "--symbol", "SPX", "--timeframe", "M1", "--zone", zone)
        assert told["added"] == len(bars())
        for number, (book, strategy) in enumerate(strategies.items()):
            log = tmp_path / f"alerts {number}.csv"
            with log.open("w", newline="") as target:  # newest first, as TradingView exports it
                times = [(alert.body, alert.at.strftime("%Y-%m-%dT%H:%M:%SZ")) for alert in reversed(alerts_of(book))]
                rows = [[7, "SP:SPX, 1", "", body, time] for body, time in times]
                csv.writer(target).writerows([["Alert ID", "Ticker", "Name", "Description", "Time"], *rows])
            told = cli.json("import", "alerts", log, "--strategy", strategy.strategy_id)
            assert (told["stored"], told["malformed"], told["skipped"]) == (len(rows), 0, 0)
        settle(database.url)
    check(database.url, strategies)


def test_fed_over_http_as_it_happens(tmp_path: Path, database: Database) -> None:
    with Server(tmp_path / "home", database_url=database.url, HOOKFILL_TIME="messages") as server:
        strategies = made(database)
        asyncio.run(feed(server.port, strategies))
        settle(database.url)
    check(database.url, strategies)


def made(database: Database) -> dict[str, NewStrategy]:
    return {book: new_strategy(database, settings=settings, limits=NO_LIMITS, cash=CASH) for book, settings in BOOKS.items()}


async def feed(port: int, strategies: Mapping[str, NewStrategy]) -> None:
    """Before each alert, the bars that have closed by its time; after the last, the rest, and a price a while later."""
    alerts = sorted(
        ((alert.at, strategies[book].secret, alert.body) for book in BOOKS for alert in alerts_of(book)), key=lambda one: one[0]
    )
    sender = Sender(port)
    sent = 0
    for at, secret, body in [*alerts, (None, "", "")]:
        until = sent
        while until < len(bars()) and (at is None or bars()[until].closes_at <= at):
            until += 1
        if until > sent:
            await push(sender, "SPX", bars()[sent:until])
            sent = until
        if at is not None:
            answer = await sender.post(PREFIX + secret, body.encode(), f"X-Hookfill-Time: {at.isoformat()}")
            assert answer.status == 200
    later = bars()[-1].closes_at + timedelta(minutes=10)
    await push(sender, "BTCUSD", [Bar(later, later + timedelta(minutes=1), *[Decimal(9_000)] * 4)])
    sender.close()


async def push(sender: Sender, symbol: str, some: list[Bar]) -> None:
    names = ("open", "high", "low", "close")
    candles = [
        {
            "symbol": symbol,
            "timeframe": "M1",
            "timestamp": bar.opened_at.isoformat(),
            **{name: str(getattr(bar, name)) for name in names},
        }
        for bar in some
    ]
    answer = await sender.post("/api/v1/candles", json.dumps({"candles": candles}).encode(), f"X-API-KEY: {CANDLES_KEY}")
    assert answer.status == 201, answer


def settle(url: str) -> None:
    """Every signal is decided, and nothing of an option is held any more."""
    undecided = "SELECT count(*) FROM signals WHERE status = 'pending'"
    held = "SELECT count(*) FROM positions WHERE status <> 'closed' AND (underlying IS NOT NULL OR marked_until < %s)"
    wait_until(lambda: value(url, undecided) == 0 and value(url, held, bars()[-1].closes_at) == 0, "all is decided and settled")
