"""Requests made from the OpenAPI document alone: every route, with a body that its schema and examples allow."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PUBLIC = {
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/webhook/test"),
    ("POST", "/webhook"),
    ("POST", "/api/v1/webhooks/tv/{webhook_secret}"),
    ("POST", "/api/automated-signals/webhook"),
    ("POST", "/api/indicator-export"),
    ("POST", "/api/v1/auth/register"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
}
"""What needs no token; the doors have secrets of their own."""
DOORS = {
    ("POST", "/webhook"),
    ("POST", "/api/v1/webhooks/tv/{webhook_secret}"),
    ("POST", "/api/v1/candles"),
    ("POST", "/api/automated-signals/webhook"),
    ("POST", "/api/indicator-export"),
}
QUESTIONS = {("POST", "/api/v1/strike-selection")}
"""What is asked with a body and changes nothing."""
KINDS = frozenset(
    {
        "account_id",
        "agent_id",
        "batch_id",
        "broker_connection_id",
        "experiment_id",
        "id",
        "invitation_id",
        "job_id",
        "key_id",
        "message_id",
        "order_id",
        "signal_id",
        "strategy_id",
        "trade_id",
    }
)
"""The parameters that name something of somebody's. A new one must be added here and to what ``support.tenants`` makes."""
NUMBERS = frozenset({"batch_id"})
"""Those that are whole numbers; the others are UUIDs."""
TEXTS = frozenset({"trade_id"})
"""Those that are any text."""
PLAIN = frozenset(
    {
        "after",
        "backfill",
        "completed",
        "cursor",
        "date",
        "date_from",
        "date_to",
        "day_boundary",
        "direction",
        "dry_run",
        "event_type",
        "from",
        "horizon_minutes",
        "idempotency-key",
        "in_force",
        "is_imported",
        "is_valid",
        "limit",
        "offset",
        "policy",
        "rule",
        "session",
        "setup",
        "state",
        "status",
        "symbol",
        "symbols",
        "target",
        "timeframe",
        "to",
        "token",
        "variant",
        "wait",
        "webhook_secret",
        "x-api-key",
        "x-indicator-token",
        "x-telemetry-token",
        "x-webhook-signature",
        "zone",
    }
)
"""The parameters that name nothing of anybody's."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the document.

    Attributes:
        slots: where ids of things stand: (place, name); the place is path, query or body.
        body: an example, without the ids.
        query: examples of the parameters that must be there and name nothing of anybody's.
    """

    method: str
    path: str
    security: frozenset[str]
    slots: tuple[tuple[str, str], ...]
    body: Any = None
    unknown: tuple[str, ...] = ()
    responses: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def is_door(self) -> bool:
        return (self.method, self.path) in DOORS

    @property
    def is_agents(self) -> bool:
        return bool(self.security & {"AgentId", "AgentKey"})

    @property
    def is_changing(self) -> bool:
        return self.method != "GET" and (self.method, self.path) not in QUESTIONS

    def request(self, ids: Mapping[tuple[str, str], str]) -> dict[str, Any]:
        """Arguments for httpx; a query's or body's id that is not given is left out."""
        path = self.path
        for (place, name), value in ids.items():
            if place == "path":
                path = path.replace("{" + name + "}", value)
        asked: dict[str, Any] = {"method": self.method, "url": path}
        query = {**self.query, **{name: value for (place, name), value in ids.items() if place == "query"}}
        if query:
            asked["params"] = query
        if self.body is not None:
            inside = {name: value for (place, name), value in ids.items() if place == "body"}
            asked["json"] = {**self.body, **inside} if inside else self.body
        return asked


def routes(document: Mapping[str, Any]) -> list[Route]:
    """All operations, those that delete last."""
    found = [
        _route(document, method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    order = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}
    return sorted(found, key=lambda route: (order[route.method], len(route.path), route.path))


def _route(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Route:
    slots: list[tuple[str, str]] = []
    unknown: list[str] = []
    query: dict[str, Any] = {}
    for parameter in operation.get("parameters", []):
        if parameter["name"].lower() in KINDS:
            slots.append((parameter["in"], parameter["name"]))
        elif parameter["name"].lower() not in PLAIN:
            unknown.append(parameter["name"])
        elif parameter["in"] == "query" and parameter.get("required"):
            query[parameter["name"]] = _example(document, parameter["schema"], parameter)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = None
    if content is not None:
        schema = _resolve(document, content["schema"])
        body = _example(document, schema, content)
        for name, property_ in schema.get("properties", {}).items():
            if name in KINDS:
                slots.append(("body", name))
            elif _is_uuid(property_):
                unknown.append(name)
    security = frozenset(itertools.chain.from_iterable(operation.get("security", [])))
    return Route(method, path, security, tuple(slots), body, tuple(unknown), operation["responses"], query)


def _is_uuid(schema: Mapping[str, Any]) -> bool:
    return schema.get("format") == "uuid" or any(one.get("format") == "uuid" for one in schema.get("anyOf", []))


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return _resolve(document, next(one for one in schema[several] if one.get("type") != "null"))
    return schema


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> Any:
    """A value that the schema allows: its own example, or one put together from its parts."""
    for named in (content or {}).get("examples", {}).values():
        return named["value"]
    for told in schema.get("examples", ()):
        return told
    schema = _resolve(document, schema)
    for told in schema.get("examples", ()):
        return told
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            properties = schema.get("properties", {})
            return {name: _example(document, properties[name]) for name in properties if name in needed and name not in KINDS}
        case "array":
            return [_example(document, schema["items"])]
        case "string":
            return {"date-time": "2026-02-05T12:00:00Z", "uuid": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"}.get(
                schema.get("format", ""), "x" * max(1, schema.get("minLength", 1))
            )
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 1) or 1


def combinations(slots: tuple[tuple[str, str], ...], *kinds: str) -> Iterator[dict[tuple[str, str], str]]:
    """Every way to put one of the kinds of id into each slot."""
    for chosen in itertools.product(kinds, repeat=len(slots)):
        yield dict(zip(slots, chosen, strict=True))
