"""Reads experiments and the shadow book back, as their owner sees them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from hookfill.desk.trial import NAMES, VARIANTS
from hookfill.engines.experiments import CONFIDENCE_PERCENT, RESAMPLES, Pair, Side, results
from hookfill.engines.performance import Call, performance
from hookfill.engines.router import Variant
from hookfill.kernel.money import ZERO
from hookfill.postgres.sql import load

SQL = load(__package__, "experiment_reads.sql")
MOST_PAIRS = 20_000
"""How many pairs, the newest, results are made of."""
MOST_SIGNALS = 5_000
"""Of how many signals, the newest, agents' figures are made."""

_PAIR = (
    "experiment_id",
    "signal_id",
    "account_id",
    "strategy_id",
    "strategy_name",
    "symbol",
    "as_of",
    "created_at",
    "direction",
    "price",
    "variant",
    "assignment_hash",
    "split_percentage",
    "barred",
)
_SIDE = ("position_id", "opened_at", "closed_at", "exit_reason")


async def list_pairs(
    connection: asyncpg.Connection, user_id: UUID, *, strategy_id: UUID | None = None, limit: int = 50, offset: int = 0
) -> list[dict[str, Any]]:
    """A user's pairs, newest first."""
    return [_pair(row) for row in await connection.fetch(SQL.list_pairs.sql, strategy_id, limit, offset, user_id)]


async def get_pair(connection: asyncpg.Connection, user_id: UUID, experiment_id: UUID) -> dict[str, Any] | None:
    """One pair with the opinions of the council's agents; None where there is none of that id."""
    row = await connection.fetchrow(SQL.get_pair.sql, user_id, experiment_id)
    return None if row is None else {**_pair(row), "opinions": row["opinions"]}


def _pair(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _PAIR} | {variant.lower(): _side(row, variant) for variant in VARIANTS}


def _side(row: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    letter, book = variant.lower(), _book(row, variant)
    status = row[f"{book}_status"]
    if status is None and row[f"{book}_is_open"]:
        status = "waiting"
    return {
        "engine": NAMES[variant],
        "verdict": row[f"verdict_{letter}"],
        "bias": row[f"bias_{letter}"],
        "confidence": row[f"confidence_{letter}"],
        "outcome": row[f"outcome_{letter}"],
        "is_shadow": book == "shadow",
        "status": status,
        "pnl": _net(row, book),
        **{name: row[f"{book}_{name}"] for name in _SIDE},
    }


def _book(row: Mapping[str, Any], variant: Variant) -> Literal["real", "shadow"]:
    return "real" if row["variant"] == variant else "shadow"


def _net(row: Mapping[str, Any], book: str) -> Any:
    """What a side's trade realised net of commission; None without one, or before it is closed."""
    gross = row[f"{book}_gross"]
    return None if gross is None or row[f"{book}_is_open"] else gross - (row[f"{book}_commission"] or ZERO)


async def get_results(connection: asyncpg.Connection, user_id: UUID, asked: UUID) -> dict[str, Any] | None:
    """What an experiment came to; None where there is none of that id.

    Args:
        asked: a pair's experiment id: the results of its strategy while the split was the pair's; or a strategy's id: all splits.
    """
    pair = await get_pair(connection, user_id, asked)
    if pair is not None:
        known: Mapping[str, Any] = pair | {"currency": await connection.fetchval(SQL.currency_of.sql, pair["account_id"])}
        split = pair["split_percentage"]
    else:
        known, split = await connection.fetchrow(SQL.get_tried.sql, user_id, asked), None
        if known is None:
            return None
    group = (known["account_id"], known["strategy_id"], split)
    rows = await connection.fetch(SQL.pairs_to_compare.sql, *group, MOST_PAIRS)
    counts = await connection.fetchrow(SQL.count_signals.sql, *group)
    compared = [_sides(row) for row in reversed(rows)]
    found = asdict(await asyncio.to_thread(results, compared))
    found["difference"] |= {"confidence_percent": CONFIDENCE_PERCENT, "resamples": RESAMPLES}
    return {
        "strategy_id": known["strategy_id"],
        "strategy_name": known["strategy_name"],
        "currency": known["currency"],
        "split_percentage": split,
        "since": rows[-1]["as_of"] if rows else None,
        "until": rows[0]["as_of"] if rows else None,
        **dict(counts),
        **found,
        "pair": pair,
    }


def _sides(row: Mapping[str, Any]) -> Pair:
    books = {variant: _book(row, variant) for variant in VARIANTS}
    a, b = (
        Side(row[f"verdict_{variant.lower()}"] == "approved", _net(row, book), row[f"{book}_is_open"])
        for variant, book in books.items()
    )
    return Pair(a, b, barred=row["barred"] is not None)


async def get_performance(
    connection: asyncpg.Connection, user_id: UUID, *, strategy_id: UUID | None = None, horizon: timedelta | None = None
) -> dict[str, Any]:
    """How good the engines and the council's agents are.

    Args:
        horizon: a call is right when the price went its way within this time; None: when the trade on the signal did.
    """
    if horizon is None:
        rows = await connection.fetch(SQL.calls_by_trade.sql, user_id, strategy_id, MOST_SIGNALS)
    else:
        rows = await connection.fetch(SQL.calls_by_move.sql, horizon, user_id, strategy_id, MOST_SIGNALS)
    engines, agents = await asyncio.to_thread(_figures, rows)
    return {
        "signals": len(rows),
        "horizon_minutes": None if horizon is None else int(horizon.total_seconds()) // 60,
        "engines": engines,
        "agents": agents,
    }


def _figures(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    engines = performance(call for row in rows for call in _engine_calls(row))
    agents = performance(call for row in rows for call in _agent_calls(row))
    return [asdict(figures) for figures in engines], [asdict(figures) for figures in agents]


def _engine_calls(row: Mapping[str, Any]) -> Iterable[Call]:
    for variant in VARIANTS:
        letter = variant.lower()
        match row[f"verdict_{letter}"]:
            case None:
                pass
            case "failed":
                yield Call(NAMES[variant], 0, 0.0, is_error=True, went=row["went"])
            case _:
                yield Call(NAMES[variant], row[f"bias_{letter}"], row[f"confidence_{letter}"], went=row["went"])


def _agent_calls(row: Mapping[str, Any]) -> Iterable[Call]:
    for one in row["opinions"]:
        yield Call(
            one["agent"],
            one["bias"],
            float(one["confidence"]),
            is_block=one["block"],
            is_error=one["error"] is not None,
            went=row["went"],
        )


async def list_shadow_positions(
    connection: asyncpg.Connection,
    user_id: UUID,
    *,
    status: str = "open",
    variant: str | None = None,
    strategy_id: UUID | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """A user's shadow positions, newest first; ``status`` is ``open``, ``closed`` or ``all``."""
    rows = await connection.fetch(SQL.list_shadow_positions.sql, status, variant, strategy_id, limit, offset, user_id)
    return [dict(row) for row in rows]


async def list_shadow_trades(
    connection: asyncpg.Connection,
    user_id: UUID,
    *,
    variant: str | None = None,
    strategy_id: UUID | None = None,
    signal_id: UUID | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """The fills of a user's shadow book, newest first."""
    rows = await connection.fetch(SQL.list_shadow_trades.sql, variant, strategy_id, signal_id, limit, offset, user_id)
    return [dict(row) for row in rows]
