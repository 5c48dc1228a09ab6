import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.calendar import load_exchange_sessions
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, InvalidContract, OptionContract, Right
from hookfill.market.option_chain import (
    MODEL,
    MOST_STRIKES,
    NEAR_STRIKES,
    SOON_YEARS,
    OptionChain,
    OptionQuote,
    expirations,
    greeks_of,
    has_options,
    intrinsic_value,
    model_chain,
    model_quote,
    option_candle,
    strike_step,
    strikes,
    third_friday,
    with_contracts,
)
from hookfill.market.option_prices import greeks, price, years_between
from hookfill.market.option_symbols import contract_from

AT = datetime(2026, 2, 5, 15, tzinfo=UTC)
SPOTS = st.decimals("0.5", "60000", places=2)
VOLATILITIES = st.floats(0.01, 5.0)
MOMENTS = st.integers(0, 32_000 * 1_440).map(lambda minutes: datetime(2000, 1, 3, tzinfo=UTC) + timedelta(minutes=minutes))
RIGHTS: tuple[Right, ...] = ("CALL", "PUT")


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


@pytest.fixture(scope="module")
def chain() -> OptionChain:
    return model_chain("SPY", Decimal("497.30"), 0.15, AT)


def days(text: str) -> list[date]:
    return [date.fromisoformat(day) for day in text.split()]


@pytest.mark.parametrize(
    ("month", "listed"),
    [
        # The Options Industry Council's calendars: where the third Friday is a holiday, contracts end on the Thursday.
        ((2024, 3), "2024-03-15"),
        ((2024, 6), "2024-06-21"),
        ((2025, 4), "2025-04-17"),  # Good Friday is the third
        ((2026, 1), "2026-01-16"),
        ((2026, 6), "2026-06-18"),  # Juneteenth
        ((2027, 6), "2027-06-17"),  # Juneteenth, observed on the Friday
        ((2019, 4), "2019-04-18"),
        ((2022, 4), "2022-04-14"),
    ],
)
def test_monthly_contracts_end_on_the_third_friday_or_before(month: tuple[int, int], listed: str) -> None:
    at = datetime(*month, 1, 12, tzinfo=UTC)
    assert date.fromisoformat(listed) in expirations(at)
    friday = third_friday(*month)
    assert friday.weekday() == 4
    assert 15 <= friday.day <= 21
    assert friday.isoformat() == listed or friday not in expirations(at)


