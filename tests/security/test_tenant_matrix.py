"""Every route × every kind of id × every role, made from the OpenAPI document: what is another's is exactly what is not there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from hookfill.postgres.tenancy import TENANT_TABLES
from support.house import CANDLES_KEY, TOKEN, House
from support.people import bearer
from support.routes import KINDS, NUMBERS, PUBLIC, TEXTS, Route, combinations, routes
from support.tenants import Tenant, furnish, make_tenant

TOLD_BY_TIME = ("last_used_at", "heartbeat_at")
"""Columns that looking at something may change."""
EVERYBODYS = ("/api/v1/auth/me", "/api/v1/candles", "/api/v1/quotes")
"""What a key that is only for candles may read."""
MISSING = str(UUID(int=0x019C9D2E7A317D439C553F0F6B1F2A10))
MISSING_NUMBER = str((1 << 63) - 1)


@pytest.fixture
async def alice(house: House) -> Tenant:
    return await make_tenant(house, "alice")


@pytest.fixture
async def bob(house: House) -> Tenant:
    return await make_tenant(house, "bob")


@pytest.fixture
async def owner(house: House) -> Tenant:
    return await furnish(house, "owner", TOKEN, "")


@pytest.fixture
async def all_routes(house: House) -> list[Route]:
    return routes((await house.client.get("/openapi.json")).json())


async def send(house: House, route: Route, headers: Mapping[str, str], ids: Mapping[Any, str]) -> httpx.Response:
    """One request of a route."""
    return await house.client.request(**route.request(ids), headers=headers)


def ids_of(chosen: Mapping[tuple[str, str], str], **people: Tenant) -> dict[tuple[str, str], str]:
    """Ids for slots whose kinds are people's names, ``missing`` or what stands there itself."""
    return {slot: people[kind].ids[slot[1]] if kind in people else missing(slot) for slot, kind in chosen.items()}


def missing(slot: tuple[str, str]) -> str:
    """An id that nothing has."""
    return MISSING_NUMBER if slot[1] in NUMBERS else MISSING


def own(route: Route, tenant: Tenant) -> dict[tuple[str, str], str]:
    """A person's own ids in all slots."""
    return {slot: tenant.ids[slot[1]] for slot in route.slots}


async def rows_of(house: House, tenant: Tenant) -> dict[str, list[str]]:
    """All that is stored of a person, but for what looking may change."""
    found = {}
    user_id = await house.pool.fetchval("SELECT user_id FROM accounts WHERE account_id = $1", UUID(tenant.ids["account_id"]))
    for table in sorted(TENANT_TABLES):
        columns = {
            row[0] for row in await house.pool.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass", table)
        }
        column = next(name for name in ("account_id", "user_id", "invited_by") if name in columns)
        whose = "SELECT account_id FROM accounts WHERE user_id = $1" if column == "account_id" else "SELECT $1::uuid"
        statement = f"SELECT to_jsonb({table}) - $2::text[] FROM {table} WHERE {column} IN ({whose}) ORDER BY 1"
        found[table] = [str(row[0]) for row in await house.pool.fetch(statement, user_id, list(TOLD_BY_TIME))]
    return found


async def test_every_parameter_is_known_and_every_route_covered(all_routes: list[Route]) -> None:
    assert {str(route): route.unknown for route in all_routes if route.unknown} == {}
    named = {name for route in all_routes for _, name in route.slots}
    assert named == KINDS  # a name that is gone covers nothing
    assert {(route.method, route.path) for route in all_routes} >= PUBLIC
    unguarded = [str(route) for route in all_routes if not route.security and not route.is_public and not route.is_door]
    assert unguarded == []
    for route in all_routes:
        in_path = {part.strip("{}") for part in route.path.split("/") if part.startswith("{")}
        assert in_path - {"webhook_secret"} == {name for place, name in route.slots if place == "path"}, route


