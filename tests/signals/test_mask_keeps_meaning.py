"""What is stored is masked, and what is stored is what trades: masking must not change what an alert asks for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.signals.grammar import parse_alert
from hookfill.signals.mask import mask_secrets

SECRET_KEYS = ["secret", "passphrase", "password", "token", "license", "apikey", "api_key", "email_token"]


@pytest.mark.parametrize(
    "body",
    [
        b"60123456789,buy,EURUSD,vol_lots=0.1,sl_price=1.07",
        b"60123456789,closelong,EURUSD",
        b"\xef\xbb\xbf60123456789, buy, EURUSD, risk=1",
        b"buy EURUSD 0.1 token=abc sl=1.07",
        b"e=oanda s=EURUSD b=long q=1 license=abc",
        b"symbol=EURUSD&action=buy&secret=abc&qty=1",
        b'{"symbol":"EURUSD","action":"buy","secret":"a\\"b,c"}',
        b'{"symbol":"TOKEN","action":"buy"}',
        b'{"passphrase":"a","ticker":"X","strategy":{"order_action":"buy"},"license":12345}',
    ],
)
def test_of_every_dialect(body: bytes) -> None:
    assert parse_alert(mask_secrets(body)) == parse_alert(body)


# No JSON may hold NUL or half of a surrogate pair: such an alert is refused as it came, and is never read from what is stored.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
values = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts | st.lists(st.integers(0, 9), max_size=2)


@given(st.dictionaries(st.sampled_from(SECRET_KEYS), values), st.sampled_from(["buy", "sell", "close"]), st.booleans())
def test_of_json_with_any_secret(secrets: dict[str, object], action: str, secrets_first: bool) -> None:
    alert = {"symbol": "EURUSD", "action": action, "qty": "0.1", "comment": "x"}
    body = json.dumps(secrets | alert if secrets_first else alert | secrets).encode()
    assert parse_alert(mask_secrets(body)) == parse_alert(body)
