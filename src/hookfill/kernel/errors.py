"""The root of every error that Hookfill raises on purpose.

Each error's text tells the user what to do next; the command line prints it without a traceback.
"""


class HookfillError(Exception):
    """Base of all expected errors. Its text says what is wrong and what to do about it."""


class ConfigurationError(HookfillError):
    """A setting is missing, unsafe or contradicts another one."""


class LedgerError(HookfillError):
    """An invariant of the ledger would be broken; the transaction must not commit."""
