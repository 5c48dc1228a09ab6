"""The agent's calls to the server."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from hookfill.kernel import exact_json
from hookfill.kernel.errors import ConfigurationError, HookfillError
from hookfill.kernel.times import InvalidTime, parse_time

TIMEOUT_SECONDS = 15.0
POLL_SECONDS = 25
"""The longest that the server holds a question for the next job."""


class ServerAway(HookfillError):
    """The server does not answer, or has trouble of its own: try again later."""


class Refused(HookfillError):
    """The server refused a call; trying the same again is of no use.

    Attributes:
        status: the HTTP status code.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class KeyRefused(Refused):
    """The agent's id or key is wrong or was revoked."""


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
        self._base = f"{_base_url(server)}/api/v1/agents/{agent_id}"
        self._root = _base_url(server)
        headers = {"X-Agent-Id": agent_id, "X-Agent-Key": agent_key}
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, transport=transport)

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

    async def candles(self, candles: list[dict[str, Any]], candles_key: str) -> Mapping[str, Any]:
        """Push candles through their own door."""
        return await self._send(
            "POST",
            f"{self._root}/api/v1/candles",
            {"candles": candles, "revise": True},
            TIMEOUT_SECONDS,
            {"X-API-KEY": candles_key},
        )

    async def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call("POST", path, body, TIMEOUT_SECONDS)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float) -> Mapping[str, Any]:
        return await self._send(method, self._base + path, body, timeout_seconds, {})

    async def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, timeout_seconds: float, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        content = None if body is None else exact_json.dumps(body)
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await self._http.request(
                    method, url, content=content, headers={"Content-Type": "application/json", **headers}, timeout=timeout_seconds
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise ServerAway(f"The server does not answer ({type(error).__name__}): trying again.") from error
        return read_answer(answer)


def read_answer(answer: httpx.Response) -> Mapping[str, Any]:
    """An answer's JSON; numbers with a fraction are Decimal.

    Raises:
        KeyRefused, Refused: the server refused the call.
        ServerAway: it has trouble of its own, or something else answered in its place.
    """
    if answer.status_code >= 500 or answer.status_code in {408, 425, 429}:
        raise ServerAway(f"The server answers {answer.status_code}: trying again.")
    if answer.status_code == 401:
        raise KeyRefused(401, "The server refuses this agent's id or key: pair it anew with `hookfill agent pair`.")
    try:
        given = answer.json(parse_float=Decimal)
    except ValueError:
        given = None
    if answer.is_success and isinstance(given, dict):
        return given
    if answer.is_success or answer.is_redirect:
        raise ServerAway("Something that is not Hookfill answers at the server's address: see --server.")
    raise Refused(answer.status_code, f"The server refused the call ({answer.status_code}): {_detail(given)}")


def _detail(given: object) -> str:
    detail = given.get("detail") or given.get("message") or given.get("error") if isinstance(given, dict) else None
    return str(detail)[:500] if detail else "it gives no reason"


def _base_url(server: str) -> str:
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.username:
        raise ConfigurationError("--server must be the address of a Hookfill server, such as https://hookfill.example.com.")
    return server.rstrip("/")


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
    url = f"{_base_url(server)}/api/v1/agents/pair"
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=transport) as http:
        try:
            answer = await http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise ServerAway(f"The server does not answer ({type(error).__name__}): is `hookfill serve` running there?") from error
    if answer.status_code == 401:
        raise Refused(401, "The server refuses the token: log in again and give the new access token.")
    given = read_answer(answer)
    return str(given["agent_id"]), str(given["pairing_key"])
