"""One job at a simulated terminal: every answer that a broker may give, leases, traces, and what the journal remembers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.brokers.mt5.agent.execute import Executor, Pending
from hookfill.brokers.mt5.agent.jobs import Job
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.sending import Lease, Sender
from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
from hookfill.brokers.mt5.agent.terminal import Execution, Side
from hookfill.brokers.mt5.model import JobType, comment_of
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.ids import new_id

MAGIC = 7


class Desk:
    """A terminal, a journal and an executor on a clock that only pauses move."""

    def __init__(self, **market: Any) -> None:
        self.time = datetime.now(UTC)
        self.terminal = SimulatedTerminal(":memory:", Market(**market), clock=lambda: self.time)
        self.journal = Journal(":memory:")
        self.before_pause: Callable[[], None] = lambda: None

    def _pause(self, seconds: float) -> None:
        self.before_pause()
        self.time += timedelta(seconds=seconds)

    def job(self, kind: str = "trade", **given: Any) -> Job:
        job_id = new_id()
        whole = {"symbol": "EURUSD", "side": "buy", "volume": Decimal("0.1"), "magic": MAGIC, "comment": comment_of(job_id)}
        leased, expires = self.time + timedelta(seconds=60), self.time + timedelta(seconds=20)
        return Job(job_id, JobType(kind), whole | given, "1", leased, expires, 1, may_act=True)

    def carry_out(self, job: Job) -> Any:
        sender = Sender(self.terminal, self.journal, lambda: self.time, self._pause)
        return Executor(sender).carry_out(job, Lease(job.leased_until, job.expires_at))

    def trade(self, **given: Any) -> dict[str, Any]:
        outcome = self.carry_out(self.job(**given))
        assert outcome["status"] == "completed", outcome
        return dict(outcome)


@pytest.fixture(params=[True, False], ids=["hedging", "netting"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(hedging=request.param)


@pytest.mark.parametrize(
    ("fault", "status", "code", "deals"),
    [
        ("10009", "completed", None, 1),
        ("10008", "completed", None, 1),
        ("10010", "completed", None, 1),
        ("10025", "completed", None, 1),
        ("10004", "completed", None, 1),
        ("10020", "completed", None, 1),
        ("10021", "completed", None, 1),
        ("10030", "failed", 10030, 0),
        ("10013", "failed", 10013, 0),
        ("10014", "failed", 10014, 0),
        ("10016", "failed", 10016, 0),
        ("10017", "failed", 10017, 0),
        ("10018", "failed", 10018, 0),
        ("10019", "failed", 10019, 0),
        ("10027", "failed", 10027, 0),
        ("10011", "failed", 10011, 0),
        ("10012", "failed", 10012, 0),
        ("10011+done", "completed", None, 1),
        ("10012+done", "completed", None, 1),
        ("10012+late", "completed", None, 1),
        ("10031", "completed", None, 1),
        ("10031+done", "completed", None, 1),
        ("none", "failed", None, 0),
        ("none+done", "completed", None, 1),
        ("none+late", "completed", None, 1),
        ("raise", "failed", None, 0),
        ("raise+done", "completed", None, 1),
        ("77777+done", "completed", None, 1),
    ],
)
def test_every_answer_to_an_entry(desk: Desk, fault: str, status: str, code: int | None, deals: int) -> None:
    desk.terminal.add_faults(fault)
    outcome = desk.carry_out(desk.job())
    assert (outcome["status"], outcome.get("error_code"), len(desk.terminal.book().deals)) == (status, code, deals)
    if deals:
        deal = desk.terminal.book().deals[0]
        assert outcome["fill_price"] == Decimal("1.0851")
        assert outcome["filled_volume"] == deal.volume
        assert outcome["deal_ids"] == [str(deal.ticket)]
        assert outcome["broker_order_id"] == str(deal.order)
        assert outcome["broker_position_id"] == str(deal.position_id)
    else:
        assert outcome["error_message"]


@pytest.mark.parametrize("fault", ["10004", "10020", "10021"])
def test_a_broker_that_always_requotes_gets_no_more_than_a_few_tries(desk: Desk, fault: str) -> None:
    desk.terminal.add_faults(*[fault] * 20)
    outcome = desk.carry_out(desk.job())
    assert (outcome["status"], outcome["error_code"]) == ("failed", int(fault))
    assert len(desk.terminal.book().faults) == 14


def test_a_requote_is_answered_with_the_fresh_price() -> None:
    desk = Desk(overrides={"execution": Execution.INSTANT})
    desk.terminal.add_faults("10004")
    desk.before_pause = lambda: desk.terminal.set_price("EURUSD", Decimal("1.09000"))
    assert desk.trade()["fill_price"] == Decimal("1.0901")


def test_a_filling_mode_that_the_broker_refuses_is_followed_by_the_next() -> None:
    desk = Desk(overrides={"filling_mode": 3})
    desk.terminal.add_faults("10030")
    assert desk.trade()["status"] == "completed"
    desk.terminal.add_faults("10030", "10030")
    outcome = desk.carry_out(desk.job())
    assert (outcome["status"], outcome["error_code"]) == ("failed", 10030)
    assert len(desk.terminal.book().deals) == 1


@pytest.mark.parametrize(
    ("given", "market", "code"),
    [
        ({"volume": Decimal("0.001")}, {}, 10014),
        ({"volume": Decimal(500)}, {}, 10014),
        ({"sl": Decimal("1.2")}, {}, 10016),
        ({"sl_pips": Decimal(1)}, {"overrides": {"stops_level_points": 100}}, 10016),
        ({"volume": Decimal(50)}, {}, 10019),
        ({"symbol": "NOPE"}, {"symbols": frozenset({"EURUSD"})}, None),
        ({"max_spread": 5}, {}, None),
        ({"side": "hold"}, {}, None),
    ],
)
def test_what_is_refused_before_it_is_sent(given: dict[str, Any], market: dict[str, Any], code: int | None) -> None:
    desk = Desk(**market)
    outcome = desk.carry_out(desk.job(**given))
    assert (outcome["status"], outcome.get("error_code")) == ("failed", code)
    assert outcome["error_message"]
    assert desk.terminal.book().orders == []


def test_a_spread_that_narrows_in_time_is_waited_for() -> None:
    desk = Desk()
    desk.terminal.set_price("EURUSD", Decimal("1.08500"), Decimal("1.08600"))
    desk.before_pause = lambda: desk.terminal.set_price("EURUSD", Decimal("1.08500"), Decimal("1.08503"))
    assert desk.trade(max_spread=5)["fill_price"] == Decimal("1.08503")


def test_stops_by_distance_lie_at_the_position() -> None:
    desk = Desk()
    desk.trade(sl_pips=Decimal(20), tp=Decimal("1.2"))
    (position,) = desk.terminal.book().positions
    assert (position.sl, position.tp) == (Decimal("1.0831"), Decimal("1.2"))


# Time ------------------------------------------------------------------------------------------------------------------------


def test_a_lapsed_lease_is_not_acted_on_and_the_job_is_the_servers_again(desk: Desk) -> None:
    job = replace(desk.job(), leased_until=desk.time + timedelta(seconds=1))
    assert desk.carry_out(job) is Pending.DROPPED
    assert desk.journal.entry(job.job_id) is None
    again = replace(job, lease_token="2", leased_until=desk.time + timedelta(seconds=60), attempt=2)
    assert desk.carry_out(again)["status"] == "completed"


def test_a_job_whose_time_is_over_is_not_begun(desk: Desk) -> None:
    for changed in ({"expires_at": desk.time}, {"may_act": False}):
        outcome = desk.carry_out(replace(desk.job(), **changed))  # type: ignore[arg-type]  # names of Job
        assert outcome["status"] == "expired"
    assert desk.terminal.book().orders == []


def test_time_that_runs_out_between_two_prices_ends_the_tries(desk: Desk) -> None:
    desk.terminal.add_faults(*["10004"] * 5)
    outcome = desk.carry_out(replace(desk.job(), expires_at=desk.time + timedelta(seconds=0.7)))
    assert outcome["status"] == "expired"
    assert len(desk.terminal.book().faults) == 3


def test_what_an_earlier_lease_did_is_found_though_it_may_not_be_begun_any_more(desk: Desk) -> None:
    job = desk.job()
    first = desk.carry_out(job)
    desk.journal = Journal(":memory:")  # another agent, or a lost journal
    again = replace(job, may_act=False, attempt=2, lease_token="2")
    assert desk.carry_out(again) == first
    assert len(desk.terminal.book().deals) == 1


def test_the_outcome_in_the_journal_is_told_again_under_the_new_lease(desk: Desk) -> None:
    job = desk.job()
    first = desk.carry_out(job)
    desk.journal.reported(job.job_id)
    assert desk.carry_out(replace(job, lease_token="2")) == first
    (entry,) = desk.journal.to_report()
    assert entry.lease_token == "2"


def test_an_order_that_may_be_on_its_way_is_never_sent_again(desk: Desk) -> None:
    """The agent died as it sent; the terminal shows nothing, however often it is asked."""
    job = desk.job()
    desk.journal.take(job.job_id, {}, "1")
    desk.journal.act(job.job_id, {"volume": Decimal("0.1")})
    outcome = desk.carry_out(replace(job, attempt=2, lease_token="2"))
    assert outcome["status"] == "failed"
    assert desk.terminal.book().orders == []


def test_an_accepted_order_without_a_trace_is_waited_for(desk: Desk) -> None:
    job = desk.job()
    desk.journal.take(job.job_id, {}, "1")
    desk.journal.act(job.job_id, {"volume": Decimal("0.1")})
    desk.journal.answered(job.job_id, "accepted")
    assert desk.carry_out(job) is Pending.LOOK_AGAIN


def test_without_a_connection_nothing_is_concluded(desk: Desk) -> None:
    desk.terminal.set_state(is_connected=False)
    job = desk.job()
    assert desk.carry_out(job) is Pending.LOOK_AGAIN
    assert desk.carry_out(replace(job, attempt=2, expires_at=desk.time)) is Pending.LOOK_AGAIN
    assert desk.carry_out(replace(job, expires_at=desk.time))["status"] == "expired"
    other = desk.job()
    assert desk.carry_out(replace(other, leased_until=desk.time)) is Pending.DROPPED


# Closing ---------------------------------------------------------------------------------------------------------------------


def close(desk: Desk, volume: str = "0.1", **given: Any) -> Job:
    return desk.job("close_position", side="sell", volume=Decimal(volume), **given)


@pytest.mark.parametrize(
    ("fault", "status", "closings"),
    [
        ("10009", "completed", 1),
        ("10010", "completed", 2),
        ("10012+late", "completed", 1),
        ("none+done", "completed", 1),
        ("raise+done", "completed", 1),
        ("10031", "completed", 1),
        ("10018", "failed", 0),
        ("10004", "completed", 1),
        ("10036+done", "completed", 1),
    ],
)
def test_every_answer_to_a_close(desk: Desk, fault: str, status: str, closings: int) -> None:
    desk.trade()
    desk.terminal.set_price("EURUSD", Decimal("1.08600"))
    desk.terminal.add_faults(fault)
    outcome = desk.carry_out(close(desk))
    book = desk.terminal.book()
    assert (outcome["status"], len(book.deals) - 1) == (status, closings)
    assert book.positions == [] or status == "failed"
    if status == "completed":
        assert (outcome["fill_price"], outcome["filled_volume"], outcome["profit"]) == (Decimal("1.086"), Decimal("0.1"), 9)


def test_the_oldest_positions_are_closed_first_and_the_last_in_part() -> None:
    desk = Desk(hedging=True)
    for price in ("1.08", "1.09", "1.10"):
        desk.terminal.set_price("EURUSD", Decimal(price))
        desk.trade()
        desk.time += timedelta(seconds=1)
    outcome = desk.carry_out(close(desk, "0.25"))
    assert outcome["status"] == "completed"
    assert len(outcome["deal_ids"]) == 3
    assert outcome["profit"] == (Decimal("1.10") - Decimal("1.0801")) * 10_000 + (
        Decimal("1.10") - Decimal("1.0901")
    ) * 10_000 - Decimal("0.5")
    (left,) = desk.terminal.book().positions
    assert (left.volume, left.price_open) == (Decimal("0.05"), Decimal("1.1001"))


def test_the_positions_of_others_stay() -> None:
    desk = Desk(hedging=True)
    desk.trade(magic=99)
    outcome = desk.carry_out(close(desk))
    assert outcome["status"] == "failed"
    assert len(desk.terminal.book().positions) == 1


def test_a_net_position_is_never_turned_around() -> None:
    desk = Desk(hedging=False)
    desk.trade()
    outcome = desk.carry_out(close(desk, "0.5"))
    assert (outcome["status"], outcome["filled_volume"]) == ("completed", Decimal("0.1"))
    assert desk.terminal.book().positions == []


@pytest.mark.parametrize("by", ["stop", "hand"])
def test_what_was_closed_without_us_is_told_as_it_was(desk: Desk, by: str) -> None:
    desk.trade(sl=Decimal("1.08"))
    desk.time += timedelta(seconds=1)
    if by == "stop":
        desk.terminal.set_price("EURUSD", Decimal("1.07900"))
    else:
        desk.terminal.close_by_hand(desk.terminal.book().positions[0].ticket)
    outcome = desk.carry_out(close(desk))
    assert outcome["status"] == "completed"
    assert outcome["fill_price"] == (Decimal("1.079") if by == "stop" else Decimal("1.085"))
    assert len(desk.terminal.book().deals) == 2


def test_how_an_earlier_position_was_closed_says_nothing_of_a_later_one(desk: Desk) -> None:
    desk.trade(sl=Decimal("1.08"))
    desk.time += timedelta(seconds=1)
    desk.terminal.set_price("EURUSD", Decimal("1.07900"))
    desk.time += timedelta(days=1)
    desk.terminal.set_price("EURUSD", Decimal("1.09000"))
    desk.trade()
    desk.time += timedelta(seconds=1)
    assert desk.carry_out(close(desk))["status"] == "completed"
    again = desk.carry_out(close(desk))  # as after a close that was taken as not done, and arrived late
    assert (again["status"], "fill_price" in again) == ("failed", False), again


def test_an_interrupted_close_is_taken_up_where_positions_have_tickets_and_left_where_they_net(desk: Desk) -> None:
    desk.trade()
    (position,) = desk.terminal.book().positions
    job = close(desk)
    desk.journal.take(job.job_id, {}, "1")
    ticket = position.ticket if desk.terminal.book().hedging else None
    desk.journal.act(job.job_id, {"volume": Decimal("0.1"), "position": ticket})
    outcome = desk.carry_out(replace(job, attempt=2))
    assert outcome["status"] == ("completed" if desk.terminal.book().hedging else "failed")
    assert len(desk.terminal.book().positions) == (0 if desk.terminal.book().hedging else 1)


def test_a_close_that_came_too_late_says_that_the_position_is_open(desk: Desk) -> None:
    desk.trade()
    outcome = desk.carry_out(replace(close(desk), may_act=False))
    assert outcome["status"] == "expired"
    assert len(desk.terminal.book().positions) == 1


# Questions -------------------------------------------------------------------------------------------------------------------


def test_questions_are_answered(desk: Desk) -> None:
    desk.trade()
    (position,) = desk.carry_out(desk.job("get_positions"))["output_data"]["positions"]
    assert (position["symbol"], position["side"], position["volume"]) == ("EURUSD", "buy", Decimal("0.1"))
    account = desk.carry_out(desk.job("get_account"))["output_data"]["account"]
    assert account["balance"] == 10_000
    assert account["equity"] == 9_999
    candles = desk.carry_out(desk.job("get_candles", timeframe="5m", limit=3))["output_data"]["candles"]
    assert len(candles) == 3
    assert all(bar["low"] <= bar["open"] <= bar["high"] for bar in candles)
    assert desk.carry_out(desk.job("get_candles", timeframe="7q"))["status"] == "failed"


def test_a_fault_that_is_none_is_refused() -> None:
    for fault in ("never", "10009+maybe", ""):
        with pytest.raises(ConfigurationError):
            Desk().terminal.add_faults(fault)


def test_sides_have_opposites() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
