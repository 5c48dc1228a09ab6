"""Turns at the database for batches of candles: so many at a time, and nobody waits for what another has found to be away."""

import asyncio

import asyncpg
import pytest

from hookfill.edge.turns import Turns

LONG = 1000.0
AWAY = [TimeoutError, OSError, asyncpg.ConnectionDoesNotExistError]


class Holders:
    """Tasks that want a turn, told one by one what to find."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[int] = []
        self.most = 0
        self._orders: dict[int, asyncio.Future[type[Exception] | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, name: int, seconds: float = LONG) -> None:
        self._orders[name] = asyncio.get_running_loop().create_future()
        self._tasks[name] = asyncio.create_task(self._hold(name, seconds))

    async def _hold(self, name: int, seconds: float) -> None:
        async with self.turns.turn(seconds):
            self.inside.append(name)
            self.most = max(self.most, len(self.inside))
            try:
                with self.turns.finding_out():
                    found = await self._orders[name]
                    if found is not None:
                        raise found
            finally:
                self.inside.remove(name)

    def tell(self, name: int, found: type[Exception] | None = None) -> None:
        self._orders[name].set_result(found)

    async def end(self, name: int) -> BaseException | None:
        """What became of it."""
        return (await asyncio.wait_for(asyncio.gather(self._tasks[name], return_exceptions=True), 30))[0]


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_two_at_a_time_and_the_others_in_the_order_they_came() -> None:
    holders = Holders(Turns(2))
    for name in range(6):
        holders.start(name)
    for name in range(6):
        await settle()
        assert holders.inside == [number for number in (name, name + 1) if number < 6]
        holders.tell(name)
    assert [await holders.end(name) for name in range(6)] == [None] * 6
    assert holders.most == 2


@pytest.mark.parametrize("error", AWAY)
async def test_whoever_finds_the_database_away_sends_all_home_that_wait(error: type[Exception]) -> None:
    holders = Holders(Turns(2))
    for name in range(6):
        holders.start(name)
    await settle()
    holders.tell(0, error)
    assert isinstance(await holders.end(0), error)
    for name in (2, 3, 4, 5):
        assert isinstance(await holders.end(name), TimeoutError)
    assert holders.inside == [1], "who has a turn keeps it"
    holders.tell(1)
    assert await holders.end(1) is None


async def test_both_may_find_it_away_at_once_and_all_turns_are_free_again() -> None:
    holders = Holders(Turns(2))
    for name in range(5):
        holders.start(name)
    await settle()
    for name in (0, 1):
        holders.tell(name, TimeoutError)
    for name in range(5):
        assert isinstance(await holders.end(name), TimeoutError)
    for name in range(10, 14):
        holders.start(name)
    await settle()
    assert holders.inside == [10, 11]
    for name in range(10, 14):
        holders.tell(name)
    assert [await holders.end(name) for name in range(10, 14)] == [None] * 4


async def test_what_is_wrong_with_one_batch_sends_nobody_home() -> None:
    holders = Holders(Turns(1))
    for name in range(2):
        holders.start(name)
    await settle()
    holders.tell(0, ValueError)
    assert isinstance(await holders.end(0), ValueError)
    holders.tell(1)
    assert await holders.end(1) is None


async def test_nobody_waits_longer_than_asked() -> None:
    holders = Holders(Turns(1))
    holders.start(0)
    await settle()
    holders.start(1, seconds=0.01)
    assert isinstance(await holders.end(1), TimeoutError)
    holders.tell(0)
    assert await holders.end(0) is None
    holders.start(2)
    holders.tell(2)
    assert await holders.end(2) is None
