"""``POST /api/v1/strike-selection``: which option contract would be bought, and why no other."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own
from hookfill.api.strict_body import StrictRoute
from hookfill.api.strike_models import StrikeAnswer, StrikeQuestion
from hookfill.desk.what_if import Underlying, chain_for, underlying_as_of
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import MEANINGS, Reason
from hookfill.market.calendar import NEW_YORK
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Right
from hookfill.market.option_chain import OptionChain, OptionQuote, greeks_of
from hookfill.orders.model import Side
from hookfill.orders.strikes import OptionRules, Selection, options_from, select_contract
from hookfill.signals.model import OptionAsk

router = APIRouter(prefix="/api/v1/strike-selection", tags=["market data"], responses=PROBLEMS, route_class=StrictRoute)


@router.post("", summary="Which option would be bought", response_model=StrikeAnswer)
async def strike_selection(connection: Own, asked: StrikeQuestion) -> Json:
    """A what-if: nothing is traded or stored.

    The contract is chosen as for an alert: the alert's own strike and expiration (`strike`, `expiration`), else by the rule. The
    chain is what the market feed brought while it is fresh; else, and wherever `spot` or `volatility` is sent, one by model, marked
    `model`. Where nothing can be bought the answer says why in `refusal`.
    """
    try:
        rules = options_from({name: getattr(asked, name) for name in ("rule", "tier", "max_hold_days")})
    except ConfigurationError as error:
        raise HTTPException(422, str(error)) from None
    found = await underlying_as_of(connection, asked.symbol, asked.at)
    # Beside the event loop: some hundred contracts are priced, and the first question loads the exchange's calendar.
    return Json(await asyncio.to_thread(_answer, asked, rules, found))


def _answer(asked: StrikeQuestion, rules: OptionRules, found: Underlying) -> dict[str, Any]:
    right: Right = asked.right or ("CALL" if asked.direction == "long" else "PUT")
    chain = chain_for(found, right, asked.spot, None if asked.volatility is None else float(asked.volatility))
    known = chain if isinstance(chain, OptionChain) else None
    ask = OptionAsk(right, asked.strike, None if asked.expiration is None else asked.expiration.isoformat())
    side = Side.BUY if right == "CALL" else Side.SELL
    selection = select_contract(ask, known, rules, found.at.astimezone(NEW_YORK).date(), side)
    if isinstance(chain, str):
        selection = Selection(None, Reason.OPTION_CHAIN_MISSING, (), chain)
    figures = selection.figures(asked.limit)
    return {
        "symbol": asked.symbol,
        "at": found.at,
        "right": right,
        "rule": rules.rule.value,
        "tier": None if rules.tier is None else rules.tier.value,
        **_market(asked, found, known),
        "chosen": None if selection.chosen is None or known is None else _contract(selection.chosen, known, found),
        "refusal": None if selection.refusal is None else {"code": selection.refusal.value, **asdict(MEANINGS[selection.refusal])},
        "explanation": selection.explanation,
        "verdicts": figures["verdicts"],
        "candidates": figures["candidates"],
    }


def _market(asked: StrikeQuestion, found: Underlying, chain: OptionChain | None) -> dict[str, Any]:
    """The price that counts, and what the chain was made of or who told it."""
    spot, spot_at = asked.spot, None
    if chain is not None and not chain.is_model:
        spot, spot_at = chain.spot, chain.at
    elif asked.spot is None and found.spot is not None:
        spot, spot_at = found.spot.price, found.spot.at
    told = {name: getattr(chain, name, None) for name in ("source", "volatility", "volatility_rank", "rate")}
    return {"spot": spot, "spot_at": spot_at, **told}


def _contract(quote: OptionQuote, chain: OptionChain, found: Underlying) -> dict[str, Any]:
    contract, greeks = quote.contract, greeks_of(quote, chain)
    return {
        "symbol": contract.symbol,
        "readable": contract.readable,
        "right": contract.right,
        "strike": contract.strike,
        "expiration": contract.expiration,
        "expires_at": contract.expires_at,
        "days": (contract.expiration - found.at.astimezone(NEW_YORK).date()).days,
        "bid": quote.bid,
        "ask": quote.ask,
        "spread_percent": None if quote.spread_percent is None else round(quote.spread_percent, 2),
        "cost": quote.ask * instrument_for(contract.symbol).multiplier,
        "quoted_at": quote.at,
        "source": quote.source,
        "volatility": quote.volatility,
        "open_interest": quote.open_interest,
        "volume": quote.volume,
        "greeks": None if greeks is None else greeks.figures(),
    }
