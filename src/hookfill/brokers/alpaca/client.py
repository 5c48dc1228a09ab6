"""The broker port on Alpaca's trading API, through alpaca-py within our bounds.

alpaca-py sets no time-outs and sends a POST again by itself after 429 and 504. Its session is replaced by one that keeps bounds and
sends what changes something once (docs/decisions/0014); every way in which a call can fail says whether something may have been
done. Its calls block, so they run in threads, and it is imported when the first account needs it: it brings pandas along.
"""

import contextlib
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from hookfill.brokers.alpaca.answers import failure_of, is_missing
from hookfill.brokers.alpaca.instruct import fields_of
from hookfill.brokers.alpaca.model import Unreadable, funds_from, holding_from, order_from
from hookfill.brokers.port import Ask, Funds, Holding, OrderState, Refused, Unknown
from hookfill.market.feeds.session import BoundedSession, GaveUp, Limits, in_thread

LIMITS = Limits(
    read_seconds=10.0,
    answer_seconds=15.0,
    all_seconds=20.0,
    most_bytes=4 * 1024 * 1024,
    tries=2,
    first_wait_seconds=0.25,
    longest_wait_seconds=5.0,
    per_minute=190,
)
"""Of one account: Alpaca allows each 200 requests a minute, and an entry is worth no more than twenty seconds of waiting."""
CALL_SECONDS = 30.0
"""For a call in all, the loading of the library included."""
MOST_RECENT = 500
"""The most orders that Alpaca tells at once."""
NO_PATH = "Alpaca knows no such path: check ALPACA_PAPER_URL and ALPACA_LIVE_URL."
T = TypeVar("T")
Read = Callable[[object], T]
_LOADING = threading.Lock()


class _Missing(Exception):
    """404."""


class Alpaca:
    """One account at Alpaca (a ``brokers.port.Broker``)."""

    def __init__(self, key: str, secret: str, url: str) -> None:
        """Trade through ``url`` (https://paper-api.alpaca.markets or https://api.alpaca.markets); nothing is asked yet."""
        self._key, self._secret, self._url = key, secret, url.rstrip("/")
        self._rest: Any = None

    async def submit(self, ask: Ask) -> OrderState:
        """Make an order, once.

        Raises:
            Unknown, NotNow, Refused, KnownAlready: as they say.
        """
        try:
            return await self._call("POST", "/orders", order_from, fields_of(ask))
        except _Missing:
            raise Refused(NO_PATH) from None

    async def look(self, client_order_id: str) -> OrderState | None:
        """The order of this id with its legs; None when there is none now."""
        try:
            return await self._call("GET", "/orders:by_client_order_id", order_from, {"client_order_id": client_order_id})
        except _Missing:
            return None

    async def look_with_legs(self, broker_order_id: str) -> OrderState | None:
        """An order of Alpaca's own id with the orders that guard what it opened; None when there is none."""
        try:
            return await self._call("GET", f"/orders/{quote(broker_order_id, safe='')}", order_from, {"nested": "true"})
        except _Missing:
            return None

    async def recent(self) -> Sequence[OrderState]:
        """The newest orders, whoever made them."""
        return await self._told(
            "/orders", lambda told: tuple(order_from(one) for one in _list(told)), {"status": "all", "limit": MOST_RECENT}
        )

    async def cancel(self, broker_order_id: str) -> None:
        """Ask to end an order. One that is over, or not there, stays as it is."""
        with contextlib.suppress(_Missing, Refused):  # 422: it is not cancelable any more
            await self._call("DELETE", f"/orders/{quote(broker_order_id, safe='')}", lambda told: told)

    async def positions(self) -> Sequence[Holding]:
        """All positions of the account."""
        return await self._told("/positions", lambda told: tuple(holding_from(one) for one in _list(told)))

    async def funds(self) -> Funds:
        """What the account is worth."""
        return await self._told("/account", funds_from)

    async def _told(self, path: str, read: Read[T], parameters: Mapping[str, Any] | None = None) -> T:
        try:
            return await self._call("GET", path, read, parameters)
        except _Missing:
            raise Refused(NO_PATH) from None

    async def _call(self, method: str, path: str, read: Read[T], data: Mapping[str, Any] | None = None) -> T:
        """One call; a question is asked again within the bounds, what changes something is sent once."""
        try:
            return read(await in_thread(lambda: self._send(method, path, dict(data or {})), CALL_SECONDS))
        except GaveUp as error:
            raise Unknown(f"Alpaca did not answer: {error}") from None
        except Unreadable as error:
            raise Unknown(str(error)) from error

    def _send(self, method: str, path: str, data: dict[str, Any]) -> object:
        """The call itself, in a thread."""
        with _LOADING:
            if self._rest is None:
                self._rest = _new_rest(self._key, self._secret, self._url)
        from alpaca.common.exceptions import APIError  # noqa: PLC0415 - loaded by now

        try:
            return {"GET": self._rest.get, "POST": self._rest.post, "DELETE": self._rest.delete}[method](path, data)
        except APIError as error:
            response = error.response
            if is_missing(response.status_code):
                raise _Missing from None
            raise failure_of(response.status_code, response.text, response.headers) from None
        except (ValueError, RecursionError):
            raise Unknown("Alpaca sent something that is no JSON.") from None


def _new_rest(key: str, secret: str, url: str) -> Any:
    """alpaca-py's trading client on a session of ours, without retries of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports the old half of websockets, which is not used here
        from alpaca.trading.client import TradingClient  # noqa: PLC0415 - brings pandas along

    rest = TradingClient(key, secret, url_override=url, raw_data=True)
    assert hasattr(rest, "_session"), "another release of alpaca-py keeps its session elsewhere"
    assert isinstance(rest._retry, int), "another release of alpaca-py counts its retries elsewhere"  # noqa: SLF001 - see above
    rest._session.close()  # noqa: SLF001
    rest._session, rest._retry = BoundedSession(LIMITS), 0  # noqa: SLF001
    return rest


def _list(told: object) -> list[Any]:
    if not isinstance(told, list):
        raise Unreadable("Alpaca sent something else than a list: see its status page, and look again.")
    return told
