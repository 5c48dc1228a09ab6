r"""Secrets that came in a body are replaced before the body is stored or logged; every other byte stays as it was.

Works on bytes and by pattern, not by parsing, so that malformed bodies are masked too. Known are the keys ``secret``,
``passphrase``, ``password``, ``token``, ``license``, ``licenseid`` and ``apikey``, with anything in front (``email_token``): in
JSON (also inside a JSON text, also with ``\u`` escapes in the key), form encoding and plain text. So is PineConnector's leading
licence id.
"""

import re

from hookfill.signals.text import pineconnector_parts

MASK = b"***"
_BOM = b"\xef\xbb\xbf"

_NAME = rb"(?:secret(?:[_-]?key)?|passphrase|password|passwd|passcode|token|licen[cs]e(?:[_-]?(?:id|key))?|api[_-]?key)"
# Looked for in the lower-cased body: a key of that name, the quotes that end it, and the separator. Repetitions are bounded, so
# that no body makes it slow.
_KEY = re.compile(_NAME + rb"((?:\\{0,7}[\"'])?)[ \t\r\n]{0,40}[:=][ \t\r\n]{0,40}")
_ESCAPED_KEY = re.compile(rb'"((?:[^"\\]|\\.){1,160})("[ \t\r\n]{0,40}:[ \t\r\n]{0,40})', re.DOTALL)
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_FULL_NAME = re.compile(rb"[\w.\- ]*" + _NAME)
_QUOTE = re.compile(rb"\\{0,7}[\"']")
# The look-behind lets each run of backslashes be tried once only, however long it is.
_QUOTES = {b'"': re.compile(rb'(?<!\\)(\\*)"'), b"'": re.compile(rb"(?<!\\)(\\*)'")}
_BARE = re.compile(rb"[^\s,;&}\]\"'\\]*")
_FORM_VALUE = re.compile(rb"[^\s&]*")
_LONGEST_TEXT = 4_000


def mask_secrets(body: bytes) -> bytes:
    """The body with the value of every secret field replaced by ``***``. Never raises.

    A value that JSON writes without quotes becomes the text ``"***"``, so that valid JSON stays valid.
    """
    lowered = body.lower()
    # Written out: this runs for every alert, and a generator would cost more than the search.
    if b"secret" in lowered or b"pass" in lowered or b"token" in lowered or b"licen" in lowered or b"api" in lowered:
        body = _mask_keys(body, _KEY)
    if b"\\u" in lowered:
        body = _mask_keys(body, _ESCAPED_KEY)
    if body[:1] != b"{" and b"," in body and len(body) <= _LONGEST_TEXT and body.lstrip()[:1] not in {b"{", b"["}:
        body = _mask_licence(body)
    return body


def _mask_keys(body: bytes, pattern: re.Pattern[bytes]) -> bytes:
    """Replace the value behind each key that the pattern finds and that names a secret."""
    is_form = b"&" in body and not body.lstrip().startswith((b"{", b"["))
    pieces: list[bytes] = []
    copied = position = 0
    lowered = body.lower()
    while (match := pattern.search(lowered, position)) is not None:
        if pattern is _ESCAPED_KEY and not _FULL_NAME.fullmatch(_unescape(match[1])):
            # The closing quote may be another key's opening one.
            position = match.start(2)
            continue
        start, end, mask = _value(body, match, is_form=is_form)
        if end > start:
            pieces += (body[copied:start], mask)
            copied = end
        position = max(end, match.end())
    pieces.append(body[copied:])
    return b"".join(pieces)


def _value(body: bytes, match: re.Match[bytes], *, is_form: bool) -> tuple[int, int, bytes]:
    """Where the value behind a key starts and ends, and what to put there."""
    position = match.end()
    quote = _QUOTE.match(body, position)
    if quote is not None:
        return quote.end(), _string_end(body, quote.end(), quote[0]), MASK
    # Only directly in JSON is the key's quote a bare one: within a JSON text it is escaped, and "***" would end that text.
    is_json = match[match.re.groups].startswith(b'"')
    mask = b'"' + MASK + b'"' if is_json else MASK
    if body[position : position + 1] in {b"{", b"["}:
        return position, _container_end(body, position), mask
    value = (_FORM_VALUE if is_form and not is_json else _BARE).match(body, position)
    return position, position if value is None else value.end(), mask


def _string_end(body: bytes, start: int, quote: bytes) -> int:
    r"""Where a value that ``quote`` opened ends: before its closing quote, or at the body's end if there is none.

    In a text within a text a quote stands as ``\"`` and one inside of it as ``\\\"``: how deep the value lies follows from the
    backslashes of its opening quote.
    """
    depth = (len(quote) - 1).bit_length()
    for match in _QUOTES[quote[-1:]].finditer(body, start):
        backslashes = len(match[1])
        if _closes(backslashes, depth):
            return match.end() - 1 - min(backslashes, len(quote) - 1)
    return len(body)


def _closes(backslashes: int, depth: int) -> bool:
    """Whether a quote behind so many backslashes ends a text ``depth`` texts deep, or one of those around it."""
    for _ in range(depth):
        if backslashes % 2 == 0:
            return True
        backslashes = (backslashes - 1) // 2
    return backslashes % 2 == 0


def _container_end(body: bytes, start: int) -> int:
    """Where an object or list ends, its texts read over; at the body's end if it is not closed."""
    depth, position = 0, start
    while position < len(body):
        byte = body[position : position + 1]
        position += 1
        if byte == b'"':
            position = _string_end(body, position, byte) + 1
        elif byte in {b"{", b"["}:
            depth += 1
        elif byte in {b"}", b"]"}:
            depth -= 1
            if depth == 0:
                return position
    return len(body)


def _unescape(key: bytes) -> bytes:
    """A key without its Unicode escapes, in lower case; only ASCII matters for the names."""
    return _ESCAPE.sub(lambda match: bytes([code]) if (code := int(match[1], 16)) < 128 else b"?", key).lower()


def _mask_licence(body: bytes) -> bytes:
    """Replace the first word of a PineConnector text."""
    text = body.removeprefix(_BOM)
    first, _, rest = text.partition(b",")
    licence = first.strip()
    # PineConnector's ids are long numbers: one is masked in front of a command that is not known here, too.
    is_number = licence.isdigit() and len(licence) >= 8 and rest.partition(b",")[0].strip().isalpha()
    if licence and (is_number or pineconnector_parts(text.decode("latin-1").strip()) is not None):
        return body.replace(licence, MASK, 1)
    return body
