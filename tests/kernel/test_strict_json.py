"""Strict JSON: what is accepted comes back exactly; what is not is named with its place and never quoted."""

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.strict_json import StrictJsonError, loads

ACCEPTED = [
    (b'{"a":1}', {"a": 1}),
    (b"\xef\xbb\xbf" + b'{"a":1}', {"a": 1}),
    (b' \r\n\t[1, 2.50, -0.1e2, "x"] ', [1, Decimal("2.50"), Decimal("-0.1e2"), "x"]),
    (b'"text"', "text"),
    (b"null", None),
    (b"true", True),
    (b'{"a":"\\u00e9\\ud83d\\ude00"}', {"a": "é😀"}),
    ('{"é":"😀"}'.encode(), {"é": "😀"}),
    (b'{"a":"\\\\u0000 and \\\\ud800"}', {"a": "\\u0000 and \\ud800"}),
    (b"9" * 60, int("9" * 60)),
    (b"-" + b"9" * 60, -int("9" * 60)),
    (b"0." + b"1" * 59, Decimal("0." + "1" * 59)),
    (b"1e300", Decimal("1e300")),
    (b"1E-300", Decimal("1E-300")),
    (b"[" * 32 + b"]" * 32, None),
    (b'{"a":{}, "b":{"a":1}}', {"a": {}, "b": {"a": 1}}),
    (b"[" + b",".join([b"[]"] * 100) + b"]", [[]] * 100),
]

REFUSED = [
    (b"", "empty"),
    (b"  \n", "empty"),
    (b"\xef\xbb\xbf", "empty"),
    (b'{"a":1', "line 1, column 7"),
    (b'{"a":1}{', "Extra data at line 1, column 8"),
    (b'{"a":1,}', "line 1"),
    (b"{'a':1}", "line 1, column 2"),
    (b'{"a":0.00","b":1}', "line 1, column 10"),
    (b'{"a":01}', "line 1"),
    (b'{"a":+1}', "line 1"),
    (b'{"a":.5}', "line 1"),
    (b"buy EURUSD", "line 1"),
    (b'{"a":1,"a":2}', "key 'a' stands twice"),
    (b'[{"x":{"a":1,"b":0,"a":1}}]', "key 'a' stands twice"),
    (b'{"a":1,"\\u0061":2}', "key 'a' stands twice"),
    (b'{"a":NaN}', "NaN is not a JSON number at line 1, column 6"),
    (b'{"a":\n Infinity}', "Infinity is not a JSON number at line 2, column 2"),
    (b"-Infinity", "-Infinity"),
    (b"1e400", "exponent is beyond 300 at line 1, column 1"),
    (b"1e-400", "exponent"),
    (b"0e999", "exponent"),
    (b"0.0e-999", "exponent"),
    (b"1e99999999999999999999999", "exponent"),
    (b"1e" + b"9" * 5000, "exponent"),
    (b"9" * 61, "more than 60 digits"),
    (b"-" + b"9" * 5000, "more than 60 digits"),
    (b"0." + b"1" * 60, "more than 60 digits"),
    (b"1" * 61 + b"e1", "more than 60 digits"),
    (b"[" * 33 + b"]" * 33, "deeper than 32"),
    (b'{"a":' * 40 + b"1" + b"}" * 40, "deeper than 32"),
    (b"[" * 100_000 + b"]" * 100_000, "deeper than 32"),
    (b'{"a":' * 100_000, "deeper than 32"),
    (b'{"a":"\x00"}', "line 1, column 7"),
    (b'{"a":"\\u0000"}', "NUL"),
    (b'{"\\u0000":1}', "NUL"),
    (b'[{"a":["\\uD800"]}]', "surrogate"),
    (b'{"a":"\\udc00\\ud800"}', "surrogate"),
    (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8 at byte 6"),
    (b'{"a":"\xff"}', "not valid UTF-8 at byte 6"),
    ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
    (b'{"a":"\n"}', "line 1"),
]


@pytest.mark.parametrize(("body", "value"), ACCEPTED)
def test_accepts(body: bytes, value: object) -> None:
    result = loads(body)
    if value is not None:
        assert result == value


@pytest.mark.parametrize(("body", "fragment"), REFUSED)
def test_refuses_and_says_where(body: bytes, fragment: str) -> None:
    with pytest.raises(StrictJsonError) as caught:
        loads(body)
    text = str(caught.value)
    assert fragment in text
    assert len(text) < 250
    assert text.endswith(".")


def test_integers_stay_integers_and_fractions_become_decimals() -> None:
    value = loads(b'{"i":1,"d":1.0,"e":1e2}')
    assert isinstance(value, dict)
    assert [type(entry) for entry in value.values()] == [int, Decimal, Decimal]
    assert str(value["d"]) == "1.0"


@pytest.mark.parametrize(
    "body", [b'{"secret":"hunter2hunter2"', b'{"secret":"hunter2hunter2","secret":"x"}', b'{"secret":"hunter2hunter2","a":NaN}']
)
def test_errors_never_quote_values(body: bytes) -> None:
    with pytest.raises(StrictJsonError) as caught:
        loads(body)
    assert "hunter2" not in str(caught.value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**59), 10**59) | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON_VALUES, st.booleans())
def test_reads_what_the_standard_library_writes(value: object, escaped: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=10))
def test_decimals_come_back_exactly(number: Decimal) -> None:
    assert loads(f"[{number:f}]".encode()) == [number]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(body: bytes) -> None:
    with contextlib.suppress(StrictJsonError):
        loads(body)
