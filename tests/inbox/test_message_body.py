from decimal import Decimal

import pytest

from hookfill.inbox.body import body_value
from hookfill.kernel import exact_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"price": 1.10, "n": [1, {"deep": true}]}', {"price": Decimal("1.10"), "n": [1, {"deep": True}]}),
        (b'{"id": 123456789012345678901234567890}', {"id": Decimal(123456789012345678901234567890)}),
        (b"9223372036854775807", 9223372036854775807),
        (b"[-9223372036854775808, -9223372036854775809]", [-9223372036854775808, Decimal(-9223372036854775809)]),
        (b"buy EURUSD", "buy EURUSD"),
        (b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b"\xff\x00", "�\x00"),
        (b"", ""),
    ],
)
def test_a_body_is_shown_as_its_json_value_or_else_as_text(body: bytes, value: object) -> None:
    shown = body_value(body)
    assert shown == value
    assert type(shown) is type(value)
    exact_json.dumps(shown)
