"""Text of strangers is shown, never obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("EURUSD grün 日本", "EURUSD grün 日本"),
        ("", ""),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\u202eevil\u200b", r"\u202eevil\u200b"),
        ("\x9b2J\x7f\x00", r"\x9b2J\x7f\x00"),
        ("\ud800", r"\ud800"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_breaks_may_stay() -> None:
    assert visible("a\nb\r\x1b", keep_lines=True) == "a\nb\\r\\x1b"


@given(st.text())
def test_the_result_is_printable(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text, keep_lines=True).replace("\n", "").isprintable()
