"""API keys: shown once, what each scope opens, and what no program may do; and who may invite."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.accounts import api_keys
from hookfill.api.people_models import ApiKey, Invitation, NewApiKey, NewInvitation
from support.house import TOKEN, House
from support.people import bearer, claims_of, sign

OTHER = "canary-other-token-5e02f7a4c9"


async def make(house: House, *scopes: str, token: str = TOKEN, label: str = "Research") -> httpx.Response:
    body = {"label": label, "scopes": list(scopes)}
    return await house.client.post("/api/v1/api-keys", json=body, headers=bearer(token))


async def key_of(house: House, *scopes: str, token: str = TOKEN) -> str:
    answer = await make(house, *scopes, token=token)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


async def listed(house: House, token: str = TOKEN) -> list[dict[str, Any]]:
    answer = await house.client.get("/api/v1/api-keys", headers=bearer(token))
    TypeAdapter(list[ApiKey]).validate_json(answer.content)
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_key_is_shown_once_and_stored_as_its_hash(house: House) -> None:
    answer = await make(house, "trade", "read", "read", label="  Research ")
    TypeAdapter(NewApiKey).validate_json(answer.content)
    made = answer.json()
    key = made.pop("key")
    assert key.startswith("hf_")
    assert (made["prefix"], made["label"], made["scopes"]) == (key[:11], "Research", ["read", "trade"])
    assert await listed(house) == [made]
    row = await house.pool.fetchrow("SELECT * FROM api_keys")
    assert row["key_sha256"] == hashlib.sha256(key.encode()).digest()
    assert key not in str(dict(row))


async def test_a_key_is_taken_in_both_headers(house: House) -> None:
    key = await key_of(house, "read")
    for headers in (bearer(key), {"X-API-KEY": key}):
        answer = await house.client.get("/api/v1/auth/me", headers=headers)
        assert (answer.status_code, answer.json()["scopes"]) == (200, ["read"])
    assert (await listed(house))[0]["last_used_at"] is not None


@pytest.mark.parametrize("shown", [TOKEN, sign(claims_of("00000000-0000-0000-0000-000000000000")), "hf_x", "", "\u00ff"])
async def test_only_keys_are_taken_in_their_own_header(house: House, shown: str) -> None:
    answer = await house.client.get("/api/v1/auth/me", headers={"X-API-KEY": shown.encode("latin-1")})
    assert answer.status_code == 401


async def test_a_wrong_token_is_not_mended_by_a_right_key(house: House) -> None:
    key = await key_of(house, "read")
    answer = await house.client.get("/api/v1/auth/me", headers={**bearer("wrong"), "X-API-KEY": key})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("scopes", "may_read"), [(["read"], True), (["trade"], True), (["candles"], False), (["candles", "read"], True)]
)
async def test_reading_needs_read_or_trade(house: House, scopes: list[str], may_read: bool) -> None:
    key = await key_of(house, *scopes)
    for path in ("/api/v1/signals", "/api/v1/accounts", "/api/v1/auth/me", "/api/v1/api-keys"):
        answer = await house.client.get(path, headers=bearer(key))
        assert answer.status_code == (200 if may_read else 403), path
        assert may_read or "scope read" in answer.json()["detail"]


async def test_changing_needs_trade(house: House) -> None:
    changing = "/api/v1/agents/00000000-0000-0000-0000-000000000000"
    for scopes, status in ((["read"], 403), (["trade"], 404), (["read", "trade"], 404)):
        answer = await house.client.delete(changing, headers=bearer(await key_of(house, *scopes)))
        assert answer.status_code == status
        assert status == 404 or "scope trade" in answer.json()["detail"]


async def test_no_program_manages_access(house: House) -> None:
    key = await key_of(house, "read", "trade", "candles")
    [made] = await listed(house)
    for method, path, body in [
        ("POST", "/api/v1/api-keys", {"label": "x", "scopes": ["read"]}),
        ("DELETE", f"/api/v1/api-keys/{made['key_id']}", None),
        ("POST", "/api/v1/auth/password", {"current_password": "x", "new_password": "another password"}),
        ("POST", "/api/v1/invitations", {}),
        ("GET", "/api/v1/invitations", None),
    ]:
        answer = await house.client.request(method, path, json=body, headers=bearer(key))
        assert answer.status_code == 403, path
        assert "log in" in answer.json()["detail"]


async def test_only_the_owner_may_let_programs_push_candles(house: House) -> None:
    await house.new_user(OTHER)
    answer = await make(house, "candles", token=OTHER)
    assert answer.status_code == 403
    assert (await make(house, "read", token=OTHER)).status_code == 201


async def test_a_revoked_key_stops_working(house: House) -> None:
    key = await key_of(house, "read")
    [made] = await listed(house)
    path = f"/api/v1/api-keys/{made['key_id']}"
    assert (await house.client.delete(path, headers=bearer(TOKEN))).status_code == 204
    assert (await house.client.delete(path, headers=bearer(TOKEN))).status_code == 404
    assert (await house.client.get("/api/v1/auth/me", headers=bearer(key))).status_code == 401
    assert (await listed(house))[0]["revoked_at"] is not None


async def test_the_keys_of_others_do_not_exist(house: House) -> None:
    await house.new_user(OTHER)
    await key_of(house, "read")
    [made] = await listed(house)
    assert await listed(house, OTHER) == []
    foreign = await house.client.delete(f"/api/v1/api-keys/{made['key_id']}", headers=bearer(OTHER))
    unknown = await house.client.delete("/api/v1/api-keys/00000000-0000-0000-0000-000000000000", headers=bearer(OTHER))
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert unknown.status_code == 404
    assert (await listed(house)) == [made]


async def test_a_keys_use_is_noted_once_a_minute(house: House) -> None:
    key = await key_of(house, "read")
    me = "/api/v1/auth/me"
    await asyncio.gather(*(house.client.get(me, headers=bearer(key)) for _ in range(4)))
    first = await house.pool.fetchval("SELECT last_used_at FROM api_keys")
    await house.client.get(me, headers=bearer(key))
    assert await house.pool.fetchval("SELECT last_used_at FROM api_keys") == first
    await house.pool.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    await house.client.get(me, headers=bearer(key))
    assert await house.pool.fetchval("SELECT last_used_at FROM api_keys") > first


async def test_a_user_has_so_many_keys_and_pages_of_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 3)
    for _ in range(3):
        await key_of(house, "read")
    answer = await make(house, "read")
    assert answer.status_code == 409
    assert "revoke one" in answer.json()["detail"]
    keys = await listed(house)
    page = await house.client.get("/api/v1/api-keys", params={"limit": 1, "offset": 1}, headers=bearer(TOKEN))
    assert page.json() == keys[1:2]
    await house.client.delete(f"/api/v1/api-keys/{keys[0]['key_id']}", headers=bearer(TOKEN))
    assert (await make(house, "read")).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["read"]}, "label"),
        ({"label": " ", "scopes": ["read"]}, "label"),
        ({"label": "x" * 101, "scopes": ["read"]}, "label"),
        ({"label": "a\u001b[2Jb", "scopes": ["read"]}, "label"),
        ({"label": "x", "scopes": []}, "scopes"),
        ({"label": "x", "scopes": ["admin"]}, 0),
        ({"label": "x", "scopes": ["read"] * 11}, "scopes"),
        ({"label": "x", "scopes": ["read"], "user_id": "x"}, "user_id"),
    ],
)
async def test_a_key_that_makes_no_sense(house: House, body: dict[str, Any], field: str | int) -> None:
    answer = await house.client.post("/api/v1/api-keys", json=body, headers=bearer(TOKEN))
    assert answer.status_code == 422
    assert [fault["loc"][-1] for fault in answer.json()["detail"]] == [field]


async def test_only_the_owner_invites(house: House) -> None:
    await house.new_user(OTHER)
    answer = await house.client.post("/api/v1/invitations", json={"email": "Bob@Example.com"}, headers=bearer(TOKEN))
    TypeAdapter(NewInvitation).validate_json(answer.content)
    made = answer.json()
    assert (answer.status_code, made["email"]) == (201, "bob@example.com")
    shown = await house.client.get("/api/v1/invitations", headers=bearer(TOKEN))
    TypeAdapter(list[Invitation]).validate_json(shown.content)
    assert made.pop("token") not in shown.text
    assert shown.json() == [made]
    for method, path in (
        ("POST", "/api/v1/invitations"),
        ("GET", "/api/v1/invitations"),
        ("DELETE", f"/api/v1/invitations/{made['invitation_id']}"),
    ):
        refused = await house.client.request(method, path, json={} if method == "POST" else None, headers=bearer(OTHER))
        assert refused.status_code == 403, path
        assert "owner" in refused.json()["detail"]
