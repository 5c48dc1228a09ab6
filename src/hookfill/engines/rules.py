"""Engine A: the rules. Indicators of the stored candles are recorded with every signal, and filters may refuse it.

With no filter on, everything is approved and the indicators are there to be read. A signal that only closes passes without filters:
getting out must not depend on an indicator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookfill.engines.compare import compare
from hookfill.engines.direction import direction
from hookfill.engines.model import Decision, Filters, MarketView
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import InvalidNumber, decimal_from
from hookfill.kernel.reasons import Reason
from hookfill.market.indicators import Indicators, indicators
from hookfill.signals.model import Signal

NAME = "rules"
_NO_FILTERS = Filters()
_SIDE_NAMES = {1: "long", -1: "short"}
_KNOWN = ("trend", "min_atr_percent", "max_atr_percent", "min_confluence")
_VOTE_COUNT = 5


@dataclass(frozen=True, slots=True)
class _View:
    """What the filters look at: the alert's side, the price, the indicators and the votes on them."""

    side: int
    price: float | None
    values: Indicators
    votes: Mapping[str, int | None]

    @property
    def agreeing(self) -> int:
        """How many votes agree with the alert's side."""
        return sum(1 for vote in self.votes.values() if vote == self.side)

    @property
    def unknown(self) -> int:
        """How many votes can't be taken for want of candles."""
        return sum(1 for vote in self.votes.values() if vote is None)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """One filter's outcome."""

    refusal: Reason | None
    reason: str


def filters_from(section: Mapping[str, Any]) -> Filters:
    """A strategy's ``filters`` section, read strictly.

    Raises:
        ConfigurationError: an unknown name, a value of the wrong kind, or bounds that exclude everything.
    """
    for name in section:
        if name not in _KNOWN:
            raise ConfigurationError(f"Unknown filter {name!r}; known are {', '.join(_KNOWN)}.")
    trend = section.get("trend", False)
    if not isinstance(trend, bool):
        raise ConfigurationError("Filter trend must be true or false.")
    confluence = section.get("min_confluence", 0)
    if isinstance(confluence, bool) or not isinstance(confluence, int) or not 0 <= confluence <= _VOTE_COUNT:
        raise ConfigurationError(f"Filter min_confluence must be a whole number from 0 to {_VOTE_COUNT}.")
    lowest, highest = _percent(section, "min_atr_percent"), _percent(section, "max_atr_percent")
    if lowest is not None and highest is not None and lowest > highest:
        raise ConfigurationError("Filter min_atr_percent must not exceed max_atr_percent.")
    return Filters(trend, lowest, highest, confluence)


def _percent(section: Mapping[str, Any], name: str) -> float | None:
    """A percentage of at least 0, or None where it is not set."""
    value = section.get(name)
    if value is None:
        return None
    try:
        number = decimal_from(value, name)
    except InvalidNumber as error:
        raise ConfigurationError(f"Filter {error}") from error
    if number < 0:
        raise ConfigurationError(f"Filter {name} must not be negative.")
    return float(number)


def decide(signal: Signal, market: MarketView, filters: Filters = _NO_FILTERS) -> Decision:
    """Judge a signal by the filters that are on; the first one that refuses names the refusal, all say their reason.

    The bias is the majority of the votes, the confidence the share of the five votes that agree with the alert (for a signal that
    only closes: 100).
    """
    values = indicators(market.candles)
    price = values.close if market.quote is None else float(market.quote.price)
    view = _View(direction(signal.alert), price, values, votes(values, price))
    verdicts = _verdicts(view, filters)
    refusal = next((verdict.refusal for verdict in verdicts if verdict.refusal is not None), None)
    return Decision(
        engine=NAME,
        approved=refusal is None,
        bias=_bias(view),
        confidence=100.0 * view.agreeing / _VOTE_COUNT if view.side else 100.0,
        refusal=refusal,
        reasons=tuple(verdict.reason for verdict in verdicts),
        figures=_figures(view, len(market.candles)),
    )


