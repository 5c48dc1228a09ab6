"""The TradingView door over HTTP, against a real server with its worker: contract A, from the alert to the signal's state."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.inbox.model import WINDOW_SECONDS
from hookfill.postgres.model import Database
from support.database import NO_LIMITS, new_strategy, query, value, wait_for_value
from support.http import PREFIX, exchange, raw_connection, request_bytes
from support.server import Server

Send = Callable[[bytes], httpx.Response]
OK = (200, b'{"status":"ok"}')
BUY = b'{"symbol": "BTCUSDT", "action": "buy", "volume": 0.1, "price": 100, "comment": "ema cross"}'


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url) as server:
        yield server


def answer_of(response: httpx.Response) -> tuple[int, bytes]:
    return response.status_code, response.content


def signals(database: Database, strategy: NewStrategy, columns: str) -> list[tuple[Any, ...]]:
    """The account's signals once the worker has decided them all."""
    pending = "SELECT count(*) FROM signals WHERE account_id = %s AND status = 'pending'"
    wait_for_value(database.url, 0, pending, strategy.account_id)
    return query(database.url, f"SELECT {columns} FROM signals WHERE account_id = %s ORDER BY signal_id", strategy.account_id)


def messages(database: Database, strategy: NewStrategy, columns: str) -> list[tuple[Any, ...]]:
    return query(database.url, f"SELECT {columns} FROM messages WHERE account_id = %s ORDER BY message_id", strategy.account_id)


def test_an_alert_becomes_a_message_a_signal_and_a_trade(
    module_database: Database, strategy: NewStrategy, client: httpx.Client
) -> None:
    response = client.post(PREFIX + strategy.secret, content=BUY, headers={"Content-Type": "application/json"})
    assert answer_of(response) == OK
    assert response.headers["content-type"] == "application/json"
    assert messages(module_database, strategy, "door, state, body, content_type, strategy_id, source") == [
        ("tradingview", "processed", BUY, "application/json", strategy.strategy_id, "live")
    ]
    columns = "status, symbol, action, fill_price IS NOT NULL, broker_order_id IS NOT NULL, resolved_at IS NOT NULL"
    assert signals(module_database, strategy, columns) == [("executed", "BTCUSDT", "buy", True, True, True)]


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/x-www-form-urlencoded", "image/png", None])
def test_the_content_type_does_not_matter(
    module_database: Database, strategy: NewStrategy, client: httpx.Client, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert answer_of(client.post(PREFIX + strategy.secret, content=BUY, headers=headers)) == OK
    assert signals(module_database, strategy, "status, symbol") == [("executed", "BTCUSDT")]
    assert messages(module_database, strategy, "content_type") == [(content_type,)]


@pytest.mark.parametrize(
    ("body", "symbol", "action"),
    [
        (b"buy EURUSD 0.1 sl=1.07 tp=1.09", "EURUSD", "buy"),
        (b'{"ticker":"BTCUSD","side":"SELL","qty":"1"}', "BTCUSD", "sell"),
        (b"symbol=EURUSD&action=sell&qty=1", "EURUSD", "sell"),
    ],
)
def test_other_dialects_are_understood(
    module_database: Database, strategy: NewStrategy, alert: Send, body: bytes, symbol: str, action: str
) -> None:
    assert answer_of(alert(body)) == OK
    ((found, asked, reason),) = signals(module_database, strategy, "symbol, action, reason")
    assert (found, asked) == (symbol, action)
    assert reason in {"price_missing", "market_closed"}  # understood, and no price is known


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"action":"buy"}', "symbol_missing"),
        (b'{"symbol":"EURUSD"}', "action_missing"),
        (b'{"symbol":"EURUSD","action":"dance"}', "action_unknown"),
        (b'{"symbol":"EURUSD","action":"buy","qty":-1}', "number_invalid"),
        (b"hello world", "text_unusable"),
        (b"[1,2]", "alert_not_object"),
    ],
)
def test_a_missing_or_unusable_field_is_a_discarded_signal_with_the_reason(
    module_database: Database, strategy: NewStrategy, alert: Send, body: bytes, reason: str
) -> None:
    assert answer_of(alert(body)) == OK
    ((status, found, text, is_resolved),) = signals(
        module_database, strategy, "status, reason, error_message, resolved_at IS NOT NULL"
    )
    assert (status, found, is_resolved) == ("discarded", reason, True)
    assert text
    assert messages(module_database, strategy, "state, body") == [("processed", body)]


def test_the_alerts_of_a_disabled_strategy_are_discarded(module_database: Database, strategy: NewStrategy, alert: Send) -> None:
    disable = "UPDATE strategies SET is_enabled = false WHERE account_id = %s"
    query(module_database.url, disable, strategy.account_id)
    assert answer_of(alert(BUY)) == OK
    assert signals(module_database, strategy, "status, reason") == [("discarded", "strategy_disabled")]
    assert query(module_database.url, "SELECT 1 FROM orders WHERE account_id = %s", strategy.account_id) == []


def test_after_the_days_loss_limit_entries_are_discarded(module_database: Database, served: Server, client: httpx.Client) -> None:
    strategy = new_strategy(module_database, limits={**NO_LIMITS, "daily_loss_limit_pct": "5"})
    lost = "UPDATE accounts SET day = %s, day_start_balance = balance, day_realized = -balance * 0.05 WHERE account_id = %s"
    query(module_database.url, lost, datetime.now(UTC).date(), strategy.account_id)
    assert answer_of(client.post(PREFIX + strategy.secret, content=BUY)) == OK
    expected = [("discarded", "daily_loss_limit_reached", "daily_loss_limit_reached")]
    assert signals(module_database, strategy, "status, reason, error_message") == expected


