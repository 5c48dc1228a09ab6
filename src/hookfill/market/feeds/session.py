"""An HTTP session for clients that set no bounds of their own: time-outs, sizes, retries and a rate, all bounded.

Alpaca's client library sets no time-out, waits a fixed time before it tries again whatever the answer says, and sends a POST again
that may have been carried out. This session takes the place of the library's own (docs/decisions/0014): whatever goes through it
ends, in a bounded time, with an answer or an error. It blocks, so it is used from threads (``in_thread``).
"""

import asyncio
import io
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
import urllib3

from hookfill.kernel.errors import HookfillError

T = TypeVar("T")

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same question may be answered otherwise."""
_CHUNK = 64 * 1024


class GaveUp(HookfillError):
    """No answer within the bounds; whether the other side did something about the request is not known."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take.

    Attributes:
        connect_seconds, read_seconds: for a connection, and for the next bytes of an answer.
        answer_seconds: for a whole answer: bytes that drip in one by one must not hold us forever.
        all_seconds: for all tries of a request together, waiting included.
        question_seconds: for all requests of one question, however many pages its answer has.
        most_bytes: of an answer, unpacked.
        tries: of a GET whose answer is transient or does not come; anything else is sent once.
        first_wait_seconds, longest_wait_seconds: before a second try, doubling; a longer wait that the answer asks for ends it.
        per_minute: requests, of which a tenth may come at once; None: any number.
    """

    connect_seconds: float = 3.05
    read_seconds: float = 5.0
    answer_seconds: float = 20.0
    all_seconds: float = 60.0
    question_seconds: float = 180.0
    most_bytes: int = 32 * 1024 * 1024
    tries: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    per_minute: int | None = None


@dataclass(slots=True)
class Pace:
    """So many requests a minute; whoever was idle may make a tenth of them at once."""

    per_minute: int | None
    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, now: float) -> float:
        """Take the next turn; how many seconds from ``now`` it is away."""
        if self.per_minute is None:
            return 0.0
        step = 60.0 / self.per_minute
        with self._lock:
            self._free_at = max(self._free_at, now - step * max(1, self.per_minute // 10)) + step
            return max(0.0, self._free_at - now)


class BoundedSession(requests.Session):
    """A session that keeps its limits."""

    def __init__(
        self,
        limits: Limits,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is connected yet.

        Args:
            pace: shared with other sessions; None: the limits' own.
            clock: seconds that never go back.
            chance: from 0 to 1, spreads the waits so that many clients do not come again at once.
        """
        super().__init__()
        self._limits = limits
        self._clock = clock
        self._chance = chance
        self._pace = pace or Pace(limits.per_minute)
        self._closing = threading.Event()

    def close(self) -> None:
        """End whatever waits, and all connections."""
        self._closing.set()
        super().close()

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> requests.Response:  # type: ignore[override]  # fewer named
        """Send a request and read its answer.

        Raises:
            GaveUp: no answer within the limits, or the session is closed.
        """
        give_up_at = self._clock() + self._limits.all_seconds
        tries = self._limits.tries if str(method).upper() == "GET" else 1
        for attempt in range(1, tries + 1):
            self._wait(self._pace.take(self._clock()), give_up_at)
            try:
                response = self._once(method, url, options)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == tries:
                    raise GaveUp(f"{_named(error)} ({tries} tries)") from error
                self._wait(self._backoff(attempt), give_up_at)
                continue
            if response.status_code not in TRANSIENT or attempt == tries:
                return response
            self._wait(max(self._backoff(attempt), _asked_wait(response)), give_up_at)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str | bytes, url: str | bytes, options: dict[str, Any]) -> requests.Response:
        end = self._clock() + self._limits.answer_seconds
        bounds = (self._limits.connect_seconds, self._limits.read_seconds)
        with super().request(method, url, **{**options, "timeout": bounds, "stream": True}) as response:
            body = bytearray()
            while chunk := response.raw.read1(_CHUNK, decode_content=True):  # what is there already; read would wait for more
                body += chunk
                if len(body) > self._limits.most_bytes:
                    raise requests.exceptions.ContentDecodingError(f"more than {self._limits.most_bytes} bytes")
                if self._clock() > end:
                    raise requests.exceptions.ReadTimeout(f"no whole answer within {self._limits.answer_seconds:g} s")
        response.raw = io.BytesIO(bytes(body))  # read from now on from memory, by whatever means
        return response

    def _backoff(self, attempt: int) -> float:
        longest = min(self._limits.first_wait_seconds * 2.0 ** (attempt - 1), self._limits.longest_wait_seconds)
        spread: float = 0.5 + self._chance() / 2
        return longest * spread

    def _wait(self, seconds: float, give_up_at: float) -> None:
        if self._clock() + seconds > give_up_at:
            raise GaveUp(f"it would have to be waited for {seconds:.0f} s more, longer than {self._limits.all_seconds:g} s in all")
        if self._closing.wait(seconds) if seconds > 0 else self._closing.is_set():
            raise GaveUp("the session is closed")


async def in_thread(call: Callable[[], T], seconds: float) -> T:
    """Run what blocks in a thread that does not hold up the end of the process.

    Raises:
        GaveUp: it took longer than ``seconds``; the thread ends when it may.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.done():  # nobody waits for it any more
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # the result, since there is no error

    def work() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(tell, result, failure)
        except RuntimeError:  # the loop is closed: the process ends
            return

    threading.Thread(target=work, name="feed", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError:
        raise GaveUp(f"no end within {seconds:g} s") from None


def _asked_wait(response: requests.Response) -> float:
    """How many seconds the answer asks to wait; 0: it does not say."""
    asked = response.headers.get("retry-after", "")
    if asked.strip().isdigit():
        return float(asked[:9])
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time()) if asked else _until_reset(response)
    except ValueError:
        return 0.0


def _until_reset(response: requests.Response) -> float:
    """Alpaca tells with an answer that came too often when the count begins anew, in Unix seconds."""
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.status_code != 429 or not reset.isdigit():
        return 0.0
    return max(0.0, float(reset[:12]) - time.time())


def _named(error: BaseException) -> str:
    """What happened, without the address, which is long and says nothing."""
    name = type(error).__name__
    known = {"ReadTimeout": "no answer in time", "ReadTimeoutError": "no answer in time", "ConnectTimeout": "no connection in time"}
    return known.get(name, f"{name}: {str(error)[:200]}")
