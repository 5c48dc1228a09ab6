"""A strategy's settings, read section by section through the rooms that own them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookfill.engines.model import Filters
from hookfill.engines.rules import filters_from
from hookfill.exits.model import ExitRules
from hookfill.exits.rules import rules_from
from hookfill.kernel.errors import ConfigurationError
from hookfill.orders.model import Policy, SizingRule
from hookfill.orders.plan import policy_from
from hookfill.orders.size import sizing_from
from hookfill.orders.strike_rules import OptionRules, options_from
from hookfill.risk.windows import Window, windows_from

SECTIONS = ("sizing", "policy", "exits", "filters", "market", "windows", "options")
NO_OPTIONS = OptionRules()
"""A strategy that says nothing of options buys one when an alert asks for it."""


@dataclass(frozen=True, slots=True)
class MarketRules:
    """How a strategy meets the market.

    Attributes:
        extended_hours: stocks may be traded before the open and after the close.
        use_alert_price: where no fresh market price is known, the price in the alert is traded at.
    """

    extended_hours: bool = False
    use_alert_price: bool = True


@dataclass(frozen=True, slots=True)
class TradingRules:
    """All of a strategy's rules, understood."""

    sizing: SizingRule
    policy: Policy
    exits: ExitRules
    filters: Filters
    market: MarketRules
    windows: tuple[Window, ...] = ()
    options: OptionRules = NO_OPTIONS


def rules_of(settings: Mapping[str, Any]) -> TradingRules:
    """Read a strategy's settings.

    Raises:
        ConfigurationError: an unknown section or name, or an unusable value.
    """
    for name in settings:
        if name not in SECTIONS:
            raise ConfigurationError(f"Unknown settings section {name!r}; known are {', '.join(SECTIONS)}.")
    return TradingRules(
        sizing=sizing_from(settings.get("sizing", {})),
        policy=policy_from(settings.get("policy", {})),
        exits=rules_from(settings.get("exits", {})),
        filters=filters_from(settings.get("filters", {})),
        market=_market_from(settings.get("market", {})),
        windows=windows_from(settings.get("windows")),
        options=options_from(settings.get("options")),
    )


def _market_from(section: object) -> MarketRules:
    if not isinstance(section, Mapping):
        raise ConfigurationError('market must be an object such as {"extended_hours": true}.')
    for name, value in section.items():
        if name not in MarketRules.__slots__ or not isinstance(value, bool):
            raise ConfigurationError(f"market.{name}: known are {', '.join(MarketRules.__slots__)}, each true or false.")
    return MarketRules(**section)
