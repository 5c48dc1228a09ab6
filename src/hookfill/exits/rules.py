"""A strategy's exit rules: how they are written, and the levels that they give a new position.

An example with every setting: ``{"stop": {"pips": 50}, "target": {"r": 3}, "targets": [{"at": {"r": 1}, "percent": 50}],
"trailing_percent": 15, "trailing_arm_percent": 20, "break_even_at_r": 1, "max_hold_hours": 120, "min_dte_days": 1,
"session_close_minutes": 5, "week_close_minutes": 15, "option_defaults": true}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import assert_never

from hookfill.exits.model import Distance, DistanceKind, ExitRules, Levels, PartialTarget
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import MAX_PRICE, ZERO, InvalidNumber, decimal_from, plain
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.orders.model import Side
from hookfill.orders.sections import check_section, optional_number, positive_number
from hookfill.orders.ticks import to_tick
from hookfill.positions.model import Target

HUNDRED = Decimal(100)
_NAMES = (
    "stop",
    "target",
    "targets",
    "trailing_percent",
    "trailing_arm_percent",
    "break_even_at_r",
    "max_hold_hours",
    "min_dte_days",
    "session_close_minutes",
    "week_close_minutes",
    "option_defaults",
)
_ALMOST_ALL = Decimal("99.99")
"""A stop or a trailing stop at 100 % would lie at zero, where it protects nothing."""
_MOST_PERCENT = Decimal(10_000)
_MOST_R = Decimal(1_000)
_MOST_HOURS = Decimal(87_600)
_MOST_DAYS = Decimal(365)
_MOST_MINUTES = Decimal(1_440)
MOST_TARGETS = 10
"""Partial targets of one strategy."""

OPTION_DEFAULTS = ExitRules(
    stop=Distance(DistanceKind.PERCENT, Decimal(50)),
    target=Distance(DistanceKind.PERCENT, Decimal(50)),
    trailing_percent=Decimal(15),
    trailing_arm_percent=Decimal(20),
    max_hold_hours=Decimal(120),
    min_dte_days=Decimal(1),
)
"""How an option is left where the strategy sets nothing else: half of what it cost lost or won, 15 % below its best price once it
has won 20 %, after five days, and on its last day but one."""


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
        targets=_targets(settings.get("targets")),
        min_dte_days=_days(settings.get("min_dte_days")),
        session_close_minutes=optional_number(settings, "session_close_minutes", "exits", most=_MOST_MINUTES),
        week_close_minutes=optional_number(settings, "week_close_minutes", "exits", most=_MOST_MINUTES),
        option_defaults=_switch(settings.get("option_defaults")),
    )
    if rules.stop is not None and rules.stop.kind is DistanceKind.R:
        raise ConfigurationError("exits.stop can't be in r, which is measured by the stop itself; use price, percent or pips.")
    if rules.trailing_arm_percent is not None and rules.trailing_percent is None:
        raise ConfigurationError("exits.trailing_arm_percent arms nothing without exits.trailing_percent; set both or neither.")
    return rules


def _distance(settings: Mapping[str, object], key: str, *, most_percent: Decimal) -> Distance | None:
    return None if settings.get(key) is None else _read_distance(settings[key], f"exits.{key}", most_percent)


def _read_distance(section: object, name: str, most_percent: Decimal) -> Distance:
    units = check_section(section, (kind.value for kind in DistanceKind), name)
    if len(units) != 1:
        raise ConfigurationError(f'{name} needs exactly one unit, such as {{"pips": 50}}; it has {len(units)}.')
    (unit, value), *_ = units.items()
    most = {DistanceKind.PERCENT: most_percent, DistanceKind.R: _MOST_R}.get(DistanceKind(unit), MAX_PRICE)
    return Distance(DistanceKind(unit), positive_number(value, f"{name}.{unit}", most=most))


def _targets(section: object) -> tuple[PartialTarget, ...]:
    """Partial targets, nearest first; all in one unit, so that their order is the same whatever the entry's price and stop."""
    if section is None:
        return ()
    if not isinstance(section, Sequence) or isinstance(section, str) or not 1 <= len(section) <= MOST_TARGETS:
        example = '[{"at": {"r": 1}, "percent": 50}]'
        raise ConfigurationError(f"exits.targets must be a list of 1 to {MOST_TARGETS} targets such as {example}.")
    targets = tuple(_partial_target(entry, f"exits.targets[{place}]") for place, entry in enumerate(section))
    if sum(target.percent for target in targets) > HUNDRED:
        raise ConfigurationError("exits.targets leave more than 100 % of the position; their percents may add up to 100 at most.")
    if any(after.at.kind is not before.at.kind or after.at.value <= before.at.value for before, after in pairwise(targets)):
        raise ConfigurationError("exits.targets must be in one unit and each further away than the one before it.")
    return targets


