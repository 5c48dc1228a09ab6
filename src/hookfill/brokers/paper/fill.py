"""The paper broker's prices: what a fill costs, without a market to ask.

The rules, the same for live, replay and tests: a market order fills at the fresh quote worsened by slippage (an option's by a part
of its spread); a stop fills at its
level or worse, at the open when the market gapped through it, and with slippage like any market order; a limit fills at its price,
or at the open when that is better; a price that came from a bar lies within that bar's low and high. No rule favours the trader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from hookfill.exits.model import Exit, ExitReason
from hookfill.kernel.errors import ConfigurationError, LedgerError
from hookfill.kernel.money import ZERO
from hookfill.market.model import Instrument, InstrumentKind, Quote
from hookfill.orders.model import Side
from hookfill.orders.ticks import to_tick

TEN_THOUSAND = Decimal(10_000)
_HUNDRED = Decimal(100)
_TARGETS = frozenset({ExitReason.TAKE_PROFIT, ExitReason.PARTIAL_TARGET})


OPTION_COMMISSION = Decimal("0.65")
"""Per contract: what US brokers usually ask."""
OPTION_HALF_SPREAD = Decimal("0.01")
"""Half of an option's spread as a share of its price, where no bid and ask are known (a model's chain has the same)."""
_ONE = Decimal(1)
_MOST_SLIPPAGE = Decimal("0.99")
"""Of an option's price: however wide its spread is, a sale brings something."""


def _usual_commission() -> dict[InstrumentKind, Decimal]:
    return {InstrumentKind.OPTION: OPTION_COMMISSION}


@dataclass(frozen=True, slots=True)
class PaperModel:
    """What trading on paper costs.

    Attributes:
        slippage_bps: basis points by which a market or stop order fills worse than the price it met; 0 to below 10,000.
        commission: per share, coin, contract or lot, in account currency; a kind that is not named costs nothing.
        option_spread_fraction: the share of its spread by which a market or stop order in an option fills worse; 0 to 1.
        volume_cap_pct: the share of a bar's volume, in percent, that entries may take; None: all that is asked fills at once.
        option_half_spread: half of the option's spread as a share of its price; an account does not set it, who deals knows it.
    """

    slippage_bps: Decimal = Decimal(1)
    commission: Mapping[InstrumentKind, Decimal] = field(default_factory=_usual_commission)
    option_spread_fraction: Decimal = Decimal("0.25")
    volume_cap_pct: Decimal | None = None
    option_half_spread: Decimal = OPTION_HALF_SPREAD

    def __post_init__(self) -> None:
        """Refuse a model that would pay the trader or give things away.

        Raises:
            ConfigurationError: slippage, a commission, the share of the spread or of the volume is out of bounds.
        """
        if not ZERO <= self.slippage_bps < TEN_THOUSAND:
            raise ConfigurationError(f"slippage_bps must be from 0 to below 10000; it is {self.slippage_bps:f}.")
        if any(rate < ZERO for rate in self.commission.values()):
            raise ConfigurationError("A commission must not be negative.")
        if not ZERO <= self.option_spread_fraction <= _ONE:
            raise ConfigurationError(f"option_spread_fraction must be from 0 to 1; it is {self.option_spread_fraction:f}.")
        if self.volume_cap_pct is not None and not ZERO < self.volume_cap_pct <= _HUNDRED:
            raise ConfigurationError(f"volume_cap_pct must be above 0 and at most 100; it is {self.volume_cap_pct:f}.")


class Bar(Protocol):
    """Where a resting order is filled: a candle, or an exit that knows its bar. No bounds means a bare price."""

    @property
    def open(self) -> Decimal:
        """The first price that the order could meet."""
        ...

    @property
    def low(self) -> Decimal | None:
        """The lowest price of the bar."""
        ...

    @property
    def high(self) -> Decimal | None:
        """The highest price of the bar."""
        ...


def market_fill_price(side: Side, quote: Quote, instrument: Instrument, model: PaperModel) -> Decimal:
    """The price of a market order: the quote worsened by slippage, on the tick grid, within the quote's bar.

    Rounding goes away from the trader's favour: a buy up, a sale down. The bar's bounds come last: they are prices that were paid.
    """
    return _worsened(side, quote.price, instrument, model, low=quote.low, high=quote.high, beside=quote.price)


def stop_fill_price(side: Side, level: Decimal, bar: Bar, instrument: Instrument, model: PaperModel) -> Decimal:
    """The price of a stop order that ``bar`` triggers: its level, or the open if that is worse, then slippage; within the bar.

    Args:
        side: of the stop order: sell to leave a long position.
        level: the stop's price.
        bar: the bar that reached it.
        instrument: what is traded.
        model: what trading costs.

    Raises:
        LedgerError: the bar never reached the level.
    """
    worst = bar.low if side is Side.SELL else bar.high
    _check_reached(level, bar.open if worst is None else worst, side.sign)
    met = min(level, bar.open) if side is Side.SELL else max(level, bar.open)
    return _worsened(side, met, instrument, model, low=bar.low, high=bar.high, beside=bar.open)


def limit_fill_price(side: Side, level: Decimal, bar: Bar) -> Decimal:
    """The price of a limit order that ``bar`` reaches: its price, or the open if that is better.

    Args:
        side: of the limit order: sell to take a long position's profit.
        level: the limit price.
        bar: the bar that reached it.

    Raises:
        LedgerError: the bar never reached the level.
    """
    best = bar.high if side is Side.SELL else bar.low
    _check_reached(level, bar.open if best is None else best, -side.sign)
    return max(level, bar.open) if side is Side.SELL else min(level, bar.open)


def exit_fill_price(side: Side, due: Exit, instrument: Instrument, model: PaperModel) -> Decimal:
    """The price at which a due exit fills: targets as limits, stops as stops, the rest at the market.

    Args:
        side: of the closing order: sell to leave a long position.
        due: the exit as ``exits.evaluate`` gave it.
        instrument: what is traded.
        model: what trading costs.
    """
    if due.level is None:
        return _worsened(side, due.open, instrument, model, low=due.low, high=due.high, beside=due.open)
    if due.reason in _TARGETS:
        return limit_fill_price(side, due.level, due)
    return stop_fill_price(side, due.level, due, instrument, model)


def commission(quantity: Decimal, instrument: Instrument, model: PaperModel) -> Decimal:
    """What the fill of ``quantity`` costs, in account currency."""
    return quantity * model.commission.get(instrument.kind, ZERO)


def _worsened(
    side: Side,
    price: Decimal,
    instrument: Instrument,
    model: PaperModel,
    *,
    low: Decimal | None,
    high: Decimal | None,
    beside: Decimal,
) -> Decimal:
    slipped = price + side.sign * price * _slippage(instrument, model)
    filled = to_tick(slipped, instrument, up=side is Side.BUY, beside=beside)
    if low is not None:
        filled = max(filled, low)
    if high is not None:
        filled = min(filled, high)
    return filled


def _slippage(instrument: Instrument, model: PaperModel) -> Decimal:
    """By which share of its price an order fills worse."""
    if instrument.kind is InstrumentKind.OPTION:
        return min(2 * model.option_half_spread * model.option_spread_fraction, _MOST_SLIPPAGE)
    return model.slippage_bps / TEN_THOUSAND


def _check_reached(level: Decimal, furthest: Decimal, direction: int) -> None:
    """``furthest`` must lie at ``level`` or beyond it in ``direction`` (1 up, -1 down)."""
    if direction * (furthest - level) < ZERO:
        raise LedgerError(
            f"An order at {level:f} was to fill in a bar that went to {furthest:f} only. This is a defect: please report it."
        )
