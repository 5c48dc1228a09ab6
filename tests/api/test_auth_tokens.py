"""The matrix of access tokens: ours is let in, and everything that only looks like it gets the same 401."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.utils import base64url_encode

from hookfill.accounts.callers import Recognition
from hookfill.accounts.foreign_tokens import ForeignTokens
from hookfill.accounts.tokens import AccessTokens
from hookfill.api.auth import REFUSED
from hookfill.kernel.clock import utc_now
from support.house import TOKEN, House
from support.people import JWT_SECRET, SUPABASE_SECRET, bearer, claims_of, foreign_claims, people_with, quick_people, sign

NOW = utc_now()
RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


async def me(house: House, token: str) -> int:
    answer = await house.client.get("/api/v1/auth/me", headers=bearer(token))
    if answer.status_code == 401:
        assert answer.json() == {"detail": REFUSED}
        assert answer.headers["www-authenticate"] == 'Bearer realm="hookfill"'
        changing = await house.client.post("/api/v1/api-keys", headers=bearer(token), json={"label": "x", "scopes": ["read"]})
        assert (changing.status_code, changing.content) == (401, answer.content)
    return answer.status_code


def raw(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, signature: bytes = b"") -> str:
    """A token put together by hand."""
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return b".".join(base64url_encode(part) for part in (*texts, signature)).decode()


def plain(subject: object, **changes: Any) -> dict[str, Any]:
    """The claims as they stand in JSON."""
    return {
        name: int(value.timestamp()) if hasattr(value, "timestamp") else value
        for name, value in claims_of(subject, **changes).items()
    }


async def test_a_good_token_is_let_in(house: House) -> None:
    assert await me(house, sign(claims_of(house.owner))) == 200
    assert await me(house, house.api.state.people.recognition.own.issue(house.owner, utc_now())) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -timedelta(minutes=1)},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"nbf": timedelta(minutes=2)},
        {"iat": timedelta(minutes=2)},
        {"iat": None},
        {"aud": "authenticated"},
        {"aud": ["hookfill"]},
        {"aud": ["hookfill", "authenticated"]},
        {"aud": None},
        {"iss": "https://id.supabase.co/auth/v1"},
        {"iss": ["hookfill"]},
        {"iss": None},
        {"type": "refresh"},
        {"type": ["access"]},
        {"type": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "owner"},
        {"sub": "00000000-0000-0000-0000-000000000000"},
        {"sub": "' OR role = 'owner"},
        {"sub": 7},
    ],
    ids=str,
)
async def test_a_claim_that_is_not_right(house: House, changes: dict[str, Any]) -> None:
    changes = {name: utc_now() + value if isinstance(value, timedelta) else value for name, value in changes.items()}
    assert await me(house, raw(*_signed({"alg": "HS256", "typ": "JWT"}, plain(house.owner, **changes), JWT_SECRET))) == 401


@pytest.mark.parametrize("form", ["{{{0}}}", "urn:uuid:{0}", " {0}", "{0}\n"])
async def test_a_user_has_one_subject_only(house: House, form: str) -> None:
    for owner in (str(house.owner), str(house.owner).upper(), house.owner.hex):
        assert await me(house, sign(claims_of(form.format(owner)))) == 401
    assert await me(house, sign(claims_of(house.owner.hex))) == 401


def _signed(header: dict[str, Any], payload: dict[str, Any], key: str) -> tuple[bytes, bytes, bytes]:
    """By hand: the library would refuse to make some of these."""
    parts = json.dumps(header).encode(), json.dumps(payload).encode()
    algorithm = jwt.get_algorithm_by_name("HS256")
    return *parts, algorithm.sign(b".".join(base64url_encode(part) for part in parts), algorithm.prepare_key(key))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", None, 7, ["HS256"]]
)
@pytest.mark.parametrize("signature", [b"", b"x", "right"])
async def test_the_token_does_not_choose_the_algorithm(house: House, algorithm: Any, signature: bytes | str) -> None:
    header, payload = {"alg": algorithm, "typ": "JWT"}, plain(house.owner)
    made = _signed(header, payload, JWT_SECRET)
    assert await me(house, raw(*made) if signature == "right" else raw(header, payload, bytes(signature))) == 401


async def test_other_algorithms_and_other_keys(house: House) -> None:
    claims = claims_of(house.owner)
    for key, algorithm in [
        (JWT_SECRET * 2, "HS384"),
        (JWT_SECRET * 2, "HS512"),
        (JWT_SECRET[:-1] + "x", "HS256"),
        ("x" * 64, "HS256"),
        (RSA, "RS256"),
    ]:
        assert await me(house, sign(claims, key, algorithm)) == 401


async def test_a_token_signed_with_an_empty_key(house: House) -> None:
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, plain(house.owner))]
    digest = hmac.digest(b"", b".".join(base64url_encode(part) for part in parts), "sha256")
    assert await me(house, raw(*parts, digest)) == 401


async def test_a_public_key_is_no_secret(house: House) -> None:
    """RS256 to HS256: the text of a public key, which everybody has, signs nothing."""
    for key in (PEM, PEM.strip(), PEM.decode().encode("utf-16")):
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, plain(house.owner))]
        digest = jwt.get_algorithm_by_name("HS256").sign(b".".join(base64url_encode(part) for part in parts), key)
        assert await me(house, raw(parts[0], parts[1], digest)) == 401


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "/dev/null"},
        {"kid": "' UNION SELECT 'x"},
        {"kid": "x; touch /tmp/x |"},
        {"jku": "http://127.0.0.1:1/keys.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"], "exp": 0},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ],
    ids=str,
)
async def test_what_the_header_says_of_keys_is_not_followed(house: House, header: dict[str, Any]) -> None:
    """With the attacker's key it stays wrong, whatever the header says; with ours it is right, unless it must be understood."""
    for key in ("k" * 32, "\x00" * 32):
        made = _signed({"alg": "HS256", "typ": "JWT", **header}, plain(house.owner), key)
        assert await me(house, raw(*made)) == 401
    ours = _signed({"alg": "HS256", "typ": "JWT", **header}, plain(house.owner), JWT_SECRET)
    assert await me(house, raw(*ours)) == (401 if "crit" in header else 200)


