import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import asyncpg.pgproto.pgproto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel import exact_json


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_no_digit_of_an_amount_is_lost(amount: Decimal) -> None:
    assert json.loads(exact_json.dumps([amount]), parse_float=Decimal, parse_int=Decimal) == [amount]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-10"), "0"),
        (Decimal("-0"), "0"),
        (Decimal("123456789012345.0123456789"), "123456789012345.0123456789"),
        (datetime(2026, 3, 2, 12, tzinfo=UTC), '"2026-03-02T12:00:00Z"'),
        (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
        (asyncpg.pgproto.pgproto.UUID(UUID(int=5).bytes), '"00000000-0000-0000-0000-000000000005"'),
        ({"a": [None, True, "ü"]}, '{"a":[null,true,"ü"]}'),
    ],
)
def test_values(value: object, text: str) -> None:
    assert exact_json.dumps(value).decode() == text


def test_times_of_another_zone_keep_their_moment() -> None:
    moment = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=5)))
    assert datetime.fromisoformat(json.loads(exact_json.dumps(moment))) == moment


def test_indented_for_people() -> None:
    assert exact_json.dumps({"price": Decimal("1.50")}, indent=True) == b'{\n  "price": 1.5\n}\n'


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), object()])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        exact_json.dumps({"value": value})
