"""What is fetched, and when: no clock, no network."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from hookfill.market.feeds.plan import BACKFILL_DAYS, BarsAsk, Watched, chain_bounds, due_bars, trades_now
from hookfill.market.feeds.watching import TIER_DAYS
from hookfill.market.option_symbols import contract_from
from hookfill.market.timeframes import TIMEFRAMES
from hookfill.orders.strike_rules import BOUNDS

OPEN = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
"""A Wednesday, half an hour after the exchange has opened."""
NIGHT = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
ACCOUNT = UUID(int=7)


def watched(symbol: str = "SPY", *timeframes: str, **more: object) -> Watched:
    return Watched(symbol, frozenset({ACCOUNT}), frozenset(timeframes or ("M1",)), **more)  # type: ignore[arg-type]


def newest(moment: datetime, *symbols: str, timeframe: str = "M1") -> dict[tuple[str, str], datetime]:
    return {(symbol, timeframe): moment for symbol in symbols or ("SPY",)}


def test_a_new_symbol_is_fetched_with_its_past_at_once_even_while_its_market_is_closed() -> None:
    (ask,) = due_bars([watched()], {}, {}, NIGHT)
    assert ask == BarsAsk(("SPY",), "M1", NIGHT - timedelta(days=4))


def test_every_timeframe_has_its_past() -> None:
    assert BACKFILL_DAYS.keys() == TIMEFRAMES.keys()
    asks = due_bars([watched("SPY", *TIMEFRAMES)], {}, {}, OPEN)
    assert {ask.timeframe: OPEN - ask.since for ask in asks} == {name: timedelta(days=days) for name, days in BACKFILL_DAYS.items()}


@pytest.mark.parametrize(
    ("asked", "has_last", "seconds", "is_due"),
    [
        (-30, True, 1, False),  # the bar has just closed and may not be told yet
        (-30, True, 2, True),  # it is known: once all the same, since it may have been revised
        (-30, False, 2, True),
        (2, False, 5, False),
        (2, False, 7, True),
        (7, False, 14, False),
        (7, False, 15, True),
        (15, False, 59, False),  # nothing was traded: the next minute comes
        (2, True, 59, False),
    ],
)
def test_a_bar_is_asked_for_at_its_close_and_again_while_it_is_missing(
    asked: float, has_last: bool, seconds: float, is_due: bool
) -> None:
    known = newest(OPEN - timedelta(minutes=1 if has_last else 2))
    told = {("SPY", "M1"): OPEN + timedelta(seconds=asked)}
    asks = due_bars([watched()], known, told, OPEN + timedelta(seconds=seconds))
    assert bool(asks) is is_due


@pytest.mark.parametrize(("minute", "is_due"), [(59, True), (60, True), (61, True), (63, False)])
def test_after_the_close_the_last_bars_are_asked_for(minute: int, is_due: bool) -> None:
    closing = datetime(2026, 3, 4, 20, 0, tzinfo=UTC)
    now = closing + timedelta(minutes=minute, seconds=3)
    known = newest(now - timedelta(minutes=5))
    assert bool(due_bars([watched()], known, {("SPY", "M1"): now - timedelta(minutes=1)}, now)) is is_due


def test_coins_are_asked_for_at_any_time() -> None:
    assert due_bars(
        [watched("BTCUSD")], newest(NIGHT, "BTCUSD"), {("BTCUSD", "M1"): NIGHT}, NIGHT + timedelta(minutes=2, seconds=3)
    )


def test_symbols_that_are_up_to_date_are_asked_for_together_and_others_apart() -> None:
    now = OPEN + timedelta(seconds=3)
    known = (
        newest(OPEN - timedelta(minutes=2), "SPY")
        | newest(OPEN - timedelta(minutes=3), "QQQ")
        | newest(OPEN - timedelta(days=1), "AAPL")
    )
    asks = due_bars([watched(symbol) for symbol in ("SPY", "QQQ", "AAPL", "MSFT")], known, {}, now)
    assert [(ask.symbols, now - ask.since) for ask in asks] == [
        (("AAPL", "MSFT"), timedelta(days=4)),
        (("SPY", "QQQ"), timedelta(minutes=3, seconds=3)),
    ]


def test_the_past_is_never_fetched_from_further_back_than_is_looked_at() -> None:
    (ask,) = due_bars([watched()], newest(OPEN - timedelta(days=300)), {}, OPEN)
    assert ask.since == OPEN - timedelta(days=4)


def test_a_market_that_closed_two_minutes_ago() -> None:
    closing = datetime(2026, 3, 4, 21, 0, tzinfo=UTC)
    assert trades_now("SPY", closing - timedelta(seconds=1))
    assert not trades_now("SPY", closing)
    assert trades_now("SPY", closing, timedelta(seconds=1))


def test_a_chain_reaches_as_far_as_the_strategies_look() -> None:
    bounds = chain_bounds(watched(option_days=21), Decimal(500), OPEN)
    assert (bounds.first_expiration, bounds.last_expiration) == (date(2026, 3, 4), date(2026, 3, 25))
    assert (bounds.lowest_strike, bounds.highest_strike) == (425, 575)
    far = chain_bounds(watched(option_days=720), Decimal(500), OPEN)
    assert (far.last_expiration, far.lowest_strike, far.highest_strike) == (date(2028, 2, 22), 200, 800)


def test_contracts_that_are_held_are_always_within() -> None:
    held = (contract_from("SPY270115C00700000"), contract_from("SPY260306P00300000"))
    bounds = chain_bounds(watched(option_days=21, contracts=held), Decimal(500), OPEN)
    assert (bounds.last_expiration, bounds.lowest_strike, bounds.highest_strike) == (date(2027, 1, 15), 300, 700)


def test_the_day_is_new_yorks() -> None:
    assert chain_bounds(watched(option_days=21), Decimal(500), NIGHT).first_expiration == date(2026, 3, 3)


def test_chains_reach_over_all_days_of_each_tier() -> None:
    assert {tier.value: bounds.most_days for tier, bounds in BOUNDS.items()} == TIER_DAYS
