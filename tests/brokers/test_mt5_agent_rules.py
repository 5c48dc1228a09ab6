"""What is sent to a terminal and what its answers mean: tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.mt5.agent import retcodes
from hookfill.brokers.mt5.agent.jobs import Entry, UnusableJob, close_from, entry_from, job_from
from hookfill.brokers.mt5.agent.requests import (
    Refusal,
    closable,
    close_request,
    entry_request,
    fillings_of,
    pip_of,
    spread_points,
    usable_volume,
)
from hookfill.brokers.mt5.agent.retcodes import Kind
from hookfill.brokers.mt5.agent.terminal import Answer, Execution, Filling, Position, Side, SymbolInfo, Tick, TradeMode
from hookfill.brokers.mt5.agent.times import Zone, to_broker, to_utc
from hookfill.kernel.ids import new_id

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EURUSD = SymbolInfo(
    "EURUSD", 5, Decimal("0.00001"), Decimal("0.01"), Decimal(50), Decimal("0.01"), 1, Execution.MARKET, TradeMode.FULL, 0
)
TICK = Tick("EURUSD", Decimal("1.08500"), Decimal("1.08510"), None, NOON)
BUY = Entry("EURUSD", Side.BUY, Decimal("0.1"), 7, "hfmark", None, None, None, None, None, 20)
FOK, IOC, RETURN = Filling.FOK, Filling.IOC, Filling.RETURN


@pytest.mark.parametrize(
    ("execution", "mask", "first"),
    [
        (Execution.MARKET, 1, FOK),
        (Execution.MARKET, 2, IOC),
        (Execution.MARKET, 3, FOK),
        (Execution.MARKET, 0, RETURN),
        (Execution.EXCHANGE, 0, RETURN),
        (Execution.EXCHANGE, 2, IOC),
        (Execution.EXCHANGE, 4, RETURN),
        (Execution.INSTANT, 0, FOK),
        (Execution.INSTANT, 2, FOK),
        (Execution.REQUEST, 2, FOK),
    ],
)
def test_the_filling_mode_comes_from_the_bit_mask(execution: Execution, mask: int, first: Filling) -> None:
    fillings = fillings_of(replace(EURUSD, execution=execution, filling_mode=mask))
    assert fillings[0] is first
    assert sorted(fillings) == [FOK, IOC, RETURN]


@pytest.mark.parametrize(
    ("asked", "step", "least", "expected"),
    [
        ("0.1", "0.01", "0.01", "0.1"),
        ("0.129", "0.01", "0.01", "0.12"),
        ("0.019", "0.01", "0.02", 10014),
        ("0.009", "0.01", "0.01", 10014),
        ("1.99", "0.5", "0.5", "1.5"),
        ("50", "0.01", "0.01", "50"),
        ("50.01", "0.01", "0.01", 10014),
    ],
)
def test_volumes_are_floored_to_the_step_and_bounded(asked: str, step: str, least: str, expected: str | int) -> None:
    found = usable_volume(Decimal(asked), replace(EURUSD, volume_step=Decimal(step), volume_min=Decimal(least)))
    assert (found.code if isinstance(found, Refusal) else found) == (expected if isinstance(expected, int) else Decimal(expected))


@given(st.decimals("0.001", "60", places=3), st.sampled_from(["0.01", "0.1", "0.03", "1"]))
def test_a_volume_never_grows_and_lies_on_the_grid(asked: Decimal, step: str) -> None:
    found = usable_volume(asked, replace(EURUSD, volume_step=Decimal(step), volume_min=Decimal(step)))
    if not isinstance(found, Refusal):
        assert Decimal(step) <= found <= asked
        assert found % Decimal(step) == 0
        assert asked - found < Decimal(step)


@pytest.mark.parametrize(
    ("digits", "point", "pip"), [(5, "0.00001", "0.0001"), (3, "0.001", "0.01"), (2, "0.01", "0.01"), (4, "0.0001", "0.0001")]
)
def test_a_pip_is_ten_points_of_fractional_prices(digits: int, point: str, pip: str) -> None:
    assert pip_of(replace(EURUSD, digits=digits, point=Decimal(point))) == Decimal(pip)


@pytest.mark.parametrize(
    ("side", "given", "level_points", "expected"),
    [
        ("buy", {}, 0, (None, None)),
        ("buy", {"sl": Decimal("1.08"), "tp": Decimal("1.09")}, 0, ("1.08", "1.09")),
        ("buy", {"sl_pips": Decimal(50), "tp_pips": Decimal(100)}, 0, ("1.0801", "1.0951")),
        ("sell", {"sl_pips": Decimal(50), "tp_pips": Decimal(100)}, 0, ("1.09", "1.075")),
        ("sell", {"sl": Decimal("1.09"), "tp_pips": Decimal("10.55")}, 0, ("1.09", "1.08394")),
        ("buy", {"sl": Decimal(0), "tp": Decimal(0), "sl_pips": Decimal(0)}, 0, (None, None)),
        ("buy", {"sl": Decimal("1.0850000001")}, 0, 10016),
        ("buy", {"sl": Decimal("1.09")}, 0, 10016),
        ("buy", {"tp": Decimal("1.084")}, 0, 10016),
        ("sell", {"sl": Decimal("1.084")}, 0, 10016),
        ("sell", {"tp": Decimal("1.09")}, 0, 10016),
        ("buy", {"sl": Decimal("1.08451")}, 50, 10016),
        ("buy", {"sl": Decimal("1.08450")}, 50, ("1.0845", None)),
        ("sell", {"tp": Decimal("1.08461")}, 50, 10016),
        ("sell", {"tp_pips": Decimal(2000)}, 0, ("", "0.885")),
        ("sell", {"tp_pips": Decimal(20000)}, 0, 10016),
    ],
)
def test_stops_and_targets(
    side: str, given: dict[str, Decimal], level_points: int, expected: tuple[str | None, str | None] | int
) -> None:
    symbol = replace(EURUSD, stops_level_points=level_points)
    request = entry_request(replace(BUY, side=Side(side), **given), symbol, TICK, FOK)
    if isinstance(expected, int):
        assert isinstance(request, Refusal)
        assert request.code == expected
    else:
        assert not isinstance(request, Refusal)
        assert (request.sl, request.tp) == tuple(Decimal(level) if level else None for level in expected)
        assert request.price == (TICK.ask if side == "buy" else TICK.bid)


@pytest.mark.parametrize(
    ("mode", "side", "is_allowed"),
    [
        (TradeMode.FULL, "buy", True),
        (TradeMode.DISABLED, "buy", False),
        (TradeMode.CLOSE_ONLY, "sell", False),
        (TradeMode.LONG_ONLY, "buy", True),
        (TradeMode.LONG_ONLY, "sell", False),
        (TradeMode.SHORT_ONLY, "sell", True),
        (TradeMode.SHORT_ONLY, "buy", False),
    ],
)
def test_trade_modes(mode: TradeMode, side: str, is_allowed: bool) -> None:
    request = entry_request(replace(BUY, side=Side(side)), replace(EURUSD, trade_mode=mode), TICK, FOK)
    assert isinstance(request, Refusal) is not is_allowed


def test_the_spread_is_told_in_points() -> None:
    assert spread_points(TICK, EURUSD) == 10


def position(ticket: int, volume: str = "0.1", **changed: object) -> Position:
    whole = Position(
        ticket, "EURUSD", Side.BUY, Decimal(volume), Decimal("1.08"), Decimal("1.085"), None, None, Decimal(0), 7, "", NOON
    )
    return replace(whole, **changed)  # type: ignore[arg-type]  # names of Position


def test_a_close_is_about_the_strategys_own_positions_oldest_first() -> None:
    close = close_from({"symbol": "EURUSD", "side": "sell", "volume": Decimal("0.3"), "magic": 7, "comment": "hfmark"})
    others = [position(1, magic=8), position(2, symbol="GBPUSD"), position(3, side=Side.SELL)]
    late = position(4, opened_at=NOON + timedelta(hours=1))
    held = [*others, late, position(6), position(5)]
    assert [each.ticket for each in closable(close, held, hedging=True, without=frozenset({6}))] == [5, 4]
    assert [each.ticket for each in closable(close, held, hedging=False, without=frozenset())] == [1, 5, 6, 4]


@pytest.mark.parametrize(
    ("held", "remaining", "expected"),
    [("0.1", "0.3", "0.1"), ("0.5", "0.3", "0.3"), ("0.5", "0.305", "0.3"), ("0.5", "0.005", 10014), ("0.005", "0.3", "0.005")],
)
def test_a_close_never_takes_more_than_is_there(held: str, remaining: str, expected: str | int) -> None:
    close = close_from({"symbol": "EURUSD", "side": "sell", "volume": Decimal(1), "magic": 7, "comment": "hfmark"})
    made = [
        close_request(close, position(9, held), Decimal(remaining), EURUSD, TICK, FOK, hedging=hedging) for hedging in (True, False)
    ]
    if isinstance(expected, int):
        assert [each.code for each in made if isinstance(each, Refusal)] == [expected, expected]
        return
    assert [(each.volume, each.position, each.price) for each in made if not isinstance(each, Refusal)] == [
        (Decimal(expected), 9, TICK.bid),
        (Decimal(expected), None, TICK.bid),
    ]


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ((10009, 10010, 10025), Kind.DONE),
        ((10008,), Kind.PLACED),
        ((10004, 10020, 10021), Kind.REQUOTE),
        ((10011, 10012, 10031, None, 0, 12345), Kind.UNKNOWN),
        ((10013, 10014, 10016, 10017, 10018, 10019, 10027, 10006), Kind.REFUSED),
        ((10030,), Kind.FILLING),
    ],
)
def test_return_codes(codes: tuple[int | None, ...], kind: Kind) -> None:
    for code in codes:
        assert retcodes.kind_of(Answer(code)) is kind
        assert len(retcodes.explain(Answer(code, "said"))) > 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": ""},
        {"side": "long"},
        {"volume": 0},
        {"volume": "NaN"},
        {"volume": -1},
        {"volume": None},
        {"magic": "7"},
        {"magic": True},
        {"comment": None},
        {"sl": "low"},
        {"tp": -1},
        {"deviation": []},
    ],
)
def test_a_job_that_can_not_be_understood_is_not_begun(wrong: dict[str, object]) -> None:
    whole = {"symbol": "EURUSD", "side": "buy", "volume": Decimal("0.1"), "magic": 7, "comment": "hfmark"}
    assert entry_from(whole).volume == Decimal("0.1")
    with pytest.raises(UnusableJob):
        entry_from(whole | wrong)


def test_a_job_without_what_every_job_has_is_refused() -> None:
    whole = {"job_id": str(new_id()), "job_type": "trade", "lease_token": 5, "leased_until": NOON.isoformat()}
    assert job_from(whole, NOON).lease_token == "5"
    assert job_from(whole, NOON).may_act is True
    assert job_from(whole | {"may_act": False}, NOON).may_act is False
    for name in ("job_id", "job_type", "lease_token"):
        with pytest.raises(UnusableJob):
            job_from({key: value for key, value in whole.items() if key != name}, NOON)


@given(st.sampled_from([-5, 0, 2, 3, 5.5]), st.floats(0, 200), st.floats(0.001, 200))
def test_the_brokers_zone_follows_from_a_tick_that_was_seen_to_arrive(hours: float, late: float, later: float) -> None:
    offset = int(hours * 3600)
    first = NOON.timestamp() + offset - late - later
    zone = Zone().with_tick("EURUSD", first, NOON).with_tick("EURUSD", first + later, NOON)
    assert zone.is_sure
    assert zone.offset_seconds == offset


def test_old_ticks_of_a_closed_market_are_only_a_guess() -> None:
    two_hours_old = NOON.timestamp() + 3 * 3600 - 2 * 3600
    zone = Zone().with_tick("EURUSD", two_hours_old, NOON)
    assert (zone.offset_seconds, zone.is_sure) == (3600, False)
    zone = zone.with_tick("BTCUSD", NOON.timestamp() + 3 * 3600 - 1, NOON)
    assert (zone.offset_seconds, zone.is_sure) == (3 * 3600, False)
    sure = zone.with_tick("BTCUSD", NOON.timestamp() + 3 * 3600, NOON)
    assert sure.is_sure
    assert sure.with_tick("EURUSD", two_hours_old, NOON).offset_seconds == 3 * 3600
    assert Zone().with_tick("X", NOON.timestamp() - 90 * 86_400, NOON).offset_seconds == 0


def test_broker_time_to_utc_and_back() -> None:
    broker = to_broker(NOON, 7200)
    assert broker.hour == 14
    assert to_utc(broker.timestamp(), 7200) == NOON
