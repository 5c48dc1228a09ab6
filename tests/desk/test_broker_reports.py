"""Whatever a report holds, and however its order stood: it ends the order, and never stops the account."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hookfill.desk.flight import OPEN, Abroad, Report
from hookfill.desk.fold import fold
from support.desk import account, at, signal, situation, strategy

JUNK = {"fill_price": "junk"}
PART = {"fill_price": "1.1", "filled_volume": "0.1"}


@pytest.mark.parametrize("stood", sorted(OPEN - {"created"}))
@pytest.mark.parametrize(
    ("status", "result", "ended"),
    [
        ("failed", None, "rejected"),
        ("expired", None, "expired"),
        ("completed", JUNK, "rejected"),
        ("completed", PART, "cancelled"),
        ("completed", {"fill_price": "1.1"}, "filled"),
    ],
)
def test_a_report_ends_its_order(stood: str, status: str, result: Mapping[str, Any] | None, ended: str) -> None:
    at_broker = account(kind="mt5", starting_cash=Decimal(100_000))
    abroad = Abroad(at(0), at(0))
    before = situation(signal("buy EURUSD 0.3", 0), account=at_broker, strategies=[strategy()], abroad=abroad)
    outcome = fold(before)
    [flight] = outcome.moves.flights
    assert flight.job_id is not None
    report = Report(flight.job_id, flight.order_id, status, result, "words", at(1))
    told = replace(abroad, now=at(10), flights=(replace(flight, status=stood),), reports=(report,))
    after = fold(replace(before, account=outcome.account, signals=(), horizon=at(10), abroad=told))
    [end] = after.moves.ends
    # Of an order that was filled in part, the rest was cancelled: the whole was not rejected.
    assert end.status == ("cancelled" if (stood, ended) == ("partially_filled", "rejected") else ended)
    assert (after.moves.settled, [one.signal_id for one in after.moves.resolutions]) == ((flight.job_id,), [flight.signal_id])
