"""The trade journal over HTTP: what was just sent is there, chosen and page by page, with its events."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.api.automated_signal_models import JournalTrade, TradeEvent, TradeLife
from hookfill.edge.telemetry import PATH
from support.house import House
from support.telemetry import BATCH, EXIT, LEGACY_ENTRY, TELEMETRY, raw

TRADES = "/api/automated-signals/trades"
BULL = TELEMETRY["trade_id"]


async def tell(house: House, *told: Any) -> None:
    """Send telemetry by the door."""
    for one in told:
        answer = await house.client.post(PATH, content=one if isinstance(one, bytes) else raw(one))
        assert answer.status_code == 200, answer.text


async def ask(house: House, path: str = TRADES, model: Any = list[JournalTrade], **parameters: Any) -> Any:
    """The owner's answer, which must be just what the model describes."""
    answer = await house.get(path, **parameters)
    assert answer.status_code == 200, answer.text
    TypeAdapter(model).validate_json(answer.content, strict=False)
    return json.loads(answer.content, parse_float=Decimal)


def entry(number: int, **more: Any) -> dict[str, Any]:
    """A telemetry ENTRY of a trade signalled so many minutes after 8:30 on 2 December."""
    at = datetime(2025, 12, 2, 8, 30) + timedelta(minutes=number)  # noqa: DTZ001  # New York time, as indicators tell it
    return TELEMETRY | {"trade_id": f"{at:%Y%m%d_%H%M}00000_BULLISH", "event_timestamp": f"{at:%Y-%m-%dT%H:%M}:30", **more}


async def test_what_was_just_sent_is_there(house: House) -> None:
    await tell(house, TELEMETRY)
    [told] = await ask(house)
    assert told["trade_id"] == BULL
    assert (told["status"], told["session"], told["signal_date"], told["signal_hour"]) == ("ACTIVE", "NY PRE", "2025-12-02", 6)
    assert (told["entry_price"], told["stop_loss"], told["risk_distance"]) == (
        Decimal("25492.25"),
        Decimal("25486.5"),
        Decimal("5.75"),
    )
    assert told["setup_id"] == "FVG_CORE_HTF_ALIGNED"
    assert told["targets"] == {"tp1_price": 25498, "target_Rs": [1, 2, 3]}
    assert told["quality"] == {"checks": 6, "score": Decimal("83.3"), "gaps": ["stale_mfe"]}
    await tell(house, EXIT)
    [told] = await ask(house)
    assert (told["status"], told["event_count"], told["final_mfe"]) == ("COMPLETED", 2, Decimal("2.4861111111"))
    assert told["exit"]["event_type"] == "EXIT_STOP_LOSS"
    assert told["quality"]["gaps"] == []


async def test_one_trade_and_its_events(house: House) -> None:
    moves = [{"type": "MFE_UPDATE", "signal_id": BULL, "be_mfe": n / 10, "timestamp": 1764674400000 + n} for n in range(5)]
    await tell(house, *reversed(moves), TELEMETRY)
    life = await ask(house, f"{TRADES}/{BULL}", TradeLife)
    assert life["state"] == (await ask(house))[0]
    assert [event["event_type"] for event in life["events"]] == ["ENTRY"] + ["MFE_UPDATE"] * 5
    assert [event["be_mfe"] for event in life["events"][1:]] == [Decimal(n) / 10 for n in range(5)]
    assert life["events"][0]["telemetry"]["setup"] == TELEMETRY["setup"]
    found, cursor = [], None
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = await house.get(f"{TRADES}/{BULL}", **parameters)
        found += json.loads(answer.content, parse_float=Decimal)["events"]
        cursor = answer.headers.get("X-Next-Cursor")
        if cursor is None:
            break
        assert answer.headers["Link"].startswith(f"<{TRADES}/{BULL}?limit=2&cursor=")
    assert found == life["events"]


async def test_a_trade_that_is_not_there(house: House) -> None:
    for trade_id in ("nothing", "a/b", "%2e", "x" * 100, "ü"):
        answer = await house.get(f"{TRADES}/{trade_id}")
        assert (answer.status_code, "lists them" in answer.json()["detail"]) == (404, True), trade_id


