from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.calendar import is_open, load_exchange_sessions, trading_days
from hookfill.market.instruments import instrument_for
from hookfill.market.model import InstrumentKind, InvalidContract, OptionContract
from hookfill.market.option_symbols import UNDERLYINGS, contract_from, option_in, padded

FEBRUARY = date(2026, 2, 20)
CONTRACTS = st.builds(
    OptionContract,
    st.one_of(st.from_regex(r"[A-Z]{1,5}", fullmatch=True), st.sampled_from(sorted(set(UNDERLYINGS.values())))),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from(("CALL", "PUT")),
    st.integers(1, 99_999_999).map(lambda thousandths: Decimal(thousandths) / 1000),
)


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


@pytest.mark.parametrize(
    ("symbol", "contract"),
    [
        ("SPY260220C00500000", OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))),
        ("SPY   260220C00500000", OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))),
        (".SPY260220C500", OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))),
        ("SPY260220C500", OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))),
        ("SPY260220C500.0", OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))),
        (".SPY260220P497.125", OptionContract("SPY", FEBRUARY, "PUT", Decimal("497.125"))),
        ("F260220P00000500", OptionContract("F", FEBRUARY, "PUT", Decimal("0.5"))),
        ("F     260220P00012340", OptionContract("F", FEBRUARY, "PUT", Decimal("12.34"))),
        ("SPX260220C05000000", OptionContract("SPX", FEBRUARY, "CALL", Decimal(5_000))),
        ("SPXW260220C05000000", OptionContract("SPX", FEBRUARY, "CALL", Decimal(5_000), "SPXW")),
        ("BRKB260220C00480000", OptionContract("BRK.B", FEBRUARY, "CALL", Decimal(480))),
        ("AAPL7260220C00480000", OptionContract("AAPL7", FEBRUARY, "CALL", Decimal(480))),  # an adjusted contract
        ("X240229C00001000", OptionContract("X", date(2024, 2, 29), "CALL", Decimal(1))),
        ("GOOGL1260220C00000001", OptionContract("GOOGL1", FEBRUARY, "CALL", Decimal("0.001"))),
        ("QQQ991231P99999999", OptionContract("QQQ", date(2099, 12, 31), "PUT", Decimal("99999.999"))),
    ],
)
def test_a_symbol_names_its_contract(symbol: str, contract: OptionContract) -> None:
    assert contract_from(symbol) == contract
    assert option_in(symbol) == contract


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "SPY",
        "SPY260220",
        "SPY260220C",
        "SPY260231C00500000",  # no such date
        "SPY250229C00500000",
        "SPY261320C00500000",
        "SPY260200C00500000",
        "SPY260220X00500000",
        "SPY260220C00000000",  # a strike of nothing
        "SPY260220C0",
        "SPY260220C0050000",  # seven digits: neither form
        "SPY260220C005000000",
        "SPY260220C500.0005",
        "SPY260220C-500",
        "SPY260220C.5",
        "spy260220c00500000",  # the caller folds case
        "SPYSPYS260220C00500000",  # a root of seven
        "260220C00500000",
        "SPY 260220C00500000",  # padded, but not to six
        " SPY  260220C00500000",
        "SPY   260220C500",
        "..SPY260220C500",
        "BRK.B260220C00480000",
        "SPY٢٦٠٢٢٠C00500000",  # digits, but not ASCII's
    ],
)
def test_what_names_no_contract_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidContract):
        contract_from(symbol)
    assert option_in(symbol) is None


@pytest.mark.parametrize(
    ("underlying", "expiration", "right", "strike", "root"),
    [
        ("", FEBRUARY, "CALL", "500", ""),
        ("TOOLONGS", FEBRUARY, "CALL", "500", ""),
        ("^!", FEBRUARY, "CALL", "500", ""),
        ("SPY", FEBRUARY, "call", "500", ""),
        ("SPY", FEBRUARY, "BOTH", "500", ""),
        ("SPY", FEBRUARY, "CALL", "0", ""),
        ("SPY", FEBRUARY, "CALL", "-1", ""),
        ("SPY", FEBRUARY, "CALL", "100000", ""),
        ("SPY", FEBRUARY, "CALL", "1.0005", ""),
        ("SPY", date(1999, 12, 31), "CALL", "500", ""),
        ("SPY", date(2100, 1, 1), "CALL", "500", ""),
        ("SPY", FEBRUARY, "CALL", "500", "spy"),
    ],
)
def test_no_contract_without_a_symbol(underlying: str, expiration: date, right: str, strike: str, root: str) -> None:
    with pytest.raises(InvalidContract):
        OptionContract(underlying, expiration, right, Decimal(strike), root)  # type: ignore[arg-type]  # that is the test


