"""A decision that never ends is ended: the signal is blamed for it, the others go on."""

import threading

import pytest

from hookfill.desk import decide, worker
from hookfill.desk.watchdog import TookTooLong, at_most
from hookfill.engines.model import Decision, Filters, MarketView
from hookfill.engines.registry import engine
from hookfill.signals.model import Signal
from support.house import House

SHORT = 0.05


def test_a_loop_without_an_end_is_ended() -> None:
    def loop() -> None:
        with at_most(SHORT) as bound, bound:
            while True:
                pass

    with pytest.raises(TookTooLong, match="loop without an end"):
        loop()


def test_what_ends_in_time_is_left_alone_and_the_alarm_is_taken_back() -> None:
    with at_most(SHORT) as bound:
        with bound:
            pass
        assert threading.Event().wait(2 * SHORT) is False
    assert threading.Event().wait(2 * SHORT) is False


def test_each_entering_counts_anew() -> None:
    def loop() -> None:
        while True:
            pass

    with at_most(SHORT) as bound:
        for _ in range(2):
            with pytest.raises(TookTooLong), bound:
                loop()


def test_in_another_thread_nothing_is_bounded() -> None:
    ended: list[bool] = []

    def work() -> None:
        with at_most(SHORT) as bound, bound:
            threading.Event().wait(2 * SHORT)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


async def test_an_engine_caught_in_a_loop_costs_its_own_signal_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def caught(signal: Signal, market: MarketView, filters: Filters) -> Decision:
        while signal.alert.comment == "poison":
            pass
        return engine("direct")(signal, market, filters)

    monkeypatch.setattr(worker, "SIGNAL_SECONDS", SHORT)
    monkeypatch.setattr(decide, "engine", lambda name: caught)
    strategy = await house.new_strategy()
    await house.bar(0, "1.1 1.1 1.1 1.1")
    for number, comment in enumerate(("before", "poison", "behind")):
        await house.alert(strategy, f"{'close' if comment == 'behind' else 'buy'} EURUSD 0.1 comment={comment}", 2 + number / 10)
    for _ in range(3):
        await house.decide()
        await house.pool.execute("UPDATE signals SET retry_at = clock_timestamp() WHERE retry_at IS NOT NULL")
    rows = await house.pool.fetch("SELECT status, reason, error_message FROM signals ORDER BY signal_id")
    assert [(row["status"], row["reason"]) for row in rows] == [("executed", None), ("failed", "dead_lettered"), ("executed", None)]
    assert "TookTooLong" in rows[1]["error_message"]
