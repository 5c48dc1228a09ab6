"""The checks, one small pure function each: ``check(entry) -> CheckResult``.

All of them concern entries; ``assess`` keeps exits away from every check but the halt. A check that can't compare anything because
there is no quote passes: ``price_missing`` has refused by then.
"""

from decimal import Decimal

from hookfill.kernel.money import divide, plain
from hookfill.kernel.reasons import Reason
from hookfill.risk.committed import committed_capital
from hookfill.risk.model import CheckResult, Entry

FUTURE_TOLERANCE_SECONDS = 60
"""An alert may be this far ahead of our clock: clocks differ. More means that one of them is wrong."""

_FRESH_BARS = 3
_SEPARATORS = str.maketrans("", "", "/-_. ")


def halted(entry: Entry) -> CheckResult:
    """No halt concerns the signal; an exit is stopped by a full halt only. A full halt is named before a reduce-only one."""
    count = len(entry.halts)
    in_force = [halt for halt in entry.halts if not (entry.is_exit and halt.reduce_only)]
    if not in_force:
        return _result(Reason.HALTED, True, halts=count, is_exit=entry.is_exit)
    strictest = min(in_force, key=lambda halt: halt.reduce_only)
    return _result(
        Reason.HALTED,
        False,
        f"{strictest.scope}: {strictest.reason}",
        halts=count,
        is_exit=entry.is_exit,
        scope=strictest.scope,
        reduce_only=strictest.reduce_only,
        reason=strictest.reason,
    )


def signal_stale(entry: Entry) -> CheckResult:
    """The alert is no older than its own limit and the account's, and not from the future. One that names no time is fresh."""
    limit = entry.limits.max_signal_age_seconds
    if entry.max_lag_seconds is not None:
        limit = min(limit, Decimal(entry.max_lag_seconds))
    age = 0.0 if entry.fired_at is None else (entry.now - entry.fired_at).total_seconds()
    from_future = age < -FUTURE_TOLERANCE_SECONDS
    detail = f"{age:.3f} s old, at most {plain(limit)} s"
    if from_future:
        detail = f"the alert's time is {-age:.0f} s in the future, so its clock or this machine's is wrong"
    # A little in the future is as fresh as can be, whatever the limit.
    passed = not from_future and Decimal(max(age, 0.0)) <= limit
    return _result(Reason.SIGNAL_STALE, passed, detail, age_seconds=age, limit_seconds=plain(limit))


def currency_unsupported(entry: Entry) -> CheckResult:
    """The instrument is quoted in the account's currency, or a rate between the two is known. A broker converts by itself."""
    quoted, own = entry.instrument.currency, entry.account_currency
    passed = quoted == own or entry.is_convertible or entry.is_at_broker
    detail = f"{quoted} in an account of {own}"
    return _result(Reason.CURRENCY_UNSUPPORTED, passed, detail, currency=quoted, account_currency=own, **_left_to(entry))


def market_closed(entry: Entry) -> CheckResult:
    """The instrument's market is open."""
    kind = entry.instrument.kind.value
    return _result(
        Reason.MARKET_CLOSED, entry.market_open, f"{kind} at {entry.now.isoformat()}", market_open=entry.market_open, kind=kind
    )


def outside_trading_window(entry: Entry) -> CheckResult:
    """The strategy's trading windows let it enter now; without windows it always may."""
    inside = entry.in_trading_window
    return _result(Reason.OUTSIDE_TRADING_WINDOW, inside, f"at {entry.now.isoformat()}", in_trading_window=inside)


def price_missing(entry: Entry) -> CheckResult:
    """There is a price to trade at; a broker has its own."""
    if entry.quote is None:
        return _result(Reason.PRICE_MISSING, entry.is_at_broker, entry.symbol, price=None, **_left_to(entry))
    return _result(Reason.PRICE_MISSING, True, price=plain(entry.quote.price), source=entry.quote.source)


