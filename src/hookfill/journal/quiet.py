"""When an indicator is too quiet (pure): nothing at all comes from it, or nothing of one trade while others are told of.

An indicator that sends heartbeats tells something every minute while its market is open. So silence longer than a few minutes
means that TradingView has stopped the alert, or that its messages do not get here. An indicator without heartbeats may well have
nothing to tell. Silence counts from the latest message that told of the present, or from when the market opened if that was
later. A journal that was silent for a week counts as given up.

An open trade's move is told every minute too. One that was not told for more than two minutes of the indicator's own time, while
others were, has probably lost an alert, or the indicator follows it no more. Just after a pause, when the first messages come in,
that proves nothing: it counts once moves have been told for two minutes without a gap. A trade of which nothing was told for a day
counts as given up.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hookfill.market.calendar import trading_days
from hookfill.market.instruments import instrument_for

STALE_AFTER = timedelta(minutes=2)
"""The contract's bound for an active trade's move."""
TRADE_GIVEN_UP = timedelta(days=1)
JOURNAL_GIVEN_UP = timedelta(days=7)
USUAL_SYMBOL = "NQ1!"
"""Whose hours hold while no trade names its symbol: what the indicator was made for."""


def opened_at(symbol: str | None, now: datetime) -> datetime | None:
    """When the market that is open now opened; None: it is closed."""
    days = trading_days(instrument_for(symbol or USUAL_SYMBOL), now, now + timedelta(seconds=1))
    return next((day.opens_at for day in days if day.opens_at <= now < day.closes_at), None)


def is_silent(live_at: datetime, opened: datetime | None, now: datetime, after: timedelta) -> bool | None:
    """Whether an indicator that sends heartbeats is too quiet; None: that can't be said now, what was said before holds.

    Args:
        live_at: when its latest message arrived that told of the present.
        opened: when the market opened, None: it is closed.
        after: how long silence is no matter.
    """
    if now - live_at <= after or now - live_at > JOURNAL_GIVEN_UP:
        return False
    if opened is None or now - max(live_at, opened) <= after:
        return None
    return True


def steady_since(
    live_mfe_at: datetime | None, live_mfe_since: datetime | None, told: Iterable[datetime]
) -> tuple[datetime | None, datetime | None]:
    """The time of the latest move that was told, and since when moves have been told without a gap, after some more were told."""
    for at in sorted(told):
        if live_mfe_at is None or live_mfe_since is None or at - live_mfe_at > STALE_AFTER:
            live_mfe_since = at
        live_mfe_at = at if live_mfe_at is None else max(live_mfe_at, at)
    return live_mfe_at, live_mfe_since


def stale_between(live_mfe_at: datetime, live_mfe_since: datetime) -> tuple[datetime, datetime] | None:
    """Between which moments (from, until) the last telling of an open trade makes it stale; None: that can't be said now."""
    if live_mfe_at - live_mfe_since <= STALE_AFTER:
        return None
    return live_mfe_at - TRADE_GIVEN_UP, live_mfe_at - STALE_AFTER
