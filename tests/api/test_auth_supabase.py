"""Access tokens of a Supabase project: by its secret or its keys, and which people become users."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from hookfill.accounts.foreign_tokens import ForeignTokens
from hookfill.accounts.key_sets import KeySet
from support.house import House
from support.people import SUBJECT, SUPABASE_SECRET, bearer, foreign_claims, people_with, sign

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65537, 2048)
ISSUER = "https://id.supabase.co/auth/v1"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    entries = [
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256", "use": "sig"},
        {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec", "alg": "ES256", "use": "sig"},
        {"kty": "oct", "kid": "oct", "k": base64url_encode(b"k" * 32).decode()},
    ]
    path.write_text(json.dumps({"keys": entries}), encoding="utf-8")
    return path


async def me(house: House, token: str) -> tuple[int, Any]:
    answer = await house.client.get("/api/v1/auth/me", headers=bearer(token))
    return answer.status_code, answer.json()


async def test_a_person_seen_for_the_first_time_becomes_a_user(house: House) -> None:
    house.api.state.people = people_with(ForeignTokens(secret=SUPABASE_SECRET, issuer=ISSUER, may_create_users=True))
    token = sign(foreign_claims(), SUPABASE_SECRET)
    found = await asyncio.gather(*(me(house, token) for _ in range(6)))
    assert [status for status, _ in found] == [200] * 6
    status, body = await me(house, token)
    assert (status, body["user_id"], body["role"], body["name"]) == (200, SUBJECT, "user", "ada@elsewhere.example")
    assert body["email"] is None  # nobody is found by an address that a foreign issuer gives
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 2
    assert await house.pool.fetchval("SELECT count(*) FROM accounts WHERE user_id = $1 AND is_default", body["user_id"]) == 1
    assert await house.pool.fetchval("SELECT count(*) FROM user_settings WHERE user_id = $1", body["user_id"]) == 1
    assert (await house.client.get("/api/v1/accounts", headers=bearer(token))).json()[0]["cash"] == 100_000


async def test_by_default_only_known_people_are_let_in(house: House) -> None:
    house.api.state.people = people_with(ForeignTokens(secret=SUPABASE_SECRET))
    token = sign(foreign_claims(sub="somebody"), SUPABASE_SECRET)
    assert (await me(house, token))[0] == 401
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1
    await house.pool.execute("UPDATE users SET external_subject = 'somebody'")
    assert (await me(house, token))[1]["user_id"] == str(house.owner)
    await house.pool.execute("UPDATE users SET is_disabled = true")
    assert (await me(house, token))[0] == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "anon"}, {"aud": None}, {"aud": ["authenticated", "other"]}, {"iss": "https://evil.example"}, {"iss": None},
        {"sub": ""}, {"exp": None}, {"exp": 1}, {"iat": None}, {"role": "service_role"}, {"role": "anon"},
        {"role": None, "is_anonymous": True},
        {"is_anonymous": True}, {"sub": "x" * 300}, {"sub": "a\u0000b"}, {"sub": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_no_persons_token(house: House, changes: dict[str, Any]) -> None:
    house.api.state.people = people_with(ForeignTokens(secret=SUPABASE_SECRET, issuer=ISSUER, may_create_users=True))
    assert (await me(house, sign(foreign_claims(**changes), SUPABASE_SECRET)))[0] == 401
    assert await house.pool.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.parametrize("email", ["x" * 300, "a\nb", "", 7, None])
async def test_a_name_that_cant_be_used_is_left_out(house: House, email: Any) -> None:
    house.api.state.people = people_with(ForeignTokens(secret=SUPABASE_SECRET, may_create_users=True))
    assert (await me(house, sign(foreign_claims(email=email), SUPABASE_SECRET)))[1]["name"] == SUBJECT


async def test_public_keys_each_with_its_one_algorithm(house: House, keys: Path) -> None:
    house.api.state.people = people_with(ForeignTokens(keys=KeySet(str(keys)), may_create_users=True))
    for key, algorithm, kid in ((RSA, "RS256", "rsa"), (EC, "ES256", "ec")):
        assert (await me(house, sign(foreign_claims(), key, algorithm, kid=kid)))[0] == 200
    refused = [
        (RSA, "RS256", "ec"), (EC, "ES256", "rsa"), (OTHER, "RS256", "rsa"), (RSA, "RS384", "rsa"), (RSA, "PS256", "rsa"),
        (RSA, "RS256", "unknown"), (RSA, "RS256", "../rsa"), (SUPABASE_SECRET, "HS256", "rsa"), ("k" * 32, "HS256", "oct"),
    ]  # fmt: skip
    for key, algorithm, kid in refused:
        assert (await me(house, sign(foreign_claims(), key, algorithm, kid=kid)))[0] == 401, (algorithm, kid)
    assert (await me(house, sign(foreign_claims(), RSA, "RS256")))[0] == 401  # names no key


async def test_a_public_key_signs_nothing(house: House, keys: Path) -> None:
    house.api.state.people = people_with(ForeignTokens(keys=KeySet(str(keys)), may_create_users=True))
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good = sign(foreign_claims(), RSA, "RS256", kid="rsa").split(".")
    header = base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}).encode()).decode()
    signature = hmac.new(pem, f"{header}.{good[1]}".encode(), hashlib.sha256).digest()
    assert (await me(house, f"{header}.{good[1]}.{base64url_encode(signature).decode()}"))[0] == 401
    nothing = base64url_encode(json.dumps({"alg": "none", "kid": "rsa"}).encode()).decode()
    assert (await me(house, f"{nothing}.{good[1]}."))[0] == 401


async def test_keys_that_cant_be_read_are_no_verdict_on_the_token(house: House, tmp_path: Path) -> None:
    house.api.state.people = people_with(ForeignTokens(keys=KeySet(str(tmp_path / "none.json"))))
    status, body = await me(house, sign(foreign_claims(), RSA, "RS256", kid="rsa"))
    assert status == 503
    assert "try again" in body["detail"]
    assert (await me(house, "hf_garbage"))[0] == 401
    assert (await me(house, sign(foreign_claims(), "x" * 32)))[0] == 401
