"""The repair rules: what each mends, and that none ever touches what is sound."""

import csv
import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.inbox.repair import (
    RULES,
    TRUSTED,
    Repair,
    RepairRule,
    RuleName,
    nan_as_null,
    repair,
    rules_named,
    stray_quote_after_number,
)
from hookfill.kernel.strict_json import StrictJsonError, loads
from support.shared_data import shared_file

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12) | st.sampled_from(
    ["1", '1"', '1",', "a\\", '\\"', "NaN", "1 NaN", '":1"', "25.5\\\\"]
)
numbers = (
    st.integers(-(10**12), 10**12)
    | st.floats(-1e12, 1e12).filter(lambda number: number == 0 or abs(number) > 1e-200)
    | st.sampled_from([0, -0.0, 1e-7, 1.5e20])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
documents = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    values,
    st.booleans(),
    st.sampled_from([None, 1]),
)
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)


def spoiled(document: bytes, dice: random.Random) -> tuple[bytes, int]:
    """The document with quotes behind some of its numbers, and how many."""
    count = 0

    def spoil(match: re.Match[str]) -> str:
        nonlocal count
        if match[0].startswith('"') or dice.random() < 0.5:
            return match[0]
        count += 1
        return match[0] + '"' * dice.choice([1, 1, 2])

    return _TOKENS.sub(spoil, document.decode()).encode(), count


def changed(rule: RepairRule, body: bytes) -> bytes:
    mended = rule.mend(body)
    return body if mended is None else mended


@given(documents)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_changes_valid_json(rule: RepairRule, document: bytes) -> None:
    assert rule.mend(document) is None
    assert repair(document) is None


@given(documents, st.randoms(use_true_random=False))
def test_quotes_behind_numbers_are_taken_away_wherever_they_stand(document: bytes, dice: random.Random) -> None:
    body, count = spoiled(document, dice)
    assert stray_quote_after_number(body) == (document if count else None)
    if count:
        assert repair(body) == Repair(document, (RuleName.STRAY_QUOTE_AFTER_NUMBER,))


@given(st.binary(max_size=60) | st.text(alphabet='"\\{}[]:,.0123456789eE-+NaN \n', max_size=60).map(str.encode))
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_applied_twice_changes_nothing_more(rule: RepairRule, body: bytes) -> None:
    once = changed(rule, body)
    assert changed(rule, once) == once
    mended = repair(body)
    if mended is not None:
        loads(mended.body)
        with pytest.raises(StrictJsonError):
            loads(body)


@pytest.mark.parametrize(
    ("body", "mended"),
    [
        (b'{"sl_price":25015.25","risk":20.5}', b'{"sl_price":25015.25,"risk":20.5}'),
        (b'{"a":1"}', b'{"a":1}'),
        (b'{"a":-1.5e+10""}', b'{"a":-1.5e+10}'),
        (b'[1" ,2"\n]', b"[1 ,2\n]"),
        (b'{"a":"1","b":2"}', b'{"a":"1","b":2}'),
        (b'{"a\\"1":2","b":"3\\""}', b'{"a\\"1":2,"b":"3\\""}'),
        (b'\xef\xbb\xbf{"a":1"}', b'\xef\xbb\xbf{"a":1}'),
        (b'{"a":1', None),
        (b'{"a":1 "}', None),
        (b'{"a":true"}', None),
        (b'{"a":"12', None),
        (b"buy EURUSD 0.1", None),
        (b"", None),
    ],
)
def test_stray_quotes(body: bytes, mended: bytes | None) -> None:
    assert stray_quote_after_number(body) == mended
    assert repair(body) == (None if mended is None else Repair(mended, (RuleName.STRAY_QUOTE_AFTER_NUMBER,)))


@pytest.mark.parametrize(
    ("body", "mended"),
    [
        (b'{"sl":NaN,"tp":NaN}', b'{"sl":null,"tp":null}'),
        (b'["NaN",NaN]', b'["NaN",null]'),
        (b'{"NaN":"a NaN b"}', None),
        (b"[NaNs]", None),
        (b'["\\"NaN",1]', None),
    ],
)
def test_numbers_that_are_none(body: bytes, mended: bytes | None) -> None:
    assert nan_as_null(body) == mended


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        (b'{"a":1","b":NaN}', ("stray_quote_after_number", "nan_as_null")),
        (b'{"a":1" "b":2}', None),
        (b'{"a":-NaN}', None),
        (b'{"a":1","a":2}', None),
        (b'{"a":1"', None),
        (b"buy 5\" of EURUSD", None),
    ],
)  # fmt: skip
def test_only_what_is_valid_json_in_the_end_counts_as_repaired(body: bytes, rules: tuple[str, ...] | None) -> None:
    mended = repair(body)
    assert (None if mended is None else mended.rules) == rules
    if mended is not None:
        assert mended.names == ", ".join(mended.rules)


def test_rules_are_found_by_name_and_only_certain_ones_are_trusted() -> None:
    assert [rule.name for rule in RULES] == list(RuleName)
    assert rules_named(None) == RULES
    assert [rule.mend for rule in rules_named(RuleName.NAN_AS_NULL)] == [nan_as_null]
    assert [rule.name for rule in TRUSTED] == ["stray_quote_after_number"]
    assert repair(b'{"a":NaN}', TRUSTED) is None
    for rule in RULES:
        assert rule.title.endswith(".")


def test_a_long_body_takes_no_longer_for_being_odd() -> None:
    for piece in (b'"', b'1"', b"\\", b'"\\', b"1", b'"1'):
        body = piece * 200_000
        for rule in RULES:
            changed(rule, body)


def test_the_malformed_entries_of_a_real_log_are_mended() -> None:
    path = shared_file("tradingview-alert-logs", "TradingView_Alerts_Log_2025-11-14_575e3.csv")
    broken: list[dict[str, Any]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            body = row["Description"].encode()
            mended = repair(body, TRUSTED)
            try:
                json.loads(body)
            except ValueError:
                assert mended is not None
                broken.append(json.loads(mended.body))
            else:
                assert mended is None
    assert len(broken) == 6
    for told in broken:
        assert told["type"] == "ENTRY"
        assert abs(abs(told["entry_price"] - told["sl_price"]) - told["risk_distance"]) < 1e-9
