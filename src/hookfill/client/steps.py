"""A call as a program: a generator that yields what it needs of the world and is sent what came of it.

The programs hold all the logic and never touch a network, a clock or chance, so that they serve the blocking and the awaiting
client alike. The drivers (``drivers``) carry out single steps.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TypeAlias, TypeVar

T = TypeVar("T")


class Repeat(Enum):
    """When a request may be sent once more although an earlier attempt may have arrived."""

    NEVER = "it would be done twice"
    ALWAYS = "once or twice is the same"
    IN_WINDOW = "the server takes the same bytes for one message, for a while"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        url: the whole address.
        secrets: texts of it that must not stand in any error or log; the whole path too if ``is_secret_path``.
        who: what to do when the server does not recognise the sender.
    """

    method: str
    url: str = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    is_secret_path: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Send a request and bring the answer.

    Attributes:
        timeout_seconds: for each of connecting, sending and every part of the answer.
        not_after: the moment of the steady clock after which not a byte of it may be sent.
    """

    request: Request
    timeout_seconds: float
    not_after: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; no seconds at all only asks for the time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """None came.

    Attributes:
        kind: the failure's name; nothing that it says, which may hold an address.
        may_have_arrived: whether the server may have got the request.
    """

    kind: str
    may_have_arrived: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What a step brought.

    Attributes:
        at: the steady clock now, in seconds.
        wall: the wall clock now, UTC.
        outcome: of an exchange.
    """

    at: float
    wall: datetime
    outcome: Answer | NoAnswer | None = None


Step: TypeAlias = Exchange | Pause
Program: TypeAlias = Generator[Step, Reply, T]


def the_time() -> Program[Reply]:
    """Ask for the time."""
    return (yield Pause(0.0))
