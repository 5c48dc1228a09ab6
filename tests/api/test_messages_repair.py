"""``/api/v1/messages``: what came in, and malformed messages sent on through the normal way."""

import asyncio
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from hookfill.api.message_models import Message, MessageDetail, Repaired, RepairPreview
from hookfill.edge import telemetry
from hookfill.journal.grammar import check
from support.house import HMAC_SECRET, TOKEN, House
from support.people import bearer

ENTRY = (
    b'{"type":"ENTRY","signal_id":"20251114_005000000_BULLISH","sl_price":25015.25",'
    b'"risk_distance":20.5","timestamp":1763102940000}'
)
ENTRY_MENDED = ENTRY.replace(b'25",', b"25,").replace(b'5",', b"5,")
ALERT = b'{"symbol":"BTCUSDT","action":"buy","volume":0.01","price":64000"}'
EXPORT = b'{"event_type":"ALL_SIGNALS_EXPORT","batch_number":3","signals":[]}'
SIGNED = b'{"symbol":"SPY","action":"BUY","timeframe":"5m","strike":500","timestamp":"2026-03-02T12:00:00Z"}'


async def send_telemetry(house: House, body: bytes = ENTRY) -> UUID:
    """The id of a malformed message."""
    assert (await house.client.post(telemetry.PATH, content=body)).status_code == 400
    return (await house.message_ids("malformed"))[-1]


async def post(house: House, message_id: UUID, token: str = TOKEN, **parameters: str) -> httpx.Response:
    return await house.client.post(f"/api/v1/messages/{message_id}/repair", params=parameters, headers=bearer(token))


async def preview(house: House, message_id: UUID, **parameters: str) -> dict[str, Any]:
    answer = await house.get(f"/api/v1/messages/{message_id}/repair", **parameters)
    assert answer.status_code == 200, answer.text
    return json.loads(RepairPreview.model_validate_json(answer.content).model_dump_json())


async def row(house: House, message_id: UUID) -> dict[str, Any]:
    found = await house.pool.fetchrow("SELECT * FROM messages WHERE message_id = $1", message_id)
    assert found is not None
    return dict(found)


async def test_messages_are_listed_newest_first_by_state(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.alert(strategy, "buy EURUSD 0.1")
    broken = await send_telemetry(house)
    listed = [Message.model_validate(entry) for entry in (await house.get("/api/v1/messages")).json()]
    assert [(entry.door, entry.state) for entry in listed] == [
        ("telemetry", "malformed"),
        ("tradingview", "duplicate"),
        ("tradingview", "processed"),
    ]
    assert [entry.signal_id for entry in listed] == [None, *(await house.signal_ids()) * 2]
    (found,) = (await house.get("/api/v1/messages", state="malformed")).json()
    assert (found["id"], found["body"], found["bytes"]) == (str(broken), ENTRY.decode(), len(ENTRY))
    assert found["reason"] == "json_invalid"
    assert [len((await house.get("/api/v1/messages", limit=2, offset=at)).json()) for at in (0, 2, 3)] == [2, 1, 0]
    assert (await house.get("/api/v1/messages", state="received")).json() == []
    assert (await house.get("/api/v1/messages", state="repaired")).status_code == 422


async def test_a_message_is_shown_whole_and_in_a_list_from_its_beginning(house: House) -> None:
    body = b'{"pad":"' + b"\xff" * 5_000 + b"\x00"
    message_id = await send_telemetry(house, body)
    (listed,) = (await house.get("/api/v1/messages")).json()
    assert (len(listed["body"]), listed["bytes"]) == (4_000, len(body))
    found = MessageDetail.model_validate_json((await house.get(f"/api/v1/messages/{message_id}")).content)
    assert found.body == body.decode("utf-8", "replace")
    assert found.headers["content-length"] == str(len(body))


async def test_a_preview_shows_before_and_after_and_changes_nothing(house: House) -> None:
    message_id = await send_telemetry(house)
    before = await row(house, message_id)
    shown = await preview(house, message_id)
    assert (shown["before"], shown["after"]) == (ENTRY.decode(), ENTRY_MENDED.decode())
    assert (shown["is_repairable"], shown["problem"], shown["state"]) == (True, None, "malformed")
    assert [(rule["name"], rule["is_trusted"]) for rule in shown["rules"]] == [("stray_quote_after_number", True)]
    other = await preview(house, message_id, rule="nan_as_null")
    assert (other["is_repairable"], other["after"], other["rules"]) == (False, None, [])
    assert "No repair rule" in other["problem"]
    assert await row(house, message_id) == before


async def test_repaired_telemetry_waits_for_the_journal_and_what_came_stays(house: House) -> None:
    message_id = await send_telemetry(house)
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(*notice: object) -> None:
        heard.put_nowait(str(notice[2]))

    async with house.pool.acquire() as listener:
        await listener.add_listener("hookfill_journal", hear)
        answer = await post(house, message_id)
        try:
            await asyncio.wait_for(heard.get(), 20)
        finally:
            await listener.remove_listener("hookfill_journal", hear)
    assert answer.status_code == 200
    done = Repaired.model_validate_json(answer.content)
    assert (done.state, done.signal_id, done.repaired_by) == ("received", None, ["stray_quote_after_number"])
    stored = await row(house, message_id)
    assert (stored["body"], stored["repaired_body"]) == (ENTRY, ENTRY_MENDED)
    assert (stored["state"], stored["reason"], stored["error"]) == ("received", None, None)
    assert check(stored["repaired_body"]).trade_id == "20251114_005000000_BULLISH"
    shown = (await house.get(f"/api/v1/messages/{message_id}")).json()
    assert (shown["body"], shown["repaired_body"]) == (ENTRY.decode(), ENTRY_MENDED.decode())
    assert shown["repaired_by"] == ["stray_quote_after_number"]
    assert (await post(house, message_id)).status_code == 409
    assert "nothing to repair" in (await preview(house, message_id))["problem"]


async def test_the_same_event_repaired_twice_is_a_duplicate(house: House) -> None:
    first, second = await send_telemetry(house), await send_telemetry(house)
    assert first != second
    assert (await post(house, first)).json()["state"] == "received"
    assert (await post(house, second)).json()["state"] == "duplicate"
    # Also when the sender has mended its message by itself meanwhile.
    await house.client.post(telemetry.PATH, content=ENTRY_MENDED)
    assert len(await house.message_ids("duplicate")) == 2


async def test_a_repaired_export_waits_for_its_import(house: House) -> None:
    assert (await house.client.post("/api/indicator-export", content=EXPORT)).status_code == 400
    (message_id,) = await house.message_ids("malformed")
    assert (await post(house, message_id)).json()["state"] == "received"


async def test_a_repaired_alert_trades_as_of_now(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, ALERT, minute=0)
    await house.alert(strategy, "buy ETHUSDT 0.01 price=3000", minute=10)
    await house.decide()
    (message_id,) = await house.message_ids("malformed")
    done = (await post(house, message_id)).json()
    assert done["state"] == "processed"
    await house.decide()
    signal = (await house.get(f"/api/v1/signals/{done['signal_id']}")).json()
    assert (signal["status"], signal["symbol"], signal["message_id"]) == ("executed", "BTCUSDT", str(message_id))
    assert (await row(house, message_id))["as_of"].isoformat() == "2026-03-02T12:10:00+00:00"
    told = (await house.get(f"/api/v1/signals/{done['signal_id']}/story")).json()
    figures = told["steps"][0]["figures"]
    assert figures["repaired_by"] == "stray_quote_after_number"
    assert figures["repaired_body"]["price"] == 64000


async def test_a_repaired_message_of_the_signed_door_becomes_a_signal(house: House) -> None:
    signature = hmac.new(HMAC_SECRET.encode(), SIGNED, hashlib.sha256).hexdigest()
    answer = await house.client.post("/webhook", content=SIGNED, headers={"x-webhook-signature": signature})
    assert answer.status_code == 400
    (message_id,) = await house.message_ids("malformed")
    done = (await post(house, message_id)).json()
    assert (done["state"], [UUID(done["signal_id"])]) == ("processed", await house.signal_ids())
    signal = await house.pool.fetchrow("SELECT * FROM signals")
    assert (signal["door"], signal["variant"], signal["status"]) == ("signed", None, "pending")
    assert signal["experiment_id"] is not None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"type":"ENTRY"', "No repair rule"),
        (b'{"type":"ENTRY","sl_price":1"}', "still can't be used"),
        (b'{"event_type":"ENTRY"}', "No repair rule"),
    ],
)
async def test_what_no_rule_makes_useful_stays_malformed(house: House, body: bytes, problem: str) -> None:
    message_id = await send_telemetry(house, body)
    shown = await preview(house, message_id)
    assert problem in shown["problem"]
    assert not shown["is_repairable"]
    before = await row(house, message_id)
    answer = await post(house, message_id)
    assert (answer.status_code, answer.json()["detail"]) == (409, shown["problem"])
    assert await row(house, message_id) == before


