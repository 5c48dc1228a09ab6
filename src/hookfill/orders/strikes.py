"""Which option contract an entry buys (pure): the alert's own, the default rule's, or a tier's best.

* **Default rule**: the nearest listed strike that is not in the money; the first Friday that is not before today and the days that
  the position may be held, the trading day before where that is a holiday; where nothing is listed for it, the next listed
  expiration.
* **Tier rule**: of all that lies within the tier's bounds, what ``strike_scores`` puts highest.
* What the alert itself names is taken as it is, by either rule: then the bound on what it names is not looked at, all others are.

Nobody has ever held or traded a contract of a model chain: open interest and volume are unknown there, and those two bounds are not
looked at. In a chain that somebody quotes, an unknown open interest or volume fails them: they can't be shown to hold.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from heapq import nsmallest
from typing import Any

from hookfill.kernel.money import plain
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Right
from hookfill.market.option_chain import MOST_STRIKE, OptionChain, OptionQuote, greeks_of, with_contracts
from hookfill.market.sessions import LAST_YEAR, last_close, session_on_or_before
from hookfill.orders.model import Side
from hookfill.orders.strike_rules import BOUNDS, Bounds, OptionRules, Rule, Tier, Trade, options_from
from hookfill.orders.strike_scores import score
from hookfill.signals.model import OptionAsk

__all__ = ["Candidate", "OptionRules", "Rule", "Selection", "Tier", "Trade", "Verdict", "options_from", "select_contract"]

LISTED_STEP = Decimal("0.5")
"""Strikes that an alert may name where a model stands for the listings: exchanges list none that are finer, with few exceptions."""
_FRIDAY = 4
_DAY = timedelta(days=1)


class Verdict(StrEnum):
    """What was found of a candidate."""

    CHOSEN = "chosen"
    ELIGIBLE = "eligible"
    """Within all bounds, but another serves better."""
    NOT_ASKED = "not_asked"
    """The alert names another strike or expiration."""
    NOT_OFFERED = "not_offered"
    """Nobody sells it, or its bid is above its ask."""
    EXPIRATION = "expiration"
    """It ends on another day than the rule's, or outside the tier's days."""
    IN_THE_MONEY = "in_the_money"
    GREEKS_UNKNOWN = "greeks_unknown"
    DELTA = "delta"
    SPREAD = "spread"
    OPEN_INTEREST = "open_interest"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contract that was looked at.

    Attributes:
        days: until it ends.
        score: 0 to 100; None where it was not reckoned.
        reckoned: what else a tier's verdict rests on, JSON-ready.
    """

    quote: OptionQuote
    verdict: Verdict
    days: int
    score: float | None = None
    reckoned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen and why, or why nothing was.

    Attributes:
        chosen: None where it was refused.
        refusal: None where a contract was chosen.
        candidates: every contract of the right that the chain holds, by expiration and strike.
        explanation: a sentence for people.
    """

    chosen: OptionQuote | None
    refusal: Reason | None
    candidates: tuple[Candidate, ...]
    explanation: str

    def figures(self, most: int = 20) -> dict[str, Any]:
        """A summary for the signal's story, JSON-ready: how many candidates there were of each verdict, and the best of them."""
        counts = Counter(candidate.verdict for candidate in self.candidates)
        return {
            "contract": None if self.chosen is None else self.chosen.contract.symbol,
            "explanation": self.explanation,
            "verdicts": {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]},
            "candidates": [told(candidate) for candidate in nsmallest(most, self.candidates, key=_standing)],
        }


def told(candidate: Candidate) -> dict[str, Any]:
    """A candidate in one JSON-ready object: made of the few that are shown only, there are hundreds."""
    quote, spread = candidate.quote, candidate.quote.spread_percent
    return {
        "symbol": quote.contract.symbol,
        "verdict": candidate.verdict.value,
        "score": None if candidate.score is None else round(candidate.score, 2),
        "strike": quote.contract.strike,
        "expiration": quote.contract.expiration.isoformat(),
        "days": candidate.days,
        "bid": quote.bid,
        "ask": quote.ask,
        "spread_percent": None if spread is None else round(spread, 2),
        "open_interest": quote.open_interest,
        "volume": quote.volume,
        **candidate.reckoned,
    }


