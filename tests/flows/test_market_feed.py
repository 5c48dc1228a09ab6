"""Prices that nobody pushes: a real server fetches them from Alpaca's stand-in, trades by them, and says when it can't."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from hookfill.postgres.model import Database
from support.alpaca.data import FakeData, Refusal, bar, quote
from support.alpaca.server import KEY, SECRET, serving
from support.database import query, wait_until
from support.person import Person
from support.server import Server


@pytest.fixture
def data() -> FakeData:
    """Coins, since they trade at any time of the test."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    data = FakeData()
    data.bars["BTC/USD", "1Min"] = [bar(minute - timedelta(minutes=back), 50_000) for back in range(40, 0, -1)]
    data.quotes["BTC/USD"] = quote(datetime.now(UTC), 49_995, 50_005)
    return data


@pytest.fixture
def served(database: Database, data: FakeData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    with (
        serving(data) as url,
        Server(
            home,
            database_url=database.url,
            REGISTRATION="open",
            MARKET_FEED="alpaca",
            ALPACA_API_KEY=KEY,
            ALPACA_SECRET_KEY=SECRET,
            ALPACA_DATA_URL=url,
            ALPACA_QUOTE_SECONDS="1",
            NO_PROXY="127.0.0.1",
        ) as server,
    ):
        yield server


def price_of(data: FakeData, middle: float) -> None:
    data.quotes["BTC/USD"] = quote(datetime.now(UTC), middle - 5, middle + 5)


def test_a_fetched_price_fills_an_alert_and_takes_its_target(served: Server, data: FakeData, database: Database) -> None:
    with Person.register(served.url, "trader@example.com") as trader:
        body = {"name": "Coins", "allowed_pairs": ["BTCUSD"]}
        webhook = trader.post("/api/v1/strategies", body, status=201)["webhook_url"]
        wait_until(lambda: query(database.url, "SELECT 1 FROM quotes WHERE symbol = 'BTCUSD' AND source = 'alpaca'"), "a price")
        assert query(database.url, "SELECT count(*) FROM market_data_candles WHERE symbol = 'BTCUSD'")[0][0] >= 39
        alert = {"symbol": "BTCUSD", "action": "buy", "quantity": 0.1, "tp": 50_500, "sl": 49_000}
        assert httpx.post(webhook, json=alert, trust_env=False).status_code == 200
        signal = trader.wait_for_signal("executed")
        assert Decimal(str(signal["fill_price"])) == Decimal("50005.00000000")
        price_of(data, 50_600)
        trader.wait_for(lambda: trader.get("/api/v1/positions?status=open") == [], "the target taken")
        (position,) = trader.get("/api/v1/positions?status=closed")
        assert position["exit_reason"] == "take_profit"
        data.troubles.extend([Refusal(403, message="forbidden.")] * 1_000)
        trader.wait_for(lambda: trader.get("/api/v1/alarms?in_force=true"), "an alarm about the feed")
        subjects = {alarm["subject"] for alarm in trader.get("/api/v1/alarms?in_force=true")}
        assert subjects <= {"bars", "quotes"}
        wait_until(lambda: query(database.url, "SELECT 1 FROM workers WHERE name = 'feed' AND failures > 0"), "a failing feed")
        log = served.output()
        assert KEY not in log
        assert SECRET not in log
