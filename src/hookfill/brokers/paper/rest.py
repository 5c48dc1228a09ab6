"""Entries that rest on paper: what one bar or one price does to an order that waits (pure).

- An order never fills in the bar in which it was made, nor at a price that a bar left behind which had begun before it. Whatever
  opened later counts in full, once: prices up to ``seen_until`` are accounted for.
- A limit fills at its price, or at the open when that is better. A stop fills at its price, or at the open when the market gapped
  through it, worsened by slippage. What is left of a market order fills at the open, worsened likewise. All within the bar.
- A price counts while the market is open to the order's strategy: one of before or after the regular hours where it enters then.
- A bar counts while the order lives: one that closes at the moment of expiry does, a later one does not.
- Where the account's costs name a share of the volume, an entry takes no more of each bar than that, in whole lot steps; a price
  without a volume sets no such bound. A bar of which a part was accounted for by a shorter bar or a price gives it nothing: neither
  its open nor all of its volume came later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hookfill.brokers.paper.fill import PaperModel, limit_fill_price, market_fill_price, stop_fill_price
from hookfill.kernel.lifecycle import ORDER
from hookfill.kernel.money import ZERO, divide, floor_to_step
from hookfill.kernel.reasons import Reason
from hookfill.market.calendar import is_open, trading_days
from hookfill.market.model import Candle, Instrument, Quote
from hookfill.orders.model import Side

MARKET, LIMIT, STOP = "market", "limit", "stop"
DAY, GTC = "day", "gtc"
OPEN = frozenset({"working", "partially_filled"})
"""States of an order that may still fill."""
_HUNDRED = Decimal(100)
_LOOK_AHEAD = timedelta(days=15)
"""No market is closed for so long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order's fills open a position with, settled when it was made.

    Attributes:
        multiplier: units per contract or lot, times the rate of exchange into the account's currency as of the order.
        estimate: the price that its capital is counted at.
        stop, target: the alert's own levels.
        exits: the strategy's exit rules, JSON-ready.
        extended_hours: whether the strategy enters outside the regular hours of the exchange, too.
    """

    multiplier: Decimal
    estimate: Decimal
    stop: Decimal | None
    target: Decimal | None
    exits: Mapping[str, object]
    extended_hours: bool = False


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An entry that waits for a price, or for more volume.

    Attributes:
        position_id: of the position that it fills into.
        level: the limit or stop price; None for what is left of a market order.
        as_of: when it was made; prices before it, and bars that had begun, are not its own (UTC).
        seen_until: prices up to this moment have been accounted for.
        expires_at: the last moment whose prices may fill it; None: it waits until it is cancelled.
        filled, spent: Σ quantity and Σ quantity × price of its fills so far; ``fills`` is how many there were.
        unwanted: why it shall not fill any more: somebody asked to cancel it, or its strategy is gone or switched off; None else.
    """

    order_id: UUID
    client_order_id: str
    signal_id: UUID
    position_id: UUID
    strategy_id: UUID
    symbol: str
    side: Side
    order_type: str
    level: Decimal | None
    quantity: Decimal
    time_in_force: str
    as_of: datetime
    seen_until: datetime
    expires_at: datetime | None
    terms: Terms
    status: str = "working"
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    fills: int = 0
    unwanted: Reason | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """What is not filled yet."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Of its fills, at 10 places; None without any."""
        return divide(self.spent, self.filled) if self.filled else None


@dataclass(frozen=True, slots=True)
class Seen:
    """The prices that may fill an order: a bar's, or one alone (``low`` and ``high`` are None, ``open`` is it).

    Attributes:
        close: the market's price after it.
        began_at: when the first of these prices was true; ``at``: the last.
        source: where they come from.
        volume: what was traded, in the units that the source counts; None: not known.
    """

    open: Decimal
    low: Decimal | None
    high: Decimal | None
    close: Decimal
    began_at: datetime
    at: datetime
    source: str
    volume: int | None = None


def seen_of(price: Candle | Quote) -> Seen:
    """A bar or a bare price as orders see it.

    The price of a bar that is still forming, or that closed unseen, began with its bar as far as anybody knows.
    """
    if isinstance(price, Candle):
        return Seen(price.open, price.low, price.high, price.close, price.opened_at, price.closes_at, "candle", price.volume)
    began_at = price.at if price.bar_seconds is None else price.at - timedelta(seconds=price.bar_seconds)
    return Seen(price.price, None, None, price.price, began_at, price.at, price.source, price.volume)


