"""Both clients against a real server: candles, alerts, fills, strategies; answers that get lost, and time that runs out."""

import asyncio
import contextlib
import inspect
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.client import AsyncClient, Candle, Client, NotFound, Refused, Retries, Unauthorized, Unavailable
from hookfill.kernel.clock import utc_now
from hookfill.kernel.steady import steady_seconds
from hookfill.postgres.model import Database
from support.database import query, value
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

HMAC_SECRET = "canary-hmac-secret-c8d1"
QUICK = Retries(least_seconds=0.01, most_seconds=0.05)


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A whole server."""
    home = tmp_path_factory.mktemp("home")
    with Server(home, database_url=module_database.url, HMAC_SECRET=HMAC_SECRET) as server:
        yield server


class Asking:
    """One way to ask: with the blocking client, or with the awaiting one in a loop of its own."""

    def __init__(self, kind: str, url: str, **settings: Any) -> None:
        self.kind, self.url, self.settings = kind, url, {"retries": QUICK, "timeout_seconds": 30.0, **settings}

    def __call__(self, method: str, *arguments: Any, **options: Any) -> Any:
        if self.kind == "blocking":
            with Client(self.url, transport=httpx.HTTPTransport(), **self.settings) as client:
                found = getattr(client, method)(*arguments, **options)
                return list(found) if inspect.isgenerator(found) else found
        return asyncio.run(self._ask(method, arguments, options))

    async def _ask(self, method: str, arguments: Any, options: Any) -> Any:
        async with AsyncClient(self.url, transport=httpx.AsyncHTTPTransport(), **self.settings) as client:
            found = getattr(client, method)(*arguments, **options)
            return [item async for item in found] if inspect.isasyncgen(found) else await found


@pytest.fixture(params=["blocking", "awaiting"])
def ask(request: pytest.FixtureRequest, served: Server) -> Asking:
    """The owner, by each of the two clients."""
    return Asking(request.param, served.url, token=OWNER_TOKEN, candles_key=CANDLES_KEY)


def bars(symbol: str, count: int) -> list[Candle]:
    """One-minute bars up to now, with awkward numbers."""
    last = utc_now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    low, high = Decimal("60000.0000000001"), Decimal("60000.3")
    times = [last - timedelta(minutes=number) for number in range(count)]
    return [Candle(symbol, "M1", time, low, high, low, high, None if number % 2 else number) for number, time in enumerate(times)]


def test_candles_there_and_back(ask: Asking) -> None:
    symbol = f"THERE{ask.kind.upper()}"
    candles = bars(symbol, 25)
    seen: list[int] = []
    pushed = ask("push_candles", iter(candles), batch=10, on_batch=lambda counts: seen.append(counts.sent))
    assert (pushed.sent, pushed.added, pushed.conflicting, seen) == (25, 25, 0, [10, 20, 25])
    assert ask("candles", symbol, "M1", page=10) == candles[::-1]
    assert ask("candles", symbol, "M1", candles[4].timestamp, candles[1].timestamp, page=2) == candles[4:1:-1]
    assert ask("latest_candles", symbol, "M1", limit=3) == candles[2::-1]
    (quote,) = ask("quotes", [symbol, "NOSUCH"])
    assert (quote.symbol, quote.price, quote.source, quote.bar.seconds) == (symbol, candles[0].close, "candle", 60)
    assert symbol in {quote.symbol for quote in ask("quotes")}
    again = ask("push_candles", candles, batch=20)
    assert (again.sent, again.added, again.conflicting) == (25, 0, 0)
    changed = [replace(candles[0], high=candles[0].high + 1)]
    assert ask("push_candles", changed).conflicting == 1
    assert ask("latest_candles", symbol, "M1", limit=1) == candles[:1]
    revised = ask("push_candles", changed, revise=True)
    assert (revised.added, revised.conflicting, revised.revised) == (0, 0, 1)
    assert ask("latest_candles", symbol, "M1", limit=1) == changed
    broken = [*candles[:4], Candle(symbol, "M1", candles[4].timestamp, Decimal(3), Decimal(2), Decimal(1), Decimal(1))]
    with pytest.raises(Refused) as raised:
        ask("push_candles", broken, batch=2)
    assert [fault.place for fault in raised.value.faults] == [("candles", 4, "open")]


def test_from_an_alert_to_its_fill(ask: Asking, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask("push_candles", bars("BTCUSD", 5))
    made = ask("create_strategy", f"From an alert {ask.kind}", settings={"sizing": {"mode": "fixed", "quantity": Decimal("0.05")}})
    sent = ask(
        "send_alert", made.webhook_url, {"symbol": "BTCUSD", "action": "buy", "id": ask.kind, "stop_loss": Decimal("50000.5")}
    )
    signal = ask("wait_for_signal", sent)
    assert (signal.status, signal.error_message, signal.strategy_id) == ("executed", None, made.strategy_id)
    assert signal == ask("wait_for_signal", signal.id) == ask("signal", signal.id)
    (order,) = ask("orders", signal_id=signal.id)
    assert (order.status, order.filled_quantity, order.fills[0].price) == ("filled", Decimal("0.05"), signal.fill_price)
    (position,) = [position for position in ask("positions") if position.strategy_id == made.strategy_id]
    assert (position.side, position.quantity, position.stop_price) == ("long", Decimal("0.05"), Decimal("50000.5"))
    assert {step.step for step in ask("story", signal.id).steps} >= {"message", "parse", "check", "order", "fill"}
    assert signal in ask("iter_signals")
    assert signal in ask("signals", status="executed")
    account = ask("account")
    assert account.id in {one.id for one in ask("accounts")}
    assert (ask("account", account.id).id, account.open_positions) == (order.account_id, len(ask("positions")))
    assert account.as_of.tzinfo is UTC
    assert made.webhook_url.rpartition("/")[2] not in caplog.text
    assert OWNER_TOKEN not in caplog.text


def test_the_signed_door(ask: Asking) -> None:
    body = {"symbol": f"SIGN{ask.kind.upper()}", "action": "BUY", "timeframe": "5m", "timestamp": utc_now().isoformat()}
    first = ask("send_signed", body, HMAC_SECRET)
    second = ask("send_signed", body, HMAC_SECRET)
    assert (first.status, second.status, first.signal_id) == ("ACCEPTED", "DUPLICATE", second.signal_id)
    assert ask("wait_for_signal", first.signal_id).id == first.signal_id
    with pytest.raises(Unauthorized, match="HMAC_SECRET"):
        ask("send_signed", body, "another")
    with pytest.raises(Refused, match="timeframe") as raised:
        ask("send_signed", {"symbol": "EURUSD", "action": "buy"}, HMAC_SECRET)
    assert {fault.place for fault in raised.value.faults} == {("timeframe",), ("timestamp",)}


def test_strategies_come_and_go(ask: Asking) -> None:
    made = ask("create_strategy", "Coming", allowed_pairs=["EURUSD"], risk_override_pct=Decimal("0.5"))
    strategy = ask("strategy", made.strategy_id)
    assert (strategy.name, strategy.allowed_pairs, strategy.risk_override_pct) == ("Coming", ("EURUSD",), Decimal("0.5"))
    assert strategy in ask("strategies")
    changed = ask("change_strategy", made.strategy_id, name="Going", allowed_pairs=None)
    assert (changed.name, changed.allowed_pairs, changed.risk_override_pct) == ("Going", None, Decimal("0.5"))
    assert ask("delete_strategy", made.strategy_id) is None
    with pytest.raises(NotFound, match="no strategy of this id"):
        ask("strategy", made.strategy_id)
    with pytest.raises(Refused, match="name") as raised:
        ask("create_strategy", "")
    assert raised.value.faults[0].place == ("name",)


def test_wrong_keys(ask: Asking) -> None:
    ask.settings |= {"token": "canary-wrong-token", "candles_key": "canary-wrong-key"}
    with pytest.raises(Unauthorized, match="Authorization: Bearer"):
        ask("positions")
    with pytest.raises(Unauthorized, match="MT5_API_KEY"):
        ask("push_candles", bars("WRONG", 1))


@contextlib.asynccontextmanager
async def losing_answers(port: int, lost: int) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A port in front of the server's on which the first answers are read and thrown away, and how many requests went through."""
    passed = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal passed
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(head + body)
        answer = await there.readuntil(b"\r\n\r\n")
        answer += await there.readexactly(int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        back.transport.abort()
        passed += 1
        if passed > lost:
            writer.write(answer)
            await writer.drain()
        writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1], lambda: passed


