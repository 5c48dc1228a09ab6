"""A small stand-in for the server's agent routes: jobs under leases with fencing tokens, and a record of what it was told."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import httpx

from hookfill.brokers.mt5.model import comment_of
from hookfill.kernel.ids import new_id
from support.bell import Bell

AGENT_ID = "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"
AGENT_KEY = "canary-agent-key-5d1c7b3e9a"
URL = "http://hookfill.test"
MAGIC = 77
LEASE = timedelta(seconds=60)


@dataclass
class FakeJob:
    """A job and how it stands."""

    job_id: UUID
    job_type: str
    input_data: dict[str, Any]
    expires_at: datetime
    status: str = "pending"
    attempts: int = 0
    token: int = 0
    leased_until: datetime | None = None
    result: dict[str, Any] | None = None


@dataclass
class FakeHookfill:
    """The server.

    ``is_away`` makes it answer 503, which ``turned_away`` counts, and ``is_revoked`` 401. ``bell`` rings at each answer.
    """

    jobs: dict[UUID, FakeJob] = field(default_factory=dict)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    prices: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    candles: list[dict[str, Any]] = field(default_factory=list)
    reports: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    ahead: timedelta = timedelta(0)
    is_away: bool = False
    turned_away: int = 0
    is_revoked: bool = False
    tokens: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    bell: Bell = field(default_factory=Bell)

    def now(self) -> datetime:
        """The server's time, which need not be the agent's."""
        return datetime.now(UTC) + self.ahead

    def add(self, job_type: str, *, life_seconds: float = 20, **input_data: Any) -> FakeJob:
        """A job that waits for an agent."""
        job_id = new_id()
        if job_type in {"trade", "close_position"}:
            input_data = {"symbol": "EURUSD", "volume": 0.1, "magic": MAGIC, "comment": comment_of(job_id), **input_data}
        job = FakeJob(job_id, job_type, input_data, self.now() + timedelta(seconds=life_seconds))
        with self.lock:
            self.jobs[job_id] = job
        return job

    def lapse(self) -> None:
        """All leases end now."""
        with self.lock:
            for job in self.jobs.values():
                if job.leased_until is not None:
                    job.leased_until = self.now() - timedelta(seconds=1)

    def expire(self) -> None:
        """The time to begin any job is over."""
        with self.lock:
            for job in self.jobs.values():
                job.expires_at = self.now() - timedelta(seconds=1)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """One call."""
        try:
            return self._answered(method, path, headers, body)
        finally:
            self.bell.ring()

    def _answered(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if self.is_away:
                self.turned_away += 1
                return 503, {"detail": "down"}
            given = json.loads(body, parse_float=Decimal) if body else {}
            if path == "/api/v1/candles":
                self.candles.append(given | {"key": headers.get("x-api-key")})
                return 201, {"status": "success", "records_added": len(given["candles"])}
            if path == "/api/v1/agents/pair":
                is_known = headers.get("authorization") == "Bearer token-1"
                return (201, {"agent_id": AGENT_ID, "pairing_key": AGENT_KEY}) if is_known else (401, {"detail": "no"})
            is_ours = headers.get("x-agent-id") == AGENT_ID and headers.get("x-agent-key") == AGENT_KEY
            if self.is_revoked or not is_ours:
                return 401, {"detail": "no"}
            return self._of_agent(method, path.removeprefix(f"/api/v1/agents/{AGENT_ID}/").split("/"), given)

    def _of_agent(self, method: str, path: list[str], given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match method, path:
            case "POST", ["heartbeat"]:
                return 200, self._heartbeat(given)
            case "GET", ["jobs", "next"]:
                return 200, self._next()
            case "POST", ["jobs", job_id, "result"]:
                status, answer = self._result(UUID(job_id), given)
                self.reports.append((status, given))
                return status, answer
            case "POST", ["prices"]:
                self.prices.extend(given["prices"])
                return 200, {"accepted": len(given["prices"]), "ignored": 0}
            case "POST", ["positions"]:
                self.snapshots.append(given)
                return 200, {"differences": []}
        return 404, {"detail": "no such route"}

    def _heartbeat(self, given: dict[str, Any]) -> dict[str, Any]:
        self.heartbeats.append(given)
        now, leases = self.now(), []
        for job in self.jobs.values():
            if job.status == "running" and job.leased_until is not None and job.leased_until > now:
                job.leased_until = now + LEASE
                until = job.leased_until.isoformat()
                leases.append({"job_id": str(job.job_id), "lease_token": str(job.token), "leased_until": until})
        return {"status": "ok", "server_time": now.isoformat(), "leases": leases}

    def _next(self) -> dict[str, Any]:
        now = self.now()
        for job in self.jobs.values():
            is_free = job.status == "pending" or (
                job.status == "running" and job.leased_until is not None and job.leased_until <= now
            )
            if not is_free:
                continue
            if job.attempts == 0 and job.expires_at <= now:
                job.status = "expired"
                continue
            self.tokens += 1
            job.status, job.token, job.leased_until, job.attempts = "running", self.tokens, now + LEASE, job.attempts + 1
            return {
                "job_id": str(job.job_id),
                "job_type": job.job_type,
                "input_data": job.input_data,
                "lease_token": str(job.token),
                "leased_until": job.leased_until.isoformat(),
                "expires_at": job.expires_at.isoformat(),
                "attempt": job.attempts,
                "may_act": now < job.expires_at,
            }
        return {"no_jobs": True}

    def _result(self, job_id: UUID, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        job = self.jobs.get(job_id)
        if job is None:
            return 404, {"detail": "no such job"}
        if given["lease_token"] != str(job.token):
            return 409, {"detail": "the lease is another's"}
        if job.status == "running":
            job.status, job.result = given["status"], given
            return 200, {"status": "ok", "job_status": job.status, "duplicate": False}
        return 200, {"status": "ok", "job_status": job.status, "duplicate": True}

    # The two ways to reach it --------------------------------------------------------------------------------------------------

    def transport(self) -> httpx.MockTransport:
        """For an httpx client in this process; a poll is held for a moment only."""

        async def handle(request: httpx.Request) -> httpx.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            status, answer = self.answer(request.method, request.url.path, headers, request.content)
            if answer.get("no_jobs"):
                await asyncio.sleep(0.002)
                status, answer = self.answer(request.method, request.url.path, headers, request.content)
            return httpx.Response(status, json=answer)

        return httpx.MockTransport(handle)

    @contextmanager
    def listening(self) -> Iterator[str]:
        """For an agent in a process of its own: the address."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                self._reply()

            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                path = self.path.partition("?")[0]
                status, answer = fake.answer(self.command, path, headers, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Silence."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)
