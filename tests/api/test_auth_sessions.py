"""Logging in and out, renewing sessions, changing the password, and how little a guesser learns."""

import asyncio
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from hookfill.accounts.guessing import Guesses
from hookfill.accounts.passwords import Passwords
from hookfill.api import people as people_module
from hookfill.kernel.clock import utc_now
from support.house import TOKEN, House
from support.people import PASSWORD, bearer, quick_people

EMAIL = "ada@example.com"


async def post(house: House, name: str, body: dict[str, Any], token: str | None = None) -> httpx.Response:
    return await house.client.post(f"/api/v1/auth/{name}", json=body, headers=bearer(token) if token else None)


async def login(house: House, email: str = EMAIL, password: str = PASSWORD) -> httpx.Response:
    return await post(house, "login", {"email": email, "password": password})


async def refresh(house: House, token: str) -> httpx.Response:
    return await post(house, "refresh", {"refresh_token": token})


@pytest.fixture
async def tokens(house: House) -> dict[str, Any]:
    """The owner has registered."""
    answer = await post(house, "register", {"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


async def works(house: House, token: str) -> bool:
    return (await house.client.get("/api/v1/auth/me", headers=bearer(token))).status_code == 200


@pytest.mark.usefixtures("tokens")
async def test_who_knows_the_password_gets_a_session(house: House) -> None:
    for email in (EMAIL, " ADA@example.com"):
        answer = await login(house, email)
        assert answer.status_code == 200
        assert answer.json().keys() == {"user_id", "access_token", "refresh_token", "token_type", "expires_in"}
        assert await works(house, answer.json()["access_token"])


async def test_every_wrong_login_is_answered_alike(house: House, tokens: dict[str, Any]) -> None:
    await house.pool.execute(
        "INSERT INTO users (user_id, name, role, email, external_subject) VALUES (gen_random_uuid(), 'x', 'user', 'x@y.z', 'x')"
    )
    answers = [
        await login(house, password="wrong password"),
        await login(house, password=""),
        await login(house, "nobody@example.com"),
        await login(house, "x@y.z"),
    ]
    await house.pool.execute("UPDATE users SET is_disabled = true")
    answers.append(await login(house))
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    assert tokens["user_id"] not in answers[0].text


@pytest.mark.usefixtures("tokens")
async def test_an_unknown_address_costs_the_same_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str | None] = []
    real = Passwords.verify

    async def verify(self: Passwords, stored: str | None, password: str) -> bool:
        checked.append(stored)
        return await real(self, stored, password)

    monkeypatch.setattr(Passwords, "verify", verify)
    await login(house, "nobody@example.com")
    await login(house, password="wrong password")
    assert checked[0] is None
    assert checked[1] is not None


async def test_a_hash_of_other_costs_is_renewed(house: House, tokens: dict[str, Any]) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=32, parallelism=1).hash(PASSWORD)
    await house.pool.execute("UPDATE users SET password_hash = $1 WHERE user_id = $2", old, tokens["user_id"])
    assert (await login(house)).status_code == 200
    stored = await house.pool.fetchval("SELECT password_hash FROM users")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert (await login(house)).status_code == 200
    assert await house.pool.fetchval("SELECT password_hash FROM users") == stored


async def test_a_refresh_token_is_good_for_one_exchange(house: House, tokens: dict[str, Any]) -> None:
    token = tokens["refresh_token"]
    for _ in range(3):
        answer = await refresh(house, token)
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != token
        assert answer.json()["user_id"] == tokens["user_id"]
        assert await works(house, answer.json()["access_token"])
        token = answer.json()["refresh_token"]


async def test_a_second_use_ends_the_session_but_no_other(house: House, tokens: dict[str, Any]) -> None:
    other = (await login(house)).json()["refresh_token"]
    second = (await refresh(house, tokens["refresh_token"])).json()["refresh_token"]
    third = (await refresh(house, second)).json()["refresh_token"]
    stolen = await refresh(house, tokens["refresh_token"])
    assert (stolen.status_code, stolen.json()) == (401, (await refresh(house, "unknown")).json())
    for token in (second, third):
        assert (await refresh(house, token)).status_code == 401
    assert (await refresh(house, other)).status_code == 200