def price_stale(entry: Entry) -> CheckResult:
    """The quote is no older than three of its bars or the account's limit, whichever is longer; a broker fills at its own."""
    if entry.quote is None:
        return _result(Reason.PRICE_STALE, True, age_seconds=None)
    age = (entry.now - entry.quote.at).total_seconds()
    bar_seconds = entry.quote.bar_seconds
    limit = max(Decimal(_FRESH_BARS * (bar_seconds or 0)), entry.limits.price_max_age_seconds)
    detail = f"{age:.0f} s old, at most {plain(limit)} s"
    passed = Decimal(age) <= limit or entry.is_at_broker
    return _result(
        Reason.PRICE_STALE,
        passed,
        detail,
        age_seconds=age,
        limit_seconds=plain(limit),
        bar_seconds=bar_seconds,
        **_left_to(entry),
    )


def daily_loss_limit_reached(entry: Entry) -> CheckResult:
    """Today's realised loss is below its share of the balance at the account's midnight."""
    percent, loss = entry.limits.daily_loss_limit_pct, -entry.day_realized
    if entry.day_start_balance is None:
        figures = {"realized_loss": plain(loss), "limit_pct": plain(percent), "day_start_balance": "unknown"}
        return _result(Reason.DAILY_LOSS_LIMIT_REACHED, True, **figures)
    limit = entry.day_start_balance * percent / 100
    return _result(
        Reason.DAILY_LOSS_LIMIT_REACHED,
        percent == 0 or loss < limit,
        f"{plain(loss)} lost today, the limit is {plain(limit)}",
        realized_loss=plain(loss),
        limit=plain(limit) if percent else None,
        limit_pct=plain(percent),
        day_start_balance=plain(entry.day_start_balance),
    )


def max_open_positions_exceeded(entry: Entry) -> CheckResult:
    """The account may hold one position more."""
    return _count(Reason.MAX_OPEN_POSITIONS_EXCEEDED, entry, entry.open_positions, entry.limits.max_open_positions)


def max_positions_per_symbol_exceeded(entry: Entry) -> CheckResult:
    """The account may hold one position more in this symbol."""
    return _count(Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED, entry, entry.symbol_positions, entry.limits.max_positions_per_symbol)


def max_position_size_exceeded(entry: Entry) -> CheckResult:
    """The resulting position has no more contracts or lots than allowed; shares and coins are not counted."""
    limit, applies = entry.limits.max_position_size, entry.instrument.in_contracts
    if entry.resulting_quantity is None:
        return _result(Reason.MAX_POSITION_SIZE_EXCEEDED, True, size=None, limit=plain(limit), applies=applies)
    size = abs(entry.resulting_quantity)
    detail = f"{plain(size)} contracts or lots, at most {plain(limit)}"
    passed = not applies or size <= limit
    return _result(Reason.MAX_POSITION_SIZE_EXCEEDED, passed, detail, size=plain(size), limit=plain(limit), applies=applies)


def max_exposure_exceeded(entry: Entry) -> CheckResult:
    """Capital committed after the entry stays within the absolute limit and its share of equity, whichever is tighter."""
    limit, share = entry.limits.max_exposure, entry.limits.max_exposure_pct
    if entry.equity is not None:
        limit = min(limit, entry.equity * share / 100)
    needed = needed_capital(entry)
    if needed is None:
        return _result(Reason.MAX_EXPOSURE_EXCEEDED, True, committed=plain(entry.committed), needed=None, limit=plain(limit))
    exposure = entry.committed + needed
    return _result(
        Reason.MAX_EXPOSURE_EXCEEDED,
        exposure <= limit,
        f"{plain(exposure)} committed, at most {plain(limit)}",
        committed=plain(entry.committed),
        needed=plain(needed),
        exposure=plain(exposure),
        limit=plain(limit),
    )


