"""An example of each format of indicator telemetry, after real messages."""

import json
from datetime import UTC, datetime

NOW = datetime(2025, 12, 11, 13, 0, tzinfo=UTC)

LEGACY_ENTRY = {
    "type": "ENTRY",
    "signal_id": "20251114_140100000_BULLISH",
    "date": "2025-11-14",
    "time": "14:57:00",
    "bias": "Bullish",
    "session": "NY PM",
    "entry_price": 25238.25,
    "sl_price": 25206.75,
    "risk_distance": 31.5,
    "be_price": 25238.25,
    "target_1r": 25269.75,
    "target_2r": 25301.25,
    "target_3r": 25332.75,
    "be_hit": False,
    "be_mfe": 0.00,
    "no_be_mfe": 0.00,
    "status": "active",
    "timestamp": 1763150220000,
}
TELEMETRY = {
    "schema_version": "1.0.0",
    "trade_id": "20251202_061700000_BULLISH",
    "event_type": "ENTRY",
    "event_timestamp": "2025-12-02T06:17:00",
    "symbol": "MNQ1!",
    "timeframe": "1",
    "session": "LONDON",
    "direction": "Bullish",
    "entry_price": 25492.25,
    "stop_loss": 25486.5,
    "risk_R": 1,
    "position_size": 13,
    "be_price": None,
    "mfe_R": 0,
    "mae_R": 0,
    "final_mfe_R": None,
    "exit_reason": None,
    "targets": {"tp1_price": 25498, "target_Rs": [1, 2, 3]},
    "setup": {"setup_family": "FVG_CORE", "setup_variant": "HTF_ALIGNED", "setup_id": "FVG_CORE_HTF_ALIGNED"},
    "market_state": {"trend_regime": "Bullish", "trend_score": 0.8},
}
EXIT = {name: value for name, value in TELEMETRY.items() if name not in ("mfe_R", "mae_R")} | {
    "event_type": "EXIT_STOP_LOSS",
    "be_mfe": 1.2361111111,
    "no_be_mfe": 2.4861111111,
    "mae_global_r": -0.93,
    "final_mfe_R": 2.4861111111,
    "exit_price": 25486.5,
    "exit_reason": "original_stop_loss_hit",
}
BATCH = {
    "event_type": "MFE_UPDATE_BATCH",
    "timestamp": "2025-12-11T07:57:00",
    "signals": [
        {
            "trade_id": "20251210_154300000_BEARISH",
            "direction": "Bearish",
            "be_mfe": 1.25,
            "no_be_mfe": 25.5,
            "mae_global_r": -0.69,
            "current_price": 25692,
            "be_triggered": True,
        },
        {"trade_id": "20251210_155200000_BEARISH", "be_mfe": 0.5, "no_be_mfe": 0.5, "be_triggered": False},
    ],
}
SNAPSHOT = {
    "event_type": "UNIFIED_SNAPSHOT_V1",
    "symbol": "CME_MINI:MNQ1!",
    "timeframe": "1",
    "bar_ts": 1765458000000,
    "open": 1,
    "high": 2,
    "low": 1,
    "close": 2,
    "signals": [
        {
            "trade_id": "20251211_073000000_BULLISH",
            "triangle_time": 1765456200000,
            "date": "2025-12-11",
            "direction": "Bullish",
            "session": "NY PRE",
            "entry": 25683.25,
            "stop": 25671.25,
            "be_mfe": 1.5,
            "no_be_mfe": 2.5,
            "mae": -0.25,
            "completed": False,
        },
        {"trade_id": "20251211_063000000_BULLISH", "entry": 1, "completed": True},
    ],
}


def raw(told: object) -> bytes:
    """A message's bytes."""
    return json.dumps(told).encode()


def utc(text: str) -> datetime:
    """A moment from ISO 8601 text without its zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
