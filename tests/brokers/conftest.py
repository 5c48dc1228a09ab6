"""Fixtures of tests that trade at the fake Alpaca with a real database."""

from collections.abc import Iterator

import asyncpg
import pytest

from hookfill.postgres.model import Database
from support.alpaca.server import serving
from support.alpaca.town import Town, quicken
from support.alpaca.trading import FakeTrading
from support.house import House


@pytest.fixture
def fake() -> FakeTrading:
    return FakeTrading()


@pytest.fixture
def url(fake: FakeTrading) -> Iterator[str]:
    with serving(fake) as url:
        yield url


@pytest.fixture
async def town(house: House, database: Database, pool: asyncpg.Pool, url: str, monkeypatch: pytest.MonkeyPatch) -> Town:
    quicken(monkeypatch)
    return Town(house, database, pool, url)