def votes(values: Indicators, price: float | None) -> dict[str, int | None]:
    """Five votes: 1 bullish, -1 bearish, 0 neither, None for want of candles.

    The order of EMA 8 and 21, the price's side of EMA 48 and of EMA 200, the sign of the squeeze's momentum, and that momentum once
    more when the squeeze is released (while it is on, that vote is 0).
    """
    momentum = compare(values.momentum, 0.0, price)
    released = None if values.squeeze_on is None else 0 if values.squeeze_on else momentum
    return {
        "ema_order": compare(values.ema_8, values.ema_21, price),
        "ema_48_side": compare(price, values.ema_48, price),
        "ema_200_side": compare(price, values.ema_200, price),
        "momentum": momentum,
        "squeeze_released": released,
    }


def _bias(view: _View) -> int:
    """The side that most votes take; 0 if they balance."""
    total = sum(vote for vote in view.votes.values() if vote is not None)
    return (total > 0) - (total < 0)


def _verdicts(view: _View, filters: Filters) -> list[_Verdict]:
    """The outcome of every filter that is on, in their fixed order."""
    if view.side == 0:
        return [_Verdict(None, "The signal only closes: filters do not apply.")]
    verdicts = []
    if filters.trend:
        verdicts.append(_trend(view))
    if filters.min_atr_percent is not None or filters.max_atr_percent is not None:
        verdicts.append(_volatility(view, filters))
    if filters.min_confluence:
        verdicts.append(_confluence(view, filters.min_confluence))
    return verdicts or [_Verdict(None, "No filter is on.")]


def _trend(view: _View) -> _Verdict:
    """Long: EMA 8 > EMA 21 and price >= EMA 21. Short: the mirror image."""
    fast, slow, price = view.values.ema_8, view.values.ema_21, view.price
    order, place = compare(fast, slow, price), compare(price, slow, price)
    if order is None or place is None:
        return _Verdict(Reason.CANDLES_MISSING, "Trend: EMA 21 needs 21 candles.")
    agrees = order == view.side and place != -view.side
    text = f"EMA 8 {fast:.6g}, EMA 21 {slow:.6g}, price {price:.6g} for a {_SIDE_NAMES[view.side]} entry"
    return _Verdict(None, f"Trend agrees: {text}.") if agrees else _Verdict(Reason.ENGINE_TREND, f"Trend disagrees: {text}.")


def _volatility(view: _View, filters: Filters) -> _Verdict:
    """The average true range in percent of the price lies within the bounds."""
    percent = _atr_percent(view)
    if percent is None:
        return _Verdict(Reason.CANDLES_MISSING, "Volatility: ATR 14 needs 15 candles.")
    lowest, highest = filters.min_atr_percent, filters.max_atr_percent
    if lowest is not None and percent < lowest:
        return _Verdict(
            Reason.ENGINE_VOLATILITY, f"Volatility is too low: ATR {percent:.4g} % of the price, at least {lowest:g} %."
        )
    if highest is not None and percent > highest:
        return _Verdict(
            Reason.ENGINE_VOLATILITY, f"Volatility is too high: ATR {percent:.4g} % of the price, at most {highest:g} %."
        )
    return _Verdict(None, f"Volatility is within bounds: ATR {percent:.4g} % of the price.")


def _confluence(view: _View, needed: int) -> _Verdict:
    """Enough votes agree. Missing candles matter only as long as the votes that they would bring could still decide."""
    text = f"{view.agreeing} of {_VOTE_COUNT} votes agree, {needed} are needed"
    if view.agreeing >= needed:
        return _Verdict(None, f"Confluence: {text}.")
    if view.agreeing + view.unknown >= needed:
        return _Verdict(Reason.CANDLES_MISSING, f"Confluence: {text}, and {view.unknown} need more candles (EMA 200 needs 200).")
    return _Verdict(Reason.ENGINE_CONFLUENCE, f"Confluence: {text}.")


def _atr_percent(view: _View) -> float | None:
    """ATR 14 in percent of the price."""
    if view.values.atr_14 is None or not view.price:
        return None
    return 100.0 * view.values.atr_14 / view.price


def _figures(view: _View, candle_count: int) -> dict[str, float | str | None]:
    """Everything that was decided on, JSON-ready."""
    return {
        "price": view.price,
        "candles": float(candle_count),
        **view.values.figures(),
        "atr_percent": _atr_percent(view),
        **{f"vote_{name}": vote for name, vote in view.votes.items()},
    }
