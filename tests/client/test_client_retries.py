"""What is tried again, when, and what never is: with scripted answers, and for any answers at all."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.client import InvalidArgument, Refused, Retries, Unavailable
from hookfill.client.retries import DUPLICATE_SECONDS, WINDOW_SECONDS, send
from hookfill.client.steps import Answer, Exchange, NoAnswer, Pause, Repeat, Reply, Request

WEBHOOK = "https://hookfill.test/api/v1/webhooks/tv/canary-webhook-secret-77"
ID = UUID("019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10")
CANDLE = {"symbol": "EURUSD", "timeframe": "M1", "timestamp": "2026-02-05T12:00:00Z", "open": 1, "high": 1, "low": 1, "close": 1}
STORED = httpx.Response(201, json={"status": "success", "records_added": 1, "records_conflicting": 0})
LOST = httpx.ReadTimeout("canary-secret-text")
PASSING: dict[str, Any] = {
    "503": httpx.Response(503, json={"detail": "The database does not answer."}),
    "500": httpx.Response(500, text="<html>"),
    "502": httpx.Response(502),
    "429": httpx.Response(429, json={"detail": "Too many."}),
    "timeout": LOST,
    "refused connection": httpx.ConnectError("no"),
    "cut off": httpx.RemoteProtocolError("no"),
    "reset": httpx.ReadError("no"),
}
NOT_SENT = {"refused connection", "429"}
SAFE: dict[str, tuple[str, tuple[Any, ...], httpx.Response]] = {
    "read": ("signals", (), httpx.Response(200, json=[])),
    "candles": ("push_candles", ([CANDLE],), STORED),
    "alert": ("send_alert", (WEBHOOK, "buy EURUSD"), httpx.Response(200, json={"status": "ok"})),
}
UNSAFE: dict[str, tuple[str, tuple[Any, ...], Mapping[str, Any]]] = {
    "create": ("create_strategy", ("Breakout",), {"engine": "direct"}),
    "change": ("change_strategy", (ID,), {"is_enabled": False}),
    "delete": ("delete_strategy", (ID,), {}),
}


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("what", SAFE)
def test_what_is_safe_is_sent_again(scripted: Any, what: str, failure: str) -> None:
    method, arguments, good = SAFE[what]
    scripted.script = [PASSING[failure], PASSING[failure], good]
    scripted.ask(method, *arguments)
    assert len({(request.method, request.url, request.content) for request in scripted.requests}) == 1
    assert len(scripted.requests) == 3
    first, second = scripted.pauses
    assert 0.125 <= first <= 0.25 <= second <= 0.5


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("what", UNSAFE)
def test_what_would_be_done_twice_never_is(scripted: Any, what: str, failure: str) -> None:
    method, arguments, options = UNSAFE[what]
    scripted.script = [PASSING[failure]]
    with pytest.raises(Unavailable) as raised:
        scripted.ask(method, *arguments, **options)
    assert (len(scripted.requests), scripted.pauses) == (1, [])
    assert raised.value.may_have_arrived is (failure not in NOT_SENT)
    assert ("look before you ask for it again" if raised.value.may_have_arrived else "Nothing was done") in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
@pytest.mark.parametrize("what", [*SAFE, *UNSAFE])
def test_a_refusal_is_final(scripted: Any, what: str, status: int) -> None:
    method, arguments, options = (*SAFE[what][:2], {}) if what in SAFE else UNSAFE[what]
    scripted.script = [httpx.Response(status, json={"detail": "Because."})]
    with pytest.raises(Refused) as raised:
        scripted.ask(method, *arguments, **options)
    assert (raised.value.status, len(scripted.requests)) == (status, 1)


@pytest.mark.parametrize("what", ["read", "candles"])
def test_it_gives_up_after_so_many_attempts(scripted: Any, what: str) -> None:
    scripted.script = [LOST]
    with pytest.raises(Unavailable, match=r"does not answer \(ReadTimeout\), after 7 attempts.*again later is safe"):
        scripted.ask(*SAFE[what][:1], *SAFE[what][1], retries=Retries(attempts=7, least_seconds=1, most_seconds=4))
    assert [
        round(pause / most, 3) >= 0.5 and pause <= most for pause, most in zip(scripted.pauses, [1, 2, 4, 4, 4, 4], strict=True)
    ]
    assert len(scripted.requests) == 7


def test_one_attempt_means_none_again(scripted: Any) -> None:
    scripted.script = [LOST]
    with pytest.raises(Unavailable, match="1 attempt\\."):
        scripted.ask("accounts", retries=Retries(attempts=1))
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "5"}, 5, 5),
        ({"Retry-After": "60"}, 60, 60),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:09 GMT", "Date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 9, 9),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:09 GMT", "Date": "Sat, 21 Nov 2026 12:01:00 GMT"}, 0.125, 0.25),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:09 GMT"}, 0.125, 0.25),
        ({"Retry-After": "soon"}, 0.125, 0.25),
        ({"Retry-After": "-5"}, 0.125, 0.25),
        ({"Retry-After": "0"}, 0.125, 0.25),
        ({}, 0.125, 0.25),
    ],
)
def test_retry_after_is_heeded(scripted: Any, headers: dict[str, str], least: float, most: float) -> None:
    scripted.script = [httpx.Response(429, headers=headers), httpx.Response(200, json=[])]
    scripted.ask("signals")
    (pause,) = scripted.pauses
    assert least <= pause <= most


def test_too_long_a_pause_is_the_callers_to_make(scripted: Any) -> None:
    scripted.script = [httpx.Response(503, headers={"Retry-After": "61"})]
    with pytest.raises(Unavailable, match="left alone for 61 s") as raised:
        scripted.ask("signals")
    assert (raised.value.retry_after_seconds, len(scripted.requests)) == (61, 1)


@pytest.mark.parametrize(
    ("takes_seconds", "attempts"),
    [
        (0.0, 100),
        (10.0, 5),  # at 0, 10, 20, 30 and 40 s, and a little
        (12.5, 4),
        (60.0, 1),
    ],
)
def test_an_alert_is_sent_again_only_while_it_is_the_same_alert(scripted: Any, takes_seconds: float, attempts: int) -> None:
    scripted.script, scripted.takes_seconds = [LOST], takes_seconds
    few = Retries(attempts=100, least_seconds=0.001, most_seconds=0.001)
    with pytest.raises(Unavailable, match="look at your signals before you send it again") as raised:
        scripted.ask("send_alert", WEBHOOK, "buy EURUSD", retries=few)
    assert raised.value.may_have_arrived
    assert len(scripted.began) == attempts
    assert max(scripted.began) < 1_000 + WINDOW_SECONDS < 1_000 + DUPLICATE_SECONDS


def test_an_alert_waits_for_nobody_beyond_its_time(scripted: Any) -> None:
    scripted.script = [httpx.Response(503, headers={"Retry-After": "50"})]
    with pytest.raises(Unavailable):
        scripted.ask("send_alert", WEBHOOK, "buy EURUSD")
    assert (len(scripted.requests), scripted.pauses) == (1, [])


def test_a_machine_that_slept_meanwhile_does_not_send_again(scripted: Any) -> None:
    scripted.script, scripted.oversleeps_seconds = [LOST], 3_600.0
    with pytest.raises(Unavailable, match="after 1 attempt"):
        scripted.ask("send_alert", WEBHOOK, "buy EURUSD")
    assert len(scripted.requests) == 1


def test_an_alert_that_surely_did_not_arrive(scripted: Any) -> None:
    scripted.script = [httpx.ConnectError("no")]
    with pytest.raises(Unavailable, match="Nothing was done") as raised:
        scripted.ask("send_alert", WEBHOOK, "buy EURUSD")
    assert not raised.value.may_have_arrived
    scripted.script = [LOST, httpx.ConnectError("no")]
    with pytest.raises(Unavailable) as raised:
        scripted.ask("send_alert", WEBHOOK, "buy EURUSD")
    assert raised.value.may_have_arrived


@pytest.mark.parametrize(
    "values",
    [
        {"attempts": 0},
        {"attempts": 101},
        {"least_seconds": 0},
        {"least_seconds": 9},
        {"most_seconds": 3601},
        {"patience_seconds": -1},
        {"patience_seconds": float("nan")},
    ],
)
def test_unusable_retries(values: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Retries(**values)


OUTCOMES = st.one_of(
    st.builds(NoAnswer, st.just("ReadTimeout"), st.booleans()),
    st.builds(
        Answer,
        st.sampled_from([200, 201, 400, 404, 408, 429, 500, 503]),
        st.sampled_from([{}, {"retry-after": "3"}, {"retry-after": "45"}]),
        st.just(b""),
    ),
)


@given(
    repeat=st.sampled_from(Repeat),
    script=st.lists(st.tuples(OUTCOMES, st.floats(0, 40), st.floats(0, 30)), min_size=1, max_size=30),
    chance=st.floats(0, 1),
    retries=st.builds(
        Retries,
        attempts=st.integers(1, 20),
        least_seconds=st.floats(0.01, 2),
        most_seconds=st.floats(2, 30),
        patience_seconds=st.floats(0, 90),
    ),
)
def test_whatever_is_answered(
    repeat: Repeat, script: list[tuple[Answer | NoAnswer, float, float]], chance: float, retries: Retries
) -> None:
    """No attempt too many, none too late, none too soon, and the same request every time."""
    now, began, request = 100.0, [], Request("POST", "https://hookfill.test/x", b"body")
    program = send(request, repeat, 15.0, retries, lambda: chance)
    step = next(program)
    with contextlib.suppress(StopIteration, Unavailable):
        while True:
            outcome = None
            if isinstance(step, Exchange):
                outcome, takes, _ = script[min(len(began), len(script) - 1)]
                assert step.request is request
                assert 0 < step.timeout_seconds <= 15
                assert (step.not_after is None) == (repeat is not Repeat.IN_WINDOW)
                began.append(now)
                now += takes
            elif step.seconds > 0:
                last = script[min(len(began), len(script)) - 1]
                asked = float(last[0].headers.get("retry-after", 0)) if isinstance(last[0], Answer) else 0.0
                assert step.seconds >= max(asked, min(retries.least_seconds, retries.most_seconds) / 2)
                now += step.seconds + last[2]
            step = program.send(Reply(now, datetime(2026, 11, 21, tzinfo=UTC), outcome))
    assert 1 <= len(began) <= (1 if repeat is Repeat.NEVER else retries.attempts)
    if repeat is Repeat.IN_WINDOW:
        assert all(moment < 100.0 + WINDOW_SECONDS for moment in began)


def test_the_time_is_asked_for_without_waiting() -> None:
    program = send(Request("GET", "https://hookfill.test/x"), Repeat.ALWAYS, 15.0, Retries(), lambda: 0.0)
    assert next(program) == Pause(0.0)
