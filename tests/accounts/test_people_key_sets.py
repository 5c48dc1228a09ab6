"""An issuer's keys: which are usable, and how seldom they are asked for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from hookfill.accounts import key_sets
from hookfill.accounts.key_sets import KeySet, KeysUnavailable, fetch, read_key_set

RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, kid: str | None = "one", **more: Any) -> dict[str, Any]:
    writer = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECAlgorithm
    found = {**writer.to_jwk(key, as_dict=True), "kid": kid, **more}
    return {name: value for name, value in found.items() if value is not None}


def of(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize(
    ("entry", "algorithm"),
    [
        (jwk(RSA.public_key()) | {"key_ops": ["verify"]}, "RS256"),
        (jwk(P256.public_key(), alg="ES256", use="sig"), "ES256"),
        (jwk(RSA.public_key(), alg="RS512"), None),
        (jwk(RSA.public_key(), alg="HS256"), None),
        (jwk(RSA.public_key(), use="enc"), None),
        (jwk(SMALL.public_key()), None),
        (jwk(P384.public_key()), None),
        (jwk(RSA), None),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "one"}, None),
        ({"kty": "RSA", "n": 7, "e": "AQAB", "kid": "one"}, None),
        ({"kty": "RSA", "kid": "one"}, None),
        ({"kty": ["RSA"], "crv": ["P-256"]}, None),
        ({}, None),
        ("RSA", None),
    ],
)
def test_usable_keys_and_their_only_algorithm(entry: Any, algorithm: str | None) -> None:
    found = read_key_set(of(entry))
    assert [key.algorithm for key in found.values()] == ([] if algorithm is None else [algorithm])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"7", b'{"keys": null}', b"\xff"])
def test_what_is_no_key_set(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_key_set(content)


class Issuer:
    """A source of keys that counts how often it is asked, on a clock of its own."""

    def __init__(self) -> None:
        self.content: bytes | Exception = of(jwk(RSA.public_key()))
        self.asked = 0
        self.now = 0.0
        self.keys = KeySet("issuer", fetch=self.fetch, clock=lambda: self.now)

    async def fetch(self, source: str) -> bytes:
        assert source == "issuer"
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


async def test_keys_are_asked_for_once_by_many() -> None:
    issuer = Issuer()
    found = await asyncio.gather(*(issuer.keys.find("one") for _ in range(20)))
    assert all(key is not None and key.algorithm == "RS256" for key in found)
    assert issuer.asked == 1


async def test_an_unknown_id_asks_again_at_most_once_a_minute() -> None:
    issuer = Issuer()
    await issuer.keys.find("one")
    issuer.content = of(jwk(RSA.public_key()), jwk(P256.public_key(), "two"))
    for _ in range(5):
        assert await issuer.keys.find("two") is None
    issuer.now = key_sets.PAUSE_SECONDS
    assert await issuer.keys.find("two") is not None
    for number in range(50):
        assert await issuer.keys.find(f"guess {number}") is None
    assert issuer.asked == 2


async def test_a_key_that_was_taken_back_stops_counting() -> None:
    issuer = Issuer()
    await issuer.keys.find("one")
    issuer.content = of(jwk(RSA.public_key(), "two"))
    issuer.now = key_sets.FRESH_SECONDS - 1
    assert await issuer.keys.find("one") is not None
    issuer.now = key_sets.FRESH_SECONDS
    assert await issuer.keys.find("one") is None


@pytest.mark.parametrize("error", [OSError("away"), httpx.ConnectError("away"), httpx.ReadTimeout("slow"), ValueError("too large")])
async def test_while_the_issuer_is_away_what_is_known_stays(error: Exception) -> None:
    issuer = Issuer()
    await issuer.keys.find("one")
    issuer.content, issuer.now = error, key_sets.FRESH_SECONDS
    assert await issuer.keys.find("one") is not None
    assert await issuer.keys.find("one") is not None
    assert issuer.asked == 2


async def test_keys_that_were_never_read_are_said_to_be_missing() -> None:
    issuer = Issuer()
    issuer.content = b"<html>"
    for _ in range(3):
        with pytest.raises(KeysUnavailable, match="try again"):
            await issuer.keys.find("one")
    assert issuer.asked == 1
    issuer.content, issuer.now = of(jwk(RSA.public_key())), key_sets.PAUSE_SECONDS
    assert await issuer.keys.find("one") is not None


async def test_a_slow_issuer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "FETCH_SECONDS", 0.01)

    async def never(_source: str) -> bytes:
        await asyncio.Event().wait()
        return b""

    with pytest.raises(KeysUnavailable):
        await KeySet("issuer", fetch=never).find("one")


async def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(of(jwk(RSA.public_key())))
    assert await fetch(str(path)) == path.read_bytes()
    path.write_bytes(b" " * (key_sets.MOST_BYTES + 1))
    with pytest.raises(ValueError, match="larger"):
        await fetch(str(path))
    with pytest.raises(FileNotFoundError):
        await fetch(str(tmp_path / "none.json"))


async def test_a_url_is_read_up_to_a_bound_and_sends_nobody_on() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        answers = {
            b"/good": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            b"/on": b"HTTP/1.1 302 Found\r\nlocation: /good\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            b"/large": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b" " * (key_sets.MOST_BYTES + 1),
        }
        writer.write(answers[path])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await fetch(f"{base}/good") == b"{}"
        with pytest.raises(httpx.HTTPStatusError):
            await fetch(f"{base}/on")
        with pytest.raises(ValueError, match="larger"):
            await fetch(f"{base}/large")
