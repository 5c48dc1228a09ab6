"""A user's own agent among the others: whatever its code does, the decision goes on."""

from math import isfinite

from hookfill.engines.council.model import AgentView, Judge
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, Opinion
from hookfill.kernel.text import visible

MOST_REASONS = 20
MOST_CHARACTERS = 500
"""Of a reason or an error."""


class Nonsense(ValueError):
    """What an agent answered is no opinion; the text says why."""


def guarded(name: str, judge: Judge) -> Judge:
    """An agent's judgement that never raises: where it does, or is no opinion, it is neutral, 0, with the error.

    It still weighs what its kind does, so that a broken agent can only keep the council from approving.
    """

    def judge_safely(view: AgentView) -> Opinion | None:
        try:
            answer = judge(view)
            return None if answer is None else _checked(name, answer)
        except (Exception, SystemExit) as error:
            return failure_of(name, text_of(error))

    return judge_safely


def text_of(error: BaseException) -> str:
    """An error's kind and text, even if it can't tell its own."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def failure_of(name: str, error: str) -> Opinion:
    """The opinion of an agent that has none, because something is wrong with it."""
    shown = _line(error)
    return Opinion(name, NEUTRAL, 0, (f"It failed: {shown}",), error=shown)


def _checked(name: str, answer: object) -> Opinion:
    """What an agent answered, as an opinion in its own name.

    Raises:
        Nonsense: it is none.
    """
    if not isinstance(answer, Opinion):
        raise Nonsense(f"answered {type(answer).__name__}, not an Opinion")
    if isinstance(answer.bias, bool) or answer.bias not in (BULLISH, NEUTRAL, BEARISH):
        raise Nonsense(f"bias is {answer.bias!r}, not 1, 0 or -1")
    if isinstance(answer.confidence, bool) or not isinstance(answer.confidence, int | float) or not isfinite(answer.confidence):
        raise Nonsense(f"confidence is {answer.confidence!r}, not a number")
    if not 0 <= answer.confidence <= 100:
        raise Nonsense(f"confidence is {answer.confidence!r}, not from 0 to 100")
    if not isinstance(answer.block, bool):
        raise Nonsense(f"block is {answer.block!r}, not true or false")
    if not isinstance(answer.reasons, tuple | list) or not all(isinstance(reason, str) for reason in answer.reasons):
        raise Nonsense("reasons are not a tuple of texts")
    reasons = tuple(_line(reason) for reason in answer.reasons[:MOST_REASONS])
    return Opinion(name, int(answer.bias), float(answer.confidence), reasons, answer.block)


def _line(text: str) -> str:
    """Text that can be stored and shown, of a length that can be read."""
    return visible(text[:MOST_CHARACTERS])
