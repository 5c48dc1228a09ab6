"""The simulated terminal keeps to MetaTrader's ways, and what it holds survives its process."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.mt5.agent.fills import Fill, closed_without_us, find, is_marked, is_of_a_job, merge
from hookfill.brokers.mt5.agent.jobs import close_from
from hookfill.brokers.mt5.agent.questions import deal_facts
from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
from hookfill.brokers.mt5.agent.terminal import Entry, Execution, Filling, Reason, Side, TerminalError, TradeRequest
from hookfill.kernel.errors import ConfigurationError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MARK = "hfAZydLnoxfUOcVT8PaxsfKh"
LONG_AGO = NOW - timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def order(side: Side = Side.BUY, volume: str = "0.1", **changed: object) -> TradeRequest:
    whole = TradeRequest("EURUSD", side, Decimal(volume), Decimal("1.085"), None, None, 20, 7, MARK, Filling.FOK)
    return replace(whole, **changed)  # type: ignore[arg-type]  # names of TradeRequest


def terminal(**market: object) -> SimulatedTerminal:
    return SimulatedTerminal(":memory:", Market(**market), clock=lambda: NOW)  # type: ignore[arg-type]  # names of Market


def test_hedging_keeps_positions_apart_and_netting_adds_them_up() -> None:
    for hedging, expected in ((True, [("buy", "0.1"), ("sell", "0.3")]), (False, [("sell", "0.2")])):
        broker = terminal(hedging=hedging)
        broker.order_send(order())
        broker.order_send(order(Side.SELL, "0.3"))
        positions = sorted((each.side.value, str(each.volume)) for each in broker.positions())
        assert positions == expected
        assert [deal.entry for deal in broker.deals(LONG_AGO)] == [Entry.IN, Entry.IN if hedging else Entry.IN_OUT]


def test_netting_averages_what_is_added() -> None:
    broker = terminal(hedging=False)
    broker.order_send(order(volume="0.1"))
    broker.set_price("EURUSD", Decimal("1.09500"))
    broker.order_send(order(volume="0.3"))
    (position,) = broker.positions()
    assert (position.volume, position.price_open) == (Decimal("0.4"), Decimal("1.0926"))
    broker.order_send(order(Side.SELL, "0.4"))
    assert broker.positions() == ()
    assert broker.account().balance == 10_000 + (Decimal("1.095") - Decimal("1.0926")) * 40_000


@pytest.mark.parametrize(
    ("changed", "market", "state", "code"),
    [
        ({"filling": Filling.IOC}, {}, {}, 10030),
        ({"filling": Filling.IOC}, {"overrides": {"filling_mode": 2}}, {}, 0),
        ({"filling": Filling.RETURN}, {"overrides": {"filling_mode": 0}}, {}, 0),
        ({"filling": Filling.FOK}, {"overrides": {"filling_mode": 0}}, {}, 10030),
        ({"volume": Decimal("0.015")}, {}, {}, 10014),
        ({"volume": Decimal("0.001")}, {}, {}, 10014),
        ({"volume": Decimal(99)}, {}, {}, 10019),
        ({"sl": Decimal("1.09")}, {}, {}, 10016),
        ({"tp": Decimal("1.08501")}, {"overrides": {"stops_level_points": 50}}, {}, 10016),
        ({"position": 5}, {}, {}, 10036),
        ({"price": Decimal("1.2")}, {"overrides": {"execution": Execution.INSTANT}}, {}, 10004),
        ({}, {}, {"is_market_open": False}, 10018),
        ({}, {}, {"trade_allowed": False}, 10027),
        ({}, {}, {"is_connected": False}, 10031),
    ],
)
def test_what_the_broker_refuses(changed: dict[str, object], market: dict[str, object], state: dict[str, bool], code: int) -> None:
    broker = terminal(**market)
    broker.set_state(**state)
    assert broker.order_check(order(**changed)).retcode == code
    assert broker.order_send(order(**changed)).retcode == (code or 10009)
    assert len(broker.book().deals) == (0 if code else 1)


@pytest.mark.parametrize(
    ("side", "to", "reason", "price"),
    [
        (Side.BUY, "1.0790", Reason.STOP_LOSS, "1.0790"),
        (Side.BUY, "1.0950", Reason.TAKE_PROFIT, "1.09"),
        (Side.SELL, "1.0950", Reason.STOP_LOSS, "1.0951"),
        (Side.SELL, "1.0790", Reason.TAKE_PROFIT, "1.08"),
    ],
)
def test_stops_and_targets_are_dealt_when_the_price_comes_by(side: Side, to: str, reason: Reason, price: str) -> None:
    broker = terminal()
    low, high = Decimal("1.08"), Decimal("1.09")
    sl, tp = (low, high) if side is Side.BUY else (high, low)
    broker.order_send(order(side, sl=sl, tp=tp))
    broker.set_price("EURUSD", Decimal("1.0851"))
    assert len(broker.positions()) == 1
    broker.set_price("EURUSD", Decimal(to))
    assert broker.positions() == ()
    deal = broker.deals(LONG_AGO)[-1]
    assert (deal.reason, deal.price, deal.magic) == (reason, Decimal(price), 7)
    assert not is_of_a_job(deal)


def test_its_world_survives_and_others_may_look_at_it(tmp_path: Path) -> None:
    broker = SimulatedTerminal(tmp_path / "world", clock=lambda: NOW)
    broker.add_faults("raise+done")
    with pytest.raises(TerminalError):
        broker.order_send(order())
    other = SimulatedTerminal(tmp_path / "world", clock=lambda: NOW)
    assert [position.comment for position in other.positions()] == [MARK]
    other.set_price("EURUSD", Decimal("1.1"))
    assert broker.positions()[0].price_current == Decimal("1.1")
    broker.close()
    other.close()
    with pytest.raises(ConfigurationError):
        SimulatedTerminal(tmp_path / "no" / "such" / "folder")


def test_prices_walk_by_the_seed_alone() -> None:
    def walk(seed: int) -> list[Decimal]:
        clock = Clock()
        broker = SimulatedTerminal(":memory:", Market(seed=seed, walks=True), clock=clock)
        bids = []
        for _ in range(30):
            tick = broker.tick("EURUSD")
            assert tick is not None
            bids.append(tick.bid)
            clock.time += timedelta(seconds=1)
        return bids

    assert walk(1) == walk(1) != walk(2)
    assert len(set(walk(1))) > 10


def test_a_walking_price_reaches_stops() -> None:
    clock = Clock()
    broker = SimulatedTerminal(":memory:", Market(walks=True), clock=clock)
    broker.order_send(order(sl=Decimal("1.08480"), tp=Decimal("1.08530")))
    for _ in range(2000):
        clock.time += timedelta(seconds=1)
        broker.tick("EURUSD")
        if not broker.positions():
            break
    assert broker.deals(LONG_AGO)[-1].reason in {Reason.STOP_LOSS, Reason.TAKE_PROFIT}


def test_candles_are_the_same_whenever_they_are_asked_for() -> None:
    broker = terminal(prices={"EURUSD": Decimal("1.1")})
    bars = broker.candles("EURUSD", "M5", None, NOW, 5)
    assert [bar.time for bar in bars] == [NOW - timedelta(minutes=5 * back) for back in (4, 3, 2, 1, 0)]
    broker.set_price("EURUSD", Decimal("1.3"))
    assert broker.candles("EURUSD", "M5", NOW - timedelta(minutes=10), NOW, 5) == bars[2:]
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


# Traces ------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_found_by_deal_order_or_position() -> None:
    broker = terminal()
    broker.order_send(order())
    (deal,), (held,), (done,) = broker.deals(LONG_AGO), broker.positions(), broker.orders(LONG_AGO)
    bare = replace(deal, comment="broker's own")
    assert find(MARK, 7, [], [], [deal]).fills[0].deal == deal.ticket
    assert find(MARK, 7, [], [done], [bare]).fills[0].deal == deal.ticket
    assert find(MARK, 7, [held], [], []).fills[0].position_id == held.ticket
    assert find(MARK, 7, [], [replace(done, is_open=True)], []).is_working
    assert find(MARK, 7, [], [done], []).is_over
    assert find(MARK, 7, [], [], [bare]).is_nothing
    assert find(MARK, 8, [held], [done], [deal]).is_nothing
    assert find(MARK, None, [], [], [deal]).fills
    assert find(MARK, 7, [], [], [replace(deal, reason=Reason.STOP_LOSS)]).is_nothing


@given(st.text(max_size=31))
def test_only_a_long_beginning_of_a_mark_is_taken_for_it(comment: str) -> None:
    assert is_marked(comment, MARK) == (comment == MARK or (len(comment) >= 16 and MARK.startswith(comment)))
    assert is_marked(MARK[:20], MARK)
    assert not is_marked(MARK[:10], MARK)


def test_the_historys_figures_replace_those_of_the_answer() -> None:
    told = [Fill(1, 0, None, Decimal("0.1"), Decimal("1.1")), Fill(2, 0, None, Decimal("0.2"), Decimal("1.2"))]
    shown = [Fill(2, 9, 5, Decimal("0.2"), Decimal("1.21"))]
    assert merge(told, shown) == (told[0], shown[0])


def test_closings_by_others_are_taken_newest_first_up_to_the_volume() -> None:
    broker = terminal()
    clock = NOW
    for number in range(3):
        broker.order_send(order(comment=f"hf{number:022d}"))
    for position in broker.positions():
        broker.close_by_hand(position.ticket)
    deals = [replace(deal, time=clock + timedelta(seconds=number)) for number, deal in enumerate(broker.deals(LONG_AGO))]
    asked = {"symbol": "EURUSD", "side": "sell", "volume": Decimal("0.15"), "magic": 7, "comment": MARK}
    fills = closed_without_us(close_from(asked), deals)
    assert [fill.deal for fill in fills] == [deals[4].ticket, deals[5].ticket]
    assert closed_without_us(close_from(asked | {"magic": 8}), deals) == ()
    assert closed_without_us(close_from(asked | {"symbol": "GBPUSD"}), deals) == ()
    assert closed_without_us(close_from(asked | {"side": "buy"}), deals) == ()


def test_what_a_deal_cost_is_told_with_it() -> None:
    broker = terminal()
    broker.order_send(order())
    broker.close_by_hand(broker.positions()[0].ticket)
    told = deal_facts(replace(broker.deals(LONG_AGO)[-1], commission=Decimal("-0.7"), profit=Decimal(9)))
    assert (told["profit"], told["commission"]) == (9, Decimal("-0.7"))