def _partial_target(entry: object, name: str) -> PartialTarget:
    settings = check_section(entry, ("at", "percent"), name)
    percent = optional_number(settings, "percent", name, most=HUNDRED)
    if settings.get("at") is None or percent is None:
        raise ConfigurationError(f'{name} needs at and percent, such as {{"at": {{"r": 1}}, "percent": 50}}.')
    return PartialTarget(_read_distance(settings["at"], f"{name}.at", _MOST_PERCENT), percent)


def _days(value: object) -> Decimal | None:
    """A whole number of days, 0 among them."""
    if value is None:
        return None
    try:
        days = decimal_from(value, "exits.min_dte_days")
    except InvalidNumber as error:
        raise ConfigurationError(str(error)) from error
    if days != int(days) or not ZERO <= days <= _MOST_DAYS:
        raise ConfigurationError(f"exits.min_dte_days must be a whole number from 0 to {_MOST_DAYS}; it is {days:f}.")
    return days


def _switch(value: object) -> bool:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"exits.option_defaults must be true or false; it is {value!r}.")
    return value is not False


def rules_for(rules: ExitRules, instrument: Instrument) -> ExitRules:
    """The rules as they hold for a position in ``instrument``: options have defaults, unless the strategy switches them off.

    A default takes a place that the strategy has left free; partial targets stand for a target, and a trailing stop of the
    strategy's own keeps its own arming.
    """
    if instrument.kind is not InstrumentKind.OPTION or not rules.option_defaults:
        return rules
    defaults, trails = OPTION_DEFAULTS, rules.trailing_percent is not None
    return replace(
        rules,
        stop=rules.stop or defaults.stop,
        target=rules.target or (None if rules.targets else defaults.target),
        trailing_percent=rules.trailing_percent if trails else defaults.trailing_percent,
        trailing_arm_percent=rules.trailing_arm_percent if trails else defaults.trailing_arm_percent,
        max_hold_hours=defaults.max_hold_hours if rules.max_hold_hours is None else rules.max_hold_hours,
        min_dte_days=defaults.min_dte_days if rules.min_dte_days is None else rules.min_dte_days,
    )


def rules_to_json(rules: ExitRules) -> dict[str, object]:
    """The rules as ``rules_from`` reads them: numbers as text, rules that are off left out."""
    written: dict[str, object] = {}
    for name in _NAMES:
        value = getattr(rules, name)
        if isinstance(value, Distance):
            written[name] = _distance_to_json(value)
        elif isinstance(value, Decimal):
            written[name] = plain(value)
        elif isinstance(value, tuple) and value:
            written[name] = [{"at": _distance_to_json(one.at), "percent": plain(one.percent)} for one in value]
        elif value is False:
            written[name] = False
    return written


def _distance_to_json(distance: Distance) -> dict[str, str]:
    return {distance.kind.value: plain(distance.value)}


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
    return Levels(stop, target, risk, _partial_levels(side, entry_price, instrument, rules, risk))


def _partial_levels(
    side: Side, entry_price: Decimal, instrument: Instrument, rules: ExitRules, risk: Decimal | None
) -> tuple[Target, ...]:
    levels, of = [], HUNDRED
    for number, target in enumerate(rules.targets, start=1):
        distance = _as_price_distance(target.at, entry_price, instrument, risk)
        if distance is None:
            return ()
        levels.append(Target(number, _away(entry_price, side.sign, distance, instrument), target.percent, of))
        of -= target.percent
    return tuple(levels)


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
    wanted = [target.price for target in levels.targets] + ([] if levels.target is None else [levels.target])
    if not all(target > ZERO and side.sign * (target - price) > ZERO for target in wanted):
        return Reason.TARGET_WRONG_SIDE
    target_needs_risk = rules.target is not None and alert_target is None and rules.target.kind is DistanceKind.R
    target_needs_risk = target_needs_risk or any(target.at.kind is DistanceKind.R for target in rules.targets)
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
