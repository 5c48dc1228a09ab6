"""From answers to values and errors: exact numbers, places of faults, and no secret in any text."""

import logging
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_type_hints
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel

from hookfill.api import candle_models, models, models_strategies
from hookfill.client import (
    Candle,
    Client,
    ClientError,
    Fault,
    InvalidArgument,
    NotDecided,
    NotFound,
    Refused,
    Unauthorized,
    Unavailable,
    model,
)

WEBHOOK = "https://hookfill.test/api/v1/webhooks/tv/canary-webhook-secret-77"
HMAC = "canary-hmac-secret-31"
SECRETS = ("canary-token-4f1d8c22", "canary-candles-key-9b3e7d10", "canary-webhook-secret-77", HMAC)
NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
ID = "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"
SIGNAL: dict[str, Any] = {
    **dict.fromkeys(("id", "account_id", "strategy_id", "message_id"), ID),
    **dict.fromkeys(("strategy_name", "symbol", "action", "reason", "fill_price", "broker_order_id", "error_message")),
    "status": "pending",
    "raw_payload": "buy",
    "created_at": "2026-02-05T12:00:00Z",
    "resolved_at": None,
}
PAIRS = [
    (model.Signal, models.Signal),
    (model.Story, models.Story),
    (model.Step, models.Step),
    (model.Order, models.Order),
    (model.Fill, models.Fill),
    (model.Position, models.Position),
    (model.Account, models.Account),
    (model.Limits, models.Limits),
    (model.Halt, models.Halt),
    (model.Strategy, models_strategies.StrategyAnswer),
    (model.NewStrategy, models_strategies.NewStrategyAnswer),
    (model.Quote, candle_models.LastPrice),
    (model.QuoteBar, candle_models.QuoteBar),
]


def candles(count: int) -> list[Candle]:
    one = Decimal("1.0716")
    return [Candle("EURUSD", "M1", NOON + timedelta(minutes=number), one, one, one, one) for number in range(count)]


def may_be_null(hint: object) -> bool:
    return hint is Any or type(None) in getattr(hint, "__args__", ())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda one: one.__name__)
def test_the_client_knows_what_the_server_tells(ours: type, theirs: type[BaseModel]) -> None:
    """The same members, and null where the server may say null."""
    told = {name: field for name, field in theirs.model_fields.items() if (ours, name) != (model.Strategy, "strategy_id")}
    hints, theirs_hints = get_type_hints(ours), get_type_hints(theirs)
    assert {field.name for field in fields(ours)} == told.keys()
    for name in told:
        assert may_be_null(hints[name]) == may_be_null(theirs_hints[name]), name


def test_amounts_are_exact_times_are_utc_and_what_is_new_is_ignored(scripted: Any) -> None:
    digits = "123456789012345.1234567891"
    body = {**SIGNAL, "created_at": "2026-02-05T14:00:00+02:00", "raw_payload": {"price": 1.1}, "added_later": [1]}
    text = httpx.Response(200, json=body).text.replace('"fill_price":null', f'"fill_price":{digits}')
    scripted.script = [httpx.Response(200, text=text)]
    signal = scripted.ask("signal", ID)
    assert (signal.id, signal.fill_price, signal.raw_payload) == (UUID(ID), Decimal(digits), {"price": Decimal("1.1")})
    assert (signal.created_at, signal.created_at.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Log in to this network</html>"),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json=None),
        httpx.Response(200, json={**SIGNAL, "created_at": "2026-02-05T12:00:00"}),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(304),
    ],
)
def test_what_no_hookfill_server_would_answer(scripted: Any, answer: httpx.Response) -> None:
    scripted.script = [answer]
    with pytest.raises(Unavailable, match=r"not Hookfill|must be as new as the server"):
        scripted.ask("signal", ID)
    assert len(scripted.requests) == 1


