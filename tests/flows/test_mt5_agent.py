"""An alert reaches a MetaTrader terminal and comes back as a fill: real server, real agent program, simulated terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from hookfill.postgres.model import Database
from support.database import query, wait_until
from support.person import Person
from support.server import Server

STOP_SECONDS = 30
Ask = Callable[[str], list[tuple[Any, ...]]]


class Agent:
    """One `hookfill agent run --simulated` process; its terminal lives in a file and survives it."""

    def __init__(self, trader: Person, connection_id: str, folder: Path) -> None:
        """Pair, don't start."""
        paired = trader.post("/api/v1/agents/pair", {"broker_connection_id": connection_id}, status=201)
        self.agent_id, self._key = paired["agent_id"], paired["pairing_key"]
        self._trader, self._folder = trader, folder
        self.terminal = folder / "terminal"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> Self:
        """Run it until it is killed."""
        command = [sys.executable, "-m", "hookfill", "agent", "run", "--simulated", "--server", self._trader.url]
        command += ["--agent-id", self.agent_id, "--simulated-state", str(self.terminal)]
        home = self._folder / "agent home"
        kept = {name: text for name, text in os.environ.items() if not name.startswith("HOOKFILL_")}
        self._process = subprocess.Popen(
            command,
            env=kept | {"HOOKFILL_HOME": str(home), "HOOKFILL_AGENT_KEY": self._key} | environment,
            stdin=subprocess.DEVNULL,
        )
        return self

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that runs."""
        assert self._process is not None
        return self._process

    def stop(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        if self._process is not None:
            self._process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, REGISTRATION="open") as server:
        yield server


@pytest.fixture
def trader(served: Server, request: pytest.FixtureRequest) -> Iterator[Person]:
    with Person.register(served.url, f"{request.node.name[:50]}@example.com") as person:
        yield person


@pytest.fixture
def ask(module_database: Database, connection_id: str) -> Ask:
    """Runs a statement about the test's own account, which is ``:own``."""
    account = "(SELECT account_id FROM broker_connections WHERE broker_connection_id = %s)"
    return lambda statement: query(module_database.url, statement.replace(":own", account), connection_id)


@pytest.fixture
def connection_id(trader: Person) -> str:
    made = trader.post("/api/v1/broker-connections", {"kind": "mt5", "label": "Terminal"}, status=201)
    return str(made["broker_connection_id"])


@pytest.fixture
def webhook(trader: Person, connection_id: str) -> str:
    body = {"name": "Coins at MetaTrader", "broker_connection_id": connection_id}
    return str(trader.post("/api/v1/strategies", body, status=201)["webhook_url"])


@pytest.fixture
def agent(trader: Person, connection_id: str, tmp_path: Path) -> Iterator[Agent]:
    program = Agent(trader, connection_id, tmp_path)
    try:
        yield program
    finally:
        program.stop()


def alert(url: str, action: str, **more: Any) -> None:
    body = {"symbol": "BTCUSD", "action": action, "volume": 0.1, **more}
    assert httpx.post(url, json=body, trust_env=False).status_code == 200


def test_an_alert_becomes_a_fill_at_the_terminal_and_a_close_closes_it(
    trader: Person, webhook: str, agent: Agent, ask: Ask
) -> None:
    agent.start()
    alert(webhook, "buy")
    signal_ = trader.wait_for_signal("executed")
    assert signal_["fill_price"] > 0
    assert signal_["broker_order_id"]
    assert signal_["resolved_at"] is not None
    (position,) = trader.get("/api/v1/positions")
    assert position["quantity"] == 0.1
    alert(webhook, "close")
    trader.wait_for(lambda: trader.get("/api/v1/positions?status=open") == [], "the position closed")
    statuses = [row["status"] for row in trader.get("/api/v1/signals")]
    assert statuses == ["executed", "executed"]
    assert ask("SELECT DISTINCT status FROM jobs WHERE account_id = :own") == [("completed",)]


def test_killed_between_order_and_report_it_orders_once(trader: Person, webhook: str, agent: Agent, ask: Ask) -> None:
    agent.start(HOOKFILL_AGENT_FAILPOINT="after_order")
    alert(webhook, "buy")
    assert agent.process.wait(STOP_SECONDS) == -signal.SIGKILL
    assert ask("SELECT status FROM jobs WHERE account_id = :own") == [("running",)]
    agent.start()
    signal_ = trader.wait_for_signal("executed")
    assert signal_["fill_price"] > 0
    (position,) = trader.get("/api/v1/positions")
    assert position["quantity"] == 0.1
    assert ask("SELECT count(*) FROM fills WHERE account_id = :own") == [(1,)]


def test_frozen_past_its_lease_it_reports_too_late_and_nothing_is_ordered_twice(
    trader: Person, webhook: str, agent: Agent, ask: Ask
) -> None:
    agent.start(HOOKFILL_AGENT_FAILPOINT="stop_after_order")  # it stops itself, as SIGSTOP does
    alert(webhook, "buy")
    wait_until(lambda: Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "the agent frozen")
    ask("UPDATE jobs SET leased_until = clock_timestamp() - interval '1 second' WHERE account_id = :own")
    headers = {"X-Agent-Id": agent.agent_id, "X-Agent-Key": agent._key}
    again = httpx.get(f"{trader.url}/api/v1/agents/{agent.agent_id}/jobs/next", headers=headers, trust_env=False).json()
    assert again["attempt"] == 2
    agent.process.send_signal(signal.SIGCONT)
    path = f"{trader.url}/api/v1/agents/{agent.agent_id}/jobs/{again['job_id']}/result"
    late = httpx.post(path, json={"lease_token": "1", "status": "completed", "fill_price": 1}, headers=headers, trust_env=False)
    assert late.status_code == 409
    ask("UPDATE jobs SET leased_until = clock_timestamp() - interval '1 second' WHERE account_id = :own")
    trader.wait_for_signal("executed")
    assert ask("SELECT count(*) FROM fills WHERE account_id = :own") == [(1,)]
    (position,) = trader.get("/api/v1/positions")
    assert position["quantity"] == 0.1


def test_without_an_agent_an_entry_expires(trader: Person, webhook: str, ask: Ask) -> None:
    alert(webhook, "buy")
    wait_until(lambda: ask("SELECT count(*) FROM jobs WHERE account_id = :own") == [(1,)], "the job")
    ask("UPDATE jobs SET expires_at = clock_timestamp() WHERE account_id = :own")
    signal_ = trader.wait_for_signal("expired")
    assert signal_["error_message"]
    assert ask("SELECT status FROM orders WHERE account_id = :own") == [("expired",)]
