"""Feature flags over HTTP: everybody sees them, the owner switches them, and who did it when is kept."""

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.accounts.flags import set_flag
from hookfill.api.flag_models import FeatureFlag, FlagName
from hookfill.engines.flags import FLAGS
from support.house import TOKEN, House
from support.people import bearer

OTHER = "canary-other-token-5e02f7a4c9"
PATH = "/api/v1/feature-flags"


async def flags(house: House, token: str = TOKEN) -> dict[str, dict[str, Any]]:
    answer = await house.client.get(PATH, headers=bearer(token))
    assert answer.status_code == 200
    TypeAdapter(list[FeatureFlag]).validate_json(answer.content)
    return {flag["name"]: flag for flag in answer.json()}


async def switch(house: House, name: object, is_enabled: object, token: str = TOKEN) -> httpx.Response:
    return await house.client.post(PATH, json={"name": name, "is_enabled": is_enabled}, headers=bearer(token))


def test_the_document_names_every_flag() -> None:
    assert [name.value for name in FlagName] == list(FLAGS)


async def test_all_are_off_until_the_owner_switches_them(house: House) -> None:
    before = await flags(house)
    assert list(before) == list(FLAGS)
    for name, flag in before.items():
        assert flag == {
            "name": name,
            "is_enabled": False,
            "description": FLAGS[name],
            "changed_by": None,
            "changed_at": None,
        }
    answer = await switch(house, "enable_variant_b", True)
    assert answer.status_code == 200
    TypeAdapter(FeatureFlag).validate_json(answer.content)
    changed = answer.json()
    assert (changed["is_enabled"], changed["changed_by"]) == (True, str(house.owner))
    assert changed["changed_at"] is not None
    assert await flags(house) == before | {"enable_variant_b": changed}


async def test_what_stays_as_it_is_keeps_who_set_it_so(house: House) -> None:
    async with house.pool.acquire() as connection:
        first = await set_flag(connection, "enable_ttm_specialist", None, is_enabled=True)
    again = (await switch(house, "enable_ttm_specialist", True)).json()
    assert (again["changed_by"], again["changed_at"]) == (None, first.changed_at.isoformat().replace("+00:00", "Z"))
    off = (await switch(house, "enable_ttm_specialist", False)).json()
    assert (off["is_enabled"], off["changed_by"]) == (False, str(house.owner))
    assert off["changed_at"] > again["changed_at"]


async def test_others_see_them_and_can_t_switch_them(house: House) -> None:
    await house.new_user(OTHER)
    refused = await switch(house, "enable_variant_b", True, OTHER)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Only the owner of this installation can do this: ask the owner.",
    )
    assert not (await flags(house, OTHER))["enable_variant_b"]["is_enabled"]
    await switch(house, "enable_variant_b", True)
    assert (await flags(house, OTHER))["enable_variant_b"]["is_enabled"]
    assert (await house.client.get(PATH)).status_code == 401
    assert (await house.client.post(PATH, json={"name": "enable_variant_b", "is_enabled": False})).status_code == 401


async def test_no_program_switches_them(house: House) -> None:
    body = {"label": "all", "scopes": ["read", "trade"]}
    made = await house.client.post("/api/v1/api-keys", json=body, headers=bearer(TOKEN))
    key = made.json()["key"]
    assert (await switch(house, "enable_variant_b", True, key)).status_code == 403
    assert not (await flags(house, key))["enable_variant_b"]["is_enabled"]


@pytest.mark.parametrize(
    ("name", "is_enabled"),
    [
        ("enable_everything", True),
        ("", True),
        (None, True),
        ("enable_variant_b", "true"),
        ("enable_variant_b", 1),
        ("enable_variant_b", None),
        ("enable_variant_b\x00", True),
    ],
)
async def test_what_is_no_flag_is_refused(house: House, name: object, is_enabled: object) -> None:
    answer = await switch(house, name, is_enabled)
    assert answer.status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM feature_flags") == 0


async def test_a_body_with_more_in_it_is_refused(house: House) -> None:
    body = {"name": "enable_variant_b", "is_enabled": True, "for": "me"}
    assert (await house.client.post(PATH, json=body, headers=bearer(TOKEN))).status_code == 422
