"""Does this PostgreSQL keep what it acknowledges, and people apart? Asked at every start, of any server."""

import asyncpg

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.ids import new_id
from hookfill.postgres.tenancy import ROLE, SERVICE_ROLE, TENANT_TABLES, as_user

MINIMUM_VERSION = 15
_MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")
_ROLES = """
WITH ours AS (
    SELECT relname, relowner FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($3::text[])
),
role AS (SELECT oid, rolsuper OR rolbypassrls AS stands_above FROM pg_roles WHERE rolname = $1::text),
service AS (SELECT oid FROM pg_roles WHERE rolname = $2::text),
me AS (SELECT oid, rolsuper OR rolbypassrls AS stands_above FROM pg_roles WHERE rolname = current_user)
SELECT quote_ident(current_user) AS me,
       EXISTS (SELECT FROM role) AS has_role,
       EXISTS (SELECT FROM service) AS has_service,
       (SELECT stands_above FROM role) AS stands_above,
       (SELECT pg_has_role(role.oid, service.oid, 'MEMBER') FROM role, service) AS is_service,
       ARRAY(SELECT quote_ident(relname) FROM ours WHERE relowner = (SELECT oid FROM role) ORDER BY 1) AS owned,
       (SELECT pg_has_role(oid, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)
        FROM role) AS may_become,
       (SELECT stands_above FROM me) OR (SELECT pg_has_role(oid, 'USAGE') FROM service) OR EXISTS (
           SELECT FROM pg_policy, unnest(polroles) AS migrator
           WHERE polname = 'installation' AND polrelid = 'accounts'::regclass AND pg_has_role(migrator, 'USAGE')
       ) AS sees_all
"""
_NOT_FORCED = """
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($1::text[]) AND NOT (relrowsecurity AND relforcerowsecurity)
ORDER BY 1
"""


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


async def audit_tenancy(connection: asyncpg.Connection) -> None:
    """Refuse a database that does not keep people apart, or where this role can't do its work.

    Raises:
        ConfigurationError: with the statement that an administrator has to run.
    """
    faults = await tenancy_faults(connection)
    if faults:
        raise ConfigurationError(" ".join(faults))


async def tenancy_faults(connection: asyncpg.Connection) -> list[str]:
    """What is wrong with roles and row-level security of a migrated database; each text ends with the statement that mends it."""
    tables = sorted(TENANT_TABLES)
    found = await connection.fetchrow(_ROLES, ROLE, SERVICE_ROLE, tables)
    me = found["me"]
    missing = [name for name, there in ((ROLE, found["has_role"]), (SERVICE_ROLE, found["has_service"])) if not there]
    if missing:
        return [f"The role {name} is missing: an administrator has to run `CREATE ROLE {name} NOLOGIN`." for name in missing]
    faults = []
    if found["stands_above"]:
        faults.append(f"The role {ROLE} stands above row-level security: run `ALTER ROLE {ROLE} NOSUPERUSER NOBYPASSRLS`.")
    if found["is_service"]:
        faults.append(f"The role {ROLE} is a member of {SERVICE_ROLE}: run `REVOKE {SERVICE_ROLE} FROM {ROLE}`.")
    faults += [f"The role {ROLE} owns the table {name}: run `ALTER TABLE {name} OWNER TO {me}`." for name in found["owned"]]
    open_tables = await connection.fetch(_NOT_FORCED, tables)
    faults += [
        f"Row-level security of {name} is not forced: run `ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`."
        for (name,) in open_tables
    ]
    if not found["sees_all"]:
        faults.append(
            f"{me} neither migrated this database nor serves it: an administrator has to run `GRANT {SERVICE_ROLE} TO {me}`."
        )
    if not found["may_become"]:
        faults.append(f"{me} may not become the role {ROLE}: an administrator has to run `GRANT {ROLE} TO {me}`.")
    return faults or await _probe(connection, me)


async def _probe(connection: asyncpg.Connection, me: str) -> list[str]:
    """Look as somebody who does not exist: there must be accounts to look at, and none to see."""
    try:
        async with as_user(connection, new_id()):
            seen = await connection.fetchval("SELECT count(*) FROM accounts")
    except asyncpg.UndefinedTableError:
        schema = await connection.fetchval("SELECT current_schema()")
        return [f"The role {ROLE} does not find the tables: run `ALTER ROLE {me} SET search_path = {schema}` (without $user)."]
    except asyncpg.InsufficientPrivilegeError as error:
        return [f"The role {ROLE} lacks its privileges ({error}): run what migration 0002 grants again."]
    if seen:
        return [f"Row-level security shows {seen} accounts to nobody: look for policies that were added to the table accounts."]
    return []
