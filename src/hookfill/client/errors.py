"""What goes wrong between a program and the server. Every text says what to do; none ever holds a secret."""

from dataclasses import dataclass

from hookfill.kernel.errors import HookfillError

Place = tuple[str | int, ...]


class ClientError(HookfillError):
    """Base of everything that the client raises."""


class InvalidArgument(ClientError, ValueError):
    """A value that was given can't be used; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what was sent.

    Attributes:
        place: where, from the outside in: ``("candles", 7, "open")``; candles are counted over the whole of what was pushed.
        text: what is wrong, and what to send.
    """

    place: Place
    text: str

    def __str__(self) -> str:
        """``candles.7.open: …``."""
        return f"{'.'.join(map(str, self.place))}: {self.text}"


class Refused(ClientError):
    """The server refused a call; the same again will be refused again.

    Attributes:
        status: the HTTP status code.
        faults: each field that can't be used.
    """

    def __init__(self, text: str, status: int, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.faults = faults


class Unauthorized(Refused):
    """The server does not recognise the token, the key or the signature."""


class NotFound(Refused):
    """There is nothing of that id among the caller's own."""


class Unavailable(ClientError):
    """The server does not answer, has trouble of its own, or something else answers in its place.

    Attributes:
        may_have_arrived: whether the server may have done what was asked. Only an attempt that surely did not reach it says no.
        retry_after_seconds: how long the server asked to be left alone.
    """

    def __init__(self, text: str, *, may_have_arrived: bool = True, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.may_have_arrived = may_have_arrived
        self.retry_after_seconds = retry_after_seconds


class NotDecided(ClientError):
    """A signal was waited for and is not decided yet, or not there; waiting on is possible."""
