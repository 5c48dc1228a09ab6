"""Statistics, calendar, quality and dashboard over HTTP, on trades that were told by telemetry."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from hookfill.api.automated_signal_models import Dashboard, JournalDay, JournalQuality, JournalStatistics
from hookfill.edge.telemetry import PATH
from hookfill.journal.packing import accounts_to_pack, pack_days
from hookfill.journal.sessions import NEW_YORK
from support.house import House
from support.telemetry import raw

BASE = "/api/automated-signals"


def told(kind: str, signal: datetime, minute: int, **more: Any) -> dict[str, Any]:
    """An event of the trade that was signalled at a time (New York), so many minutes later."""
    local = signal.astimezone(NEW_YORK)
    return {
        "schema_version": "1.0.0",
        "event_type": kind,
        "trade_id": f"{local:%Y%m%d_%H%M}00000_BULLISH",
        "event_timestamp": (signal + timedelta(minutes=minute)).isoformat(),
        "direction": "Bullish",
        "entry_price": 100,
        "stop_loss": 90,
        "mae_R": -0.5,
        **more,
    }


def trade(signal: datetime, reach: float, *exits: tuple[str, int]) -> list[dict[str, Any]]:
    """A trade's life: it went so many R, then it ended."""
    life = [told("ENTRY", signal, 1), told("MFE_UPDATE", signal, 2, be_mfe=reach, no_be_mfe=reach)]
    return life + [told(kind, signal, minute) for kind, minute in exits]


async def tell(house: House, events: list[dict[str, Any]]) -> None:
    for event in events:
        answer = await house.client.post(PATH, content=raw(event))
        assert answer.status_code == 200, answer.text


async def ask(house: House, path: str, model: Any, **parameters: Any) -> Any:
    """The owner's answer, which must be just what the model describes."""
    answer = await house.get(f"{BASE}/{path}", **parameters)
    assert answer.status_code == 200, answer.text
    TypeAdapter(model).validate_json(answer.content, strict=False)
    return json.loads(answer.content, parse_float=Decimal)


async def stats(house: House, **parameters: Any) -> Any:
    found = await ask(house, "stats", JournalStatistics, **parameters)
    del found["freshness"]
    return found


TUESDAY, WEDNESDAY = datetime(2025, 12, 2, 14, tzinfo=UTC), datetime(2025, 12, 3, 18, tzinfo=UTC)
"""9:00 (NY AM) and 13:00 (NY PM) in New York."""


@pytest.fixture
async def traded(house: House) -> House:
    """On Tuesday +2R and −1R, on Wednesday one that came back to the entry and one that goes on."""
    await tell(house, trade(TUESDAY, 2.5, ("EXIT_STOP_LOSS", 30)))
    await tell(house, trade(TUESDAY + timedelta(minutes=5), 0.5, ("EXIT_STOP_LOSS", 10)))
    await tell(house, trade(WEDNESDAY, 1.5, ("EXIT_BREAK_EVEN", 20)))
    await tell(house, trade(WEDNESDAY + timedelta(minutes=5), 0.5))
    return house


async def test_of_nothing(house: House) -> None:
    found = await ask(house, "stats", JournalStatistics)
    assert (found["figures"]["trades"], found["best"], found["equity"], found["by_session"]) == (0, None, [], [])
    assert (found["freshness"]["version"], found["freshness"]["event_at"]) == (0, None)
    assert await ask(house, "calendar", list[JournalDay]) == []
    assert (await ask(house, "quality", JournalQuality))["score"] is None
    assert (await ask(house, "dashboard-data", Dashboard))["open_total"] == 0


