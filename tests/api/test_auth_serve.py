"""People at a real server: the setup token in production, tokens that outlive a restart, and what the settings refuse."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from hookfill.cli.serve import _announce
from hookfill.home import Home
from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres.model import Database
from hookfill.settings import Mode, Settings
from hookfill.starting import Listening
from support.database import value, wait_until
from support.people import PASSWORD, SUPABASE_SECRET, bearer, foreign_claims, sign
from support.server import Server

PRODUCTION = {"HOOKFILL_MODE": "production", "HMAC_SECRET": "canary-hmac-secret-93ce05d1f4"}
LONG = "canary-long-secret-1f0e9d8c7b6a5948"


def test_the_first_user_in_production_and_a_restart(home: Path, database: Database) -> None:
    ada = {"email": "ada@example.com", "password": PASSWORD}
    with Server(home, database_url=database.url, role="api", **PRODUCTION) as server:
        token = (home / "setup-token").read_text(encoding="utf-8")
        # It listens before it says so.
        wait_until(lambda: f"setup_token {token}" in server.output(), "the first user is told what to do")
        assert "hookfill users create EMAIL --owner" in server.output()
        for path in ("setup-token", "jwt-secret"):
            assert (home / path).stat().st_mode & 0o777 == 0o600
        register = f"{server.url}/api/v1/auth/register"
        assert httpx.post(register, json=ada).status_code == 403
        tokens = httpx.post(register, json={**ada, "setup_token": token}).raise_for_status().json()
        assert not (home / "setup-token").exists()
        said = server.output()
        assert server.stop() == 0
    with Server(home, database_url=database.url, role="api", **PRODUCTION) as server:
        wait_until(lambda: str(home) in server.output(), "it has said that it is ready")
        assert "setup_token" not in server.output()
        assert "users create" not in server.output()
        assert not (home / "setup-token").exists()
        me = httpx.get(f"{server.url}/api/v1/auth/me", headers=bearer(tokens["access_token"]))
        assert (me.status_code, me.json()["role"]) == (200, "owner")
        body = {"refresh_token": tokens["refresh_token"]}
        assert httpx.post(f"{server.url}/api/v1/auth/refresh", json=body).status_code == 200
        assert httpx.post(f"{server.url}/api/v1/auth/login", json=ada).status_code == 200
        said += server.output()
    stored = value(database.url, "SELECT password_hash FROM users")
    for secret in (PASSWORD, stored, tokens["access_token"], tokens["refresh_token"], (home / "jwt-secret").read_text()):
        assert secret not in said


def test_a_server_takes_the_tokens_that_its_settings_name(home: Path, database: Database) -> None:
    settings = {"JWT_SECRET": LONG, "SUPABASE_JWT_SECRET": SUPABASE_SECRET, "SUPABASE_AUTO_CREATE": "true"}
    with Server(
        home, database_url=database.url, role="api", SUPABASE_ISSUER="https://id.supabase.co/auth/v1", **settings
    ) as server:
        assert not (home / "jwt-secret").exists()
        me = f"{server.url}/api/v1/auth/me"
        assert httpx.get(me, headers=bearer(sign(foreign_claims(), SUPABASE_SECRET))).status_code == 200
        assert httpx.get(me, headers=bearer(sign(foreign_claims(iss="x"), SUPABASE_SECRET))).status_code == 401
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert httpx.post(f"{server.url}/api/v1/auth/register", json=body).status_code == 201
        second = {**body, "email": "bob@example.com"}
        assert httpx.post(f"{server.url}/api/v1/auth/register", json=second).status_code == 403
        assert "setup_token" not in server.output()


def test_the_setup_token_stands_in_what_serve_prints_as_json(home: Path, database: Database) -> None:
    with pytest.MonkeyPatch.context() as patched:
        shown: list[object] = []
        patched.setattr("hookfill.cli.show.print_json", lambda found, **_: shown.append(found))
        settings = Settings(HOOKFILL_HOME=str(home), DATABASE_URL=database.url)  # type: ignore[call-arg]
        for listening in (Listening("http://x", 7, has_owner=False, setup_token="canary"), Listening("http://x", 7)):
            _announce(listening, settings, Home.at(home), as_json=True)
    assert json.dumps(shown) == '[{"url": "http://x", "pid": 7, "setup_token": "canary"}, {"url": "http://x", "pid": 7}]'


@pytest.mark.parametrize(
    ("mode", "given", "says"),
    [
        (Mode.DEVELOPMENT, {"jwt_secret": SecretStr("x" * 31)}, "JWT_SECRET is shorter than 32"),
        (Mode.DEVELOPMENT, {"supabase_jwt_secret": SecretStr("short")}, "SUPABASE_JWT_SECRET is shorter than 32"),
        (Mode.PRODUCTION, {"supabase_jwks": "http://id.supabase.co/keys"}, "https://"),
        (Mode.PRODUCTION, {"jwt_secret": SecretStr("x" * 31)}, "JWT_SECRET"),
        (Mode.DEVELOPMENT, {"supabase_jwks": "http://kong:8000/keys"}, None),
        (Mode.PRODUCTION, {"supabase_jwks": "http://127.0.0.1:9/keys"}, None),
        (Mode.PRODUCTION, {"supabase_jwks": "https://id.supabase.co/keys", "jwt_secret": SecretStr(LONG)}, None),
        (Mode.PRODUCTION, {"supabase_jwks": "/etc/keys.json"}, None),
    ],
)
def test_settings_that_are_not_safe(mode: Mode, given: Mapping[str, object], says: str | None) -> None:
    settings = Settings().model_copy(update={"mode": mode, "hmac_secret": SecretStr(LONG), **given})
    if says is None:
        settings.check()
        return
    with pytest.raises(ConfigurationError, match=says):
        settings.check()
