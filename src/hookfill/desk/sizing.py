"""How big a signal's entry is, and whether it can have the exits that it needs (pure)."""

from decimal import Decimal

from hookfill.desk import trace
from hookfill.desk.case import Case, Refused, equity_of
from hookfill.exits.model import DistanceKind, ExitRules, Levels
from hookfill.exits.rules import check_levels, initial_levels
from hookfill.kernel.money import ZERO
from hookfill.kernel.reasons import Reason
from hookfill.market.model import InstrumentKind
from hookfill.orders.model import Leg, SizingMode
from hookfill.orders.size import at_most, size_entry


def size_of(case: Case, leg: Leg, price: Decimal | None, exits: ExitRules) -> Decimal:
    """The entry's size.

    Args:
        price: what it is expected to fill at; None at a broker when no price is known here.
        exits: the strategy's exit rules, at a broker with the user's own distances.

    Raises:
        Refused: it can't be sized, or its exits can't be.
    """
    levels = _levels(case, leg, price, exits)
    if price is None and leg.quantity is None and case.rules.sizing.mode is not SizingMode.FIXED:
        raise Refused("rejected", Reason.PRICE_MISSING, f"{case.alert.symbol}; sizing by {case.rules.sizing.mode} needs one")
    equity = equity_of(case)
    sized = size_entry(
        case.rules.sizing,
        leg.quantity,
        case.instrument,
        ZERO if price is None else price,
        stop_price=levels.stop,
        equity=ZERO if equity is None else equity,
        risk_override_pct=case.strategy.risk_override_pct,
        default_quantity=_usual(case),
    )
    if leg.quantity is None:
        sized = at_most(sized, case.rules.sizing, case.instrument, _room(case))
    case.trace["sizing"] = trace.sizing(sized, levels)
    if sized.refusal is not None:
        raise Refused("rejected", sized.refusal, sized.explanation)
    return sized.quantity


def _room(case: Case) -> Decimal:
    """How many more contracts or lots the account's limit allows in this position."""
    held = abs(case.position.quantity) if case.position is not None else ZERO
    return case.situation.limits.max_position_size - held


def _levels(case: Case, leg: Leg, price: Decimal | None, exits: ExitRules) -> Levels:
    alert = case.alert
    if price is None:
        is_in_r = exits.target is not None and exits.target.kind is DistanceKind.R and alert.take_profit is None
        if alert.stop_loss is None and exits.stop is None and (is_in_r or exits.break_even_at_r is not None):
            raise Refused("rejected", Reason.STOP_REQUIRED, "no stop is named")
        return Levels(alert.stop_loss, alert.take_profit, None)
    asked = {"alert_stop": alert.stop_loss, "alert_target": alert.take_profit}
    wrong = check_levels(leg.side, price, case.instrument, exits, **asked)
    if wrong is not None:
        raise Refused("rejected", wrong, f"price {price:f}, sl {alert.stop_loss}, tp {alert.take_profit}")
    return initial_levels(leg.side, price, case.instrument, exits, **asked)


def _usual(case: Case) -> Decimal | None:
    """The user's own lot size, for what is traded in lots."""
    is_in_lots = case.account.trades_lots or case.instrument.kind is InstrumentKind.FX
    return case.account.defaults.default_lot_size if is_in_lots else None
