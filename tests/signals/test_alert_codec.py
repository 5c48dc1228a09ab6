"""An alert as it is written into its signal's row."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.codec import alert_to_json
from hookfill.signals.model import Action, Alert, OptionAsk

POSITIVE = st.decimals("0.00000001", "999999999999", places=8)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds
TEXTS = st.text(min_size=1, max_size=20)
SIDES = st.sampled_from([-1, 0, 1])
OPTIONS = st.builds(OptionAsk, st.sampled_from(["CALL", "PUT"]), st.none() | POSITIVE, st.none() | st.dates().map(str))
ALERTS = st.builds(
    Alert,
    symbol=TEXTS,
    action=st.sampled_from(Action),
    quantity=st.none() | POSITIVE,
    price=st.none() | POSITIVE,
    stop_loss=st.none() | POSITIVE,
    take_profit=st.none() | POSITIVE,
    target=st.none() | st.decimals(-1000, 1000, places=8),
    target_side=st.none() | SIDES,
    close_side=st.none() | SIDES,
    previous_side=st.none() | SIDES,
    timeframe=st.none() | TEXTS,
    fired_at=st.none() | TIMES,
    bar_at=st.none() | TIMES,
    max_lag_seconds=st.none() | st.integers(1, 10_000_000),
    dedupe_id=st.none() | TEXTS,
    comment=st.none() | TEXTS,
    option=st.none() | OPTIONS,
    order_price=st.none() | POSITIVE,
)


@given(ALERTS)
def test_all_that_is_set_is_written_as_json(alert: Alert) -> None:
    document = alert_to_json(alert)
    assert json.loads(json.dumps(document)) == document
    waiting = {"order_type", "time_in_force"} if alert.waits else set()
    kept = {name.name for name in fields(alert) if getattr(alert, name.name) is not None} - {"order_type", "time_in_force"}
    assert set(document) == kept | waiting
    for name in ("quantity", "price", "stop_loss", "take_profit", "target", "order_price"):
        assert name not in document or Decimal(document[name]) == getattr(alert, name)
    for name in ("fired_at", "bar_at"):
        assert name not in document or datetime.fromisoformat(document[name]) == getattr(alert, name)


def test_what_it_looks_like() -> None:
    alert = Alert(
        "SPY",
        Action.TARGET,
        quantity=Decimal("1E+2"),
        price=Decimal("500.2500"),
        target=Decimal(0),
        target_side=0,
        fired_at=datetime(2026, 2, 5, 12, tzinfo=UTC),
        option=OptionAsk("CALL", Decimal("500.0"), "2026-02-20"),
    )
    assert alert_to_json(alert) == {
        "symbol": "SPY",
        "action": "target",
        "quantity": "100",
        "price": "500.25",
        "target": "0",
        "target_side": 0,
        "fired_at": "2026-02-05T12:00:00+00:00",
        "option": {"right": "CALL", "strike": "500", "expiration": "2026-02-20"},
    }