def pair_not_allowed(entry: Entry) -> CheckResult:
    """The strategy may trade the symbol; case, separators and an exchange prefix make no difference."""
    if entry.allowed_pairs is None:
        return _result(Reason.PAIR_NOT_ALLOWED, True, symbol=entry.symbol, allowed=None)
    names = {_bare(entry.symbol), _bare(entry.instrument.symbol)}
    passed = any(_bare(pair) in names for pair in entry.allowed_pairs)
    listed = ", ".join(entry.allowed_pairs) or "none"
    return _result(Reason.PAIR_NOT_ALLOWED, passed, f"{entry.symbol}; allowed: {listed}", symbol=entry.symbol, allowed=listed)


def price_collar(entry: Entry) -> CheckResult:
    """The alert's price lies near the quote; passes when the alert names none."""
    limit, alert_price = entry.limits.price_collar_pct, entry.alert_price
    if alert_price is None or entry.quote is None:
        return _result(Reason.PRICE_COLLAR, True, deviation_pct=None, limit_pct=plain(limit))
    price = entry.quote.price
    hundredfold = abs(alert_price - price) * 100
    deviation = plain(divide(hundredfold, price))
    return _result(
        Reason.PRICE_COLLAR,
        # Multiplied, not divided: exact at the very limit.
        hundredfold <= limit * price,
        f"{plain(alert_price)} against {plain(price)}: {deviation} % apart, at most {plain(limit)} %",
        alert_price=plain(alert_price),
        quote_price=plain(price),
        deviation_pct=deviation,
        limit_pct=plain(limit),
    )


def order_rate_exceeded(entry: Entry) -> CheckResult:
    """The strategy may make one entry more within this minute."""
    count, limit = entry.orders_last_minute, entry.limits.order_rate_per_minute
    detail = f"{count} entries in the last minute, at most {plain(limit)}"
    return _result(Reason.ORDER_RATE_EXCEEDED, count + 1 <= limit, detail, orders_last_minute=count, limit=plain(limit))


def insufficient_buying_power(entry: Entry) -> CheckResult:
    """Equity that is not committed yet covers what the entry needs; a broker checks its own margin."""
    if entry.is_at_broker or entry.equity is None:
        return _result(Reason.INSUFFICIENT_BUYING_POWER, True, **_left_to(entry))
    needed, available = needed_capital(entry), entry.equity - entry.committed
    if needed is None:
        return _result(Reason.INSUFFICIENT_BUYING_POWER, True, needed=None, available=plain(available))
    detail = f"{plain(needed)} needed, {plain(available)} available"
    return _result(Reason.INSUFFICIENT_BUYING_POWER, needed <= available, detail, needed=plain(needed), available=plain(available))


def needed_capital(entry: Entry) -> Decimal | None:
    """What the entry would commit at the quote, in account currency; None without a quote, a size or a rate of exchange."""
    if entry.quote is None or entry.quantity is None or not entry.is_convertible:
        return None
    instrument = entry.instrument
    return committed_capital(
        entry.quantity, entry.quote.price, multiplier=instrument.multiplier, margin_rate=instrument.margin_rate
    )


def _count(check: Reason, entry: Entry, count: int, limit: Decimal) -> CheckResult:
    """One position more stays within the limit; growing an existing position opens none."""
    adds = entry.adds_to_position
    detail = f"{count} open, at most {plain(limit)}"
    return _result(check, adds or count + 1 <= limit, detail, positions=count, limit=plain(limit), adds_to_position=adds)


def _left_to(entry: Entry) -> dict[str, str]:
    """A figure that says that the broker decides this by itself."""
    return {"decided_by": "broker"} if entry.is_at_broker else {}


def _result(check: Reason, passed: bool, detail: str = "", /, **figures: str | int | float | bool | None) -> CheckResult:
    """A result; the detail is kept for a refusal only."""
    return CheckResult(check, passed, figures, "" if passed else detail)


def _bare(symbol: str) -> str:
    """A symbol as it is compared: upper case, no exchange prefix, no separators."""
    return symbol.upper().rpartition(":")[2].translate(_SEPARATORS)
