"""Strict JSON piece by piece reads what ``loads`` reads, wherever its windows end, and refuses what is too long."""

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel import json_pieces
from hookfill.kernel.json_pieces import MOST_CHARACTERS, read_object
from hookfill.kernel.strict_json import StrictJsonError, loads

SOME = [
    b'{"list":[]}', b'{"list":[1]}', b'{"list":[ {"a":1.50} , [2] ,"x",null],"b":{"list":[7]}}', b' \n{ } ', b"{}", b"[1,2]", b"5",
    b'"x"', b'\xef\xbb\xbf{"list":[true]}', b'{"list":5}', b'{"list":{"a":[1]}}', b'{"a":1,"list":[1.5,-2e3,1E-3]}\r\n',
    '{"list":["é€😀"],"é":"😀"}'.encode(), b'{"list":["\\u00e9\\ud83d\\ude00","a\\"b\\\\"]}',
    b'{"list":[' + b"[" * 30 + b"]" * 31 + b"}",
    b'{"x":' + b"[" * 31 + b"]" * 31 + b"}", b"[" * 32 + b"]" * 32,
]  # fmt: skip
REFUSED = [
    b"", b" \n", b"\xef\xbb\xbf", b"{", b'{"list"', b'{"list":', b'{"list":[', b'{"list":[1', b'{"list":[1,', b'{"list":[1,]}',
    b'{"list":[,1]}', b'{"list":[1 2]}', b'{"list":[1]', b'{"list":[1]]', b'{"list":[1]}}', b'{"list":[1],}', b'{"list":[1] "a":1}',
    b"{5:1}", b"{,}", b'{"a":1,"a":2}', b'{"list":[],"list":[]}', b'{"list":1,"list":[1]}', b'{"list":[{"a":1,"a":2}]}',
    b'{"list":[NaN]}', b'{"list":[1e999]}', b'{"list":[01]}', b'{"list":[1.]}', b'{"list":["\\u0000"]}', b'{"list":["\\ud800"]}',
    b'{"\\u0000":1}', b'{"list":["\x00"]}', b'{"list":["x]}', b'{"list":[tru]}', b'{"list":["\xff"]}', b"\xc3", b"{'a':1}", b"x",
    b'{"list":[' + b"[" * 31 + b"]" * 32 + b"}", b'{"x":' + b"[" * 32 + b"]" * 32 + b"}", b"[" * 33 + b"]" * 33, b"\x0b{}",
]  # fmt: skip


def pieces(body: bytes) -> object:
    """The document put together again."""
    entries: list[Any] = []
    found = read_object(body, "list", entries.append)
    if isinstance(found, dict) and found.get("list") == []:
        found["list"] = entries
    return found


@pytest.fixture(params=[1, 2, 3, 7, None], ids=lambda size: f"window {size}")
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is not None:
        monkeypatch.setattr(json_pieces, "_WINDOW", request.param)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("body", SOME)
def test_reads_what_loads_reads(body: bytes) -> None:
    assert pieces(body) == loads(body)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("body", REFUSED)
def test_refuses_what_loads_refuses(body: bytes) -> None:
    for read in (loads, pieces):
        with pytest.raises(StrictJsonError):
            read(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"list":[1,\n2 3]}',
        b'{"list":[1],\n\n "a" 5}',
        b'{"list":[\n NaN]}',
        b'{"a":\n1e999}',
        b'{"list":[1]} x',
        b'{"list":[\n"\xff"]}',
    ],
)
def test_faults_are_named_with_the_same_place(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for size in (None, None, 4):
        if size is not None:
            monkeypatch.setattr(json_pieces, "_WINDOW", size)
        with pytest.raises(StrictJsonError) as caught:
            (pieces if texts else loads)(body)
        texts.append(str(caught.value))
    assert texts == [texts[0]] * 3


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["list", "a", "é"]), inner, max_size=3),
    max_leaves=12,
)
marks = st.lists(
    st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b":", b"1", b".5", b"e3", b'"list"', b"[[", b" ", b"\\u00"]), max_size=9
)


@given(values, st.booleans())
def test_any_document_is_read_alike(value: object, ascii_only: bool) -> None:
    body = json.dumps({"list": [value, value], "b": value}, ensure_ascii=ascii_only).encode()
    for sent in (body, json.dumps(value).encode()):
        outcomes = []
        for read in (loads, pieces):
            outcomes.append(None)
            with contextlib.suppress(StrictJsonError):  # NUL
                outcomes[-1] = read(sent)
        assert outcomes[0] == outcomes[1]


@given(marks)
def test_anything_else_is_refused_alike(parts: list[bytes]) -> None:
    body = b"".join(parts)
    outcomes: list[object] = []
    for read in (loads, pieces):
        try:
            outcomes.append(read(body))
        except StrictJsonError:
            outcomes.append(StrictJsonError)
    assert outcomes[0] == outcomes[1]


def test_a_long_list_is_no_matter_wherever_its_entries_lie() -> None:
    entries = [{"n": number, "x": "é" * (number % 91), "p": 1.5} for number in range(9_000)]
    body = json.dumps({"list": entries}, ensure_ascii=False).encode()
    assert len(body) > 3 * json_pieces._WINDOW
    found = pieces(body.replace(b"}, ", b"}" + b" " * 99_000 + b",", 20))
    assert found == {"list": [entry | {"p": Decimal("1.5")} for entry in entries]}


LONG = b"x" * (MOST_CHARACTERS + 1)


@pytest.mark.parametrize("behind", [b"", b" " * 1_000_000], ids=["at the end", "in the middle"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(b'{"list":["', b'"]}'), (b'{"a":"', b'"}'), (b'{"', b'":1}'), (b'["', b'"]'), (b'{"list":[{"a":1,"b":"', b'"}]}')],
)
def test_nothing_but_the_list_may_be_long(before: bytes, after: bytes, behind: bytes) -> None:
    with pytest.raises(StrictJsonError, match="longer than 65536 characters"):
        pieces(before + LONG + after + behind)


def test_many_short_members_are_long_too() -> None:
    body = "{" + ",".join(f'"key {number}":{number}' for number in range(9_000)) + "}"
    with pytest.raises(StrictJsonError, match="longer than 65536 characters"):
        pieces(body.encode())
