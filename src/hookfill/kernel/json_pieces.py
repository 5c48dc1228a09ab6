"""Strict JSON piece by piece: a large object is read without ever being held as a whole, neither as text nor as values.

What is read is what ``strict_json.loads`` would read. Only the order in which faults are found differs, and that nothing but the
one list that the reader asked for may be long.
"""

import codecs
import json
import re
from collections.abc import Callable
from typing import Any

from hookfill.kernel.strict_json import MAX_DEPTH, RefusedValueError, StrictJsonError, refused_value, scan, syntax_error

MOST_CHARACTERS = 65_536
"""How long an entry of the list may be, and all that stands beside the list together."""
_WINDOW = 262_144
_SPACE = re.compile(r"[ \t\n\r]*")
_BOM = "\ufeff"


def read_object(body: bytes, name: str, take: Callable[[Any], None]) -> object:
    """Read one JSON document; an object's list called ``name`` is handed over entry by entry.

    Args:
        body: UTF-8; a byte order mark is tolerated.
        name: the list's.
        take: is given each of its entries, in order.

    Returns:
        The document, with that list emptied; whatever else it is, as ``loads`` would return it.

    Raises:
        StrictJsonError: as ``loads`` raises it; or something in it is longer than ``MOST_CHARACTERS``. Entries may have been
            handed over before.
    """
    source = _Source(body)
    if not source.peek():
        raise StrictJsonError("The body is empty. Send a JSON document.")
    document = _members(source, name, take) if source.peek() == "{" else source.value(MAX_DEPTH)
    if source.peek():
        raise source.error("Extra data")
    return document


def _members(source: "_Source", name: str, take: Callable[[Any], None]) -> dict[str, object]:
    members: dict[str, object] = {}
    room = MOST_CHARACTERS
    source.skip()
    if source.peek() == "}":
        source.skip()
        return members
    while True:
        if source.peek() != '"':
            raise source.error("Expecting property name enclosed in double quotes")
        before = source.position
        key = source.value(1)
        if key in members:
            raise refused_value(f"The key {str(key)[:40]!a} stands twice in one object", "")
        source.expect(":")
        if key == name and source.peek() == "[":
            _entries(source, take)
            members[name] = []
        else:
            source.peek()
            members[str(key)] = source.value(MAX_DEPTH - 1)
            room -= source.position - before
        if room < 0:
            raise _too_long()
        if source.expect(",}") == "}":
            return members


def _entries(source: "_Source", take: Callable[[Any], None]) -> None:
    source.skip()
    if source.peek() == "]":
        source.skip()
        return
    while True:
        source.peek()
        take(source.value(MAX_DEPTH - 2))
        if source.expect(",]") == "]":
            return


def _too_long() -> StrictJsonError:
    return StrictJsonError(f"A part of the body is longer than {MOST_CHARACTERS} characters. Leave out what is not needed.")


class _Source:
    """The document's text, decoded a window at a time, and how far it has been read."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._fed = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = self._dropped = 0
        while not self._text and self._more():
            pass
        self._at = 1 if self._text.startswith(_BOM) else 0

    @property
    def position(self) -> int:
        """How many characters have been read."""
        return self._dropped + self._at

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None, "it matches nothing, too"
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Read the character that was looked at."""
        self._at += 1

    def expect(self, wanted: str) -> str:
        """Read the next character that is no space, which must be one of these."""
        found = self.peek()
        if not found or found not in wanted:
            raise self.error(f"Expecting '{wanted[0]}' delimiter")
        self.skip()
        return found

    def value(self, levels: int) -> object:
        """Read one value, which begins here.

        Args:
            levels: how deep it may be nested.
        """
        # Enough lies ready that whatever ends with the window and not with the body is too long.
        while len(self._text) - self._at <= MOST_CHARACTERS and self._more():
            pass
        try:
            value, end = scan(self._text, self._at, levels)
        except json.JSONDecodeError as error:
            # A number that is cut off may look like a shorter one, a text like one without an end.
            if self._has_more() and (error.msg.startswith("Unterminated") or error.pos > len(self._text) - 16):
                raise _too_long() from None
            self._at = error.pos
            raise self.error(error.msg) from None
        except RefusedValueError as refusal:
            raise refused_value(refusal.problem, self._place(refusal.literal)) from None
        if end - self._at > MOST_CHARACTERS - 16:
            raise _too_long()
        self._at = end
        return value

    def error(self, problem: str) -> StrictJsonError:
        """What is wrong, and that it is wrong here."""
        self._drop()
        return syntax_error(problem, self._line, self._column + 1)

    def _place(self, literal: str) -> str:
        """Where a number of the next value stands, as words; empty if unknown."""
        offset = self._text.find(literal, self._at) if literal else -1
        if offset < 0:
            return ""
        self._at = offset
        self._drop()
        return f" at line {self._line}, column {self._column + 1}"

    def _has_more(self) -> bool:
        return self._fed < len(self._body)

    def _drop(self) -> None:
        """Forget the text that has been read."""
        read = self._text[: self._at]
        lines = read.count("\n")
        self._line += lines
        self._column = len(read) - read.rfind("\n") - 1 if lines else self._column + len(read)
        self._dropped += self._at
        self._text, self._at = self._text[self._at :], 0

    def _more(self) -> bool:
        """Decode some more; whether there was any."""
        if not self._has_more():
            return False
        self._drop()
        window = self._body[self._fed : self._fed + _WINDOW]
        pending = len(self._decoder.getstate()[0])
        try:
            self._text += self._decoder.decode(window, self._fed + len(window) == len(self._body))
        except UnicodeDecodeError as error:
            place = self._fed - pending + error.start
            raise StrictJsonError(f"The body is not valid UTF-8 at byte {place}. Send it encoded as UTF-8.") from None
        self._fed += len(window)
        return True
