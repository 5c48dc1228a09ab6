"""``POST /api/automated-signals/webhook``: every format answered as the contract says, every delivery on disk."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hookfill.edge.telemetry import PATH
from hookfill.postgres.model import Database
from support.database import query, value, wait_for_value
from support.server import Server

TRADE = "20251120_143000000_BULLISH"
TELEMETRY = {
    "schema_version": "1.0.0",
    "trade_id": TRADE,
    "event_type": "ENTRY",
    "event_timestamp": "2025-11-20T14:30:00Z",
    "direction": "Bullish",
    "entry_price": 20500.25,
    "stop_loss": 20475.00,
}
LEGACY_ANSWER = {"success": True, "message": "Legacy payload processed (existing handler)"}
STRAY = (
    b'{"type":"ENTRY","signal_id":"20251114_005000000_BULLISH","sl_price":25015.25",'
    b'"risk_distance":20.5","timestamp":1763102940000}'
)
TOKEN = "canary telemetry-token+93ce05"


@pytest.fixture(autouse=True)
def nothing_stored(module_database: Database, served: Server) -> None:
    query(module_database.url, "TRUNCATE messages, gate, signals")


def messages(database: Database) -> list[tuple[Any, ...]]:
    """Door, state, reason and body of all messages, in the order of their arrival."""
    return query(database.url, "SELECT door, state, reason, body FROM messages ORDER BY message_id")


def test_telemetry_is_answered_with_what_it_told(client: httpx.Client, module_database: Database) -> None:
    body = json.dumps(TELEMETRY).encode()
    answer = client.post(PATH, content=body, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "message": "Telemetry event ENTRY processed",
            "trade_id": TRADE,
            "event_type": "ENTRY",
            "schema_version": "1.0.0",
        },
    )
    assert messages(module_database) == [("telemetry", "received", None, body)]
    owners = value(
        module_database.url, "SELECT account_id FROM accounts JOIN users USING (user_id) WHERE role = 'owner' AND is_default"
    )
    key = hashlib.sha256(b"telemetry\0" + body).digest()
    assert query(module_database.url, "SELECT account_id, key, seen_us, signal_id FROM gate") == [(owners, key, 0, None)]


@pytest.mark.parametrize(
    "told",
    [
        {"type": "ENTRY", "signal_id": "test123", "entry_price": 20500},
        {"event_type": "MFE_UPDATE", "trade_id": TRADE, "mfe": 1},
        {"event_type": "HEARTBEAT", "timestamp": "2025-12-11T07:57:00", "signal_count": 3},
        {"event_type": "MFE_UPDATE_BATCH", "timestamp": "2025-12-11T07:57:00", "signals": [{"trade_id": TRADE, "be_mfe": 1}]},
        {"attributes": {"event_type": "ENTRY", "trade_id": TRADE}},
    ],
    ids=["type", "no version", "heartbeat", "batch", "attributes"],
)
def test_whatever_names_no_version_is_answered_as_legacy(
    client: httpx.Client, module_database: Database, told: dict[str, object]
) -> None:
    answer = client.post(PATH, json=told)
    assert (answer.status_code, answer.json()) == (200, LEGACY_ANSWER)
    assert [row[1] for row in messages(module_database)] == ["received"]


def test_repeats_are_answered_the_same_and_each_is_stored(client: httpx.Client, module_database: Database) -> None:
    answers = [client.post(PATH, json=TELEMETRY) for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [row[1] for row in messages(module_database)] == ["received", "duplicate", "duplicate"]
    other = client.post(PATH, json={**TELEMETRY, "event_type": "MFE_UPDATE"})
    assert other.json()["event_type"] == "MFE_UPDATE"
    assert messages(module_database)[-1][1] == "received"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"schema_version":"1.0.0","event_type":"ENTRY"}', "trade_id_missing"),
        (b'{"schema_version":"1.0.0","trade_id":"x"}', "event_type_missing"),
        (b'{"event_type":"DANCE","trade_id":"x"}', "event_type_unknown"),
        (b"{", "json_invalid"),
        (b"", "json_invalid"),
        (b"ENTRY x", "json_invalid"),
        (b'{"a":NaN}', "json_invalid"),
        (b"[]", "alert_not_object"),
        (STRAY, "json_invalid"),
        (b"\xff\x00", "json_invalid"),
    ],
)
def test_what_cant_be_used_is_kept_as_malformed(client: httpx.Client, module_database: Database, body: bytes, reason: str) -> None:
    answers = [client.post(PATH, content=body) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json().keys() == {"success", "error"}
        assert answer.json()["success"] is False
        assert answer.json()["error"].endswith(".")
    assert messages(module_database) == [("telemetry", "malformed", reason, body)] * 2
    assert value(module_database.url, "SELECT count(*) FROM gate") == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_refused(client: httpx.Client, module_database: Database, *, chunked: bool) -> None:
    body = b'{"pad":"' + b"x" * (64 * 1024) + b'"}'
    answer = client.post(PATH, content=iter([body]) if chunked else body)
    assert (answer.status_code, answer.json()["success"]) == (413, False)
    assert [row[:3] for row in messages(module_database)] == [("telemetry", "refused", "body_too_large")]


def test_the_largest_message_is_taken(client: httpx.Client, module_database: Database) -> None:
    body = json.dumps({**TELEMETRY, "pad": ""}).encode()
    body = body.replace(b'"pad": ""', b'"pad": "' + b"x" * (64 * 1024 - len(body)) + b'"')
    assert len(body) == 64 * 1024
    assert client.post(PATH, content=body).status_code == 200
    assert [row[1] for row in messages(module_database)] == ["received"]


def test_a_secret_in_the_body_is_masked(client: httpx.Client, module_database: Database) -> None:
    assert client.post(PATH, json={**TELEMETRY, "token": "canary-in-the-body"}).status_code == 200
    assert b"canary-in-the-body" not in messages(module_database)[0][3]


def test_only_post_leads_in(client: httpx.Client) -> None:
    answer = client.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.fixture(scope="module")
def guarded(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("guarded")
    with Server(home, database_url=module_database.url, role="api", TELEMETRY_TOKEN=TOKEN, AUTO_REPAIR="true") as server:
        yield server


def test_a_token_may_be_asked_for(guarded: Server, module_database: Database) -> None:
    url = guarded.url + PATH
    with httpx.Client(trust_env=False) as client:
        statuses = [
            client.post(at, json=TELEMETRY, headers=headers).status_code
            for at, headers in [
                (url, {}),
                (f"{url}?token=wrong", {}),
                (f"{url}?other={quote(TOKEN)}", {}),
                (url, {"X-Telemetry-Token": "wrong"}),
                (f"{url}?token={quote(TOKEN)}", {"X-Telemetry-Token": ""}),
                (url, {"X-Telemetry-Token": TOKEN}),
                (f"{url}?token={quote(TOKEN)}", {}),
                (f"{url}?source=tv&token={quote(TOKEN, safe='').replace('%20', '+')}", {}),
            ]
        ]
    assert statuses == [401] * 5 + [200] * 3
    states = [row[1:3] for row in messages(module_database)]
    assert states == [("refused", "token_invalid")] * 5 + [("received", None)] + [("duplicate", None)] * 2
    kept = str(query(module_database.url, "SELECT body, headers, error FROM messages"))
    assert TOKEN not in kept
    assert TOKEN not in guarded.output()
    assert quote(TOKEN) not in guarded.output()


def test_trusted_rules_repair_what_comes_in(guarded: Server, module_database: Database) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{guarded.url}{PATH}?token={quote(TOKEN)}", content=STRAY)
        refused = client.post(f"{guarded.url}{PATH}?token={quote(TOKEN)}", content=b'{"type":"ENTRY","signal_id":"x","sl":NaN}')
    assert (answer.status_code, answer.json()) == (200, LEGACY_ANSWER)
    assert refused.status_code == 400  # nobody can know whether a missing stop may be missing
    found = query(
        module_database.url, "SELECT state, reason, error, body, repaired_body, repaired_by FROM messages ORDER BY message_id"
    )
    mended = STRAY.replace(b'25",', b"25,").replace(b'5",', b"5,")
    assert found[0] == ("received", None, None, STRAY, mended, "stray_quote_after_number")
    assert found[1][0] == "malformed"
    assert found[1][4:] == (None, None)
    assert json.loads(mended)["risk_distance"] == 20.5


def test_with_the_database_away_it_is_acknowledged_from_the_spool(database: Database, home: Path) -> None:
    constants = {"hookfill.inbox.writer.RETRY_SECONDS": 3600.0}
    with Server(home, database_url=database.url, role="api", constants=constants) as server:
        query(database.url, "ALTER TABLE messages RENAME TO elsewhere")
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            assert client.post(PATH, json=TELEMETRY).status_code == 200
        assert len(list((home / "spool").glob("*.batch"))) == 1
    query(database.url, "ALTER TABLE elsewhere RENAME TO messages")
    with Server(home, database_url=database.url, role="api"):
        wait_for_value(database.url, "received", "SELECT max(state) FROM messages")
