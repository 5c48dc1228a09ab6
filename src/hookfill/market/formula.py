"""Text in CSV files that spreadsheets open: shown, never calculated (pure).

A cell that begins with one of these signs would be run as a formula (OWASP, "CSV injection"); an apostrophe in front prevents it.
Text that begins with apostrophes and such a sign gets one more, so that reading takes exactly one away.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """Text as it goes into a cell."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """A cell's text as it was before `guarded`."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text
