"""What may happen to an account, for runs of random events: its strategies and costs, alerts, bars and halts."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.model import HaltRow
from hookfill.market.model import Candle, InstrumentKind
from hookfill.risk.model import Halt
from support.desk import NOON, strategy
from support.naive_ledger import SIZES, Policy

D = Decimal
STARTS = {"SPY": D(500), "EURUSD": D("1.1"), "ES1!": D(6000), "BTCUSD": D(60_000)}
STRIDES = {"SPY": D("0.1"), "EURUSD": D("0.0001"), "ES1!": D("0.25"), "BTCUSD": D(5)}
STRATEGIES = [
    strategy(11),
    strategy(
        12,
        policy={"on_opposite": "close", "pyramiding": 3},
        exits={"stop": {"percent": "0.15"}, "target": {"r": 2}, "break_even_at_r": 1, "option_defaults": False},
    ),
    strategy(
        13,
        policy={"on_opposite": "ignore", "pyramiding": 2},
        exits={
            "trailing_percent": "0.2",
            "targets": [{"at": {"percent": "0.03"}, "percent": 40}, {"at": {"percent": "0.1"}, "percent": 60}],
            "session_close_minutes": 20,
            "max_hold_hours": "2",
        },
    ),
]
POLICIES = {UUID(int=11): Policy(), UUID(int=12): Policy("close", 3), UUID(int=13): Policy("ignore", 2)}
COSTS = [
    PaperModel(),
    PaperModel(D(3), {InstrumentKind.FX: D(2), InstrumentKind.EQUITY: D("0.01"), InstrumentKind.OPTION: D("0.65")}),
    PaperModel(volume_cap_pct=D(20)),
]
KINDS = {
    "SPY": InstrumentKind.EQUITY,
    "EURUSD": InstrumentKind.FX,
    "ES1!": InstrumentKind.FUTURE,
    "BTCUSD": InstrumentKind.CRYPTO,
    "option": InstrumentKind.OPTION,
}
SIZE = {"SPY": "20", "EURUSD": "0.25", "ES1!": "2", "BTCUSD": "0.5"}
VOLUMES = {"SPY": 20, "EURUSD": 1, "ES1!": 1, "BTCUSD": 1}
HALF = {"SPY": "7", "EURUSD": "0.1", "ES1!": "1", "BTCUSD": "0.2"}
MARKET = [
    "buy {0} {1}",
    "sell {0} {1}",
    "buy {0} {2}",
    "sell {0} {2}",
    "close {0}",
    "close {0} {2}",
    "close long {0}",
    '{{"symbol":"{0}","market_position":"long","market_position_size":{1}}}',
    '{{"symbol":"{0}","market_position":"long","market_position_size":{2}}}',
    '{{"symbol":"{0}","market_position":"short","market_position_size":{2}}}',
    '{{"symbol":"{0}","market_position":"flat"}}',
]
OPTIONS = [
    "buy SPY call 3",
    "sell SPY put 2",
    "buy SPY call strike=501 expiration=2026-03-03 1",
    "buy SPY put strike=499 expiration=2026-03-03 4",
    "buy SPY260303C00500000 2",
    "sell SPY260303C00500000",
    "close SPY",
]
SCOPES = ["global", "user", "account", "strategy", "symbol"]
START = NOON + timedelta(minutes=210)
SYMBOLS = sorted(SIZES)


def bar(symbol: str, opened_at: datetime, last: Decimal, digits: int) -> Candle | None:
    """A bar of one minute out of three digits; now and then there is none."""
    stride, (way, run, ends) = STRIDES[symbol], (digits // 100, digits // 10 % 10, digits % 10)
    if (way, run) == (9, 9):
        return None
    opening = max(last + (0, 0, 0, 0, 0, 1, -1, 7, -7, 0)[way] * stride, stride * 100)
    close = max(opening + (run - (4, 5)[ends % 2]) * stride, stride * 100)
    reach = 8 * (way == 9)  # as if somebody had gone through all stops and all targets
    high, low = max(opening, close) + (reach + ends % 3) * stride, min(opening, close) - (reach + ends // 3) * stride
    return Candle(symbol, "M1", opened_at, opened_at + timedelta(minutes=1), opening, high, low, close, VOLUMES[symbol] * ends)


def first_bars() -> list[Candle]:
    """The last bar before the start, of all but SPY, whose morning is known."""
    opened_at = START - timedelta(minutes=1)
    return [one for symbol in SYMBOLS if symbol != "SPY" and (one := bar(symbol, opened_at, STARTS[symbol], 0)) is not None]


def halt_of(scope: str, strategy_id: UUID, symbol: str, *, reduce_only: bool) -> HaltRow:
    """A halt in force."""
    return HaltRow(
        Halt(scope, reduce_only, "by hand"),
        strategy_id=strategy_id if scope == "strategy" else None,
        symbol=symbol if scope == "symbol" else None,
    )
