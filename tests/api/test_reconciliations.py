"""``/api/v1/reconciliations``: a person's own log against a person's own messages; ledgers against the journal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookfill.api import reconciliations
from hookfill.exports import worker as exports
from support.alert_log import write_alert_log
from support.exports import batch, confirmed_row, deliver
from support.house import TOKEN, House
from support.journal import at, entry, move, put, work_all
from support.people import bearer
from support.tenants import make_tenant

LOG = "/api/v1/reconciliations/alert-log"
LEDGER = "/api/v1/reconciliations/ledger"
BUY = '{"symbol":"EURUSD","action":"buy","volume":0.1}'


def csv_of(folder: Path, *told: Mapping[str, Any] | str) -> bytes:
    return write_alert_log(folder / "log.csv", [(at(minute), one) for minute, one in enumerate(told)]).read_bytes()


async def upload(house: House, content: bytes, *, token: str = TOKEN, kind: str = "text/csv", **query: str) -> httpx.Response:
    headers = bearer(token) | {"Content-Type": kind}
    return await house.client.post(LOG, content=content, headers=headers, params=query)


async def arrive(house: House, *told: Mapping[str, Any]) -> None:
    async with house.pool.acquire() as connection:
        await put(connection, house.account_id, *told)
        await work_all(connection, house.account_id)


async def test_what_is_missing_is_told_and_nothing_changed(house: House, tmp_path: Path) -> None:
    await arrive(house, entry())
    answer = await upload(house, csv_of(tmp_path, entry(), move(), BUY), kind="Text/CSV; charset=utf-8")
    found = answer.json()
    assert (answer.status_code, found["missing"], found["missing_trades"], found["backfilled"]) == (200, 2, 1, None)
    assert [one["can_backfill"] for one in found["findings"]["missing"]] == [True, False]
    assert await house.pool.fetchval("SELECT count(*) FROM messages") == 1


async def test_what_is_missing_is_brought_in_on_confirmation(house: House, tmp_path: Path) -> None:
    content = csv_of(tmp_path, entry(), move(), BUY)
    answer = await upload(house, content, backfill="1")
    assert answer.json()["backfilled"] == {"stored": 2, "malformed": 0}
    async with house.pool.acquire() as connection:
        await work_all(connection, house.account_id)
    stored = await house.pool.fetch("SELECT account_id, source, state, as_of FROM messages ORDER BY message_id")
    assert [tuple(row) for row in stored] == [(house.account_id, "backfill", "processed", at(minute)) for minute in (0, 1)]
    again = (await upload(house, content, backfill="1")).json()
    assert (again["missing"], again["backfilled"]) == (1, None)


async def test_everybody_sees_and_mends_only_their_own(house: House, tmp_path: Path) -> None:
    alice = await make_tenant(house, "alice")
    await arrive(house, entry())
    content = csv_of(tmp_path, entry())
    headers = bearer(alice.token) | {"Content-Type": "text/csv"}
    theirs = await house.client.post(LOG, content=content, headers=headers, params={"backfill": 1})
    assert theirs.json()["missing"] == 1
    sources = await house.pool.fetch("SELECT account_id::text, source FROM messages WHERE body = $1", json.dumps(entry()).encode())
    assert sorted(map(tuple, sources)) == sorted([(str(house.account_id), "live"), (alice.ids["account_id"], "backfill")])
    missing = await house.client.post(LOG, content=content, headers=headers, params={"account_id": str(house.account_id)})
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "text/csv", 422),
        (b"Time,Text\n", "text/csv", 422),
        (b"\xff\xfe\x00", "text/csv", 422),
        (b"\xff\xff\xff", "text/csv", 422),
        (b'Description,Time\n"open', "text/csv", 422),
        (b"Description,Time\n", "application/json", 415),
        (b"Description,Time\n", "", 415),
        (b"Description,Time\n\x00,\x00\n=1+1,2026-03-02T15:00:00Z\n", "text/csv", 200),
        ("Description,Time\nText,2026-03-02T15:00:00Z\n".encode("utf-16"), "text/csv", 200),
    ],
)
async def test_what_is_no_log(house: House, content: bytes, kind: str, status: int) -> None:
    answer = await upload(house, content, kind=kind)
    assert answer.status_code == status, answer.text


async def test_bad_rows_are_told_with_their_lines(house: House) -> None:
    found = (await upload(house, b"Description,Time\nText,soon\nonly one\n")).json()
    assert [(bad["line"], "Time" in bad["reason"]) for bad in found["findings"]["bad_rows"]] == [(2, True), (3, False)]
    assert (found["rows"], found["bad_rows"], found["missing"]) == (2, 2, 0)


async def test_a_log_that_is_too_large(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliations, "LOG_LIMIT", 20)
    answer = await upload(house, b"Description,Time\nText,2026-03-02T15:00:00Z\n")
    assert (answer.status_code, "hookfill reconcile" in answer.text) == (413, True)


async def test_more_logs_at_a_time_than_there_is_room_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliations, "ACQUIRE_SECONDS", 0.05)
    async with house.api.state.uploads.hold(reconciliations.UPLOADS, 1):
        answer = await upload(house, b"Description,Time\n")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_long_lists_are_cut_and_counted(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliations, "MOST_FINDINGS", 2)
    found = (await upload(house, csv_of(tmp_path, *(entry(f"T{number}") for number in range(5))))).json()
    assert (found["missing"], len(found["findings"]["missing"])) == (5, 2)


async def test_ledgers_and_journal(house: House) -> None:
    async with house.pool.acquire() as connection:
        await put(connection, house.account_id, entry())
        await work_all(connection, house.account_id)
        stamp = round(at(0).timestamp() * 1000)
        rows = [confirmed_row(trade_id=name, triangle_time=stamp, entry=20500.25, stop=20470) for name in ("T1", "T2")]
        await deliver(connection, house.account_id, [batch(rows, total=2)], at=at(60))
        while await exports.work(connection, house.account_id):
            pass
    answer = await house.get(LEDGER, date_from="2026-03-02")
    found = answer.json()
    assert (answer.status_code, found["date_to"], found["telemetry_since"]) == (200, "2026-03-08", "2026-03-02")
    assert [(one["trade_id"], one["problem"], one["field"]) for one in found["findings"] if one["severity"] == "error"] == [
        ("T1", "different", "stop"),
        ("T2", "missing_in_journal", None),
    ]
    alice = await make_tenant(house, "alice")
    theirs = await house.client.get(LEDGER, params={"date_from": "2026-03-02"}, headers=bearer(alice.token))
    assert all(one["trade_id"] not in ("T1", "T2") for one in theirs.json()["findings"])
    other = await house.client.get(LEDGER, params={"account_id": str(house.account_id)}, headers=bearer(alice.token))
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 200),
        ({"date_to": "1990-01-01"}, 200),
        ({"date_from": "2099-12-31"}, 200),
        ({"date_from": "2026-03-02", "date_to": "2026-03-01"}, 422),
        ({"date_from": "2026-01-01", "date_to": "2026-12-31"}, 422),
        ({"date_from": "0001-01-01"}, 422),
        ({"date_to": "9999-12-31"}, 422),
        ({"date_from": "soon"}, 422),
    ],
)
async def test_days_that_can_be_asked_for(house: House, query: dict[str, str], status: int) -> None:
    assert (await house.get(LEDGER, **query)).status_code == status
