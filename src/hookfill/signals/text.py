"""Alerts in plain text and in form encoding, turned into the fields that JSON alerts have.

- words: ``buy EURUSD 0.1 sl=1.07 tp=1.09``, ``EURUSD buy 0.1 @1.08``, ``close long EURUSD``
- entries that wait: ``buy EURUSD 0.1 limit=1.0712``, ``buy limit EURUSD 0.1 @1.0712``, ``sell stop EURUSD 0.1 @1.065``
- PineConnector: ``LicenseID,buy,EURUSD,vol_lots=0.1,sl_price=1.07`` (https://docs.pineconnector.com/syntax)
- Autoview: ``e=oanda s=EURUSD b=long q=1``
- form encoding: ``symbol=EURUSD&action=buy``

PineConnector's and Autoview's ``sl=`` and ``tp=`` are pips, prices or percent, as a setting on the user's own machine says. Only
what can be nothing but a price is taken as one; with anything else an entry is refused, because a trade without the stop that was
asked for is worse than none. PineConnector's ``risk=`` depends on such a setting too; here the strategy's own sizing takes its
place.
"""

import re
from decimal import Decimal
from urllib.parse import parse_qsl

from hookfill.kernel.reasons import Reason
from hookfill.signals.actions import VERBS, AlertRefused, squash, verb_of
from hookfill.signals.fields import is_number, looks_like_symbol

_LONGEST = 4_000
_MOST_FIELDS = 100
_TOKEN = re.compile(r"""(\w{1,40})\s{0,8}=\s{0,8}("[^"]*"|'[^']*'|[^\s,;]+)|[^\s,;]+""")
_FORM = re.compile(r"[^\s=&]{1,64}=[^\s&]*(?:&[^\s=&]{1,64}=[^\s&]*)+")
# Read as a separator, the comma of `sl=1,07` would make a stop of 1 and a quantity of 7.
_COMMA_IN_NUMBER = re.compile(r"(?:^|[\s,;=:@])[+-]?\d+(?:\.\d*)?,\d")
_LEVELS = ("sl", "tp")
_MASKED = "***"
"""What stands in a stored alert where its licence id was (see ``mask``): it is read again from there."""
_COLON_KEYS = frozenset({"symbol", "ticker", "action", "side", "qty", "quantity", "volume", "lots", "price", "sl", "tp", "id"})
_AUTOVIEW = {"s": "symbol", "b": "action", "q": "quantity", "p": "price", "ts": "trailing_stop"}


def fields_from_text(text: str) -> dict[str, object]:
    """The fields that a text alert holds, under the names that JSON alerts use.

    Raises:
        AlertRefused: the text names no action and symbol, or more than one, or a stop that is no price.
        UnicodeDecodeError: a form's percent escapes are no UTF-8.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise _unusable("the text is too long for an alert")
    if _FORM.fullmatch(text):
        return _from_form(text)
    if _COMMA_IN_NUMBER.search(text):
        raise _unusable("a number holds a comma; write 1000.5, not 1,000.5 or 1000,5")
    parts = pineconnector_parts(text)
    if parts is not None:
        return _from_pineconnector(parts)
    pairs, words = _tokens(text)
    if {"s", "b"} <= pairs.keys() or {"s", "c"} <= pairs.keys():
        return _from_autoview(pairs)
    return _with_limit(_from_words(words) | pairs if words else _from_pairs(pairs))


def _with_limit(fields: dict[str, object]) -> dict[str, object]:
    """``limit=1.0712`` makes it a limit order."""
    return {"order_type": "limit"} | fields if "limit" in fields else fields


def pineconnector_parts(text: str) -> list[str] | None:
    """``[licence id, command, symbol, the rest]`` if the text is in PineConnector's form, else None."""
    parts = [part.strip() for part in text.split(",", 3)]
    if len(parts) < 3 or not (parts[0].isalnum() or parts[0] == _MASKED) or parts[0].lower() in VERBS:
        return None
    command, symbol = parts[1], parts[2]
    # Without a licence id in front, `EURUSD,buy,0.1` has a number or a pair in the third place and is read word by word.
    return parts if command.isalpha() and verb_of(command) is not None and looks_like_symbol(symbol) and "=" not in symbol else None


def _tokens(text: str) -> tuple[dict[str, object], list[str]]:
    """``key=value`` pairs (keys in lower case) and the other words."""
    pairs: dict[str, object] = {}
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        key, value = match[1], match[2]
        if key is None:
            key, colon, value = match[0].partition(":")
            if not colon or not value or squash(key) not in _COLON_KEYS:
                words.append(match[0])
                continue
        _add(pairs, key, value)
    return pairs, words