def test_faults_name_the_candle_in_all_that_was_pushed(scripted: Any) -> None:
    faults = [
        {"type": "value_error", "loc": ["body", "candles", 1, "open"], "msg": "open must lie between low and high."},
        {"type": "value_error", "loc": ["body", "candles"], "msg": "Send a list."},
        {"type": "value_error", "loc": ["body"], "msg": "Send an object."},
    ]
    good = httpx.Response(201, json={"records_added": 2, "records_conflicting": 1, "records_revised": 0})
    scripted.script = [good, good, httpx.Response(422, json={"detail": faults})]
    seen: list[model.Pushed] = []
    with pytest.raises(Refused, match=r"candles\.7\.open: open must lie") as raised:
        scripted.ask("push_candles", iter(candles(10)), batch=3, on_batch=seen.append)
    assert raised.value.faults == (
        Fault(("candles", 7, "open"), "open must lie between low and high."),
        Fault(("candles",), "Send a list."),
        Fault(("body",), "Send an object."),
    )
    assert seen == [model.Pushed(3, 2, 1), model.Pushed(6, 4, 2)]
    assert len(scripted.requests) == 3


def test_who_does_not_count_did_not_store(scripted: Any) -> None:
    scripted.script = [httpx.Response(200, json={"status": "ok"})]
    with pytest.raises(Unavailable, match=r"can't be understood \(records_added\)"):
        scripted.ask("push_candles", candles(1))


def test_many_faults_are_shown_in_part(scripted: Any) -> None:
    faults = [{"loc": ["body", "candles", number, "open"], "msg": "no"} for number in range(100)]
    scripted.script = [httpx.Response(422, json={"detail": faults})]
    with pytest.raises(Refused, match="and 95 more") as raised:
        scripted.ask("push_candles", candles(1))
    assert len(raised.value.faults) == 100


def test_the_signed_doors_faults(scripted: Any) -> None:
    details = [{"field": "timeframe", "message": "Required: send timeframe."}]
    scripted.script = [httpx.Response(400, json={"status": "REJECTED", "error": "unusable", "details": details})]
    with pytest.raises(Refused, match="timeframe: Required") as raised:
        scripted.ask("send_signed", {"symbol": "EURUSD"}, HMAC)
    assert raised.value.faults == (Fault(("timeframe",), "Required: send timeframe."),)


CALLS: dict[str, tuple[Any, ...]] = {
    "signals": (),
    "push_candles": (candles(1),),
    "send_alert": (WEBHOOK, "buy EURUSD"),
    "send_signed": ({"symbol": "EURUSD"}, HMAC),
    "create_strategy": ("Breakout",),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 422, 500, 503])
