"""The short way from the socket to the alert doors: HTTP as it must be, whatever comes in pieces, together, or half."""

import hmac
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.database import query
from support.http import PREFIX
from support.server import Server

PAGE = "https://page.example"


def request(path: str, body: bytes = b"", method: str = "POST", version: str = "1.1", extra: str = "") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: h\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@pytest.fixture
def connection(served: Server) -> Iterator[socket.socket]:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, object]]]:
    """So many answers, as status and JSON body, in the order in which they come."""
    found = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            status, length = int(stream.readline().split()[1]), 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            found.append((status, json.loads(stream.read(length))))
    return found


def bodies(database: Database, strategy: NewStrategy) -> list[bytes]:
    """The signals' messages, in the order of their arrival."""
    text = (
        "SELECT body FROM signals JOIN messages USING (account_id, message_id) WHERE signals.strategy_id = %s ORDER BY message_id"
    )
    return [row[0] for row in query(database.url, text, strategy.strategy_id)]


def test_a_request_may_come_byte_by_byte(connection: socket.socket, strategy: NewStrategy, module_database: Database) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request(PREFIX + strategy.secret, b"buy EURUSD 0.1"):
        connection.send(bytes([byte]))
    assert answers(connection, 1) == [(200, {"status": "ok"})]
    assert bodies(module_database, strategy) == [b"buy EURUSD 0.1"]


def test_requests_sent_together_are_answered_in_their_order(
    connection: socket.socket, strategy: NewStrategy, module_database: Database
) -> None:
    path = PREFIX + strategy.secret
    sent = [b"buy EURUSD 0.%d" % number for number in range(1, 6)]
    connection.sendall(
        b"".join(request(path, body) for body in sent[:3])
        + request("/webhook/test", method="GET")
        + b"".join(request(path, body) for body in sent[3:])
    )
    found = answers(connection, 6)
    assert [status for status, _ in found] == [200] * 6
    assert [content.get("message") for _, content in found] == [None, None, None, "Webhook endpoint is ready", None, None]
    assert bodies(module_database, strategy) == sent


def test_a_connection_serves_alerts_and_reads_in_turn(
    connection: socket.socket, strategy: NewStrategy, module_database: Database
) -> None:
    for number in range(1, 4):
        connection.sendall(request(PREFIX + strategy.secret, b"buy EURUSD %d" % number))
        assert answers(connection, 1) == [(200, {"status": "ok"})]
        connection.sendall(request("/api/v1/orders", method="GET"))
        assert answers(connection, 1)[0][0] == 401
    assert len(bodies(module_database, strategy)) == 3


def test_each_signed_alert_is_judged_by_its_own_signature(connection: socket.socket, hmac_secret: str) -> None:
    for number, signs, status in ((1, 1, 201), (2, 2, 201), (3, 2, 401), (3, 3, 201)):
        said = [b'{"symbol":"AA%d","action":"BUY","timeframe":"5m","timestamp":1770292800}' % value for value in (number, signs)]
        signature = hmac.digest(hmac_secret.encode(), said[1], "sha256").hex()
        connection.sendall(request("/webhook", said[0], extra=f"X-Webhook-Signature: {signature}\r\n"))
        assert answers(connection, 1)[0][0] == status


@pytest.mark.parametrize(("version", "extra"), [("1.1", "Connection: close\r\n"), ("1.0", "")])
def test_a_sender_that_wants_the_connection_closed_gets_it(
    connection: socket.socket, strategy: NewStrategy, version: str, extra: str
) -> None:
    connection.sendall(request(PREFIX + strategy.secret, b"buy EURUSD 1", version=version, extra=extra))
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received.lower()


def test_an_encoded_path_leads_to_the_same_door(
    connection: socket.socket, strategy: NewStrategy, module_database: Database
) -> None:
    for path in (f"/api/v1/webhooks%2Ftv/{strategy.secret}", f"{PREFIX}{strategy.secret}?source=tv"):
        connection.sendall(request(path, b"buy EURUSD " + str(len(path)).encode()))
        assert answers(connection, 1) == [(200, {"status": "ok"})]
    assert len(bodies(module_database, strategy)) == 2


def test_a_page_may_read_the_candles_doors_answer(database: Database, home: Path) -> None:
    with Server(home, database_url=database.url, role="api", HOOKFILL_CORS_ORIGINS=PAGE) as server:
        answer = httpx.post(f"{server.url}/api/v1/candles", content=b"{}", headers={"Origin": PAGE}, trust_env=False)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (401, PAGE)