async def test_a_trade_of_an_odd_name(house: House) -> None:
    name = "a/b?c=1 \u202e\x01'--"
    await tell(house, TELEMETRY | {"trade_id": name}, TELEMETRY)
    one, other = await ask(house)
    assert {one["trade_id"], other["trade_id"]} == {name, BULL}
    page = await house.get(TRADES, limit=1)
    rest = await ask(house, cursor=page.headers["X-Next-Cursor"])
    assert rest == [other]
    path = httpx.URL("http://house").copy_with(raw_path=f"{TRADES}/a%2Fb%3Fc=1%20%E2%80%AE%01'--".encode())
    assert (await ask(house, path, TradeLife))["state"]["trade_id"] == name


async def test_numbers_of_any_size_come_back(house: House) -> None:
    told = {"big": 10**30, "small": Decimal("1E-20"), "deep": [[[{"x": None}]]]}
    body = json.dumps(TELEMETRY | {"targets": "TARGETS"}).replace(
        '"TARGETS"', '{"big":1' + "0" * 30 + ',"small":1E-20,"deep":[[[{"x":null}]]]}'
    )
    await tell(house, body.encode())
    life = await ask(house, f"{TRADES}/{BULL}", TradeLife)
    assert life["state"]["targets"] == told
    assert life["events"][0]["telemetry"]["targets"] == told


SEEDED = {
    "early": entry(-150, trade_id="20251201_060000000_BEARISH", direction="Bearish", event_timestamp="2025-12-01T06:01:00"),
    "first": entry(0),
    "second": entry(1, setup={"setup_id": "OTHER"}),
    "noon": entry(220),
    "batch": BATCH,
    "legacy": LEGACY_ENTRY,
}
CHOICES: list[tuple[dict[str, Any], int]] = [
    ({}, 7),
    ({"session": "NY PRE"}, 1),
    ({"session": "ny_am"}, 2),
    ({"session": "NY LUNCH"}, 1),
    ({"direction": "Bullish"}, 4),
    ({"direction": "short"}, 3),
    ({"status": "ACTIVE"}, 6),
    ({"status": "be_protected"}, 1),
    ({"status": "CANCELLED"}, 0),
    ({"date": "2025-12-02"}, 3),
    ({"date_from": "2025-12-02"}, 5),
    ({"date_to": "2025-12-01"}, 2),
    ({"date_from": "2025-12-01", "date_to": "2025-12-02"}, 4),
    ({"date": "2025-12-02", "date_from": "2025-12-03"}, 0),
    ({"setup": "OTHER"}, 1),
    ({"setup": "FVG_CORE_HTF_ALIGNED", "date": "2025-12-02", "session": "NY AM"}, 1),
    ({"setup": "' OR true --"}, 0),
]


@pytest.fixture
async def seeded(house: House) -> House:
    """A house with trades of several days."""
    await tell(house, *SEEDED.values())
    return house


async def test_choosing(seeded: House) -> None:
    everything = await ask(seeded)
    assert [one["signal_at"] for one in everything] == sorted((one["signal_at"] for one in everything), reverse=True)
    for parameters, count in CHOICES:
        found = await ask(seeded, **parameters)
        assert len(found) == count, parameters
        assert [one for one in everything if one in found] == found, parameters
        rows = list(csv.DictReader(io.StringIO((await seeded.get(f"{TRADES}.csv", **parameters)).text)))
        assert [row["trade_id"] for row in rows] == [one["trade_id"] for one in found], parameters


async def test_pages(seeded: House) -> None:
    everything = await ask(seeded, direction="Bullish")
    found, url = [], f"{TRADES}?direction=Bullish&limit=1"
    while url:
        answer = await seeded.get(url)
        found += json.loads(answer.content, parse_float=Decimal)
        url = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
        assert len(found) <= len(everything)
    assert found == everything


REFUSED = (
    "session=MARS", "direction=up", "status=DONE", "date=2025-02-30", "date=1900-01-01", "date=2100-01-01", "date_from=x",
    "date_from=2025-12-02&date_to=2025-12-01", "setup=", "setup=%00", "setup=" + "x" * 101, "cursor=x", "cursor=" + "A" * 701,
    "cursor=MSAx", "cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5IHg", "limit=0", "limit=201", "limit=x", "account_id=1",
)  # fmt: skip
REFUSED_OF_EVENTS = ("cursor=MTc2NDY3NDQwMDAwMDAwMCB4", "cursor=x", "limit=201")


