"""What exactly is sent to the terminal: volumes, filling modes, prices, stops (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from hookfill.brokers.mt5.agent.jobs import Close, Entry
from hookfill.brokers.mt5.agent.terminal import Execution, Filling, Position, Side, SymbolInfo, Tick, TradeMode, TradeRequest
from hookfill.kernel.money import ZERO, floor_to_step, plain

_FOK_BIT = 1
_IOC_BIT = 2
INVALID_VOLUME = 10014
INVALID_STOPS = 10016
TRADE_DISABLED = 10017


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not sent: in words, and the return code that the terminal would have given (None: it has none)."""

    text: str
    code: int | None = None


def fillings_of(symbol: SymbolInfo) -> tuple[Filling, ...]:
    """The filling modes of market orders, the one to be tried first in front.

    The symbol's ``filling_mode`` is a bit mask, not the order's constant. Instant and request execution always take FOK; market and
    exchange execution what the mask says, and RETURN where it says nothing (MQL5 reference, SYMBOL_FILLING_MODE). Brokers get the
    mask wrong at times, so the others follow.
    """
    if symbol.execution in {Execution.REQUEST, Execution.INSTANT}:
        first = [Filling.FOK]
    else:
        by_bit = ((_FOK_BIT, Filling.FOK), (_IOC_BIT, Filling.IOC))
        first = [filling for bit, filling in by_bit if symbol.filling_mode & bit] or [Filling.RETURN]
    return (*first, *(filling for filling in (Filling.FOK, Filling.IOC, Filling.RETURN) if filling not in first))


def usable_volume(volume: Decimal, symbol: SymbolInfo) -> Decimal | Refusal:
    """A volume floored to the symbol's step, if it lies within its bounds."""
    floored = floor_to_step(volume, symbol.volume_step)
    if floored < symbol.volume_min or floored <= ZERO:
        least = plain(symbol.volume_min)
        return Refusal(f"{plain(volume)} lots of {symbol.name} are less than the broker's least ({least}).", INVALID_VOLUME)
    if floored > symbol.volume_max:
        most = plain(symbol.volume_max)
        return Refusal(f"{plain(volume)} lots of {symbol.name} are more than the broker's most ({most}).", INVALID_VOLUME)
    return floored


def pip_of(symbol: SymbolInfo) -> Decimal:
    """A pip: ten points where prices have 3 or 5 digits, else one point."""
    return symbol.point * 10 if symbol.digits in {3, 5} else symbol.point


def rounded(price: Decimal, symbol: SymbolInfo) -> Decimal:
    """A price at the symbol's digits."""
    return price.quantize(Decimal(1).scaleb(-symbol.digits), rounding=ROUND_HALF_EVEN)


def price_for(side: Side, tick: Tick) -> Decimal:
    """What a market order of a side is dealt at: buys at the ask, sells at the bid."""
    return tick.ask if side is Side.BUY else tick.bid


def spread_points(tick: Tick, symbol: SymbolInfo) -> Decimal:
    """How far the ask lies above the bid."""
    return (tick.ask - tick.bid) / symbol.point


def entry_request(entry: Entry, symbol: SymbolInfo, tick: Tick, filling: Filling) -> TradeRequest | Refusal:
    """The market order that opens a position, at the present price."""
    only = {TradeMode.LONG_ONLY: Side.BUY, TradeMode.SHORT_ONLY: Side.SELL}.get(symbol.trade_mode)
    if symbol.trade_mode in {TradeMode.DISABLED, TradeMode.CLOSE_ONLY} or only is entry.side.opposite:
        allowed = symbol.trade_mode.name.lower().replace("_", " ")
        return Refusal(f"The broker does not let {symbol.name} be opened this way ({allowed}).", TRADE_DISABLED)
    volume = usable_volume(entry.volume, symbol)
    if isinstance(volume, Refusal):
        return volume
    price = price_for(entry.side, tick)
    sl = _level(entry.sl, entry.sl_pips, entry.side, price, symbol, towards=-1)
    tp = _level(entry.tp, entry.tp_pips, entry.side, price, symbol, towards=1)
    bad = _bad_levels(entry.side, sl, tp, symbol, tick)
    if bad is not None:
        return bad
    return TradeRequest(
        symbol=symbol.name,
        side=entry.side,
        volume=volume,
        price=price,
        sl=sl,
        tp=tp,
        deviation_points=entry.deviation_points,
        magic=entry.magic,
        comment=entry.comment,
        filling=filling,
    )


def _level(
    absolute: Decimal | None, pips: Decimal | None, side: Side, price: Decimal, symbol: SymbolInfo, *, towards: int
) -> Decimal | None:
    """A stop (``towards`` -1: against the position) or target (1: with it) at the symbol's digits; None where none is asked for."""
    if absolute:
        return rounded(absolute, symbol)
    if not pips:
        return None
    sign = towards if side is Side.BUY else -towards
    return rounded(price + sign * pips * pip_of(symbol), symbol)


def _bad_levels(side: Side, sl: Decimal | None, tp: Decimal | None, symbol: SymbolInfo, tick: Tick) -> Refusal | None:
    """A position leaves at the other side's price: that is where stop and target are measured from."""
    leaving = price_for(side.opposite, tick)
    sign = 1 if side is Side.BUY else -1
    least = symbol.stops_level_points * symbol.point
    for name, level, direction in (("stop", sl, -sign), ("target", tp, sign)):
        if level is None:
            continue
        distance = (level - leaving) * direction
        if level <= ZERO or distance <= ZERO:
            return Refusal(f"The {name} {plain(level)} lies on the wrong side of the price {plain(leaving)}.", INVALID_STOPS)
        if distance < least:
            points = symbol.stops_level_points
            return Refusal(
                f"The {name} {plain(level)} is nearer to the price {plain(leaving)} than the broker allows ({points} points).",
                INVALID_STOPS,
            )
    return None


def closable(close: Close, positions: Iterable[Position], *, hedging: bool, without: frozenset[int]) -> list[Position]:
    """The positions that a close is about, oldest first.

    On a hedging account those with the strategy's magic; where positions net, the magic of the last deal stands on the one
    position, whoever opened it, so there only symbol and side count.

    Args:
        without: tickets that were closed a moment ago and may still be shown.
    """
    found = [
        position
        for position in positions
        if position.symbol == close.symbol
        and position.side is close.side.opposite
        and position.ticket not in without
        and (position.magic == close.magic or not hedging)
    ]
    return sorted(found, key=lambda position: (position.opened_at, position.ticket))


def close_request(
    close: Close, position: Position, remaining: Decimal, symbol: SymbolInfo, tick: Tick, filling: Filling, *, hedging: bool
) -> TradeRequest | Refusal:
    """The market order that closes a position, or as much of it as is still to be closed; never more, so that nothing flips."""
    volume = min(position.volume, remaining)
    if volume < position.volume:
        floored = usable_volume(volume, symbol)
        if isinstance(floored, Refusal):
            return floored
        volume = floored
    return TradeRequest(
        symbol=symbol.name,
        side=close.side,
        volume=volume,
        price=price_for(close.side, tick),
        sl=None,
        tp=None,
        deviation_points=close.deviation_points,
        magic=close.magic,
        comment=close.comment,
        filling=filling,
        position=position.ticket if hedging else None,
    )
