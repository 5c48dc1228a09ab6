"""Alpaca's stream of trade updates: each tells an order as it stands, at once where a poll would tell it later.

It is a hint like any other: what it misses while it is away is found by looking. alpaca-py's own stream lives in a loop of its own,
logs what it is sent and stands on the discontinued half of websockets, so the documented protocol is spoken here directly.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog

from hookfill.brokers.alpaca.answers import pause
from hookfill.brokers.alpaca.model import Unreadable, order_from
from hookfill.brokers.port import OrderState

OPEN_SECONDS = 10.0
ANSWER_SECONDS = 10.0
PING_SECONDS = 15.0
"""How often the other end is asked whether it is still there; it is given up after as long without an answer."""
MOST_BYTES = 1 << 20
_LOG = structlog.get_logger("hookfill.alpaca")
_frames = logging.getLogger("hookfill.alpaca.frames")
_frames.setLevel(logging.ERROR)
"""At the level of debugging the library writes down every frame, and the first one holds the keys."""


class StreamRefused(Exception):
    """Alpaca does not take the keys."""


def stream_url(url: str) -> str:
    """Where the stream of a trading API is: ``wss://paper-api.alpaca.markets/stream``."""
    parts = urlsplit(url)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/stream"


class Updates:
    """Listens until it is cancelled; comes back by itself, later each time, whatever goes wrong."""

    def __init__(self, key: str, secret: str, url: str, heard: Callable[[OrderState], None], connected: Callable[[], None]) -> None:
        """Prepare.

        Args:
            url: of the trading API.
            heard: called with each order that an update tells of.
            connected: called whenever the stream begins: what came before was missed.
        """
        self._key, self._secret, self._url = key, secret, stream_url(url)
        self._heard, self._connected = heard, connected
        self.is_up = False

    async def run(self) -> None:
        """Listen for ever."""
        failures = 0
        while True:
            try:
                await self._listen()
                failures = 0
            except StreamRefused as error:
                failures += 1
                _LOG.warning("stream_refused", error=str(error))
            except Exception as error:  # a stream that breaks must never break trading: looking goes on without it
                failures = 1 if self.is_up else failures + 1
                _LOG.warning("stream_lost", error=type(error).__name__)
            self.is_up = False
            await asyncio.sleep(pause(failures + 1, random.random()))

    async def _listen(self) -> None:
        from websockets.asyncio.client import connect  # noqa: PLC0415 - only where there is an account at Alpaca

        async with connect(
            self._url,
            open_timeout=OPEN_SECONDS,
            close_timeout=1,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            max_size=MOST_BYTES,
            logger=_frames,
        ) as socket:
            async with asyncio.timeout(ANSWER_SECONDS):
                credentials = {"key_id": self._key, "secret_key": self._secret}
                await socket.send(json.dumps({"action": "authenticate", "data": credentials}))
                await self._expect_authorized(socket)
                await socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
            self.is_up = True
            self._connected()
            async for message in socket:
                self._take(message)

    async def _expect_authorized(self, socket: Any) -> None:
        answer = _read(await socket.recv())
        status = answer.get("data", {}).get("status") if isinstance(answer.get("data"), dict) else None
        if status != "authorized":
            raise StreamRefused("Alpaca does not take the keys for the stream: enter the connection's credentials again.")

    def _take(self, message: str | bytes) -> None:
        told = _read(message)
        data = told.get("data")
        if told.get("stream") != "trade_updates" or not isinstance(data, dict):
            return
        try:
            state = order_from(data.get("order"))
        except Unreadable as error:
            _LOG.warning("update_unreadable", error=str(error))
            return
        self._heard(state)


def _read(message: str | bytes) -> dict[str, Any]:
    """A frame, text or binary; what is no object is an empty one."""
    try:
        told = json.loads(message)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
