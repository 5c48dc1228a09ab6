"""The doors where machines push, as the API's document describes them; the requests themselves never pass through here.

Doors are plain ASGI (see ``edge``) and take their paths before the API sees a request. Only what they don't take arrives: the
wrong method.
"""

from typing import Any

from fastapi import FastAPI, HTTPException

from hookfill.edge import candles, signed, tradingview

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
        "can't put the secret into the body's `secret`. The same symbol, direction and timeframe within 60 s are one signal."
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
