"""The sample day's alerts: what four charts send to one strategy, and what goes wrong on the way.

Each chart follows its market in a style and a dialect of its own and believes in the position that its alerts ask for, as a Pine
strategy does. What goes wrong is planned by the minute, so that each refusal can be named; see ``Intent``.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from hookfill.demo.sample_candles import DAY_MINUTES, DAY_START, MINUTE, STOCKS_OPEN_MINUTE, Bar


class Intent(StrEnum):
    """What an alert is there to show. The codes of refusals are those that Hookfill gives."""

    TRADE = "trade"
    """Asks for a position or an exit as a chart does. Whether it trades depends on the position; most do."""
    RESEND = "resend"
    """The same message again within the minute: the duplicate gate's work."""
    MALFORMED = "json_invalid"
    ACTION_UNKNOWN = "action_unknown"
    SYMBOL_MISSING = "symbol_missing"
    PLACEHOLDER_UNFILLED = "placeholder_unfilled"
    TEXT_UNUSABLE = "text_unusable"
    SIGNAL_STALE = "signal_stale"
    MARKET_CLOSED = "market_closed"
    PAIR_NOT_ALLOWED = "pair_not_allowed"
    PRICE_COLLAR = "price_collar"
    MAX_POSITION_SIZE = "max_position_size_exceeded"
    MAX_EXPOSURE = "max_exposure_exceeded"
    SIZE_TOO_SMALL = "size_too_small"
    STOP_WRONG_SIDE = "stop_wrong_side"
    NO_POSITION = "no_position"


@dataclass(frozen=True, slots=True)
class SampleAlert:
    """One message: when it reaches the webhook (UTC), its body, and what it is there to show."""

    at: datetime
    body: str
    intent: Intent = Intent.TRADE


@dataclass(frozen=True, slots=True)
class Trade:
    """A position that a chart asks for at a bar's close: prices in ticks, ``side`` 1 long, -1 short."""

    bar: Bar
    side: int
    size: str
    stop: int
    target: int

    @property
    def action(self) -> str:
        """``buy`` or ``sell``."""
        return "buy" if self.side > 0 else "sell"


def draw_alerts(bars: dict[str, list[Bar]], seed: int) -> list[SampleAlert]:
    """The day's alerts in the order in which they arrive.

    Args:
        bars: each symbol's bars of the day.
        seed: the same seed gives the same alerts.
    """
    chance = Random(f"{seed}:alerts")
    alerts = [
        *_scalper(bars["EURUSD"], chance),
        *_trend_follower(bars["BTCUSDT"], chance),
        *_texter(bars["SPY"], chance),
        *_swing_trader(bars["AAPL"], chance),
    ]
    alerts += _resends(alerts, chance)
    alerts += _mishaps(bars)
    return sorted(alerts, key=lambda alert: alert.at)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(bar: Bar, ticks: int) -> float:
    return float(bar.market.text(ticks))


def _fired(bar: Bar, chance: Random) -> datetime:
    """TradingView fires at the bar's close and delivers a second or two later."""
    return bar.closes_at + timedelta(seconds=1 + chance.randrange(2), milliseconds=chance.randrange(1000))


