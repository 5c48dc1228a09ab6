"""Canaries: no secret of anybody's turns up in the log, in another answer than the one that gives it, or in clear in any row."""

import base64
import itertools
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from support.database import wait_for_value
from support.people import bearer
from support.routes import KINDS, Route, routes
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

HMAC_SECRET = "canary-hmac-secret-5b1e7f90c3d8"
JWT_SECRET = "canary-jwt-secret-b85f6230cc417de9a1"
CREDENTIALS_KEY = "canary-credentials-key-77d0a4e1b25f"
PASSWORD = "canary-password-9c02ee41"
TRADE_ID = "20260302_120000000_BULLISH"
BROKER = {"key_id": "canary-broker-key-4ad19e", "secret_key": "canary-broker-secret-e07b55"}


@dataclass(slots=True)
class Seen:
    """What was sent and answered: each answer with the request that it belongs to, but for those that give a secret."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, str]] = field(default_factory=list)


class Town:
    """A server that talks a lot, and someone who uses all that has secrets."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seen = Seen()
        self.client = httpx.Client(base_url=server.url, timeout=30, trust_env=False)

    def give(self, path: str, body: Any, token: str = "", **secrets: str) -> dict[str, Any]:
        """A request whose answer gives secrets: their names here by their names there."""
        answer = self.client.post(path, json=body, headers=bearer(token) if token else {})
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        self.seen.secrets |= {name: told[member].rpartition("/")[2] for name, member in secrets.items()}
        return told

    def ask(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """A request whose answer must hold no secret."""
        answer = self.client.request(method, url, **arguments)
        self.seen.answers.append((f"{method} {url[:60]} {answer.status_code}", f"{answer.headers} {answer.text}"))
        return answer


@pytest.fixture(scope="module")
def used(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, str]]:
    """All that was answered and logged while everything was used, rightly and wrongly."""
    settings = {"HMAC_SECRET": HMAC_SECRET, "JWT_SECRET": JWT_SECRET, "HOOKFILL_CREDENTIALS_KEY": CREDENTIALS_KEY}
    home = tmp_path_factory.mktemp("home")
    with Server(home, database_url=module_database.url, HOOKFILL_LOG_LEVEL="debug", **settings) as server:
        town = Town(server)
        ids, agent = use_rightly(town, module_database)
        use_wrongly(town, ids, agent)
        town.client.close()
        server.stop()
        given = {"owner's token": OWNER_TOKEN, "candles key": CANDLES_KEY, "password": PASSWORD, "broker's key": BROKER["key_id"]}
        given |= {
            "broker's secret": BROKER["secret_key"],
            "HMAC": HMAC_SECRET,
            "JWT": JWT_SECRET,
            "credentials key": CREDENTIALS_KEY,
        }
        town.seen.secrets |= given
        yield town.seen, server.output()


