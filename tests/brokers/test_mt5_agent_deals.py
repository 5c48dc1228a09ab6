"""Which deals an agent tells by itself: what closed a strategy's position, and never what a person did with one of their own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.pushing import Interest, Pusher
from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
from hookfill.brokers.mt5.agent.terminal import Filling, Side, TradeRequest
from hookfill.brokers.mt5.model import comment_of
from hookfill.kernel.ids import new_id

MAGIC, BY_HAND = 7, 0
START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Place:
    """A terminal at which a job and a person deal in one symbol, and what the agent tells of it."""

    def __init__(self, *, hedging: bool = True) -> None:
        self.now = START
        self.terminal = SimulatedTerminal(":memory:", Market(hedging=hedging), clock=lambda: self.now)
        self.pusher = Pusher(self.terminal, Journal(":memory:"), Interest())

    def deal(self, side: Side, magic: int, volume: str = "0.1") -> int:
        """Deal at the market; returns the order, which on a hedging account is the position's ticket too."""
        self.now += timedelta(seconds=1)
        comment = comment_of(new_id()) if magic == MAGIC else ""
        price = Decimal("1.085")
        answer = self.terminal.order_send(
            TradeRequest("EURUSD", side, Decimal(volume), price, None, None, 50, magic, comment, Filling.FOK)
        )
        assert answer.retcode == 10009, answer
        return answer.order

    def close(self, ticket: int) -> None:
        """Close a position by hand."""
        self.now += timedelta(seconds=1)
        self.terminal.close_by_hand(ticket)

    def told(self) -> list[tuple[str, int | None]]:
        """The sides and magic numbers of the deals in a snapshot."""
        body, deals = self.pusher.snapshot(self.now)
        self.pusher.told(deals)
        found = body["deals"]
        assert isinstance(found, list)
        return [(deal["side"], deal["magic"]) for deal in found]


@pytest.fixture
def place() -> Place:
    place = Place()
    assert place.told() == []  # from the agent's first start on
    return place


def test_what_a_person_opens_closes_nothing_of_ours(place: Place) -> None:
    place.deal(Side.BUY, MAGIC)
    place.deal(Side.SELL, BY_HAND)
    assert place.told() == []


def test_what_a_person_closes_of_their_own_closes_nothing_of_ours(place: Place) -> None:
    place.deal(Side.BUY, MAGIC)
    theirs = place.deal(Side.BUY, BY_HAND)
    place.close(theirs)
    assert place.told() == []


def test_what_a_person_closes_of_ours_is_told_with_the_strategy_s_mark(place: Place) -> None:
    ours = place.deal(Side.BUY, MAGIC)
    assert place.told() == []
    place.close(ours)
    assert place.told() == [("sell", MAGIC)]
    assert place.told() == []


def test_where_positions_net_what_reduces_them_is_told() -> None:
    place = Place(hedging=False)
    assert place.told() == []
    place.deal(Side.BUY, MAGIC)
    place.deal(Side.SELL, BY_HAND, "0.04")
    assert place.told() == [("sell", BY_HAND)]
