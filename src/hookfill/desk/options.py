"""Signals that buy options, and those that leave them (pure).

A strategy's view of an underlying is what its options add up to: calls count as long, puts as short. So an alert means for them
what it would mean for a position in the underlying itself, by the same plan: a second view against the first follows
``on_opposite``, and an alert that leaves the underlying leaves its options. An option is only ever bought to open and sold to
close.

Prices in an alert are the underlying's: its own price, sl and tp. The levels become the premiums that the contract has by model
when its underlying stands there now. An alert that names a contract by its symbol is about that contract; then so are its prices.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hookfill.desk.book import Book
from hookfill.desk.case import Case, Refused, risk_entry
from hookfill.desk.contracts import (
    FRESH,
    Terms,
    at_side,
    contract_price,
    priced_by,
    quoted,
    terms_of,
    volatility_of,
    volatility_rank_of,
)
from hookfill.desk.settings import TradingRules
from hookfill.exits.rules import rules_for
from hookfill.kernel.money import ZERO, plain
from hookfill.kernel.reasons import Reason
from hookfill.market.calendar import NEW_YORK
from hookfill.market.feeds.port import DELAYED_SOURCES
from hookfill.market.instruments import instrument_for
from hookfill.market.model import OptionContract, Quote, Right
from hookfill.market.option_chain import OptionChain, OptionQuote, has_options, model_chain, model_quote
from hookfill.market.sessions import session_on_or_before
from hookfill.orders.model import Leg, Plan, Policy, Side
from hookfill.orders.plan import ENTRY, EXIT, plan
from hookfill.orders.strikes import Trade, select_contract
from hookfill.positions.model import Position
from hookfill.risk.checks import price_collar
from hookfill.signals.model import Action, Alert, Signal

_LEAST_BARS = 11
_BY_RIGHT = {"CALL": 1, "PUT": -1}
_NO_STOCK = "a share, fund or index of the United States has options, this symbol has none"


def canonical(signal: Signal) -> Signal:
    """The signal with an option's symbol as it is kept, however the alert spells it."""
    instrument = instrument_for(signal.alert.symbol)
    if instrument.option is None or instrument.symbol == signal.alert.symbol:
        return signal
    return replace(signal, alert=replace(signal.alert, symbol=instrument.symbol))


def plan_of(book: Book, signal: Signal, rules: TradingRules) -> Plan:
    """What the alert means for the strategy's positions in its symbol, options on it among them."""
    alert = signal.alert
    position = book.position(signal.strategy_id, alert.symbol)
    current, entries = (ZERO, 0) if position is None else (position.quantity, position.entries)
    if instrument_for(alert.symbol).option is not None:
        return _about_contract(alert, current, entries, rules.policy)
    held = book.options_on(signal.strategy_id, alert.symbol)
    if wants_option(alert, rules):
        return _about_options(alert, held, rules.policy)
    own = plan(alert, current, entries, rules.policy)
    leaves = alert.action is Action.CLOSE or alert.target_side == 0
    if not held or not leaves or signal.is_by_operator:  # an operator names each position that is to be left
        return own
    theirs = _about_options(alert, held, rules.policy)
    if own.refusal is not None:
        return own if theirs.refusal is not None else theirs
    return replace(own, legs=own.legs + theirs.legs)


def wants_option(alert: Alert, rules: TradingRules) -> bool:
    """Whether the alert's entry buys an option."""
    leaves = alert.action is Action.CLOSE or alert.target_side == 0
    return alert.option is not None or (rules.options.trade is Trade.ALWAYS and not leaves)


def _about_contract(alert: Alert, current: Decimal, entries: int, policy: Policy) -> Plan:
    """The plan of an alert that names a contract: what sells it leaves it, and nothing goes short in it."""
    if alert.action is Action.SELL:
        alert = replace(alert, action=Action.CLOSE, close_side=1)
    planned = plan(alert, current, entries, policy)
    legs = [
        replace(leg, symbol=alert.symbol, is_option=True) for leg in planned.legs if leg.purpose == EXIT or leg.side is Side.BUY
    ]
    if planned.legs and not legs:
        return Plan((), Reason.NO_POSITION, "flat; an option is sold to leave it, never to go short")
    return replace(planned, legs=tuple(legs))