def use_rightly(town: Town, database: Database) -> tuple[dict[str, str], dict[str, str]]:
    """Make one of everything that has a secret, use it, and return ids and the agent's headers."""
    invited = town.give("/api/v1/invitations", {"email": "ada@example.com"}, OWNER_TOKEN, invitation="token")
    person = {"email": "ada@example.com", "password": PASSWORD}
    town.give("/api/v1/auth/register", person | {"invitation": invited["token"]}, access="access_token", refresh="refresh_token")
    town.give("/api/v1/auth/login", person, second_access="access_token", second_refresh="refresh_token")
    refresh = {"refresh_token": town.seen.secrets["second_refresh"]}
    token = town.give("/api/v1/auth/refresh", refresh, third_access="access_token", third_refresh="refresh_token")["access_token"]
    key = town.give("/api/v1/api-keys", {"label": "program", "scopes": ["read", "trade"]}, token, api_key="key")
    strategy = town.give("/api/v1/strategies", {"name": "S"}, token, webhook="webhook_url")
    town.give(f"/api/v1/strategies/{strategy['strategy_id']}/rotate-secret", {}, token, second_webhook="webhook_url")
    alpaca = town.give("/api/v1/broker-connections", {"kind": "alpaca", "label": "A", "credentials": BROKER}, token)
    mt5 = town.give(
        "/api/v1/broker-connections", {"kind": "mt5", "label": "M", "credentials": {"password": BROKER["secret_key"]}}, token
    )
    paired = town.give("/api/v1/agents/pair", {"broker_connection_id": mt5["broker_connection_id"]}, token, pairing="pairing_key")
    job = town.give(f"/api/v1/agents/{paired['agent_id']}/jobs", {"job_type": "get_account"}, token)
    alert = {"symbol": "BTCUSDT", "action": "buy", "volume": 0.01, "price": 64000, "id": "canary", "password": PASSWORD}
    for name in ("webhook", "second_webhook"):
        town.ask("POST", f"/api/v1/webhooks/tv/{town.seen.secrets[name]}", json=alert | {"token": town.seen.secrets["api_key"]})
    wait_for_value(database.url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")
    astray = {"password": PASSWORD, "token": town.seen.secrets["api_key"]}
    told = {"type": "ENTRY", "signal_id": TRADE_ID, "entry_price": 25000, "sl_price": 24990, "timestamp": 1772470800000}
    town.ask("POST", "/api/automated-signals/webhook", json=told | astray)
    row = {"trade_id": TRADE_ID, "triangle_time": 1772470800000, "direction": "Bullish"}
    table = {"event_type": "INDICATOR_EXPORT_V2", "batch_number": 0, "batch_size": 1, "total_signals": 1, "signals": [row | astray]}
    exported = town.ask("POST", "/api/indicator-export", json=table | astray).json()
    wait_for_value(database.url, 0, "SELECT count(*) FROM messages WHERE state = 'received'")
    agent = {"X-Agent-Id": paired["agent_id"], "X-Agent-Key": town.seen.secrets["pairing"]}
    ids = {
        "account_id": alpaca["account_id"],
        "agent_id": paired["agent_id"],
        "batch_id": str(exported["batch_id"]),
        "broker_connection_id": alpaca["broker_connection_id"],
        "experiment_id": str(new_id()),  # no signal's
        "id": alpaca["account_id"],  # of what a halt is for
        "invitation_id": invited["invitation_id"],
        "job_id": job["job_id"],
        "key_id": key["key_id"],
        "message_id": town.ask("GET", "/api/v1/messages", headers=bearer(token)).json()[0]["id"],
        "order_id": town.ask("GET", "/api/v1/orders", headers=bearer(token)).json()[0]["id"],
        "signal_id": town.ask("GET", "/api/v1/signals", headers=bearer(token)).json()[0]["id"],
        "strategy_id": strategy["strategy_id"],
        "trade_id": TRADE_ID,
    }
    assert set(ids) == KINDS
    return ids, agent


def use_wrongly(town: Town, ids: dict[str, str], agent: dict[str, str]) -> None:
    """Put each secret where it does not belong, on every route; and read everything back."""
    known = list(town.seen.secrets.values())
    token = town.seen.secrets["third_access"]
    secrets = itertools.cycle([*known, PASSWORD, BROKER["secret_key"], HMAC_SECRET, OWNER_TOKEN, CANDLES_KEY])
    for route in routes(town.client.get("/openapi.json").json()):
        headers = agent if route.is_agents else bearer(token)
        own = {slot: ids[slot[1]] for slot in route.slots}
        if route.method == "GET":
            town.ask(**route.request(own), headers=headers, timeout=40)
        for wrong in wrong_requests(route, own, secrets):
            town.ask(**{**wrong, "headers": headers | wrong.get("headers", {})})
        town.ask(**route.request(own), headers=bearer(next(secrets) + "x"))
        town.ask(**route.request(own), headers={"Authorization": next(secrets), "X-Agent-Id": next(secrets), "X-Agent-Key": "x"})


def wrong_requests(route: Route, own: dict[tuple[str, str], str], secrets: Iterator[str]) -> Iterator[dict[str, Any]]:
    """A route's requests that can't be right, each with a secret in the wrong place."""
    asked = route.request(own)
    for slot in own:
        yield route.request(own | {slot: next(secrets)})
    if not route.is_door:
        yield {**asked, "params": {name: next(secrets) for name in ("limit", "wait", "from", "status", "account_id", "token")}}
    yield {**asked, "url": f"{asked['url']}/{next(secrets)}"}
    if route.body is None:
        return
    asked.pop("json")
    keyed = {"secret": next(secrets), "password": next(secrets), "token": next(secrets), "api_key": next(secrets)}
    bodies = [json.dumps(keyed), json.dumps(keyed)[:-1], json.dumps({**keyed, "x": 1})]
    if not route.is_door:  # an alert's own text is kept as it came, whatever it is
        bodies += [next(secrets), json.dumps(next(secrets)), json.dumps([next(secrets)])]
        bodies += [json.dumps({name: [next(secrets)] for name in route.body})]
        bodies += [json.dumps({**route.body, "refresh_token": next(secrets) + "\u0000", "invitation": next(secrets)})]
    for body in bodies:
        yield {**asked, "content": body, "headers": {"Content-Type": "application/json"}}


def test_in_no_answer(used: tuple[Seen, str]) -> None:
    seen, _ = used
    assert len(seen.secrets) > 15
    assert len(seen.answers) > 400
    assert [(name, asked) for asked, text in seen.answers for name, secret in seen.secrets.items() if secret in text] == []


def test_in_no_log(used: tuple[Seen, str]) -> None:
    seen, log = used
    assert "Hookfill is ready" in log
    assert [name for name, secret in seen.secrets.items() if secret in log] == []


def test_in_no_row(used: tuple[Seen, str], module_database: Database) -> None:
    seen, _ = used
    forms = [
        (name, form)
        for name, secret in seen.secrets.items()
        for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")[:-1])
    ]
    leaks, count = [], 0
    with psycopg.connect(module_database.url) as connection:
        tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            for (row,) in connection.execute(sql.SQL("SELECT {}::text FROM {}").format(*[sql.Identifier(table)] * 2)):
                count += 1
                leaks += [(table, name) for name, form in forms if form in row]
    assert count > 30
    assert sorted(set(leaks)) == []


def test_nothing_broke(used: tuple[Seen, str]) -> None:
    seen, log = used
    assert [asked for asked, _ in seen.answers if asked.rsplit(" ", 1)[1] >= "500"] == []
    assert "Traceback" not in log
    assert str(uuid.UUID(int=0)) not in log