@pytest.mark.parametrize("role", ["owner", "alice"])
async def test_what_is_anothers_is_what_is_not_there(
    house: House, all_routes: list[Route], alice: Tenant, bob: Tenant, owner: Tenant, role: str
) -> None:
    me = {"owner": owner, "alice": alice}[role]
    before = await rows_of(house, bob)
    wrong = []
    for route in all_routes:
        if route.is_public or route.is_door or route.is_agents:
            continue
        for chosen in combinations(route.slots, "own", "foreign", "missing"):
            if "foreign" not in chosen.values():
                continue
            if role == "owner" and ("path", "invitation_id") in chosen:
                continue  # all are the owner's own
            unknown = {slot: "missing" if kind == "foreign" else kind for slot, kind in chosen.items()}
            foreign = await send(house, route, bearer(me.token), ids_of(chosen, own=me, foreign=bob))
            missing = await send(house, route, bearer(me.token), ids_of(unknown, own=me, foreign=bob))
            expected = {"path": {404, 403 if "invitation_id" in route.path else 404}, "body": {404}, "query": {404, 200}}
            allowed = set.intersection(*(expected[place] for (place, _), kind in chosen.items() if kind != "own"))
            if (foreign.status_code, foreign.content) != (
                missing.status_code,
                missing.content,
            ) or foreign.status_code not in allowed:
                wrong.append((str(route), chosen, foreign.status_code, foreign.text, missing.status_code, missing.text))
    assert wrong == []
    assert await rows_of(house, bob) == before


async def test_what_is_ones_own_is_there(house: House, all_routes: list[Route], alice: Tenant, owner: Tenant) -> None:
    """Else the rest would prove nothing. Changing and deleting come last."""
    wrong = []
    for route in all_routes:
        if route.is_public or route.is_door:
            continue
        me = owner if "invitations" in route.path or str(route) == "POST /api/v1/feature-flags" else alice
        headers = me.agent if route.is_agents else bearer(me.token)
        answer = await send(house, route, headers, own(route, me))
        if str(answer.status_code) not in route.responses or answer.status_code in {401, 403, 404, 422}:
            wrong.append((str(route), answer.status_code, answer.text))
    # The example's password is not alice's.
    assert [each for each in wrong if each[0] != "POST /api/v1/auth/password"] == []


async def test_nobody_is_told_anything(house: House, all_routes: list[Route], alice: Tenant) -> None:
    """Without a token, with a wrong one, with one of another kind: 401, whatever the id, and always the same text."""
    person = [{}, bearer("x"), bearer(alice.refresh_token), bearer(alice.agent["X-Agent-Key"]), {"X-API-KEY": "hf_x"}, alice.agent]
    person += [{"Authorization": "Basic eDp4"}, {"X-API-KEY": CANDLES_KEY}]
    machine = [{}, bearer(alice.token), {"X-Agent-Id": alice.ids["agent_id"]}, {**alice.agent, "X-Agent-Key": "x"}]
    machine += [{**alice.agent, "X-Agent-Id": MISSING}, {"X-API-KEY": alice.read_key}]
    wrong, told = [], {True: set(), False: set()}
    for route in all_routes:
        if route.is_public:
            continue
        for headers in machine if route.is_agents else person:
            if route.is_door and headers == {"X-API-KEY": CANDLES_KEY}:
                continue
            for ids in (own(route, alice), {slot: missing(slot) for slot in route.slots}):
                answer = await send(house, route, headers, ids)
                if answer.status_code != 401:
                    wrong.append((str(route), headers, answer.status_code, answer.text))
                elif not route.is_door:
                    told[route.is_agents].add(answer.content)
    assert wrong == []
    assert {kind: len(texts) for kind, texts in told.items()} == {True: 1, False: 1}


