"""The short way to answer that the server offers the alert doors, and where it must not be gone."""

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from hookfill.edge import http
from hookfill.edge.router import Router
from hookfill.postgres.model import Database
from support.server import Server

PAGE = "https://page.example"


class Sent(list[MutableMapping[str, Any]]):
    """What went ASGI's own way."""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.append(message)


@pytest.mark.parametrize("is_short", [True, False])
async def test_it_is_taken_out_of_the_scope_so_that_no_knot_of_references_stays(*, is_short: bool) -> None:
    asked: list[tuple[int, bytes]] = []

    def answer(status: int, content: bytes) -> bool:
        asked.append((status, content))
        return is_short

    scope: dict[str, Any] = {http.ANSWER: answer}
    sent = Sent()
    await http.respond(scope, sent, 200, b"{}")
    assert http.ANSWER not in scope
    assert asked == [(200, b"{}")]
    assert [message["type"] for message in sent] == ([] if is_short else ["http.response.start", "http.response.body"])


async def test_it_is_not_offered_where_a_page_may_call() -> None:
    seen: list[bool] = []

    async def rest(scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        seen.append(http.ANSWER in scope)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    router = Router(None, rest)  # type: ignore[arg-type]  # no door is asked
    await router({"type": "http", "method": "GET", "path": "/api/v1/signals", http.ANSWER: print}, receive, Sent())
    assert seen == [False]


def test_a_page_may_read_the_candles_doors_answer(database: Database, home: Any) -> None:
    with Server(home, database_url=database.url, role="api", HOOKFILL_CORS_ORIGINS=PAGE) as server:
        answer = httpx.post(f"{server.url}/api/v1/candles", content=b"{}", headers={"Origin": PAGE}, trust_env=False)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (401, PAGE)
