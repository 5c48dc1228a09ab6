"""A worker that keeps failing is seen: health, an alarm, a notification; and again when it is well. Against the real server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx

from hookfill.postgres.model import Database
from support.database import query, wait_until
from support.server import OWNER_TOKEN, Server

QUICK = {
    "hookfill.ops.heart.BEAT_SECONDS": 0.1,
    "hookfill.ops.loop.POLL_SECONDS": 0.1,
    "hookfill.ops.notify.Notifier": {"pauses": [0.1, 0.1]},
}
"""How often the worker's loops turn and tell, and how soon the operator is told again."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The operator's own server; the first notification finds it busy."""
    came: list[dict[str, Any]] = []
    busy = [503]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            status = busy.pop() if busy else 204
            if status == 204:
                came.append(json.loads(content))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/canary-path", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def desk_of(url: str) -> tuple[str, dict[str, Any]]:
    health = httpx.get(f"{url}/health", trust_env=False, timeout=30).json()
    return health["status"], next((one for one in health["workers"] if one["name"] == "desk"), {})


def test_a_worker_that_keeps_failing_is_seen_by_everybody_who_should(database: Database, tmp_path: Path) -> None:
    with receiver() as (url, came):
        settings = {"HOOKFILL_NOTIFY_URL": url, "HOOKFILL_NOTIFY_PRIVATE": "true"}
        with Server(tmp_path / "home", database_url=database.url, worker_constants=QUICK, **settings) as server:
            wait_until(lambda: desk_of(server.url)[1].get("state") == "ok", "the desk is heard of")
            query(database.url, "ALTER TABLE broker_deals RENAME TO broker_deals_away")
            wait_until(lambda: desk_of(server.url)[1]["state"] == "failing", "the desk is seen to fail")
            status, desk = desk_of(server.url)
            assert (status, desk["instances"]) == ("degraded", 1)
            assert desk["consecutive_failures"] >= 3
            wait_until(lambda: came, "the operator is told")
            assert [(one["event"], one["kind"], one["subject"]) for one in came] == [("alarm", "worker_failing", "desk")]
            answer = httpx.get(
                f"{server.url}/api/v1/alarms", headers={"Authorization": f"Bearer {OWNER_TOKEN}"}, trust_env=False, timeout=30
            )
            assert [one["kind"] for one in answer.json()] == ["worker_failing"]
            query(database.url, "ALTER TABLE broker_deals_away RENAME TO broker_deals")
            wait_until(lambda: desk_of(server.url)[0] == "ok", "all is well again")
            assert len(came) == 1
            assert "canary-path" not in server.output()
