"""The words for what to do, and how several of them in one alert are read together."""

from collections.abc import Iterable
from dataclasses import dataclass

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.reasons import Reason
from hookfill.signals.model import Action


class AlertRefused(HookfillError):
    """An alert can be read but not used; ``reason`` is its code, the text names the field and the trouble."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Verb:
    """What one word asks for.

    Attributes:
        action: BUY, SELL or CLOSE.
        side: for a CLOSE the side that it may close (1 long, -1 short), None for either; for BUY and SELL None.
        is_side: the word names a side of the market (long, bearish) and not an order (buy): beside a close it says what to close.
        right: CALL or PUT, when the word is that.
    """

    action: Action
    side: int | None = None
    is_side: bool = False
    right: str | None = None


_BUY = Verb(Action.BUY)
_SELL = Verb(Action.SELL)
_LONG = Verb(Action.BUY, is_side=True)
_SHORT = Verb(Action.SELL, is_side=True)
_CLOSE = Verb(Action.CLOSE)
_CLOSE_LONG = Verb(Action.CLOSE, side=1)
_CLOSE_SHORT = Verb(Action.CLOSE, side=-1)

_WORDS = {
    _BUY: "buy buylong openlong enterlong entrylong longentry golong buytoopen openbuy marketbuy buymarket bto",
    _SELL: "sell sellshort openshort entershort entryshort shortentry goshort selltoopen opensell marketsell sellmarket sto",
    _LONG: "long bull bullish",
    _SHORT: "short bear bearish",
    _CLOSE: "close exit flat flatten closeall exitall closeposition exitposition closelongshort liquidate",
    _CLOSE_LONG: "closelong exitlong longexit longclose selltoclose closebuy stc",
    _CLOSE_SHORT: "closeshort exitshort shortexit shortclose buytoclose buytocover closesell",
    Verb(Action.BUY, is_side=True, right="CALL"): "call calls",
    Verb(Action.SELL, is_side=True, right="PUT"): "put puts",
}
VERBS: dict[str, Verb] = {word: verb for verb, words in _WORDS.items() for word in words.split()}
"""Every known word, lower case and without separators. ``btc`` (buy to close) is none of them: it is a coin's name."""


def squash(word: str) -> str:
    """A word without case and separators: ``Close-Long`` and ``close_long`` are ``closelong``."""
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def verb_of(word: object) -> Verb | None:
    """The verb that a value stands for; None if it is no known word."""
    if not isinstance(word, str) or len(word) > 24:
        return None
    return VERBS.get(word) or VERBS.get(squash(word.strip()))


def combine(verbs: Iterable[Verb]) -> Verb:
    """One verb from all that an alert holds (at least one).

    A close wins over an order word beside it: ``buy`` and ``exit`` together cover a short. A side beside a close directs it.

    Raises:
        AlertRefused: they ask for opposite things.
    """
    verbs = tuple(verbs)
    rights = {verb.right for verb in verbs if verb.right is not None}
    if len(rights) > 1:
        raise _contradictory("it asks for a call and a put")
    right = rights.pop() if rights else None
    if any(verb.action is Action.CLOSE for verb in verbs):
        return Verb(Action.CLOSE, _closing_side(verbs), right=right)
    others = {verb.action for verb in verbs if verb.right is None}
    # Buying a put is a bearish view, and so is a sell signal for which a put is to be bought: both words go with a put.
    if right == "PUT":
        if len(others) > 1:
            raise _contradictory("it asks to buy and to sell")
        return Verb(Action.SELL, right=right)
    actions = {verb.action for verb in verbs}
    if len(actions) > 1:
        raise _contradictory("it asks to buy and to sell")
    return Verb(actions.pop(), right=right)


def _closing_side(verbs: tuple[Verb, ...]) -> int | None:
    """The side that a close may close: from the closing words, or from a side named beside them."""
    sides = {verb.side for verb in verbs if verb.action is Action.CLOSE and verb.side is not None}
    named = {1 if verb.action is Action.BUY else -1 for verb in verbs if verb.is_side and verb.right is None}
    if len(sides | named) > 1:
        raise _contradictory("it asks to close one side and names the other")
    return next(iter(sides | named), None)


def _contradictory(detail: str) -> AlertRefused:
    return AlertRefused(Reason.ACTION_CONTRADICTORY, detail)
