"""Plain-text and form-encoded alerts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert, OptionAsk, Unusable

D = Decimal
BUY, SELL, CLOSE = Action.BUY, Action.SELL, Action.CLOSE

TEXTS = [
    # words
    ("buy EURUSD 0.1 sl=1.07 tp=1.09", Alert("EURUSD", BUY, quantity=D("0.1"), stop_loss=D("1.07"), take_profit=D("1.09"))),
    ("EURUSD buy 0.1", Alert("EURUSD", BUY, quantity=D("0.1"))),
    ("SELL\tOANDA:EURUSD\n0.5 @1.0716", Alert("EURUSD", SELL, quantity=D("0.5"), price=D("1.0716"))),
    ("buy 2 MNQ1!", Alert("MNQ1!", BUY, quantity=D(2))),
    ("buy,EURUSD,0.1,sl=1.07", Alert("EURUSD", BUY, quantity=D("0.1"), stop_loss=D("1.07"))),
    ("EURUSD,buy,0.1", Alert("EURUSD", BUY, quantity=D("0.1"))),
    ("close EURUSD", Alert("EURUSD", CLOSE)),
    ("close EURUSD 0.05", Alert("EURUSD", CLOSE, quantity=D("0.05"))),
    ("close long EURUSD", Alert("EURUSD", CLOSE, close_side=1)),
    ("exit short CME_MINI:ES1!", Alert("ES1!", CLOSE, close_side=-1)),
    ("exit_long EURUSD", Alert("EURUSD", CLOSE, close_side=1)),
    ("EURUSD close buy", Alert("EURUSD", CLOSE, close_side=1)),
    ("close position EURUSD", Alert("EURUSD", CLOSE)),
    ("go long EURUSD", Alert("EURUSD", BUY)),
    ("enter short EURUSD", Alert("EURUSD", SELL)),
    ("buy SPY call", Alert("SPY", BUY, option=OptionAsk("CALL"))),
    ("buy SPY put strike=480 expiration=2026-02-20", Alert("SPY", SELL, option=OptionAsk("PUT", D(480), "2026-02-20"))),
    (
        "buy EURUSD sl:1.07 tp = 1.09 comment='my first'",
        Alert("EURUSD", BUY, stop_loss=D("1.07"), take_profit=D("1.09"), comment="my first"),
    ),
    ("symbol=EURUSD action=buy qty=1 id=7", Alert("EURUSD", BUY, quantity=D(1), dedupe_id="7")),
    ("buy symbol=600519 100", Alert("600519", BUY, quantity=D(100))),
    ("symbol=EURUSD market_position=long market_position_size=2", Alert("EURUSD", Action.TARGET, target=D(2), target_side=1)),
    ('"buy EURUSD 0.1"', Alert("EURUSD", BUY, quantity=D("0.1"))),
    # PineConnector
    ("60123456789,buy,AUDUSD,risk=0.1", Alert("AUDUSD", BUY)),
    (
        "60123456789,buy,EURUSD,vol_lots=0.1,sl_price=1.07,tp_price=1.09",
        Alert("EURUSD", BUY, quantity=D("0.1"), stop_loss=D("1.07"), take_profit=D("1.09")),
    ),
    (
        "LicenseID, sell , US30.Cash , risk=1, sl=1.20125, tp=1.19500, secret=abc",
        Alert("US30.CASH", SELL, stop_loss=D("1.20125"), take_profit=D("1.195")),
    ),
    ("60123456789,sell,US30,price=39000,sl=39100.5", Alert("US30", SELL, price=D(39000), stop_loss=D("39100.5"))),
    ('60123456789,buy,EURUSD,risk=1,comment="hello, world"', Alert("EURUSD", BUY, comment="hello, world")),
    ("60123456789,closelong,GBPUSD", Alert("GBPUSD", CLOSE, close_side=1)),
    ("60123456789,closeshort,GBPUSD,sl=50", Alert("GBPUSD", CLOSE, close_side=-1)),
    # Autoview
    ("a=* e=oanda s=EURUSD b=long q=1 t=market", Alert("EURUSD", BUY, quantity=D(1))),
    (
        "e=oanda s=EURUSD b=sell q=0.5 p=1.0716 sl=1.08",
        Alert("EURUSD", SELL, quantity=D("0.5"), price=D("1.0716"), stop_loss=D("1.08")),
    ),
    ("e=oanda s=EURUSD c=position", Alert("EURUSD", CLOSE)),
    ("e=oanda s=EURUSD c=position b=long t=market", Alert("EURUSD", CLOSE, close_side=1)),
    ("e=oanda s=EURUSD c=position b=sell", Alert("EURUSD", CLOSE, close_side=-1)),
    # form encoding
    ("symbol=EURUSD&action=buy", Alert("EURUSD", BUY)),
    ("ticker=OANDA%3AEURUSD&side=sell&qty=0.1&comment=a+b%21&sl=", Alert("EURUSD", SELL, quantity=D("0.1"), comment="a b!")),
]


@pytest.mark.parametrize(("text", "alert"), TEXTS)
def test_texts(text: str, alert: Alert) -> None:
    assert parse_alert(text.encode()) == alert


REFUSED = [
    ("hello", Reason.TEXT_UNUSABLE),
    ("123", Reason.TEXT_UNUSABLE),
    ("EURUSD", Reason.TEXT_UNUSABLE),
    ("EURUSD Crossing 1.0716", Reason.TEXT_UNUSABLE),
    ("BTCUSD, 15 Greater Than 50,000", Reason.TEXT_UNUSABLE),
    ("time to buy EURUSD now", Reason.TEXT_UNUSABLE),
    ("buy EURUSD GBPUSD", Reason.TEXT_UNUSABLE),
    ("buy EURUSD 1 2", Reason.TEXT_UNUSABLE),
    ("buy EURUSD 10%", Reason.TEXT_UNUSABLE),
    ("buy EURUSD sl=1.07 sl=1.06", Reason.TEXT_UNUSABLE),
    ("symbol=X&symbol=Y&action=buy", Reason.TEXT_UNUSABLE),
    ("&".join(f"k{n}=1" for n in range(200)), Reason.TEXT_UNUSABLE),
    ("buy EURUSD " + "x" * 5000, Reason.TEXT_UNUSABLE),
    (",,,", Reason.TEXT_UNUSABLE),
    ("60123456789,buy,EURUSD,now", Reason.TEXT_UNUSABLE),
    ("60123456789,buystop,EURUSD,price=1.1", Reason.TEXT_UNUSABLE),
    ("buy", Reason.SYMBOL_MISSING),
    ("buy sell EURUSD", Reason.ACTION_CONTRADICTORY),
    ("{{ticker}} {{strategy.order.action}}", Reason.TEXT_UNUSABLE),
    ("{{ticker}} buy 1", Reason.PLACEHOLDER_UNFILLED),
    ("{{strategy.order.action}},EURUSD", Reason.TEXT_UNUSABLE),
    ("buy EURUSD sl={{plot_0}}", Reason.PLACEHOLDER_UNFILLED),
    ("symbol=EURUSD&qty=1", Reason.ACTION_MISSING),
    ("buy EURUSD qty=1,000", Reason.TEXT_UNUSABLE),
    ("buy EURUSD sl=50%", Reason.NUMBER_INVALID),
    ("buy EURUSD sl=NaN", Reason.NUMBER_INVALID),
    ("buy EURUSD trail=20", Reason.NUMBER_INVALID),
    ("60123456789,buy,EURUSD,risk=1,sl=50,tp=100", Reason.NUMBER_INVALID),
    ("60123456789,buy,EURUSD,risk=1,sl=1.5", Reason.NUMBER_INVALID),
    ("60123456789,buy,EURUSD,risk=1,tp=100", Reason.NUMBER_INVALID),
    ("60123456789,buy,EURUSD,vol_lots=1,sl_pips=20", Reason.NUMBER_INVALID),
    ("60123456789,buy,EURUSD,risk=1,trailtrig=20,traildist=10", Reason.NUMBER_INVALID),
    ("e=oanda s=EURUSD b=long q=10%", Reason.NUMBER_INVALID),
    ("e=oanda s=EURUSD b=long q=1 sl=1%", Reason.NUMBER_INVALID),
    ("e=oanda s=EURUSD b=long q=1 ts=2", Reason.NUMBER_INVALID),
    ("e=oanda s=EURUSD c=order", Reason.ACTION_UNKNOWN),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused_texts(text: str, reason: Reason) -> None:
    result = parse_alert(text.encode())
    assert isinstance(result, Unusable)
    assert result.reason is reason
    assert result.detail


def test_a_stop_that_may_be_pips_is_never_dropped() -> None:
    result = parse_alert(b"60123456789,buy,EURUSD,risk=1,sl=50")
    assert isinstance(result, Unusable)
    assert "sl_price" in result.detail


SYMBOLS = st.from_regex(r"[A-Z]{3,8}[0-9!]?", fullmatch=True).filter(
    lambda word: isinstance(parse_alert(f"buy {word}".encode()), Alert)
)
NUMBERS = st.decimals("0.01", "9999", places=2)


@given(st.permutations(["buy", "SYMBOL", "QUANTITY", "sl=1.07"]), SYMBOLS, NUMBERS)
def test_the_order_of_words_does_not_matter(words: list[str], symbol: str, quantity: Decimal) -> None:
    text = " ".join(words).replace("SYMBOL", symbol).replace("QUANTITY", str(quantity))
    assert parse_alert(text.encode()) == Alert(symbol, BUY, quantity=quantity, stop_loss=D("1.07"))


@given(
    st.lists(
        st.sampled_from(
            [
                "buy",
                "sell",
                "close",
                "long",
                "short",
                "EURUSD",
                "1",
                "sl=50",
                "tp=1",
                "s=X",
                "b=buy",
                "c=position",
                "symbol=X",
                "&",
                ",",
                "@1",
                "60123456789",
                "{{x}}",
                "=",
                '"',
            ]
        ),
        max_size=9,
    ),
    st.sampled_from([" ", ",", "&", "\n"]),
)
def test_any_sequence_of_words_is_answered(words: list[str], separator: str) -> None:
    parse_alert(separator.join(words).encode())
