"""Halting while alerts pour in: once the real server has said that trading is halted, not one entry is stored any more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from hookfill.postgres.model import Database
from support.database import query, value, wait_until
from support.server import OWNER_TOKEN, Server

ENTRIES = "SELECT count(*) FROM orders WHERE purpose = 'entry'"
LATE = """
SELECT orders.order_id FROM orders JOIN halts ON halts.lifted_at IS NULL
WHERE orders.purpose = 'entry' AND orders.created_at > halts.settled_at
"""
WIDE = {
    "max_open_positions": 100, "max_positions_per_symbol": 100, "max_exposure": 10**9, "max_exposure_pct": 10**6,
    "order_rate_per_minute": 10**6, "max_position_size": 1_000, "daily_loss_limit_pct": 0,
}  # fmt: skip


class Owner:
    """Asks as the owner."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def pouring(url: str) -> Iterator[None]:
    """Four senders that turn a position round again and again: every alert is an entry."""
    stop, numbers = threading.Event(), count()

    def send() -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not stop.is_set():
                number = next(numbers)
                alert = {
                    "symbol": "BTCUSD",
                    "action": ("buy", "sell")[number % 2],
                    "volume": 0.001,
                    "price": 60_000,
                    "id": str(number),
                }
                assert client.post(url, json=alert).status_code == 200

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        stop.set()
        for sender in senders:
            sender.join()


def test_no_entry_is_stored_once_the_halt_is_told(database: Database, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "home", database_url=database.url) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        owner = Owner(client)
        owner.ask("PATCH", f"accounts/{owner.ask('GET', 'account')['id']}", {"limits": WIDE})
        url = owner.ask("POST", "strategies", {"name": "Coins"})["webhook_url"]
        with pouring(url):
            wait_until(lambda: value(database.url, ENTRIES) > 20, "entries come in")
            halted = owner.ask("POST", "halt", {"scope": "global", "reason": "test"})
            entries = value(database.url, ENTRIES)
            discarded = "SELECT count(*) FROM signals WHERE reason = 'halted'"
            wait_until(lambda: value(database.url, discarded) > 50, "alerts go on coming in")
            assert halted["busy_accounts"] == []
            assert value(database.url, ENTRIES) == entries
            assert query(database.url, LATE) == []
            owner.ask("POST", "resume", {"scope": "global"})
            wait_until(lambda: value(database.url, ENTRIES) > entries, "entries come in again")
        told = owner.ask("POST", "flatten", {"scope": "user"})
        wait_until(
            lambda: value(database.url, "SELECT count(*) FROM positions WHERE status <> 'closed'") == 0, f"it is left: {told}"
        )
