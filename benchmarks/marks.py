"""A new price of a symbol in which an account holds a thousand positions: all are marked, and exits that are due are taken.

What is measured is the desk's own work for one bar: gathering, folding, writing, and the commit. Each bar reaches some targets.
Between two bars PostgreSQL alone writes the same rows' marks in one statement: what no desk could do without.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from uuid import UUID

import asyncpg
import orjson

from benchmarks.figures import BenchmarkError, Figure
from benchmarks.plan import Plan
from benchmarks.stage import WIDE_LIMITS, Stage, hookfill, open_stage
from hookfill.accounts.store import create_account, create_strategy, owner_id
from hookfill.desk.apply import apply
from hookfill.desk.fold import fold
from hookfill.desk.gather import SQL, gather
from hookfill.desk.worker import DECIDE_SECONDS
from hookfill.kernel.ids import new_id
from hookfill.market.model import Candle
from hookfill.market.store import store_candles
from hookfill.market.timeframes import bar_close

NAME = "marks"
MOST_MS = 200.0
SYMBOL = "SPY"
MINUTE = timedelta(minutes=1)
OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
"""The exchange opens."""
START = OPEN + 60 * MINUTE
PRICE = Decimal(500)
STEP = Decimal("0.05")
"""How much each bar rises."""
EXITS_EACH = 20
_LIMITS = {**WIDE_LIMITS, "max_position_size": "1000000", "price_collar_pct": "100"}
_INSERT = """
WITH told AS (
    INSERT INTO messages (account_id, message_id, strategy_id, door, source, headers, body, received_at, as_of, state, signal_id)
    SELECT $1, one.id, one.strategy_id, 'tv', 'benchmark', '{}', one.body, $5, $5, 'processed', one.id
    FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS one (id, strategy_id, body)
)
INSERT INTO signals (account_id, signal_id, message_id, strategy_id, door, source, status, as_of, created_at)
SELECT $1, one.id, one.id, one.strategy_id, 'tv', 'benchmark', 'pending', $5, $5
FROM unnest($2::uuid[], $3::uuid[]) AS one (id, strategy_id)"""
_OPEN = "SELECT count(*) FROM positions WHERE account_id = $1 AND status = 'open'"
_PENDING = "SELECT EXISTS (SELECT FROM signals WHERE account_id = $1 AND status = 'pending')"
_FLOOR = """
UPDATE positions
SET mark = mark, marked_at = marked_at, marked_until = marked_until, best_price = best_price, updated_at = clock_timestamp()
WHERE account_id = $1 AND status = 'open'"""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Seconds that each part of one bar's work took, how many positions there were, and how many exits were taken."""

    gather: float
    fold: float
    apply: float
    commit: float
    positions: int
    exits: int

    @property
    def total(self) -> float:
        return self.gather + self.fold + self.apply + self.commit


async def run(plan: Plan) -> list[Figure]:
    """Shares, then options on them."""
    async with open_stage() as stage:
        async with hookfill(stage.home, "api"):  # which migrates the database and makes the owner
            pass
        return [await _measure(stage, plan, kind) for kind in ("shares", "options")]


async def _measure(stage: Stage, plan: Plan, kind: str) -> Figure:
    async with stage.connection() as connection:
        account_id = await _open_positions(connection, plan.marks_positions, kind)
        turns: list[_Turn] = []
        floors: list[float] = []
        for number in range(1, plan.marks_rounds + 1):
            turns.append(await _turn(connection, account_id, number))
            floors.append(await _floor(connection, account_id))
    return _figure(kind, turns, floors)


async def _open_positions(connection: asyncpg.Connection, positions: int, kind: str) -> UUID:
    """An account with one position of each of so many strategies, bought by alerts; each with a target of its own."""
    await store_candles(connection, [_bar(-back, PRICE + Decimal(back % 7) / 10) for back in range(60, 0, -1)], START)
    async with connection.transaction():
        account_id = await create_account(connection, await owner_id(connection), kind, cash=Decimal(10) ** 10, limits=_LIMITS)
        strategies = [(await create_strategy(connection, account_id, f"{kind} {n}")).strategy_id for n in range(positions)]
        bodies = [orjson.dumps(_alert(kind, place)) for place in range(positions)]
        ids = [new_id() for _ in strategies]
        await connection.execute(_INSERT, account_id, ids, strategies, bodies, START + timedelta(seconds=1))
    while await connection.fetchval(_PENDING, account_id):
        await _decide(connection, account_id, START + timedelta(seconds=2))
    if (found := await connection.fetchval(_OPEN, account_id)) != positions:
        raise BenchmarkError(f"{found} of {positions} positions in {kind} were opened.")
    return account_id


def _alert(kind: str, place: int) -> dict[str, object]:
    target = PRICE + 1 + STEP * (place // EXITS_EACH) + STEP
    side = "call" if kind == "options" else "buy"
    return {"symbol": SYMBOL, "action": side, "quantity": 1, "sl": "400", "tp": str(target)}


def _bar(minute: int, close: Decimal) -> Candle:
    opened_at = START + minute * MINUTE
    return Candle(SYMBOL, "M1", opened_at, bar_close("M1", opened_at), close, close, close - STEP, close, 1_000)


async def _turn(connection: asyncpg.Connection, account_id: UUID, number: int) -> _Turn:
    """A bar that is new to this account, and what the desk makes of it."""
    bar = _bar(number, PRICE + 1 + STEP * number)
    await store_candles(connection, [bar], bar.closes_at)
    return await _decide(connection, account_id, bar.closes_at)


async def _decide(connection: asyncpg.Connection, account_id: UUID, now: datetime) -> _Turn:
    """As ``desk.worker`` does it."""
    began = time.perf_counter()
    transaction = connection.transaction()
    await transaction.start()
    situation = await gather(connection, await connection.fetchrow(SQL.lock_account.sql, account_id), now)
    gathered = time.perf_counter()
    outcome = fold(situation, may_go_on=lambda: time.perf_counter() < gathered + DECIDE_SECONDS)
    folded = time.perf_counter()
    await apply(connection, outcome)
    applied = time.perf_counter()
    await transaction.commit()
    committed = time.perf_counter()
    return _Turn(
        gathered - began,
        folded - gathered,
        applied - folded,
        committed - applied,
        len(situation.positions),
        sum(order.purpose == "exit" for order in outcome.orders),
    )


async def _floor(connection: asyncpg.Connection, account_id: UUID) -> float:
    began = time.perf_counter()
    await connection.execute(_FLOOR, account_id)
    return time.perf_counter() - began


def _figure(kind: str, turns: Sequence[_Turn], floors: Sequence[float]) -> Figure:
    if sum(turn.exits for turn in turns) == 0 or any(turn.positions == 0 for turn in turns):
        raise BenchmarkError(f"No exits were due in {kind}, or nothing was held: the figure would mean nothing.")
    parts = {
        f"{part}_ms": round(1000 * median(getattr(turn, part) for turn in turns), 2)
        for part in ("gather", "fold", "apply", "commit")
    }
    each = median(1_000_000 * turn.total / turn.positions for turn in turns)
    return Figure(
        NAME,
        f"{kind}: a bar marks {turns[0].positions:,} positions of an account and takes the exits that are due",
        1000 * median(turn.total for turn in turns),
        "ms",
        "one statement that writes their marks",
        1000 * median(floors),
        most_value=MOST_MS,
        details={**parts, "us_per_position": round(each, 1), "exits_per_bar": median(turn.exits for turn in turns)},
    )