async def test_statistics(traded: House) -> None:
    found = await stats(traded)
    assert (found["policy"], found["target"]) == ("be", 2)
    assert found["figures"] == {
        "trades": 4,
        "decided": 3,
        "wins": 1,
        "losses": 1,
        "break_evens": 1,
        "win_rate": Decimal("0.3333"),
        "expectancy": Decimal("0.333333"),
        "profit_factor": 2,
        "total_r": 1,
        "average_mfe": Decimal("1.25"),
        "average_mae": Decimal("-0.5"),
    }
    assert found["by_status"] == {"PENDING": 0, "ACTIVE": 1, "BE_PROTECTED": 0, "COMPLETED": 3, "CANCELLED": 0}
    assert [(group["name"], group["figures"]["total_r"]) for group in found["by_session"]] == [("NY AM", 1), ("NY PM", 0)]
    assert [(group["name"], group["figures"]["trades"]) for group in found["by_weekday"]] == [("Tuesday", 2), ("Wednesday", 2)]
    assert [(group["name"], group["figures"]["trades"]) for group in found["by_hour"]] == [("9", 2), ("13", 2)]
    assert [group["name"] for group in found["by_direction"]] == ["Bullish"]
    assert [group["name"] for group in found["by_setup"]] == [None]
    assert [one["target"] for one in found["targets"]] == list(range(1, 21))
    assert found["targets"][1]["be"] == found["figures"]
    assert found["best"] == {"policy": "no_be", "target": 2, "expectancy": Decimal("0.5"), "decided": 2}
    # The losing trade ended first.
    assert [point["equity"] for point in found["equity"]] == [-1, 1, 1]
    assert (found["drawdown"]["deepest"], found["drawdown"]["present"], found["drawdown"]["from_at"]) == (1, 0, None)


async def test_policy_and_target(traded: House) -> None:
    found = await stats(traded, policy="no_be", target=1)
    assert (found["figures"]["decided"], found["figures"]["total_r"]) == (3, 1)
    assert (await stats(traded, policy="be", target=3))["figures"]["total_r"] == -1


SOME: list[tuple[dict[str, Any], int]] = [
    ({"session": "NY AM"}, 2),
    ({"session": "ASIA"}, 0),
    ({"direction": "long"}, 4),
    ({"direction": "Bearish"}, 0),
    ({"setup": "nothing"}, 0),
    ({"date_from": "2025-12-03"}, 2),
    ({"date_to": "2025-12-02"}, 2),
    ({"date_from": "2025-12-02", "date_to": "2025-12-03", "session": "ny pm"}, 2),
]


async def test_statistics_of_some(traded: House) -> None:
    for parameters, trades in SOME:
        assert (await stats(traded, **parameters))["figures"]["trades"] == trades, parameters


async def test_packed_days_tell_the_same(traded: House) -> None:
    """Read from trades, from packed days, and from both when one day has changed since."""
    before = [await stats(traded), await ask(traded, "calendar", list[JournalDay], date_from="2025-12-01")]
    async with traded.pool.acquire() as connection:
        assert await accounts_to_pack(connection) == {traded.account_id}
        async with connection.transaction():
            assert await pack_days(connection, traded.account_id)
            assert not await pack_days(connection, traded.account_id)
        assert await accounts_to_pack(connection) == set()
    assert [await stats(traded), await ask(traded, "calendar", list[JournalDay], date_from="2025-12-01")] == before
    await tell(traded, [told("EXIT_STOP_LOSS", WEDNESDAY + timedelta(minutes=5), 9)])
    found = await stats(traded)
    assert (found["figures"]["decided"], found["figures"]["total_r"]) == (4, 0)
    assert await traded.pool.fetchval("SELECT count(*) FROM journal_days WHERE is_dirty") == 1
    async with traded.pool.acquire() as connection, connection.transaction():
        assert await pack_days(connection, traded.account_id)
    assert await stats(traded) == found


async def test_days_of_another_layout_are_read_from_their_trades(traded: House) -> None:
    before = await stats(traded)
    await traded.pool.execute("UPDATE journal_days SET is_dirty = false, layout = 0, records = 'x', setups = '[]'")
    assert await stats(traded) == before


async def test_a_trade_that_moves_to_another_day_is_counted_once(house: House) -> None:
    """A trade whose id tells no time is of the day of whatever was told of it first."""
    await tell(house, [told("ENTRY", WEDNESDAY, 0, trade_id="T")])
    async with house.pool.acquire() as connection, connection.transaction():
        await pack_days(connection, house.account_id)
    assert (await stats(house))["figures"]["trades"] == 1
    await tell(house, [told("MFE_UPDATE", TUESDAY, 0, trade_id="T", be_mfe=1)])
    days = await ask(house, "calendar", list[JournalDay], date_from="2025-01-01")
    assert [(day["date"], day["figures"]["trades"]) for day in days] == [("2025-12-02", 1)]
    async with house.pool.acquire() as connection, connection.transaction():
        await pack_days(connection, house.account_id)
    assert await ask(house, "calendar", list[JournalDay], date_from="2025-01-01") == days


