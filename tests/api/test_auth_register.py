"""Registering: who may, what a new user gets, and that one becomes the owner."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.accounts.users import RegistrationRules
from hookfill.api.people_models import Tokens
from support.house import TOKEN, House
from support.people import OPEN, PASSWORD, bearer, quick_people

SETUP = "canary-setup-token-3f9a"


async def register(house: House, email: str = "ada@example.com", **more: Any) -> httpx.Response:
    return await house.client.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD, **more})


async def get(house: House, path: str, token: str) -> Any:
    answer = await house.client.get(path, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_first_user_becomes_the_owner_with_what_the_first_start_made(house: House) -> None:
    answer = await register(house, "  Ada@Example.COM ")
    assert answer.status_code == 201
    TypeAdapter(Tokens).validate_json(answer.content)
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert (found["user_id"], found["token_type"], found["expires_in"]) == (str(house.owner), "bearer", 900)
    me = await get(house, "/api/v1/auth/me", found["access_token"])
    assert (me["email"], me["role"], me["default_account_id"]) == ("ada@example.com", "owner", str(house.account_id))
    assert me["scopes"] == ["candles", "read", "trade"]
    assert await get(house, "/api/v1/auth/me", TOKEN) == me
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1


async def test_later_ones_need_an_invitation_and_are_told_so(house: House) -> None:
    assert (await register(house)).status_code == 201
    answer = await register(house, "bob@example.com")
    assert answer.status_code == 403
    assert "hookfill users invite" in answer.json()["detail"]
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1


async def test_with_an_invitation_one_person_gets_in(house: House) -> None:
    owner = (await register(house)).json()["access_token"]
    made = (await house.client.post("/api/v1/invitations", headers=bearer(owner), json={})).json()
    answer = await register(house, "bob@example.com", invitation=made["token"])
    assert answer.status_code == 201
    me = await get(house, "/api/v1/auth/me", answer.json()["access_token"])
    assert (me["email"], me["role"]) == ("bob@example.com", "user")
    again = await register(house, "eve@example.com", invitation=made["token"])
    assert again.status_code == 403
    assert "new one" in again.json()["detail"]
    [listed] = await get(house, "/api/v1/invitations", owner)
    assert listed["accepted_at"] is not None
    assert await house.pool.fetchval("SELECT accepted_by::text FROM invitations") == me["user_id"]


async def test_an_invitation_that_was_accepted_by_two_at_once_lets_one_in(house: House) -> None:
    owner = (await register(house)).json()["access_token"]
    token = (await house.client.post("/api/v1/invitations", headers=bearer(owner), json={})).json()["token"]
    answers = await asyncio.gather(*(register(house, f"bob{number}@example.com", invitation=token) for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403]
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 2


@pytest.mark.parametrize("state", ["for another", "over", "revoked", "unknown"])
async def test_an_invitation_that_cant_be_used(house: House, state: str) -> None:
    owner = bearer((await register(house)).json()["access_token"])
    wanted = {"email": "bob@example.com" if state != "for another" else "eve@example.com"}
    made = (await house.client.post("/api/v1/invitations", headers=owner, json=wanted)).json()
    if state == "over":
        await house.pool.execute("UPDATE invitations SET expires_at = now() - interval '1 second'")
    if state == "revoked":
        path = f"/api/v1/invitations/{made['invitation_id']}"
        assert (await house.client.delete(path, headers=owner)).status_code == 204
        assert (await house.client.delete(path, headers=owner)).status_code == 404
    token = made["token"] if state != "unknown" else "unknown"
    assert (await register(house, "bob@example.com", invitation=token)).status_code == 403


async def test_an_invited_user_never_becomes_the_owner(house: House) -> None:
    made = (await house.client.post("/api/v1/invitations", headers=bearer(TOKEN), json={})).json()
    answer = await register(house, "bob@example.com", invitation=made["token"])
    assert answer.json()["user_id"] != str(house.owner)
    assert (await register(house)).json()["user_id"] == str(house.owner)


async def test_open_registration_makes_users_with_all_that_they_need(house: House) -> None:
    house.api.state.people = quick_people(rules=OPEN)
    assert (await register(house)).json()["user_id"] == str(house.owner)
    made = (await register(house, "bob@example.com")).json()
    me = await get(house, "/api/v1/auth/me", made["access_token"])
    assert me["role"] == "user"
    [account] = await get(house, "/api/v1/accounts", made["access_token"])
    assert (account["id"], account["cash"], account["currency"]) == (me["default_account_id"], 100_000, "USD")
    assert (account["is_default"], account["kind"]) == (True, "paper")
    settings = await house.pool.fetch("SELECT user_id::text FROM user_settings")
    assert {row["user_id"] for row in settings} == {made["user_id"], str(house.owner)}
    for path in ("/api/v1/signals", "/api/v1/orders", "/api/v1/positions"):
        assert await get(house, path, made["access_token"]) == []


async def test_a_taken_address_is_refused_in_any_case_of_letters(house: House) -> None:
    house.api.state.people = quick_people(rules=OPEN)
    await register(house)
    answer = await register(house, "ADA@example.com")
    assert answer.status_code == 409
    assert "log in" in answer.json()["detail"]
    made = await asyncio.gather(*(register(house, "bob@example.com") for _ in range(4)))
    assert sorted(answer.status_code for answer in made) == [201, 409, 409, 409]
    assert await house.pool.fetchval("SELECT count(*) FROM accounts") == 2


async def test_two_first_registrations_at_once_make_one_owner(house: House) -> None:
    answers = await asyncio.gather(*(register(house, f"first{number}@example.com") for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403, 403]
    [winner] = [answer.json()["user_id"] for answer in answers if answer.status_code == 201]
    assert winner == str(house.owner)
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1


async def test_in_production_the_first_one_brings_the_setup_token(house: House) -> None:
    forgotten: list[bool] = []
    rules = RegistrationRules(is_open=True, needs_setup=True, setup_token=SETUP)
    house.api.state.people = quick_people(rules=rules, on_owner=lambda: forgotten.append(True))
    for wrong in ({}, {"setup_token": "wrong"}, {"setup_token": SETUP[:-1]}, {"setup_token": None}):
        answer = await register(house, **wrong)
        assert answer.status_code == 403
        assert "setup token" in answer.json()["detail"]
        assert SETUP not in answer.text
    assert forgotten == []
    assert (await register(house, setup_token=SETUP)).json()["user_id"] == str(house.owner)
    assert forgotten == [True]
    again = await register(house, "bob@example.com", setup_token=SETUP)
    assert again.json()["user_id"] != str(house.owner)
    assert forgotten == [True]


async def test_without_a_setup_token_in_production_nobody_is_first(house: House) -> None:
    house.api.state.people = quick_people(rules=RegistrationRules(needs_setup=True))
    for given in ({}, {"setup_token": "None"}):
        assert (await register(house, **given)).status_code == 403


GOOD = {"email": "ada@example.com", "password": PASSWORD}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**GOOD, "email": "ada"}, "email"),
        ({**GOOD, "email": "ada@"}, "email"),
        ({**GOOD, "email": "ada @example.com"}, "email"),
        ({**GOOD, "email": "a@b@c"}, "email"),
        ({**GOOD, "email": "ada@example.com\u0000"}, "body"),
        ({**GOOD, "email": "\u0130@example.com"}, "email"),
        ({**GOOD, "email": f"{'a' * 65}@example.com"}, "email"),
        ({**GOOD, "email": f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 60}.com"}, "email"),
        ({**GOOD, "email": "a" * 100_000}, "email"),
        ({**GOOD, "email": 7}, "email"),
        ({**GOOD, "password": "short"}, "password"),
        ({**GOOD, "password": "x" * 257}, "password"),
        ({**GOOD, "password": None}, "password"),
        ({**GOOD, "password": 12345678}, "password"),
        ({**GOOD, "invitation": ""}, "invitation"),
        ({**GOOD, "invitation": "x" * 513}, "invitation"),
        ({**GOOD, "role": "owner"}, "role"),
        ({"email": "ada@example.com"}, "password"),
        ({}, "email"),
    ],
)
async def test_a_field_that_cant_be_used_is_named(house: House, body: dict[str, Any], field: str) -> None:
    answer = await house.client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    assert field in [fault["loc"][-1] for fault in answer.json()["detail"]]
    assert PASSWORD not in answer.text
    assert await house.pool.fetchval("SELECT count(*) FROM users WHERE email IS NOT NULL") == 0


@pytest.mark.parametrize("password", ["pass\u0000word", "p\u00e4ssw\u00f6rd", "\U0001f511" * 8, " " * 8, "x" * 256])
async def test_any_text_may_be_a_password(house: House, password: str) -> None:
    body = {"email": "ada@example.com", "password": password}
    registered = await house.client.post("/api/v1/auth/register", json=body)
    if registered.status_code == 422:  # bodies hold no NUL, nowhere
        assert "\u0000" in password
        return
    assert (await house.client.post("/api/v1/auth/login", json=body)).status_code == 200


async def test_a_lone_surrogate_is_no_text(house: House) -> None:
    body = b'{"email": "ada@example.com", "password": "\\ud800aaaaaaaa"}'
    assert (await house.client.post("/api/v1/auth/register", content=body)).status_code == 422