def _about_options(alert: Alert, held: Sequence[Position], policy: Policy) -> Plan:
    """The plan for the options on the alert's symbol; how many entries a contract may have is seen once it is chosen."""
    current = sum((_view(position) * position.quantity for position in held), ZERO)
    if alert.action is Action.CLOSE or alert.target_side == 0:
        meant = [position for position in held if alert.close_side in (None, _view(position)) and _is_named(alert, position)]
        if meant:  # calls and puts may cancel each other out as a view; to leave them, each is sold
            asked = alert.quantity if alert.action is Action.CLOSE else None
            return Plan(_sold(meant, _count(meant) if asked is None else asked))
        if held and alert.option is not None:
            return Plan((), Reason.NO_POSITION, "no such option is held")
    planned = plan(alert, current, 0, policy)
    legs: list[Leg] = []
    for leg in planned.legs:
        if leg.purpose == ENTRY:
            legs.append(Leg(ENTRY, leg.side, leg.quantity, is_option=True))
        elif leg.quantity == abs(current):
            legs += _sold(held, _count(held))
        else:
            legs += _sold([one for one in held if _view(one) == -leg.side.sign], leg.quantity or ZERO)
    return replace(planned, legs=tuple(legs))


def _is_named(alert: Alert, position: Position) -> bool:
    """Whether a position is in an option of the right, strike and expiration that the alert names, as far as it names them."""
    asked, contract = alert.option, instrument_for(position.symbol).option
    if asked is None or contract is None:
        return True
    ends = None if asked.expiration is None else session_on_or_before(date.fromisoformat(asked.expiration))
    return contract.right == asked.right and asked.strike in (None, contract.strike) and ends in (None, contract.expiration)


def _count(held: Sequence[Position]) -> Decimal:
    return sum((position.quantity for position in held), ZERO)


def _sold(held: Sequence[Position], quantity: Decimal) -> tuple[Leg, ...]:
    """Legs that leave so many contracts, the oldest first."""
    legs: list[Leg] = []
    for position in held:
        part = min(quantity, position.quantity)
        if part > ZERO:
            legs.append(Leg(EXIT, Side.SELL, part, symbol=position.symbol, is_option=True))
            quantity -= part
    return tuple(legs)


def _view(position: Position) -> int:
    contract = instrument_for(position.symbol).option
    return 0 if contract is None else _BY_RIGHT[contract.right]


def turn_to(case: Case, leg: Leg) -> None:
    """Turn the case to the contract that a closing leg leaves."""
    if leg.symbol is None:
        return
    position = case.book.position(case.strategy.strategy_id, leg.symbol)
    assert position is not None
    _begin(case)
    terms = case.book.terms(position)
    _turn(case, leg.symbol, position, terms, _price_now(case, position, terms))


def _price_now(case: Case, position: Position, terms: Terms) -> Quote | None:
    """What a contract that is held costs now; None: only its mark is known."""
    contract, told = instrument_for(position.symbol).option, case.book.quote(position.symbol)
    if told is not None and told.at <= case.now and case.now - told.at <= FRESH:
        return told
    spot = case.spot
    if contract is None or spot is None or spot.at > contract.expires_at or _is_far(case, spot):
        return None
    return contract_price(contract, spot, terms)


def _is_far(case: Case, spot: Quote) -> bool:
    """Whether the price is one that the alert brought, beyond the collar around the newest one of the market."""
    newest = case.book.last_price(spot.symbol) or case.book.quote(spot.symbol)
    if spot.source != "alert" or newest is None:
        return False
    return abs(spot.price - newest.price) * 100 > case.situation.limits.price_collar_pct * newest.price


