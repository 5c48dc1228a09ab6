"""Which database to work with: the embedded one, or the one that DATABASE_URL names."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import server
from hookfill.postgres.model import Database, ServerInfo

_SCHEMES = ("postgresql", "postgres")
_LIBPQ_ONLY = {
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "tcp_user_timeout",
}
"""Parameters that hosts write into their URLs for libpq; asyncpg would hand them to the server, which refuses them."""


def resolve(database_url: str | None, home: Path) -> Database:
    """The database to use. Without a URL the home's embedded server is found or started (this blocks; call it in a thread).

    Args:
        database_url: a libpq URL such as ``postgresql://user:password@host/name``; None or empty for the embedded server.
        home: Hookfill's home folder; only used for the embedded server.

    Raises:
        ConfigurationError: the URL is none that can be used, or the home can't be used.
        ServerStartError: the embedded server does not start.
    """
    if database_url:
        return external(database_url)
    return embedded(server.ensure_running(home))


def embedded(info: ServerInfo, name: str | None = None) -> Database:
    """A database of an embedded server: Hookfill's own, or another one by name."""
    database = info.database if name is None else name
    arguments: dict[str, object] = {"host": info.host, "port": info.port, "user": info.user, "password": info.password}
    arguments["database"] = database
    if not info.host.startswith("/"):
        arguments["ssl"] = False
    return Database(connect_arguments=arguments, url=info.url(database), is_embedded=True, server=info)


def external(database_url: str) -> Database:
    """The database that a URL names; nothing is connected yet.

    Raises:
        ConfigurationError: it is no PostgreSQL URL.
    """
    parts = urlsplit(database_url.strip())
    scheme = parts.scheme.lower().partition("+")[0]  # other tools write the driver into the scheme: postgresql+asyncpg
    if scheme not in _SCHEMES or not (parts.netloc or parts.query):
        message = "DATABASE_URL must look like postgresql://user:password@host:5432/name. Unset it to use the embedded PostgreSQL."
        raise ConfigurationError(message)
    url = urlunsplit(("postgresql", parts.netloc, parts.path, parts.query, ""))
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key not in _LIBPQ_ONLY])
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    return Database(connect_arguments={"dsn": dsn}, url=url, is_embedded=False)
