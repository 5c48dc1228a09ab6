"""What the risk checks look at, and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import InvalidNumber, decimal_from
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument, Quote


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits; defaults from the design's risk table. Percentages are of equity unless said otherwise.

    A limit is reached, not exceeded, by what equals it: five positions of five are allowed. Zero allows nothing (no entries, no
    exposure, no age, no deviation), but for ``daily_loss_limit_pct``, where zero switches the limit off.

    Attributes:
        max_open_positions, max_positions_per_symbol: how many there may be after the entry; adding to one opens none.
        max_position_size: contracts or lots of one position (shares and coins are bounded by exposure alone).
        max_exposure: capital committed by positions and open orders (notional x margin rate), in account currency.
        max_exposure_pct: the same as percent of equity; the tighter of the two holds.
        daily_loss_limit_pct: of the balance at the account's midnight; a realised loss of that much stops entries. 0 is off.
        max_signal_age_seconds: from the alert's own time to now; an alert's own ``max_lag_seconds`` can only tighten it.
        price_max_age_seconds: a quote is fresh for this long or for three of its bars, whichever is longer.
        price_collar_pct: the largest distance of the alert's price from the quote, in percent of the quote.
        order_rate_per_minute: entries per strategy in any 60 seconds.
    """

    max_open_positions: Decimal = Decimal(5)
    max_positions_per_symbol: Decimal = Decimal(3)
    max_position_size: Decimal = Decimal(10)
    max_exposure: Decimal = Decimal(10_000)
    max_exposure_pct: Decimal = Decimal(20)
    daily_loss_limit_pct: Decimal = Decimal(5)
    max_signal_age_seconds: Decimal = Decimal(300)
    price_max_age_seconds: Decimal = Decimal(120)
    price_collar_pct: Decimal = Decimal(5)
    order_rate_per_minute: Decimal = Decimal(30)


DEFAULT_LIMITS = Limits()
"""The design's, where the installation's environment names no others."""


def limits_from(overrides: Mapping[str, Any], defaults: Limits = DEFAULT_LIMITS) -> Limits:
    """Limits with an account's overrides; ``defaults`` are the installation's.

    Raises:
        ConfigurationError: an unknown name or an unusable value.
    """
    known = {entry.name for entry in fields(Limits)}
    for name in overrides:
        if name not in known:
            raise ConfigurationError(f"Unknown limit {name!r}; known are {', '.join(sorted(known))}.")
    try:
        values = {name: decimal_from(value, name) for name, value in overrides.items()}
    except InvalidNumber as error:
        raise ConfigurationError(str(error)) from error
    for name, value in values.items():
        if value < 0:
            raise ConfigurationError(f"Limit {name} must not be negative.")
    return replace(defaults, **values)


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force that concerns the signal. ``reduce_only`` lets exits through, a full halt nothing."""

    scope: str
    reduce_only: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry about to be made, with all that the checks need. Amounts are in account currency.

    Attributes:
        now: the moment as of which all is decided (the signal's ``as_of``), UTC.
        is_exit: closes or reduces a position: only a full halt stops it.
        fired_at: when the alert was fired as far as it says (UTC), None if it does not. Not a bar's time as it stands: that is the
            bar's open, and on a daily chart a fresh alert would look a day old.
        max_lag_seconds: the alert's own limit on its age, None if it has none.
        alert_price: the price the alert carries.
        quote: the price to trade at; None if none is known.
        in_trading_window: whether the strategy may enter at this time of day.
        quantity: size of the entry order, positive; resulting_quantity: size of the position after it.
        committed: capital (notional x margin rate) that positions and open orders hold already.
        open_positions, symbol_positions: counts before the entry; adds_to_position: it grows an existing one.
        orders_last_minute: entries of this strategy in the 60 s before now.
        day_start_balance, day_realized: the balance at the account's midnight and what was realised since, net of commissions.
        allowed_pairs: the symbols that the strategy may trade; None means all, an empty tuple none.
        is_at_broker: it is filled at a broker that has a live price, its own margin check and its own account currency; the quote
            is then an estimate. There, equity and day_start_balance are None until the broker has told its balance.
        is_convertible: the instrument's amounts are in account currency, or a rate for them is known.
    """

    now: datetime
    symbol: str
    instrument: Instrument
    is_exit: bool = False
    fired_at: datetime | None = None
    max_lag_seconds: int | None = None
    alert_price: Decimal | None = None
    quote: Quote | None = None
    market_open: bool = True
    in_trading_window: bool = True
    quantity: Decimal | None = None
    resulting_quantity: Decimal | None = None
    account_currency: str = "USD"
    equity: Decimal | None = Decimal(0)
    committed: Decimal = Decimal(0)
    open_positions: int = 0
    symbol_positions: int = 0
    adds_to_position: bool = False
    orders_last_minute: int = 0
    day_start_balance: Decimal | None = Decimal(0)
    day_realized: Decimal = Decimal(0)
    allowed_pairs: tuple[str, ...] | None = None
    halts: tuple[Halt, ...] = ()
    limits: Limits = field(default_factory=Limits)
    is_at_broker: bool = False
    is_convertible: bool = True


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome: ``figures`` holds the numbers it compared, as text or plain numbers, JSON-ready."""

    check: Reason
    passed: bool
    figures: Mapping[str, str | int | float | bool | None]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome of several checks: every result in order, and the first that refused."""

    results: tuple[CheckResult, ...]

    @property
    def refusal(self) -> CheckResult | None:
        """The first check that refused; None when all passed."""
        return next((result for result in self.results if not result.passed), None)
