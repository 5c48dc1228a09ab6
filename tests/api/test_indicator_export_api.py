"""Batches, runs, imports on demand and ledgers over HTTP, all put in by the door."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.api import export_models as models
from hookfill.exports.envelope import ALL_SIGNALS
from hookfill.exports.worker import find, work
from support.exports import TRIANGLE, all_row, batch, confirmed_row, ms
from support.house import TOKEN, House
from support.people import bearer

DOOR = "/api/indicator-export"
LEDGER = "/api/ledgers/confirmed"


async def push(house: House, body: bytes) -> dict[str, Any]:
    answer = await house.client.post(DOOR, content=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def post(house: House, path: str, token: str = TOKEN, **parameters: Any) -> httpx.Response:
    return await house.client.post(path, params=parameters or None, headers=bearer(token))


async def work_off(house: House) -> None:
    async with house.pool.acquire() as connection:
        while any([await work(connection, account_id) for account_id in await find(connection)]):
            pass


def check(answer: httpx.Response, model: Any) -> Any:
    assert answer.status_code == 200, answer.text
    TypeAdapter(model).validate_json(answer.content)
    return json.loads(answer.content, parse_float=Decimal)


async def test_what_is_pushed_is_listed_and_imported(house: House) -> None:
    told = await push(house, batch([confirmed_row(), confirmed_row(direction="up")], number=2))
    await push(house, b'{"event_type": "OTHER", "signals": [1.10]}')
    await work_off(house)
    listed = check(await house.get(f"{DOOR}/batches"), list[models.ExportBatch])
    assert [one["event_type"] for one in listed] == ["OTHER", "INDICATOR_EXPORT_V2"]
    assert listed[1]["batch_id"] == told["batch_id"]
    result = listed[1]["import_result"]
    assert (result["inserted"], result["skipped_invalid"], result["total_processed"]) == (1, 1, 2)
    assert result["skipped"][0]["reason"] == "field_invalid"
    for parameters, expected in (
        ({"event_type": "INDICATOR_EXPORT_V2"}, listed[1:]),
        ({"is_valid": False}, listed[:1]),
        ({"is_imported": True}, listed[1:]),
        ({"limit": 1, "offset": 1}, listed[1:]),
    ):
        assert check(await house.get(f"{DOOR}/batches", **parameters), list[models.ExportBatch]) == expected
    whole = check(await house.get(f"{DOOR}/batches/{listed[0]['batch_id']}"), models.WholeBatch)
    assert (whole["payload"], whole["deliveries"]) == ({"event_type": "OTHER", "signals": [Decimal("1.1")]}, 1)


async def test_an_import_on_demand(house: House) -> None:
    told = await push(house, batch([confirmed_row(mae=0.5), confirmed_row(direction=None), 5]))
    path = f"{DOOR}/import/{told['batch_id']}"
    expected = {
        "success": True,
        "batch_id": told["batch_id"],
        "inserted": 1,
        "updated": 0,
        "skipped_invalid": 2,
        "total_processed": 3,
    }
    for parameters in ({"dry_run": 1}, {"dry_run": "true"}, {}):
        answer = check(await post(house, path, **parameters), models.Imported)
        assert answer.items() >= expected.items()
        assert [(one["index"], one["reason"]) for one in answer["skipped"]] == [(1, "field_missing"), (2, "row_not_object")]
        assert [one["index"] for one in answer["notes"]] == [0]
        assert answer["dry_run"] is bool(parameters)
        trades = check(await house.get(LEDGER), list[models.ConfirmedTrade])
        assert len(trades) == (0 if parameters else 1)
    again = check(await post(house, path), models.Imported)
    assert again.items() >= (expected | {"inserted": 0}).items()


async def test_imports_of_the_other_kind_or_of_nothing_are_refused(house: House) -> None:
    confirmed = (await push(house, batch([confirmed_row()])))["batch_id"]
    every = (await push(house, batch([all_row()], event_type=ALL_SIGNALS)))["batch_id"]
    invalid = (await push(house, b'{"event_type": "INDICATOR_EXPORT_V2", "signals": 5}'))["batch_id"]
    for path, error in (
        (f"/api/all-signals/import/{confirmed}", "wrong_event_type"),
        (f"{DOOR}/import/{every}", "wrong_event_type"),
        (f"{DOOR}/import/{invalid}", "batch_invalid"),
    ):
        answer = await post(house, path)
        assert (answer.status_code, answer.json()["success"], answer.json()["error"]) == (409, False, error)
        TypeAdapter(models.ImportRefused).validate_json(answer.content)
    assert (await post(house, f"{DOOR}/import/999999")).status_code == 404
    assert check(await post(house, f"/api/all-signals/import/{every}"), models.Imported)["inserted"] == 1


async def test_the_newest_batch_is_imported(house: House) -> None:
    assert (await post(house, f"{DOOR}/import-latest")).status_code == 404
    await push(house, batch([confirmed_row(trade_id="old")]))
    newest = await push(house, batch([confirmed_row(trade_id="new")]))
    every = await push(house, batch([all_row()], event_type=ALL_SIGNALS))
    await push(house, b'{"event_type": "INDICATOR_EXPORT_V2", "signals": 5}')
    assert check(await post(house, f"{DOOR}/import-latest"), models.Imported)["batch_id"] == newest["batch_id"]
    answer = check(await post(house, f"{DOOR}/import-latest", event_type=ALL_SIGNALS, dry_run=1), models.Imported)
    assert (answer["batch_id"], answer["inserted"]) == (every["batch_id"], 1)
    assert [one["trade_id"] for one in check(await house.get(LEDGER), list[models.ConfirmedTrade])] == ["new"]


async def test_another_persons_batches_are_not_there(house: House) -> None:
    told = await push(house, batch([confirmed_row()]))
    token = "canary-other-token-5e02f7a4c9"
    await house.new_user(token)
    for path in (f"{DOOR}/import/{told['batch_id']}", f"{DOOR}/import-latest"):
        assert (await post(house, path, token)).status_code == 404
    for path in (f"{DOOR}/batches/{told['batch_id']}", f"{LEDGER}?account_id={house.account_id}"):
        assert (await house.client.get(path, headers=bearer(token))).status_code == 404
    await work_off(house)
    for path in (f"{DOOR}/batches", f"{DOOR}/runs", LEDGER):
        assert (await house.client.get(path, headers=bearer(token))).json() == []


async def test_runs_name_what_is_missing(house: House) -> None:
    for number in (3, 0, 1, 0):
        await push(house, batch([confirmed_row(trade_id=f"t{number}")], number=number, size=15, total=61))
    await work_off(house)
    [run] = check(await house.get(f"{DOOR}/runs"), list[models.ExportRun])
    assert (run["present"], run["missing"], run["missing_count"], run["expected_batches"]) == ([0, 1, 3], [2, 4], 2, 5)
    assert run["is_complete"] is False
    assert check(await house.get(f"{DOOR}/runs", event_type=ALL_SIGNALS), list[models.ExportRun]) == []


def trades(count: int) -> list[dict[str, Any]]:
    """One every hour, back in time; two at each moment."""
    return [
        confirmed_row(
            trade_id=f"t{place:03}",
            triangle_time=ms(TRIANGLE - timedelta(hours=place // 2)),
            direction="Bullish" if place % 3 else "Bearish",
            session="NY AM" if place % 2 else "LONDON",
            completed=place % 4 == 0,
        )
        for place in range(count)
    ]


def expected_order(rows: list[dict[str, Any]]) -> list[str]:
    return [row["trade_id"] for row in sorted(rows, key=lambda row: (row["triangle_time"], row["trade_id"]), reverse=True)]


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ({}, lambda row: True),
        ({"direction": "Bearish"}, lambda row: row["direction"] == "Bearish"),
        ({"session": "ny_am"}, lambda row: row["session"] == "NY AM"),
        ({"completed": True}, lambda row: row["completed"]),
        ({"from": "2025-12-17"}, lambda row: row["triangle_time"] >= ms(TRIANGLE - timedelta(hours=10))),
        ({"to": "2025-12-16"}, lambda row: row["triangle_time"] < ms(TRIANGLE - timedelta(hours=10))),
        ({"from": "2025-12-16", "to": "2025-12-16", "direction": "Bullish"}, None),
    ],
)
async def test_pages_hold_everything_once_and_the_file_too(house: House, filters: Mapping[str, Any], chosen: Any) -> None:
    rows = trades(70)
    await push(house, batch(rows))
    await work_off(house)
    if chosen is None:
        begins, ends = ms(TRIANGLE - timedelta(hours=34)), ms(TRIANGLE - timedelta(hours=10))
        chosen = lambda row: begins <= row["triangle_time"] < ends and row["direction"] == "Bullish"  # noqa: E731 - as the others
    expected = expected_order([row for row in rows if chosen(row)])
    found: list[str] = []
    cursor: str | None = None
    while cursor is not None or not found:
        answer = await house.get(LEDGER, limit=7, **filters, **({} if cursor is None else {"cursor": cursor}))
        found += [one["trade_id"] for one in check(answer, list[models.ConfirmedTrade])]
        cursor = answer.headers.get("X-Next-Cursor")
        assert (cursor is not None) == (f'cursor={cursor}>; rel="next"' in answer.headers.get("Link", ""))
    assert found == expected
    assert len(expected) > 0
    table = await house.get(f"{LEDGER}.csv", **filters)
    assert [line["trade_id"] for line in csv.DictReader(io.StringIO(table.text))] == expected


async def test_the_file_is_exact_and_runs_no_formula(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfill.api.ledgers.PAGE", 1)
    strange = all_row(trade_id="=1+1", status="+x", htf_1m="@y", entry=None, risk=-0.5, signal_time=ms(TRIANGLE) + 500)
    await push(house, batch([all_row(), strange], event_type=ALL_SIGNALS))
    await work_off(house)
    answer = await house.get("/api/ledgers/all.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["trade_id"], first["status"], first["htf_1m"], first["entry"], first["risk"]) == (
        "'=1+1",
        "'+x",
        "'@y",
        "",
        "-0.5",
    )
    assert first["signal_time"] == "2025-12-17T15:00:00.500000Z"
    assert (second["trade_id"], second["entry"], second["signal_date"]) == ("20251217_100000000_BULLISH", "21250.5", "2025-12-17")
    [newest, _] = check(await house.get("/api/ledgers/all", status="+X"), list[models.SignalledTrade]) * 2
    assert newest["trade_id"] == "=1+1"


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x", "cursor=%00", "cursor=MSBh", "from=2026-01-02&to=2026-01-01", "from=0001-01-01", "to=9999-12-31", "from=x",
        "direction=up", "session=%00", "session=%20", "completed=x", "limit=0", "limit=501", "account_id=1",
    ],
)  # fmt: skip
async def test_questions_that_make_no_sense_are_refused(house: House, query: str) -> None:
    for path in (LEDGER, f"{LEDGER}.csv"):
        answer = await house.client.get(f"{path}?{query}", headers=bearer(TOKEN))
        is_paging = query.startswith(("cursor", "limit"))
        assert answer.status_code == (200 if is_paging and path.endswith("csv") else 422), answer.text


async def test_fields_of_other_batches_are_named(house: House) -> None:
    first = await push(house, batch([confirmed_row(entry=1)]))
    second = await push(house, batch([confirmed_row(entry=None, mae=-1)]))
    await work_off(house)
    [trade] = check(await house.get(LEDGER), list[models.ConfirmedTrade])
    assert (trade["entry"], trade["mae"], trade["batch_id"]) == (1, -1, second["batch_id"])
    assert trade["sources"] == {"entry": first["batch_id"]}
