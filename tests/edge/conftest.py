"""One real server process for all tests of a module, and how to reach it."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.database import new_strategy
from support.http import PREFIX
from support.server import Server

HMAC_SECRET = "canary-hmac-secret-0f9c2b7d51"


@pytest.fixture(scope="session")
def hmac_secret() -> str:
    """What signs alerts for the signed door."""
    return HMAC_SECRET


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The doors alone (no worker), with a secret on the signed one."""
    home = tmp_path_factory.mktemp("home")
    with Server(home, database_url=module_database.url, role="api", HMAC_SECRET=HMAC_SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Server) -> Iterator[httpx.Client]:
    """Speaks to the server."""
    with httpx.Client(base_url=served.url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def strategy(module_database: Database, served: Server) -> NewStrategy:
    """A strategy on an account of this test's own."""
    return new_strategy(module_database)


@pytest.fixture
def alert(client: httpx.Client, strategy: NewStrategy) -> Callable[[bytes], httpx.Response]:
    """Send a body to the strategy's webhook."""
    return lambda body: client.post(PREFIX + strategy.secret, content=body)
