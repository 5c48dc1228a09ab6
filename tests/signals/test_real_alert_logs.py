"""Real alerts from TradingView's own export: none raises, and indicator telemetry never becomes an order."""

import csv
import os
from pathlib import Path

import pytest

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import parse_alert
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Alert, Malformed, Unusable

SHARED = Path(os.environ.get("HOOKFILL_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
LOGS = sorted((SHARED / "tradingview-alert-logs").glob("*.csv"))


@pytest.mark.skipif(not LOGS, reason=f"no alert logs in {SHARED}; set HOOKFILL_SHARED_DATA to the folder that holds them")
def test_real_alerts() -> None:
    seen = malformed = 0
    for log in LOGS:
        with log.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                body = row["Description"].encode()
                result = parse_alert(body)
                assert not isinstance(result, Alert)
                assert mask_secrets(body) == body
                seen += 1
                if isinstance(result, Malformed):
                    malformed += 1
                    assert result.reason is Reason.JSON_INVALID
                else:
                    assert isinstance(result, Unusable)
                    assert result.reason in {Reason.SYMBOL_MISSING, Reason.ACTION_MISSING}
    assert seen > 1000
    assert malformed == 6
