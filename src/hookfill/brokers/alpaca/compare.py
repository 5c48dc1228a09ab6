"""Both sides of an account at Alpaca, as they are compared: pure.

``brokers.mt5.reconcile`` compares; here Alpaca's positions, the deals of its guarding orders and its stray orders become what it
takes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.brokers.alpaca.instruct import missing_coins, plain_symbol
from hookfill.brokers.alpaca.model import realised
from hookfill.brokers.mt5.model import broker_symbol, magic_of
from hookfill.brokers.port import Funds, Holding, OrderState, Standing
from hookfill.kernel.money import ZERO, plain


def account_of(funds: Funds, holdings: Sequence[Holding]) -> dict[str, Any]:
    """An account as agents report it. Positions net at Alpaca, and stops are not looked for: the desk guards by itself."""
    return {
        "balance": realised(funds, tuple(holdings)),
        "equity": funds.equity,
        "currency": funds.currency,
        "hedging": False,
        "holds_stops": False,
    }


@dataclass(frozen=True, slots=True)
class Held:
    """What the books hold of a symbol, all strategies together; ``magic`` is one of theirs, ``quantity`` negative when short.

    ``bought`` is how much was bought in all, what was sold again included.
    """

    quantity: Decimal
    magic: int
    bought: Decimal = ZERO


def held_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Held]:
    """Open positions (``strategy_id``, ``symbol``, ``quantity``, ``bought``) by symbol: they net at Alpaca."""
    held: dict[str, Held] = {}
    for row in rows:
        before = held.get(row["symbol"])
        magic = magic_of(row["strategy_id"]) if before is None else before.magic
        quantity, bought = (ZERO, ZERO) if before is None else (before.quantity, before.bought)
        held[row["symbol"]] = Held(row["quantity"] + quantity, magic, row["bought"] + bought)
    return held


def positions_of(holdings: Iterable[Holding], ours: Mapping[str, Held], symbol_map: Mapping[str, str]) -> list[dict[str, Any]]:
    """Positions as agents report them, under the symbols that our books use.

    Args:
        ours: what the books hold by symbol. Coins that Alpaca took as its fee still count there.
    """
    names = {plain_symbol(broker_symbol(symbol, symbol_map)): symbol for symbol in ours}
    told = []
    for one in holdings:
        symbol = names.get(plain_symbol(one.symbol), one.symbol)
        known = ours.get(symbol)
        booked, bought = (ZERO, ZERO) if known is None else (known.quantity, known.bought)
        quantity = one.quantity + missing_coins(booked, one.quantity, one.symbol, bought)
        told.append(
            {
                "ticket": one.symbol,
                "symbol": symbol,
                "side": "buy" if quantity > ZERO else "sell",
                "volume": plain(abs(quantity)),
                "price_open": None if one.average_price is None else plain(one.average_price),
                "price_current": None if one.price is None else plain(one.price),
                "sl": None,
                "tp": None,
                "profit": None if one.unrealized is None else plain(one.unrealized),
                "magic": None if known is None else known.magic,
                "comment": None,
            }
        )
    return told


def deals_of(entry: OrderState, strategy_id: UUID, symbol: str, symbol_map: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the orders that guard a position have dealt, once each of them is over, as ``broker_deals`` keeps it."""
    return [
        {
            "deal_id": leg.broker_order_id,
            "symbol": broker_symbol(symbol, symbol_map),
            "side": leg.side,
            "quantity": leg.filled,
            "price": leg.price,
            "magic": magic_of(strategy_id),
            "reason": "take_profit" if leg.order_type == "limit" else "stop_loss",
            "profit": None,
            "dealt_at": leg.at,
        }
        for leg in entry.legs
        if leg.is_over and leg.filled > ZERO and leg.price is not None and leg.at is not None
    ]


def strays(found: Iterable[OrderState], ended: Mapping[str, str]) -> list[OrderState]:
    """Orders of ours that live, or were filled, at Alpaca although they ended here with nothing filled."""
    return [one for one in found if one.client_order_id in ended and (one.filled > ZERO or one.standing is Standing.WORKING)]


def stray_subject(one: OrderState) -> str:
    """What an alarm about a stray order is called: the same for as long as it is the same matter."""
    return f"{one.client_order_id} {'filled' if one.filled > ZERO else 'appeared'}"


def stray_text(one: OrderState) -> str:
    """What an alarm about a stray order says."""
    if one.filled > ZERO:
        return (
            f"Alpaca has filled {plain(one.filled)} {one.symbol} of order {one.client_order_id}, which was taken as not made: it "
            "is not in the books. Close it at Alpaca, or halt the strategy and correct the books."
        )
    return f"Order {one.client_order_id} appeared at Alpaca after it was taken as not made: it is being cancelled."