def _body(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _momentum(bars: Sequence[Bar], index: int, back: int) -> int:
    """1 if the last close lies above the one ``back`` bars before, else -1."""
    return 1 if bars[index].close >= bars[max(0, index - back)].close else -1


def _left_at(bars: Sequence[Bar], index: int, trade: Trade, patience: int) -> int:
    """The index of the bar in which the chart sees its stop or target touched, at most ``patience`` bars later."""
    last = min(index + patience, len(bars) - 1)
    below, above = sorted((trade.stop, trade.target))
    for later in range(index + 1, last + 1):
        if bars[later].low <= below or bars[later].high >= above:
            return later
    return last


def _trade(bar: Bar, side: int, size: str, risk: int, reward: int) -> Trade:
    return Trade(bar, side, size, bar.close - side * risk, bar.close + side * reward)


def _scalper(bars: Sequence[Bar], chance: Random) -> Iterator[SampleAlert]:
    """EURUSD: momentum entries with stop and target, in three JSON dialects; now and then a reversal before either is hit."""
    index, count = 11, 0
    while index < len(bars) - 15:
        size = f"0.{chance.randrange(1, 6)}"
        risk = chance.randrange(16, 32)
        reward = risk * chance.randrange(14, 22) // 10
        trade = _trade(bars[index], _momentum(bars, index, 6), size, risk, reward)
        count += 1
        at = _fired(trade.bar, chance)
        yield SampleAlert(at, _scalp_body(trade, count, at))
        if count % 9 == 0:
            # The same chart's second alert on the same side: no pyramiding, so it is refused.
            at = _fired(bars[index + 2], chance)
            yield SampleAlert(at, _scalp_body(trade, 1000 + count, at))
        patience = 4 if count % 6 == 0 else 40
        index = _left_at(bars, index, trade, patience) + chance.randrange(1, 4)
    yield SampleAlert(bars[-6].closes_at + timedelta(seconds=1), _body(symbol="EURUSD", action="close", comment="end of day"))


def _scalp_body(trade: Trade, count: int, at: datetime) -> str:
    bar = trade.bar
    price, stop, target = (_number(bar, ticks) for ticks in (bar.close, trade.stop, trade.target))
    match count % 3:
        case 0:
            return _body(
                symbol="EURUSD", action=trade.action, volume=float(trade.size), price=price, sl=stop, tp=target, timenow=_iso(at)
            )
        case 1:
            side = {"ticker": "FX:EURUSD", "side": trade.action.upper(), "qty": trade.size}
            return _body(**side, price=price, stop_loss=stop, take_profit=target, time=_iso(bar.opened_at), comment="scalp")
        case _:
            order = {"ticker": "EURUSD", "order_action": trade.action, "contracts": float(trade.size), "id": f"scalp-{count}"}
            return _body(**order, price=price, sl=stop, tp=target, timenow=_iso(at), max_lag_seconds=120)


_SIDES = {-1: "short", 0: "flat", 1: "long"}
_QUIET = range(255, 375)
"""The minutes in which the trend follower stands aside, so that a position reaches its longest holding time."""


def _trend_follower(bars: Sequence[Bar], chance: Random) -> Iterator[SampleAlert]:
    """BTCUSDT: a crossing of averages sets the position, sent as TradingView's market_position fields."""
    held, size, wait_until = 0, "0.02", 15
    for index in range(13, len(bars) - 1):
        fast, slow = (sum(bar.close for bar in bars[index - span : index]) * 12 // span for span in (3, 12))
        wanted = 1 if fast > slow else -1
        if wanted == held or index < wait_until or index in _QUIET:
            continue
        if held != 0 and chance.randrange(5) == 0:
            wanted = 0
        at = _fired(bars[index], chance)
        yield SampleAlert(at, _position_body(bars[index], held, wanted, size, at))
        held, wait_until = wanted, index + 3


def _position_body(bar: Bar, held: int, wanted: int, size: str, at: datetime) -> str:
    # On a reversal TradingView's order size covers both legs.
    contracts = f"{abs(wanted - held) * float(size):.2f}"
    order = {"ticker": "BTCUSDT", "exchange": "BINANCE", "action": "buy" if wanted > held else "sell", "contracts": contracts}
    now = {"market_position": _SIDES[wanted], "market_position_size": size if wanted else "0"}
    before = {"prev_market_position": _SIDES[held], "prev_market_position_size": size if held else "0"}
    return _body(**order, price=bar.market.text(bar.close), **now, **before, interval="1", timenow=_iso(at))


def _texter(bars: Sequence[Bar], chance: Random) -> Iterator[SampleAlert]:
    """SPY: plain text with stop and target; every fourth trade is closed by a text of its own."""
    index, count = 10, 0
    while index < len(bars) - 12:
        count += 1
        risk = chance.randrange(16, 28)
        side = _momentum(bars, index, 8) * (-1 if chance.randrange(4) == 0 else 1)
        trade = _trade(bars[index], side, str(chance.randrange(3, 6)), risk, risk * chance.randrange(12, 20) // 10)
        stop, target = (trade.bar.market.text(ticks) for ticks in (trade.stop, trade.target))
        yield SampleAlert(_fired(trade.bar, chance), f"{trade.action} SPY {trade.size} sl={stop} tp={target}")
        left = _left_at(bars, index, trade, 5 if count % 4 == 0 else 45)
        if count % 4 == 0:
            yield SampleAlert(_fired(bars[left], chance), "close SPY")
        index = left + chance.randrange(2, 6)
    yield SampleAlert(bars[-5].closes_at + timedelta(seconds=1), "close SPY")


def _swing_trader(bars: Sequence[Bar], chance: Random) -> Iterator[SampleAlert]:
    """AAPL: few entries with a wide stop and no target; the strategy's own exit rules end most of them."""
    for minute in (14, 36, 135, 232, 290, 345):
        bar = bars[minute]
        side = _momentum(bars, minute, 12)
        at = _fired(bar, chance)
        wide = _number(bar, bar.close - side * 75)
        yield SampleAlert(
            at, _body(ticker="NASDAQ:AAPL", action=_ACTIONS[side], quantity=8, sl=wide, interval="5", timenow=_iso(at))
        )
    yield SampleAlert(bars[-5].closes_at + timedelta(seconds=1), _body(ticker="NASDAQ:AAPL", action="exit"))


_ACTIONS = {1: "buy", -1: "sell"}


def _resends(alerts: Sequence[SampleAlert], chance: Random) -> list[SampleAlert]:
    """TradingView sends again after 5 s when an answer got lost, up to three times; it looks the same to the byte."""
    again = []
    for alert in alerts:
        if chance.randrange(8) == 0:
            times = 1 + (chance.randrange(4) == 0)
            again += [SampleAlert(alert.at + timedelta(seconds=5 * (n + 1)), alert.body, Intent.RESEND) for n in range(times)]
    return again


def _at(minute: int, second: int = 1, millisecond: int = 0) -> datetime:
    return DAY_START + minute * MINUTE + timedelta(seconds=second, milliseconds=millisecond)


def _mishaps(bars: dict[str, list[Bar]]) -> list[SampleAlert]:
    """What goes wrong, by the minute. Entries that a limit refuses come before the symbol's first trade, while it is flat."""
    opening = STOCKS_OPEN_MINUTE
    euro, coin = bars["EURUSD"][5], bars["BTCUSDT"][7]
    apple, spy = bars["AAPL"][3], bars["SPY"][3]
    stray_quote = f'{{"symbol":"EURUSD","action":"buy","volume":0.2,"price":{euro.market.text(euro.close)}","timenow":"%s"}}'
    return [
        SampleAlert(_at(4), "close EURUSD", Intent.NO_POSITION),
        SampleAlert(
            _at(6), _body(symbol="EURUSD", action="buy", volume=15, price=_number(euro, euro.close)), Intent.MAX_POSITION_SIZE
        ),
        SampleAlert(
            _at(8), _body(ticker="BTCUSDT", action="buy", contracts=0.5, price=_number(coin, coin.close)), Intent.MAX_EXPOSURE
        ),
        SampleAlert(_at(20, 2), stray_quote % _iso(_at(20)), Intent.MALFORMED),
        SampleAlert(_at(95, 2), stray_quote % _iso(_at(95)), Intent.MALFORMED),
        SampleAlert(_at(203, 3), '{"ticker":"AAPL","action":"buy","quantity":8,"comment":"breakout', Intent.MALFORMED),
        SampleAlert(_at(33), _body(action="buy", volume=0.2, comment="which one?"), Intent.SYMBOL_MISSING),
        SampleAlert(_at(48), _body(symbol="EURUSD", action="hold", volume=0.2), Intent.ACTION_UNKNOWN),
        SampleAlert(
            _at(61), _body(ticker="BTCUSDT", action="{{strategy.order.action}}", contracts=0.02), Intent.PLACEHOLDER_UNFILLED
        ),
        SampleAlert(_at(77), "EURUSD crossed its line, have a look", Intent.TEXT_UNUSABLE),
        SampleAlert(_at(90), _body(symbol="GBPUSD", action="buy", volume=0.2, price=1.3361), Intent.PAIR_NOT_ALLOWED),
        SampleAlert(_at(118, 4), _body(symbol="EURUSD", action="sell", volume=0.2, timenow=_iso(_at(97))), Intent.SIGNAL_STALE),
        SampleAlert(_at(opening - 45), "buy SPY 5", Intent.MARKET_CLOSED),
        SampleAlert(_at(opening - 10), _body(ticker="NASDAQ:AAPL", action="buy", quantity=8), Intent.MARKET_CLOSED),
        SampleAlert(_at(opening + 4), "buy SPY 40", Intent.MAX_EXPOSURE),
        SampleAlert(_at(opening + 6), "buy SPY 0.4", Intent.SIZE_TOO_SMALL),
        SampleAlert(_at(opening + 7), f"buy SPY 5 sl={spy.market.text(spy.close + 300)}", Intent.STOP_WRONG_SIDE),
        SampleAlert(
            _at(opening + 8),
            _body(ticker="AAPL", action="buy", quantity=8, price=_number(apple, apple.close * 10)),
            Intent.PRICE_COLLAR,
        ),
        *_burst(),
        SampleAlert(_at(DAY_MINUTES, 2), "buy SPY 3", Intent.MARKET_CLOSED),
    ]


BURST_MINUTE = 180
"""15:00 UTC: every chart fires within one second, as at the close of an hourly bar."""


def _burst() -> list[SampleAlert]:
    """Twenty alerts within a second: for each market both directions twice and a close; the last word is flat."""
    alerts = []
    sizes = {"EURUSD": "0.1", "BTCUSDT": "0.01", "SPY": "3", "AAPL": "6"}
    orders = [(symbol, action) for action in ("buy", "sell", "buy", "sell", "close") for symbol in sizes]
    for number, (symbol, action) in enumerate(orders):
        at = _at(BURST_MINUTE, 1, 50 * number)
        size = {} if action == "close" else {"quantity": sizes[symbol]}
        alerts.append(SampleAlert(at, _body(ticker=symbol, action=action, **size, id=f"burst-{number}")))
    return alerts
