"""Does this PostgreSQL keep what it acknowledges? Asked at every start, of any server."""

import asyncpg

from hookfill.kernel.errors import ConfigurationError

MINIMUM_VERSION = 15
_MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")


async def audit_durability(connection: asyncpg.Connection, *, allow_unsafe: bool = False) -> None:
    """Refuse a server that may lose or corrupt what it has acknowledged, is too old, or can't hold every text.

    ``synchronous_commit`` may be anything but ``off``: all its other values flush this server's own log before answering.
    The settings are those of the given session, so that a role's or a database's own settings count.

    Args:
        connection: a session like those that Hookfill works with.
        allow_unsafe: accept the durability settings as they are (for tests and throw-away data).

    Raises:
        ConfigurationError: the server is older than PostgreSQL 15, its database is not UTF-8, or a durability setting is off.
    """
    names = [*_MUST_BE_ON, "server_version_num", "server_encoding"]
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])", names)
    settings = {row["name"]: row["setting"] for row in rows}
    version = int(settings["server_version_num"]) // 10_000
    if version < MINIMUM_VERSION:
        message = (
            f"This server is PostgreSQL {version}; Hookfill needs {MINIMUM_VERSION} or newer. Upgrade it, or unset DATABASE_URL."
        )
        raise ConfigurationError(message)
    if settings["server_encoding"] != "UTF8":
        message = f"The database's encoding is {settings['server_encoding']}. "
        message += "Create one with ENCODING 'UTF8' and name it in DATABASE_URL."
        raise ConfigurationError(message)
    switched_off = [name for name in _MUST_BE_ON if settings[name] == "off"]
    if switched_off and not allow_unsafe:
        names_text = ", ".join(switched_off)
        message = (
            f"The database may lose acknowledged alerts: {names_text} is off. Set it to on in postgresql.conf (or for this role), "
        )
        raise ConfigurationError(message + "or allow unsafe settings where the data does not matter.")
