"""``AUTO_REPAIR`` at the doors for alerts: what a trusted rule mends goes on at once, what came is kept beside it."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.database import new_strategy, query
from support.http import PREFIX
from support.server import Server

HMAC_SECRET = "canary-hmac-secret-0f9c2b7d51"
ALERT = b'{"symbol":"BTCUSDT","action":"buy","volume":0.01","id":"auto-%d"}'
SIGNED = b'{"symbol":"SPY","action":"BUY","timeframe":"%dm","strike":500","timestamp":"2026-03-02T12:00:00Z","secret":"%s"}'
UNSIGNED = SIGNED.replace(b',"secret":"%s"', b"")


@pytest.fixture(scope="module")
def repairing(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("home")
    with (
        Server(home, database_url=module_database.url, role="api", HMAC_SECRET=HMAC_SECRET, AUTO_REPAIR="true") as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client,
    ):
        yield client


def newest(database: Database) -> tuple[Any, ...]:
    columns = "state, reason, body, repaired_body, repaired_by, signal_id IS NOT NULL"
    return query(database.url, f"SELECT {columns} FROM messages ORDER BY message_id DESC LIMIT 1")[0]


def test_an_alert_is_mended_and_becomes_a_signal(repairing: httpx.Client, module_database: Database) -> None:
    path = PREFIX + new_strategy(module_database).secret
    answer = repairing.post(path, content=ALERT % 1)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    mended = (ALERT % 1).replace(b'0.01"', b"0.01")
    assert newest(module_database) == ("processed", None, ALERT % 1, mended, "stray_quote_after_number", True)
    repairing.post(path, content=ALERT % 1)
    assert newest(module_database)[0] == "duplicate"
    repairing.post(path, content=b'{"symbol":"EURUSD","action":"buy","sl":NaN}')
    assert newest(module_database)[::3] == ("malformed", None)  # no stop where one was meant: nobody should trade that unseen


def test_a_signed_message_is_mended_if_its_signature_is_right(repairing: httpx.Client, module_database: Database) -> None:
    body = UNSIGNED % 1
    signature = hmac.new(HMAC_SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = repairing.post("/webhook", content=body, headers={"x-webhook-signature": signature})
    assert (answer.status_code, answer.json()["status"]) == (201, "ACCEPTED")
    assert newest(module_database)[:2] == ("processed", None)
    assert newest(module_database)[2] == body
    for headers in ({}, {"x-webhook-signature": "00" * 32}):
        assert repairing.post("/webhook", content=UNSIGNED % 2, headers=headers).status_code == 401
        assert newest(module_database)[:2] == ("refused", "signature_invalid")


def test_the_secret_in_a_broken_body_is_found(repairing: httpx.Client, module_database: Database) -> None:
    answer = repairing.post("/webhook", content=SIGNED % (5, HMAC_SECRET.encode()))
    assert answer.status_code == 201
    state, _, body, repaired, _, has_signal = newest(module_database)
    assert (state, has_signal) == ("processed", True)
    assert HMAC_SECRET.encode() not in body + repaired
    assert repairing.post("/webhook", content=SIGNED % (6, b"wrong")).status_code == 401
    assert newest(module_database)[0] == "refused"


def test_what_is_mended_and_still_lacks_something_stays_as_it_came(repairing: httpx.Client, module_database: Database) -> None:
    body = b'{"symbol":"SPY","strike":500"}'
    signature = hmac.new(HMAC_SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = repairing.post("/webhook", content=body, headers={"x-webhook-signature": signature})
    assert answer.status_code == 400
    assert newest(module_database) == ("malformed", "json_invalid", body, None, None, False)
