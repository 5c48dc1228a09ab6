"""The heads of plain alerts that came before, so that the next alert with the same head need not be parsed.

Whoever sends many alerts sends most of them with the same request line and headers. What these bytes mean depends on nothing else,
and the parser has said it once: from then on, finding the end of the head is all there is to do. A head is remembered with the
parser's reading of it, never with one of our own. Of a signed alert the signature differs each time: it is cut out.
"""

import re
from dataclasses import dataclass

from hookfill.edge.intake import AlertDoor
from hookfill.edge.signed import SIGNATURE_HEADER

MOST = 512
"""So many heads are remembered, then all are forgotten: who sends a new one each time must not fill the memory."""
LONGEST = 2_048
"""Of a head that is remembered, in bytes."""
_END = b"\r\n\r\n"
_SIGNATURE = re.compile(rb"\r\n[Xx]-[Ww]ebhook-[Ss]ignature: ((?:sha256=)?[0-9A-Fa-f]{64})\r\n")
_CUT = b"\x00"
"""Stands in the place of a signature: no head that the parser has let pass holds it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the parser made of the bytes in front of a plain alert's body; the connection stays open after it.

    Attributes:
        headers: names in lower case; of a signed alert without the signature. Shared: never written to.
        length: of the body, in bytes.
    """

    door: AlertDoor
    path: str
    headers: dict[bytes, bytes]
    length: int


class Heads:
    """All heads that a server remembers."""

    def __init__(self) -> None:
        """None yet."""
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, dict[bytes, bytes], bytes] | None:
        """The head of one whole request, its headers and its body; None if the parser has to read it.

        Args:
            data: what came on a connection whose last request is complete.
        """
        end = data.find(_END) + len(_END)
        key, signature = _key(data[:end])
        head = self._known.get(key)
        if head is None or len(data) != end + head.length:
            return None
        return head, head.headers if signature is None else {**head.headers, SIGNATURE_HEADER: signature}, data[end:]

    def remember(self, data: bytes, door: AlertDoor, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Remember the head of a request that came in one piece, as the parser has read it.

        Args:
            data: the piece.
            headers: all of them as they came, names in lower case.
            body: the request's.
        """
        end = data.find(_END) + len(_END)
        if end > LONGEST or data[end:] != body:
            return  # a piece with more than one request, or of one that began before
        key, signature = _key(data[:end])
        signatures = [value for name, value in headers if name == SIGNATURE_HEADER]
        if signatures != ([] if signature is None else [signature]):
            return  # one that is written in another way stays the parser's
        if len(self._known) >= MOST:
            self._known.clear()
        kept = {name: value for name, value in headers if name != SIGNATURE_HEADER}
        self._known[key] = Head(door, path, kept, len(body))


def _key(head: bytes) -> tuple[bytes, bytes | None]:
    """What a head is remembered by, and its signature, if it has one."""
    match = _SIGNATURE.search(head)
    if match is None:
        return head, None
    return head[: match.start(1)] + _CUT + head[match.end(1) :], match[1]
