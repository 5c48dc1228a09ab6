"""The signed door over HTTP, against a real server process: contract B."""

import hashlib
import hmac
import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import httpx
import pytest

from hookfill.inbox.model import WINDOW_SECONDS
from hookfill.postgres.model import Database
from support.database import query, value
from support.server import Server, StartFailed

HMAC_SECRET = "canary-hmac-secret-0f9c2b7d51"
# The document's own request, byte for byte.
PAYLOAD = b'{"symbol":"SPY","direction":"long","timeframe":"5m","timestamp":"2026-02-05T12:00:00Z"}'


def sign(body: bytes, secret: str = HMAC_SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def payload(**changes: object) -> bytes:
    """A valid payload for a symbol of its own, so that no other test's message is its duplicate."""
    fields = {
        "symbol": f"T{uuid.uuid4().hex[:12]}".upper(),
        "direction": "long",
        "timeframe": "5m",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps({name: field for name, field in (fields | changes).items() if field is not None}).encode()


def post(client: httpx.Client, body: bytes, signature: str | None = "right") -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    if signature is not None:
        headers["x-webhook-signature"] = sign(body) if signature == "right" else signature
    return client.post("/webhook", content=body, headers=headers)


def message(database: Database, request_id: str) -> dict[str, Any]:
    names = ("state", "reason", "error", "body", "door")
    rows = query(database.url, f"SELECT {', '.join(names)} FROM messages WHERE message_id = %s", request_id)
    return dict(zip(names, rows[0], strict=True))


def test_the_test_endpoint(client: httpx.Client) -> None:
    answer = client.get("/webhook/test")
    assert answer.status_code == 200
    content = answer.json()
    moment = datetime.fromisoformat(content.pop("timestamp"))
    assert content == {"status": "ok", "message": "Webhook endpoint is ready"}
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


def test_an_accepted_message_answers_with_all_fields_and_is_stored(client: httpx.Client, module_database: Database) -> None:
    body = payload()
    answer = post(client, body)
    assert answer.status_code == 201
    content = answer.json()
    assert content.keys() == {"status", "signal_id", "experiment_id", "variant", "request_id", "processing_time_ms"}
    assert (content["status"], content["variant"]) == ("ACCEPTED", "A")
    assert content["processing_time_ms"] >= 0
    rows = query(
        module_database.url,
        "SELECT signal_id::text, experiment_id::text, variant, status FROM signals WHERE message_id = %s",
        content["request_id"],
    )
    assert rows == [(content["signal_id"], content["experiment_id"], "A", "pending")]
    assert message(module_database, content["request_id"])["body"] == body


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        ({}, True),
        ({"timestamp": "2026-02-05T12:00:01Z"}, True),
        ({"direction": None, "action": "BUY"}, True),
        ({"symbol": None, "ticker": "{symbol}"}, True),
        ({"direction": "short"}, False),
        ({"direction": "CALL"}, False),
        ({"timeframe": "15m"}, False),
        ({"symbol": "{symbol}2"}, False),
    ],
)
def test_a_duplicate_has_the_same_symbol_direction_and_timeframe(
    client: httpx.Client, module_database: Database, second: dict[str, Any], *, is_duplicate: bool
) -> None:
    first = json.loads(payload())
    changes = {name: text.format(symbol=first["symbol"]) if text else text for name, text in second.items()}
    repeat = json.dumps({name: field for name, field in (first | changes).items() if field is not None}).encode()
    accepted = post(client, json.dumps(first).encode()).json()
    answer = post(client, repeat)
    if not is_duplicate:
        assert (answer.status_code, answer.json()["status"]) == (201, "ACCEPTED")
        return
    assert answer.status_code == 200
    content = answer.json()
    assert content.keys() == {"status", "signal_id", "request_id", "processing_time_ms"}
    assert (content["status"], content["signal_id"]) == ("DUPLICATE", accepted["signal_id"])
    assert message(module_database, content["request_id"])["state"] == "duplicate"


def test_a_genuine_repeat_after_the_window_trades(client: httpx.Client, module_database: Database) -> None:
    body = payload()
    first = post(client, body).json()
    moved = "UPDATE gate SET seen_us = seen_us - %s WHERE signal_id = %s"
    query(module_database.url, moved, (WINDOW_SECONDS + 1) * 1_000_000, first["signal_id"])
    answer = post(client, body)
    assert answer.status_code == 201
    assert answer.json()["signal_id"] != first["signal_id"]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"symbol": None}, {"symbol"}),
        ({"symbol": "X" * 21}, {"symbol"}),
        ({"direction": None}, {"direction"}),
        ({"direction": "up"}, {"direction"}),
        ({"timeframe": None}, {"timeframe"}),
        ({"timestamp": None}, {"timestamp"}),
        ({"timestamp": "yesterday", "symbol": 5, "timeframe": ""}, {"timestamp", "symbol", "timeframe"}),
        ({"strike": "NaN"}, {"strike"}),
    ],
)
def test_an_invalid_payload_is_rejected_field_by_field_and_kept(
    client: httpx.Client, module_database: Database, changes: dict[str, Any], fields: set[str]
) -> None:
    body = payload(**changes)
    answer = post(client, body)
    assert answer.status_code == 400
    content = answer.json()
    assert content.keys() == {"status", "error", "details", "request_id"}
    assert content["status"] == "REJECTED"
    assert content["error"]
    assert {detail["field"] for detail in content["details"]} == fields
    assert all(detail.keys() == {"field", "message"} and detail["message"] for detail in content["details"])
    kept = message(module_database, content["request_id"])
    assert (kept["state"], kept["reason"], kept["body"]) == ("malformed", "payload_invalid", body)


