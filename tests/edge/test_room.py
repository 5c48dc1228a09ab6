"""Room in memory: never more than there is, in the order in which they came, and given back whatever happens."""

import asyncio

import pytest

from hookfill.edge.room import Room

LONG = 1000.0


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Holder:
    """A task that wants room, until it is told to leave."""

    def __init__(self, room: Room, size: int, seconds: float = LONG) -> None:
        self.holds = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._hold(room, size, seconds))

    async def _hold(self, room: Room, size: int, seconds: float) -> None:
        async with room.hold(size, seconds):
            self.holds = True
            await self.leave.wait()
        self.holds = False


async def test_who_finds_no_room_waits_and_so_do_those_behind() -> None:
    room = Room(10)
    holders = [Holder(room, size) for size in (6, 4, 5, 1, 10)]

    async def inside() -> list[bool]:
        await settle()
        return [holder.holds for holder in holders]

    assert await inside() == [True, True, False, False, False]
    holders[1].leave.set()
    assert await inside() == [True, False, False, False, False], "1 would have room, but 5 came before it"
    holders[0].leave.set()
    assert await inside() == [False, False, True, True, False]
    holders[3].leave.set()
    holders[2].leave.set()
    assert await inside() == [False, False, False, False, True]
    holders[4].leave.set()
    assert await inside() == [False] * 5


async def test_more_than_there_is_is_all_of_it() -> None:
    room = Room(10)
    first, second = Holder(room, 99), Holder(room, 1)
    await settle()
    assert (first.holds, second.holds) == (True, False)
    first.leave.set()
    await settle()
    assert second.holds
    second.leave.set()
    await second.task


async def test_whoever_gives_up_or_fails_gives_its_room_back() -> None:
    room = Room(10)
    first = Holder(room, 10)
    await settle()
    impatient, cancelled = Holder(room, 10, seconds=0.01), Holder(room, 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(impatient.task, 30)
    cancelled.task.cancel()
    first.task.cancel()
    await asyncio.gather(cancelled.task, first.task, return_exceptions=True)
    with pytest.raises(ValueError, match="defect"):
        async with room.hold(10, LONG):
            raise ValueError("defect")
    async with room.hold(10, LONG):
        pass