def test_resends_of_the_same_bytes_or_the_same_id_are_one_signal(
    module_database: Database, strategy: NewStrategy, alert: Send
) -> None:
    bodies = [
        BUY,
        BUY,
        BUY.replace(b" ", b""),
        b'{"id":"7","symbol":"EURUSD","action":"buy"}',
        b'{"symbol":"EURUSD","action":"buy","id":7}',
    ]
    for body in bodies:
        assert answer_of(alert(body)) == OK
    assert [row[0] for row in messages(module_database, strategy, "state")] == [
        "processed",
        "duplicate",
        "processed",  # other bytes are another alert
        "processed",
        "duplicate",
    ]
    assert len(signals(module_database, strategy, "signal_id")) == 3


def test_the_same_bytes_to_another_strategy_or_after_the_window_trade(
    module_database: Database, strategy: NewStrategy, alert: Send, client: httpx.Client
) -> None:
    other = new_strategy(module_database, account_id=strategy.account_id)
    assert answer_of(alert(BUY)) == OK
    assert answer_of(client.post(PREFIX + other.secret, content=BUY)) == OK
    assert len(signals(module_database, strategy, "signal_id")) == 2
    moved = "UPDATE gate SET seen_us = seen_us - %s WHERE account_id = %s"
    query(module_database.url, moved, (WINDOW_SECONDS + 1) * 1_000_000, strategy.account_id)
    assert answer_of(alert(BUY)) == OK
    assert len(signals(module_database, strategy, "signal_id")) == 3


@pytest.mark.parametrize("secret", ["unknown", "", "a/b", "%00", "%ff%fe", "x" * 5000, "'; DROP TABLE messages; --"])
def test_an_unknown_secret_gets_the_same_answer_and_leaves_no_row_anywhere(
    module_database: Database, served: Server, client: httpx.Client, secret: str
) -> None:
    tables = [row[0] for row in query(module_database.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    counts = {table: value(module_database.url, f'SELECT count(*) FROM "{table}"') for table in tables}
    said = served.output()
    for _ in range(2):  # the second time it is known to be unknown
        response = client.post(PREFIX + secret, content=BUY)
        assert answer_of(response) == OK
        assert response.headers == client.post(PREFIX + "other", content=BUY).headers
    assert {table: value(module_database.url, f'SELECT count(*) FROM "{table}"') for table in tables} == counts
    assert served.output() == said


def test_a_strategy_made_by_another_process_a_moment_ago_is_known_at_once(
    module_database: Database, client: httpx.Client, served: Server
) -> None:
    for _ in range(5):
        strategy = new_strategy(module_database)
        assert answer_of(client.post(PREFIX + strategy.secret, content=BUY)) == OK
        assert len(signals(module_database, strategy, "signal_id")) == 1


def test_other_methods_are_no_way_in(strategy: NewStrategy, client: httpx.Client, module_database: Database) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert client.request(method, PREFIX + strategy.secret, content=BUY).status_code in {404, 405}
    assert messages(module_database, strategy, "1") == []


def test_secrets_in_bodies_are_masked(module_database: Database, strategy: NewStrategy, alert: Send) -> None:
    canary = "canary-body-secret-55aa"
    alert(json.dumps({"symbol": "EURUSD", "action": "buy", "secret": canary, "passphrase": canary}).encode())
    alert(f'{{"symbol": "EURUSD", "secret": "{canary}"'.encode())
    alert(f"buy EURUSD 0.1 token={canary}".encode())
    stored = b"".join(bytes(row[0]) for row in messages(module_database, strategy, "body"))
    assert len(messages(module_database, strategy, "1")) == 3
    assert canary.encode() not in stored
    assert b"EURUSD" in stored


def test_headers_worth_keeping_are_kept_and_credentials_are_not(
    module_database: Database, strategy: NewStrategy, client: httpx.Client
) -> None:
    headers = {"User-Agent": "Go-http-client/1.1", "X-Forwarded-For": "52.89.214.238", "Authorization": "Bearer x", "Cookie": "y"}
    client.post(PREFIX + strategy.secret, content=BUY, headers=headers)
    ((kept,),) = messages(module_database, strategy, "headers")
    assert kept["user-agent"] == "Go-http-client/1.1"
    assert kept["x-forwarded-for"] == "52.89.214.238"
    assert kept["client"] == "127.0.0.1"
    assert not {"authorization", "cookie"} & kept.keys()


def test_a_raw_socket_without_any_header_but_the_length(served: Server, strategy: NewStrategy, module_database: Database) -> None:
    answer = exchange(served.port, request_bytes(PREFIX + strategy.secret, BUY))
    assert answer is not None
    assert (answer.status, answer.body) == OK
    assert len(signals(module_database, strategy, "1")) == 1


def test_alerts_on_one_connection_one_after_the_other_without_waiting(
    served: Server, strategy: NewStrategy, module_database: Database
) -> None:
    bodies = [json.dumps({"symbol": "EURUSD", "action": "buy", "id": str(uuid.uuid4())}).encode() for _ in range(20)]
    last = request_bytes(PREFIX + strategy.secret, BUY, ["Connection: close"])
    pipelined = b"".join(request_bytes(PREFIX + strategy.secret, body) for body in bodies) + last
    with raw_connection(served.port) as connection:
        connection.sendall(pipelined)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(OK[1]) == 21
    assert len(signals(module_database, strategy, "1")) == 21
