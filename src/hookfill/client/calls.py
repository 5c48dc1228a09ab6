"""The client's methods, each written once as a program (see ``steps``) for the blocking and the awaiting client alike."""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import TypeAdapter

from hookfill.client.answers import read_as, read_json, understand
from hookfill.client.config import JSON, Config, base_address
from hookfill.client.drivers import Call, Listing, Page
from hookfill.client.errors import InvalidArgument, NotDecided, NotFound
from hookfill.client.model import (
    Account,
    Candle,
    NewStrategy,
    Order,
    Position,
    Pushed,
    Quote,
    SentAlert,
    Signal,
    SignedAnswer,
    Story,
    Strategy,
)
from hookfill.client.outgoing import AlertBody, alert_bytes, batches, candle_bytes, is_alert_of, zoned
from hookfill.client.retries import send
from hookfill.client.steps import Answer, Pause, Program, Repeat, Request, the_time
from hookfill.kernel import exact_json
from hookfill.kernel.lifecycle import SIGNAL
from hookfill.kernel.times import EARLIEST

T = TypeVar("T")
Id = UUID | str
MOST_CANDLES = 50_000
"""The most that the server takes in one request."""
PAGE = 500
"""How many signals or quotes are asked for at once."""
_NEWEST = 100
"""Among so many an alert's signal is looked for."""
_WAITING = frozenset(status for status in SIGNAL.steps if not SIGNAL.is_terminal(status))


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the candles' door answers; an older one does not tell all."""

    records_added: int
    records_conflicting: int = 0
    records_revised: int = 0


_COUNTS = TypeAdapter(_Counts)
_ACCOUNT, _ACCOUNTS = TypeAdapter(Account), TypeAdapter(list[Account])
_BARS, _CANDLES = TypeAdapter(list[dict[str, Any]]), TypeAdapter(list[Candle])
_QUOTES = TypeAdapter(list[Quote])
_ORDERS, _POSITIONS = TypeAdapter(list[Order]), TypeAdapter(list[Position])
_SIGNAL, _SIGNALS, _STORY = TypeAdapter(Signal), TypeAdapter(list[Signal]), TypeAdapter(Story)
_SIGNED = TypeAdapter(SignedAnswer)
_NOTHING: TypeAdapter[None] = TypeAdapter(None)
_STRATEGY, _STRATEGIES, _NEW_STRATEGY = TypeAdapter(Strategy), TypeAdapter(list[Strategy]), TypeAdapter(NewStrategy)
_WRONG_CANDLES_KEY = (
    "The server refuses the candles key: give candles_key=… with the server's MT5_API_KEY, or an API key of the owner's that has "
    "the scope candles."
)
_WRONG_SIGNATURE = "The server refuses the signature: hmac_secret must be its HMAC_SECRET, to the letter."