async def test_garbage_and_parts_of_tokens(house: House) -> None:
    good = sign(claims_of(house.owner))
    head, body, signature = good.split(".")
    deep = b"[" * 3000
    for token in [
        "x", ".", "..", "...", "a.b.c", good[:-1], good[1:], f"{head}.{body}", f"{head}.{body}.", f"{head}..{signature}",
        f"{head}.{signature}.{body}", f"{good}.{signature}", good.upper(), good + "A", f"{head}.{body}.{signature[:10]}",
        f"{head}.{body[:-2]}.{signature}", raw(deep, {}), raw({"alg": "HS256"}, deep), raw(b"\xff", b"\xff"), raw(b"", b""),
        raw(b"null", b"null"), raw(b"7", b"7"), raw(b'"x"', b'"x"'), f"hf_{good}", "hf_", "A" * 60_000, good * 40,
        "\u00e9.\u00e9.\u00e9",
    ]:  # fmt: skip
        answer = await house.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}".encode()})
        assert (answer.status_code, answer.json()) == (401, {"detail": REFUSED}), token[:80]


async def test_a_disabled_user_has_no_token_that_counts(house: House) -> None:
    token = sign(claims_of(house.owner))
    made = await house.client.post("/api/v1/api-keys", headers=bearer(TOKEN), json={"label": "x", "scopes": ["read"]})
    key = made.json()["key"]
    for shown in (token, TOKEN, key):
        assert await me(house, shown) == 200
    await house.pool.execute("UPDATE users SET is_disabled = true")
    for shown in (token, TOKEN, key):
        assert await me(house, shown) == 401
    assert (await house.client.get("/api/v1/auth/me", headers={"X-API-KEY": key})).status_code == 401
    await house.pool.execute("UPDATE users SET is_disabled = false")
    assert await me(house, token) == 200


async def test_a_deleted_user_has_no_token_that_counts(house: House) -> None:
    other = await house.new_user()
    token = sign(claims_of(other))
    assert await me(house, token) == 200
    await house.pool.execute("DELETE FROM accounts WHERE user_id = $1", other)
    await house.pool.execute("DELETE FROM users WHERE user_id = $1", other)
    assert await me(house, token) == 401


async def test_a_token_of_another_issuer_is_none_unless_it_is_configured(house: House) -> None:
    assert await me(house, sign(foreign_claims(), SUPABASE_SECRET)) == 401
    house.api.state.people = people_with(ForeignTokens(secret=SUPABASE_SECRET, may_create_users=True))
    assert await me(house, sign(foreign_claims(), SUPABASE_SECRET)) == 200
    assert await me(house, sign(claims_of(house.owner), SUPABASE_SECRET)) == 401
    assert await me(house, sign(foreign_claims(), JWT_SECRET)) == 401


async def test_one_secret_for_both_issuers_still_keeps_them_apart(house: House) -> None:
    """A foreign token that names one of our users by id is not that user's."""
    house.api.state.people = quick_people(
        recognition=Recognition(AccessTokens(JWT_SECRET), ForeignTokens(secret=JWT_SECRET, may_create_users=True))
    )
    assert await me(house, sign(foreign_claims(sub=str(house.owner)))) == 401
    assert await me(house, sign(foreign_claims(sub=str(house.owner), type="access"))) == 401
    assert await me(house, sign(claims_of(house.owner))) == 200
