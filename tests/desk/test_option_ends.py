"""The last minutes of an option: once it has ended it is settled, and nothing sells it any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome
from hookfill.desk.timers import GRACE
from hookfill.market.model import Quote
from support.desk import NOON, only, signal, strategy
from support.options import still, with_options

D = Decimal
END = datetime(2026, 3, 4, 21, tzinfo=UTC)
ENDS = int((END - NOON).total_seconds()) // 60
ENDING = "buy SPY call strike=500 expiration=2026-03-04 2"
BARS = [still(ENDS - 65, "505"), still(ENDS - 8, "507.35")]
"""The last one closes three minutes before the end."""
MINUTE = timedelta(minutes=1)


def held(exits: dict[str, object]) -> Outcome:
    """The option bought on its last day, two minutes before its end."""
    rules = [strategy(exits={"option_defaults": False, **exits})]
    outcome = fold(with_options(signal(ENDING, ENDS - 59), bars=BARS, strategies=rules, horizon=END - 2 * MINUTE))
    assert only(outcome.positions).status == "open"
    return outcome


def then(outcome: Outcome, *signals: object, **fields: object) -> Outcome:
    """What becomes of it."""
    given = with_options(*signals, bars=[*BARS, *fields.pop("more", ())], **fields)
    return fold(replace(given, account=outcome.account, positions=outcome.positions))


def exits(outcome: Outcome) -> list[tuple[str | None, datetime, Decimal]]:
    return [(order.exit_reason, order.as_of, only(order.fills).price) for order in outcome.orders]


SETTLED = [("expired", END, D("7.35"))]
LATE = {"session_close_minutes": 1}
"""The session's positions are left a minute before the close: too late to wait two minutes for a price."""


def test_an_alert_after_the_end_sells_nothing_whose_time_was_up_just_before() -> None:
    outcome = then(held(LATE), signal("close SPY", ENDS + 0.5), horizon=END + MINUTE / 2)
    assert exits(outcome) == SETTLED
    assert only(outcome.verdicts).reason == "no_position"


@pytest.mark.parametrize("late", [(), (still(ENDS, "520", "M1"),)])
def test_the_clock_sells_nothing_after_the_end(late: tuple[object, ...]) -> None:
    assert exits(then(held(LATE), more=late, horizon=END + GRACE)) == SETTLED


def test_its_last_price_is_waited_for_although_its_time_was_up_before() -> None:
    first = held(LATE)
    assert exits(then(first, horizon=END + GRACE - MINUTE / 2)) == []
    last = then(first, more=(still(ENDS - 1, "502", "M1"),), horizon=END + GRACE)
    assert [(reason, at) for reason, at, _ in exits(last)] == [("session_close", END)]


def test_a_clock_that_has_time_enough_leaves_before_the_end() -> None:
    at = END - 2 * MINUTE + GRACE
    assert [one[:2] for one in exits(then(held({"session_close_minutes": 2}), horizon=END + GRACE))] == [("session_close", at)]


@pytest.mark.parametrize("price", ["2.5", "9.99", "30"])
def test_what_a_feed_tells_of_the_contract_after_its_end_neither_marks_nor_sells_it(price: str) -> None:
    first = held({"stop": {"percent": 50}, "target": {"percent": 100}})
    position = only(first.positions)
    told = {position.symbol: Quote(position.symbol, D(price), END + MINUTE / 3, "alpaca")}
    early = then(first, quotes=told, horizon=END + MINUTE)
    assert exits(early) == []
    assert all(one.marked_at <= END for one in early.positions)
    assert exits(then(first, quotes=told, horizon=END + GRACE)) == SETTLED