class Calls:
    """All that can be asked of a server. ``Client`` and ``AsyncClient`` have every one of these methods.

    Each may raise ``Unauthorized``, ``NotFound`` or ``Refused`` when the server says no, ``Unavailable`` when it can't be asked,
    and ``InvalidArgument`` when a value is unusable, before anything is sent.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    # What is sent --------------------------------------------------------------------------------------------------------------

    @Call
    def push_candles(
        self,
        candles: Iterable[Candle | Mapping[str, Any]],
        *,
        batch: int = 5_000,
        revise: bool = False,
        on_batch: Callable[[Pushed], object] | None = None,
    ) -> Program[Pushed]:
        """Push candles, in batches; each is stored as a whole or not at all. Pushing the same again is safe.

        Args:
            candles: in any order; a mapping has the members that ``Candle`` has. Times need a zone.
            batch: how many at once, up to 50,000.
            revise: the last bar of a symbol, still forming, takes the place of the one that is stored; older ones never do.
            on_batch: called after each batch with the counts so far.

        Raises:
            Refused: a candle can't be used; ``faults`` name each by its place in all of ``candles``. The batches before are stored.
        """
        if not 1 <= batch <= MOST_CANDLES:
            raise InvalidArgument(f"batch must lie between 1 and {MOST_CANDLES}.")
        config, pushed = self._config, Pushed()
        for some in batches(candles, batch):
            request = Request(
                "POST",
                f"{config.base_url}/api/v1/candles",
                candle_bytes(some, revise=revise),
                config.candles_headers(),
                config.secrets,
                who=_WRONG_CANDLES_KEY,
            )
            answer = yield from self._send(request, Repeat.ALWAYS)
            counts = understand(_COUNTS, read_json(answer, request, offset=pushed.sent))
            pushed = Pushed(
                pushed.sent + len(some),
                pushed.added + counts.records_added,
                pushed.conflicting + counts.records_conflicting,
                pushed.revised + counts.records_revised,
            )
            if on_batch is not None:
                on_batch(pushed)
        return pushed

    @Call
    def send_alert(self, webhook_url: str, body: AlertBody) -> Program[SentAlert]:
        """Send an alert to a strategy's webhook URL, as TradingView would. Needs neither token nor key: the URL is the secret.

        The door says "ok" to everybody and everything; ``wait_for_signal`` takes what this returns and tells what became of it.

        The server takes the same bytes within 60 seconds for one alert, so they are sent again while no answer comes, but never
        outside that time. To send an equal alert on purpose soon after, give it an ``id`` of its own.

        Args:
            body: text, bytes, or a mapping that becomes JSON (amounts as Decimal, not float).

        Raises:
            Unavailable: no answer in time; ``may_have_arrived`` says whether the alert may be there.
        """
        url = base_address(webhook_url, "webhook_url")
        content = alert_bytes(body)
        kind = "application/json" if content.lstrip()[:1] in {b"{", b"["} else "text/plain; charset=utf-8"
        secrets = (*self._config.secrets, url.rpartition("/")[2])
        request = Request("POST", url, content, {"content-type": kind}, secrets, is_secret_path=True)
        sent_at = (yield from the_time()).wall
        answer = yield from self._send(request, Repeat.IN_WINDOW)
        read_json(answer, request)
        return SentAlert(content, sent_at)

    @Call
    def send_signed(self, body: AlertBody, hmac_secret: str) -> Program[SignedAnswer]:
        """Send an alert to ``POST /webhook``, signed with the server's HMAC secret; sent again as safely as ``send_alert`` does.

        Args:
            body: has ``symbol``, ``action`` or ``direction``, ``timeframe`` and ``timestamp``.

        Raises:
            Refused: ``faults`` name the fields that can't be used.
        """
        content = alert_bytes(body)
        signature = hmac.digest(hmac_secret.encode(), content, "sha256").hex()
        headers = {"content-type": "application/json", "x-webhook-signature": signature}
        secrets = (*self._config.secrets, hmac_secret) if hmac_secret else self._config.secrets
        request = Request("POST", f"{self._config.base_url}/webhook", content, headers, secrets, who=_WRONG_SIGNATURE)
        answer = yield from self._send(request, Repeat.IN_WINDOW)
        return read_as(_SIGNED, answer, request)

    # What became of it ---------------------------------------------------------------------------------------------------------

    @Call
    def signals(self, *, status: str | None = None, limit: int = 50, offset: int = 0) -> Program[list[Signal]]:
        """One page of signals, newest first; at most 500."""
        return self._get(_SIGNALS, "/api/v1/signals", status=status, limit=limit, offset=offset)

    @Listing
    def iter_signals(self, *, status: str | None = None) -> Program[Page[Signal]]:
        """All signals, newest first, page by page; each once, even while new ones come in. ``status`` should be a final one."""
        return self._signals_page(status, 0, set())

    @Call
    def signal(self, signal_id: Id) -> Program[Signal]:
        """One signal."""
        return self._get(_SIGNAL, f"/api/v1/signals/{_id(signal_id)}")

    @Call
    def story(self, signal_id: Id) -> Program[Story]:
        """Everything that happened to a signal, in order, with figures and times; a message's id is understood too."""
        return self._get(_STORY, f"/api/v1/signals/{_id(signal_id)}/story")

    @Call
    def wait_for_signal(
        self, which: Id | SentAlert, *, timeout_seconds: float = 30.0, poll_seconds: float = 0.25
    ) -> Program[Signal]:
        """Ask again and again until a signal is decided for good, and return it.

        Args:
            which: a signal's id; or what ``send_alert`` returned: the signal is then known by its body, and must not be more than a
                minute older than the sending (this machine's clock must be right). A text alert that holds a secret, which the
                server masks, can't be known by its body.
            timeout_seconds: how long, up to an hour. A signal is decided in milliseconds; one for a broker may take minutes.
            poll_seconds: how long between two looks, at least 0.05.

        Raises:
            NotDecided: it is not decided by then, or not there.
        """
        if not 0 < timeout_seconds <= 3600 or not 0.05 <= poll_seconds <= 60:
            raise InvalidArgument("timeout_seconds must lie between 0 and 3600, poll_seconds between 0.05 and 60.")
        give_up = (yield from the_time()).at + timeout_seconds
        while True:
            found = yield from self._look_for(which)
            if found is not None and found.status not in _WAITING:
                return found
            if found is not None:
                which = found.id
            now = (yield from the_time()).at
            if now >= give_up:
                raise NotDecided(_not_decided(which, found, timeout_seconds))
            yield Pause(min(poll_seconds, give_up - now))

    @Call
    def orders(
        self, *, signal_id: Id | None = None, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> Program[list[Order]]:
        """Orders with their fills, newest first; of one signal if its id is given; at most 500."""
        asked = {"signal_id": None if signal_id is None else _id(signal_id), "status": status}
        return self._get(_ORDERS, "/api/v1/orders", **asked, limit=limit, offset=offset)

    @Call
    def positions(self, *, status: str = "open", limit: int = 50, offset: int = 0) -> Program[list[Position]]:
        """Positions, newest first: ``open`` (those that are closing too), ``closed`` or ``all``; at most 500."""
        return self._get(_POSITIONS, "/api/v1/positions", status=status, limit=limit, offset=offset)

    @Call
    def account(self, account_id: Id | None = None) -> Program[Account]:
        """One account's figures, limits and halts; the default account's without an id."""
        return self._get(_ACCOUNT, "/api/v1/account", account_id=None if account_id is None else _id(account_id))

    @Call
    def accounts(self) -> Program[list[Account]]:
        """All accounts, the default one first."""
        return self._get(_ACCOUNTS, "/api/v1/accounts")

    # Market data ---------------------------------------------------------------------------------------------------------------

    @Listing
    def candles(
        self, symbol: str, timeframe: str, from_: datetime | None = None, to: datetime | None = None, *, page: int = 5_000
    ) -> Program[Page[Candle]]:
        """Candles, ascending, page by page, made of a smaller timeframe where this one is not stored; named as they were asked for.

        Args:
            timeframe: M1 M5 M15 M30 H1 H4 D1 W1 MN1, or 1m, 5, 60, 1h, 1D ….
            from_: bars that open then or later; None: from the first one on.
            to: bars that open before; None: up to the newest, which may still be forming.
            page: how many bars are asked for at once, up to 50,000.
        """
        if not 1 <= page <= MOST_CANDLES:
            raise InvalidArgument(f"page must lie between 1 and {MOST_CANDLES}.")
        asked = {"from": zoned(EARLIEST if from_ is None else from_), "to": None if to is None else zoned(to), "limit": page}
        return self._candles_page({"symbol": symbol, "timeframe": timeframe, **asked})

    @Call
    def latest_candles(self, symbol: str, timeframe: str, *, limit: int = 500, to: datetime | None = None) -> Program[list[Candle]]:
        """The newest candles (before ``to``), ascending; at most 50,000."""
        asked = {"to": None if to is None else zoned(to), "limit": limit}
        page = yield from self._candles_page({"symbol": symbol, "timeframe": timeframe, **asked})
        return list(page.items)

    @Listing
    def quotes(self, symbols: Sequence[str] | None = None) -> Program[Page[Quote]]:
        """The last prices in order of symbol; of all symbols, or of these. One without any price is left out."""
        return self._quotes_page(None if symbols is None else ",".join(symbols), None)

    # Strategies ----------------------------------------------------------------------------------------------------------------

    @Call
    def strategies(self, *, limit: int = 50, offset: int = 0) -> Program[list[Strategy]]:
        """Strategies with their signal counts, newest first; at most 500."""
        return self._get(_STRATEGIES, "/api/v1/strategies", limit=limit, offset=offset)

    @Call
    def strategy(self, strategy_id: Id) -> Program[Strategy]:
        """One strategy."""
        return self._get(_STRATEGY, f"/api/v1/strategies/{_id(strategy_id)}")

    @Call
    def create_strategy(self, name: str, /, **values: Any) -> Program[NewStrategy]:
        """Make a strategy; its webhook URL, the secret that alerts are sent to, is told only this once. Never tried again.

        Args:
            values: ``broker_connection_id``, ``risk_override_pct``, ``allowed_pairs``, ``engine``, ``is_enabled``, ``settings``, as
                ``POST /api/v1/strategies`` describes them.

        Raises:
            Unavailable: with ``may_have_arrived`` the strategy may have been made: look at ``strategies``.
        """
        return self._change(_NEW_STRATEGY, "POST", "/api/v1/strategies", {"name": name, **values})

    @Call
    def change_strategy(self, strategy_id: Id, /, **values: Any) -> Program[Strategy]:
        """Change what is given, leave the rest; None clears an override. Never tried again."""
        return self._change(_STRATEGY, "PATCH", f"/api/v1/strategies/{_id(strategy_id)}", values)

    @Call
    def delete_strategy(self, strategy_id: Id) -> Program[None]:
        """Delete a strategy with its signals; orders, fills and positions stay. Never tried again."""
        return self._change(_NOTHING, "DELETE", f"/api/v1/strategies/{_id(strategy_id)}", None)

    # How ----------------------------------------------------------------------------------------------------------------------

    def _send(self, request: Request, repeat: Repeat) -> Program[Answer]:
        config = self._config
        return send(request, repeat, config.timeout_seconds, config.retries, config.chance)

    def _question(self, path: str, asked: Mapping[str, object]) -> Request:
        given = {name: value for name, value in asked.items() if value is not None}
        config = self._config
        url = f"{config.base_url}{path}{'?' if given else ''}{urlencode(given)}"
        return Request("GET", url, None, config.user_headers(), config.secrets)

    def _get(self, kind: TypeAdapter[T], path: str, **asked: object) -> Program[T]:
        request = self._question(path, asked)
        answer = yield from self._send(request, Repeat.ALWAYS)
        return read_as(kind, answer, request)

    def _change(self, kind: TypeAdapter[T], method: str, path: str, values: Mapping[str, Any] | None) -> Program[T]:
        config = self._config
        content = None if values is None else exact_json.dumps(values)
        headers = config.user_headers() | ({} if content is None else dict(JSON))
        request = Request(method, config.base_url + path, content, headers, config.secrets)
        answer = yield from self._send(request, Repeat.NEVER)
        return read_as(kind, answer, request)

    def _candles_page(self, asked: Mapping[str, object]) -> Program[Page[Candle]]:
        request = self._question("/api/v1/candles", asked)
        answer = yield from self._send(request, Repeat.ALWAYS)
        names = {"symbol": asked["symbol"], "timeframe": asked["timeframe"]}
        found = understand(_CANDLES, [names | bar for bar in understand(_BARS, read_json(answer, request))])
        cursor = answer.headers.get("x-next-cursor")
        return Page(found, None if cursor is None else self._candles_page({**asked, "cursor": cursor}))

    def _quotes_page(self, symbols: str | None, after: str | None) -> Program[Page[Quote]]:
        found = yield from self._get(_QUOTES, "/api/v1/quotes", symbols=symbols, after=after, limit=PAGE)
        return Page(found, None if len(found) < PAGE else self._quotes_page(symbols, found[-1].symbol))

    def _signals_page(self, status: str | None, offset: int, seen: set[UUID]) -> Program[Page[Signal]]:
        """The next page. Signals that came in meanwhile have pushed some of the last one into it: those were told already."""
        found = yield from self._get(_SIGNALS, "/api/v1/signals", status=status, limit=PAGE, offset=offset)
        new = [signal for signal in found if signal.id not in seen]
        seen.update(signal.id for signal in new)
        is_last = len(found) < PAGE
        return Page(new, None if is_last else self._signals_page(status, offset + PAGE, seen))

    def _look_for(self, which: Id | SentAlert) -> Program[Signal | None]:
        """The signal if it is there: while the server keeps messages in its spool, it is not."""
        if isinstance(which, SentAlert):
            newest = yield from self._get(_SIGNALS, "/api/v1/signals", limit=_NEWEST)
            return next((signal for signal in newest if is_alert_of(signal, which)), None)
        try:
            return (yield from self._get(_SIGNAL, f"/api/v1/signals/{_id(which)}"))
        except NotFound:
            return None


def _id(value: Id) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        raise InvalidArgument("An id is a UUID such as 019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10.") from None


def _not_decided(which: Id | SentAlert, found: Signal | None, seconds: float) -> str:
    if found is not None:
        return f"The signal {found.id} is still {found.status} after {seconds:g} s: wait on, or look at its story."
    if isinstance(which, SentAlert):
        return (
            f"No signal of this alert is there after {seconds:g} s: check the webhook URL, that the token is its owner's, and this "
            "machine's clock; `hookfill messages` shows what came in."
        )
    return f"There is no signal {which} among yours after {seconds:g} s: check the id and the token."
