"""Finding a job's traces at the terminal, and adding up what was dealt for it (pure)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hookfill.brokers.mt5.agent.jobs import Close
from hookfill.brokers.mt5.agent.terminal import Answer, Deal, Entry, Order, Position, Reason, TradeRequest
from hookfill.brokers.mt5.model import JobResult
from hookfill.kernel.money import ZERO, divide, plain

_LEAST_COMMENT = 16
"""Brokers may cut comments; so much of a job's mark is still its own."""
MARK = "hf"
"""What every job's mark begins with (``brokers.mt5.model.comment_of``)."""
_MARK_LENGTH = 24
BY_RULE = frozenset({Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.STOP_OUT})
"""Why the broker deals by itself."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One deal of a job; ``deal`` is 0 and the amounts below are None where only the answer to the request is known yet."""

    order: int
    deal: int
    position_id: int | None
    volume: Decimal
    price: Decimal
    profit: Decimal | None = None
    commission: Decimal | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the terminal knows of a job.

    Attributes:
        fills: what was dealt for it, oldest first.
        is_working: an order of it is open: more may be dealt.
        is_over: an order of it is in the history, so it is dealt or cancelled.
    """

    fills: tuple[Fill, ...] = ()
    is_working: bool = False
    is_over: bool = False

    @property
    def is_nothing(self) -> bool:
        """There is no trace of it."""
        return not self.fills and not self.is_working


def is_marked(comment: str, mark: str) -> bool:
    """Whether a comment at the terminal is a job's mark, perhaps cut by the broker."""
    return comment == mark or (len(comment) >= _LEAST_COMMENT and mark.startswith(comment))


def find(mark: str, magic: int | None, positions: Iterable[Position], orders: Iterable[Order], deals: Iterable[Deal]) -> Found:
    """A job's traces, by its mark and (unless None) its magic.

    Deals are found through their orders too, whose comment survives at brokers that write their own on deals. What a stop or a
    target deals is not the job's, even where the broker copies the comment of the position.
    """

    def is_ours(comment: str, its_magic: int) -> bool:
        return is_marked(comment, mark) and magic in {None, its_magic}

    ours = {order.ticket: order for order in orders if is_ours(order.comment, order.magic)}
    dealt = [deal for deal in deals if deal.reason not in BY_RULE and (deal.order in ours or is_ours(deal.comment, deal.magic))]
    fills = tuple(fill_of(deal) for deal in sorted(dealt, key=lambda deal: (deal.time, deal.ticket)))
    is_working = any(order.is_open for order in ours.values())
    if not fills and not is_working:
        fills = tuple(_fill_of_position(position) for position in positions if is_ours(position.comment, position.magic))
    return Found(fills, is_working, is_over=bool(ours) and not is_working)


def _fill_of_position(position: Position) -> Fill:
    """A position that is shown before its deal; the order that opened it has its ticket."""
    return Fill(position.ticket, 0, position.ticket, position.volume, position.price_open, time=position.opened_at)


def fill_of(deal: Deal) -> Fill:
    """A deal as a fill."""
    profit = deal.profit if deal.entry is not Entry.IN else None
    return Fill(deal.order, deal.ticket, deal.position_id, deal.volume, deal.price, profit, deal.commission, deal.time)


def fill_from(answer: Answer, request: TradeRequest) -> Fill | None:
    """What the answer to a request itself says was dealt; None if it does not say it (some brokers don't)."""
    if not answer.order or answer.volume <= ZERO or answer.price <= ZERO:
        return None
    return Fill(answer.order, answer.deal, request.position, answer.volume, answer.price)


def merge(told: Iterable[Fill], shown: Iterable[Fill]) -> tuple[Fill, ...]:
    """Fills of answers and of the history together; what the history shows of an order replaces what its answer said."""
    shown = tuple(shown)
    orders = {fill.order for fill in shown}
    return (*(fill for fill in told if fill.order not in orders), *shown)


def dealt_volume(fills: Iterable[Fill]) -> Decimal:
    """Lots altogether."""
    return sum((fill.volume for fill in fills), ZERO)


def completed(fills: tuple[Fill, ...], asked: Decimal) -> JobResult:
    """The result of a job for which something was dealt; prices are weighted by volume.

    A partial fill is told with its volume and a note.
    """
    volume = dealt_volume(fills)
    price = divide(sum((fill.price * fill.volume for fill in fills), ZERO), volume)
    commissions = [fill.commission for fill in fills if fill.commission is not None]
    profits = [fill.profit for fill in fills if fill.profit is not None]
    times = [fill.time for fill in fills if fill.time is not None]
    positions = [fill.position_id for fill in fills if fill.position_id]
    note = None if volume >= asked else f"{plain(volume)} of {plain(asked)} lots were dealt."
    return JobResult(
        status="completed",
        fill_price=price,
        filled_volume=volume,
        broker_order_id=str(fills[0].order) if fills[0].order else None,
        broker_position_id=str(positions[0]) if positions else None,
        profit=sum(profits, ZERO) if profits else None,
        commission=max(-sum(commissions, ZERO), ZERO) if commissions else None,
        executed_at=max(times) if times else None,
        error_message=note,
        deal_ids=tuple(str(fill.deal) for fill in fills if fill.deal),
    )


def closed_without_us(close: Close, deals: Iterable[Deal]) -> tuple[Fill, ...]:
    """How positions that a close is about were closed by stop, target or hand, newest first until its volume is reached.

    They are found by the deals that opened them with the strategy's magic; what other jobs closed was told with those jobs. What
    was closed before the newest of them was opened is about an earlier trade, or is told and booked as a deal of its own.
    """
    deals = tuple(deals)
    opened = {
        deal.position_id: deal.time
        for deal in deals
        if deal.entry is Entry.IN and deal.symbol == close.symbol and deal.magic == close.magic and deal.side is not close.side
    }
    newest = max(opened.values(), default=None)
    closings = [
        deal
        for deal in deals
        if deal.entry is not Entry.IN and deal.position_id in opened and deal.side is close.side and not is_of_a_job(deal)
        if newest is not None and deal.time >= newest
    ]
    fills: list[Fill] = []
    for deal in sorted(closings, key=lambda deal: (deal.time, deal.ticket), reverse=True):
        if dealt_volume(fills) >= close.volume:
            break
        fills.append(fill_of(deal))
    return tuple(reversed(fills))


def is_job_mark(comment: str) -> bool:
    """Whether a comment is the mark of some job of ours, perhaps cut by the broker."""
    return comment.startswith(MARK) and _LEAST_COMMENT <= len(comment) <= _MARK_LENGTH


def is_of_a_job(deal: Deal, orders_of_jobs: Collection[int] = ()) -> bool:
    """Whether a deal was made by one of our jobs: by its own mark or its order's. A stop or target never is."""
    if deal.reason in BY_RULE:
        return False
    return deal.order in orders_of_jobs or is_job_mark(deal.comment)
