"""Symbols of option contracts and the contracts that they name (pure).

The form of record is that of the Options Clearing Corporation (OCC; Options Symbology Initiative, 2010): a root of up to six
characters, padded with blanks to six; the expiration as YYMMDD; C or P; the strike in thousandths of a dollar, eight digits.
Here it is written without the padding, as brokers and data feeds do. Understood are also the padded form, and the short one of
charts, whose strike is in dollars: ``.SPY260220C500``, ``SPY260220C500.5``.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from hookfill.market.model import InvalidContract, OptionContract, Right

_OCC = re.compile(r"([A-Z0-9]{1,6}) {0,5}([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})")
_SHORT = re.compile(r"\.?([A-Z0-9]{1,6}?)([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{1,5}(?:\.[0-9]{1,3})?)")
_PADDED_LENGTH = 21

UNDERLYINGS: Final = {
    "SPXW": "SPX",
    "SPXPM": "SPX",
    "NDXP": "NDX",
    "RUTW": "RUT",
    "VIXW": "VIX",
    "XEO": "OEX",
    "BRKA": "BRK.A",
    "BRKB": "BRK.B",
    "BFA": "BF.A",
    "BFB": "BF.B",
}
"""Roots that are not their underlying's symbol: weekly series of indices (Cboe's product specifications), classes of shares."""


def contract_from(symbol: str) -> OptionContract:
    """The contract that ``symbol`` names, upper case and without an exchange prefix.

    Raises:
        InvalidContract: it names none: another form, a date that does not exist, a strike of zero.
    """
    match = _match(symbol)
    if match is None:
        raise InvalidContract(
            f"{symbol[:40]!a} names no option; write it as SPY260220C00500000 (root, YYMMDD, C or P, strike × 1000)."
        )
    return _contract(match)


def option_in(symbol: str) -> OptionContract | None:
    """The contract that ``symbol`` names; None: it is no option's."""
    match = _match(symbol)
    if match is None:  # as nearly every symbol's is
        return None
    try:
        return _contract(match)
    except InvalidContract:
        return None


def padded(contract: OptionContract) -> str:
    """The symbol in its official 21 characters: ``SPY   260220C00500000``."""
    return f"{contract.root:<6}{contract.symbol[len(contract.root) :]}"


def _match(symbol: str) -> re.Match[str] | None:
    """The parts of a symbol in one of the forms; its date may be none."""
    match = _OCC.fullmatch(symbol)
    if match is not None and (len(symbol) == _PADDED_LENGTH or " " not in symbol):
        return match
    return _SHORT.fullmatch(symbol)


def _contract(match: re.Match[str]) -> OptionContract:
    strike = Decimal(match[6]) / 1000 if match.re is _OCC else Decimal(match[6])
    root, year, month, day, letter = match.group(1, 2, 3, 4, 5)
    try:
        expiration = date(2000 + int(year), int(month), int(day))
    except ValueError:
        raise InvalidContract(f"{match[0]!a} names no option: there is no date {year}-{month}-{day}.") from None
    right: Right = "CALL" if letter == "C" else "PUT"
    return OptionContract(UNDERLYINGS.get(root, root), expiration, right, strike, root)