UPPER = "upper"
PREFIXED = "prefixed"


@pytest.mark.parametrize(
    ("signature", "secret", "status"),
    [
        ("right", None, 201),
        (UPPER, None, 201),
        (PREFIXED, None, 201),
        (None, None, 401),
        ("", None, 401),
        ("0" * 64, None, 401),
        ("ünïcödé", None, 401),
        (sign(b"another body"), None, 401),
        (None, HMAC_SECRET, 201),
        (None, "wrong", 401),
        (None, "", 401),
        (None, 5, 401),
        ("right", "wrong", 201),
        ("0" * 64, HMAC_SECRET, 401),  # a signature that is there must be right
    ],
)
def test_who_may_come_in(
    client: httpx.Client, module_database: Database, signature: str | None, secret: object, status: int
) -> None:
    body = payload(secret=secret)
    given = {UPPER: sign(body).upper(), PREFIXED: f"sha256={sign(body)}"}.get(signature or "", signature)
    headers = {}
    if given is not None:
        headers["x-webhook-signature"] = (sign(body) if given == "right" else given).encode("latin-1")
    answer = client.post("/webhook", content=body, headers=headers)
    assert answer.status_code == status
    content = answer.json()
    kept = message(module_database, content["request_id"])
    if status == 401:
        assert content["status"] == "REJECTED"
        assert content.keys() == {"status", "error", "details", "request_id"}
        assert (kept["state"], kept["reason"]) == ("refused", "signature_invalid")
        assert value(module_database.url, "SELECT count(*) FROM signals WHERE message_id = %s", content["request_id"]) == 0
    if isinstance(secret, str) and secret:
        assert secret.encode() not in kept["body"]


def test_the_signature_is_of_the_raw_bytes_not_of_their_meaning(client: httpx.Client) -> None:
    body = payload()
    same_meaning = json.dumps(json.loads(body), indent=1).encode()
    assert post(client, same_meaning, sign(body)).status_code == 401
    assert post(client, same_meaning).status_code == 201


def test_a_malformed_body_without_a_signature_is_refused_not_examined(client: httpx.Client) -> None:
    assert post(client, b"{", None).status_code == 401
    assert post(client, b"{").status_code == 400


@pytest.fixture(scope="module")
def open_client(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A second server on the same database, without a secret on its signed door."""
    with (
        Server(tmp_path_factory.mktemp("open"), database_url=module_database.url, role="api") as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        yield client


def test_without_a_configured_secret_the_documents_plain_request_is_accepted(open_client: httpx.Client) -> None:
    assert post(open_client, payload(), None).status_code == 201


def test_a_duplicate_is_found_across_two_server_processes(client: httpx.Client, open_client: httpx.Client) -> None:
    body = payload()
    first = post(client, body)
    second = post(open_client, body, None)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["signal_id"] == first.json()["signal_id"]


@pytest.mark.skipif(which("curl") is None or which("openssl") is None, reason="needs curl and openssl")
def test_the_documents_own_commands(served: Server) -> None:
    script = Path(__file__).with_name("documents_commands.sh")
    done = subprocess.run(
        ["sh", str(script)],
        env={"BASE": served.url, "HMAC_SECRET": HMAC_SECRET, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    tested, unsigned, signed = (json.loads(line) for line in done.stdout.splitlines())
    assert tested["status"] == "ok"
    assert unsigned["status"] == "REJECTED"
    assert signed["status"] == "ACCEPTED"


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (None, "HMAC_SECRET"),
        ("your-webhook-hmac-secret", "HMAC_SECRET"),
        ("change-this-to-another-secure-random-string-for-webhooks", "HMAC_SECRET"),
        ("short", "HMAC_SECRET"),
    ],
)
def test_production_does_not_start_without_a_proper_secret(
    module_database: Database, tmp_path: Path, secret: str | None, says: str
) -> None:
    environment = {"HOOKFILL_MODE": "production"} | ({} if secret is None else {"HMAC_SECRET": secret})
    server = Server(tmp_path, database_url=module_database.url, role="api", **environment)
    with pytest.raises(StartFailed) as caught, server:
        pass
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert secret is None or secret == "short" or secret not in str(caught.value)
