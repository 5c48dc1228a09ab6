"""How an order at Alpaca is waited for: looked at ever more rarely, and ended as soon as it shall not fill any further."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.brokers.alpaca import carry
from hookfill.brokers.alpaca.carry import Carrier, Errand, Timing, Watch
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.port import Ask, Funds, Holding, OrderState, Standing
from hookfill.kernel.ids import new_id

FOR_EVER = 3600.0
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OURS = {"client_order_id": "ours", "symbol": "BTCUSD", "side": "buy", "volume": "4"}
NOT_ASKED = "waiting for an order asks nothing of this"
LIMIT = {**OURS, "order_type": "limit", "order_price": "40000"}


class Slow:
    """A broker at which orders end only when they are cancelled, and the books beside it; ``log`` is what was done."""

    def __init__(self, *, deaf_to: int = 0, fills: bool = False) -> None:
        self.log: list[str] = []
        self._deaf_to, self._fills = deaf_to, fills
        self.state = OrderState("ours", "theirs", "BTC/USD", "buy", Standing.WORKING, Decimal(4), at=NOON)
        self.works = asyncio.Event()

    async def submit(self, ask: Ask) -> OrderState:
        return self.state

    async def look(self, client_order_id: str) -> OrderState | None:
        self.log.append("look")
        assert self.state.at is not None
        filled = self.state.filled + 1 if self._fills else self.state.filled
        price, at = Decimal(50_000) if filled else None, self.state.at + timedelta(seconds=1)
        standing = Standing.FILLED if filled == self.state.quantity else self.state.standing
        self.state = replace(self.state, filled=filled, price=price, at=at, standing=standing)
        return self.state

    async def cancel(self, broker_order_id: str) -> None:
        self.log.append("cancel")
        if self._deaf_to:
            self._deaf_to -= 1
            return
        self.state = replace(self.state, standing=Standing.CANCELLED)

    async def look_with_legs(self, broker_order_id: str) -> OrderState | None:
        raise AssertionError(NOT_ASKED)

    async def positions(self) -> Sequence[Holding]:
        raise AssertionError(NOT_ASKED)

    async def funds(self) -> Funds:
        raise AssertionError(NOT_ASKED)

    async def guards_of(self, errand: Errand) -> Sequence[str]:
        raise AssertionError(NOT_ASKED)

    async def bought_for(self, errand: Errand) -> Decimal:
        raise AssertionError(NOT_ASKED)

    async def note_unknown(self, errand: Errand, text: str) -> None:
        raise AssertionError(NOT_ASKED)

    async def note_working(self, errand: Errand, state: OrderState) -> None:
        self.works.set()


def pauses(monkeypatch: pytest.MonkeyPatch, broker: Slow, *, seconds: float) -> None:
    """Pause so long each time but for the first after a cancellation, and write down which pause it is."""

    def pause(attempt: int, chance: float, after_seconds: float | None = None, *, first: float = 0.5) -> float:
        broker.log.append(f"pause {attempt}")
        return 0.0 if "cancel" in broker.log else seconds

    monkeypatch.setattr(carry, "pause", pause)


def carrying(broker: Slow, timing: Timing, told: dict[str, Any]) -> tuple[Errand, "asyncio.Task[JobResult]"]:
    errand = Errand(new_id(), JobType.TRADE, new_id(), told, 1, 1, None)
    return errand, asyncio.create_task(Carrier(broker, Watch(), broker, timing).carry_out(errand))


async def ends(task: "asyncio.Task[JobResult]") -> JobResult:
    async with asyncio.timeout(10):
        return await task


async def test_each_look_is_followed_by_one_pause_whatever_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Slow(fills=True)
    pauses(monkeypatch, broker, seconds=0.0)
    result = await ends(carrying(broker, Timing(), OURS)[1])
    assert (result.status, result.filled_volume) == ("completed", Decimal(4))
    assert broker.log == [one for number in range(1, 5) for one in (f"pause {number}", "look")]


async def test_who_asks_to_cancel_does_not_wait_for_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Slow()
    pauses(monkeypatch, broker, seconds=FOR_EVER)
    errand, task = carrying(broker, Timing(), LIMIT)
    await broker.works.wait()
    errand.cancel.set()
    assert (await ends(task)).status == "failed"
    assert broker.log[:2] == ["pause 1", "cancel"]


async def test_the_rest_of_an_entry_is_cancelled_when_its_time_is_over_and_not_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Slow()
    pauses(monkeypatch, broker, seconds=FOR_EVER)
    assert (await ends(carrying(broker, Timing(patience=0.05), OURS)[1])).status == "failed"
    assert "cancel" in broker.log


async def test_a_day_s_end_is_kept_to_and_not_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Slow()
    pauses(monkeypatch, broker, seconds=FOR_EVER)
    day_s_end = (datetime.now(UTC) + timedelta(seconds=0.1)).isoformat()
    assert (await ends(carrying(broker, Timing(), {**LIMIT, "good_until": day_s_end})[1])).status == "failed"
    assert "cancel" in broker.log


async def test_an_order_that_works_on_although_it_was_cancelled_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Slow(deaf_to=2)
    pauses(monkeypatch, broker, seconds=0.0)
    errand, task = carrying(broker, Timing(), LIMIT)
    await broker.works.wait()
    errand.cancel.set()
    assert (await ends(task)).status == "failed"
    assert broker.log.count("cancel") == 3
