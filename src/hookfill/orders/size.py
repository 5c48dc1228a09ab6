"""How big an order is, with the arithmetic in words for the signal's story.

Whatever is asked is floored to the instrument's lot step toward zero: an order is never larger than what was asked or computed.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import assert_never

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import MAX_QUANTITY, ZERO, as_price, floor_to_step, plain
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.orders.model import Sized, SizingMode, SizingRule
from hookfill.orders.sections import check_section, optional_number

HUNDRED = Decimal(100)
DEFAULT_RISK_PERCENT = Decimal(1)
DEFAULT_QUANTITY: Mapping[InstrumentKind, Decimal] = {
    InstrumentKind.EQUITY: Decimal(1),
    InstrumentKind.FUTURE: Decimal(1),
    InstrumentKind.FX: Decimal("0.01"),
    InstrumentKind.CRYPTO: Decimal("0.01"),
    InstrumentKind.OPTION: Decimal(1),
}
"""The size of an entry when neither the alert nor the strategy names one: shares, contracts, lots, coins."""


def sizing_from(section: object) -> SizingRule:
    """Read a strategy's ``sizing`` section, for example ``{"mode": "risk_percent", "percent": 1}``.

    ``quantity`` goes with mode ``fixed`` only and ``percent`` with the other two; risk without a percent is 1 % of equity.

    Raises:
        ConfigurationError: an unknown name, an unusable value, or one that the mode does not read.
    """
    settings = check_section(section, ("mode", "quantity", "percent"), "sizing")
    mode = _mode(settings)
    quantity = optional_number(settings, "quantity", "sizing", most=MAX_QUANTITY)
    percent = optional_number(settings, "percent", "sizing", most=HUNDRED)
    if quantity is not None and mode is not SizingMode.FIXED:
        raise ConfigurationError(f"sizing.quantity has no effect in mode {mode}; remove it, or set mode to fixed.")
    if percent is not None and mode is SizingMode.FIXED:
        raise ConfigurationError("sizing.percent has no effect in mode fixed; set mode to equity_percent or risk_percent.")
    if percent is None and mode is SizingMode.EQUITY_PERCENT:
        raise ConfigurationError("sizing.mode equity_percent needs sizing.percent: the share of equity that an entry commits.")
    if percent is None and mode is SizingMode.RISK_PERCENT:
        percent = DEFAULT_RISK_PERCENT
    return SizingRule(mode, quantity, percent)


def _mode(settings: Mapping[str, object]) -> SizingMode:
    value = settings.get("mode", SizingMode.FIXED.value)
    try:
        return SizingMode(str(value))
    except ValueError:
        known = ", ".join(mode.value for mode in SizingMode)
        raise ConfigurationError(f"sizing.mode must be one of {known}; it is {value!r}.") from None


def size_entry(
    rule: SizingRule,
    alert_quantity: Decimal | None,
    instrument: Instrument,
    price: Decimal,
    *,
    stop_price: Decimal | None,
    equity: Decimal,
    risk_override_pct: Decimal | None = None,
    default_quantity: Decimal | None = None,
) -> Sized:
    """The size of an entry; the alert's own quantity wins over the strategy's rule.

    Args:
        rule: the strategy's sizing.
        alert_quantity: lots, contracts, shares or coins that the alert asks for.
        instrument: what is traded; its currency is taken to be the account's.
        price: the price that the entry is expected at; 0 where it is not known, which will do for a fixed size at a broker.
        stop_price: where the position would be stopped; needed by ``risk_percent`` only.
        equity: of the account, in its currency.
        risk_override_pct: replaces the rule's percent in mode ``risk_percent``.
        default_quantity: the user's own size where neither the alert nor the strategy names one; None: the instrument's.
    """
    if alert_quantity is not None:
        sized = _to_lots(alert_quantity, f"The alert asks for {plain(alert_quantity)}", instrument)
        return _worth_it(sized, instrument, price)
    match rule.mode:
        case SizingMode.FIXED:
            sized = _fixed(rule, instrument, price, default_quantity)
        case SizingMode.EQUITY_PERCENT:
            sized = _by_equity(rule, instrument, price, equity)
        case SizingMode.RISK_PERCENT:
            percent = risk_override_pct if risk_override_pct is not None else rule.percent or DEFAULT_RISK_PERCENT
            sized = _by_risk(percent, instrument, price, stop_price, equity)
        case _:
            assert_never(rule.mode)
    return _worth_it(sized, instrument, price)


def at_most(sized: Sized, rule: SizingRule, instrument: Instrument, room: Decimal) -> Sized:
    """A size that a percentage came to, in what is counted in contracts or lots, is cut to what the position may still grow by.

    Nobody asked for just that many. Where there is no room for the smallest order it stays as it is: the risk check refuses it.
    """
    if rule.mode is SizingMode.FIXED or not instrument.in_contracts or sized.refusal is not None or sized.quantity <= room:
        return sized
    quantity = floor_to_step(max(room, ZERO), instrument.lot_step)
    if quantity < instrument.min_quantity:
        return sized
    return Sized(quantity, None, f"{sized.explanation} The position's limit leaves room for {plain(quantity)}.")


def size_exit(quantity: Decimal, held: Decimal, instrument: Instrument) -> Sized:
    """The size of an exit leg: all that is held goes as it is, a part of it in whole lot steps.

    Args:
        quantity: what the plan asks for, at most ``held``.
        held: the position's size, positive.
        instrument: what is traded.
    """
    if quantity >= held:
        return Sized(held, None, f"All of the {plain(held)} held.")
    return _to_lots(quantity, f"{plain(quantity)} of the {plain(held)} held", instrument, least=instrument.lot_step)


def _fixed(rule: SizingRule, instrument: Instrument, price: Decimal, default: Decimal | None) -> Sized:
    if rule.quantity is not None:
        return _to_lots(rule.quantity, f"The strategy's fixed size is {plain(rule.quantity)}", instrument)
    usual = max(DEFAULT_QUANTITY[instrument.kind], _smallest(instrument, price)) if default is None else default
    return _to_lots(usual, f"Neither the alert nor the strategy names a size; the default is {plain(usual)}", instrument)


def _by_equity(rule: SizingRule, instrument: Instrument, price: Decimal, equity: Decimal) -> Sized:
    # The capital to commit is what the exposure limit counts: notional times margin rate; fully paid instruments have rate 1.
    percent = rule.percent or ZERO
    capital = max(equity, ZERO) * percent / HUNDRED
    per_unit = price * instrument.multiplier * instrument.margin_rate
    words = (
        f"{plain(percent)} % of equity {_money(equity)} = {_money(capital)} to commit; one unit commits {plain(price)} × "
        f"{plain(instrument.multiplier)} × margin rate {plain(instrument.margin_rate)} = {_money(per_unit)}; "
        f"{_money(capital)} ÷ {_money(per_unit)} = {_money(capital / per_unit)}"
    )
    return _to_lots(capital / per_unit, words, instrument)


def _by_risk(percent: Decimal, instrument: Instrument, price: Decimal, stop_price: Decimal | None, equity: Decimal) -> Sized:
    if stop_price is None:
        return Sized(ZERO, Reason.STOP_REQUIRED, f"Risking {plain(percent)} % of equity needs a stop, and there is none.")
    if stop_price == price:
        return Sized(
            ZERO, Reason.STOP_WRONG_SIDE, f"The stop {plain(stop_price)} is the price itself: there is no risk to size by."
        )
    at_risk = max(equity, ZERO) * percent / HUNDRED
    distance = abs(price - stop_price)
    per_unit = distance * instrument.multiplier
    words = (
        f"{plain(percent)} % of equity {_money(equity)} = {_money(at_risk)} at risk; one unit loses |{plain(price)} − "
        f"{plain(stop_price)}| × {plain(instrument.multiplier)} = {_money(per_unit)} at the stop; "
        f"{_money(at_risk)} ÷ {_money(per_unit)} = {_money(at_risk / per_unit)}"
    )
    return _to_lots(at_risk / per_unit, words, instrument)


def _to_lots(asked: Decimal, words: str, instrument: Instrument, *, least: Decimal | None = None) -> Sized:
    quantity = floor_to_step(asked, instrument.lot_step)
    smallest = instrument.min_quantity if least is None else least
    in_steps = f"{words}; in steps of {plain(instrument.lot_step)}: {plain(quantity)}"
    if quantity < smallest:
        return Sized(ZERO, Reason.SIZE_TOO_SMALL, f"{in_steps}, below the smallest order of {plain(smallest)}.")
    if quantity >= MAX_QUANTITY:
        return Sized(ZERO, Reason.MAX_POSITION_SIZE_EXCEEDED, f"{in_steps}; an order must stay below {MAX_QUANTITY:f}.")
    return Sized(quantity, None, f"{in_steps}.")


def _smallest(instrument: Instrument, price: Decimal) -> Decimal:
    """The smallest order at a price: a hundredth of a cheap coin would be worth nothing."""
    per_step = price * instrument.multiplier * instrument.lot_step
    if not per_step:
        return instrument.min_quantity
    steps = (instrument.min_notional / per_step).to_integral_value(rounding=ROUND_CEILING)
    return max(instrument.min_quantity, steps * instrument.lot_step)


def _worth_it(sized: Sized, instrument: Instrument, price: Decimal) -> Sized:
    """Refuse an entry that is worth less than the smallest order; exits have no such bound, so that nothing is left over."""
    worth = sized.quantity * price * instrument.multiplier
    if sized.refusal is not None or not price or worth >= instrument.min_notional:
        return sized
    told = f"At {plain(price)} that is worth {_money(worth)}, below the smallest order of {plain(instrument.min_notional)}."
    return Sized(ZERO, Reason.SIZE_TOO_SMALL, f"{sized.explanation} {told}")


def _money(value: Decimal) -> str:
    return plain(as_price(value))