def test_no_secret_is_told(scripted: Any, method: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Not even by a server, or something in front of it, that sends back all that it was sent."""

    def echo(request: httpx.Request) -> httpx.Response:
        told = f"{request.url} {dict(request.headers)} {request.extensions.get('target')} {SECRETS}"
        return httpx.Response(status, json={"detail": [{"loc": ["x"], "msg": told}] if status == 422 else told})

    caplog.set_level(logging.DEBUG)
    scripted.script = [echo]
    try:
        scripted.ask(method, *CALLS[method])
    except ClientError as error:
        own = {"signals": SECRETS[:2], "create_strategy": SECRETS[:2], "push_candles": SECRETS[:2], "send_alert": SECRETS[:3]}
        shown = f"{error} {error!r} {getattr(error, 'faults', ())} {error.__cause__} {error.__context__}"
        assert not [secret for secret in own.get(method, (*SECRETS[:2], HMAC)) if secret in shown]
    assert not [secret for secret in SECRETS if secret in caplog.text]


@pytest.mark.parametrize(
    ("method", "status", "kind", "says"),
    [
        ("signals", 401, Unauthorized, "Send the header"),
        ("push_candles", 401, Unauthorized, "MT5_API_KEY"),
        ("send_signed", 401, Unauthorized, "HMAC_SECRET"),
        ("signals", 403, Refused, "Send the header"),
        ("signals", 404, NotFound, "Send the header"),
    ],
)
def test_each_refusal_says_what_to_do(scripted: Any, method: str, status: int, kind: type[Refused], says: str) -> None:
    scripted.script = [httpx.Response(status, json={"detail": "Send the header Authorization."})]
    with pytest.raises(Refused, match=says) as raised:
        scripted.ask(method, *CALLS[method])
    assert type(raised.value) is kind


def test_a_refusal_without_a_reason(scripted: Any) -> None:
    scripted.script = [httpx.Response(418, text="short and stout")]
    with pytest.raises(Refused, match="gives no reason"):
        scripted.ask("signals")


def test_waiting_ends_when_the_signal_is_decided(scripted: Any) -> None:
    missing = httpx.Response(404, json={"detail": "There is none."})
    states = [httpx.Response(200, json={**SIGNAL, "status": status}) for status in ("pending", "approved", "executed")]
    scripted.script = [missing, *states]
    assert scripted.ask("wait_for_signal", UUID(ID), poll_seconds=0.5).status == "executed"
    assert scripted.pauses == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(200, json=SIGNAL), "is still pending after 2 s"),
        (httpx.Response(404, json={"detail": "There is none."}), "There is no signal"),
    ],
)
def test_waiting_has_an_end(scripted: Any, answer: httpx.Response, says: str) -> None:
    scripted.script = [answer]
    with pytest.raises(NotDecided, match=says):
        scripted.ask("wait_for_signal", ID, timeout_seconds=2, poll_seconds=0.75)
    assert scripted.pauses == [0.75, 0.75, 0.5]


def test_an_alert_is_known_again_by_its_body_and_its_time(scripted: Any) -> None:
    sent_at = NOON + timedelta(seconds=1)
    sent = model.SentAlert(b'{"symbol": "EURUSD", "volume": 0.10, "secret": "x", "tags": ["a", {"b": null}]}', sent_at)
    same = {"symbol": "EURUSD", "volume": 0.1, "secret": "***", "tags": ["a", {"b": None}]}
    others = [{**same, "volume": 0.2}, {**same, "tags": ["a"]}, {**same, "more": 1}, "text"]
    done = {**SIGNAL, "status": "rejected", "raw_payload": same}
    early = {**done, "created_at": "2026-02-05T11:59:00Z"}
    listed = [{**done, "raw_payload": other} for other in others]
    scripted.script = [httpx.Response(200, json=[*listed, early]), httpx.Response(200, json=[*listed, {**done, "symbol": "it"}])]
    assert scripted.ask("wait_for_signal", sent).symbol == "it"
    assert len(scripted.pauses) == 1
    pending = httpx.Response(200, json=[{**done, "status": "pending"}])
    scripted.script = [pending, httpx.Response(200, json={**done, "symbol": "by its id"})]
    assert scripted.ask("wait_for_signal", sent).symbol == "by its id"
    assert scripted.requests[-1].url.path == f"/api/v1/signals/{ID}"
    scripted.script = [httpx.Response(200, json=[])]
    with pytest.raises(NotDecided, match="check the webhook URL"):
        scripted.ask("wait_for_signal", sent, timeout_seconds=1)


def test_a_long_list_is_told_once_each_while_it_grows(scripted: Any) -> None:
    ids = [UUID(int=number) for number in range(1_003)]

    def page(request: httpx.Request) -> httpx.Response:
        new = len(scripted.requests) - 1  # one more signal has come in before each page
        listed = [f"new{number}" for number in range(new, 0, -1)] + [str(one) for one in ids]
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        signal_ids = [str(UUID(int=10_000 + int(one[3:]))) if one.startswith("new") else one for one in listed]
        return httpx.Response(200, json=[{**SIGNAL, "id": one} for one in signal_ids[offset : offset + limit]])

    scripted.script = [page]
    assert [signal.id for signal in scripted.ask("iter_signals")] == ids
    assert len(scripted.requests) == 3


def test_candles_come_page_by_page(scripted: Any) -> None:
    bar = {"open": 1.1, "high": 1.2, "low": 1, "close": 1.15, "volume": None}
    first = httpx.Response(200, json=[{"timestamp": 1_770_292_800_000, **bar}], headers={"X-Next-Cursor": "a b&c"})
    empty = httpx.Response(200, json=[], headers={"X-Next-Cursor": "d"})
    last = httpx.Response(200, json=[{"timestamp": 1_770_292_860_000, **bar, "volume": 7}])
    scripted.script = [first, empty, last]
    found = scripted.ask("candles", "EURUSD", "M1", NOON, NOON + timedelta(hours=1), page=1)
    exact = (Decimal("1.1"), Decimal("1.2"), Decimal(1), Decimal("1.15"))
    assert found == [Candle("EURUSD", "M1", NOON, *exact), Candle("EURUSD", "M1", NOON + timedelta(minutes=1), *exact, 7)]
    asked = [dict(request.url.params) for request in scripted.requests]
    assert [one.pop("cursor", None) for one in asked] == [None, "a b&c", "d"]
    wanted = {"symbol": "EURUSD", "timeframe": "M1", "limit": "1"}
    assert asked == [{**wanted, "from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}] * 3


class Number(float):
    """A number of another library's, as numpy's are."""


class Moment(datetime):
    """A time of another library's, as pandas' are."""


def test_values_of_other_libraries_are_sent_as_plain_ones(scripted: Any) -> None:
    scripted.script = [httpx.Response(201, json={"records_added": 1, "records_conflicting": 0})]
    moment = Moment(2026, 2, 5, 14, tzinfo=UTC)
    row = {"symbol": "EURUSD", "timeframe": "M1", "timestamp": moment, "open": Number(1.1), "high": "1.2", "volume": 3}
    pushed = scripted.ask("push_candles", [row], revise=True)
    assert pushed == model.Pushed(1, 1, 0)
    (request,) = scripted.requests
    assert request.content == (
        b'{"candles":[{"symbol":"EURUSD","timeframe":"M1","timestamp":"2026-02-05T14:00:00+00:00","open":1.1,"high":"1.2",'
        b'"volume":3}],"revise":true}'
    )


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("push_candles", (candles(1),), {"batch": 0}),
        ("push_candles", (candles(1),), {"batch": 50_001}),
        ("push_candles", ([{"timestamp": datetime(2026, 2, 5)}],), {}),  # noqa: DTZ001 - that is the point
        ("push_candles", ([{"open": object()}],), {}),
        ("send_alert", ("hookfill.test/secret", "buy"), {}),
        ("send_alert", (f"{WEBHOOK}?x=1", "buy"), {}),
        ("send_alert", (WEBHOOK, {"symbol": object()}), {}),
        ("signal", ("../accounts",), {}),
        ("candles", ("EURUSD", "M1"), {"page": 0}),
        ("candles", ("EURUSD", "M1", datetime(2026, 2, 5)), {}),  # noqa: DTZ001
        ("wait_for_signal", (ID,), {"timeout_seconds": 0}),
        ("wait_for_signal", (ID,), {"poll_seconds": 0}),
        ("signals", (), {"token": None}),
    ],
)
def test_what_can_not_be_sent(scripted: Any, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as raised:
        scripted.ask(method, *arguments, **options)
    assert not scripted.requests
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hookfill.test",
        "ftp://hookfill.test",
        "http://",
        "http://user:canary@hookfill.test",
        "http://hookfill.test?canary",
        "http://hookfill.test#canary",
        "http://hookfill.test:0",
        "http://hookfill.test:70000",
        "http://[::1",
        "http://hookfill.test/ü",
        "http://hookfill.test/\n",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape("base_url must be")) as raised:
        Client(address)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"token": "canary", "api_key": "canary"},
        {"token": "canary\n"},
        {"api_key": ""},
        {"candles_key": "canary key"},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("nan")},
    ],
)
def test_settings_that_are_unusable(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Client("http://hookfill.test", **settings)
    assert "canary" not in str(raised.value)


def test_an_api_key_pushes_candles_too_and_nothing_is_shown() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, json={"records_added": 1})

    with Client("https://hookfill.test/below/", api_key="hf_canary", transport=httpx.MockTransport(answer)) as client:
        client.push_candles(candles(1))
        assert "canary" not in repr(client)
        assert "canary" not in repr(client._config)
    assert (asked[0].headers["x-api-key"], str(asked[0].url)) == ("hf_canary", "https://hookfill.test/below/api/v1/candles")
    with Client(token="t") as client, pytest.raises(InvalidArgument, match="candles_key"):
        client.push_candles(candles(1))


def test_the_methods_tell_what_they_do() -> None:
    for name in ("push_candles", "candles", "positions"):
        assert getattr(Client, name).__doc__
        assert getattr(Client(), name).__name__ == name
