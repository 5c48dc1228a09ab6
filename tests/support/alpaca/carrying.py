"""A carrier of jobs that trades at the fake: no database, and no waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from hookfill.brokers.alpaca.carry import Carrier, Errand, Timing, Watch
from hookfill.brokers.alpaca.client import Alpaca
from hookfill.brokers.alpaca.stream import Updates
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.port import OrderState
from hookfill.kernel.ids import new_id
from support.alpaca.server import KEY, SECRET, serving
from support.alpaca.trading import FakeTrading

QUICK = Timing(looks=2, settled=0.2, visible=0.05, patience=0.3, first_pause=0.01, freed=2.0)


class Desk:
    """Hands out jobs, and is the books that carrying out needs."""

    def __init__(self, fake: FakeTrading, url: str, timing: Timing = QUICK) -> None:
        self.fake, self.url, self.timing = fake, url, timing
        self.watch = Watch()
        self.broker = Alpaca(KEY, SECRET, url)
        self.guards: list[str] = []
        self.bought = Decimal(0)
        self.unknown: list[str] = []
        self.working: list[OrderState] = []
        self.connected = asyncio.Event()

    def errand(self, **options: Any) -> Errand:
        """A job to buy a tenth of a coin, unless said otherwise; it may be begun for ``seconds``."""
        seconds = options.pop("seconds", 5.0)
        attempts = options.pop("attempts", 1)
        job_type = JobType(options.pop("job_type", "trade"))
        options.setdefault("client_order_id", f"ours-{new_id().hex}")
        told = {"symbol": "BTCUSD", "side": "buy", "volume": "0.1", **options}
        until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        return Errand(new_id(), job_type, new_id(), told, 1, attempts, until)

    async def carry_out(self, errand: Errand | None = None, **options: Any) -> JobResult:
        """Carry out a job to its end."""
        async with asyncio.timeout(20):
            return await Carrier(self.broker, self.watch, self, self.timing).carry_out(errand or self.errand(**options))

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds that the fake or this desk was told."""
        await self.fake.bell.until(condition, what)

    async def held(self, symbol: str = "BTCUSD") -> Decimal:
        """What the broker says that it holds."""
        return sum((one.quantity for one in await self.broker.positions() if one.symbol == symbol), Decimal(0))

    async def guards_of(self, errand: Errand) -> Sequence[str]:
        return self.guards

    async def bought_for(self, errand: Errand) -> Decimal:
        return self.bought

    async def note_unknown(self, errand: Errand, text: str) -> None:
        self.unknown.append(text)
        self.fake.bell.ring()

    async def note_working(self, errand: Errand, state: OrderState) -> None:
        self.working.append(state)
        self.fake.bell.ring()


@asynccontextmanager
async def open_desk(*, stream: bool = True, timing: Timing = QUICK) -> AsyncIterator[Desk]:
    """A desk at a fake of its own; ``stream``: it hears updates."""
    fake = FakeTrading(has_stream=stream)
    with serving(fake) as url:
        desk = Desk(fake, url, timing)
        updates = Updates(KEY, SECRET, url, desk.watch.told, desk.connected.set)
        listening = asyncio.create_task(updates.run())
        try:
            if stream:
                await asyncio.wait_for(desk.connected.wait(), 20)
            yield desk
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