def choose(case: Case, leg: Leg) -> Leg:
    """Choose the contract that an entry buys, and turn the case to it.

    Returns:
        The leg that buys it, whatever view it stands for.

    Raises:
        Refused: there is no chain, nothing in it serves, or the strategy holds as many entries in the contract as it may.
    """
    _begin(case)
    spot = case.spot
    _check_possible(case, spot)
    assert spot is not None
    collar = price_collar(risk_entry(case, is_exit=False)) if leg.symbol is None else None
    if collar is not None and not collar.passed:
        raise Refused("rejected", collar.check, collar.detail)
    series = case.situation.options.bars.get(spot.symbol, ())
    volatility = volatility_of(series, case.now) if series else None
    chosen, chain = _contract(case, leg, spot, volatility)
    position = _still_held(case, chosen.contract.symbol)
    if position is not None and position.entries >= case.rules.policy.pyramiding:
        detail = (
            f"{plain(position.quantity)} {chosen.contract.readable}, {position.entries} of at most {case.rules.policy.pyramiding}"
        )
        raise Refused("rejected", Reason.PYRAMIDING_LIMIT, f"{detail} entries")
    # A model's chain follows how much the market moved of late; what is held keeps its volatility and is added to at its own worth.
    own = case.book.terms(position) if position is not None and chain.is_model else None
    terms = own or terms_of(chosen, chain, volatility)
    price = quoted(chosen) if not chain.is_model else contract_price(chosen.contract, spot, terms)
    _turn(case, chosen.contract.symbol, position, terms, price)
    case.rules = replace(case.rules, exits=rules_for(case.rules.exits, case.instrument))
    levels = (case.asked.stop_loss, case.asked.take_profit) if case.asked is not None and leg.symbol is None else None
    if levels is not None:
        stop, target = (_premium(chosen.contract, level, spot, terms) for level in levels)
        case.signal = replace(case.signal, alert=replace(case.alert, action=Action.BUY, stop_loss=stop, take_profit=target))
    return replace(leg, side=Side.BUY, symbol=chosen.contract.symbol)


def _still_held(case: Case, symbol: str) -> Position | None:
    """The strategy's position in a contract, unless this signal has just left it."""
    position = case.book.position(case.strategy.strategy_id, symbol)
    left = {one.position_id for one in case.changed if one.status == "closed"}
    return None if position is None or position.position_id in left else position


def _check_possible(case: Case, spot: Quote | None) -> None:
    """Whether options on the symbol can be bought at all.

    Raises:
        Refused: they can't.
    """
    underlying = priced_by(case.alert.symbol)
    if case.account.kind == "mt5":
        raise Refused("rejected", Reason.BROKER_UNSUPPORTED, "mt5 accounts trade no options")
    if not has_options(underlying):
        raise Refused("rejected", Reason.OPTION_CHAIN_MISSING, f"{underlying}: {_NO_STOCK}")
    if case.alert.waits:
        raise Refused("rejected", Reason.ORDER_TYPE_UNSUPPORTED, f"a {case.alert.order_type} order for an option")
    if spot is None:
        raise Refused("rejected", Reason.OPTION_CHAIN_MISSING, f"no price of {underlying} is known; push its candles")


