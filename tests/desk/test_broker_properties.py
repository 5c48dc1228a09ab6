"""Whatever order, split or repetition the news of a broker come in, the same is booked, and nothing twice."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.mt5.model import magic_of
from hookfill.desk.flight import Abroad, Deal, Report
from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome, Situation
from support.desk import STRATEGY, account, at, signal, situation, strategy

SYMBOLS = ["EURUSD", "GBPUSD", "AUDUSD"]
BROKER = account(kind="mt5", starting_cash=Decimal(100_000))


def opening() -> tuple[Situation, Outcome]:
    """Three entries, one in each symbol, at the broker."""
    signals = [signal(f"buy {symbol} 0.3", 0, number=place) for place, symbol in enumerate(SYMBOLS)]
    before = situation(*signals, account=BROKER, strategies=[strategy(policy={"pyramiding": 3})], abroad=Abroad(at(0), at(0)))
    return before, fold(before)


def later(before: Situation, outcome: Outcome, reports: tuple[Report, ...], deals: tuple[Deal, ...]) -> Situation:
    """What gathering would find after an outcome, with more news."""
    assert before.abroad is not None
    flights = {flight.order_id: flight for flight in (*before.abroad.flights, *outcome.moves.flights)}
    positions = {one.position_id: one for one in (*before.positions, *outcome.positions)}
    return replace(
        before,
        account=outcome.account,
        signals=(),
        positions=tuple(one for one in positions.values() if one.status != "closed"),
        horizon=at(10),
        abroad=replace(before.abroad, now=at(10), flights=tuple(flights.values()), reports=reports, deals=deals),
    )


@st.composite
def news(draw: st.DrawFn) -> list[Report | Deal]:
    """How each order ended, and a deal that closed what it opened; in any order, some of it twice."""
    _, outcome = opening()
    told: list[Report | Deal] = []
    for place, job in enumerate(outcome.moves.jobs):
        assert job.order_id is not None
        status = draw(st.sampled_from(["completed", "completed", "failed", "expired"]))
        volume = draw(st.sampled_from(["0.1", "0.3"]))
        result = {"fill_price": f"1.{place + 1}", "filled_volume": volume, "commission": "0.5"}
        told.append(Report(job.job_id, job.order_id, status, result, None, at(1) + timedelta(seconds=place)))
        if draw(st.booleans()):
            deal = Deal(
                str(place), SYMBOLS[place], "sell", Decimal(volume), Decimal("1.05"), magic_of(STRATEGY), "stop_loss", None, at(2)
            )
            told.append(replace(deal, profit=draw(st.sampled_from([None, Decimal(-7)]))))
    repeated = draw(st.lists(st.sampled_from(told), max_size=2))
    return draw(st.permutations([*told, *repeated]))


def book(parts: list[list[Report | Deal]]) -> tuple[Situation, list[Outcome]]:
    """Book the news part by part; a deal that has to wait comes again, as its row does."""
    now, outcome = opening()
    outcomes, waiting = [outcome], []
    done: set[str | UUID] = set()
    for part in [*parts, []]:
        reports = {one.job_id: one for one in part if isinstance(one, Report) and one.job_id not in done}
        deals = {one.deal_id: one for one in (*waiting, *part) if isinstance(one, Deal) and one.deal_id not in done}
        now = later(now, outcome, tuple(reports.values()), tuple(deals.values()))
        outcome = fold(now)
        outcomes.append(outcome)
        done |= {*outcome.moves.settled, *(note.deal_id for note in outcome.moves.deals)}
        waiting = [deal for deal in deals.values() if deal.deal_id not in done]
    return later(now, outcome, (), ()), outcomes


@given(news(), st.integers(0, 10))
def test_order_split_and_repetition_change_nothing(told: list[Report | Deal], cut: int) -> None:
    reports = {one.job_id: one for one in told if isinstance(one, Report)}
    deals = {one.deal_id: one for one in told if isinstance(one, Deal)}
    whole, _ = book([[*reports.values(), *deals.values()]])
    # A deal never comes to our knowledge before its order's end is known for good: its row waits while that is in flight.
    parts, outcomes = book([told[:cut], told[cut:], told])
    assert (parts.account.cash, parts.account.balance) == (whole.account.cash, whole.account.balance)
    held = {(one.symbol, one.quantity, one.cost, one.realized_pnl) for one in parts.positions}
    assert held == {(one.symbol, one.quantity, one.cost, one.realized_pnl) for one in whole.positions}
    fills = [fill.fill_id for one in outcomes for order in (*one.orders, *one.moves.ends) for fill in order.fills]
    assert len(fills) == len(set(fills))
    resolved = [one.signal_id for outcome in outcomes for one in outcome.moves.resolutions]
    assert len(resolved) == len(set(resolved)) == len(SYMBOLS)


@given(st.integers(2, 4))
def test_deciding_again_asks_for_the_same(times: int) -> None:
    asked = {tuple((job.job_id, job.order_id) for job in opening()[1].moves.jobs) for _ in range(times)}
    assert len(asked) == 1
