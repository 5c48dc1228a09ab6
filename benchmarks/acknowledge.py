"""Durable acknowledgements per second, against bare commits and against the textbook application."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from benchmarks.figures import BenchmarkError, Figure, latency_details
from benchmarks.load import Load, Outcome, Requests
from benchmarks.plan import Plan
from benchmarks.reference import Committed, commits_for, textbook
from benchmarks.stage import (
    TRADES,
    Running,
    Stage,
    create_strategies,
    hookfill,
    open_stage,
    signed_alerts,
    trades,
    wait_until_decided,
)
from hookfill.accounts.store import NewStrategy

NAME = "acknowledge"
UNIT = "acks/s"
ACCOUNTS = 16
LEAST_OF_PGBENCH, LEAST_OF_TEXTBOOK, AIMED_AT = 0.5, 4.0, 64
"""Aims, and the number of connections that they are set for."""
TURNS_OF_AIM = 3
"""That number is measured so many times as often: on a shared machine one turn can be a third off."""
STATUSES = {"signed": 201, "tradingview": 200, "textbook": 200}


async def run(plan: Plan) -> list[Figure]:
    """The doors without a worker, then one of them beside a working worker."""
    figures = []
    async with open_stage() as stage, hookfill(stage.home, "api") as server, textbook(stage) as other:
        taker = _Taker(
            stage, {"signed": server, "tradingview": server, "textbook": other}, await create_strategies(stage, ACCOUNTS)
        )
        for connections in plan.connections:
            figures += await _compare(plan, taker, connections)
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        taker = _Taker(stage, {"tradingview": server}, await create_strategies(stage, ACCOUNTS))
        figures.append(await _contended(plan, taker))
    return figures


class _Taker:
    """Takes measurements; numbers go on from one to the next, so that no alert repeats another."""

    def __init__(self, stage: Stage, servers: dict[str, Running], strategies: Sequence[NewStrategy]) -> None:
        self.stage, self._servers, self._strategies = stage, servers, strategies
        self._next_number = 0

    async def take(self, door: str, connections: int, seconds: float) -> Outcome:
        server = self._servers[door]
        load = Load(server.port, self._requests(door), connections, STATUSES[door], server.watched(self.stage), seconds=seconds)
        stored_before = await self._stored(door)
        outcome = await self.stage.send(load)
        self._next_number += outcome.sent
        stored = await self._stored(door) - stored_before
        if stored != outcome.sent:
            raise BenchmarkError(f"{door}: {outcome.sent} alerts were acknowledged, but {stored} are stored.")
        return outcome

    def _requests(self, door: str) -> Requests:
        if door == "signed":
            return signed_alerts(self._next_number)
        if door == "tradingview":
            return trades(self._strategies, self._next_number)
        return Requests(("/webhook",), TRADES, first_number=self._next_number)

    async def _stored(self, door: str) -> int:
        statement = "SELECT count(*) FROM textbook_alerts" if door == "textbook" else "SELECT count(*) FROM signals"
        async with self.stage.connection() as connection:
            return await connection.fetchval(statement)


async def _compare(plan: Plan, taker: _Taker, connections: int) -> list[Figure]:
    commits: list[Committed] = []
    taken: dict[str, list[Outcome]] = {"signed": [], "tradingview": [], "textbook": []}
    for _ in range(plan.rounds * (TURNS_OF_AIM if connections == AIMED_AT else 1)):
        commits.append(await commits_for(taker.stage, connections, plan.seconds))
        for door, outcomes in taken.items():
            outcomes.append(await taker.take(door, connections, plan.seconds))
    pgbench, other = median(c.per_second for c in commits), _rate(taken["textbook"])
    is_aimed_at = connections == AIMED_AT
    figures = []
    for door in ("signed", "tradingview"):
        name, rate, details = f"{door} door, {connections} connections", _rate(taken[door]), _details(taken[door])
        for reference, least, value in (("pgbench", LEAST_OF_PGBENCH, pgbench), ("textbook", LEAST_OF_TEXTBOOK, other)):
            figures.append(Figure(NAME, name, rate, UNIT, reference, value, least if is_aimed_at else None, details=details))
            details = {}
    return [replace(figures[0], details=figures[0].details | _of_references(commits, taken["textbook"])), *figures[1:]]


def _of_references(commits: Sequence[Committed], textbook: Sequence[Outcome]) -> dict[str, float]:
    of_textbook = {f"textbook_{name}": value for name, value in _details(textbook).items()}
    return of_textbook | {f"pgbench_{name}": value for name, value in commits[-1].cpu.items()}


async def _contended(plan: Plan, taker: _Taker) -> Figure:
    """The same while a worker decides what comes in; each round begins with nothing pending."""
    commits, outcomes = [], []
    for _ in range(plan.rounds):
        commits.append(await commits_for(taker.stage, plan.contended, plan.seconds))
        outcomes.append(await taker.take("tradingview", plan.contended, plan.seconds))
        await wait_until_decided(taker.stage)
    name = f"tradingview door, {plan.contended} connections, worker running"
    pgbench = median(c.per_second for c in commits)
    return Figure(NAME, name, _rate(outcomes), UNIT, "pgbench", pgbench, details=_details(outcomes))


def _rate(outcomes: Sequence[Outcome]) -> float:
    return median(outcome.per_second for outcome in outcomes)


def _details(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Latencies of all rounds together, and the processor use of the middle one: in cores, and in µs for each acknowledgement."""
    latencies = [latency for outcome in outcomes for latency in outcome.latencies]
    middle = sorted(outcomes, key=lambda outcome: outcome.per_second)[len(outcomes) // 2]
    costs = {f"{part}_us_per_ack": round(1e6 * middle.cpu[f"cpu_{part}"] / middle.per_second, 1) for part in ("server", "postgres")}
    return latency_details(latencies) | middle.cpu | costs
