"""Gamma exposure and volumes of an option chain."""

from datetime import timedelta
from decimal import Decimal

import pytest

from hookfill.engines.council.flow import flow_of
from hookfill.engines.model import GammaFlow
from hookfill.market.option_chain import OptionChain, OptionQuote, model_chain
from hookfill.market.option_prices import Greeks
from hookfill.market.option_symbols import contract_from
from support.council import OPEN

CALL, OTHER_CALL, PUT = "SPY260320C00500000", "SPY260320C00505000", "SPY260320P00495000"


def told(symbol: str, gamma: float | None = None, interest: int | None = None, volume: int | None = None) -> OptionQuote:
    greeks = None if gamma is None else Greeks(1.0, 0.5, gamma, 0.0, 0.0, 0.0)
    price = Decimal(1)
    return OptionQuote(contract_from(symbol), price, price, OPEN, "alpaca", greeks=greeks, open_interest=interest, volume=volume)


def chain(*quotes: OptionQuote, source: str = "alpaca") -> OptionChain:
    return OptionChain("SPY", OPEN, source, Decimal(500), quotes)


@pytest.mark.parametrize(
    ("quotes", "expected"),
    [
        ((), None),
        ((told(CALL), told(PUT)), None),
        ((told(CALL, gamma=0.02), told(PUT, interest=10)), None),  # both are needed for either
        # A percent of 500 squared, times 100 shares: 250,000 for each gamma · contract.
        ((told(CALL, 0.02, 10),), GammaFlow(50_000.0)),
        ((told(PUT, 0.02, 10),), GammaFlow(-50_000.0)),
        ((told(CALL, 0.02, 10), told(OTHER_CALL, 0.01, 30), told(PUT, 0.02, 20)), GammaFlow(25_000.0)),
        ((told(CALL, 0.02, 0), told(PUT)), GammaFlow(0.0)),
        ((told(CALL, volume=7), told(OTHER_CALL, volume=1), told(PUT, volume=0)), GammaFlow(None, 8.0, 0.0)),
        ((told(CALL, volume=7), told(PUT)), GammaFlow(None, 7.0, None)),
        ((told(CALL, 0.02, 10, 3), told(PUT, 0.02, 10, 5)), GammaFlow(0.0, 3.0, 5.0)),
    ],
)
def test_what_a_chain_tells(quotes: tuple[OptionQuote, ...], expected: GammaFlow | None) -> None:
    flow = flow_of(chain(*quotes))
    assert (flow is None) == (expected is None)
    if flow is not None and expected is not None:
        assert flow.net_gex == (None if expected.net_gex is None else pytest.approx(expected.net_gex))
        assert (flow.call_volume, flow.put_volume) == (expected.call_volume, expected.put_volume)


def test_without_a_chain_and_from_a_model_nothing_is_known() -> None:
    assert flow_of(None) is None
    assert flow_of(chain(told(CALL, 0.02, 10, 3), source="model")) is None
    assert flow_of(model_chain("SPY", Decimal(500), 0.2, OPEN + timedelta(hours=1))) is None
