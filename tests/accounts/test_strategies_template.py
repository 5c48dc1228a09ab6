"""The ready-made messages: filled in as TradingView fills them, each is understood as what it is meant to say."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hookfill.accounts.alert_template import PINE, alert_template
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert

STRATEGY: dict[str, Any] = {
    "risk_override_pct": None,
    "settings": {},
    "account_kind": "paper",
    "allowed_pairs": None,
    "engine": "direct",
    "is_enabled": True,
}
FIRED = datetime(2026, 3, 2, 12, 5, 1, tzinfo=UTC)
BAR = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHART = {"ticker": "EURUSD", "interval": "5", "close": "1.0801", "time": "2026-03-02T12:00:00Z", "timenow": "2026-03-02T12:05:01Z"}


def order(action: str, contracts: str, position: str, size: str, before: str, size_before: str) -> dict[str, str]:
    """What TradingView fills in for a strategy's order."""
    return CHART | {
        "strategy.order.action": action,
        "strategy.order.contracts": contracts,
        "strategy.order.price": "1.0801",
        "strategy.market_position": position,
        "strategy.market_position_size": size,
        "strategy.prev_market_position": before,
        "strategy.prev_market_position_size": size_before,
    }


ENTRY = order("buy", "3", "long", "3", "flat", "0")
GROWN = order("buy", "2", "long", "5", "long", "3")
REDUCED = order("sell", "1", "long", "2", "long", "3")
REVERSED = order("sell", "6", "short", "3", "long", "3")
LEFT = order("buy", "3", "flat", "0", "short", "3")


def filled(message: str, values: dict[str, str]) -> bytes:
    text = re.sub(r"\{\{(.+?)\}\}", lambda found: values[found[1]], message)
    assert "{{" not in text
    return text.encode()


def template(**changes: Any) -> dict[str, Any]:
    return alert_template(STRATEGY | changes, "https://hooks.example")


def message(name: str) -> str:
    made = template()
    return str(next(one["message"] for one in made["strategy_alerts"] + made["indicator_alerts"] if one["name"] == name))


def understood(body: bytes) -> Alert:
    alert = parse_alert(body)
    assert isinstance(alert, Alert), alert
    assert (alert.symbol, alert.price) == ("EURUSD", Decimal("1.0801"))
    return alert


CASES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("position", ENTRY, {"action": Action.TARGET, "target": Decimal(3), "target_side": 1, "previous_side": 0}),
    ("position", GROWN, {"action": Action.TARGET, "target": Decimal(5), "target_side": 1, "previous_side": 1}),
    ("position", REDUCED, {"action": Action.TARGET, "target": Decimal(2), "target_side": 1, "previous_side": 1}),
    ("position", REVERSED, {"action": Action.TARGET, "target": Decimal(-3), "target_side": -1, "previous_side": 1}),
    ("position", LEFT, {"action": Action.TARGET, "target": Decimal(0), "target_side": 0, "previous_side": -1}),
    ("own_size", ENTRY, {"action": Action.TARGET, "target": None, "target_side": 1, "quantity": None}),
    ("own_size", GROWN, {"action": Action.BUY, "quantity": None}),
    ("own_size", REVERSED, {"action": Action.TARGET, "target": None, "target_side": -1, "quantity": None}),
    ("own_size", LEFT, {"action": Action.TARGET, "target": Decimal(0), "target_side": 0}),
    ("order", ENTRY, {"action": Action.BUY, "quantity": Decimal(3), "target": None}),
    ("order", REVERSED, {"action": Action.SELL, "quantity": Decimal(6), "target": None}),
    ("buy", CHART, {"action": Action.BUY, "quantity": None}),
    ("sell", CHART, {"action": Action.SELL, "quantity": None}),
    ("close", CHART, {"action": Action.CLOSE, "quantity": None}),
    ("text", CHART, {"action": Action.BUY, "quantity": None}),
]


@pytest.mark.parametrize(("name", "values", "expected"), CASES)
def test_a_filled_message_says_what_it_is_meant_to(name: str, values: dict[str, str], expected: dict[str, Any]) -> None:
    body = filled(message(name), values)
    alert = understood(body)
    assert {field: getattr(alert, field) for field in expected} == expected
    if name != "text":
        assert isinstance(json.loads(body), dict)
        assert (alert.fired_at, alert.bar_at, alert.timeframe) == (FIRED, BAR, "5")


