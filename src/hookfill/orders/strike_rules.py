"""How a strategy trades options: its settings, and the tiers' bounds as a table (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from hookfill.kernel.errors import ConfigurationError
from hookfill.orders.sections import check_section

_Word = TypeVar("_Word", bound=StrEnum)

DEFAULT_HOLD_DAYS = 5
MOST_HOLD_DAYS = 365


class Trade(StrEnum):
    """Which entries of a strategy buy options."""

    ASKED = "asked"
    """Those whose alert asks for a call or a put."""
    ALWAYS = "always"
    """All: a long entry buys a call, a short one a put."""


class Rule(StrEnum):
    """How the contract is chosen."""

    DEFAULT = "default"
    TIER = "tier"


class Tier(StrEnum):
    """What a contract is bought for; each has bounds of its own."""

    SCALP_GUARDED = "SCALP_GUARDED"
    SWING = "SWING"
    POSITION = "POSITION"
    LEAPS = "LEAPS"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a tier takes; all bounds are inclusive.

    Attributes:
        least_days, most_days: calendar days until the expiration.
        least_delta, most_delta: of delta's size.
        most_spread: from bid to ask, in percent of the middle.
        least_open_interest, least_volume: contracts that are open, and that were traded today.
    """

    least_days: int
    most_days: int
    least_delta: float
    most_delta: float
    most_spread: Decimal
    least_open_interest: int
    least_volume: int


BOUNDS: Final[Mapping[Tier, Bounds]] = {
    Tier.SCALP_GUARDED: Bounds(3, 14, 0.45, 0.65, Decimal(8), 1_000, 500),
    Tier.SWING: Bounds(21, 90, 0.25, 0.40, Decimal(12), 300, 100),
    Tier.POSITION: Bounds(90, 180, 0.20, 0.35, Decimal(15), 300, 100),
    Tier.LEAPS: Bounds(180, 720, 0.15, 0.30, Decimal(10), 200, 50),
}


@dataclass(frozen=True, slots=True)
class OptionRules:
    """A strategy's ``options`` section.

    Attributes:
        tier: with rule ``tier`` only.
        max_hold_days: calendar days for which a position may be held: by the default rule a contract lives at least as long.
    """

    trade: Trade = Trade.ASKED
    rule: Rule = Rule.DEFAULT
    tier: Tier | None = None
    max_hold_days: int = DEFAULT_HOLD_DAYS

    def __post_init__(self) -> None:
        """Hold rule and tier together.

        Raises:
            ConfigurationError: a tier is missing, or has no effect.
        """
        if self.rule is Rule.TIER and self.tier is None:
            raise ConfigurationError(f"options.rule tier needs options.tier: {', '.join(Tier)}.")
        if self.rule is Rule.DEFAULT and self.tier is not None:
            raise ConfigurationError("options.tier has no effect with the default rule; remove it, or set options.rule to tier.")


def options_from(section: object, default_hold_days: int = DEFAULT_HOLD_DAYS) -> OptionRules:
    """Read a strategy's ``options`` section, for example ``{"trade": "always", "rule": "tier", "tier": "SWING"}``.

    Args:
        section: what the settings hold; None is an empty one.
        default_hold_days: where the section names none.

    Raises:
        ConfigurationError: an unknown name, an unusable value, or one that the rule does not read.
    """
    settings = check_section(section, ("trade", "rule", "tier", "max_hold_days"), "options")
    rule = _word(Rule, settings, "rule") or Rule.DEFAULT
    if rule is Rule.TIER and settings.get("max_hold_days") is not None:
        raise ConfigurationError("options.max_hold_days has no effect with rule tier, whose bounds say how long contracts live.")
    days = settings.get("max_hold_days")
    if days is None:
        days = default_hold_days
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MOST_HOLD_DAYS:
        raise ConfigurationError(f"options.max_hold_days must be a whole number from 0 to {MOST_HOLD_DAYS}; it is {days!r}.")
    return OptionRules(_word(Trade, settings, "trade") or Trade.ASKED, rule, _word(Tier, settings, "tier"), days)


def _word(kind: type[_Word], settings: Mapping[str, object], key: str) -> _Word | None:
    value = settings.get(key)
    if value is None:
        return None
    try:
        return kind(str(value))
    except ValueError:
        raise ConfigurationError(f"options.{key} must be one of {', '.join(kind)}; it is {value!r}.") from None
