"""Answers of the alert doors on their way to the senders."""

import asyncio

import structlog

from hookfill.edge.http import Answer, Headers

_LOG = structlog.get_logger("hookfill.edge")


class Outbox:
    """Answers on their way: those that are known at the same time are written together.

    To write one wakes its sender, and the next one's turn comes with cold caches. So whatever else is to be done for all that were
    stored in one batch is done before the first of them is written.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: list[tuple[Answer, int, bytes, Headers]] = []

    def put(self, write: Answer, status: int, content: bytes, headers: Headers) -> None:
        """Let an answer be written as soon as the event loop has done what it is at."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_all)
        self._waiting.append((write, status, content, headers))

    def _write_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for write, status, content, headers in waiting:
            try:
                write(status, content, headers)
            except Exception:  # one that fails does not keep the others from theirs
                _LOG.exception("answer_failed")
