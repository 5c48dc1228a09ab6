"""Calls and puts of one strategy on one symbol at the same time: what leaves which of them."""

from decimal import Decimal

import pytest

from hookfill.desk.model import Outcome
from support.desk import signal, strategy
from support.options import NOW, bought

D = Decimal
CALL, PUT = "SPY260313C00500000", "SPY260313P00500000"
FLAT = '{"symbol":"SPY","market_position":"flat","market_position_size":0}'


def hedged(calls: int, puts: int, text: str, **fields: object) -> Outcome:
    """What an alert does once so many calls and puts are held."""
    texts = [f"buy {CALL} {calls}", f"buy {PUT} {puts}", text]
    return bought(*(signal(one, NOW + number) for number, one in enumerate(texts)), **fields)


def left(outcome: Outcome) -> list[tuple[str, Decimal]]:
    return [(order.symbol, order.quantity) for order in outcome.orders if order.purpose == "exit"]


LEAVING = [
    # calls, puts, alert, what it sells
    (2, 2, "close SPY", [(CALL, 2), (PUT, 2)]),
    (2, 2, FLAT, [(CALL, 2), (PUT, 2)]),
    (2, 2, "close long SPY", [(CALL, 2)]),
    (2, 2, "close short SPY", [(PUT, 2)]),
    (2, 1, "close SPY", [(CALL, 2), (PUT, 1)]),
    (2, 1, "close long SPY", [(CALL, 2)]),
    (2, 1, "close short SPY", [(PUT, 1)]),
    (2, 1, "close SPY 1", [(CALL, 1)]),
    (1, 3, "close SPY 3", [(CALL, 1), (PUT, 2)]),
    (1, 3, "close short SPY 2", [(PUT, 2)]),
    (1, 1, "close SPY 9", [(CALL, 1), (PUT, 1)]),
    # What the alert names is what it leaves.
    (2, 1, "close SPY call", [(CALL, 2)]),
    (2, 1, "close SPY put", [(PUT, 1)]),
    (2, 1, "close SPY call 1", [(CALL, 1)]),
    (2, 1, "close SPY call strike=500 expiration=2026-03-13", [(CALL, 2)]),
]


@pytest.mark.parametrize(("calls", "puts", "text", "expected"), LEAVING)
def test_leaving_the_underlying_leaves_what_is_meant_of_both(calls: int, puts: int, text: str, expected: list[object]) -> None:
    """As views they may cancel each other out; as contracts each of them costs money until it is sold."""
    outcome = hedged(calls, puts, text)
    assert outcome.verdicts[2].status == "executed", outcome.verdicts[2]
    assert left(outcome) == expected


@pytest.mark.parametrize("pyramiding", [1, 2])
def test_a_reversal_may_buy_the_contract_that_it_has_just_left(pyramiding: int) -> None:
    outcome = hedged(1, 2, "buy SPY call 1", strategies=[strategy(policy={"pyramiding": pyramiding})])
    verdict = outcome.verdicts[2]
    assert (verdict.status, verdict.reason) == ("executed", None)
    assert left(outcome) == [(CALL, 1), (PUT, 2)]
    held = [position for position in outcome.positions if position.status != "closed"]
    assert [(one.symbol, one.quantity, one.entries) for one in held] == [(CALL, D(1), 1)]


@pytest.mark.parametrize("text", ["close SPY call strike=505", "close SPY put expiration=2026-03-20"])
def test_an_alert_that_names_an_option_leaves_no_other(text: str) -> None:
    outcome = hedged(2, 1, text)
    assert (outcome.verdicts[2].status, outcome.verdicts[2].reason) == ("rejected", "no_position")
    assert left(outcome) == []


def test_an_alert_that_closes_calls_leaves_puts_alone() -> None:
    outcome = bought(signal(f"buy {PUT} 2", NOW), signal("close SPY call", NOW + 1))
    assert (outcome.verdicts[1].status, outcome.verdicts[1].reason) == ("rejected", "no_position")
    assert left(outcome) == []
