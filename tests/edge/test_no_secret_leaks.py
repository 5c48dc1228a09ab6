"""Canaries: no secret that the server holds or is sent turns up in its log or in any table."""

import json
import uuid

import httpx
import psycopg
import pytest
from psycopg import sql

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.database import new_strategy, query
from support.http import PREFIX, exchange
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

HMAC_SECRET = "canary-hmac-secret-0f9c2b7d51"
BODY_SECRET = "canary-body-secret-1b7e44"
WRONG = "canary-wrong-secret-90aa"


@pytest.fixture(scope="module")
def used(module_database: Database, tmp_path_factory: pytest.TempPathFactory):
    """A server and all that was sent to it: right, wrong and broken, with secrets everywhere. Its log, and the secrets."""
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, HMAC_SECRET=HMAC_SECRET) as server:
        strategy = new_strategy(module_database)
        send_everything(server, strategy)
        log = server.output()
        server.stop()
        yield log + server.output(), [OWNER_TOKEN, CANDLES_KEY, HMAC_SECRET, BODY_SECRET, WRONG, strategy.secret]


def send_everything(server: Server, strategy: NewStrategy) -> None:
    hook = PREFIX + strategy.secret
    fields = {"symbol": f"T{uuid.uuid4().hex[:8]}", "direction": "long", "timeframe": "5m", "timestamp": "2026-02-05T12:00:00Z"}
    bodies = [
        json.dumps(fields | {"secret": secret, "passphrase": BODY_SECRET}).encode() for secret in (HMAC_SECRET, WRONG, BODY_SECRET)
    ]
    bodies += [body[:-5] for body in bodies]
    bodies += [f"buy EURUSD 0.1 token={BODY_SECRET}".encode(), f"symbol=EURUSD&action=buy&secret={BODY_SECRET}".encode()]
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        for body in bodies:
            for path in ("/webhook", hook, PREFIX + WRONG, "/api/v1/candles", "/api/v1/signals", "/nowhere"):
                client.post(path, content=body, headers={"X-API-KEY": CANDLES_KEY, "Authorization": f"Bearer {OWNER_TOKEN}"})
            client.post("/api/v1/candles", content=body, headers={"X-API-KEY": WRONG})
        for token in (OWNER_TOKEN, WRONG):
            for path in ("/api/v1/signals", "/api/v1/account", f"/api/v1/signals/{uuid.uuid4()}/story", hook):
                client.get(path, headers={"Authorization": f"Bearer {token}"})
    broken = f"POST {hook} HTTP/1.1\r\nAuthorization: {BODY_SECRET}\r\nContent-Length: x\r\n\r\n".encode()
    exchange(server.port, broken)
    exchange(server.port, f"POST {hook} {BODY_SECRET}\r\n\r\n".encode())


def test_in_the_log(used: tuple[str, list[str]]) -> None:
    log, secrets = used
    assert log
    assert [secret for secret in secrets if secret in log] == []


def test_in_any_table(used: tuple[str, list[str]], module_database: Database) -> None:
    _, secrets = used
    tables = [row[0] for row in query(module_database.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert {"messages", "signals", "users", "webhook_secrets"} <= set(tables)
    leaks = []
    with psycopg.connect(module_database.url) as connection:
        for table in tables:
            for (row,) in connection.execute(sql.SQL("SELECT {}::text FROM {}").format(*[sql.Identifier(table)] * 2)):
                # Bytes are shown as hexadecimal text.
                leaks += [(table, secret) for secret in secrets if secret in row or secret.encode().hex() in row]
    assert leaks == []
