"""The agent's calls to the server."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import httpx
from pydantic import TypeAdapter

from hookfill.client import AsyncClient, InvalidArgument, Refused, Retries, Unauthorized, Unavailable
from hookfill.client.answers import read_as
from hookfill.client.config import JSON, base_address
from hookfill.client.retries import send
from hookfill.client.steps import Repeat, Request
from hookfill.kernel import exact_json
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.times import InvalidTime, parse_time

TIMEOUT_SECONDS = 15.0
POLL_SECONDS = 25
"""The longest that the server holds a question for the next job."""
ServerAway = Unavailable
"""The server does not answer, or has trouble of its own: try again later."""
KeyRefused = Unauthorized
"""The agent's id or key is wrong or was revoked."""
_ONCE = Retries(attempts=1)
"""The agent's loops try again themselves."""
_REVOKED = "The server refuses this agent's id or key: pair it anew with `hookfill agent pair`."
_WRONG_TOKEN = "The server refuses the token: log in again and give the new access token."  # noqa: S105 - no password
_OBJECT = TypeAdapter(dict[str, Any])
__all__ = ["Client", "Heartbeat", "KeyRefused", "Refused", "ServerAway", "pair"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server's answer to a heartbeat: its time, and until when each job is leased to us, by job."""

    server_time: datetime
    leases: Mapping[UUID, tuple[str, datetime]]


class Client:
    """The server's agent routes for one agent."""

    def __init__(self, server: str, agent_id: str, agent_key: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Prepare, don't connect.

        Raises:
            ConfigurationError: ``server`` is no http(s) address.
        """
        self._root = _base_url(server)
        self._base = f"{self._root}/api/v1/agents/{agent_id}"
        self._headers = {**JSON, "x-agent-id": agent_id, "x-agent-key": agent_key}
        self._secrets = (agent_key,)
        self._transport = transport
        self._http = AsyncClient(self._root, retries=_ONCE, transport=transport)

    async def __aenter__(self) -> Self:
        """Nothing to do yet."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def heartbeat(self, facts: Mapping[str, Any]) -> Heartbeat:
        """Say that we are here; renews every lease of ours."""
        given = await self._post("/heartbeat", facts)
        try:
            leases = {
                UUID(str(lease["job_id"])): (str(lease["lease_token"]), parse_time(lease["leased_until"]))
                for lease in given.get("leases") or ()
            }
            return Heartbeat(parse_time(given["server_time"]), leases)
        except (KeyError, TypeError, ValueError, InvalidTime) as error:
            raise ServerAway(
                f"The server's answer to a heartbeat can't be understood ({error}): is it a Hookfill server?"
            ) from error

    async def next_job(self, wait_seconds: int) -> Mapping[str, Any] | None:
        """The next job as the server describes it; None if there is none within the wait."""
        given = await self._call("GET", f"/jobs/next?wait={wait_seconds}", None, TIMEOUT_SECONDS + wait_seconds)
        return None if given.get("no_jobs") or "job_id" not in given else given

    async def report(self, job_id: UUID, lease_token: str, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tell a job's outcome; the answer says whether it was told before."""
        return await self._post(f"/jobs/{job_id}/result", {**outcome, "lease_token": lease_token})

    async def prices(self, ticks: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Push prices."""
        return await self._post("/prices", {"prices": ticks})

    async def snapshot(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Push account, positions and deals."""
        return await self._post("/positions", facts)

    async def candles(self, candles: list[dict[str, Any]], candles_key: str) -> None:
        """Push candles through their own door; the last bars take the place of what was pushed of them before."""
        async with AsyncClient(self._root, candles_key=candles_key, retries=_ONCE, transport=self._transport) as door:
            await door.push_candles(candles, revise=True)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call("POST", path, body, TIMEOUT_SECONDS)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float) -> Mapping[str, Any]:
        content = None if body is None else exact_json.dumps(body)
        request = Request(method, self._base + path, content, self._headers, self._secrets, who=_REVOKED)
        return await _asked(self._http, request, timeout_seconds)


async def _asked(client: AsyncClient, request: Request, timeout_seconds: float, repeat: Repeat = Repeat.ALWAYS) -> dict[str, Any]:
    """An answer's members; all but pairing may be asked again by whoever asks, which the error's text says."""
    try:
        async with asyncio.timeout(timeout_seconds):
            answer = await client.run(send(request, repeat, timeout_seconds, _ONCE, random.random))
    except TimeoutError:
        raise ServerAway(f"The server does not answer within {timeout_seconds:g} s: trying again.") from None
    return read_as(_OBJECT, answer, request)


def _base_url(server: str) -> str:
    try:
        return base_address(server, "--server")
    except InvalidArgument as error:
        raise ConfigurationError(str(error)) from None


async def pair(
    server: str, token: str, broker_connection_id: str, label: str | None, *, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[str, str]:
    """Make an agent for a broker connection; returns its id and its key, which the server shows only this once.

    Raises:
        Refused: the token is not valid, or there is no such connection.
        ServerAway: the server does not answer.
        ConfigurationError: ``server`` is no address.
    """
    body = {"broker_connection_id": broker_connection_id} | ({} if label is None else {"label": label})
    root = _base_url(server)
    headers = {**JSON, "authorization": f"Bearer {token}"}
    request = Request("POST", f"{root}/api/v1/agents/pair", exact_json.dumps(body), headers, (token,), who=_WRONG_TOKEN)
    async with AsyncClient(root, transport=transport) as client:
        given = await _asked(client, request, TIMEOUT_SECONDS, Repeat.NEVER)
    return str(given["agent_id"]), str(given["pairing_key"])