@pytest.mark.parametrize(
    ("now", "weeks"),
    [
        ("2024-03-11T15:00", "2024-03-15 2024-03-22 2024-03-28 2024-04-05"),  # Good Friday
        ("2025-04-07T15:00", "2025-04-11 2025-04-17 2025-04-25 2025-05-02"),
        ("2025-06-23T15:00", "2025-06-27 2025-07-03 2025-07-11 2025-07-18"),  # Independence Day
        ("2020-12-14T15:00", "2020-12-18 2020-12-24 2020-12-31 2021-01-08"),  # Christmas and New Year's Day
        ("2026-02-06T20:59", "2026-02-06 2026-02-13 2026-02-20 2026-02-27"),  # a Friday before the close
        ("2026-02-06T21:00", "2026-02-13 2026-02-20 2026-02-27 2026-03-06"),  # and at it
        ("2025-11-28T17:59", "2025-11-28 2025-12-05 2025-12-12 2025-12-19"),  # a half day
        ("2025-11-28T18:00", "2025-12-05 2025-12-12 2025-12-19 2025-12-26"),
        ("2026-02-07T03:00", "2026-02-13 2026-02-20 2026-02-27 2026-03-06"),  # still Friday in New York, after the close
    ],
)
def test_weekly_contracts_end_on_fridays_or_before(now: str, weeks: str) -> None:
    found = expirations(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert list(found[:4]) == days(weeks)


def test_far_contracts_are_monthly_and_then_those_of_january() -> None:
    found = expirations(AT)
    assert list(found) == days(
        "2026-02-06 2026-02-13 2026-02-20 2026-02-27 2026-03-06 2026-03-13 2026-03-20 2026-03-27 2026-04-17 2026-05-15 2026-06-18 "
        "2026-07-17 2026-08-21 2026-09-18 2026-10-16 2026-11-20 2026-12-18 2027-01-15 2027-02-19 2028-01-21 2029-01-19"
    )


@given(MOMENTS)
def test_expirations_are_trading_days_ahead(at: datetime) -> None:
    found = expirations(at)
    assert list(found) == sorted(set(found))
    assert len(found) >= 18
    for day in found:
        ends = OptionContract("SPY", day, "CALL", Decimal(1)).expires_at
        assert ends > at
        assert ends.date() == day  # the exchange closes by 21:00 UTC
    assert (found[0] - at.date()).days <= 10


def test_before_the_symbols_years_nothing_is_listed() -> None:
    assert expirations(datetime(1990, 5, 1, 15, tzinfo=UTC)) == ()
    chain = model_chain("SPY", Decimal(130), 0.2, datetime(1999, 6, 1, 15, tzinfo=UTC))
    assert min(quote.contract.expiration for quote in chain.quotes) == date(2000, 1, 21)
    assert with_contracts(chain, "CALL", date(1999, 9, 17), Decimal(130)).quotes == chain.quotes


def test_the_calendar_s_last_days_have_what_is_left_of_them() -> None:
    assert expirations(datetime(2099, 12, 20, tzinfo=UTC)) == (date(2099, 12, 24),)


@pytest.mark.parametrize(
    ("underlying", "spot", "step"),
    [
        ("F", "12.3", "0.5"),
        ("F", "24.99", "0.5"),
        ("AAPL", "25", "1"),
        ("AAPL", "99.99", "1"),
        ("AAPL", "100", "2.5"),
        ("AAPL", "249", "2.5"),
        ("AAPL", "250", "5"),
        ("AVGO", "999", "5"),
        ("BKNG", "1000", "10"),
        ("NDX", "20000", "10"),
        ("XXX", "60000", "100"),
        ("SPY", "497.3", "1"),
        ("SPX", "5000", "5"),
    ],
)
def test_steps_grow_with_the_price(underlying: str, spot: str, step: str) -> None:
    assert strike_step(underlying, Decimal(spot)) == Decimal(step)


@given(SPOTS, VOLATILITIES, st.floats(0.0001, 4.0))
def test_strikes_are_round_and_around_the_price(spot: Decimal, volatility: float, years: float) -> None:
    found = strikes("XXX", spot, volatility, years)
    finest = strike_step("XXX", spot)
    assert list(found) == sorted(set(found))
    assert all(strike > 0 and strike % Decimal("0.5") == 0 for strike in found)
    assert min(after - before for before, after in itertools.pairwise(found)) <= 2 * finest or years > SOON_YEARS
    assert any(strike >= spot for strike in found)
    assert any(strike <= spot for strike in found) or spot < finest
    assert len(found) <= 2 * (MOST_STRIKES + NEAR_STRIKES) + 3


@pytest.mark.parametrize("spot", ["0.0000000001", "0.2", "99999", "100000", "1e12", "999999999999999"])
def test_absurd_prices_end(spot: str) -> None:
    found = strikes("XXX", Decimal(spot), 5.0, 3.0)
    assert all(0 < strike < 100_000 for strike in found)
    assert len(found) <= 2 * (MOST_STRIKES + NEAR_STRIKES) + 3
    model_chain("XXX", Decimal(spot), 5.0, AT)


def test_a_model_chain_says_that_it_is_one(chain: OptionChain) -> None:
    assert chain.is_model
    assert (chain.source, chain.spot, chain.at, chain.volatility) == (MODEL, Decimal("497.30"), AT, 0.15)
    assert {quote.source for quote in chain.quotes} == {MODEL}
    assert all(quote.open_interest is None is quote.volume for quote in chain.quotes)
    assert {quote.contract.right for quote in chain.quotes} == {"CALL", "PUT"}
    assert len({quote.contract.symbol for quote in chain.quotes}) == len(chain.quotes)


def test_the_same_arguments_give_the_same_chain(chain: OptionChain) -> None:
    assert model_chain("SPY", Decimal("497.30"), 0.15, AT) == chain
    calls = model_chain("SPY", Decimal("497.30"), 0.15, AT, rights=("CALL",))
    assert list(calls.quotes) == [quote for quote in chain.quotes if quote.contract.right == "CALL"]


def test_its_prices_are_the_model_s_with_one_percent_to_either_side(chain: OptionChain) -> None:
    for quote in chain.quotes:
        contract = quote.contract
        years = years_between(AT, contract.expires_at)
        worth = price(contract.right, 497.3, float(contract.strike), years, 0.15, chain.rate)
        assert float(quote.middle) == pytest.approx(max(worth, 0.01), abs=0.005001)
        assert quote.bid < quote.ask
        half = max((quote.middle / 100).quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal("0.01"))
        assert quote.ask - quote.middle == quote.middle - quote.bid == half
        assert all(value % Decimal("0.01") == 0 for value in (quote.bid, quote.ask))
        assert quote.greeks == greeks(contract.right, 497.3, float(contract.strike), years, 0.15, chain.rate)
        assert quote.volatility == 0.15


@given(SPOTS, VOLATILITIES, MOMENTS, st.sampled_from(RIGHTS), st.floats(0.2, 3.0), st.integers(0, 800))
def test_any_quote_is_sound(spot: Decimal, volatility: float, at: datetime, right: Right, moneyness: float, ahead: int) -> None:
    strike = max(Decimal(int(float(spot) * moneyness * 2)) / 2, Decimal("0.5"))
    if strike >= 100_000:
        return
    contract = OptionContract("XXX", at.date() + timedelta(days=ahead), right, strike)
    quote = model_quote(contract, spot, volatility, at)
    assert 0 <= quote.bid < quote.ask
    assert quote.middle >= Decimal("0.01")
    assert quote.spread_percent is None or quote.spread_percent > 0
    assert (quote.spread_percent is None) == (quote.bid == 0)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("SPY", True),
        ("BRK.B", True),
        ("SP500", True),
        ("SPX", True),
        ("EURUSD", False),
        ("BTCUSDT", False),
        ("ES1!", False),
        ("SPY260220C00500000", False),
        ("TOOLONGNAME", False),
        ("^", False),
        ("BRK/B", False),  # its contracts would name BRK.B
        ("RDS.A", False),
        ("SPXW", False),  # a series of SPX
        ("ÄÖ", False),
    ],
)
def test_what_options_are_listed_on(symbol: str, expected: bool) -> None:
    assert has_options(symbol) is expected
    if expected:
        chain = model_chain(symbol, Decimal(100), 0.2, AT)
        assert {contract_from(quote.contract.symbol).underlying for quote in chain.quotes} == {symbol}
    else:
        with pytest.raises(InvalidContract):
            model_chain(symbol, Decimal(100), 0.2, AT)


