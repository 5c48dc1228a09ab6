"""Reads and writes the shadow book and the pairs of an account, under the account's lock.

An account that tries nothing pays nothing: whether it has a shadow book comes with its lock, and nothing is asked where it has
none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog

from hookfill.accounts.model import Strategy
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.shadow_state import from_json, to_json
from hookfill.desk.trial import (
    NAMES,
    VARIANTS,
    Experiment,
    Shadow,
    ShadowOrder,
    ShadowPosition,
    ShadowRows,
    ShadowTrade,
    SideOutcome,
)
from hookfill.engines.model import Decision
from hookfill.engines.registry import AB
from hookfill.engines.router import Variant
from hookfill.kernel.reasons import Reason
from hookfill.positions.model import Position
from hookfill.postgres.sql import load
from hookfill.signals.model import Signal

SQL = load(__package__, "shadow.sql")
_LOG = structlog.get_logger("hookfill.desk")

NOTHING = Shadow()
"""Of an account that is not known to have a shadow book."""


def as_tried(signals: Iterable[Signal], strategies: Mapping[UUID, Strategy]) -> tuple[tuple[Signal, ...], Mapping[UUID, Strategy]]:
    """Signals and strategies with those of engine A tried whose signals the signed door has split between both: its answer holds.

    The door answers before it is known how a strategy is set. The strategy behind it has the engine ab unless it is older than that
    engine or was set otherwise; with another engine than A's, that one acts on all of its signals. What comes to a strategy of
    engine A by another door stays A's, whatever it is decided together with.
    """
    signals = tuple(signals)
    split = {signal.strategy_id for signal in signals if signal.split_percentage}
    tried = {
        strategy_id: replace(strategy, engine=AB)
        for strategy_id, strategy in strategies.items()
        if strategy.engine == NAMES["A"] and strategy_id in split
    }
    if not tried:
        return signals, strategies
    owned = (
        replace(one, split_percentage=0) if one.split_percentage is None and one.strategy_id in tried else one for one in signals
    )
    return tuple(owned), {**strategies, **tried}


async def open_shadow(connection: asyncpg.Connection, account_id: UUID) -> Shadow:
    """What an account's shadow book holds, and what rests in it."""
    rows = await connection.fetch(SQL.open_shadow.sql, account_id)
    positions: dict[Variant, tuple[Position, ...]] = {}
    orders: dict[Variant, tuple[RestingOrder, ...]] = {}
    for variant in VARIANTS:
        own = [row for row in rows if row["variant"] == variant]
        positions[variant] = tuple(from_json(Position, row["state"]) for row in own if row["kind"] == "position")
        orders[variant] = tuple(_order(row) for row in own if row["kind"] == "order")
    return Shadow(positions, orders)


def _order(row: Mapping[str, Any]) -> RestingOrder:
    """An entry that rests; it does no longer where its strategy is gone or was switched off."""
    order = from_json(RestingOrder, row["state"])
    if row["is_enabled"]:
        return order
    return replace(order, unwanted=Reason.STRATEGY_MISSING if row["is_enabled"] is None else Reason.STRATEGY_DISABLED)


async def with_owners(
    connection: asyncpg.Connection,
    account_id: UUID,
    shadow: Shadow,
    strategies: Mapping[UUID, Strategy],
    positions: Sequence[Position],
) -> Shadow | None:
    """What folding needs of the shadow book; None where nothing is to be done in one.

    Args:
        shadow: as it was read with the account's own positions; empty where the account was thought to have none.
        strategies: of the signals to be decided.
        positions: the account's own open ones.
    """
    tried = {strategy.strategy_id for strategy in strategies.values() if strategy.engine == AB}
    if not tried:
        return shadow or None
    if not shadow:  # its first may have been stored between the look for it and the account's lock
        shadow = await open_shadow(connection, account_id)
    own = [position.position_id for position in positions if position.strategy_id in tried]
    owners: dict[UUID, frozenset[Variant]] = {}
    for row in await connection.fetch(SQL.owners_of_positions.sql, account_id, own) if own else ():
        owners[row["position_id"]] = owners.get(row["position_id"], frozenset()) | {row["variant"]}
    return replace(shadow, owners=owners)


def tell_failures(account_id: UUID, rows: ShadowRows) -> None:
    """Log what failed in the shadow book, also where that leaves nothing to write."""
    for failure in rows.failures:
        _LOG.error("shadow_failed", account_id=str(account_id), error=failure)