def expiry_of(instrument: Instrument, at: datetime, time_in_force: str) -> datetime | None:
    """Until when an order that is made at ``at`` (UTC) waits: the close of the instrument's day of trade.

    None for one that is good till cancelled. One that is made while the market is closed waits for the next day of trade. A coin's
    day ends at midnight UTC.
    """
    if time_in_force == GTC:
        return None
    return next(trading_days(instrument, at, at + _LOOK_AHEAD)).closes_at


def is_met(order_type: str, side: Side, level: Decimal | None, price: Decimal) -> bool:
    """Whether a price is at the order's level or beyond it: a limit would fill at once, a stop is triggered."""
    if level is None:
        return True
    direction = side.sign if order_type == STOP else -side.sign
    return direction * (price - level) >= ZERO


def concerns(order: RestingOrder, seen: Seen) -> bool:
    """Whether these prices are news to the order: the first of them came after it was made, the last was not accounted for."""
    return order.is_open and seen.at > order.seen_until and seen.began_at >= order.as_of


def is_traded(order: RestingOrder, seen: Seen, instrument: Instrument) -> bool:
    """Whether the market was open to the order's strategy at some time between the first of these prices and the last."""
    if is_open(instrument, seen.began_at, extended_hours=order.terms.extended_hours):
        return True
    days = trading_days(instrument, seen.began_at, seen.at)
    return next(days, None) is not None


def is_known_in_part(order: RestingOrder, seen: Seen, model: PaperModel) -> bool:
    """Whether some of these prices were accounted for, of an order whose fills follow from their volume or from the first of them.

    What waits for a level needs no such care where all of it fills at once: the prices that were seen have not reached it.
    """
    return (order.level is None or model.volume_cap_pct is not None) and order.as_of <= seen.began_at < order.seen_until


def fill_price(order: RestingOrder, seen: Seen, instrument: Instrument, model: PaperModel) -> Decimal | None:
    """The price at which these prices fill the order; None when they do not reach it."""
    reached = seen.open
    if order.level is not None and seen.low is not None and seen.high is not None:
        goes_up = (order.side is Side.BUY) == (order.order_type == STOP)
        reached = seen.high if goes_up else seen.low
    if order.level is None:
        quote = Quote(order.symbol, seen.open, seen.at, seen.source, None, seen.low, seen.high)
        return market_fill_price(order.side, quote, instrument, model)
    if not is_met(order.order_type, order.side, order.level, reached):
        return None
    if order.order_type == LIMIT:
        return limit_fill_price(order.side, order.level, seen)
    return stop_fill_price(order.side, order.level, seen, instrument, model)


def price_at_once(
    order_type: str, side: Side, level: Decimal | None, quote: Quote, instrument: Instrument, model: PaperModel
) -> Decimal:
    """The price of an order whose level the market has reached when it is made: that of a market order.

    A limit still holds: slippage ends at it.
    """
    worsened = market_fill_price(side, quote, instrument, model)
    if order_type != LIMIT or level is None:
        return worsened
    return min(worsened, level) if side is Side.BUY else max(worsened, level)


def part_of(wanted: Decimal, volume: int | None, instrument: Instrument, model: PaperModel) -> Decimal:
    """How much of what is wanted fills in a bar of this volume (None: not known); 0 when less than one lot step does."""
    if model.volume_cap_pct is None or volume is None:
        return wanted
    bound = volume * model.volume_cap_pct / _HUNDRED
    return wanted if wanted <= bound else floor_to_step(bound, instrument.lot_step)


def with_fill(order: RestingOrder, quantity: Decimal, price: Decimal, position_id: UUID) -> RestingOrder:
    """The order after one more fill."""
    filled = order.filled + quantity
    return replace(
        order,
        position_id=position_id,
        status=ORDER.move(order.status, "filled" if filled == order.quantity else "partially_filled"),
        filled=filled,
        spent=order.spent + quantity * price,
        fills=order.fills + 1,
    )
