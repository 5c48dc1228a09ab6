"""What a broker decides by itself is not refused here; what it does not know is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.kernel.reasons import Reason
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Quote
from hookfill.risk.assess import assess_checks, assess_gates
from hookfill.risk.model import Entry, Limits

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STALE = Quote("USDJPY", Decimal(150), NOON - timedelta(hours=1), "candle")
LEFT = (Reason.PRICE_MISSING, Reason.PRICE_STALE, Reason.CURRENCY_UNSUPPORTED, Reason.INSUFFICIENT_BUYING_POWER)


def refusals(quote: Quote | None, *, is_at_broker: bool, **fields: object) -> set[Reason]:
    amounts: dict[str, object] = {"quantity": Decimal("0.1"), "resulting_quantity": Decimal("0.1"), "equity": Decimal(10)} | fields
    limits = Limits(max_exposure_pct=Decimal(10**9), max_exposure=Decimal(10**9))
    entry = Entry(NOON, "USDJPY", instrument_for("USDJPY"), quote=quote, limits=limits, is_at_broker=is_at_broker, **amounts)  # type: ignore[arg-type]  # by name
    results = (*assess_gates(entry).results, *assess_checks(entry).results)
    return {result.check for result in results if not result.passed} & {
        *LEFT,
        Reason.MAX_EXPOSURE_EXCEEDED,
        Reason.DAILY_LOSS_LIMIT_REACHED,
    }


@pytest.mark.parametrize("quote", [None, STALE])
def test_prices_margin_and_currency_are_left_to_the_broker(quote: Quote | None) -> None:
    day = {"day_start_balance": Decimal(100)}
    assert refusals(quote, is_at_broker=True, **day) == set()
    assert refusals(quote, is_at_broker=True, is_convertible=False, **day) == set()
    assert refusals(quote, is_at_broker=False, is_convertible=False, **day) >= {Reason.CURRENCY_UNSUPPORTED}


def test_an_untold_balance_stops_nothing() -> None:
    untold: dict[str, object] = {"equity": None, "day_start_balance": None, "day_realized": Decimal(-500)}
    assert refusals(STALE, is_at_broker=True, **untold) == set()
    told = {"day_start_balance": Decimal(1_000), "day_realized": Decimal(-500)}
    assert refusals(STALE, is_at_broker=True, **told) == {Reason.DAILY_LOSS_LIMIT_REACHED}