def select_contract(ask: OptionAsk | None, chain: OptionChain | None, rule: OptionRules, today: date, side: Side) -> Selection:
    """The contract to buy.

    Args:
        ask: what the alert names; None: nothing.
        chain: the underlying's; None: there is none.
        rule: the strategy's.
        today: the date in New York.
        side: of the view on the underlying: buy asks for a call, sell for a put, unless the alert names the right.
    """
    right: Right = "CALL" if (side is Side.BUY if ask is None else ask.right == "CALL") else "PUT"
    if chain is None or not chain.quotes:
        return _refused(Reason.OPTION_CHAIN_MISSING, "No chain of options is known for the symbol, and none can be made.")
    asked = ask or OptionAsk(right)
    expiration = None if asked.expiration is None else session_on_or_before(date.fromisoformat(asked.expiration))
    if chain.is_model:
        trouble = _unlisted(asked, expiration, chain)
        if trouble is not None:
            return _refused(Reason.OPTION_NOT_LISTED, trouble)
        chain = with_contracts(chain, right, expiration, asked.strike)
    quotes = [quote for quote in chain.quotes if quote.contract.right == right and quote.contract.expires_at > chain.at]
    quotes.sort(key=lambda quote: (quote.contract.expiration, quote.contract.strike))
    task = _Task(right, chain, rule, today, asked.strike, expiration)
    if rule.tier is None:
        return _by_default(task, quotes)
    return _by_tier(task, BOUNDS[rule.tier], quotes)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is sought: the right, in which chain, by which rule, and what of it the alert names."""

    right: Right
    chain: OptionChain
    rule: OptionRules
    today: date
    strike: Decimal | None
    expiration: date | None

    def days(self, quote: OptionQuote) -> int:
        """How many days are left until the contract ends."""
        return (quote.contract.expiration - self.today).days


def _refused(reason: Reason, explanation: str, candidates: Sequence[Candidate] = ()) -> Selection:
    return Selection(None, reason, tuple(candidates), explanation)


def _unlisted(asked: OptionAsk, expiration: date | None, chain: OptionChain) -> str | None:
    """Why no exchange would list what the alert names; None: one might."""
    if asked.strike is not None and (asked.strike % LISTED_STEP or asked.strike >= MOST_STRIKE):
        return f"The strike {plain(asked.strike)} is not listed: strikes are multiples of {LISTED_STEP} below {MOST_STRIKE}."
    if expiration is None:
        return None
    last = max(quote.contract.expiration for quote in chain.quotes)
    if expiration > last:
        return f"The expiration {expiration.isoformat()} is not listed: the last is {last.isoformat()}."
    return f"The expiration {expiration.isoformat()} has passed." if last_close(expiration) <= chain.at else None


def _by_default(task: _Task, quotes: Sequence[OptionQuote]) -> Selection:
    expiration = task.expiration or _default_expiration(task, {quote.contract.expiration for quote in quotes})
    candidates = [Candidate(quote, _judged_by_default(task, quote, expiration), task.days(quote)) for quote in quotes]
    best = min((one for one in candidates if one.verdict is Verdict.ELIGIBLE), key=lambda one: _distance(task, one), default=None)
    if best is None:
        return _refused(Reason.OPTION_NOT_LISTED, _nothing_listed(task, expiration), candidates)
    found = best.quote.contract
    if task.strike is not None:
        words = f"{found.readable}: the alert's own strike"
    else:
        words = f"{found.readable}: of the strikes that are not in the money the nearest to {plain(task.chain.spot)}"
    until = "as the alert asks" if task.expiration else f"at least {task.rule.max_hold_days} days after {task.today.isoformat()}"
    return _chosen(best, candidates, f"{words}, ending {until}{_source(task)}.")


def _default_expiration(task: _Task, listed: Iterable[date]) -> date | None:
    """The first Friday, or trading day before it, that leaves the days to hold; what is listed from there on; None: nothing."""
    least = task.today + _DAY * task.rule.max_hold_days
    friday = least + _DAY * ((_FRIDAY - least.weekday()) % 7)
    while friday.year <= LAST_YEAR:
        wanted = session_on_or_before(friday)
        if wanted >= least:
            return min((day for day in listed if day >= wanted), default=None)
        friday += 7 * _DAY
    return None


def _judged_by_default(task: _Task, quote: OptionQuote, expiration: date | None) -> Verdict:
    if _is_not_asked(task, quote):
        return Verdict.NOT_ASKED
    if quote.contract.expiration != expiration:
        return Verdict.EXPIRATION
    if task.strike is None and _is_in_the_money(task, quote):
        return Verdict.IN_THE_MONEY
    return Verdict.ELIGIBLE if 0 < quote.ask >= quote.bid else Verdict.NOT_OFFERED


def _is_not_asked(task: _Task, quote: OptionQuote) -> bool:
    asked = quote.contract
    return task.strike not in (None, asked.strike) or task.expiration not in (None, asked.expiration)


def _is_in_the_money(task: _Task, quote: OptionQuote) -> bool:
    strike, spot = quote.contract.strike, task.chain.spot
    return strike < spot if task.right == "CALL" else strike > spot


def _distance(task: _Task, candidate: Candidate) -> tuple[Decimal, str]:
    """How far from the money; equal ones (an index's two series) by their symbols."""
    return abs(candidate.quote.contract.strike - task.chain.spot), candidate.quote.contract.symbol


def _nothing_listed(task: _Task, expiration: date | None) -> str:
    kind = task.right.lower()
    if task.strike is not None or task.expiration is not None:
        named = [] if task.strike is None else [f"strike {plain(task.strike)}"]
        named += [] if task.expiration is None else [f"expiration {task.expiration.isoformat()}"]
        return f"No {kind} of {task.chain.underlying} with {' and '.join(named)} is offered{_source(task)}."
    if expiration is None:
        return f"No {kind} of {task.chain.underlying} ends {task.rule.max_hold_days} or more days after {task.today.isoformat()}."
    return f"No {kind} of {task.chain.underlying} that ends {expiration.isoformat()} is offered out of the money{_source(task)}."


def _by_tier(task: _Task, bounds: Bounds, quotes: Sequence[OptionQuote]) -> Selection:
    candidates = [_judged_by_tier(task, bounds, quote) for quote in quotes]
    best = min((one for one in candidates if one.verdict is Verdict.ELIGIBLE), key=_standing, default=None)
    if best is not None:
        words = f"{best.quote.contract.readable}: of what lies within the bounds of {task.rule.tier} the best"
        return _chosen(best, candidates, f"{words}, with {best.score:.1f} of 100{_source(task)}.")
    counts = Counter(candidate.verdict for candidate in candidates)
    if counts[Verdict.NOT_ASKED] == len(candidates):
        return _refused(Reason.OPTION_NOT_LISTED, _nothing_listed(task, None), candidates)
    causes = ", ".join(f"{count} by {verdict.value.replace('_', ' ')}" for verdict, count in counts.most_common())
    words = f"None of {len(candidates)} {task.right.lower()}s of {task.chain.underlying} lies within the bounds of {task.rule.tier}"
    return _refused(Reason.OPTION_OUT_OF_BOUNDS, f"{words}: {causes}{_source(task)}.", candidates)


def _judged_by_tier(task: _Task, bounds: Bounds, quote: OptionQuote) -> Candidate:
    days, greeks = task.days(quote), greeks_of(quote, task.chain)
    reckoned = {"delta": None if greeks is None else round(greeks.delta, 4)}
    verdict = _bound_missed(task, bounds, quote, days, None if greeks is None else abs(greeks.delta))
    if verdict is not None or greeks is None:
        return Candidate(quote, verdict or Verdict.GREEKS_UNKNOWN, days, None, reckoned)
    found = score(quote, greeks, task.chain.spot, bounds, task.chain.volatility_rank)
    if found is None:
        return Candidate(quote, Verdict.GREEKS_UNKNOWN, days, None, reckoned)
    return Candidate(quote, Verdict.ELIGIBLE, days, found.total, {**reckoned, "parts": found.figures()})


def _bound_missed(task: _Task, bounds: Bounds, quote: OptionQuote, days: int, delta: float | None) -> Verdict | None:
    """The first bound that the contract misses, in the order of the tables; None: it lies within all."""
    if _is_not_asked(task, quote):
        return Verdict.NOT_ASKED
    if not 0 < quote.bid <= quote.ask:
        return Verdict.NOT_OFFERED
    if task.expiration is None and not bounds.least_days <= days <= bounds.most_days:
        return Verdict.EXPIRATION
    if delta is None:
        return Verdict.GREEKS_UNKNOWN
    if task.strike is None and not bounds.least_delta <= delta <= bounds.most_delta:
        return Verdict.DELTA
    spread = quote.spread_percent
    assert spread is not None, "what has a bid has a spread"
    if spread > bounds.most_spread:
        return Verdict.SPREAD
    if task.chain.is_model:
        return None
    if (quote.open_interest or 0) < bounds.least_open_interest:
        return Verdict.OPEN_INTEREST
    return Verdict.VOLUME if (quote.volume or 0) < bounds.least_volume else None


def _chosen(best: Candidate, candidates: Sequence[Candidate], explanation: str) -> Selection:
    marked = tuple(replace(one, verdict=Verdict.CHOSEN) if one is best else one for one in candidates)
    return Selection(best.quote, None, marked, explanation)


def _source(task: _Task) -> str:
    return " (a model chain: nobody has quoted it)" if task.chain.is_model else ""


_PLACES = {Verdict.CHOSEN: 0, Verdict.ELIGIBLE: 1}


def _standing(candidate: Candidate) -> tuple[int, float, date, Decimal, str]:
    """The better comes first: the chosen one, the eligible ones by their scores, then what was rejected."""
    place = _PLACES.get(candidate.verdict, 2)
    contract, own = candidate.quote.contract, candidate.score
    return place, 0.0 if own is None else -own, contract.expiration, contract.strike, contract.symbol
