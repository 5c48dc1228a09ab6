"""What the options market does with a symbol, told by its option chain (pure)."""

from collections.abc import Iterable
from math import fsum

from hookfill.engines.model import GammaFlow
from hookfill.market.option_chain import OptionChain, OptionQuote

CONTRACT = 100
"""Shares per contract."""
_PERCENT = 0.01


def flow_of(chain: OptionChain | None) -> GammaFlow | None:
    """Gamma exposure and volumes of a chain; None without one, or where it tells neither, as a model chain does.

    The net gamma exposure is what dealers would have to trade, in the underlying's currency, when it moves by one percent, as it is
    usually reckoned: gamma · open interest · 100 · spot² · 1 %, of calls added and of puts subtracted. That supposes that dealers
    hold the calls and have sold the puts, which nobody can see.
    """
    if chain is None or chain.is_model:
        return None
    calls = [quote for quote in chain.quotes if quote.contract.right == "CALL"]
    puts = [quote for quote in chain.quotes if quote.contract.right == "PUT"]
    per_percent = CONTRACT * float(chain.spot) ** 2 * _PERCENT
    exposures = [*_gammas(calls), *(-gamma for gamma in _gammas(puts))]
    flow = GammaFlow(
        net_gex=fsum(exposures) * per_percent if exposures else None, call_volume=_volume(calls), put_volume=_volume(puts)
    )
    return None if flow == GammaFlow() else flow


def _gammas(quotes: Iterable[OptionQuote]) -> list[float]:
    """Gamma times open contracts of each quote that tells both."""
    return [one.greeks.gamma * one.open_interest for one in quotes if one.greeks is not None and one.open_interest is not None]


def _volume(quotes: Iterable[OptionQuote]) -> float | None:
    """Contracts traded today; None where no quote tells."""
    volumes = [one.volume for one in quotes if one.volume is not None]
    return float(sum(volumes)) if volumes else None
