"""The council with the real PostgreSQL: what is gathered for it, which flags count, and that failures are logged."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from hookfill.desk import worker as working
from hookfill.engines.council import Agent, AgentView, Opinion, engine
from hookfill.engines.council.own import guarded
from hookfill.engines.flags import Flags
from hookfill.market.feeds.stored import keep_chain
from hookfill.market.model import Candle
from hookfill.market.option_chain import OptionChain, OptionQuote
from hookfill.market.option_symbols import contract_from
from support.desk import at, flat, only

OPENING = 150
"""Minutes after noon UTC at which New York opens."""


def session(count: int) -> Iterator[Candle]:
    """SPY's minutes since an hour before the open; the opening range is 500.00 to 500.04, later prices lie above."""
    for number in range(-60, count):
        price = "490" if number < 0 else f"{500 + number * 0.01:.2f}"
        yield flat(OPENING + number, price, symbol="SPY")


async def opinions(desk: Any) -> dict[str, dict[str, Any]]:
    row = only(await desk.rows("SELECT trace FROM decisions ORDER BY signal_id DESC LIMIT 1"))
    return {one["agent"]: one for one in row["trace"]["engine"]["opinions"]}


@pytest.mark.parametrize("minute", [60, 385])
async def test_the_opening_range_is_known_all_day(desk, minute: int) -> None:
    await desk.candles(*session(minute))
    council = await desk.strategy(engine="council")
    (asked,) = await desk.alerts(("buy SPY 1 timeframe=1", OPENING + minute), strategy_id=council)
    await desk.worker(flags=lambda: Flags(enable_orb_specialist=True)).work_off()
    assert (await desk.verdicts([asked]))[0][0] == "rejected"
    orb = (await opinions(desk))["orb"]
    assert (orb["bias"], orb["confidence"]) == (1, 80)
    assert "opening range 500 to 500.04" in orb["reasons"][0]


async def test_the_flags_of_the_moment_count(desk) -> None:
    await desk.candles(*session(60))
    council = await desk.strategy(engine="council")
    flags = Flags()
    worker = desk.worker(flags=lambda: flags)
    asked: list[set[str]] = []
    for minute, now in enumerate((Flags(), Flags(enable_strat_specialist=True), Flags(enable_satyland_sub_agent=True), Flags())):
        flags = now
        await desk.alerts((f"buy SPY 1 timeframe=1 id={minute}", OPENING + 60 + minute / 10), strategy_id=council)
        await worker.work_off()
        asked.append(set(await opinions(desk)) - {"technical", "context", "risk"})
    assert asked == [set(), {"strat"}, {"satyland"}, set()]


async def test_a_stored_chain_lets_gamma_flow_speak(desk) -> None:
    await desk.candles(*session(60))
    now = at(OPENING + 60)
    quote = OptionQuote(contract_from("SPY260320C00500000"), Decimal(3), Decimal("3.1"), now, "alpaca", volume=7)
    put = replace(quote, contract=contract_from("SPY260320P00500000"), volume=3)
    async with desk.pool.acquire() as connection:
        await keep_chain(connection, OptionChain("SPY", now - timedelta(seconds=5), "alpaca", Decimal(500), (quote, put)))
    council = await desk.strategy(engine="council")
    await desk.alerts(("buy SPY 1 timeframe=1", OPENING + 60), strategy_id=council)
    await desk.work()
    spoken = (await opinions(desk))["gamma_flow"]
    assert (spoken["bias"], spoken["confidence"]) == (1, 65)


def looping(view: AgentView) -> Opinion:
    while view.side:
        pass
    raise AssertionError


def raising(_: AgentView) -> Opinion:
    raise LookupError("no such thing")


@pytest.mark.parametrize(
    ("kind", "judges", "errors"),
    [
        ("council", [raising], ["LookupError: no such thing"]),
        ("council", [looping, looping], ["TookTooLong", "TookTooLong"]),
        ("ab", [raising], ["LookupError: no such thing"]),  # also while the rules act on it
    ],
)
async def test_an_agent_that_fails_is_logged_and_the_signal_is_decided(
    desk, monkeypatch: pytest.MonkeyPatch, kind: str, judges: list[Any], errors: list[str]
) -> None:
    monkeypatch.setattr(working, "SIGNAL_SECONDS", 0.05)
    members = (
        Agent("sure", lambda _: Opinion("sure", 1, 100)),
        Agent("surer", lambda _: Opinion("surer", 1, 100)),
        *(Agent(f"mine {number}", guarded(f"mine {number}", judge)) for number, judge in enumerate(judges)),
    )
    monkeypatch.setattr(engine, "agents_asked", lambda _: members)
    await desk.candles(flat(0, "1.1"))
    strategy_id = await desk.strategy(engine=kind)
    asked = await desk.alerts(("buy EURUSD 0.1", 1.1), strategy_id=strategy_id)
    with capture_logs() as logs:
        await desk.work()
    assert await desk.verdicts(asked) == [("executed", None)]
    told = [entry for entry in logs if entry["event"] == "agent_failed"]
    assert [entry["agent"] for entry in told] == [f"mine {number}" for number in range(len(judges))]
    assert all(entry["error"].startswith(error) for entry, error in zip(told, errors, strict=True))
    assert {entry["signal_id"] for entry in told} == {str(asked[0])}
