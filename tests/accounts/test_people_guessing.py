"""Limits on guessing: so many within a span, whatever the order, and a memory that does not grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.accounts import guessing
from hookfill.accounts.guessing import Guesses, network_of


def test_so_many_and_then_a_wait() -> None:
    guesses = Guesses(most=3, seconds=60)
    for now in (0.0, 10.0, 20.0):
        assert guesses.wait("ada", now) == 0
        guesses.note("ada", now)
    assert guesses.wait("ada", 20.0) == 40
    assert guesses.wait("ada", 59.5) == 1
    assert guesses.wait("bob", 20.0) == 0
    assert guesses.wait("ada", 60.0) == 0


def test_success_is_forgiven_and_forgets() -> None:
    guesses = Guesses(most=2, seconds=60)
    guesses.note("ada", 0)
    guesses.note("ada", 1)
    guesses.forgive("ada")
    assert guesses.wait("ada", 2) == 0
    guesses.note("ada", 2)
    assert guesses.wait("ada", 3) > 0
    guesses.forget("ada")
    assert guesses.wait("ada", 3) == 0
    guesses.forgive("ada")
    guesses.forget("nobody")


def test_memory_is_bounded_and_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "MOST_SUBJECTS", 3)
    guesses = Guesses(most=1, seconds=60)
    for number in range(10):
        guesses.note(str(number), float(number))
    assert [number for number in range(10) if guesses.wait(str(number), 10.0)] == [7, 8, 9]


@given(st.lists(st.floats(0, 1000), max_size=200).map(sorted), st.integers(1, 5), st.integers(1, 100))
def test_no_span_ever_holds_more_than_allowed(times: list[float], most: int, seconds: int) -> None:
    guesses = Guesses(most=most, seconds=seconds)
    through: list[float] = []
    for now in times:
        wait = guesses.wait("ada", now)
        assert 0 <= wait <= seconds + 1
        if not wait:
            guesses.note("ada", now)
            through.append(now)
    for first in through:
        assert sum(1 for one in through if first <= one < first + seconds and one + seconds > first) <= most


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("unix", None),
        ("", None),
        (None, None),
    ],
)
def test_networks(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
