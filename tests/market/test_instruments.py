from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.instruments import COINS, CURRENCIES, FUTURES, METAL_LOTS, instrument_for
from hookfill.market.model import InstrumentKind

FX, CRYPTO, FUTURE, EQUITY = InstrumentKind.FX, InstrumentKind.CRYPTO, InstrumentKind.FUTURE, InstrumentKind.EQUITY


@pytest.mark.parametrize(
    ("symbol", "kind", "currency"),
    [
        ("EURUSD", FX, "USD"),
        ("eurusd", FX, "USD"),
        ("EUR/USD", FX, "USD"),
        ("EUR-USD", FX, "USD"),
        ("EUR_USD", FX, "USD"),
        ("EURUSD.R", FX, "USD"),
        ("EURUSD_I", FX, "USD"),
        ("EURUSD-ECN", FX, "USD"),
        ("EURUSD.", FX, "USD"),
        ("OANDA:EURUSD", FX, "USD"),
        ("USDJPY", FX, "JPY"),
        ("XAUUSD", FX, "USD"),
        ("XAGEUR", FX, "EUR"),
        ("RUBUSD", FX, "USD"),  # also ends in BUSD
        ("THBUSD", FX, "USD"),
        ("USDUSD", EQUITY, "USD"),
        ("USDXAU", EQUITY, "USD"),
        ("EURUSDM", EQUITY, "USD"),  # with some brokers a lot of another size
        ("BTCUSDT", CRYPTO, "USD"),
        ("BTCUSDT.P", CRYPTO, "USD"),
        ("BTCUSDTPERP", CRYPTO, "USD"),
        ("BTCUSD_PERP", CRYPTO, "USD"),
        ("BTCUSD", CRYPTO, "USD"),
        ("BTC-USD", CRYPTO, "USD"),
        ("BTC/USD", CRYPTO, "USD"),
        ("ETHBTC", CRYPTO, "BTC"),
        ("ETHEUR", CRYPTO, "EUR"),
        ("ARBUSD", CRYPTO, "USD"),
        ("USDTUSD", CRYPTO, "USD"),
        ("NEWCOINUSDT", CRYPTO, "USD"),
        ("1000PEPEUSDT", CRYPTO, "USD"),
        ("NEWCOINUSD", EQUITY, "USD"),
        ("USDT", EQUITY, "USD"),
        ("BTC", EQUITY, "USD"),  # a fund's ticker
        ("ES1!", FUTURE, "USD"),
        ("ES2!", FUTURE, "USD"),
        ("NQZ2025", FUTURE, "USD"),
        ("NQZ25", FUTURE, "USD"),
        ("NQZ5", FUTURE, "USD"),
        ("6EH2026", FUTURE, "USD"),
        ("M2K1!", FUTURE, "USD"),
        ("BTC1!", FUTURE, "USD"),
        ("NIFTY1!", FUTURE, "USD"),
        ("ES", EQUITY, "USD"),
        ("CLF", EQUITY, "USD"),
        ("NQA2025", EQUITY, "USD"),  # A is no delivery month
        ("AAPL", EQUITY, "USD"),
        ("BRK.B", EQUITY, "USD"),
        ("", EQUITY, "USD"),
    ],
)
def test_a_symbol_is_classified_by_its_notation(symbol: str, kind: InstrumentKind, currency: str) -> None:
    instrument = instrument_for(symbol)
    assert (instrument.kind, instrument.currency) == (kind, currency)


