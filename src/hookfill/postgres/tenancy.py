"""One person's view of the database: an unprivileged role and the person's id, for one transaction only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

ROLE = "authenticated"
"""Whose grants and policies hold for what a person asks; owns nothing. On Supabase a role of this name exists already."""
SERVICE_ROLE = "service_role"
"""Members see all rows: for servers that run under another role than the one that migrated."""
TENANT_TABLES = frozenset(
    {
        "users",
        "refresh_tokens",
        "invitations",
        "api_keys",
        "user_settings",
        "accounts",
        "broker_connections",
        "cash_movements",
        "equity_points",
        "strategies",
        "webhook_secrets",
        "messages",
        "gate",
        "signals",
        "decisions",
        "halts",
        "positions",
        "orders",
        "fills",
        "agents",
        "jobs",
        "broker_deals",
        "broker_snapshots",
        "alarms",
        "account_quotes",
        "alpaca_sessions",
        "automated_signals",
        "journals",
        "trade_states",
        "journal_days",
        "indicator_export_batches",
        "indicator_export_deliveries",
        "export_ledgers",
        "confirmed_signals_ledger",
        "all_signals_ledger",
        "experiments",
        "shadow_positions",
        "shadow_orders",
        "shadow_trades",
    }
)
"""The tables whose rows belong to somebody: row-level security must be on and forced for each."""
_BECOME = "SELECT set_config('role', 'authenticated', true), set_config('hookfill.user_id', $1, true)"


@asynccontextmanager
async def as_user(connection: asyncpg.Connection, user_id: UUID) -> AsyncIterator[None]:
    """Within it, the connection is in a transaction that sees and changes only what is this user's (row-level security).

    It commits at the end, or rolls back when something is raised; either way the connection is itself again.

    Raises:
        RuntimeError: a transaction is open already: PostgreSQL would keep the person's role until that one's end.
        asyncpg.InsufficientPrivilegeError: from a statement that a person's request must never make.
    """
    if connection.is_in_transaction():
        raise RuntimeError("as_user must be the outermost transaction of its connection.")
    async with connection.transaction():
        await connection.execute(_BECOME, str(UUID(str(user_id))))
        yield
