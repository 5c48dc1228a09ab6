"""Named SQL from the ``.sql`` files beside the code that runs it, read by aiosql.

A room's ``queries.sql``::

    -- name: pending_signals(account_id, limit)
    -- The account's oldest signals that wait for a decision.
    SELECT signal_id, alert FROM signals
    WHERE account_id = :account_id AND status = 'pending'
    ORDER BY signal_id LIMIT :limit;

and its ``store.py``::

    QUERIES = sql.load("hookfill.signals")

    rows = [row async for row in QUERIES.pending_signals(connection, account_id=account_id, limit=500)]

    # On hot paths, asyncpg's own call with the text aiosql made of it. Parameters are numbered in the order of their first use:
    rows = await connection.fetch(QUERIES.pending_signals.sql, account_id, 500)

The sign after the parameter list says what comes back: none = rows (an async generator), ``^`` = one row or None, ``$`` = one
value, ``!`` = the status text, ``*!`` = executemany, ``#`` = a script. A ``:name`` is a parameter unless it is quoted; a cast is
written ``::type`` as usual. A statement that is only run by its text may use ``$1``, ``$2``, … itself and leave the list out.
Comment lines belong to the documentation, not to the statement.
"""

from importlib import resources
from typing import Any

import aiosql


class _Queries:
    """The statements of one file, parsed when the first of them is asked for: a process uses few of all there are."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # whoever copies or inspects it asks for such, and means this object
            raise AttributeError(name)
        parsed = aiosql.from_str(self._text, "asyncpg", mandatory_parameters=False)
        # From now on they are found without coming here.
        self.__dict__.update(vars(parsed), available_queries=parsed.available_queries)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"There is no statement {name!r} in the file; it has {parsed.available_queries}.") from None


def load(package: str, filename: str = "queries.sql") -> Any:
    """The named statements of a package's SQL file, as an object with one method per name.

    The file is parsed when the first statement is asked for; one that can't be parsed raises ``aiosql.exceptions`` then.

    Args:
        package: the import path of the package that ships the file, for example ``hookfill.signals``.
        filename: the file's name in it.

    Raises:
        FileNotFoundError: the package ships no such file.
    """
    return _Queries(resources.files(package).joinpath(filename).read_text(encoding="utf-8"))
