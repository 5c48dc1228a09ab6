"""A defect of ours in reading an alert must not cost the alert."""

from uuid import UUID

import pytest

from hookfill.edge import tradingview
from support.house import House


async def test_an_alert_whose_reading_fails_is_kept_and_quarantined(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(strategy_id: UUID, body: bytes) -> bytes:
        raise ZeroDivisionError("a defect")

    strategy = await house.new_strategy()
    monkeypatch.setattr(tradingview, "alert_key", fail)
    answer = await house.alert(strategy, "buy EURUSD 0.1")
    assert (answer.status_code, answer.content) == (200, b'{"status":"ok"}')
    row = await house.pool.fetchrow("SELECT state, body, reason FROM messages")
    assert (row["state"], row["body"], row["reason"]) == ("malformed", b"buy EURUSD 0.1", "payload_invalid")
    assert await house.signal_ids() == []
