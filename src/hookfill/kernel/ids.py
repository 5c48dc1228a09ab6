"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by the time at which they were made."""

from uuid import UUID

from uuid_utils.compat import uuid7

NIL = UUID(int=0)
"""Stands for "all accounts" where a row needs an account id first (a global halt)."""


def new_id() -> UUID:
    """A new UUIDv7; ids made by one process ascend strictly."""
    return uuid7()
