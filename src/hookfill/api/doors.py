"""The doors where machines push, as the API's document describes them; the requests themselves never pass through here.

Doors are plain ASGI (see ``edge``) and take their paths before the API sees a request. Only what they don't take arrives: the
wrong method.
"""

from typing import Any

from fastapi import FastAPI, HTTPException

from hookfill.edge import candles, indicator_export, signed, telemetry, tradingview

_OTHER_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
_OF_THE_API = {candles.PATH: ("GET",)}
"""What routes of the API take at a door's path."""
_TIME = "2026-02-05T12:00:00Z"


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": {}, "example": example}}}


def _body(description: str, examples: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """A request body with named examples, each a media type and a value."""
    content: dict[str, Any] = {}
    for name, (media_type, value) in examples.items():
        schema = {"type": "string"} if isinstance(value, str) else {"type": "object"}
        content.setdefault(media_type, {"schema": schema, "examples": {}})["examples"][name] = {"value": value}
    return {"required": True, "description": description, "content": content}


_UNSTORABLE = _json(
    "Neither the database nor the spool could take the message: send it again.",
    {"detail": "The message could not be stored: send it again."},
)
_TRADINGVIEW: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "tradingview_webhook",
    "summary": "A strategy's webhook for TradingView",
    "description": (
        "The URL is the secret. The answer is 200 whatever comes in, once it is on disk: an alert that can't be used becomes a "
        "discarded signal with its reason. The same bytes, or the same `id`, within 60 s are one alert."
    ),
    "parameters": [{"name": "webhook_secret", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": _body(
        "JSON or plain text, whatever the Content-Type says; at most 64 KiB.",
        {
            "order": ("application/json", {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "sl": 1.07, "tp": 1.09}),
            "limit": (
                "application/json",
                {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "order_type": "limit", "limit_price": 1.075, "sl": 1.07},
            ),
            "position": (
                "application/json",
                {"ticker": "EURUSD", "market_position": "long", "market_position_size": "1", "price": "1.0801"},
            ),
            "text": ("text/plain", "buy EURUSD 0.1 sl=1.07 tp=1.09"),
        },
    ),
    "responses": {"200": _json("On disk.", {"status": "ok"}), "503": _UNSTORABLE},
}
_SIGNED: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "signed_webhook",
    "summary": "The signed webhook",
    "description": (
        "For senders that can sign: `x-webhook-signature` is the hex HMAC-SHA256 of the raw body with HMAC_SECRET; those that "
        "can't put the secret into the body's `secret`. The same symbol, direction and timeframe within 60 s are one signal. "
        "`variant` is the engine that acts on it: A, the rules; or B, the council, for `AB_SPLIT_PERCENTAGE` of all signals "
        "while the flag `enable_variant_b` is on."
    ),
    "parameters": [{"name": "x-webhook-signature", "in": "header", "required": False, "schema": {"type": "string"}}],
    "requestBody": _body(
        "At most 64 KiB.",
        {"signal": ("application/json", {"symbol": "SPY", "action": "BUY", "timeframe": "5m", "timestamp": _TIME})},
    ),
    "responses": {
        "201": _json(
            "A new signal.",
            {
                "status": "ACCEPTED",
                "signal_id": "…",
                "experiment_id": "…",
                "variant": "A",
                "request_id": "…",
                "processing_time_ms": 1.2,
            },
        ),
        "200": _json("A repeat.", {"status": "DUPLICATE", "signal_id": "…", "request_id": "…", "processing_time_ms": 1.1}),
        "400": _json(
            "It can't be read; it is kept.",
            {"status": "REJECTED", "error": "…", "details": [{"field": "symbol", "message": "…"}], "request_id": "…"},
        ),
        "401": _json(
            "No valid signature and no right secret.", {"status": "REJECTED", "error": "…", "details": [], "request_id": "…"}
        ),
        "413": _json("The body is too large.", {"status": "REJECTED", "error": "…", "details": [], "request_id": "…"}),
        "503": _UNSTORABLE,
    },
}
_TEST: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "signed_webhook_test",
    "summary": "Whether the signed webhook is there",
    "responses": {
        "200": _json("It is.", {"status": "ok", "message": "Webhook endpoint is ready", "timestamp": "2026-02-05T12:00:00.000Z"})
    },
}
_EVENT = {
    "schema_version": "1.0.0",
    "trade_id": "20251120_143000000_BULLISH",
    "event_type": "ENTRY",
    "event_timestamp": "2025-11-20T19:31:00Z",
    "direction": "Bullish",
    "entry_price": 20500.25,
    "stop_loss": 20475.0,
    "targets": {"tp1_price": 20525.25, "tp2_price": 20550.25, "tp3_price": 20575.25},
    "setup": {"setup_family": "FVG_CORE", "setup_variant": "HTF_ALIGNED"},
    "market_state": {"trend_regime": "Bullish", "trend_score": 0.8},
}
_LEGACY = {
    "type": "ENTRY",
    "signal_id": "20251114_140100000_BULLISH",
    "bias": "Bullish",
    "entry_price": 25238.25,
    "sl_price": 25206.75,
}
_BATCH_OF_EVENTS = {
    "event_type": "MFE_UPDATE_BATCH",
    "timestamp": "2025-12-11T07:57:00",
    "signals": [{"trade_id": "20251210_154300000_BEARISH", "be_mfe": 25.4, "no_be_mfe": 25.4, "mae_global_r": -0.69}],
}


