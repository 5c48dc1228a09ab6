"""What an engine sees of a case: the same frozen view for every engine that judges it (pure)."""

from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta
from uuid import UUID

from hookfill.desk.book import capital_of
from hookfill.desk.case import Case, only_leaves, risk_entry
from hookfill.desk.contracts import priced_by
from hookfill.desk.model import STUDY_BARS
from hookfill.desk.price import study_timeframe
from hookfill.engines.council.engine import NAME as COUNCIL
from hookfill.engines.council.flow import flow_of
from hookfill.engines.council.orb import SYMBOLS as WITH_OPENING_RANGE
from hookfill.engines.model import BookFigures, Decision, GammaFlow, MarketView
from hookfill.engines.registry import AB
from hookfill.kernel.money import ZERO
from hookfill.market.calendar import exchange_days
from hookfill.market.model import Candle
from hookfill.positions.model import Position

SESSION_BARS = 400
"""A whole session of the stock exchange in minutes, and a little more."""
WITH_COUNCIL = frozenset({COUNCIL, AB})
"""The engines that ask the council."""
_MOMENT = timedelta(microseconds=1)


def bars_needed(engine: str) -> int:
    """How many closed candles must be gathered for an engine; 0: it looks at none."""
    if engine == "direct":
        return 0
    return SESSION_BARS if engine in WITH_COUNCIL else STUDY_BARS


def market_view(case: Case) -> MarketView:
    """All that is known as of the case; the account's figures and the session only where a council asks for them."""
    symbol = priced_by(case.alert.symbol)  # an option is judged by its underlying, whose price the quote is
    gathered = case.situation.studies.get((symbol, study_timeframe(case.signal)), ())
    closed = gathered[: bisect_right(gathered, case.now, key=lambda bar: bar.closes_at)]
    leaves = only_leaves(case)
    if case.strategy.engine not in WITH_COUNCIL:
        return MarketView(case.quote, closed[-STUDY_BARS:], only_leaves=leaves)
    return MarketView(
        quote=case.quote,
        candles=closed[-STUDY_BARS:],
        session=_since_open(closed, case.now) if symbol in WITH_OPENING_RANGE else (),
        book=book_figures(case),
        flow=_flow(case),
        flags=case.situation.flags,
        only_leaves=leaves,
    )


def _since_open(closed: tuple[Candle, ...], now: datetime) -> tuple[Candle, ...]:
    """The candles that opened since the stock exchange did; () while it is closed."""
    session = next(exchange_days(now, now + _MOMENT), None)
    return () if session is None else closed[bisect_left(closed, session.opens_at, key=lambda bar: bar.opened_at) :]


def _flow(case: Case) -> GammaFlow | None:
    """What the symbol's option chain tells, if one is stored that was fetched by now and not long ago."""
    chain = case.situation.options.chains.get(priced_by(case.alert.symbol))
    return flow_of(chain) if chain is not None and chain.at <= case.now else None


def book_figures(case: Case) -> BookFigures:
    """How much room the account has for the signal's entry, by the very figures that the risk checks compare."""
    entry = risk_entry(case, is_exit=False)
    limits = entry.limits
    max_exposure = limits.max_exposure
    if entry.equity is not None:
        max_exposure = min(max_exposure, entry.equity * limits.max_exposure_pct / 100)
    left = _positions_left(case)
    own = left if case.position is None else {**left, case.position.position_id: case.position}
    return BookFigures(
        is_open=entry.market_open,
        open_positions=entry.open_positions - len(own),
        max_open_positions=limits.max_open_positions,
        committed=entry.committed - sum(map(capital_of, left.values()), ZERO),
        max_exposure=max_exposure,
    )


def _positions_left(case: Case) -> dict[UUID, Position]:
    """What a reversal leaves before it enters, by ids: the position in the alert's symbol, or the options on it."""
    symbols = [leg.symbol or case.alert.symbol for leg in case.exits]
    held = (case.book.position(case.strategy.strategy_id, symbol) for symbol in symbols)
    return {position.position_id: position for position in held if position is not None}


def note_failures(case: Case, *decisions: Decision) -> None:
    """Put agents that failed while deciding into the trace: the story shows them, and the log tells of them."""
    failures = [
        {"agent": one.agent, "error": one.error} for decision in decisions for one in decision.opinions if one.error is not None
    ]
    if failures:
        case.trace["agent_failures"] = failures