def _contract(case: Case, leg: Leg, spot: Quote, volatility: float | None) -> tuple[OptionQuote, OptionChain]:
    """The contract to buy, and the chain that it is from."""
    stored = case.situation.options.chains.get(spot.symbol)
    is_fresh = stored is not None and stored.at <= case.now and case.now - stored.at <= FRESH
    if stored is not None and case.account.is_at_broker and stored.source in DELAYED_SOURCES:
        is_fresh = False  # what is late by a quarter of an hour prices no order that costs money
    named = None if leg.symbol is None else instrument_for(leg.symbol).option
    chain = stored if is_fresh else None
    if chain is None:
        chain = _model(case, spot, volatility, _right(leg, case.alert), named)
    if named is not None:
        found = next((quote for quote in chain.quotes if quote.contract.symbol == named.symbol), None)
        if found is None or named.expires_at <= case.now:
            raise Refused("rejected", Reason.OPTION_NOT_LISTED, named.readable)
        case.trace["option"] = {"contract": named.symbol, **_told(chain, found)}
        return found, chain
    picked = select_contract(case.alert.option, chain, case.rules.options, _today(case.now), leg.side)
    case.trace["option"] = {**_as_text(picked.figures()), **_told(chain, picked.chosen)}
    if picked.chosen is None:
        raise Refused("rejected", picked.refusal or Reason.OPTION_CHAIN_MISSING, picked.explanation)
    return picked.chosen, chain


def _model(case: Case, spot: Quote, volatility: float | None, right: Right, named: OptionContract | None) -> OptionChain:
    if volatility is None:
        detail = (
            f"{spot.symbol} has too few candles for a volatility; push {_LEAST_BARS} of one timeframe at least, or a whole day's"
        )
        raise Refused("rejected", Reason.OPTION_CHAIN_MISSING, detail)
    if named is None:
        rank = volatility_rank_of(case.situation.options.bars.get(spot.symbol, ()), case.now)
        return model_chain(spot.symbol, spot.price, volatility, spot.at, rights=(right,), volatility_rank=rank)
    quote = model_quote(named, spot.price, volatility, spot.at)
    return OptionChain(spot.symbol, spot.at, quote.source, spot.price, (quote,), volatility=volatility)


def _right(leg: Leg, alert: Alert) -> Right:
    if alert.option is not None:
        return "CALL" if alert.option.right == "CALL" else "PUT"
    return "CALL" if leg.side is Side.BUY else "PUT"


def _told(chain: OptionChain, chosen: OptionQuote | None) -> dict[str, Any]:
    """The chain and the quote that was chosen, for the signal's story."""
    told: dict[str, Any] = {
        "source": chain.source,
        "spot": plain(chain.spot),
        "at": chain.at.isoformat(),
        "volatility": chain.volatility if chosen is None or chosen.volatility is None else chosen.volatility,
    }
    if chosen is not None:
        told |= {"readable": chosen.contract.readable, "bid": plain(chosen.bid), "ask": plain(chosen.ask)}
    return told


def _as_text(value: Any) -> Any:
    """Figures with their amounts as text, as a story stores them."""
    if isinstance(value, dict):
        return {name: _as_text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return plain(value) if isinstance(value, Decimal) else value


def _premium(contract: OptionContract, level: Decimal | None, spot: Quote, terms: Terms) -> Decimal | None:
    """The premium at which the underlying stands at ``level`` now."""
    if level is None:
        return None
    return contract_price(contract, Quote(spot.symbol, level, spot.at, spot.source), terms).price


def _begin(case: Case) -> None:
    """Turn the case back to what was asked, which is kept when it turns to a contract for the first time."""
    if case.asked is None:
        case.asked, case.spot = case.alert, case.quote
    case.signal = replace(case.signal, alert=case.asked)
    case.instrument, case.quote, case.terms = instrument_for(case.asked.symbol), case.spot, None


def _turn(case: Case, symbol: str, position: Position | None, terms: Terms, price: Quote | None) -> None:
    # Of an alert about the underlying, its price says nothing about the contract's.
    is_named = case.asked is not None and case.asked.symbol == symbol
    case.signal = replace(
        case.signal, alert=replace(case.alert, symbol=symbol, option=None, price=case.alert.price if is_named else None)
    )
    case.instrument, case.position, case.quote, case.terms = instrument_for(symbol), position, price, terms


def dealt_at(case: Case, side: Side, price: Quote) -> Quote:
    """The price at which the market buys or sells: an option's ask or bid."""
    return price if case.terms is None else at_side(side, price, case.terms)


def _today(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()