def _token(header: str, setting: str) -> list[dict[str, Any]]:
    """Where a door's token may stand."""
    text = f"With {setting} set, the request must bring it here or there."
    return [
        {"name": header, "in": "header", "required": False, "description": text, "schema": {"type": "string"}},
        {"name": "token", "in": "query", "required": False, "description": text, "schema": {"type": "string"}},
    ]


def _untold(description: str) -> dict[str, Any]:
    return _json(description, {"success": False, "error": "…"})


_TELEMETRY: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "telemetry_webhook",
    "summary": "An indicator's telemetry",
    "description": (
        "What happened to a trade: a signal, an entry, its moves, its exit. Telemetry names a `schema_version`; legacy messages, "
        "`attributes`, `automation_stage`, MFE_UPDATE_BATCH, UNIFIED_SNAPSHOT_V1 and HEARTBEAT are understood as well. The same "
        "bytes are one event for good: a repeat is stored as a message and answered the same."
    ),
    "parameters": _token("X-Telemetry-Token", "TELEMETRY_TOKEN"),
    "requestBody": _body(
        "JSON, whatever the Content-Type says; at most 64 KiB.",
        {
            "telemetry": ("application/json", _EVENT),
            "legacy": ("application/json", _LEGACY),
            "batch": ("application/json", _BATCH_OF_EVENTS),
        },
    ),
    "responses": {
        "200": {
            "description": "On disk.",
            "content": {
                "application/json": {
                    "schema": {},
                    "examples": {
                        "telemetry": {
                            "value": {
                                "success": True,
                                "message": "Telemetry event ENTRY processed",
                                "trade_id": _EVENT["trade_id"],
                                "event_type": "ENTRY",
                                "schema_version": "1.0.0",
                            }
                        },
                        "legacy": {"value": {"success": True, "message": "Legacy payload processed (existing handler)"}},
                    },
                }
            },
        },
        "400": _untold("It can't be read, or does not say what happened to which trade; it is kept, and may be repaired."),
        "401": _untold("The token is missing or wrong."),
        "413": _untold("The body is too large."),
        "503": _untold("Neither the database nor the spool could take the message: send it again."),
    },
}
_EXPORTED = {"event_type": "INDICATOR_EXPORT_V2", "batch_number": 0, "signals_count": 2}
_EXPORT: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "indicator_export",
    "summary": "An indicator's tables in batches",
    "description": (
        "Each batch is stored as it came and imported into its ledger by a worker. The same content is one batch, however it is "
        "written. An invalid envelope is stored too; the answer then has `is_valid` and `validation_error`. `batch_id` is null "
        "while the database is away: the message is safe, and its batch is opened later."
    ),
    "parameters": _token("X-Indicator-Token", "INDICATOR_EXPORT_TOKEN"),
    "requestBody": _body(
        "JSON, whatever the Content-Type says; at most 256 KiB.",
        {
            "confirmed signals": (
                "application/json",
                {
                    "event_type": "INDICATOR_EXPORT_V2",
                    "batch_number": 0,
                    "batch_size": 2,
                    "total_signals": 300,
                    "signals": [
                        {
                            "trade_id": "20251217_100000000_BULLISH",
                            "triangle_time": 1765983600000,
                            "direction": "Bullish",
                            "entry": 21250.5,
                        },
                        {
                            "trade_id": "20251217_110000000_BEARISH",
                            "triangle_time": 1765987200000,
                            "direction": "Bearish",
                            "entry": 21240.0,
                        },
                    ],
                },
            ),
            "all signals": (
                "application/json",
                {
                    "event_type": "ALL_SIGNALS_EXPORT",
                    "batch_number": 0,
                    "batch_size": 1,
                    "total_signals": 1,
                    "signals": [
                        {
                            "trade_id": "20251217_100000000_BULLISH",
                            "direction": "Bullish",
                            "status": "CONFIRMED",
                            "signal_time": 1765983600000,
                            "confirmation_time": 1765983900000,
                            "bars_to_confirm": 5,
                            "htf_daily": "Bullish",
                        }
                    ],
                },
            ),
        },
    ),
    "responses": {
        "200": {
            "description": "On disk.",
            "content": {
                "application/json": {
                    "schema": {},
                    "examples": {
                        "new": {"value": {"status": "success", "batch_id": 123, **_EXPORTED}},
                        "repeat": {"value": {"status": "duplicate", **_EXPORTED}},
                        "invalid": {
                            "value": {
                                "status": "success",
                                "batch_id": 124,
                                "event_type": None,
                                "batch_number": None,
                                "signals_count": 0,
                                "is_valid": False,
                                "validation_error": "…",
                            }
                        },
                    },
                }
            },
        },
        "400": _json("No JSON, or not all of it; it is kept.", {"status": "error", "message": "Invalid JSON"}),
        "401": _json("The token is missing or wrong.", {"status": "error", "message": "…"}),
        "413": _json("The body is too large.", {"status": "error", "message": "…"}),
        "500": _json(
            "Neither the database nor the spool could take the batch: send it again.",
            {"status": "error", "message": "The batch could not be stored: send it again."},
        ),
        "503": _UNSTORABLE,
    },
}
_CANDLE = {
    "symbol": "EURUSD",
    "timeframe": "M5",
    "timestamp": _TIME,
    "open": 1.08,
    "high": 1.0812,
    "low": 1.0796,
    "close": 1.0804,
    "volume": 120,
}
_CANDLES: dict[str, Any] = {
    "tags": ["doors"],
    "operationId": "push_candles",
    "summary": "Push candles",
    "description": (
        "All or nothing: one candle that can't be used refuses the batch. They mark positions and fire exits. A bar that is stored "
        "already stays as it is, and is counted in `records_conflicting` where its values differ; with `revise` (for the batch, or "
        "in a candle) the last bar of its symbol and timeframe takes the new values. A position that a bar has already marked is "
        "not marked by its revision again: no exit fires twice or is taken back. Times of bars of up to M15 are moved back to the "
        "bar's opening."
    ),
    "parameters": [
        {
            "name": "X-API-KEY",
            "in": "header",
            "required": True,
            "description": "MT5_API_KEY (`hookfill token --candles` shows it), or an API key with the scope candles.",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": _body(
        "At most 8 MiB and 50,000 candles.",
        {
            "batch": ("application/json", {"candles": [_CANDLE]}),
            "revision": ("application/json", {"revise": True, "candles": [{**_CANDLE, "close": 1.0807}]}),
            "other spellings": (
                "application/json",
                {"candles": [{**_CANDLE, "symbol": "OANDA:EURUSD", "timeframe": "1", "timestamp": 1770292800, "volume": None}]},
            ),
        },
    ),
    "responses": {
        "201": _json(
            "Stored; candles that were there already are not counted.",
            {
                "status": "success",
                "message": "Data ingested successfully.",
                "records_added": 1,
                "records_conflicting": 0,
                "records_revised": 0,
            },
        ),
        "400": _json("The body did not arrive whole.", {"detail": "…"}),
        "401": _json("The key is missing or wrong.", {"detail": "Invalid or missing API Key"}),
        "413": _json("The body is too large.", {"detail": "…"}),
        "422": _json(
            "Which candles can't be used, and why.",
            {"detail": [{"type": "…", "loc": ["body", "candles", 0, "close"], "msg": "…"}]},
        ),
        "429": _json(
            "This key pushes more often than HOOKFILL_CANDLE_REQUESTS_PER_MINUTE allows; Retry-After says for how long to wait.",
            {"detail": "…"},
        ),
        "503": _json("The candles could not be stored.", {"detail": "The candles could not be stored: send them again."}),
    },
}
PATHS: dict[str, dict[str, Any]] = {
    f"{tradingview.PREFIX}{{webhook_secret}}": {"post": _TRADINGVIEW},
    signed.PATH: {"post": _SIGNED},
    f"{signed.PATH}/test": {"get": _TEST},
    telemetry.PATH: {"post": _TELEMETRY},
    indicator_export.PATH: {"post": _EXPORT},
    candles.PATH: {"post": _CANDLES},
}
"""The doors' part of the OpenAPI document."""


def refuse_other_methods(api: FastAPI) -> None:
    """Answer 405 where a door is knocked at in the wrong way, instead of 404."""
    for path, operations in PATHS.items():
        taken = sorted({*_OF_THE_API.get(path, ()), *(method.upper() for method in operations)})
        allowed = ", ".join(taken)
        methods = [method for method in (*_OTHER_METHODS, "POST") if method not in taken]
        api.add_api_route(path, _refusal(allowed), methods=methods, include_in_schema=False)


def _refusal(allowed: str) -> Any:
    async def refuse() -> None:
        raise HTTPException(405, f"This path takes {allowed} only.", {"Allow": allowed})

    return refuse