def _add(pairs: dict[str, object], key: str, value: str) -> None:
    """One pair; a key that comes twice would leave it open which one counts."""
    name = key.lower()
    if name in pairs:
        raise _unusable(f"{name[:40]!a} stands twice in it; send one order in each alert")
    pairs[name] = value.strip("\"'")


def _from_form(text: str) -> dict[str, object]:
    pairs: dict[str, object] = {}
    try:
        members = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise _unusable("the form has too many fields") from None
    for key, value in members:
        _add(pairs, key, value)
    return pairs


def _from_pairs(pairs: dict[str, object]) -> dict[str, object]:
    if not pairs:
        raise _unusable("it holds no words")
    return pairs


def _from_pineconnector(parts: list[str]) -> dict[str, object]:
    """Licence id, command, symbol, then ``key=value``; the licence id is the sender's credential and goes nowhere."""
    pairs, words = _tokens(",".join(parts[3:]))
    if words:
        raise _unusable(f"{words[0][:40]!a} has no place in it")
    pairs.pop("risk", None)
    _doubt_levels(pairs)
    return {"action": parts[1], "symbol": parts[2]} | pairs


def _from_autoview(pairs: dict[str, object]) -> dict[str, object]:
    """Autoview's one-letter keys: ``c=position`` closes, ``b`` is the side."""
    closes = pairs.pop("c", None)
    fields = {_AUTOVIEW.get(key, key): value for key, value in pairs.items() if key not in ("a", "e", "t")}
    if closes is not None:
        if str(closes).lower() != "position":
            raise AlertRefused(Reason.ACTION_UNKNOWN, "c= closes a position only as c=position")
        side = fields.pop("action", None)
        fields["action"] = "close"
        fields["direction"] = {"buy": "long", "sell": "short"}.get(str(side).lower(), side)
    _doubt_levels(fields)
    return fields


def _doubt_levels(pairs: dict[str, object]) -> None:
    """Call a stop or target that need not be a price what it may be, so that an entry with it is refused."""
    own = pairs.get("price")
    for name in _LEVELS:
        value = pairs.get(name)
        if isinstance(value, str) and is_number(value) and not _is_clearly_price(value, own):
            pairs[f"{name}_pips"] = pairs.pop(name)


def _is_clearly_price(value: str, own_price: object) -> bool:
    """Nobody writes pips or percent with three decimals; and a level within a tenth of the alert's own price is a price."""
    if len(value.partition(".")[2]) >= 3:
        return True
    if not isinstance(own_price, str) or not is_number(own_price) or len(own_price) > 40 or len(value) > 40:
        return False
    own, level = Decimal(own_price), Decimal(value)
    return own > 0 and own * 9 <= level * 10 <= own * 11


def _from_words(words: list[str]) -> dict[str, object]:
    """An action (one word, or two such as ``close long``), a symbol, and at most a quantity and a price (``@1.08``)."""
    fields: dict[str, object] = {}
    rest: list[str] = []
    for word in words:
        if verb_of(word) is not None and "direction" not in fields:
            fields |= _with_verb(word, fields.get("action"))
        elif word.startswith("@") and is_number(word[1:]) and "price" not in fields:
            fields["price"] = word[1:]
        elif is_number(word) and "quantity" not in fields:
            fields["quantity"] = word
        else:
            rest.append(word)
    return fields | _symbol_from(rest, fields)


def _with_verb(word: str, before: object) -> dict[str, object]:
    """A first action word, one that completes it (``close long``), or a second one beside it."""
    if before is None:
        return {"action": word}
    joined = f"{before} {word}"
    return {"action": joined} if verb_of(joined) is not None else {"direction": word}


def _symbol_from(rest: list[str], fields: dict[str, object]) -> dict[str, object]:
    """The one word that is left is the symbol; with an action there may be none, if it stands as ``symbol=``."""
    if "action" not in fields:
        raise _unusable("it holds no action such as buy, sell or close")
    rest = [word for word in rest if squash(word) not in {"go", "enter", "position"}]
    kinds = [word for word in rest if word.lower() in ("limit", "stop")]
    if len(rest) == 2 and len(kinds) == 1:
        rest.remove(kinds[0])
        return _symbol_from(rest, fields) | {"order_type": kinds[0].lower()}
    if len(rest) > 1:
        raise _unusable(f"{rest[1][:40]!a} has no place in it")
    if rest and not looks_like_symbol(rest[0]) and "{{" not in rest[0]:
        raise _unusable(f"{rest[0][:40]!a} is no symbol")
    return {"symbol": rest[0]} if rest else {}


def _unusable(detail: str) -> AlertRefused:
    return AlertRefused(Reason.TEXT_UNUSABLE, detail)
