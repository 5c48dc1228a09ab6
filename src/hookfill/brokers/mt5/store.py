"""Agents, their leases and their jobs in the database.

All but ``agent_by_id`` runs inside ``postgres.tenancy.as_user``: row-level security decides what there is. Leases and expiries go
by the database's clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.brokers.mt5.jobs import Fence, Standing, judge_result
from hookfill.brokers.mt5.model import LEASE, JobType
from hookfill.kernel.ids import new_id
from hookfill.kernel.lifecycle import JOB
from hookfill.postgres.sql import load

SQL = load(__package__)
QUESTION_LIFE = timedelta(minutes=5)
"""How long a person's question waits for an agent."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that has shown its key.

    Attributes:
        is_owner: it belongs to the installation's owner, whose prices and candles everybody shares.
    """

    agent_id: UUID
    user_id: UUID
    account_id: UUID
    is_owner: bool


async def agent_by_id(connection: asyncpg.Connection, agent_id: UUID) -> tuple[Agent, bytes] | None:
    """An agent that may work, with the SHA-256 of its key; None when it is unknown or revoked, or its user is disabled.

    Args:
        connection: of the installation's own role.
    """
    row = await connection.fetchrow(SQL.agent_by_id.sql, agent_id)
    if row is None:
        return None
    return Agent(row["agent_id"], row["user_id"], row["account_id"], row["is_owner"]), row["key_sha256"]


async def add_agent(connection: asyncpg.Connection, user_id: UUID, wanted: Mapping[str, Any], label: str, key: bytes) -> UUID:
    """Pair an agent with a broker connection (a row of ``connection_for_agent``); ``key`` is the SHA-256 of its key."""
    agent_id = new_id()
    await connection.execute(SQL.add_agent.sql, agent_id, user_id, wanted["broker_connection_id"], wanted["account_id"], label, key)
    return agent_id


async def revoke_agent(connection: asyncpg.Connection, agent_id: UUID) -> bool:
    """Refuse an agent from now on and end its leases; False when there is none."""
    row = await connection.fetchrow(SQL.revoke_agent.sql, agent_id)
    if row is None:
        return False
    await connection.execute(SQL.end_leases.sql, row["account_id"], agent_id)
    await announce_jobs(connection, row["account_id"])
    return True


async def heartbeat(connection: asyncpg.Connection, agent: Agent, info: Mapping[str, Any]) -> tuple[datetime, list[asyncpg.Record]]:
    """Note a sign of life and renew the agent's leases; returns the database's time and the leases that it still holds."""
    now = await connection.fetchval(SQL.note_heartbeat.sql, dict(info), agent.agent_id)
    leases = await connection.fetch(SQL.renew_leases.sql, LEASE, agent.account_id, agent.agent_id)
    return now, leases


async def lease_job(connection: asyncpg.Connection, agent: Agent) -> asyncpg.Record | None:
    """The account's oldest job that may be offered, now this agent's for ``LEASE``; None when there is none."""
    return await connection.fetchrow(SQL.lease_job.sql, agent.account_id, agent.agent_id, LEASE)


async def give_back(connection: asyncpg.Connection, agent: Agent, job: Mapping[str, Any]) -> None:
    """End a lease of which the agent was never told."""
    await connection.execute(SQL.give_back.sql, agent.account_id, job["job_id"], job["lease_token"])
    await announce_jobs(connection, agent.account_id)


async def accounts_with_jobs(connection: asyncpg.Connection, account_ids: Iterable[UUID]) -> set[UUID]:
    """Which of the accounts have a job to offer; with a connection of the installation's own role."""
    rows = await connection.fetch(SQL.accounts_with_jobs.sql, list(account_ids))
    return {row["account_id"] for row in rows}


async def lock_job(connection: asyncpg.Connection, account_id: UUID, job_id: UUID) -> asyncpg.Record | None:
    """A job, held until the transaction ends; None when the account has none of that id."""
    return await connection.fetchrow(SQL.lock_job.sql, account_id, job_id)


def fence(row: Mapping[str, Any], token: str) -> Fence:
    """What a result with this token is good for, given a row of ``lock_job``."""
    return judge_result(Standing(row["status"], row["lease_token"], row["has_result"]), token)


async def finish_job(
    connection: asyncpg.Connection,
    account_id: UUID,
    row: Mapping[str, Any],
    status: str,
    result: Mapping[str, Any],
    error_message: str | None,
) -> None:
    """Store a result that the fence let through, and wake the desk, which books it and frees the jobs that depend on it."""
    JOB.move(row["status"], status)
    await connection.execute(SQL.finish_job.sql, status, dict(result), error_message, account_id, row["job_id"])
    await announce_results(connection, account_id)


async def add_question(connection: asyncpg.Connection, account_id: UUID, job_type: JobType, input_data: Mapping[str, Any]) -> UUID:
    """A job that asks and changes nothing at the broker."""
    job_id = new_id()
    await connection.execute(SQL.add_question.sql, account_id, job_id, job_type, dict(input_data), QUESTION_LIFE)
    await announce_jobs(connection, account_id)
    return job_id


async def own_accounts(connection: asyncpg.Connection) -> list[UUID]:
    """The caller's accounts."""
    return [row["account_id"] for row in await connection.fetch(SQL.own_accounts.sql)]


async def announce_jobs(connection: asyncpg.Connection, account_id: UUID) -> None:
    """Wake the agents that wait for a job of this account, when the transaction commits."""
    await connection.execute(SQL.announce_jobs.sql, str(account_id))


async def announce_results(connection: asyncpg.Connection, account_id: UUID) -> None:
    """Wake the desk for this account's results and deals, when the transaction commits."""
    await connection.execute(SQL.announce_results.sql, str(account_id))