async def test_a_token_used_by_many_at_once_leaves_no_way_on(house: House, tokens: dict[str, Any]) -> None:
    """Whoever comes second ends what the first one got, also while that one goes on with it."""

    async def go_on() -> list[str]:
        got = [tokens["refresh_token"]]
        while len(got) < 50 and (answer := await refresh(house, got[-1])).status_code == 200:
            got.append(answer.json()["refresh_token"])
        return got

    got = [token for one in await asyncio.gather(*(go_on() for _ in range(4))) for token in one]
    assert len(got) < 50
    for token in got:
        assert (await refresh(house, token)).status_code == 401
    assert await house.pool.fetchval("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL AND used_at IS NULL") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE refresh_tokens SET expires_at = now() - interval '1 second'",
        "UPDATE refresh_tokens SET revoked_at = now()",
        "UPDATE users SET is_disabled = true",
    ],
)
async def test_a_session_that_is_over(house: House, tokens: dict[str, Any], change: str) -> None:
    await house.pool.execute(change)
    assert (await refresh(house, tokens["refresh_token"])).status_code == 401


async def test_logging_out_ends_the_session(house: House, tokens: dict[str, Any]) -> None:
    latest = (await refresh(house, tokens["refresh_token"])).json()["refresh_token"]
    for token in (tokens["refresh_token"], "unknown"):  # any token of the session will do, and none is told apart
        answer = await post(house, "logout", {"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await refresh(house, latest)).status_code == 401


async def test_tokens_are_stored_as_hashes_and_old_ones_deleted(house: House, tokens: dict[str, Any]) -> None:
    stored = await house.pool.fetchval("SELECT token_sha256 FROM refresh_tokens")
    assert len(stored) == 32
    assert tokens["refresh_token"].encode() not in stored
    await house.pool.execute("UPDATE refresh_tokens SET expires_at = now() - interval '1 day'")
    await login(house)
    assert await house.pool.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_a_new_password_ends_every_session(house: House, tokens: dict[str, Any]) -> None:
    other = (await login(house)).json()["refresh_token"]
    wrong = await post(house, "password", {"current_password": "wrong", "new_password": "another password"}, tokens["access_token"])
    assert wrong.status_code == 403
    body = {"current_password": PASSWORD, "new_password": "another password"}
    answer = await post(house, "password", body, tokens["access_token"])
    assert answer.status_code == 200
    for token in (tokens["refresh_token"], other):
        assert (await refresh(house, token)).status_code == 401
    assert (await refresh(house, answer.json()["refresh_token"])).status_code == 200
    assert (await login(house)).status_code == 401
    assert (await login(house, password="another password")).status_code == 200


async def test_without_a_password_there_is_none_to_change(house: House) -> None:
    answer = await post(house, "password", {"current_password": "x", "new_password": "another password"}, TOKEN)
    assert answer.status_code == 403
    assert "no password here" in answer.json()["detail"]


@pytest.mark.usefixtures("tokens")
async def test_guessing_one_users_password_is_stopped(house: House) -> None:
    now = 0.0
    house.api.state.people = quick_people(clock=lambda: now)
    for _ in range(people_module.GUESSES_PER_EMAIL):
        assert (await login(house, password="wrong password")).status_code == 401
    stopped = await login(house)  # the right one learns nothing either
    assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "300")
    assert (await login(house, "nobody@example.com")).status_code == 401
    now = people_module.GUESS_SECONDS
    assert (await login(house)).status_code == 200


@pytest.mark.usefixtures("tokens")
async def test_guesses_at_once_are_counted_each(house: House) -> None:
    answers = await asyncio.gather(*(login(house, password="wrong password") for _ in range(people_module.GUESSES_PER_EMAIL + 5)))
    assert sorted(answer.status_code for answer in answers) == [401] * people_module.GUESSES_PER_EMAIL + [429] * 5


@pytest.mark.usefixtures("tokens")
async def test_guessing_from_one_network_is_stopped(house: House) -> None:
    house.api.state.people = quick_people(by_network=Guesses(3, 60.0))

    async def attempt(address: str, number: int) -> int:
        transport = httpx.ASGITransport(house.api, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            body = {"email": f"user{number}@example.com", "password": "wrong password"}
            return (await client.post("/api/v1/auth/login", json=body)).status_code

    assert [await attempt("203.0.113.5", number) for number in range(4)] == [401, 401, 401, 429]
    assert await attempt("203.0.113.6", 4) == 401
    assert [await attempt("127.0.0.1", number) for number in range(5, 10)] == [401] * 5


@pytest.mark.usefixtures("tokens")
async def test_logging_in_often_is_no_guessing(house: House) -> None:
    for _ in range(people_module.GUESSES_PER_EMAIL + 2):
        assert (await login(house)).status_code == 200


@pytest.mark.usefixtures("tokens")
async def test_too_many_logins_at_once_are_told_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfill.accounts.passwords.MOST_WAITING", 0)
    answer = await login(house)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_an_access_token_is_over_after_fifteen_minutes(house: House, tokens: dict[str, Any]) -> None:
    own = house.api.state.people.recognition.own
    assert not await works(house, own.issue(house.owner, utc_now().replace(year=2020)))
    assert await works(house, tokens["access_token"])