async def test_malformed_ids_are_refused_before_anything_is_done(house: House, all_routes: list[Route], alice: Tenant) -> None:
    wrong = []
    for route in all_routes:
        if route.is_public or route.is_door:
            continue
        headers = alice.agent if route.is_agents else bearer(alice.token)
        for slot in route.slots:
            for malformed in ("x", "1", "%00", "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a1", "' OR true --", "\u0661" * 32):
                if (slot[1] in NUMBERS and malformed == "1") or (slot[1] in TEXTS and malformed != "%00"):
                    continue
                answer = await send(house, route, headers, own(route, alice) | {slot: malformed})
                allowed = {422, 401} if route.is_agents else {422, 403} if "invitation_id" in route.path else {422}
                if answer.status_code not in allowed:
                    wrong.append((str(route), slot, malformed, answer.status_code, answer.text))
    assert wrong == []


async def test_a_reading_key_changes_nothing(house: House, all_routes: list[Route], alice: Tenant) -> None:
    wanted = {"label": "pusher", "scopes": ["candles"]}
    pusher = (await house.client.post("/api/v1/api-keys", json=wanted, headers=bearer(TOKEN))).json()["key"]
    wrong = []
    before = await rows_of(house, alice)
    for route in all_routes:
        if route.is_public or route.is_door or route.is_agents or "invitations" in route.path or "api-keys" in route.path:
            continue
        answer = await send(house, route, {"X-API-KEY": alice.read_key}, own(route, alice))
        if answer.status_code != (403 if route.is_changing else 200):
            wrong.append((str(route), "read", answer.status_code, answer.text))
        if not route.is_changing and not route.path.startswith(EVERYBODYS):
            answer = await send(house, route, {"X-API-KEY": pusher}, own(route, alice))
            if answer.status_code != 403:
                wrong.append((str(route), "candles", answer.status_code, answer.text))
    assert wrong == []
    assert await rows_of(house, alice) == before


async def test_no_key_reaches_what_gives_access(house: House, all_routes: list[Route], alice: Tenant) -> None:
    headers = bearer(
        (
            await house.client.post(
                "/api/v1/api-keys", json={"label": "t", "scopes": ["trade", "read"]}, headers=bearer(alice.token)
            )
        ).json()["key"]
    )
    for route in all_routes:
        gives_access = "invitations" in route.path or "api-keys" in route.path or route.path == "/api/v1/auth/password"
        if gives_access and route.is_changing:
            assert (await send(house, route, headers, own(route, alice))).status_code == 403, route


async def test_agents_reach_their_own_only(house: House, all_routes: list[Route], alice: Tenant, bob: Tenant) -> None:
    before = await rows_of(house, bob)
    wrong = []
    for route in all_routes:
        if not route.is_agents:
            continue
        others = await send(house, route, alice.agent, own(route, bob))
        missing = await send(house, route, alice.agent, dict.fromkeys(route.slots, MISSING))
        if (others.status_code, others.content) != (401, missing.content):
            wrong.append((str(route), others.status_code, others.text, missing.text))
        if ("path", "job_id") in route.slots:
            mine = own(route, alice)
            theirs = await send(house, route, alice.agent, mine | {("path", "job_id"): bob.ids["job_id"]})
            nobodys = await send(house, route, alice.agent, mine | {("path", "job_id"): str(uuid4())})
            if (theirs.status_code, theirs.content) != (404, nobodys.content):
                wrong.append((str(route), theirs.status_code, theirs.text, nobodys.text))
    assert wrong == []
    assert await rows_of(house, bob) == before


async def test_lists_hold_ones_own_only(house: House, all_routes: list[Route], alice: Tenant, bob: Tenant) -> None:
    """No list, and no page of one, shows an id of somebody else's."""
    theirs = set(bob.ids.values()) - {bob.ids["invitation_id"]}
    for route in all_routes:
        if route.method == "GET" and not route.is_agents and not route.is_public and "invitations" not in route.path:
            answer = await send(
                house, route, bearer(alice.token), {slot: value for slot, value in own(route, alice).items() if slot[0] == "path"}
            )
            assert answer.status_code == 200, route
            assert [one for one in theirs if one in answer.text] == [], route
