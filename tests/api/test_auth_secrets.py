"""No secret of a person's in any answer but the one that gives it, nor in the log, nor readable by the person's own role."""

from typing import Any

import asyncpg
import pytest
import structlog

from hookfill.kernel.ids import NIL
from hookfill.postgres.tenancy import as_user
from support.house import TOKEN, House
from support.people import JWT_SECRET, PASSWORD, bearer


async def test_no_secret_in_later_answers_or_the_log(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as logged:
        body = {"email": "ada@example.com", "password": PASSWORD}
        tokens = (await house.client.post("/api/v1/auth/register", json=body)).json()
        owner = bearer(tokens["access_token"])
        key = (await house.client.post("/api/v1/api-keys", json={"label": "x", "scopes": ["read"]}, headers=owner)).json()["key"]
        invitation = (await house.client.post("/api/v1/invitations", json={}, headers=owner)).json()["token"]
        [password_hash] = [row[0] for row in await house.pool.fetch("SELECT password_hash FROM users")]
        secrets = (
            PASSWORD, JWT_SECRET, TOKEN, password_hash, tokens["access_token"], tokens["refresh_token"], key, invitation,
            "$argon2id",
        )  # fmt: skip
        answers = [
            await house.client.get(path, headers=owner)
            for path in (
                "/api/v1/auth/me",
                "/api/v1/api-keys",
                "/api/v1/invitations",
                "/openapi.json",
                "/health",
                "/api/v1/accounts",
            )
        ]
        wrong: list[tuple[str, Any]] = [
            ("register", {"email": "ada", "password": PASSWORD, "invitation": invitation}),
            ("register", {"email": "bob@example.com", "password": PASSWORD, "invitation": key}),
            ("register", {"email": "ada@example.com", "password": PASSWORD, "setup_token": invitation}),
            ("register", {"email": PASSWORD, "password": [PASSWORD], "invitation": {"x": TOKEN}}),
            *((name, {"refresh_token": [key], "x": PASSWORD}) for name in ("refresh", "logout", "password")),
        ]
        answers += [await house.client.post(f"/api/v1/auth/{name}", json=body, headers=owner) for name, body in wrong]
        answers.append(await house.client.post("/api/v1/auth/login", content=f'{{"password": "{PASSWORD}"'))
        answers.append(await house.client.get(f"/api/v1/api-keys/{key}", headers=bearer(key)))
    assert len(answers) == 15
    texts = [*(answer.text for answer in answers), str(logged), *capfd.readouterr()]
    for secret in secrets:
        for text in texts:
            assert secret not in text, secret
        assert secret not in repr(house.api.state.people)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password_hash FROM users",
        "SELECT token_sha256 FROM users",
        "SELECT * FROM users",
        "SELECT key_sha256 FROM api_keys",
        "SELECT token_sha256 FROM invitations",
        "SELECT * FROM refresh_tokens",
        "UPDATE users SET role = 'owner'",
        "UPDATE users SET password_hash = 'x'",
        "UPDATE api_keys SET scopes = '{read,trade,candles}'",
        "UPDATE api_keys SET user_id = gen_random_uuid()",
        "INSERT INTO refresh_tokens VALUES ('x', gen_random_uuid(), gen_random_uuid(), now(), now())",
        "DELETE FROM users",
    ],
)
async def test_a_persons_role_reaches_no_hash_and_no_right(house: House, statement: str) -> None:
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with as_user(connection, other):
                await connection.execute(statement)


async def test_a_person_makes_no_key_or_invitation_for_another(house: House) -> None:
    other = await house.new_user()
    for statement in (
        (
            "INSERT INTO api_keys (key_id, user_id, label, prefix, key_sha256, scopes)"
            " VALUES (gen_random_uuid(), $1, '', '', '', '{read}')"
        ),
        "INSERT INTO invitations (invitation_id, token_sha256, invited_by, expires_at) VALUES (gen_random_uuid(), '', $1, now())",
    ):
        async with house.pool.acquire() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with as_user(connection, other):
                    await connection.execute(statement, house.owner)


async def test_halts_for_all_accounts_are_everybodys_to_see_and_the_owners_to_lift(house: House) -> None:
    other = await house.new_user("canary-other-token-5e02f7a4c9")
    await house.pool.execute(
        "INSERT INTO halts (account_id, halt_id, scope, reduce_only, reason) VALUES ($1, $1, 'global', true, 'news')",
        NIL,
    )
    for token in (TOKEN, "canary-other-token-5e02f7a4c9"):
        answer = await house.client.get("/api/v1/account", headers=bearer(token))
        assert [halt["reason"] for halt in answer.json()["halts"]] == ["news"]
    for user_id, lifted in ((other, "UPDATE 0"), (house.owner, "UPDATE 1")):
        async with house.pool.acquire() as connection, as_user(connection, user_id):
            assert await connection.execute("UPDATE halts SET lifted_at = now()") == lifted
