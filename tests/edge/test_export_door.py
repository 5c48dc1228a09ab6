"""``POST /api/indicator-export``: every batch on disk, opened at once for its number, and answered as the contract says."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookfill.edge.indicator_export import KEPT_OF_STRANGERS, LIMIT, PATH
from hookfill.postgres.model import Database
from support.database import query, value, wait_for_value
from support.server import Server

BATCH: dict[str, Any] = {
    "event_type": "INDICATOR_EXPORT_V2",
    "batch_number": 0,
    "batch_size": 2,
    "total_signals": 300,
    "signals": [
        {"trade_id": "20251217_100000000_BULLISH", "entry": 21250.50, "note": "é"},
        {"trade_id": "20251217_110000000_BEARISH", "entry": 21240.0},
    ],
}
TOLD = {"event_type": "INDICATOR_EXPORT_V2", "batch_number": 0, "signals_count": 2}
TOKEN = "canary-export-token-5b1c99"
STRAY = b'{"event_type":"ALL_SIGNALS_EXPORT","batch_number":3","signals":[]}'


@pytest.fixture(autouse=True)
def nothing_stored(module_database: Database, served: Server) -> None:
    query(module_database.url, "TRUNCATE messages, gate, indicator_export_batches, indicator_export_deliveries")


def states(database: Database) -> list[tuple[Any, ...]]:
    """State and reason of all messages, in the order of their arrival."""
    assert query(database.url, "SELECT DISTINCT door FROM messages") == [("indicator_export",)]
    return query(database.url, "SELECT state, reason FROM messages ORDER BY message_id")


def test_a_batch_is_stored_opened_and_answered_with_its_number(client: httpx.Client, module_database: Database) -> None:
    answer = client.post(PATH, json=BATCH)
    assert answer.status_code == 200
    ((batch_id, digest, is_valid, message_id),) = query(
        module_database.url, "SELECT batch_id, payload_sha256, is_valid, message_id FROM indicator_export_batches"
    )
    assert answer.json() == {"status": "success", "batch_id": batch_id, **TOLD}
    assert digest == hashlib.sha256(json.dumps(BATCH, sort_keys=True).encode()).hexdigest()
    assert (is_valid, message_id) == (True, value(module_database.url, "SELECT message_id FROM messages"))
    assert states(module_database) == [("processed", None)]


def test_the_same_content_is_one_batch_however_it_is_written(client: httpx.Client, module_database: Database) -> None:
    turned = json.dumps(dict(reversed(BATCH.items())), indent=1).replace("21250.5", "21250.50").encode()
    answers = [client.post(PATH, json=BATCH), client.post(PATH, json=BATCH), client.post(PATH, content=turned)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json() for answer in answers[1:]] == [{"status": "duplicate", **TOLD}] * 2
    assert [state for state, _ in states(module_database)] == ["processed", "duplicate", "duplicate"]
    other = client.post(PATH, json={**BATCH, "event_type": "ALL_SIGNALS_EXPORT"})
    assert other.json()["status"] == "success"
    assert value(module_database.url, "SELECT count(*) FROM indicator_export_batches") == 2


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"batch_number": 1, "signals": []}, {"event_type": None, "batch_number": 1, "signals_count": 0}),
        ({**BATCH, "event_type": "OTHER"}, {**TOLD, "event_type": "OTHER"}),
        ({**BATCH, "event_type": 7}, {**TOLD, "event_type": None}),
        ({**BATCH, "event_type": "x" * 5000}, {**TOLD, "event_type": "x" * 100}),
        ({**BATCH, "signals": {"a": 1}}, {**TOLD, "signals_count": 0}),
        ({**BATCH, "batch_number": -1}, {**TOLD, "batch_number": None}),
        ({**BATCH, "batch_number": "first"}, {**TOLD, "batch_number": None}),
        ({**BATCH, "total_signals": 1e300}, TOLD),
        ({**BATCH, "batch_size": True}, TOLD),
        ([BATCH], {"event_type": None, "batch_number": None, "signals_count": 0}),
        (None, {"event_type": None, "batch_number": None, "signals_count": 0}),
    ],
)
def test_an_invalid_envelope_is_stored_and_said_so(
    client: httpx.Client, module_database: Database, told: object, shown: dict[str, object]
) -> None:
    answer = client.post(PATH, content=json.dumps(told))
    assert answer.status_code == 200
    found = answer.json()
    ((batch_id, error),) = query(
        module_database.url, "SELECT batch_id, validation_error FROM indicator_export_batches WHERE NOT is_valid"
    )
    assert found == {"status": "success", "batch_id": batch_id, **shown, "is_valid": False, "validation_error": error}
    assert error.endswith((".", "}."))
    again = client.post(PATH, content=json.dumps(told)).json()
    assert again == {"status": "duplicate", **shown, "is_valid": False, "validation_error": error}


def test_numbers_may_be_left_out_or_written_with_a_point(client: httpx.Client) -> None:
    answer = client.post(PATH, content=b'{"event_type":"ALL_SIGNALS_EXPORT","batch_number":4.0,"signals":[]}').json()
    assert (answer["batch_number"], answer["signals_count"], "is_valid" in answer) == (4, 0, False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body_empty"),
        (b"{", "json_invalid"),
        (b"hello", "json_invalid"),
        (b'{"a":NaN}', "json_invalid"),
        (STRAY, "json_invalid"),
    ],
)
def test_what_is_no_json_is_kept_as_malformed(client: httpx.Client, module_database: Database, body: bytes, reason: str) -> None:
    answer = client.post(PATH, content=body)
    assert (answer.status_code, answer.json()) == (400, {"status": "error", "message": "Invalid JSON"})
    assert states(module_database) == [("malformed", reason)]
    assert bytes(value(module_database.url, "SELECT body FROM messages")) == body


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_batches_up_to_the_limit_are_taken(client: httpx.Client, module_database: Database, size: int, *, chunked: bool) -> None:
    body = json.dumps({**BATCH, "pad": ""}).encode()
    body = body.replace(b'"pad": ""', b'"pad": "' + b"x" * (size - len(body)) + b'"')
    assert len(body) == size
    answer = client.post(PATH, content=iter([body[:100], body[100:]]) if chunked else body)
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    assert value(module_database.url, "SELECT octet_length(body) FROM messages") == size


def test_a_larger_one_is_refused(client: httpx.Client, module_database: Database) -> None:
    answer = client.post(PATH, content=b" " * (LIMIT + 1))
    assert (answer.status_code, answer.json()["status"]) == (413, "error")
    assert states(module_database) == [("refused", "body_too_large")]


def test_a_number_is_missing_while_batches_cant_be_opened(client: httpx.Client, module_database: Database) -> None:
    query(module_database.url, "ALTER TABLE indicator_export_batches RENAME TO elsewhere")
    try:
        answer = client.post(PATH, json=BATCH)
    finally:
        query(module_database.url, "ALTER TABLE elsewhere RENAME TO indicator_export_batches")
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "batch_id": None, **TOLD})
    assert states(module_database) == [("received", None)]
    assert client.post(PATH, json=BATCH).json() == {"status": "duplicate", **TOLD}


def test_a_token_may_be_asked_for_and_trusted_rules_repair(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("guarded")
    guards = {"INDICATOR_EXPORT_TOKEN": TOKEN, "AUTO_REPAIR": "1"}
    with (
        Server(home, database_url=module_database.url, role="api", **guards) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        stranger = client.post(PATH, content=b" " * (2 * KEPT_OF_STRANGERS))
        assert (stranger.status_code, stranger.json()["status"]) == (401, "error")
        assert client.post(f"{PATH}?token=x", json=BATCH).status_code == 401
        assert client.post(f"{PATH}?token={TOKEN}", json=BATCH).json()["status"] == "success"
        mended = client.post(PATH, content=STRAY, headers={"X-Indicator-Token": TOKEN})
        assert TOKEN not in server.output()
    assert (mended.status_code, mended.json()["batch_number"]) == (200, 3)
    assert states(module_database) == [("refused", "token_invalid")] * 2 + [("processed", None)] * 2
    assert value(module_database.url, "SELECT max(octet_length(body)) FROM messages") == KEPT_OF_STRANGERS
    opened = query(module_database.url, "SELECT batch_number, is_valid FROM indicator_export_batches ORDER BY batch_id")
    assert opened == [(0, True), (3, True)]


def test_with_the_database_away_a_batch_is_acknowledged_without_a_number(database: Database, home: Path) -> None:
    constants = {"hookfill.inbox.writer.RETRY_SECONDS": 3600.0}
    with Server(home, database_url=database.url, role="api", constants=constants) as server:
        query(database.url, "ALTER TABLE messages RENAME TO elsewhere")
        answer = httpx.post(server.url + PATH, json=BATCH, trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "batch_id": None, **TOLD})
    query(database.url, "ALTER TABLE elsewhere RENAME TO messages")
    with Server(home, database_url=database.url):  # the worker opens what comes out of the spool
        wait_for_value(database.url, "processed", "SELECT max(state) FROM messages")
    assert value(database.url, "SELECT batch_number FROM indicator_export_batches") == 0


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        (PATH, 500, {"status": "error", "message": "The batch could not be stored: send it again."}),
        ("/api/automated-signals/webhook", 503, {"success": False, "error": "The message could not be stored: send it again."}),
    ],
)
def test_what_nothing_can_hold_is_to_be_sent_again(
    module_database: Database, home: Path, path: str, status: int, answer: dict[str, object]
) -> None:
    constants = {"hookfill.inbox.writer.MAX_WAITING": 0}
    with Server(home, database_url=module_database.url, role="api", constants=constants) as server:
        found = httpx.post(server.url + path, json={**BATCH, "event_type": "ENTRY", "trade_id": "x"}, trust_env=False)
    assert (found.status_code, found.json(), found.headers["retry-after"]) == (status, answer, "5")
