"""What each trade server return code means and what is to be done about it (pure; after the MQL5 reference)."""

from dataclasses import dataclass
from enum import StrEnum

from hookfill.brokers.mt5.agent.terminal import Answer


class Kind(StrEnum):
    """What a return code asks the agent to do."""

    DONE = "done"
    PLACED = "placed"
    REFUSED = "refused"
    FILLING = "filling"
    REQUOTE = "requote"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A return code's kind, and for a refusal what the user can do."""

    kind: Kind
    text: str


_DONE = {
    10008: Meaning(Kind.PLACED, "The order is placed."),
    10009: Meaning(Kind.DONE, "Done."),
    10010: Meaning(Kind.DONE, "Only a part was dealt."),
    10025: Meaning(Kind.DONE, "Nothing had to be changed."),
}
_REQUOTES = {
    10004: Meaning(Kind.REQUOTE, "The broker kept offering another price: allow a larger deviation."),
    10020: Meaning(Kind.REQUOTE, "The price kept changing: allow a larger deviation."),
    10021: Meaning(Kind.REQUOTE, "The broker had no prices for the symbol: see whether its market is open."),
}
_UNKNOWN = {
    10011: Meaning(Kind.UNKNOWN, "The broker failed while it processed the request."),
    10012: Meaning(Kind.UNKNOWN, "The request was cancelled by its time limit."),
    10031: Meaning(Kind.UNKNOWN, "The terminal has no connection to the trade server."),
}
_REFUSALS = {
    10006: "The broker rejected the order: ask it why, and see the terminal's journal.",
    10007: "The order was cancelled in the terminal.",
    10013: "The request is not valid for this symbol: see its specification in the terminal.",
    10014: "The volume is not valid: see the symbol's smallest and largest volume and its step.",
    10015: "The price is not valid: see whether the terminal shows fresh prices.",
    10016: "The stop or target is not valid: it lies on the wrong side of the price or too near to it.",
    10017: "Trading is disabled for this account or symbol: log in with the trading password, not the investor's.",
    10018: "The market is closed: try again when it is open.",
    10019: "There is not enough money: use a smaller volume or deposit more.",
    10022: "The expiration is not valid.",
    10023: "The order's state had changed: see the terminal.",
    10024: "Too many requests: let the strategies trade less often.",
    10026: "The broker's server does not let programs trade on this account: ask the broker.",
    10027: 'The terminal does not let programs trade: switch "Algo Trading" on in its toolbar.',
    10028: "The request is being processed by the broker's dealer already: see the terminal.",
    10029: "The order or position is frozen, since its stop is too near to the price.",
    10032: "Only real accounts may do this.",
    10033: "The broker's limit of pending orders is reached.",
    10034: "The broker's limit of volume for this symbol is reached: close a position first.",
    10035: "The type of order is not allowed for this symbol.",
    10036: "The position is closed already.",
    10038: "The volume to be closed is larger than the position.",
    10039: "An order to close this position is there already.",
    10040: "The broker's limit of open positions is reached: close one first.",
    10041: "The order was rejected and cancelled.",
    10042: "The broker allows only buying of this symbol.",
    10043: "The broker allows only selling of this symbol.",
    10044: "The broker allows only closing positions of this symbol.",
    10045: "The broker allows closing only in the order of opening (FIFO): close the oldest position first.",
    10046: "Opposite positions of one symbol are not allowed on this account.",
}
FILLING_REFUSED = 10030
MEANINGS: dict[int, Meaning] = {
    **_DONE,
    **_REQUOTES,
    **_UNKNOWN,
    **{code: Meaning(Kind.REFUSED, text) for code, text in _REFUSALS.items()},
    FILLING_REFUSED: Meaning(Kind.FILLING, "The broker allows none of the filling modes (FOK, IOC, RETURN) for this symbol."),
}


def kind_of(answer: Answer) -> Kind:
    """What to do with an answer; a code that is not in the table, or none, may mean anything and so is unknown."""
    meaning = MEANINGS.get(answer.retcode or 0)
    return Kind.UNKNOWN if meaning is None else meaning.kind


def explain(answer: Answer) -> str:
    """An answer in a sentence or two: what it means, what to do, and what the terminal itself said."""
    meaning = MEANINGS.get(answer.retcode or 0)
    if meaning is None:
        code = "no answer" if answer.retcode is None else f"return code {answer.retcode}"
        text = f"The terminal gave {code}: see its journal."
    else:
        text = meaning.text
    return f"{text} (MetaTrader: {answer.text})" if answer.text else text
