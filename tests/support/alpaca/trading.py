"""The fake's trading half: orders, positions, the account and the stream of trade updates, and what may go wrong with them.

Paths and fields are those of Alpaca's Trading API: ``/v2/orders``, ``/v2/orders:by_client_order_id``, ``/v2/positions``,
``/v2/account`` and the websocket ``/stream``. It records every order that it accepted: a witness outside of Hookfill.
"""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from support.alpaca.book import Order, Positions, matched
from support.alpaca.server import KEY, SECRET, answer, is_authorised
from support.bell import Bell

Events = list[dict[str, Any]]


class Trouble(Enum):
    """What goes wrong with the next order that is sent."""

    HANG_BEFORE = "it is never answered and never taken"
    HANG_AFTER = "it is taken and never answered"
    CUT_AFTER = "it is taken, and the connection ends"
    GATEWAY_BEFORE = "a gateway answers 504, and it was not taken"
    GATEWAY_AFTER = "a gateway answers 504, and it was taken"
    LATE = "a gateway answers 504, and it is taken a little later, when it was looked for in vain"
    AWAY = "503"
    TOO_MANY = "429"
    HTML = "it is taken, and a proxy answers in Alpaca's place"
    HELD = "it is taken, and the answer waits until it is let go"


@dataclass
class FakeTrading:
    """An account at the fake.

    Attributes:
        prices: at what orders are filled, by Alpaca's symbol (``BTC/USD``).
        part: so much of the next order at the market is filled, and no more.
        splits: into how many fills an order at the market falls.
        fills_at_once: false: orders rest until ``fill`` is called.
        coin_fee: what part of bought coins is taken as fee.
        troubles: what happens to the next orders, in order; None lets one pass.
        is_away: every request is answered 503.
        goes_away: it is away from the next order on, which is taken.
        mangle: changes order and number of an order's updates.
        has_stream: false: the stream takes nobody (``break_stream`` also sends away who listens).
        refusals: by symbol: status, code and words with which an order is refused.
        posted: bodies of all orders that were sent, whether they were taken or not.
        accepted: every order that was taken, in order.
        is_blocked: ``trading_blocked`` of the account.
        turned_away: requests that came while it was away.
        refused_logins: how often the stream did not take somebody's keys.
        bell: rings whenever something was asked, answered or told.
    """

    prices: dict[str, Decimal] = field(default_factory=lambda: {"BTC/USD": Decimal(50_000), "SPY": Decimal(500)})
    part: Decimal | None = None
    splits: int = 1
    fills_at_once: bool = True
    coin_fee: Decimal = Decimal(0)
    troubles: deque[Trouble | None] = field(default_factory=deque)
    is_away: bool = False
    goes_away: bool = False
    mangle: Callable[[Events], Events] = list
    has_stream: bool = True
    refusals: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    posted: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[Order] = field(default_factory=list)
    is_blocked: bool = False
    asked: list[str] = field(default_factory=list)
    turned_away: int = 0
    refused_logins: int = 0
    prefixes: Sequence[str] = ("/v2/orders", "/v2/positions", "/v2/account", "/stream")

    def __post_init__(self) -> None:
        self.bell = Bell()
        self.positions = Positions()
        self.cash = Decimal(100_000)
        self.listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._late: dict[str, dict[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._released = threading.Event()
        self._stopping = threading.Event()

    # What tests do and see -----------------------------------------------------------------------------------------------------

    def order(self, client_order_id: str) -> Order | None:
        """The order of an id of ours."""
        return next((one for one in self.accepted if one.client_order_id == client_order_id), None)

    def made(self) -> list[tuple[str, str, Decimal]]:
        """Symbol, side and quantity of all orders that were taken."""
        return [(one.symbol, one.side, one.quantity) for one in self.accepted]

    def fill(self, order: Order, *parts: Decimal, price: Decimal | None = None) -> None:
        """Fill an order in parts (all of what is left, if none are named), and tell of it."""
        events: Events = []
        for part in parts or (order.quantity - order.filled,):
            order.fill(part, price or order.limit or self.prices[order.symbol])
            self.positions.move(order.symbol, part if order.side == "buy" else -part, order.last_price, self.coin_fee)
            self.cash -= (part if order.side == "buy" else -part) * order.last_price
            events.append(order.event("fill" if order.status == "filled" else "partial_fill"))
        if order.status == "filled":
            events += self._end_others(order)
        self.tell(self.mangle(events))

    def end(self, order: Order, status: str) -> None:
        """Cancel, expire or reject an order, and tell of it."""
        order.end(status)
        events = [order.event(status)]
        for leg in order.legs:
            if leg.is_open:
                leg.end("canceled")
                events.append(leg.event("canceled"))
        self.tell(self.mangle(events))

    def tell(self, events: Events) -> None:
        """Send updates to whoever listens."""
        if self._loop is not None:
            for listener in list(self.listeners):
                for event in events:
                    with contextlib.suppress(RuntimeError):
                        self._loop.call_soon_threadsafe(listener.put_nowait, {"stream": "trade_updates", "data": event})

    def break_stream(self) -> None:
        """Send away who listens, and take nobody until ``has_stream`` is true again."""
        self.has_stream = False
        self.bell.ring()

    def release(self) -> None:
        """Let answers go that are held."""
        self._released.set()
        self.bell.ring()

    def begin_anew(self) -> None:
        """An account that has traded nothing and meets no trouble; who listens goes on listening."""
        fresh, kept = FakeTrading(), {"listeners", "bell", "_loop", "_stopping"}
        self.release()
        for name, value in vars(fresh).items():
            if name not in kept:
                setattr(self, name, value)

    def stop(self) -> None:
        """End what hangs."""
        self._stopping.set()
        self.bell.ring()

    # HTTP ----------------------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or stream."""
        self._loop = asyncio.get_running_loop()
        if scope["type"] == "websocket":
            await self._stream(receive, send)
            return
        body = await _body(receive)
        self.asked.append(f"{scope['method']} {scope['path']}")
        self.bell.ring()
        try:
            await self._answer(scope, body, send)
        finally:
            self.bell.ring()

    async def _answer(self, scope: Any, body: bytes, send: Any) -> None:
        if not is_authorised(scope):
            await answer(send, 401, b'{"message": "unauthorized."}')
        elif self.is_away:
            self.turned_away += 1
            await answer(send, 503, b"upstream connect error")
        elif scope["method"] == "POST":
            await self._post(send, json.loads(body))
        else:
            status, told = self._told(scope["method"], scope["path"], scope["query_string"].decode())
            await answer(send, status, b"" if told is None else json.dumps(told).encode())

    async def _post(self, send: Any, body: dict[str, Any]) -> None:
        self.posted.append(body)
        self.bell.ring()
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is Trouble.HANG_BEFORE:
            await self._until(self._stopping)
        elif trouble is Trouble.AWAY:
            await answer(send, 503, b"no healthy upstream")
        elif trouble is Trouble.TOO_MANY:
            await answer(send, 429, b'{"message": "too many requests."}', [(b"retry-after", b"0")])
        elif trouble in (Trouble.GATEWAY_BEFORE, Trouble.LATE):
            if trouble is Trouble.LATE:
                self._late[body["client_order_id"]] = body
            await answer(send, 504, b"<html>gateway time-out</html>")
        else:
            await self._take(send, body, trouble)

    async def _take(self, send: Any, body: dict[str, Any], trouble: Trouble | None) -> None:
        status, told = self.take(body)
        self.is_away = self.is_away or self.goes_away
        self.bell.ring()
        if trouble is Trouble.HANG_AFTER:
            await self._until(self._stopping)
        elif trouble is Trouble.HELD:
            await self._until(self._released)
        elif trouble is Trouble.CUT_AFTER:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        elif trouble is Trouble.GATEWAY_AFTER:
            await answer(send, 504, b"<html>gateway time-out</html>")
            return
        elif trouble is Trouble.HTML:
            await answer(send, 200, b"<html>Just a moment...</html>")
            return
        await answer(send, status, json.dumps(told).encode())

    def take(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Accept an order, or refuse it."""
        symbol, client_order_id = body["symbol"], body["client_order_id"]
        if self.order(client_order_id) is not None:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if symbol in self.refusals:
            status, code, message = self.refusals[symbol]
            return status, {"code": code, "message": message}
        if symbol not in self.prices:
            return 422, {"code": 42210000, "message": f"asset {symbol} not found"}
        order = Order.of(body)
        if order.side == "sell" and "/" in symbol and order.quantity > self.positions.available(symbol, self.accepted):
            return 403, {"code": 40310000, "message": "insufficient balance for coin"}
        self.accepted.append(order)
        told = order.told()
        if self.part is not None:
            self.fill(order, self.part)
            self.part = None
        elif self.fills_at_once and matched(order, self.prices[symbol]):
            part = order.quantity / self.splits
            self.fill(order, *([part] * self.splits))
        else:
            self.tell([order.event("new")])
        return 200, told

    def _told(self, method: str, path: str, query: str) -> tuple[int, Any]:
        wanted = {name: values[-1] for name, values in parse_qs(query).items()}
        if path == "/v2/account":
            return 200, self._account()
        if path == "/v2/positions":
            return 200, self.positions.told(self.prices, self.accepted)
        if path == "/v2/orders":
            return 200, [one.told() for one in reversed(self.accepted)]
        if path == "/v2/orders:by_client_order_id":
            found = self.order(wanted["client_order_id"])
            late = self._late.pop(wanted["client_order_id"], None)
            if found is None and late is not None:
                self.take(late)
            return (404, {"code": 40410000, "message": "order not found"}) if found is None else (200, found.told())
        return self._one(method, path.rpartition("/")[2])

    def _one(self, method: str, order_id: str) -> tuple[int, Any]:
        known = [*self.accepted, *(leg for one in self.accepted for leg in one.legs)]
        found = next((one for one in known if one.order_id == order_id), None)
        if found is None:
            return 404, {"code": 40410000, "message": "order not found"}
        if method == "GET":
            return 200, found.told()
        if not found.is_open:
            return 422, {"code": 42210000, "message": f'order is already in "{found.status}" state'}
        self.end(found, "canceled")
        for sibling in self._siblings(found):
            if sibling.is_open:
                self.end(sibling, "canceled")
        return 204, None

    def _siblings(self, leg: Order) -> list[Order]:
        return next((one.legs for one in self.accepted if leg in one.legs), [])

    def _end_others(self, order: Order) -> Events:
        """A filled entry wakes its legs; a filled leg ends the other."""
        events: Events = []
        for leg in order.legs:
            leg.status = "new"
        for other in self._siblings(order):
            if other is not order and other.is_open:
                other.end("canceled")
                events.append(other.event("canceled"))
        return events

    def _account(self) -> dict[str, Any]:
        equity = self.cash + self.positions.value(self.prices)
        return {
            "id": str(uuid4()),
            "status": "ACTIVE",
            "currency": "USD",
            "cash": str(self.cash),
            "equity": str(equity),
            "last_equity": "100000",
            "trading_blocked": self.is_blocked,
            "account_blocked": False,
        }

    async def _until(self, event: threading.Event) -> None:
        await self.bell.until(lambda: event.is_set() or self._stopping.is_set(), "the end of what hangs", None)

    # The stream ----------------------------------------------------------------------------------------------------------------

    async def _stream(self, receive: Any, send: Any) -> None:
        await receive()
        if not self.has_stream:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        asked = json.loads(_text(await receive()))
        is_known = asked.get("data") == {"key_id": KEY, "secret_key": SECRET}
        status = "authorized" if is_known else "unauthorized"
        await _send(send, {"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
        if not is_known:
            await send({"type": "websocket.close"})
            self.refused_logins += 1
            self.bell.ring()
            return
        listen = json.loads(_text(await receive()))
        await _send(send, {"stream": "listening", "data": listen["data"]})
        await self._keep_telling(receive, send)

    async def _keep_telling(self, receive: Any, send: Any) -> None:
        """Pass updates on until the listener hangs up, or is sent away."""
        updates: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listeners.add(updates)
        self.bell.ring()
        broken = self.bell.until(lambda: not self.has_stream, "the end of the stream", None)
        tasks = [asyncio.create_task(one) for one in (_until_gone(receive), broken, _pass_on(updates, send))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(RuntimeError):  # it has hung up
                await send({"type": "websocket.close"})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.listeners.discard(updates)
            self.bell.ring()


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send(send: Any, told: dict[str, Any]) -> None:
    """As the paper stream does: JSON in binary frames."""
    await send({"type": "websocket.send", "bytes": json.dumps(told).encode()})


async def _pass_on(updates: "asyncio.Queue[dict[str, Any]]", send: Any) -> None:
    while True:
        await _send(send, await updates.get())


def _text(message: dict[str, Any]) -> str:
    found = message.get("text") or message.get("bytes") or b"{}"
    return found if isinstance(found, str) else found.decode()


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
