"""``hookfill doctor``: looks at everything that can be wrong with an installation and says what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, NotReachable, open_database, read_settings, run_async
from hookfill.kernel.errors import HookfillError
from hookfill.ops.health import Check, Level, check_clock, check_disk, check_port, check_private

if TYPE_CHECKING:
    import asyncpg

    from hookfill.home import Home
    from hookfill.ops.ledger import Invariant
    from hookfill.postgres.model import Database
    from hookfill.settings import Settings

LONGEST_WAIT_SECONDS = 60
_OTHER_SECRETS = ("jwt-secret", "credentials-key", "setup-token", "postgres/password")
"""Files in the home that only their owner may read, beside those that `hookfill token` shows."""
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "red"}


def doctor(
    ledger: Annotated[bool, typer.Option("--ledger", help="Check the ledger's invariants on everything stored, too.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, database, clock, port, secrets, disk and spool; exit code 1 when something has failed."""
    checks, invariants = run_async(_examine(home, with_ledger=ledger))
    if as_json:
        _print_as_json(checks, invariants)
    else:
        _print(checks, invariants)
    broken = any(not invariant.holds and not invariant.is_warning for invariant in invariants or ())
    if broken or any(check.level is Level.FAILURE for check in checks):
        raise typer.Exit(1)


async def _examine(home_folder: Path | None, *, with_ledger: bool) -> "tuple[list[Check], list[Invariant] | None]":
    from hookfill.home import Home

    try:
        settings = read_settings(home_folder)
        home = Home.at(settings.home)
    except HookfillError as error:
        return [Check("configuration", Level.FAILURE, str(error))], None
    checks = [
        _configuration(settings),
        check_private((*home.secret_files, *(home.folder / name for name in _OTHER_SECRETS))),
        _exposure(settings),
        check_port(settings.host, settings.port, home.listening_url()),
        check_disk(home.folder),
        _spool(home),
        _agents(),
    ]
    invariants = None
    try:
        async with open_database(settings, home) as (database, connection):
            checks += await _look_into(database, connection, settings)
            schema = await _schema(connection)
            checks.append(schema)
            if schema.level is Level.OK:
                checks += [await _tenancy(connection), await _worker(connection, home)]
                invariants = await _ledger(connection) if with_ledger else None
    except NotReachable as error:
        checks.append(Check("database", Level.FAILURE, str(error)))
    return checks, invariants


def _configuration(settings: "Settings") -> Check:
    from hookfill.kernel.errors import ConfigurationError
    from hookfill.settings import PLACEHOLDERS

    try:
        settings.check()
    except ConfigurationError as error:
        return Check("configuration", Level.FAILURE, str(error))
    given = {"HMAC_SECRET": settings.hmac_secret, "MT5_API_KEY": settings.mt5_api_key, "HOOKFILL_OWNER_TOKEN": settings.owner_token}
    weak = [name for name, value in given.items() if value is not None and value.get_secret_value().lower() in PLACEHOLDERS]
    if weak:
        says = f"{', '.join(weak)} holds a placeholder: use a long random text (openssl rand -hex 32)"
        return Check("configuration", Level.WARNING, says)
    return Check("configuration", Level.OK, f"{settings.mode.value} mode, time from {settings.time.value}")


def _exposure(settings: "Settings") -> Check:
    """Who can reach the signed door."""
    if settings.hmac_secret is not None:
        return Check("signed webhook", Level.OK, "needs a signature or the secret")
    if settings.host in {"127.0.0.1", "::1", "localhost"} and settings.base_url is None:
        return Check("signed webhook", Level.OK, "open, but reachable from this machine only")
    says = "POST /webhook is open to whoever can reach it: set HMAC_SECRET (openssl rand -hex 32)"
    return Check("signed webhook", Level.WARNING, says)


def _spool(home: "Home") -> Check:
    batches = home.spooled()
    if not batches:
        return Check("spool", Level.OK, "empty")
    return Check("spool", Level.WARNING, f"{len(batches)} batches wait in {home.spool_folder}: start the server to write them on")


def _agents() -> Check:
    """Whether the agents that other packages add to the council can be used."""
    from hookfill.engines.council.registry import HOUSE, own_agents

    agents = own_agents()
    problems = [f"{agent.name}: {agent.problem}" for agent in agents if agent.problem is not None]
    if problems:
        return Check("council", Level.WARNING, "; ".join(problems))
    own = f", and {', '.join(agent.name for agent in agents)} of other packages" if agents else ""
    return Check("council", Level.OK, f"{len(HOUSE)} agents of the house{own}")