async def test_calendar(traded: House) -> None:
    tuesday, wednesday = await ask(traded, "calendar", list[JournalDay], date_from="2025-12-01", date_to="2025-12-31")
    assert (tuesday["date"], tuesday["figures"]["total_r"], tuesday["open_trades"], tuesday["score"]) == ("2025-12-02", 1, 0, 100)
    assert (wednesday["date"], wednesday["figures"]["break_evens"], wednesday["open_trades"]) == ("2025-12-03", 1, 1)
    assert await ask(traded, "calendar", list[JournalDay], date_to="2025-12-02") == [tuesday]
    assert await ask(traded, "calendar", list[JournalDay], date_to="2025-12-31") == [tuesday, wednesday]
    assert await ask(traded, "calendar", list[JournalDay], session="NY AM", date_from="2025-12-01") == [tuesday]


async def test_quality(traded: House) -> None:
    await tell(traded, [told("MFE_UPDATE", TUESDAY, 1, trade_id="T", be_mfe=1, entry_price=None, stop_loss=None)])
    found = await ask(traded, "quality", JournalQuality, date_from="2025-12-01", date_to="2025-12-31")
    assert found["gaps"] == {
        "missing_session": 1, "missing_confirmation": 1, "missing_entry": 1, "missing_stop": 1, "missing_mae": 0, "stale_mfe": 2,
    }  # fmt: skip
    tuesday, wednesday = found["days"]
    # Of six checks the last trade passes one.
    assert (tuesday["trades"], tuesday["trades_with_gaps"], tuesday["score"]) == (3, 1, Decimal("72.2"))
    assert (wednesday["trades"], wednesday["trades_with_gaps"], wednesday["score"]) == (2, 1, Decimal("91.6"))
    assert (found["trades"], found["trades_with_gaps"], found["score"]) == (5, 2, Decimal("80.0"))


async def test_dashboard(house: House) -> None:
    now = datetime.now(UTC)
    await tell(house, trade(now - timedelta(seconds=90), 1.5))
    await tell(house, trade(now - timedelta(days=3), 2.5, ("EXIT_STOP_LOSS", 30)))
    await tell(house, trade(now - timedelta(days=50), 2.5))
    found = await ask(house, "dashboard-data", Dashboard)
    assert found["today"]["date"] in {f"{moment.astimezone(NEW_YORK):%Y-%m-%d}" for moment in (now, datetime.now(UTC))}
    assert (found["open_total"], len(found["open_trades"])) == (2, 2)
    assert [day["figures"]["trades"] for day in found["days"]] == [1, 1]
    assert found["quality"]["trades"] == 2
    assert (found["freshness"]["version"], found["freshness"]["waiting"]) == (1, 0)


FIGURES, DAYS = ("stats", "calendar", "dashboard-data"), ("stats", "calendar", "quality")
REFUSED = [(path, query) for path in FIGURES for query in ("target=0", "target=21", "target=1.5", "policy=x", "policy=")]
REFUSED += [
    (path, query)
    for path in DAYS
    for query in ("date_from=1989-12-31", "date_to=2100-01-01", "date_from=2026-01-02&date_to=2026-01-01", "session=x")
]


async def test_what_can_not_be_asked(house: House) -> None:
    for path, query in REFUSED:
        assert (await house.get(f"{BASE}/{path}?{query}")).status_code == 422, (path, query)


async def test_the_first_and_last_days(traded: House) -> None:
    for query in ("date_from=1990-01-01&date_to=1990-01-01", "date_to=1990-01-01", "date_from=2099-12-31", "date_to=2099-12-31"):
        for path in (*DAYS, "trades", "trades.csv"):
            assert (await traded.get(f"{BASE}/{path}?{query}")).status_code == 200, (path, query)
