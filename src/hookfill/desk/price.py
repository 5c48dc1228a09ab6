"""Which price is true for a symbol as of a moment (pure)."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookfill.desk.model import Outcome
from hookfill.market.model import Candle, Quote
from hookfill.market.timeframes import bar_close, bar_seconds, closest_timeframe
from hookfill.signals.model import Alert, Signal


def quote_of_bar(bar: Candle) -> Quote:
    """The price that a closed bar leaves behind: its close, true at its closing."""
    return Quote(bar.symbol, bar.close, bar.closes_at, "candle", bar_seconds(bar.timeframe), bar.low, bar.high, bar.volume)


def quote_as_of(newest: Quote | None, history: Sequence[Candle], at: datetime) -> Quote | None:
    """The newest price known at a moment.

    Args:
        newest: the symbol's newest price of all.
        history: bars ordered by their close; needed only when ``newest`` is later than ``at``.
    """
    if newest is None or newest.at <= at:
        return newest
    place = bisect_right(history, at, key=lambda bar: bar.closes_at)
    return quote_of_bar(history[place - 1]) if place else None


def is_fresh(quote: Quote, now: datetime, max_age_seconds: float) -> bool:
    """Whether a quote is young enough: three of its bars, or the limit, whichever is longer."""
    age_seconds = (now - quote.at).total_seconds()
    return age_seconds <= max(max_age_seconds, 3 * (quote.bar_seconds or 0))


def tradable_quote(
    known: Quote | None, alert: Alert, now: datetime, max_age_seconds: float, *, use_alert_price: bool
) -> Quote | None:
    """The price to trade at: the market's while it is fresh, else the alert's own if the strategy allows it.

    A stale market price is returned when there is nothing better, so that the refusal can show its age.
    """
    if known is not None and is_fresh(known, now, max_age_seconds):
        return known
    if use_alert_price and alert.price is not None:
        return Quote(alert.symbol, alert.price, now, "alert")
    return known


def alert_prices(outcome: Outcome) -> list[Quote]:
    """Of each symbol the newest price that an alert brought and that was traded at: there was no fresh one of the market.

    Prices of alerts that were refused, or whose strategy does not allow it, are no prices.
    """
    made = [(order.signal_id, order.as_of, order.fills) for order in outcome.orders]
    made += [(rested.order.signal_id, rested.order.as_of, rested.fills) for rested in outcome.rested]
    traded = {signal_id for signal_id, _, fills in made if any(fill.price_source == "alert" for fill in fills)}
    as_of = {signal_id: at for signal_id, at, _ in made}
    newest: dict[str, Quote] = {}
    for verdict in outcome.verdicts:
        alert = verdict.asked
        if verdict.signal_id not in traded or not isinstance(alert, Alert) or alert.price is None:
            continue
        quote = Quote(alert.symbol, alert.price, as_of[verdict.signal_id], "alert")
        if alert.symbol not in newest or newest[alert.symbol].at <= quote.at:
            newest[alert.symbol] = quote
    return list(newest.values())


def study_timeframe(signal: Signal) -> str:
    """The timeframe an engine looks at: the alert's own, or five minutes."""
    return closest_timeframe(signal.alert.timeframe) or "M5"


def candle_from(row: Mapping[str, Any]) -> Candle:
    """A bar from its row."""
    return Candle(
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        opened_at=row["timestamp"],
        closes_at=bar_close(row["timeframe"], row["timestamp"]),
        open=row["open"],
        high=row["high"],
        low=row["low"],
        close=row["close"],
        volume=row["volume"],
    )