async def test_what_a_door_understands_by_now_is_sent_on_as_it_came(house: House) -> None:
    await house.client.post(telemetry.PATH, json={"type": "ENTRY", "signal_id": "x"})
    (message_id,) = await house.message_ids("received")
    await house.pool.execute("UPDATE messages SET state = 'malformed', reason = 'journal_failed', error = 'x', read_attempts = 3")
    shown = await preview(house, message_id)
    assert (shown["is_repairable"], shown["rules"], shown["after"]) == (True, [], shown["before"])
    assert (await post(house, message_id)).json() == {
        "message_id": str(message_id),
        "state": "received",
        "signal_id": None,
        "repaired_by": [],
    }
    stored = await row(house, message_id)
    assert (stored["repaired_body"], stored["repaired_by"], stored["read_attempts"]) == (None, None, 0)


async def test_refused_messages_and_those_of_other_doors_are_not_repaired(house: House) -> None:
    await house.client.post("/webhook", content=SIGNED)
    (message_id,) = await house.message_ids("refused")
    assert "refused, not malformed" in (await preview(house, message_id))["problem"]
    await house.pool.execute("UPDATE messages SET door = 'candles', state = 'malformed'")
    assert "door candles" in (await preview(house, message_id))["problem"]


async def test_two_who_repair_the_same_message_send_it_on_once(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, ALERT)
    (message_id,) = await house.message_ids("malformed")
    answers = await asyncio.gather(*(post(house, message_id) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert len(await house.signal_ids()) == 1


async def test_what_is_anothers_does_not_exist(house: House) -> None:
    await house.new_user("canary-other-token-5e02f7a4c9")
    message_id = await send_telemetry(house)
    for wanted in (message_id, uuid4()):
        for suffix in ("", "/repair"):
            answer = await house.client.get(f"/api/v1/messages/{wanted}{suffix}", headers=bearer("canary-other-token-5e02f7a4c9"))
            assert answer.status_code == 404
        answer = await post(house, wanted, "canary-other-token-5e02f7a4c9")
        assert answer.status_code == 404
        assert "GET /api/v1/messages" in answer.json()["detail"]
    answer = await house.client.get("/api/v1/messages", headers=bearer("canary-other-token-5e02f7a4c9"))
    assert answer.json() == []
    assert (await row(house, message_id))["state"] == "malformed"
