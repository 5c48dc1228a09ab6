"""A fill of an exit says whose price it was dealt at: a bar's, somebody's own, or the last one known."""

from decimal import Decimal

import pytest

from hookfill.desk.fold import fold
from hookfill.market.model import Quote
from support.desk import at, bar, flat, signal, situation, strategy

D = Decimal
MIDNIGHT = 12 * 60
CASES = [
    ({"bars": [bar(1, "1.1 1.1 1.08 1.09")]}, 2, "stop_loss", "candle"),
    ({"quotes": {"BTCUSD": Quote("BTCUSD", D("1.08"), at(2), "agent")}}, 2, "stop_loss", "agent"),
    ({"bars": [flat(MIDNIGHT - 12, "1.1")]}, MIDNIGHT, "session_close", "mark"),
]


@pytest.mark.parametrize(("prices", "minute", "reason", "source"), CASES)
def test_an_exit_tells_where_its_price_came_from(prices: dict[str, object], minute: int, reason: str, source: str) -> None:
    rules = [strategy(exits={"session_close_minutes": 10})]
    bars = [flat(-1, "1.1", symbol="BTCUSD")]
    bars += [type(one)("BTCUSD", *(getattr(one, name) for name in one.__slots__[1:])) for one in prices.get("bars", ())]
    asked = signal("buy BTCUSD 1 sl=1.09", 0)
    outcome = fold(situation(asked, bars=bars, quotes=prices.get("quotes"), strategies=rules, horizon=at(minute)))
    left = outcome.orders[1]
    assert (left.exit_reason, left.fills[0].price_source) == (reason, source)