def test_what_somebody_names_is_listed_in_a_model_chain(chain: OptionChain) -> None:
    more = with_contracts(chain, "CALL", date(2026, 2, 18), Decimal("512.5"))
    (added,) = set(more.quotes) - set(chain.quotes)
    assert added == model_quote(
        OptionContract("SPY", date(2026, 2, 18), "CALL", Decimal("512.5")), chain.spot, 0.15, AT, chain.rate
    )
    by_day = {quote.contract for quote in set(with_contracts(chain, "PUT", date(2026, 2, 18), None).quotes) - set(chain.quotes)}
    assert {contract.expiration for contract in by_day} == {date(2026, 2, 18)}
    assert any(contract.strike == 497 for contract in by_day)
    by_strike = {quote.contract for quote in with_contracts(chain, "PUT", None, Decimal(1)).quotes if quote not in chain.quotes}
    assert {contract.expiration for contract in by_strike} == set(expirations(AT))
    assert with_contracts(chain, "CALL", date(2026, 2, 20), Decimal(500)).quotes == chain.quotes
    assert with_contracts(chain, "CALL", date(2026, 2, 4), Decimal(500)).quotes == chain.quotes  # it has ended
    assert with_contracts(chain, "CALL", None, None) is chain


def test_a_quoted_chain_lists_what_it_lists(chain: OptionChain) -> None:
    quoted = OptionChain("SPY", AT, "alpaca", chain.spot, chain.quotes[:1])
    assert with_contracts(quoted, "CALL", date(2026, 2, 18), Decimal("512.5")) is quoted


