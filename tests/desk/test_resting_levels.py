"""The levels of a position that an entry fills in parts: the alert's own stop and target are set once, with the first part."""

from dataclasses import replace
from decimal import Decimal

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome
from hookfill.market.model import Candle
from support.desk import bar, only, signal, situation, strategy

D = Decimal
IN_PARTS = PaperModel(slippage_bps=D(0), volume_cap_pct=D(10))
"""A share of each bar of the tests."""
OPEN = 180
"""Minutes after noon (UTC): the stock exchange is open."""


def share(minute: float, prices: str) -> Candle:
    return replace(bar(OPEN + minute, prices, symbol="ABC"), volume=10)


def parts(text: str, *bars: Candle, later: tuple[tuple[str, float], ...] = (), **settings: object) -> Outcome:
    """An entry of ten shares, of which each bar fills one."""
    signals = [signal(text, OPEN), *(signal(one, OPEN + minute) for one, minute in later)]
    given = [share(-1, "100 100 100 100"), *bars]
    return fold(situation(*signals, bars=given, strategies=[strategy(**settings)], paper=IN_PARTS))


RISEN = share(0, "100 100 100 100"), share(1, "100 106 100 105")
"""Two parts more; the second bar has won one R, so that the stop stands at the entry from then on."""


def test_a_later_part_does_not_take_the_break_even_stop_back() -> None:
    rules = {"break_even_at_r": 1}
    risen = only(parts("buy ABC 10 sl=95", *RISEN, share(2, "105 107 105 106"), exits=rules).positions)
    assert (risen.quantity, risen.stop_price, risen.at_break_even) == (D(4), D(100), True)
    fallen = share(2, "105 107 105 106"), share(3, "106 106 96 97")
    left = only(parts("buy ABC 10 sl=95", *RISEN, *fallen, exits=rules).positions)
    assert (left.status, left.exit_reason) == ("closed", "stop_loss")
    assert left.realized_pnl == D(100) * 4 - (D(300) + D(105))


def test_a_later_part_does_not_take_another_alerts_levels_back() -> None:
    more = (("buy ABC 1 sl=98 tp=130", 1.5),)
    outcome = parts("buy ABC 10 sl=95 tp=120", *RISEN, share(2, "105 107 105 106"), later=more, policy={"pyramiding": 2})
    position = only(outcome.positions)
    assert position.entries == 2
    assert (position.stop_price, position.target_price) == (D(98), D(130))