async def keep_shadow(connection: asyncpg.Connection, account_id: UUID, rows: ShadowRows) -> None:
    """Write what a fold changed in the shadow book, in the account's transaction.

    What can't be written is logged and left out: the account's own rows must not depend on it.
    """
    tell_failures(account_id, rows)
    if not rows:
        return
    try:
        async with connection.transaction():
            if rows.positions:
                await connection.execute(SQL.save_shadow_positions.sql, account_id, *_position_columns(rows.positions))
            if rows.orders:
                await connection.execute(SQL.save_shadow_orders.sql, *_order_columns(rows.orders), account_id)
            if rows.experiments or rows.trades:
                await connection.execute(
                    SQL.save_experiments.sql, *_experiment_columns(rows.experiments), account_id, *_trade_columns(rows.trades)
                )
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        _LOG.error("shadow_not_stored", account_id=str(account_id), error=f"{type(error).__name__}: {error}")


def _position_columns(shadows: Sequence[ShadowPosition]) -> list[list[Any]]:
    positions = [shadow.position for shadow in shadows]
    return [
        [shadow.variant for shadow in shadows],
        [position.position_id for position in positions],
        [shadow.signal_id for shadow in shadows],
        *_columns(positions, "strategy_id symbol priced_by status"),
        [shadow.side for shadow in shadows],
        *_columns(
            positions,
            "quantity average_price multiplier entries realized_pnl commission mark marked_at marked_until due_at opened_at "
            "closed_at exit_reason",
        ),
        [orjson.dumps(to_json(position)).decode() for position in positions],
    ]


def _order_columns(orders: Sequence[ShadowOrder]) -> list[list[Any]]:
    resting = [one.order for one in orders]
    return [
        [one.variant for one in orders],
        *_columns(resting, "order_id is_open signal_id strategy_id symbol seen_until expires_at"),
        [orjson.dumps(to_json(order)).decode() for order in resting],
    ]


def _trade_columns(trades: Sequence[ShadowTrade]) -> list[list[Any]]:
    fills = [trade.fill for trade in trades]
    return [
        *_columns(trades, "variant"),
        *_columns(fills, "fill_id position_id"),
        *_columns(trades, "signal_id strategy_id"),
        *_columns(fills, "symbol side"),
        *_columns(trades, "purpose exit_reason"),
        *_columns(fills, "quantity price multiplier commission realized_pnl bar_low bar_high price_source filled_at"),
    ]


def _experiment_columns(experiments: Sequence[Experiment]) -> list[list[Any]]:
    signals = [experiment.signal for experiment in experiments]
    sides = {variant: [experiment.outcomes[variant] for experiment in experiments] for variant in VARIANTS}
    return [
        [signal.signal_id for signal in signals],
        [experiment.experiment_id for experiment in experiments],
        [signal.strategy_id for signal in signals],
        [signal.alert.symbol for signal in signals],
        [signal.as_of for signal in signals],
        *_columns(experiments, "direction price"),
        *_columns([experiment.assignment for experiment in experiments], "variant assignment_hash split_percentage"),
        *(column for variant in VARIANTS for column in _verdict_columns(sides[variant])),
        *([side.says for side in sides[variant]] for variant in VARIANTS),
        *([side.position_id for side in sides[variant]] for variant in VARIANTS),
        *_columns(experiments, "barred"),
        [_opinions(experiment) for experiment in experiments],
    ]


def _verdict_columns(sides: Iterable[SideOutcome]) -> list[list[Any]]:
    rows = [(_word(side), side.verdict) for side in sides]
    return [
        [word for word, _ in rows],
        [None if decision is None else decision.bias for _, decision in rows],
        [None if decision is None else decision.confidence for _, decision in rows],
    ]


def _word(side: SideOutcome) -> str | None:
    if side.failure is not None:
        return "failed"
    if side.verdict is None:
        return None
    return "approved" if side.verdict.approved else "refused"


def _opinions(experiment: Experiment) -> str:
    """What each agent of the council thought, as JSON; the engines' own verdicts have columns."""
    decisions: list[Decision] = [side.verdict for side in experiment.outcomes.values() if side.verdict is not None]
    told = [
        {
            "agent": one.agent,
            "kind": one.kind.value,
            "bias": one.bias,
            "confidence": one.confidence,
            "block": one.block,
            "error": one.error,
            "reasons": list(one.reasons),
        }
        for decision in decisions
        for one in decision.opinions
    ]
    return orjson.dumps(told).decode()


def _columns(items: Sequence[Any], names: str) -> list[list[Any]]:
    """One array per attribute, in the order of the statement's parameters."""
    return [[getattr(item, name) for item in items] for name in names.split()]
