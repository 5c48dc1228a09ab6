"""A strategy's exit rules: how they are written, and the levels that they give a new position.

An example with every setting: ``{"stop": {"pips": 50}, "target": {"r": 2}, "trailing_percent": 15, "trailing_arm_percent": 20,
"break_even_at_r": 1, "max_hold_hours": 120}``.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

from hookfill.exits.model import Distance, DistanceKind, ExitRules, Levels
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import MAX_PRICE, ZERO, plain
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument
from hookfill.orders.model import Side
from hookfill.orders.sections import check_section, optional_number, positive_number
from hookfill.orders.ticks import to_tick

HUNDRED = Decimal(100)
_NAMES = ("stop", "target", "trailing_percent", "trailing_arm_percent", "break_even_at_r", "max_hold_hours")
_ALMOST_ALL = Decimal("99.99")
"""A stop or a trailing stop at 100 % would lie at zero, where it protects nothing."""
_MOST_PERCENT = Decimal(10_000)
_MOST_R = Decimal(1_000)
_MOST_HOURS = Decimal(87_600)


def rules_from(section: object) -> ExitRules:
    """Read a strategy's ``exits`` section; null or absent switches a rule off.

    Raises:
        ConfigurationError: an unknown name, an unusable value, or a rule that lacks the one it builds on.
    """
    settings = check_section(section, _NAMES, "exits")
    rules = ExitRules(
        stop=_distance(settings, "stop", most_percent=_ALMOST_ALL),
        target=_distance(settings, "target", most_percent=_MOST_PERCENT),
        trailing_percent=optional_number(settings, "trailing_percent", "exits", most=_ALMOST_ALL),
        trailing_arm_percent=optional_number(settings, "trailing_arm_percent", "exits", most=_MOST_PERCENT),
        break_even_at_r=optional_number(settings, "break_even_at_r", "exits", most=_MOST_R),
        max_hold_hours=optional_number(settings, "max_hold_hours", "exits", most=_MOST_HOURS),
    )
    if rules.stop is not None and rules.stop.kind is DistanceKind.R:
        raise ConfigurationError("exits.stop can't be in r, which is measured by the stop itself; use price, percent or pips.")
    if rules.trailing_arm_percent is not None and rules.trailing_percent is None:
        raise ConfigurationError("exits.trailing_arm_percent arms nothing without exits.trailing_percent; set both or neither.")
    return rules


def _distance(settings: Mapping[str, object], key: str, *, most_percent: Decimal) -> Distance | None:
    if settings.get(key) is None:
        return None
    units = check_section(settings[key], (kind.value for kind in DistanceKind), f"exits.{key}")
    if len(units) != 1:
        raise ConfigurationError(f'exits.{key} needs exactly one unit, such as {{"pips": 50}}; it has {len(units)}.')
    (unit, value), *_ = units.items()
    most = {DistanceKind.PERCENT: most_percent, DistanceKind.R: _MOST_R}.get(DistanceKind(unit), MAX_PRICE)
    return Distance(DistanceKind(unit), positive_number(value, f"exits.{key}.{unit}", most=most))


def rules_to_json(rules: ExitRules) -> dict[str, object]:
    """The rules as ``rules_from`` reads them: numbers as text, rules that are off left out."""
    written: dict[str, object] = {}
    for name in _NAMES:
        value = getattr(rules, name)
        if isinstance(value, Distance):
            written[name] = {value.kind.value: plain(value.value)}
        elif value is not None:
            written[name] = plain(value)
    return written


def initial_levels(
    side: Side,
    entry_price: Decimal,
    instrument: Instrument,
    rules: ExitRules,
    *,
    alert_stop: Decimal | None,
    alert_target: Decimal | None,
) -> Levels:
    """A new position's stop, target and initial risk.

    The alert's own levels win over the rules and are kept as they came. Levels from rules lie on the tick grid, rounded away from
    the entry, so that a small distance never collapses onto it. They may be unusable: ``check_levels`` says so beforehand.

    Args:
        side: of the entry: buy for a long position.
        entry_price: the entry's fill price (or the quote, before it is filled).
        instrument: what is traded: its pip and tick.
        rules: the strategy's.
        alert_stop: the alert's own ``sl``.
        alert_target: the alert's own ``tp``.
    """
    stop = alert_stop
    if stop is None and rules.stop is not None:
        distance = _as_price_distance(rules.stop, entry_price, instrument, None)
        stop = None if distance is None else _away(entry_price, -side.sign, distance, instrument)
    risk = None if stop is None else abs(entry_price - stop)
    target = alert_target
    if target is None and rules.target is not None:
        distance = _as_price_distance(rules.target, entry_price, instrument, risk)
        target = None if distance is None else _away(entry_price, side.sign, distance, instrument)
    return Levels(stop, target, risk)


def check_levels(
    side: Side,
    price: Decimal,
    instrument: Instrument,
    rules: ExitRules,
    *,
    alert_stop: Decimal | None,
    alert_target: Decimal | None,
) -> Reason | None:
    """Why an entry at ``price`` can't have its exits, None if it can; to be asked before the order is made.

    A long position's stop lies below the price and its target above, a short one's the other way round, both above zero. Rules in R
    (a target, the break-even move) need a stop: an entry without the protection that its strategy asks for is not made.
    """
    levels = initial_levels(side, price, instrument, rules, alert_stop=alert_stop, alert_target=alert_target)
    if levels.stop is not None and not (levels.stop > ZERO and side.sign * (price - levels.stop) > ZERO):
        return Reason.STOP_WRONG_SIDE
    if levels.target is not None and not (levels.target > ZERO and side.sign * (levels.target - price) > ZERO):
        return Reason.TARGET_WRONG_SIDE
    target_needs_risk = rules.target is not None and alert_target is None and rules.target.kind is DistanceKind.R
    if levels.initial_risk is None and (target_needs_risk or rules.break_even_at_r is not None):
        return Reason.STOP_REQUIRED
    return None


def _as_price_distance(distance: Distance, entry_price: Decimal, instrument: Instrument, risk: Decimal | None) -> Decimal | None:
    match distance.kind:
        case DistanceKind.PRICE:
            return distance.value
        case DistanceKind.PERCENT:
            return entry_price * distance.value / HUNDRED
        case DistanceKind.PIPS:
            return distance.value * instrument.pip
        case DistanceKind.R:
            return None if risk is None else distance.value * risk
        case _:
            assert_never(distance.kind)


def _away(entry_price: Decimal, direction: int, distance: Decimal, instrument: Instrument) -> Decimal:
    level = entry_price + direction * distance
    # At or below zero there is no grid; check_levels refuses such a level.
    return level if level <= ZERO else to_tick(level, instrument, up=direction > 0, beside=entry_price)
