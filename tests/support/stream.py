"""A stream of alerts with the client's own log of what was acknowledged: the first witness of the survival tests."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookfill.accounts.store import NewStrategy
from support.database import query, wait_for_value
from support.http import PREFIX, Sender
from support.ledger import check_ledger

TRADE_EVERYTHING: dict[str, Any] = {"policy": {"on_opposite": "reverse", "pyramiding": 1000}}
"""A strategy's settings under which nearly every alert of a stream becomes an order."""


def alert(number: int, chance: random.Random) -> bytes:
    """An alert that is like no other: bitcoin (always open) at its own price."""
    fields = {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "symbol": "BTCUSDT",
        "action": chance.choice(["buy", "sell"]),
        "quantity": "0.001",
        "price": str(60_000 + number % 100),
    }
    return json.dumps(fields).encode()


@dataclass
class Log:
    """What the client saw. ``acknowledged`` holds the ids of alerts answered 2xx; every answer's status and time are kept."""

    acknowledged: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    broken: int = 0

    def summary(self) -> str:
        """One line for the report."""
        counts = {status: self.statuses.count(status) for status in sorted(set(self.statuses))}
        slowest = max(self.seconds, default=0.0)
        return f"{len(self.acknowledged)} acknowledged, answers {counts}, {self.broken} without one, slowest {slowest:.2f} s"


@dataclass
class Stream:
    """Sends alerts until each is acknowledged, as a sender that tries again would.

    ``port`` is asked before every attempt, because a restarted server listens elsewhere.
    """

    port: Callable[[], int]
    strategies: Sequence[NewStrategy]
    bodies: Sequence[bytes]
    connections: int = 16
    log: Log = field(default_factory=Log)
    done: int = 0
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Log:
        """Send everything."""
        waiting = list(enumerate(self.bodies))[::-1]
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._send_some(waiting))
        return self.log

    async def reached(self, count: int) -> None:
        """Wait until so many alerts are acknowledged."""
        while self.done < count:
            self._progress.clear()
            await self._progress.wait()

    async def _send_some(self, waiting: list[tuple[int, bytes]]) -> None:
        sender = Sender(self.port())
        while waiting:
            number, body = waiting.pop()
            path = PREFIX + self.strategies[number % len(self.strategies)].secret
            while True:
                if await self._attempt(sender, path, body):
                    break
                await asyncio.sleep(0.05)
        sender.close()

    async def _attempt(self, sender: Sender, path: str, body: bytes) -> bool:
        if sender.port != self.port():
            sender.close()
            sender.port = self.port()
        started = time.monotonic()
        try:
            answer = await sender.post(path, body)
        except (OSError, EOFError):
            self.log.broken += 1
            return False
        self.log.seconds.append(time.monotonic() - started)
        self.log.statuses.append(answer.status)
        if not 200 <= answer.status < 300:
            return False
        self.log.acknowledged.add(json.loads(body)["id"])
        self.done += 1
        self._progress.set()
        return True


def check_oracle(url: str, log: Log) -> dict[str, int]:
    """Every acknowledged alert is stored, is one signal, and terminal; the ledger holds. Returns the signals' states, counted."""
    wait_for_value(url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")
    stored = query(url, "SELECT convert_from(body, 'UTF8')::jsonb->>'id', state FROM messages")
    fresh = [name for name, state in stored if state == "processed"]
    assert len(fresh) == len(set(fresh)), "an alert was admitted twice"
    assert log.acknowledged <= set(fresh), f"{len(log.acknowledged - set(fresh))} acknowledged alerts are lost"
    assert len(query(url, "SELECT signal_id FROM signals")) == len(fresh)
    assert {state for _, state in stored} <= {"processed", "duplicate"}
    check_ledger(url)
    return dict(query(url, "SELECT status, count(*) FROM signals GROUP BY status"))
