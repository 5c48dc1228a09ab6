"""The real logs, sent over HTTP with alerts left out: reconciling finds exactly these, and brings back what the whole log tells."""

import asyncio
import json
import random
from pathlib import Path

import httpx
import pytest

from hookfill.accounts.store import accounts_of_user
from hookfill.edge.backfill import backfill
from hookfill.edge.telemetry import PATH
from hookfill.inbox.alert_log import read_alert_log
from hookfill.inbox.repair import repair
from hookfill.journal.compare import Comparison
from hookfill.journal.reconcile import compare_log
from hookfill.kernel.clock import utc_now
from hookfill.postgres.model import Database
from support.alert_log import fired
from support.cli import Cli
from support.database import query, wait_for_value
from support.house import House
from support.journal import folded, log_bodies, stored_trades, work_all
from support.server import Server
from support.shared_data import shared_file

LOGS = {
    "TradingView_Alerts_Log_2025-11-14_575e3.csv": 6,
    "TradingView_Alerts_Log_2025-11-15_ff323.csv": 0,
    "TradingView_Alerts_Log_2025-12-02_a1c67.csv": 0,
    "TradingView_Alerts_Log_2025-12-11_3cc65.csv": 0,
}
"""And how many of their alerts are not valid JSON."""
FIRST, *_ = LOGS
LEFT_OUT = 50


def log_path(name: str) -> Path:
    return shared_file("tradingview-alert-logs", name)


async def send_log(house: House, name: str, seed: int) -> set[bytes]:
    """Send a log in the order of its firing, but for some distinct alerts with all their repeats, which are returned."""
    alerts = [body for _, body in fired(log_path(name))]
    left_out = set(random.Random(seed).sample(sorted(set(alerts)), LEFT_OUT))
    for body in alerts:
        if body not in left_out:
            await house.client.post(PATH, content=body)
    return left_out


async def reconciled(house: House, name: str) -> Comparison:
    async with house.pool.acquire() as connection:
        accounts = [row["account_id"] for row in await accounts_of_user(connection, house.owner)]
        with log_path(name).open(newline="", encoding="utf-8-sig") as lines:
            return await compare_log(connection, accounts, read_alert_log(lines))


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("is_read", [True, False])
async def test_exactly_what_was_left_out_is_found_and_brought_back(house: House, name: str, is_read: bool) -> None:
    """Whether or not the journal has read what arrived by then."""
    left_out = await send_log(house, name, seed=5)
    async with house.pool.acquire() as connection:
        if is_read:
            await work_all(connection, house.account_id)
        found = await reconciled(house, name)
        assert {one.fired.body for one in found.missing} == left_out
        is_broken = [body for body in left_out if repair(body) is not None]
        assert len(found.malformed) == LOGS[name] - len(is_broken)
        done = await backfill(connection, house.account_id, found.missing, utc_now())
        assert (done.stored, done.malformed) == (LEFT_OUT, len(is_broken))
        await work_all(connection, house.account_id)
        again = await reconciled(house, name)
        assert (again.missing, len(again.malformed)) == ([], LOGS[name])
        assert await stored_trades(connection, house.account_id) == folded(log_bodies(name))


async def test_a_whole_log_misses_nothing(house: House) -> None:
    for _, body in fired(log_path(FIRST)):
        await house.client.post(PATH, content=body)
    found = await reconciled(house, FIRST)
    assert (found.missing, found.incomplete, len(found.malformed)) == ([], [], 6)


async def test_the_command_finds_and_mends_the_same(house: House, database: Database, tmp_path: Path) -> None:
    left_out = await send_log(house, FIRST, seed=6)
    cli = Cli(tmp_path, database)
    told = await asyncio.to_thread(cli.process, "reconcile", log_path(FIRST), "--json")
    assert (told.returncode, json.loads(told.stdout)["missing"]) == (1, LEFT_OUT)
    mended = await asyncio.to_thread(cli.process, "reconcile", log_path(FIRST), "--backfill", "--yes")
    assert mended.returncode == 0, mended.stderr
    async with house.pool.acquire() as connection:
        assert await stored_trades(connection, house.account_id) == folded(log_bodies(FIRST))
        moments = await connection.fetch("SELECT body, as_of FROM messages WHERE source = 'backfill'")
    first_at = {body: moment for moment, body in reversed(fired(log_path(FIRST)))}
    assert {row["body"]: row["as_of"].strftime("%Y-%m-%dT%H:%M:%SZ") for row in moments} == {
        body: first_at[body] for body in left_out
    }


def test_beside_a_running_server_its_worker_reads_what_is_brought_in(home: Path, database: Database) -> None:
    with Server(home, database_url=database.url) as server:
        url = f"{server.url}{PATH}"
        left_out = set(random.Random(7).sample(log_bodies(FIRST), LEFT_OUT))
        for _, body in fired(log_path(FIRST)):
            if body not in left_out:
                assert httpx.post(url, content=body).status_code in (200, 400)
        cli = Cli(home, database)
        told = cli.process("reconcile", log_path(FIRST), "--json", "--backfill", "--yes")
        found = json.loads(told.stdout)
        assert (told.returncode, found["missing"], found["backfilled"]["stored"]) == (0, LEFT_OUT, LEFT_OUT)
        wait_for_value(database.url, 0, "SELECT count(*) FROM messages WHERE state = 'received'")
        assert dict(query(database.url, "SELECT trade_id, merged FROM trade_states")) == folded(log_bodies(FIRST))
        assert cli.process("reconcile", log_path(FIRST)).returncode == 0