def test_every_message_is_tried() -> None:
    made = template()
    assert {one["name"] for one in made["strategy_alerts"] + made["indicator_alerts"]} == {name for name, _, _ in CASES}


SERIES = {
    "syminfo.ticker": '"EURUSD"',
    "timeframe.period": '"5"',
    "timenow": "FIRED",
    "time": "BAR",
    "close": 'Decimal("1.0801")',
}


def pine_message(**arguments: Any) -> bytes:
    """What the Pine function would send: its expressions, read as Python's."""

    def text(value: Any) -> str:
        return str(int(value.timestamp() * 1000)) if isinstance(value, datetime) else format(value, "f")

    def format_time(moment: datetime, layout: str, zone: str) -> str:
        assert (layout, zone) == ("yyyy-MM-dd'T'HH:mm:ss'Z'", "UTC")
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    names = {"FIRED": FIRED, "BAR": BAR, "Decimal": Decimal, "text": text, "format_time": format_time, **arguments}
    message = ""
    for line in PINE.splitlines():
        found = re.fullmatch(r"\s+(?:string message =|message \+=) (.+)", line)
        if found is None:
            continue
        expression = re.sub(r"^na\((\w+)\) \? '' : (.+)$", r"('' if \1 is None else \2)", found[1])
        expression = expression.replace("str.tostring", "text").replace("str.format_time", "format_time")
        for name, value in SERIES.items():
            expression = re.sub(rf"(?<![\w.\"']){re.escape(name)}(?![\w\"'])", value, expression)
        message += eval(expression, names)
    return message.encode()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"action": "buy", "quantity": None, "stop": None, "target": None},
            {"action": Action.BUY, "quantity": None, "stop_loss": None, "take_profit": None},
        ),
        (
            {"action": "sell", "quantity": Decimal("0.1"), "stop": Decimal("1.09"), "target": Decimal("1.07")},
            {"action": Action.SELL, "quantity": Decimal("0.1"), "stop_loss": Decimal("1.09"), "take_profit": Decimal("1.07")},
        ),
        ({"action": "close", "quantity": None, "stop": None, "target": None}, {"action": Action.CLOSE, "quantity": None}),
    ],
)
def test_what_the_pine_function_sends_is_understood(arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    body = pine_message(**arguments)
    assert isinstance(json.loads(body), dict)
    alert = understood(body)
    assert {field: getattr(alert, field) for field in expected} == expected
    assert (alert.fired_at, alert.bar_at, alert.timeframe) == (FIRED, BAR, "5")
    assert alert.dedupe_id == f"EURUSD-5-{int(BAR.timestamp() * 1000)}-{arguments['action']}"


def test_the_pine_function_holds_no_placeholder_outside_its_comments() -> None:
    assert not [line for line in PINE.splitlines() if "{{" in line and not line.lstrip().startswith("//")]
    assert PINE.startswith("//@version=6\n")


def test_the_url_holds_no_secret() -> None:
    assert template()["webhook_url"] == "https://hooks.example/api/v1/webhooks/tv/SECRET"


@pytest.mark.parametrize(
    ("changes", "recommended", "hint"),
    [
        ({}, "position", "in lots"),
        ({"settings": {"sizing": {"mode": "risk_percent"}}}, "own_size", None),
        ({"risk_override_pct": Decimal(1)}, "own_size", None),
        ({"account_kind": "mt5"}, "own_size", "in lots"),
        ({"allowed_pairs": ["SPY", "QQQ"]}, "position", "trades SPY, QQQ"),
        ({"allowed_pairs": []}, "position", "trades nothing"),
        ({"engine": "rules"}, "position", "candles of the alert's own timeframe"),
        ({"engine": "ab"}, "position", "Both engines"),
        ({"settings": {"windows": [{"from": "09:00", "to": "10:00"}]}}, "position", "trading windows"),
        ({"is_enabled": False}, "position", "switched off"),
    ],
)
def test_hints_are_those_of_the_strategy(changes: dict[str, Any], recommended: str, hint: str | None) -> None:
    made, plain = template(**changes), template()
    assert made["recommended"] == recommended
    if hint is not None:
        assert any(hint in text for text in made["hints"])
    if changes and hint not in (None, "in lots"):
        assert not any(hint in text for text in plain["hints"])
