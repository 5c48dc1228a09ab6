"""Which halt concerns whom: a table for every scope, and that more halts never allow more."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.instruments import instrument_for
from hookfill.risk import checks
from hookfill.risk.halts import Scope, concerns, stops_exits, symbols_of
from hookfill.risk.model import Entry, Halt
from support.desk import at

ONE, TWO = UUID(int=1), UUID(int=2)
OPTION = "SPY260220C00500000"


@pytest.mark.parametrize(
    ("scope", "strategy", "symbol", "asked", "expected"),
    [
        (Scope.GLOBAL, None, None, "EURUSD", True),
        (Scope.USER, None, None, "EURUSD", True),
        (Scope.ACCOUNT, None, None, "EURUSD", True),
        (Scope.STRATEGY, ONE, None, "EURUSD", True),
        (Scope.STRATEGY, TWO, None, "EURUSD", False),
        (Scope.STRATEGY, None, None, "EURUSD", False),
        (Scope.SYMBOL, None, "EURUSD", "EURUSD", True),
        (Scope.SYMBOL, None, "GBPUSD", "EURUSD", False),
        (Scope.SYMBOL, None, None, "EURUSD", False),
        (Scope.SYMBOL, None, "SPY", OPTION, True),
        (Scope.SYMBOL, None, OPTION, OPTION, True),
        (Scope.SYMBOL, None, OPTION, "SPY", False),
        (Scope.SYMBOL, None, "SP", OPTION, False),
    ],
)
def test_a_halt_concerns(scope: Scope, strategy: UUID | None, symbol: str | None, asked: str, expected: bool) -> None:
    halt = Halt(scope, True, "test")
    assert concerns(halt, ONE, asked, halted_strategy=strategy, halted_symbol=symbol) is expected


def test_an_option_has_its_underlyings_name_too() -> None:
    assert symbols_of("SPY") == ("SPY",)
    assert symbols_of(OPTION) == (OPTION, "SPY")


HALTS = st.lists(st.builds(Halt, st.sampled_from(Scope), st.booleans(), st.just("test")), max_size=6)


def verdict(halts: list[Halt], *, is_exit: bool) -> bool:
    entry = Entry(at(), "EURUSD", instrument_for("EURUSD"), is_exit=is_exit, halts=tuple(halts))
    return checks.halted(entry).passed


@given(HALTS, st.permutations(range(6)), st.booleans())
def test_the_strictest_wins_whatever_the_order(halts: list[Halt], order: list[int], is_exit: bool) -> None:
    shuffled = [halts[place] for place in order if place < len(halts)]
    assert verdict(halts, is_exit=is_exit) == verdict(shuffled, is_exit=is_exit)
    assert verdict(halts, is_exit=False) == (not halts)
    assert verdict(halts, is_exit=True) == (not stops_exits(halts))


@given(HALTS, HALTS, st.booleans())
def test_one_halt_more_never_allows_more(halts: list[Halt], more: list[Halt], is_exit: bool) -> None:
    assert verdict(halts, is_exit=is_exit) or not verdict(halts + more, is_exit=is_exit)
