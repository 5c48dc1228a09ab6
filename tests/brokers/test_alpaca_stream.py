"""The stream of trade updates: it comes back by itself, and nothing that it brings can break it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from hookfill.brokers.alpaca import stream
from hookfill.brokers.alpaca.stream import Updates
from hookfill.brokers.port import OrderState
from support.alpaca.book import Order
from support.alpaca.server import KEY, SECRET, serving
from support.alpaca.trading import FakeTrading
from support.bell import Bell

ORDER = Order("ours", "SPY", "buy", Decimal(1))


class Listener:
    """What a stream has told."""

    def __init__(self, url: str, secret: str = SECRET) -> None:
        self.heard: list[OrderState] = []
        self.times_connected = 0
        self.bell = Bell()
        self.updates = Updates(KEY, secret, url, self._hear, self._connected)

    def _connected(self) -> None:
        self.times_connected += 1
        self.bell.ring()

    def _hear(self, state: OrderState) -> None:
        self.heard.append(state)
        self.bell.ring()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.updates.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Pauses:
    """Short ones between the stream's tries, and how many tries have failed before each."""

    def __init__(self) -> None:
        self.before: list[int] = []
        self.bell = Bell()

    def __call__(self, attempt: int, _chance: float) -> float:
        self.before.append(attempt)
        self.bell.ring()
        return 0.02


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    pauses = Pauses()
    monkeypatch.setattr(stream, "pause", pauses)
    return pauses


async def test_updates_are_heard_and_what_is_none_is_passed_over() -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url)
        async with listener.listening():
            await fake.bell.until(lambda: fake.listeners, "somebody who listens")
            fake.tell([{"order": "?"}, {}, {"event": "fill", "order": {"id": 5}}, ORDER.event("new")])
            await listener.bell.until(lambda: listener.heard, "an update")
    assert [one.client_order_id for one in listener.heard] == ["ours"]
    assert listener.times_connected == 1


async def test_a_stream_that_breaks_comes_back_and_says_so(pauses: Pauses) -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url)
        async with listener.listening():
            await fake.bell.until(lambda: fake.listeners, "somebody who listens")
            fake.break_stream()
            await pauses.bell.until(lambda: pauses.before, "the stream broken")
            assert not listener.updates.is_up
            await fake.bell.until(lambda: not fake.listeners, "the stream broken at the fake")
            fake.has_stream = True
            await listener.bell.until(lambda: listener.times_connected == 2, "the stream back")
            await fake.bell.until(lambda: fake.listeners, "the stream back at the fake")
            fake.tell([ORDER.event("new")])
            await listener.bell.until(lambda: listener.heard, "an update")


async def test_wrong_keys_are_refused_again_and_again_and_break_nothing() -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url, "wrong")
        async with listener.listening():
            await fake.bell.until(lambda: fake.refused_logins >= 3, "refused three times")
            assert (listener.times_connected, listener.updates.is_up, fake.listeners) == (0, False, set())


async def test_nobody_there(pauses: Pauses) -> None:
    listener = Listener("http://127.0.0.1:9")
    async with listener.listening():
        await pauses.bell.until(lambda: len(pauses.before) >= 3, "tried three times")
        assert not listener.updates.is_up
    assert pauses.before[:3] == [2, 3, 4]