@pytest.mark.parametrize(
    ("symbol", "multiplier", "step", "tick", "pip", "margin", "in_contracts"),
    [
        ("EURUSD", "100000", "0.01", "0.00001", "0.0001", "0.0333333333", True),
        ("USDJPY", "100000", "0.01", "0.001", "0.01", "0.0333333333", True),
        ("EURHUF", "100000", "0.01", "0.001", "0.01", "0.0333333333", True),
        ("XAUUSD", "100", "0.01", "0.01", "0.1", "0.0333333333", True),
        ("XAGUSD", "5000", "0.01", "0.001", "0.01", "0.0333333333", True),
        ("BTCUSDT", "1", "0.0001", "0.00000001", "0.01", "1", False),
        ("MNQ1!", "2", "1", "0.25", "0.25", "0.1", True),
        ("NQ1!", "20", "1", "0.25", "0.25", "0.1", True),
        ("ES1!", "50", "1", "0.25", "0.25", "0.1", True),
        ("MYM1!", "0.5", "1", "1", "1", "0.1", True),
        ("RTY1!", "50", "1", "0.1", "0.1", "0.1", True),
        ("CL1!", "1000", "1", "0.01", "0.01", "0.1", True),
        ("GC1!", "100", "1", "0.1", "0.1", "0.1", True),
        ("SI1!", "5000", "1", "0.005", "0.005", "0.1", True),
        ("ZB1!", "1000", "1", "0.03125", "0.03125", "0.1", True),
        ("ZN1!", "1000", "1", "0.015625", "0.015625", "0.1", True),
        ("6E1!", "125000", "1", "0.00005", "0.00005", "0.1", True),
        ("NIFTY1!", "1", "1", "0.01", "0.01", "0.1", True),
        ("AAPL", "1", "1", "0.01", "0.01", "1", False),
    ],
)
def test_sizes_of_an_instrument(
    symbol: str, multiplier: str, step: str, tick: str, pip: str, margin: str, in_contracts: bool
) -> None:
    instrument = instrument_for(symbol)
    assert instrument.multiplier == Decimal(multiplier)
    assert instrument.lot_step == instrument.min_quantity == Decimal(step)
    assert instrument.tick == Decimal(tick)
    assert instrument.pip == Decimal(pip)
    assert instrument.margin_rate == Decimal(margin)
    assert instrument.in_contracts is in_contracts


@pytest.mark.parametrize("spelling", ["MNQ1!", "mnq1!", "MNQ1!_DLY", "MNQ1!_DL", "CME_MINI_DL:MNQ1!", " MNQ1! "])
def test_a_delayed_feed_or_prefix_is_the_same_instrument(spelling: str) -> None:
    assert instrument_for(spelling) == instrument_for("MNQ1!")
    assert instrument_for(spelling).symbol == "MNQ1!"


@pytest.mark.parametrize(
    ("root", "tick_value"),
    # What one tick is worth in dollars, as the exchanges' specifications put it.
    [
        ("ES", "12.5"),
        ("MES", "1.25"),
        ("NQ", "5"),
        ("MNQ", "0.5"),
        ("YM", "5"),
        ("RTY", "5"),
        ("CL", "10"),
        ("NG", "10"),
        ("RB", "4.2"),
        ("GC", "10"),
        ("SI", "25"),
        ("HG", "12.5"),
        ("ZT", "7.8125"),
        ("ZF", "7.8125"),
        ("ZN", "15.625"),
        ("ZB", "31.25"),
        ("6A", "5"),
        ("6B", "6.25"),
        ("6E", "6.25"),
        ("6J", "6.25"),
        ("6S", "6.25"),
        ("ZC", "12.5"),
        ("ZM", "10"),
        ("ZL", "6"),
        ("LE", "10"),
        ("GF", "12.5"),
        ("BTC", "25"),
        ("MBT", "0.5"),
    ],
)
def test_a_future_s_tick_is_worth_what_the_exchange_says(root: str, tick_value: str) -> None:
    instrument = instrument_for(f"{root}1!")
    assert instrument.multiplier * instrument.tick == Decimal(tick_value)


def test_tables_do_not_overlap() -> None:
    assert not COINS & CURRENCIES
    assert not set(METAL_LOTS) & (COINS | CURRENCIES)


@given(st.sampled_from(sorted(FUTURES)), st.sampled_from("FGHJKMNQUVXZ"), st.integers(2020, 2039))
def test_every_dated_spelling_is_the_root_s_contract(root: str, month: str, year: int) -> None:
    expected = instrument_for(f"{root}1!").multiplier
    for spelling in (f"{root}{month}{year}", f"{root}{month}{year % 100:02}", f"{root}{month}{year % 10}"):
        assert instrument_for(spelling).kind is FUTURE
        assert instrument_for(spelling).multiplier == expected


@given(st.text(max_size=40))
def test_any_text_gives_a_sound_instrument(symbol: str) -> None:
    instrument = instrument_for(symbol)
    assert 0 < instrument.margin_rate <= 1
    assert min(instrument.multiplier, instrument.lot_step, instrument.tick, instrument.pip) > 0
    assert instrument.min_quantity >= instrument.lot_step
    assert instrument.min_quantity % instrument.lot_step == 0
    assert len(instrument.currency) == 3
    assert instrument_for(symbol) == instrument