async def _look_into(database: "Database", connection: "asyncpg.Connection", settings: "Settings") -> list[Check]:
    from hookfill.kernel.clock import utc_now
    from hookfill.kernel.errors import ConfigurationError
    from hookfill.postgres.audit import audit_durability

    version = await connection.fetchval("SELECT current_setting('server_version')")
    kind = "embedded" if database.is_embedded else "external"
    try:
        await audit_durability(connection)
        durability = Check("database", Level.OK, f"PostgreSQL {version}, {kind}, keeps what it acknowledges")
    except ConfigurationError as error:
        level = Level.WARNING if settings.allow_unsafe_database else Level.FAILURE
        durability = Check("database", level, f"PostgreSQL {version}, {kind}: {error}")
    before = utc_now()
    theirs = await connection.fetchval("SELECT clock_timestamp()")
    return [durability, check_clock(before, theirs, utc_now())]


async def _schema(connection: "asyncpg.Connection") -> Check:
    from hookfill.kernel.errors import ConfigurationError
    from hookfill.postgres.migrate import applied, check_schema

    done = await applied(connection)
    if not done:
        return Check("schema", Level.WARNING, "the database is empty: the first `hookfill serve` makes what it needs")
    try:
        await check_schema(connection)
    except ConfigurationError as error:
        return Check("schema", Level.FAILURE, str(error))
    return Check("schema", Level.OK, f"at {done[-1]}")


async def _tenancy(connection: "asyncpg.Connection") -> Check:
    """Whether the database keeps people apart."""
    from hookfill.postgres.audit import tenancy_faults
    from hookfill.postgres.tenancy import TENANT_TABLES

    faults = await tenancy_faults(connection)
    if faults:
        return Check("row-level security", Level.FAILURE, " ".join(faults))
    return Check("row-level security", Level.OK, f"forced on {len(TENANT_TABLES)} tables; requests run as an unprivileged role")


async def _worker(connection: "asyncpg.Connection", home: "Home") -> Check:
    """Whether somebody decides, as far as it matters now."""
    from hookfill.ops.queue import backlog, queue, worker_listens

    waiting, unread = await queue(connection), await backlog(connection)
    what_waits = f"{waiting.pending} signals wait, and {unread.pending} messages are to be read"
    if await worker_listens(connection):
        for what, seconds in (("signal waits", waiting.oldest_seconds), ("message is unread", unread.oldest_seconds)):
            if (seconds or 0) > LONGEST_WAIT_SECONDS:
                return Check("worker", Level.FAILURE, f"connected, but a {what} since {seconds:.0f} s: look into its log")
        return Check("worker", Level.OK, f"connected; {what_waits}")
    if home.listening_url() is not None:
        return Check(
            "worker", Level.WARNING, "the server takes messages, but no worker decides: start `hookfill serve --role worker`"
        )
    return Check("worker", Level.OK, f"not running; {what_waits}")


async def _ledger(connection: "asyncpg.Connection") -> "list[Invariant]":
    from hookfill.ops.ledger import check_ledger

    return await check_ledger(connection)


def _level(invariant: "Invariant") -> Level:
    if invariant.holds:
        return Level.OK
    return Level.WARNING if invariant.is_warning else Level.FAILURE


def _print_as_json(checks: list[Check], invariants: "list[Invariant] | None") -> None:
    from hookfill.cli.show import print_json

    found: dict[str, Any] = {"checks": [{"name": c.name, "level": c.level.value, "says": c.says} for c in checks]}
    if invariants is not None:
        found["ledger"] = [_as_json(invariant) for invariant in invariants]
    print_json(found)


def _as_json(invariant: "Invariant") -> Mapping[str, Any]:
    findings = [{"account_id": f.account_id, "id": f.id, "finding": f.text} for f in invariant.findings]
    return {"name": invariant.name, "title": invariant.title, "level": _level(invariant).value, "findings": findings}


def _print(checks: list[Check], invariants: "list[Invariant] | None") -> None:
    from rich.text import Text

    from hookfill.cli.show import console, table

    def word(level: Level) -> Text:
        return Text(level.value, style=_STYLES[level])

    out = console()
    out.print(table("Installation", ("check", "", "finding"), [(c.name, word(c.level), c.says) for c in checks]))
    if invariants is None:
        return
    out.print(table("Ledger", ("invariant", ""), [(each.title, word(_level(each))) for each in invariants]))
    findings = [(each.name, f.text, f.id, f.account_id) for each in invariants for f in each.findings]
    if findings:
        out.print(table("What breaks them (at most 100 rows each)", ("invariant", "finding", "row", "account"), findings))
