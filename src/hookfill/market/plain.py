"""Finds the batches that PostgreSQL can take apart and judge itself, from a glance at their bytes (pure).

Reading thousands of bars in Python costs more than storing them, so a batch that looks as most do goes to the database as it came
(``store_plain`` in ``market.store``). Whatever is unusual, and every batch with a fault, takes the long way through strict JSON and
``market.ingest``, which names the fault. Both ways accept and store the same; the short one only accepts less.

PostgreSQL's JSON functions take the last of several equal keys, ignore unknown ones, and read a number out of text. None of that
can hide in a batch: each of its texts stands between two quotation marks, so their number shows whether there are others than the
keys and values that a batch of so many bars must have. That sum is made in the statement, which knows how many bars there are.
"""

import re
from dataclasses import dataclass

from hookfill.market.ingest import MOST_CANDLES

_SPACE = rb"[ \t\r\n]*"
_REVISE = rb'"revise"' + _SPACE + rb":" + _SPACE + rb"(true|false)" + _SPACE
_HEAD = re.compile(
    _SPACE + rb"\{" + _SPACE + rb"(?:" + _REVISE + rb"," + _SPACE + rb')?"candles"' + _SPACE + rb":" + _SPACE + rb"(?=\[)"
)
_TAIL = re.compile(rb"\]" + _SPACE + rb"(?:," + _SPACE + _REVISE + rb")?\}" + _SPACE)
_UNUSUAL = (b"\\", b"e+", b"E+", b"e-0", b"E-0", b"e0", b"E0")
"""Escapes, by which a key can be written in two ways; exponents with signs or zeros in front, whose length strict JSON bounds."""


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """A batch as it came.

    Attributes:
        candles: the JSON array.
        marks: how many quotation marks stand in it.
        entries: how many objects stand in it, all side by side.
        revise: whether the sender revises the last bars.
    """

    candles: memoryview
    marks: int
    entries: int
    revise: bool


def plain_batch(body: bytes) -> PlainBatch | None:
    """The batch in a request's body, if it can go the short way; None says nothing about whether it is sound."""
    head = _HEAD.match(body)
    end = body.rfind(b"]")
    tail = _TAIL.fullmatch(body, end) if end >= 0 else None
    if head is None or tail is None or (head[1] and tail[1]):
        return None
    begin = head.end()
    entries = body.count(b"{", begin)
    if not 0 < entries <= MOST_CANDLES or body.count(b"[") != 1 or any(mark in body for mark in _UNUSUAL):
        return None
    revise = b"true" in (head[1], tail[1])
    return PlainBatch(memoryview(body)[begin : end + 1], body.count(b'"', begin, end), entries, revise)