async def test_what_can_not_be_asked(house: House) -> None:
    await tell(house, TELEMETRY)
    asked = [f"{TRADES}?{query}" for query in REFUSED] + [f"{TRADES}/{BULL}?{query}" for query in REFUSED_OF_EVENTS]
    for url in [*asked, f"{TRADES}/{'x' * 101}", f"{TRADES}/%00"]:
        answer = await house.get(url)
        assert (answer.status_code, bool(answer.json()["detail"])) == (422, True), url


async def test_the_csv_file(house: House) -> None:
    formula = '=HYPERLINK("http://x")'
    await tell(house, TELEMETRY, EXIT, entry(5, setup={"setup_id": formula}, symbol="+1"))
    answer = await house.get(f"{TRADES}.csv", target=1)
    assert answer.headers["content-type"].startswith("text/csv")
    newest, oldest = csv.DictReader(io.StringIO(answer.text))
    assert (newest["setup_id"], newest["symbol"]) == ("'" + formula, "'+1")
    assert (newest["be_result"], newest["no_be_result"], newest["exit_type"], newest["gaps"]) == ("", "", "", "stale_mfe")
    assert oldest["trade_id"] == BULL
    assert (oldest["signal_at"], oldest["mae"], oldest["final_mfe"]) == ("2025-12-02T11:17:00Z", "-0.93", "2.4861111111")
    assert (oldest["be_result"], oldest["no_be_result"], oldest["score"]) == ("1", "1", "100")


async def test_a_csv_file_of_many_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfill.api.automated_signals.CSV_PAGE", 2)
    await tell(house, *(entry(number) for number in range(5)))
    rows = list(csv.DictReader(io.StringIO((await house.get(f"{TRADES}.csv")).text)))
    assert [row["trade_id"] for row in rows] == [entry(number)["trade_id"] for number in reversed(range(5))]


async def test_events_from_before_hookfill(house: House) -> None:
    """Rows without an account are the owner's default account's; they are shown where they belong in time."""
    insert = """INSERT INTO automated_signals (trade_id, event_type, signal_date, signal_time, mfe, telemetry)
                VALUES ($1, $2, $3, $4, 0.5, '{"x": 1e400}')"""
    before = datetime(2025, 12, 2, 6, 16, 30, tzinfo=UTC)
    await house.pool.execute(insert, BULL, "OLD", before.date(), before.time())
    await house.pool.execute(insert, BULL, "UNTIMED", None, None)
    await house.pool.execute(insert, BULL, "ENDLESS", date.max, None)
    await tell(house, TELEMETRY)
    life = await ask(house, f"{TRADES}/{BULL}", TradeLife)
    assert [event["event_type"] for event in life["events"]] == ["UNTIMED", "OLD", "ENTRY", "ENDLESS"]
    assert life["events"][1]["at"] == "2025-12-02T11:16:30Z"
    found = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await house.get(f"{TRADES}/{BULL}", limit=1, **({"cursor": cursor} if cursor else {}))
        found += [event["event_type"] for event in answer.json()["events"]]
        cursor = answer.headers.get("X-Next-Cursor")
    assert found == ["UNTIMED", "OLD", "ENTRY", "ENDLESS"]
    second = (await house.new_strategy_elsewhere()).account_id
    await house.pool.execute("UPDATE trade_states SET account_id = $1", second)
    life = await ask(house, f"{TRADES}/{BULL}", TradeLife, account_id=second)
    assert life["events"] == []
    TypeAdapter(list[TradeEvent]).validate_python([])


async def test_who_is_busy_keeps_nobody_from_reading(house: House, connection: asyncpg.Connection) -> None:
    """A journal that somebody has locked is read as it is."""
    await tell(house, TELEMETRY)
    assert len(await ask(house)) == 1
    async with connection.transaction():
        await connection.execute("SELECT FROM journals FOR UPDATE")
        await tell(house, EXIT)
        assert [one["status"] for one in await ask(house)] == ["ACTIVE"]
    assert [one["status"] for one in await ask(house)] == ["COMPLETED"]
