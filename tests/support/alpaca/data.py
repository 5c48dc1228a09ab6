"""The fake's market data: bars, latest quotes and option chains, with every trouble that the real one may give.

Paths and fields are those of Alpaca's Market Data API: ``/v2/stocks/bars``, ``/v2/stocks/quotes/latest``,
``/v1beta3/crypto/us/bars``, ``/v1beta3/crypto/us/latest/quotes``, ``/v1beta1/options/snapshots/{underlying}``; and of its Trading
API: ``/v2/options/contracts``.
"""

import asyncio
import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from urllib.parse import parse_qs

from support.alpaca.server import answer, is_authorised


class Trouble(Enum):
    """What goes wrong with the next request."""

    HANG = "it is never answered"
    DRIP = "the answer comes byte by byte"
    HALF = "the answer ends in the middle"
    CUT = "the connection ends before the answer does"
    HTML = "a proxy answers instead"
    LIST = "the answer is a list"
    OTHER = "the answer holds nothing that was asked for"
    NULL = "null stands where the data should"
    DEEP = "the answer is nested deeper than any can be"
    HUGE = "the answer is larger than any can be"


@dataclass
class Refusal:
    """The next request is answered so."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "too many requests."


@dataclass
class FakeData:
    """What there is to be had.

    Attributes:
        bars: by Alpaca's symbol and timeframe (``("SPY", "1Min")``): raw bars, ascending.
        quotes: by symbol: raw quotes.
        interest: open interest by contract, as text.
        chains: by underlying, then by contract: raw snapshots.
        troubles: what happens to the next requests, in order; ``None`` lets one pass.
        page_size: how many bars or contracts a page holds at most.
        is_circular: the last page leads back to the first.
        asked: path and parameters of each request that came, in order.
        came: set by the first of them.
    """

    bars: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    quotes: dict[str, Any] = field(default_factory=dict)
    chains: dict[str, dict[str, Any]] = field(default_factory=dict)
    interest: dict[str, str] = field(default_factory=dict)
    troubles: deque[Trouble | Refusal | None] = field(default_factory=deque)
    page_size: int = 1_000
    is_circular: bool = False
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    prefixes: tuple[str, ...] = ("/v2/stocks/", "/v2/options/contracts", "/v1beta3/crypto/", "/v1beta1/options/")

    def __post_init__(self) -> None:
        self.came = threading.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def paths(self) -> list[str]:
        """What was asked for, without parameters."""
        return [path for path, _ in self.asked]

    def stop(self) -> None:
        """End what hangs."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        self._loop = asyncio.get_running_loop()
        path = scope["path"]
        wanted = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self.asked.append((path, wanted))
        self.came.set()
        trouble = self.troubles.popleft() if self.troubles else None
        if not is_authorised(scope):
            await answer(send, 403, b'{"message": "forbidden."}')
        elif isinstance(trouble, Refusal):
            headers = [(name.encode(), value.encode()) for name, value in trouble.headers.items()]
            await answer(send, trouble.status, json.dumps({"message": trouble.message}).encode(), headers)
        elif trouble is not None:
            await self._trouble(send, trouble, path, wanted)
        else:
            status, told = self._told(path, wanted)
            await answer(send, status, json.dumps(told).encode())

    async def _trouble(self, send: Any, trouble: Trouble, path: str, wanted: dict[str, str]) -> None:
        name = "bars" if path.endswith("/bars") else "snapshots" if "snapshots" in path else "quotes"
        body = json.dumps(self._told(path, wanted)[1]).encode()
        whole = {
            Trouble.HALF: body[: len(body) // 2],
            Trouble.HTML: b"<html>Just a moment...</html>",
            Trouble.LIST: b"[1, 2]",
            Trouble.OTHER: b'{"weather": {}}',
            Trouble.NULL: json.dumps({name: None, "next_page_token": None}).encode(),
            Trouble.HUGE: b'{"bars": {}, "padding": "' + b"x" * 3_000_000 + b'"}',
            Trouble.DEEP: b'{"bars": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        }
        if trouble in whole:
            await answer(send, 200, whole[trouble])
        elif trouble is Trouble.HANG:
            await self._stopping.wait()
        else:
            await self._begin(send, body, 0.05 if trouble is Trouble.DRIP else 0)

    async def _begin(self, send: Any, body: bytes, seconds: float) -> None:
        """Half of an answer, byte by byte; then the connection ends."""
        length = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for place in range(len(body) // 2):
            await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    def _told(self, path: str, wanted: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path.endswith("/bars"):
            return self._bars_told(wanted)
        if path.startswith("/v1beta1/options/snapshots/"):
            return self._chain_told(path.rpartition("/")[2], wanted)
        if path == "/v2/options/contracts":
            return self._contracts_told(wanted)
        names = wanted["symbols"].split(",")
        strange = self._strange(names)
        if strange is not None:
            return 400, {"message": f"invalid symbol: {strange}"}
        return 200, {"quotes": {name: self.quotes[name] for name in names if name in self.quotes}}

    def _strange(self, names: list[str]) -> str | None:
        known = {symbol for symbol, _ in self.bars} | self.quotes.keys()
        return next((name for name in names if name not in known), None)

    def _bars_told(self, wanted: dict[str, str]) -> tuple[int, dict[str, Any]]:
        names = sorted(wanted["symbols"].split(","))
        strange = self._strange(names)
        if strange is not None:
            return 400, {"message": f"invalid symbol: {strange}"}
        start, end = (_moment(wanted[name]) for name in ("start", "end"))
        entries = [
            (name, bar)
            for name in names
            for bar in self.bars.get((name, wanted["timeframe"]), ())
            if not isinstance(bar, dict) or start <= _moment(bar["t"]) <= end
        ]
        page, token = self._page(entries, wanted)
        found: dict[str, list[Any]] = {}
        for name, bar in page:
            found.setdefault(name, []).append(bar)
        return 200, {"bars": found, "next_page_token": token}

    def _chain_told(self, underlying: str, wanted: dict[str, str]) -> tuple[int, dict[str, Any]]:
        first, last = wanted.get("expiration_date_gte", ""), wanted.get("expiration_date_lte", "9")
        entries = []
        for symbol, snapshot in sorted(self.chains.get(underlying, {}).items()):
            expiration, strike = f"20{symbol[-15:-13]}-{symbol[-13:-11]}-{symbol[-11:-9]}", symbol[-8:]
            is_strike = strike.isdigit() and float(wanted.get("strike_price_gte", 0)) <= int(strike) / 1000 <= float(
                wanted.get("strike_price_lte", 1e9)
            )
            if not strike.isdigit() or (first <= expiration <= last and is_strike):
                entries.append((symbol, snapshot))
        page, token = self._page(entries, wanted)
        return 200, {"snapshots": dict(page), "next_page_token": token}

    def _contracts_told(self, wanted: dict[str, str]) -> tuple[int, dict[str, Any]]:
        known = [
            symbol for underlying in wanted["underlying_symbols"].split(",") for symbol in sorted(self.chains.get(underlying, ()))
        ]
        page, token = self._page(known, wanted)
        contracts = [
            {"id": f"id of {symbol}", "symbol": symbol, "status": "active", "tradable": True, "type": "call", "size": "100"}
            | ({"open_interest": self.interest[symbol], "open_interest_date": "2026-03-03"} if symbol in self.interest else {})
            for symbol in page
        ]
        return 200, {"option_contracts": contracts, "next_page_token": token}

    def _page(self, entries: list[Any], wanted: dict[str, str]) -> tuple[list[Any], str | None]:
        place = int(wanted.get("page_token", "page 0").removeprefix("page "))
        size = min(self.page_size, int(wanted.get("limit", self.page_size)))
        following = place + size
        if following >= len(entries):
            return entries[place:], "page 0" if self.is_circular else None
        return entries[place:following], f"page {following}"


def bar(opened_at: datetime, close: float, *, spread: float = 0.5, volume: float = 1_000) -> dict[str, Any]:
    """A raw bar around a close."""
    return {
        "t": opened_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "o": close - spread / 2,
        "h": close + spread,
        "l": close - spread,
        "c": close,
        "v": volume,
        "n": 17,
        "vw": close,
    }


def quote(at: datetime, bid: float, ask: float) -> dict[str, Any]:
    """A raw quote, with a time in nanoseconds as Alpaca writes it."""
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
    return {"t": moment, "bx": "V", "bp": bid, "bs": 3, "ax": "V", "ap": ask, "as": 2, "c": ["R"], "z": "B"}


def snapshot(at: datetime, bid: float, ask: float, *, delta: float | None = 0.5, volume: int = 250) -> dict[str, Any]:
    """A raw option snapshot; without Greeks and volatility where ``delta`` is None, as Alpaca does it for what it can't model."""
    entry: dict[str, Any] = {
        "latestQuote": {
            "t": at.astimezone(UTC).isoformat(),
            "bx": "X",
            "bp": bid,
            "bs": 10,
            "ax": "N",
            "ap": ask,
            "as": 12,
            "c": "A",
        },
        "latestTrade": {"t": at.astimezone(UTC).isoformat(), "x": "X", "p": (bid + ask) / 2, "s": 1, "c": "I"},
        "dailyBar": {"t": at.astimezone(UTC).isoformat(), "o": bid, "h": ask, "l": bid, "c": ask, "v": volume, "n": 9, "vw": bid},
    }
    if delta is not None:
        entry["impliedVolatility"] = 0.21
        entry["greeks"] = {"delta": delta, "gamma": 0.02, "theta": -0.12, "vega": 0.31, "rho": 0.05}
    return entry


def _moment(text: str) -> datetime:
    """A moment of a request or a bar; what is none lies in every span."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
