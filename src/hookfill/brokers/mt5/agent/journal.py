"""The agent's journal: what it was about to do, what came of it, and whether the server knows.

It is a SQLite file that syncs each commit to the disk (``synchronous = FULL``): a line is either there whole or not at all after a
crash, nothing has to be compacted or repaired, and it works the same on Windows. A job moves from ``taken`` (the server gave it to
us) over ``acting`` (an order is about to be sent) to ``done`` (its outcome is known), and is ``is_reported`` once the server has
acknowledged that.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from hookfill.kernel import exact_json
from hookfill.kernel.errors import HookfillError

_KEPT_SECONDS = 30 * 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job_id      TEXT PRIMARY KEY,
    job         TEXT NOT NULL,
    lease_token TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('taken', 'acting', 'done')),
    outcome     TEXT,
    is_reported INTEGER NOT NULL DEFAULT 0,
    written_at  INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
);
CREATE TABLE IF NOT EXISTS requests (
    request_id INTEGER PRIMARY KEY,
    job_id     TEXT NOT NULL,
    request    TEXT NOT NULL,
    answer     TEXT,
    written_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
);
CREATE INDEX IF NOT EXISTS requests_by_job ON requests (job_id);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class JournalError(HookfillError):
    """The journal can't be read or written; without it nothing may be done."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of a job.

    Attributes:
        job: the server's own description of it.
        state: ``taken``, ``acting`` or ``done``.
        outcome: the body of its result; None until it is known.
        requests: the orders that were about to be sent for it, oldest first, without those that were refused.
        is_unanswered: what the terminal said to the last of them was never learnt.
        is_accepted: the terminal said of one of them that it was done or placed.
    """

    job_id: UUID
    job: Mapping[str, Any]
    lease_token: str
    state: str
    outcome: Mapping[str, Any] | None
    is_reported: bool
    requests: tuple[Mapping[str, Any], ...]
    is_accepted: bool
    is_unanswered: bool


class Journal:
    """The journal in one file; it may be used from several threads."""

    def __init__(self, path: Path | str) -> None:
        """Open it, making it if it is not there.

        Raises:
            JournalError: it can't be used.
        """
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
            weakref.finalize(self, self._connection.close)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
            self._run(
                "DELETE FROM jobs WHERE is_reported AND written_at < CAST(strftime('%s', 'now') AS INTEGER) - ?", _KEPT_SECONDS
            )
            self._run("DELETE FROM requests WHERE job_id NOT IN (SELECT job_id FROM jobs)")
        except sqlite3.Error as error:
            raise JournalError(f"The agent's journal {path} can't be used ({error}): see its folder's rights and space.") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def take(self, job_id: UUID, job: Mapping[str, Any], lease_token: str) -> Entry:
        """The server has given us a job, perhaps again under a new lease, under which its outcome is to be told (again)."""
        self._run(
            "INSERT INTO jobs (job_id, job, lease_token, state) VALUES (?, ?, ?, 'taken')"
            " ON CONFLICT (job_id) DO UPDATE SET job = excluded.job, lease_token = excluded.lease_token,"
            " is_reported = 0",
            str(job_id), _json(job), lease_token,
        )  # fmt: skip
        found = self.entry(job_id)
        assert found is not None
        return found

    def act(self, job_id: UUID, request: Mapping[str, Any]) -> None:
        """An order is about to be sent for a job that was taken."""
        with self._lock, self._transaction():
            self._connection.execute("INSERT INTO requests (job_id, request) VALUES (?, ?)", (str(job_id), _json(request)))
            self._connection.execute("UPDATE jobs SET state = 'acting' WHERE job_id = ?", (str(job_id),))

    def withdraw(self, job_id: UUID) -> None:
        """The order that was about to be sent last was not sent."""
        with self._lock, self._transaction():
            self._connection.execute(
                "DELETE FROM requests WHERE request_id = (SELECT max(request_id) FROM requests WHERE job_id = ?)", (str(job_id),)
            )
            self._connection.execute(
                "UPDATE jobs SET state = 'taken' WHERE job_id = ?"
                " AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.job_id = jobs.job_id)",
                (str(job_id),),
            )

    def answered(self, job_id: UUID, answer: str) -> None:
        """What the terminal said to the order that was sent last: ``accepted`` or ``refused``."""
        self._run(
            "UPDATE requests SET answer = ? WHERE request_id = (SELECT max(request_id) FROM requests WHERE job_id = ?)",
            answer, str(job_id),
        )  # fmt: skip

    def finish(self, job_id: UUID, outcome: Mapping[str, Any]) -> None:
        """A job's outcome is known."""
        self._run("UPDATE jobs SET state = 'done', outcome = ? WHERE job_id = ?", _json(outcome), str(job_id))

    def reported(self, job_id: UUID) -> None:
        """The server knows the outcome, or has no use for it any more."""
        self._run("UPDATE jobs SET is_reported = 1 WHERE job_id = ?", str(job_id))

    def entry(self, job_id: UUID) -> Entry | None:
        """What is known of a job."""
        found = self._entries("WHERE job_id = ?", str(job_id))
        return found[0] if found else None

    def to_report(self) -> list[Entry]:
        """Jobs whose outcome the server has not acknowledged, oldest first."""
        return self._entries("WHERE state = 'done' AND NOT is_reported")

    def open_jobs(self) -> list[Entry]:
        """Jobs without an outcome, oldest first."""
        return self._entries("WHERE state <> 'done'")

    def forget(self, job_id: UUID) -> None:
        """A job that was only taken is the server's again."""
        self._run("DELETE FROM jobs WHERE job_id = ? AND state = 'taken'", str(job_id))

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(self._all("SELECT state, count(*) FROM jobs GROUP BY state"))

    def fact(self, name: str) -> str | None:
        """A fact that was kept."""
        rows = self._all("SELECT value FROM facts WHERE name = ?", name)
        return rows[0][0] if rows else None

    def keep(self, name: str, value: str) -> None:
        """Keep a fact over restarts."""
        self._run("INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)

    def _entries(self, where: str, *values: Any) -> list[Entry]:
        rows = self._all(
            f"SELECT job_id, job, lease_token, state, outcome, is_reported FROM jobs {where} ORDER BY rowid",  # noqa: S608 - own text
            *values,
        )
        return [self._entry(*row) for row in rows]

    def _entry(self, job_id: str, job: str, token: str, state: str, outcome: str | None, is_reported: int) -> Entry:
        requests = self._all("SELECT request, answer FROM requests WHERE job_id = ? ORDER BY request_id", job_id)
        return Entry(
            job_id=UUID(job_id),
            job=_read(job),
            lease_token=token,
            state=state,
            outcome=None if outcome is None else _read(outcome),
            is_reported=bool(is_reported),
            requests=tuple(_read(request) for request, answer in requests if answer != "refused"),
            is_unanswered=bool(requests) and requests[-1][1] is None,
            is_accepted=any(answer == "accepted" for _, answer in requests),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit on success, roll back on an error.

        Raises:
            JournalError: the disk is full, or the folder is gone.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise JournalError(f"The agent's journal can't be written ({error}): see its folder's rights and space.") from error

    def _run(self, statement: str, *values: Any) -> None:
        with self._lock, self._transaction():
            self._connection.execute(statement, values)

    def _all(self, statement: str, *values: Any) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"The agent's journal can't be read ({error}): see its folder's rights.") from error


def _json(value: Mapping[str, Any]) -> str:
    return exact_json.dumps(value).decode()


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
