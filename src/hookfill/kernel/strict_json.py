"""Strict JSON: what any two parsers would read alike, with exact numbers; everything else is an error that says where.

On the way of every alert, so it stays on the standard library's C scanner and does its own checks only where the bytes hint at
them. Numbers never pass through binary floating point: those with a fraction or an exponent become ``Decimal``.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from hookfill.kernel.errors import HookfillError

MAX_DEPTH = 32
MAX_DIGITS = 60
MAX_EXPONENT = 300

_BOM = b"\xef\xbb\xbf"
_BAD_ESCAPE_HINT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")


class StrictJsonError(HookfillError, ValueError):
    """The bytes are not strict JSON. The text says what is wrong, where, and what to do; it never quotes values."""


class RefusedValueError(Exception):
    """What JSON's grammar allows and strict JSON does not; ``literal`` is the number's own text, to find its place."""

    def __init__(self, problem: str, literal: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.literal = literal


def loads(body: bytes) -> object:
    """Read one JSON document.

    UTF-8 only; a byte order mark is tolerated. Integers become ``int``, other numbers ``Decimal``.

    Raises:
        StrictJsonError: no valid UTF-8, no JSON, trailing text, duplicate keys, NaN or infinity, numbers beyond 60 digits or
            exponents beyond 300, nesting beyond 32 levels, NUL or lone surrogates in text.
    """
    text = _decode(body)
    try:
        value: object
        value, end = _DECODER.raw_decode(text) if text[0] in "{[" else (None, -1)
        if end != len(text):  # space or other text around it
            value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise syntax_error(error.msg, error.lineno, error.colno) from None
    except RefusedValueError as refusal:
        raise refused_value(refusal.problem, _place(text, refusal.literal)) from None
    except RecursionError:
        raise _too_deep() from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    if b"\\u" in body and _BAD_ESCAPE_HINT.search(body):
        _check_texts(value)
    return value


def scan(text: str, at: int, levels: int) -> tuple[object, int]:
    """One value of a document that is read piece by piece, and where it ends.

    Args:
        text: holds the value, and what follows it.
        at: where it begins; no space.
        levels: how deep it may be nested.

    Raises:
        StrictJsonError: it is nested too deeply, or a text in it holds what it must not.
        RefusedValueError: it holds what strict JSON does not allow.
        json.JSONDecodeError: it is no JSON; or the text ends within it.
    """
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise _too_deep() from None
    if text.count("{", at, end) + text.count("[", at, end) > levels:
        _check_depth(value, levels)
    if text.find("\\u", at, end) >= 0:
        _check_texts(value)
    return value, end


def _decode(body: bytes) -> str:
    """The document's text without its byte order mark."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"The body is not valid UTF-8 at byte {error.start}. Send it encoded as UTF-8.") from None
    if body.startswith(_BOM):
        text = text[1:]
    if not text or text.isspace():
        raise StrictJsonError("The body is empty. Send a JSON document.")
    return text


def syntax_error(problem: str, line: int, column: int) -> StrictJsonError:
    """The scanner's complaint with its place; its message never quotes the document."""
    where = f"{problem.removesuffix(' at')} at line {line}, column {column}"
    return StrictJsonError(f"Not valid JSON: {where}. Look for stray or missing quotes and commas just before it.")


def refused_value(problem: str, place: str) -> StrictJsonError:
    """What strict JSON does not allow, and where (as words, with a space in front)."""
    return StrictJsonError(f"{problem}{place}. Mend the message and send it again.")


def _place(text: str, literal: str) -> str:
    """Where ``literal`` first stands in the document, as words; empty if unknown."""
    offset = text.find(literal) if literal else -1
    if offset < 0:
        return ""
    line = text.count("\n", 0, offset) + 1
    return f" at line {line}, column {offset - text.rfind(chr(10), 0, offset)}"


def _too_deep() -> StrictJsonError:
    return StrictJsonError(f"The document is nested deeper than {MAX_DEPTH} levels. Send a flatter one.")


def _children(containers: list[Any]) -> list[Any]:
    """Every value directly inside the containers."""
    inside: list[Any] = []
    for container in containers:
        inside.extend(container.values() if type(container) is dict else container)
    return inside


def _containers(values: list[Any]) -> list[Any]:
    return [value for value in values if type(value) is dict or type(value) is list]


def _check_depth(value: object, levels: int) -> None:
    """Refuse a value with containers inside containers beyond the limit."""
    level = _containers([value])
    for _ in range(levels):
        level = _containers(_children(level))
        if not level:
            return
    raise _too_deep()


def _check_texts(value: object) -> None:
    """Refuse NUL (PostgreSQL can't store it) and lone surrogates (UTF-8 can't hold them) in any key or text."""
    level: list[Any] = [value]
    while level:
        containers = _containers(level)
        texts = [entry for entry in level if type(entry) is str]
        texts.extend(key for container in containers if type(container) is dict for key in container)
        if any(_BAD_TEXT.search(text) for text in texts):
            raise StrictJsonError("A text holds NUL or half of a surrogate pair as a \\u escape. Leave that character out.")
        level = _children(containers)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, if no key stands in it twice."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RefusedValueError(f"The key {key[:40]!a} stands twice in one object")
        seen.add(key)
    raise AssertionError("unreachable: fewer members than pairs means that a key repeats")


def _integer(literal: str) -> int:
    """An integer of at most 60 digits."""
    if len(literal) > MAX_DIGITS and len(literal.lstrip("-")) > MAX_DIGITS:
        raise RefusedValueError(f"A number has more than {MAX_DIGITS} digits", literal)
    return int(literal)


def _fraction(literal: str) -> Decimal:
    """A number with fraction or exponent, exactly."""
    if len(literal) <= MAX_DIGITS and "e" not in literal and "E" not in literal:
        return Decimal(literal)
    mantissa, _, exponent = literal.lower().partition("e")
    if len(mantissa.lstrip("-").replace(".", "")) > MAX_DIGITS:
        raise RefusedValueError(f"A number has more than {MAX_DIGITS} digits", literal)
    if len(exponent) > MAX_DIGITS:
        raise RefusedValueError(f"A number's exponent is beyond {MAX_EXPONENT}", literal)
    try:
        number = Decimal(literal)
    except InvalidOperation:
        raise RefusedValueError(f"A number's exponent is beyond {MAX_EXPONENT}", literal) from None
    # Zero with any exponent is zero, but its exponent still makes arithmetic and text explode.
    if abs(number.adjusted()) > MAX_EXPONENT or abs(int(exponent or "0")) > MAX_EXPONENT:
        raise RefusedValueError(f"A number's exponent is beyond {MAX_EXPONENT}", literal)
    return number


def _constant(name: str) -> object:
    """NaN and the infinities are JavaScript, not JSON."""
    raise RefusedValueError(f"{name} is not a JSON number", name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_fraction, parse_int=_integer, parse_constant=_constant)
