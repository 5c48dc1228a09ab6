"""Heads that came before: an alert is taken as the parser would take it, whatever came on the server's connections until then."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from hookfill.app import web_config
from hookfill.edge.direct import DoorProtocol
from hookfill.edge.heads import LONGEST, MOST, Heads
from hookfill.edge.http import Answer, Receive, Request, Scope, Send
from hookfill.edge.intake import AlertDoor
from hookfill.edge.outbox import Outbox
from hookfill.edge.router import Router
from support.http import PREFIX

SIGNED = "/webhook"
STRATEGY = PREFIX + "a" * 43
SIGNATURES = ("ab" * 32, "0123456789abcdef" * 4, "sha256=" + "CD" * 32)
DOOR = AlertDoor(lambda *_: None)


class Forgetful(Heads):
    """Remembers nothing, so that the parser reads all."""

    def find(self, data: bytes) -> None:
        """Never there."""


@dataclass
class Door:
    """In the router's place: notes what it is handed and answers at once."""

    heads: Heads
    outbox: Outbox = field(default_factory=Outbox)
    noted: list[tuple[object, ...]] = field(default_factory=list)

    def open(self, _door: AlertDoor, request: Request, answer: Answer) -> None:
        """An alert that came the short way; its answer takes a moment."""
        self.noted.append(("alert", request.path, request.headers, request.body, str(request.refusal), request.kept))
        asyncio.get_running_loop().call_soon(answer, 200, b"{}", ())

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Everything else."""
        self.noted.append(("request", scope["path"], scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Socket(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, sender: int) -> None:
        super().__init__({"peername": (f"127.0.0.{sender}", 5), "sockname": ("127.0.0.1", 6)})
        self.written = b""
        self._is_closing = False

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def _converse(
    heads: Heads, conversations: Sequence[Sequence[bytes]], *, is_patient: bool = True
) -> tuple[list[tuple[object, ...]], list[bytes]]:
    """What a server with these heads makes of pieces on one connection after the other: what its doors see, and what it answers.

    Patient senders wait for an answer before they send the next piece.
    """
    door, answered = Door(heads), []
    config = web_config(cast("Router", door))
    config.load()
    for sender, pieces in enumerate(conversations, 1):
        socket = Socket(sender)
        protocol: Any = DoorProtocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(socket)
        for piece in pieces:
            if not socket.is_closing():
                protocol.data_received(piece)
            await _let_answer(3 * is_patient)
        await _let_answer(3 * len(pieces))
        protocol.connection_lost(None)
        await _let_answer(3)
        answered.append(socket.written)
    return door.noted, answered


async def _let_answer(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def alert(path: str, body: bytes, *lines: str) -> bytes:
    """An alert; among its lines is no length."""
    head = [f"POST {path} HTTP/1.1", "Host: hookfill", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


LINES = st.lists(
    st.sampled_from(
        [
            "Content-Type: application/json",
            "User-Agent: TradingView",
            "Connection: close",
            "Connection: keep-alive",
            "Connection: upgrade",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            " folded",
            "X-Webhook-Signature:",
            "X-Webhook-Signature: ",
            *(f"X-Webhook-Signature: {signature}" for signature in SIGNATURES),
            *(f"x-webhook-signature: {signature}" for signature in SIGNATURES),
            f"X-WEBHOOK-SIGNATURE:  {SIGNATURES[0]} ",
            f"X-Note: X-Webhook-Signature: {SIGNATURES[0]}",
        ]
    ),
    max_size=3,
)
ALERTS = st.builds(
    lambda path, body, lines: alert(path, body, *lines),
    st.sampled_from([SIGNED, STRATEGY, STRATEGY + "?a=1", "/elsewhere"]),
    st.sampled_from([b"", b"buy", b"buy EURUSD", b"\r\n\r\n", b"a\r\n\r\nbuy", b"{}"]),
    LINES,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[list[bytes]]:
    """Connections on which some of a few alerts come: mostly one in each piece, or together, or cut anywhere."""
    pool = draw(st.lists(ALERTS, min_size=1, max_size=3))
    found = []
    for alerts in draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=5), min_size=1, max_size=4)):
        pieces = alerts
        if draw(st.integers(0, 3)) == 0:
            whole = b"".join(alerts)
            cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
            pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if end > start]
        found.append(pieces)
    return found


PLAIN = alert(STRATEGY, b"buy")
AROUND = alert(STRATEGY, PLAIN)
UPGRADE = alert(STRATEGY, b"buy", "Connection: upgrade", "Upgrade: websocket")


@given(conversations(), st.booleans())
@example([[alert(SIGNED, b"{}", f"X-Webhook-Signature: {signature}") for signature in (*SIGNATURES, "", *SIGNATURES)]], True)
@example([[alert(STRATEGY, b"\r\n\r\n"), alert(STRATEGY, b"buy!"), b"\r\n" + alert(STRATEGY, b"buy!")]], True)
@example([[PLAIN, AROUND.removesuffix(PLAIN), PLAIN, PLAIN]], True)
@example([[b"\r\n\r\n" + PLAIN, b"\r\n\r\nbuy", PLAIN]], True)
@example([[PLAIN, b"POST /elsewhere HTTP/1.1\r\nHost: hookfill\r\nX-Note: ", PLAIN]], True)
@example([[PLAIN], [UPGRADE, UPGRADE], [UPGRADE, PLAIN]], True)
@example([[PLAIN] * 4, [PLAIN] * 3], False)
def test_known_heads_change_nothing_but_the_time(conversation: list[list[bytes]], is_patient: bool) -> None:
    as_parsed = asyncio.run(_converse(Forgetful(), conversation, is_patient=is_patient))
    assert asyncio.run(_converse(Heads(), conversation, is_patient=is_patient)) == as_parsed


def test_an_alert_with_a_known_head_is_found_with_its_own_body_and_signature() -> None:
    heads = Heads()
    sent = [alert(SIGNED, body, f"X-Webhook-Signature: {sign}") for body, sign in zip((b"ab", b"cd"), SIGNATURES, strict=False)]
    assert heads.find(sent[0]) is None
    noted, _ = asyncio.run(_converse(heads, [sent[:1]]))
    known = heads.find(sent[1])
    assert known is not None
    assert (known[0].path, known[2]) == (SIGNED, b"cd")
    assert known[1] == {b"host": b"hookfill", b"content-length": b"2", b"x-webhook-signature": SIGNATURES[1].encode()}
    assert noted[0][2] != known[1]
    assert heads.find(sent[1] + b"x") is None
    assert heads.find(sent[1][:-1]) is None
    assert heads.find(alert(SIGNED, b"cd", "X-Webhook-Signature: ")) is None


def test_only_so_many_heads_of_some_length_are_remembered() -> None:
    heads = Heads()

    def remember(number: int, filler: int = 0) -> bytes:
        name, value = b"x-number", b"%d" % number + b"0" * filler
        data = alert(STRATEGY, b"buy", f"X-Number: {value.decode()}")
        heads.remember(data, DOOR, STRATEGY, [(name, value)], b"buy")
        return data

    assert heads.find(remember(0, LONGEST)) is None
    sent = [remember(number) for number in range(MOST)]
    assert all(heads.find(data) is not None for data in sent)
    last = remember(MOST)
    assert (heads.find(sent[0]) is None, heads.find(last) is None) == (True, False)
