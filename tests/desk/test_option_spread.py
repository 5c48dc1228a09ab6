"""An option of which somebody tells bid and ask fills worse by a quarter of that spread, not of a model's."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.market.model import Quote
from hookfill.market.option_chain import OptionChain, model_chain
from support.desk import at, only, signal
from support.options import NOW, bought, spy, with_options

D = Decimal
CALL = "SPY260313C00500000"


def quoted(half: str) -> OptionChain:
    """A chain as a feed brings it, with half of the spread as this share of the price."""
    made = model_chain("SPY", D(500), 0.2, at(210))
    quotes = []
    for one in made.quotes:
        away = max((one.middle * D(half)).quantize(D("0.01")), D("0.01"))
        middle = max(one.middle.quantize(D("0.01")), 2 * away)
        quotes.append(replace(one, bid=middle - away, ask=middle + away, source="alpaca", volatility=None))
    return replace(made, quotes=tuple(quotes), source="alpaca", volatility=None)


@pytest.mark.parametrize("half", ["0.002", "0.01", "0.1"])
def test_a_purchase_and_a_sale_are_worse_by_a_quarter_of_the_spread(half: str) -> None:
    chain = quoted(half)
    quote = next(one for one in chain.quotes if one.contract.symbol == CALL)
    share = (quote.ask - quote.bid) / quote.middle / 4
    first = bought(signal("buy SPY call 2", NOW), chains={"SPY": chain})
    paid = only(only(first.orders).fills).price
    assert abs(paid - quote.ask * (1 + share)) <= D("0.01")
    assert paid >= quote.ask * (1 + share) - D("0.000001")
    held = {"account": first.account, "positions": first.positions}
    told = {CALL: Quote(CALL, quote.middle, at(NOW + 0.5), "alpaca")}
    left = fold(replace(with_options(signal("close SPY", NOW + 1), quotes=told), **held))
    assert abs(only(only(left.orders).fills).price - quote.bid * (1 - share)) <= D("0.02")
    crash = [spy(NOW + 4, "400 401 399 400")]
    stopped = only(fold(replace(with_options(bars=crash), **held)).orders)
    fill = only(stopped.fills)
    assert stopped.exit_reason == "stop_loss"
    assert fill.bar_low <= fill.price <= fill.bar_high


def test_a_sale_brings_something_however_wide_the_spread_is() -> None:
    greedy = PaperModel(option_spread_fraction=D(1))
    first = bought(signal("buy SPY call 2", NOW), chains={"SPY": quoted("0.45")}, paper=greedy)
    held = {"account": first.account, "positions": first.positions, "paper": greedy}
    left = fold(replace(with_options(signal("close SPY", NOW + 1)), **held))
    assert only(only(left.orders).fills).price > 0
