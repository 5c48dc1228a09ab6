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
from support.database import wait_until_async

ORDER = Order("ours", "SPY", "buy", Decimal(1))


class Listener:
    """What a stream has told."""

    def __init__(self, url: str, secret: str = SECRET) -> None:
        self.heard: list[OrderState] = []
        self.times_connected = 0
        self.updates = Updates(KEY, secret, url, self.heard.append, self._connected)

    def _connected(self) -> None:
        self.times_connected += 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.updates.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "pause", lambda *_: 0.02)


async def test_updates_are_heard_and_what_is_none_is_passed_over() -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url)
        async with listener.listening():
            await wait_until_async(lambda: fake.listeners, "somebody who listens")
            fake.tell([{"order": "?"}, {}, {"event": "fill", "order": {"id": 5}}, ORDER.event("new")])
            await wait_until_async(lambda: listener.heard, "an update")
    assert [one.client_order_id for one in listener.heard] == ["ours"]
    assert listener.times_connected == 1


async def test_a_stream_that_breaks_comes_back_and_says_so() -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url)
        async with listener.listening():
            await wait_until_async(lambda: fake.listeners, "somebody who listens")
            fake.has_stream = False
            await wait_until_async(lambda: not fake.listeners and not listener.updates.is_up, "the stream broken")
            fake.has_stream = True
            await wait_until_async(lambda: listener.times_connected == 2 and fake.listeners, "the stream back")
            fake.tell([ORDER.event("new")])
            await wait_until_async(lambda: listener.heard, "an update")


async def test_wrong_keys_are_refused_again_and_again_and_break_nothing() -> None:
    fake = FakeTrading()
    with serving(fake) as url:
        listener = Listener(url, "wrong")
        async with listener.listening():
            await asyncio.sleep(0.3)
            assert (listener.times_connected, listener.updates.is_up, fake.listeners) == (0, False, set())


async def test_nobody_there() -> None:
    listener = Listener("http://127.0.0.1:9")
    async with listener.listening():
        await asyncio.sleep(0.1)
        assert not listener.updates.is_up
