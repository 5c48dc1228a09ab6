"""An indicator on many charts: sends what it has to tell again until it is answered, and keeps each answer."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self
from urllib.parse import quote

import httpx

from support.http import Answer, Sender
from support.server import OWNER_TOKEN, Server

TELEMETRY = "/api/automated-signals/webhook"
PAUSE_SECONDS = 0.05
EXPORTS = "/api/indicator-export"


@dataclass
class Sending:
    """What is sent to a door, over one connection (so in order) or many.

    ``port`` is asked before every attempt: a server that was started again listens elsewhere. ``broken`` counts attempts without an
    answer, of which nobody knows whether they arrived.
    """

    port: Callable[[], int]
    path: str
    bodies: list[bytes]
    connections: int = 1
    answers: dict[int, Answer] = field(default_factory=dict)
    broken: int = 0
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> "Sending":
        """Send everything."""
        waiting = list(enumerate(self.bodies))[::-1]
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._send_some(waiting))
        return self

    async def reached(self, count: int) -> None:
        """Wait until so many are answered."""
        while len(self.answers) < count:
            self._progress.clear()
            await self._progress.wait()

    async def _send_some(self, waiting: list[tuple[int, bytes]]) -> None:
        sender = Sender(self.port())
        while waiting:
            number, body = waiting.pop()
            while True:
                if await self._attempt(sender, number, body):
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        sender.close()

    async def _attempt(self, sender: Sender, number: int, body: bytes) -> bool:
        if sender.port != self.port():
            sender.close()
            sender.port = self.port()
        try:
            answer = await sender.post(self.path, body)
        except (OSError, EOFError):
            self.broken += 1
            return False
        if answer.status >= 500:
            return False
        self.answers[number] = answer
        self._progress.set()
        return True


def send(server: Server, path: str, bodies: Iterable[bytes], *, connections: int = 1) -> list[Answer]:
    """Send to a server that stays up; the answers in the order of the bodies."""
    sending = asyncio.run(Sending(lambda: server.port, path, list(bodies), connections).run())
    return [sending.answers[number] for number in range(len(sending.bodies))]


def exact(content: bytes | str) -> Any:
    """JSON with its numbers exact."""
    return json.loads(content, parse_float=Decimal, parse_int=Decimal)


class Owner:
    """The installation's owner, who asks the API of a running server; numbers in answers are exact."""

    def __init__(self, server: Server) -> None:
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        self._client = httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False)

    def get(self, path: str) -> Any:
        """Read."""
        return exact(self._ask("GET", path).content)

    def post(self, path: str) -> Any:
        """Have something done."""
        return exact(self._ask("POST", path).content)

    def pages(self, path: str) -> list[Any]:
        """All pages of a list; ``path`` has a query."""
        found, cursor = [], ""
        while True:
            answer = self._ask("GET", path + cursor)
            found.append(exact(answer.content))
            following = answer.headers.get("X-Next-Cursor")
            if following is None:
                return found
            cursor = f"&cursor={quote(following)}"

    def every_page(self, path: str) -> list[Any]:
        """All that a list has."""
        return [one for page in self.pages(path) for one in page]

    def _ask(self, method: str, path: str) -> httpx.Response:
        answer = self._client.request(method, path)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()
