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


def load(package: str, filename: str = "queries.sql") -> Any:
    """The named statements of a package's SQL file, as an object with one method per name.

    Args:
        package: the import path of the package that ships the file, for example ``hookfill.signals``.
        filename: the file's name in it.

    Raises:
        FileNotFoundError: the package ships no such file.
        aiosql.exceptions: the file can't be parsed; the text names the statement.
    """
    text = resources.files(package).joinpath(filename).read_text(encoding="utf-8")
    return aiosql.from_str(text, "asyncpg", mandatory_parameters=False)
