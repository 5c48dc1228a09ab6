"""An account's own costs on paper: how they are written, and the model that they give (pure).

An example with every setting: ``{"slippage_bps": 2, "commission": {"option": "0.65", "equity": "0.005"}, "option_spread_fraction":
"0.25", "volume_cap_pct": 10}``. What is left out or null has its default.
"""

from collections.abc import Mapping
from decimal import Decimal

from hookfill.brokers.paper.fill import PaperModel
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import InvalidNumber, decimal_from
from hookfill.market.model import InstrumentKind
from hookfill.orders.sections import check_section

MOST_COMMISSION = Decimal(1_000_000)
_NUMBERS = ("slippage_bps", "option_spread_fraction", "volume_cap_pct")


def costs_from(section: object) -> PaperModel:
    """Read an account's ``costs``.

    Raises:
        ConfigurationError: an unknown name, or a value that is no number or out of bounds.
    """
    settings = check_section(section, (*_NUMBERS, "commission"), "costs")
    numbers = {name: _number(settings[name], name) for name in _NUMBERS if settings.get(name) is not None}
    usual = PaperModel().commission
    asked = check_section(settings.get("commission"), (kind.value for kind in InstrumentKind), "costs.commission")
    own = {InstrumentKind(kind): _rate(rate, kind) for kind, rate in asked.items() if rate is not None}
    return PaperModel(commission={**usual, **own}, **numbers)


def _rate(value: object, kind: str) -> Decimal:
    rate = _number(value, f"commission.{kind}")
    if rate > MOST_COMMISSION:
        raise ConfigurationError(f"costs.commission.{kind} must be at most {MOST_COMMISSION:f}; it is {rate:f}.")
    return rate


def _number(value: object, name: str) -> Decimal:
    try:
        return decimal_from(value, f"costs.{name}")
    except InvalidNumber as error:
        raise ConfigurationError(str(error)) from error


def merged(stored: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Stored costs with those that were given now; null goes back to the default, commissions are taken one by one.

    Raises:
        ConfigurationError: as ``costs_from``.
    """
    names = [kind.value for kind in InstrumentKind]
    known = [check_section(costs.get("commission"), names, "costs.commission") for costs in (stored, given)]
    rates = {kind: rate for kind, rate in {**known[0], **known[1]}.items() if rate is not None}
    costs = {**stored, **given, "commission": rates}
    kept = {name: value for name, value in costs.items() if value is not None and value != {}}
    costs_from(kept)
    return kept