def test_greeks_are_told_or_made_of_what_is_told(chain: OptionChain) -> None:
    known = next(quote for quote in chain.quotes if quote.contract.symbol == "SPY260320C00510000")
    bare = OptionQuote(known.contract, known.bid, known.ask, AT, "alpaca")
    assert greeks_of(known, chain) is known.greeks
    assert greeks_of(OptionQuote(known.contract, known.bid, known.ask, AT, "alpaca", volatility=0.15), chain) == known.greeks
    assert known.greeks is not None
    implied = greeks_of(bare, chain)
    assert implied is not None
    assert implied.delta == pytest.approx(known.greeks.delta, abs=0.001)
    worthless = OptionQuote(
        OptionContract("SPY", date(2026, 3, 20), "CALL", Decimal(300)), Decimal(190), Decimal(191), AT, "alpaca"
    )
    assert greeks_of(worthless, chain) is None  # it costs less than what exercising brings


@pytest.mark.parametrize(
    ("right", "spot", "expected"),
    [("CALL", "510.5", "10.5"), ("CALL", "489", "0"), ("PUT", "489.25", "10.75"), ("PUT", "500", "0")],
)
def test_what_exercising_is_worth(right: Right, spot: str, expected: str) -> None:
    assert intrinsic_value(OptionContract("SPY", date(2026, 2, 20), right, Decimal(500)), Decimal(spot)) == Decimal(expected)


def bar(opened_at: datetime, minutes: int, *prices: Decimal) -> Candle:
    """A bar of SPY with these prices, the first and the last of which are its open and close."""
    return Candle(
        "SPY", "M5", opened_at, opened_at + timedelta(minutes=minutes), prices[0], max(prices), min(prices), prices[-1], 1_000
    )


@given(
    st.lists(st.decimals("300", "700", places=2), min_size=1, max_size=4),
    st.sampled_from(RIGHTS),
    st.integers(350, 650),
    VOLATILITIES,
    st.integers(-20_000, 200_000),
)
def test_an_option_s_bar_is_sound_and_holds_the_option_s_prices(
    prices: list[Decimal], right: Right, strike: int, volatility: float, minutes_before: int
) -> None:
    contract = OptionContract("SPY", date(2026, 2, 20), right, Decimal(strike))
    under = bar(contract.expires_at - timedelta(minutes=minutes_before + 5), 5, *prices)
    found = option_candle(contract, under, volatility)
    assert (found.symbol, found.timeframe, found.opened_at, found.closes_at) == (
        contract.symbol,
        "M5",
        under.opened_at,
        under.closes_at,
    )
    assert Decimal("0.01") <= found.low <= min(found.open, found.close)
    assert max(found.open, found.close) <= found.high
    assert all(value % Decimal("0.01") == 0 for value in (found.open, found.high, found.low, found.close))
    for spot in prices:
        quote = model_quote(contract, spot, volatility, under.closes_at)
        assert found.low <= quote.middle <= found.high
    assert instrument_for(found.symbol).option == contract


def test_the_bar_on_which_a_contract_ends_is_what_exercising_brings() -> None:
    contract = OptionContract("SPY", date(2026, 2, 20), "CALL", Decimal(500))
    under = bar(datetime(2026, 2, 20, 20, 55, tzinfo=UTC), 5, Decimal(499), Decimal(503), Decimal(498), Decimal("501.25"))
    found = option_candle(contract, under, 0.2)
    assert (found.open, found.high, found.low, found.close) == (Decimal("0.01"), 3, Decimal("0.01"), Decimal("1.25"))
    before = option_candle(contract, bar(under.opened_at - timedelta(minutes=5), 5, *([Decimal(500)] * 4)), 0.2)
    assert before.close == Decimal(f"{price('CALL', 500, 500, 5 / 60 / 24 / 365, 0.2, 0.04):.2f}") > Decimal("0.01")
