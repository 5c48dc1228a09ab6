"""Answers that are known at the same time go out together, in order, and none keeps another from its sender."""

import asyncio

from hookfill.edge.http import Headers
from hookfill.edge.outbox import Outbox


def test_answers_go_out_together_and_in_order() -> None:
    written: list[int] = []

    def write(status: int, _content: bytes, _headers: Headers) -> None:
        written.append(status)

    async def put() -> list[int]:
        outbox = Outbox()
        for status in (200, 201, 401):
            outbox.put(write, status, b"{}", ())
        before = list(written)
        await asyncio.sleep(0)
        outbox.put(write, 503, b"{}", ())
        await asyncio.sleep(0)
        return before

    assert asyncio.run(put()) == []
    assert written == [200, 201, 401, 503]


def test_an_answer_that_fails_keeps_no_other_from_its_sender() -> None:
    written: list[int] = []

    def write(status: int, _content: bytes, _headers: Headers) -> None:
        if status == 500:
            raise ConnectionResetError("gone")
        written.append(status)

    async def put() -> None:
        outbox = Outbox()
        for status in (200, 500, 201):
            outbox.put(write, status, b"{}", ())
        await asyncio.sleep(0)

    asyncio.run(put())
    assert written == [200, 201]