async def test_an_alert_whose_answers_get_lost_is_one_signal(served: Server, module_database: Database) -> None:
    async with AsyncClient(served.url, token=OWNER_TOKEN, retries=QUICK, transport=httpx.AsyncHTTPTransport()) as client:
        made = await client.create_strategy("Lost")
        async with losing_answers(served.port, lost=2) as (port, passed):
            url = made.webhook_url.replace(made.webhook_url.split("/")[2], f"127.0.0.1:{port}")
            sent = await client.send_alert(url, "buy EURUSD 0.1")
            assert passed() == 3
        assert (await client.wait_for_signal(sent)).strategy_id == made.strategy_id
    states = query(module_database.url, "SELECT state FROM messages WHERE strategy_id = %s", made.strategy_id)
    assert sorted(state for (state,) in states) == ["duplicate", "duplicate", "processed"]
    assert value(module_database.url, "SELECT count(*) FROM signals WHERE strategy_id = %s", made.strategy_id) == 1


def test_not_a_byte_is_sent_when_connecting_took_too_long(ask: Asking, served: Server, module_database: Database) -> None:
    """The clock jumps while the connection is made: what could come too late to be known again is not sent."""
    made = ask("create_strategy", "Too late")
    looks = iter([0.0, 0.0])
    ask.settings |= {"clock": lambda: next(looks, 51.0), "retries": Retries(attempts=1)}
    with pytest.raises(Unavailable, match="took too long to connect") as raised:
        ask("send_alert", made.webhook_url, "buy EURUSD")
    assert not raised.value.may_have_arrived
    assert value(module_database.url, "SELECT count(*) FROM messages WHERE strategy_id = %s", made.strategy_id) == 0
    ask.settings |= {"clock": steady_seconds}
    ask("send_alert", made.webhook_url, "buy EURUSD")
    assert value(module_database.url, "SELECT count(*) FROM messages WHERE strategy_id = %s", made.strategy_id) == 1


def test_where_nobody_listens(ask: Asking, served: Server) -> None:
    ask.url = "http://127.0.0.1:1"
    with pytest.raises(Unavailable, match=r"does not answer \(ConnectError\), after 5 attempts"):
        ask("signals")


def test_what_is_sent_is_what_the_server_keeps(ask: Asking, module_database: Database) -> None:
    made = ask("create_strategy", "Kept")
    body = {"symbol": "EURUSD", "action": "buy", "price": Decimal("1.10000000001"), "time": datetime(2026, 2, 5, tzinfo=UTC)}
    sent = ask("send_alert", made.webhook_url, body)
    kept = bytes(value(module_database.url, "SELECT body FROM messages WHERE strategy_id = %s", made.strategy_id))
    assert kept == sent.body
    assert json.loads(kept, parse_float=Decimal)["price"] == body["price"]
