"""Secrets leave no trace in what is stored; everything else is stored as it came."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.mask import mask_secrets

CASES = [
    (b'{"secret":"abc","symbol":"X"}', b'{"secret":"***","symbol":"X"}'),
    (b'{ "Secret" : "a\\"b\\\\" , "symbol":"X"}', b'{ "Secret" : "***" , "symbol":"X"}'),
    (
        b'{"symbol":"X","passphrase":"p","password":"q","token":"r"}',
        b'{"symbol":"X","passphrase":"***","password":"***","token":"***"}',
    ),
    (
        b'{"apikey":"a","api_key":"b","api-key":"c","API_KEY":"d"}',
        b'{"apikey":"***","api_key":"***","api-key":"***","API_KEY":"***"}',
    ),
    (b'{"licenseid":"a","license":"b","licenseId":"c"}', b'{"licenseid":"***","license":"***","licenseId":"***"}'),
    (b'{"email_token":"abc","webhookSecret":"x"}', b'{"email_token":"***","webhookSecret":"***"}'),
    (b'{"secret":12345,"symbol":"X"}', b'{"secret":"***","symbol":"X"}'),
    (b'{"secret":["a","b]"],"symbol":"X"}', b'{"secret":"***","symbol":"X"}'),
    (b'{"secret":{"a":{"b":"}"}},"symbol":"X"}', b'{"secret":"***","symbol":"X"}'),
    (b'{"a":{"secret":"abc"}}', b'{"a":{"secret":"***"}}'),
    (b'{"secr\\u0065t":"abc","symbol":"X"}', b'{"secr\\u0065t":"***","symbol":"X"}'),
    (b'{"\\u0053ECRE\\u0054" : 5,"symbol":"X"}', b'{"\\u0053ECRE\\u0054" : "***","symbol":"X"}'),
    (b'{"message":"{\\"secret\\":\\"abc\\",\\"n\\":1}"}', b'{"message":"{\\"secret\\":\\"***\\",\\"n\\":1}"}'),
    (b'{"message":"{\\"token\\":123,\\"n\\":1}"}', b'{"message":"{\\"token\\":***,\\"n\\":1}"}'),
    (b'{"message":"{\\"secret\\":\\"a\\\\\\"b\\",\\"n\\":1}"}', b'{"message":"{\\"secret\\":\\"***\\",\\"n\\":1}"}'),
    (b'{"message":"{\\"secret\\":\\"abc"}', b'{"message":"{\\"secret\\":\\"***"}'),
    # malformed bodies
    (b'{"secret":"abc', b'{"secret":"***'),
    (b'{"symbol":"X" "secret":"abc","price":1"}', b'{"symbol":"X" "secret":"***","price":1"}'),
    (b"{'secret':'abc','symbol':'X'}", b"{'secret':'***','symbol':'X'}"),
    (b"{secret:abc,symbol:X}", b"{secret:***,symbol:X}"),
    (b'{"secret":["abc', b'{"secret":"***"'),
    (b'\xff{"secret":"\xfe\xfd"}', b'\xff{"secret":"***"}'),
    # form encoding and text
    (b"secret=abc&symbol=X", b"secret=***&symbol=X"),
    (b"symbol=X&token=a%20b,c", b"symbol=X&token=***"),
    (b"buy EURUSD secret=abc sl=1.07", b"buy EURUSD secret=*** sl=1.07"),
    (b"buy EURUSD passphrase: 'a b' sl=1.07", b"buy EURUSD passphrase: '***' sl=1.07"),
    (b"60123456789,buy,EURUSD,risk=1", b"***,buy,EURUSD,risk=1"),
    (b" 60123456789 , closelong , EURUSD", b" *** , closelong , EURUSD"),
    (b"LicenseID,sell,EURUSD,secret=Happy501,sl=1.2", b"***,sell,EURUSD,secret=***,sl=1.2"),
    (b"60123456789,buystop,EURUSD,price=1", b"***,buystop,EURUSD,price=1"),
    (b"60123456789,eaoff", b"***,eaoff"),
    (b"\xef\xbb\xbf60123456789,buy,EURUSD", b"\xef\xbb\xbf***,buy,EURUSD"),
]


@pytest.mark.parametrize(("body", "masked"), CASES)
def test_masks(body: bytes, masked: bytes) -> None:
    assert mask_secrets(body) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b'{"symbol":"X","action":"buy","comment":"a secret, and a token"}', b'{"symbol":"TOKENUSD"}', b'{"secret":""}',
        b"buy EURUSD 0.1", b"EURUSD,buy,0.1", b"buy,EURUSD,0.1", b'{"comment":"caf\\u00e9"}', b'{"tokens":5}',
        b'{"secret_word":"x"}', b"\xff\xfe\x00", b"secret", b"secret=", b'"secret"', b"=secret",
    ],
)  # fmt: skip
def test_leaves_alone(body: bytes) -> None:
    assert mask_secrets(body) == body


KEYS = st.sampled_from(
    ["secret", "passphrase", "password", "token", "license", "licenseid", "apikey", "api_key", "Secret", "my_token"]
)
MARKER = "q7Zk"
SECRETS = st.text(max_size=12).map(lambda text: MARKER + text + MARKER)
OTHERS = st.dictionaries(st.text(max_size=6), st.text(max_size=10) | st.integers(), max_size=4)


def is_clean(body: bytes) -> bool:
    return MARKER.encode() not in body


@given(KEYS, SECRETS, OTHERS, OTHERS, st.booleans())
def test_no_secret_survives_in_json(
    key: str, secret: str, before: dict[str, object], after: dict[str, object], escaped: bool
) -> None:
    document = before | {key: secret} | {name: value for name, value in after.items() if name != key}
    body = json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    masked = mask_secrets(body)
    assert is_clean(masked)
    assert json.loads(masked.decode("utf-8", "surrogatepass")) == document | {key: "***"}
    nested = mask_secrets(json.dumps({"message": json.dumps({key: secret}), "list": [{key: [secret]}]}).encode())
    assert is_clean(nested)
    twice = mask_secrets(json.dumps({"m": json.dumps({"m": json.dumps({key: secret, "n": "kept"})})}).encode())
    assert is_clean(twice)
    assert b"kept" in twice


@given(KEYS, SECRETS, st.integers(0, 200))
def test_no_secret_survives_in_a_cut_off_body(key: str, secret: str, length: int) -> None:
    body = json.dumps({"symbol": "X", key: secret, "action": "buy"}).encode()
    assert is_clean(mask_secrets(body[:length]))


@given(KEYS, SECRETS)
def test_no_secret_survives_behind_an_escaped_key(key: str, secret: str) -> None:
    escaped = "".join(f"\\u{ord(letter):04X}" for letter in key)
    assert is_clean(mask_secrets(f'{{"symbol":"X","{escaped}":{json.dumps(secret)}}}'.encode()))


@given(KEYS, st.text(max_size=12).map(lambda text: MARKER + text + MARKER).filter(lambda text: text.isprintable()))
def test_no_secret_survives_in_a_form(key: str, secret: str) -> None:
    body = urlencode({"symbol": "X", key: secret, "action": "buy"}).encode()
    masked = mask_secrets(body)
    assert is_clean(masked)
    assert masked.startswith(b"symbol=X&")
    assert masked.endswith(b"&action=buy")


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"secret", b'"', b"\\", b":", b"=", b"{", b"[", b"}", b",", b"\\u0073", b"x", b"'", b"&"])).map(
        b"".join
    )
)
def test_never_raises(body: bytes) -> None:
    assert isinstance(mask_secrets(body), bytes)


def test_hostile_bodies_take_no_long_time() -> None:
    """Each of these makes a careless pattern run for minutes."""
    for piece in (
        b'\\"',
        b'"',
        b'"secret":[',
        b"secret:",
        b'"\\u0073ecret":"',
        b"[",
        b"secret ",
        b"\\u0073",
        b"'",
        b"\\",
        b"\\\\'",
    ):
        hostile = piece * (65_536 // len(piece))
        for start in (b"", b'{"secret":"', b"'token':'", b'"a":"{\\"token\\":\\"', b"secret="):
            mask_secrets(start + hostile)