def test_how_a_contract_is_written() -> None:
    contract = OptionContract("SPY", FEBRUARY, "CALL", Decimal("500.50"))
    assert contract.symbol == "SPY260220C00500500"
    assert contract.readable == "SPY 2026-02-20 500.5 C"
    assert padded(contract) == "SPY   260220C00500500"
    assert padded(OptionContract("BRK.B", FEBRUARY, "PUT", Decimal(480))) == "BRKB  260220P00480000"


@given(CONTRACTS)
def test_every_contract_comes_back_from_every_spelling(contract: OptionContract) -> None:
    assert contract_from(contract.symbol) == contract
    assert contract_from(padded(contract)) == contract
    assert len(padded(contract)) == 21
    day, letter = contract.expiration.strftime("%y%m%d"), contract.right[0]
    assert contract_from(f".{contract.root}{day}{letter}{contract.strike:f}") == contract


@given(st.text(alphabet="SPYCP0123456789. ", max_size=24))
def test_any_text_is_one_contract_or_none(text: str) -> None:
    contract = option_in(text)
    if contract is not None:
        assert option_in(contract.symbol) == contract


@pytest.mark.parametrize(
    "spelling",
    [
        "SPY260220C00500000",
        "spy260220c00500000",
        "SPY   260220C00500000",
        ".SPY260220C500",
        "OPRA:SPY260220C500.0",
        "SPY260220C500",
    ],
)
def test_all_spellings_are_one_instrument(spelling: str) -> None:
    instrument = instrument_for(spelling)
    assert instrument.kind is InstrumentKind.OPTION
    assert instrument.symbol == "SPY260220C00500000"
    assert instrument.option == OptionContract("SPY", FEBRUARY, "CALL", Decimal(500))
    assert (instrument.currency, instrument.multiplier, instrument.tick) == ("USD", 100, Decimal("0.01"))
    assert (instrument.lot_step, instrument.min_quantity, instrument.margin_rate) == (1, 1, 1)
    assert instrument.in_contracts


@pytest.mark.parametrize("symbol", ["SPY", "ES1!", "EURUSD", "BTCUSDT", "SPY260231C00500000"])
def test_nothing_else_is_an_option(symbol: str) -> None:
    instrument = instrument_for(symbol)
    assert instrument.kind is not InstrumentKind.OPTION
    assert instrument.option is None


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        ("2026-02-20", "2026-02-20T21:00:00+00:00"),
        ("2026-07-17", "2026-07-17T20:00:00+00:00"),  # summer time
        ("2025-11-28", "2025-11-28T18:00:00+00:00"),  # a half day
        ("2024-03-29", "2024-03-28T20:00:00+00:00"),  # Good Friday: the exchange rests
        ("2012-03-17", "2012-03-16T20:00:00+00:00"),  # contracts used to be dated on Saturdays
    ],
)
def test_a_contract_ends_with_the_last_session_of_its_day(expiration: str, expected: str) -> None:
    contract = OptionContract("SPY", date.fromisoformat(expiration), "CALL", Decimal(500))
    assert contract.expires_at.isoformat() == expected


def test_options_trade_in_regular_hours_only() -> None:
    option, share = instrument_for("SPY260220C00500000"), instrument_for("SPY")
    for clock, regular in (("13:00", False), ("14:30", True), ("20:59", True), ("21:00", False)):
        at = datetime.fromisoformat(f"2026-02-10T{clock}:00").replace(tzinfo=UTC)
        assert is_open(option, at) is is_open(option, at, extended_hours=True) is is_open(share, at) is regular
    assert is_open(share, datetime(2026, 2, 10, 13, tzinfo=UTC), extended_hours=True)
    span = (datetime(2025, 11, 20, tzinfo=UTC), datetime(2025, 12, 30, tzinfo=UTC))
    assert list(trading_days(option, *span)) == list(trading_days(share, *span))
