"""However an alert spells an option, it is one symbol."""

import json

import pytest

from hookfill.kernel.reasons import Reason
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Action, Alert, Unusable


@pytest.mark.parametrize(
    ("spelling", "symbol"),
    [
        ("SPY260220C00500000", "SPY260220C00500000"),
        ("spy260220c00500000", "SPY260220C00500000"),
        ("SPY   260220C00500000", "SPY260220C00500000"),
        ("OPRA:SPY260220C500.0", "SPY260220C00500000"),
        (".SPY260220P497.5", "SPY260220P00497500"),
        ("F260220C5", "F260220C00005000"),
        ("SPY", "SPY"),
        ("ESH2026", "ESH2026"),
        ("SPY260231C00500000", "SPY260231C00500000"),  # no such day: no option
    ],
)
def test_spellings_of_an_option(spelling: str, symbol: str) -> None:
    alert = parse_alert(json.dumps({"symbol": spelling, "action": "buy"}).encode())
    assert isinstance(alert, Alert)
    assert (alert.symbol, alert.action, alert.option) == (symbol, Action.BUY, None)


def test_an_option_in_plain_text() -> None:
    alert = parse_alert(b"buy .SPY260220C500 2")
    assert isinstance(alert, Alert)
    assert (alert.symbol, alert.quantity) == ("SPY260220C00500000", 2)


@pytest.mark.parametrize("spelling", ["SPY 260220C00500000", "SPY   260231C00500000", "SPY   260220C500"])
def test_blanks_are_in_nothing_but_the_padded_form(spelling: str) -> None:
    alert = parse_alert(json.dumps({"symbol": spelling, "action": "buy"}).encode())
    assert isinstance(alert, Unusable)
    assert alert.reason is Reason.SYMBOL_INVALID
