"""A real server that is told to stop does not wait for the agents that wait for it."""

import asyncio
from pathlib import Path

import httpx

from hookfill.accounts.store import owner_id
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.agents import CONNECTION, MT5
from support.database import wait_for_value
from support.server import OWNER_TOKEN, Server

READ = "SELECT heartbeat_at IS NOT NULL FROM agents"


async def new_broker_connection(database: Database) -> str:
    connection = await connect(database, name="test")
    try:
        account_id, connection_id, owner = new_id(), new_id(), await owner_id(connection)
        await connection.execute(MT5, account_id, owner, {})
        await connection.execute(CONNECTION, connection_id, owner, account_id, "mt5")
    finally:
        await connection.close()
    return str(connection_id)


async def test_waits_end_when_the_server_is_told_to_stop(database: Database, tmp_path: Path) -> None:
    with Server(tmp_path, database_url=database.url, role="api") as server:
        body = {"broker_connection_id": await new_broker_connection(database)}
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            answer = await client.post("/api/v1/agents/pair", json=body, headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
            agent_id, key = answer.json()["agent_id"], answer.json()["pairing_key"]
            headers = {"X-Agent-Id": agent_id, "X-Agent-Key": key}
            asking = asyncio.create_task(client.get(f"/api/v1/agents/{agent_id}/jobs/next?wait=25", headers=headers))
            await client.post(f"/api/v1/agents/{agent_id}/heartbeat", json={}, headers=headers)
            await asyncio.to_thread(wait_for_value, database.url, True, READ)
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            # Without the word to end, the server would cut this request off when its time to drain is over.
            assert (await asking).json() == {"no_jobs": True}
            assert await stopping == 0
