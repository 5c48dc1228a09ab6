"""Which agent asks: its id and its key in two headers."""

import hmac
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, HTTPException, Path, Request
from fastapi.security import APIKeyHeader

from hookfill.accounts.store import hash_secret
from hookfill.api.answers import PROBLEMS
from hookfill.api.auth import ACQUIRE_SECONDS
from hookfill.api.models import Problem
from hookfill.api.strict_body import TOO_LARGE
from hookfill.brokers.mt5.store import Agent, agent_by_id

REFUSED = "Send the headers X-Agent-Id (the id in the path) and X-Agent-Key as pairing gave them; if they are right, pair anew."
"""The one answer to every wrong identity: it does not say what was wrong."""
MACHINE_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The id or the key is missing or wrong, or the agent was revoked: always this answer."},
    422: PROBLEMS[422],
    503: PROBLEMS[503],
    **TOO_LARGE,
}
"""What every route of agents may answer beside what it is asked for."""
_NO_KEY = bytes(32)
_ID = APIKeyHeader(name="X-Agent-Id", scheme_name="AgentId", auto_error=False, description="The agent's id, as in the path.")
_KEY = APIKeyHeader(name="X-Agent-Key", scheme_name="AgentKey", auto_error=False, description="The key that pairing gave.")


async def check_agent(connection: asyncpg.Connection, agent_id: UUID, key: str) -> Agent:
    """The agent of this id, if the key is its own.

    Args:
        connection: of the installation's own role, outside of any person's view.

    Raises:
        HTTPException: 401, the same for an unknown or revoked agent, a wrong key and a disabled user.
    """
    found = await agent_by_id(connection, agent_id)
    stored = _NO_KEY if found is None else found[1]
    if not hmac.compare_digest(hash_secret(key), stored) or found is None:
        raise refused()
    return found[0]


def refused() -> HTTPException:
    """The answer to a wrong identity."""
    return HTTPException(401, REFUSED, {"WWW-Authenticate": 'Agent realm="hookfill"'})


class Caller:
    """An agent's claim to be who the path names, with its key."""

    def __init__(self, agent_id: UUID, key: str) -> None:
        self.agent_id = agent_id
        self.key = key


def _caller(
    agent_id: Annotated[UUID, Path(description="The agent's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])],
    sent_id: Annotated[str | None, Depends(_ID)],
    key: Annotated[str | None, Depends(_KEY)],
) -> Caller:
    try:
        is_same = sent_id is not None and UUID(sent_id) == agent_id
    except ValueError:
        is_same = False
    if not is_same or not key:
        raise refused()
    return Caller(agent_id, key)


async def _agent(request: Request, caller: Annotated[Caller, Depends(_caller)]) -> Agent:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        return await check_agent(connection, caller.agent_id, caller.key)


Calling = Annotated[Caller, Depends(_caller)]
"""Who the request claims to come from; ``check_agent`` proves it."""
KnownAgent = Annotated[Agent, Depends(_agent)]
"""The agent that asks; 401 for any other. It holds no connection."""
