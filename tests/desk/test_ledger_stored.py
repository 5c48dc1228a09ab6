"""The same events through the database as through plain dictionaries, while the worker crashes: the same rows, and sound ones."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest

from hookfill.accounts.trading import move_cash
from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk import control, worker
from hookfill.desk.apply import apply
from hookfill.desk.control import Target
from hookfill.desk.model import HaltRow
from hookfill.inbox import store as inbox
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.ops.ledger import check_ledger
from hookfill.risk.halts import Scope
from hookfill.risk.model import Halt
from support.desk import WIDE, signal
from support.ledger_events import HALF, MARKET, OPTIONS, SIZE, START, STARTS, STRATEGIES, STRIDES, SYMBOLS, bar
from support.ledger_world import Cancel, Deposit, Resumed, World
from support.naive_ledger import is_trading
from support.options import MORNING

D = Decimal
STEPS = 120
COSTS = PaperModel(D(3), volume_cap_pct=D(20))
WAITING = ["{0} {1} {2} limit={3} tif=gtc", "{0} {1} {2} limit={3}", "{0} stop {1} {2} @{3}"]


class Crash(Exception):
    """The worker is gone before its transaction commits."""


class Both:
    """A world in memory and a desk on a database, told the same."""

    def __init__(self, desk: Any, random: Random) -> None:
        self.desk, self.random, self.now = desk, random, START
        self.world = World(STRATEGIES, COSTS, replace(WIDE, max_open_positions=D(6)))
        self.strategies: dict[UUID, UUID] = {}
        self.deliveries: list[Delivery] = []
        self.crashes = 0

    async def open(self) -> None:
        limits = {name: str(getattr(self.world.limits, name)) for name in WIDE.__slots__}
        self.desk.account_id = await self.desk.account(limits)
        costs = {"slippage_bps": "3", "volume_cap_pct": "20", "commission": {"option": "0.65"}}
        await self.desk.rows("UPDATE accounts SET costs = $2 WHERE account_id = $1", self.desk.account_id, costs)
        for one in STRATEGIES:
            self.strategies[one.strategy_id] = await self.desk.strategy(**one.settings)
        await self.desk.candles(*MORNING)
        await self.deposit(D(900_000))

    async def deposit(self, amount: Decimal) -> None:
        self.world.tell(Deposit(amount))
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await move_cash(connection, self.desk.account_id, new_id(), amount, None)

    def last(self, symbol: str) -> Decimal:
        quote = self.world.quotes.get(symbol)
        return STARTS[symbol] if quote is None else quote.price

    async def minute(self) -> None:
        """A bar of every symbol."""
        self.now = self.now.replace(second=0) + timedelta(minutes=self.now.second > 0)
        made = [bar(symbol, self.now, self.last(symbol), self.random.randrange(1000)) for symbol in SYMBOLS]
        bars = [one for one in made if one is not None and is_trading(one.symbol, self.now)]
        self.now += timedelta(minutes=1)
        for one in bars:
            self.world.tell(one)
        await self.desk.candles(*bars, known_at=self.now)

    async def alert(self) -> None:
        """One of any kind; mostly about one symbol, by one strategy."""
        symbol, number = self.random.choice(["EURUSD", *SYMBOLS]), self.random.choice([11, 12, 12, 13])
        level = f"{self.last(symbol) + self.random.randrange(-6, 7) * STRIDES[symbol]:f}"
        text = self.random.choice(
            [
                self.random.choice(MARKET).format(symbol, SIZE[symbol], HALF[symbol]),
                self.random.choice(WAITING).format(self.random.choice(["buy", "sell"]), symbol, SIZE[symbol], level),
                self.random.choice(OPTIONS),
            ]
        )
        self.now += timedelta(seconds=self.random.choice([0, 1, 20]))
        self.world.tell(replace(signal(text, 0, strategy=number, number=len(self.deliveries)), as_of=self.now))
        self.deliveries.append(
            Delivery(
                account_id=self.desk.account_id,
                message_id=new_id(),
                door="tradingview",
                body=text.encode(),
                received_at=self.now,
                as_of=self.now,
                seen_us=to_us(self.now),
                strategy_id=self.strategies[UUID(int=number)],
                gate_key=str(len(self.deliveries)).encode(),
                signal=NewSignal(new_id()),
            )
        )
        await self._deliver(self.deliveries[-1], self.now)

    async def again(self) -> None:
        """A message comes once more."""
        if self.deliveries:
            known = self.random.choice(self.deliveries[-4:])
            await self._deliver(replace(known, message_id=new_id(), signal=NewSignal(new_id())), self.now)

    async def _deliver(self, delivery: Delivery, now: datetime) -> None:
        async with self.desk.pool.acquire() as connection:
            await inbox.advance_simulated_clock(connection, now)
            await inbox.flush(connection, [delivery])

    async def halt(self) -> None:
        """A halt of some scope; what is there of others is lifted."""
        await self.work()
        for halted in self.world.halts:
            self.world.tell(Resumed(halted))
        async with self.desk.pool.acquire() as connection:
            await control.resume(connection, Target(Scope.ACCOUNT, account_id=self.desk.account_id), "command")
            scope, one = self.random.choice([Scope.ACCOUNT, Scope.STRATEGY, Scope.SYMBOL, None, None, None]), STRATEGIES[1]
            if scope is None:
                return
            symbol = "SPY" if scope is Scope.SYMBOL else None
            own = one.strategy_id if scope is Scope.STRATEGY else None
            is_soft = self.random.random() < 0.5
            target = Target(
                scope, account_id=self.desk.account_id, strategy_id=None if own is None else self.strategies[own], symbol=symbol
            )
            await control.put_in_force(connection, target, reduce_only=is_soft, reason="by hand", by="command")
        self.world.tell(HaltRow(Halt(scope.value, is_soft, "by hand"), strategy_id=own, symbol=symbol))

    async def cancel(self) -> None:
        """The entries that rest."""
        await self.work()
        for order_id in list(self.world.resting):
            self.world.tell(Cancel(order_id))
        await self.desk.rows(
            "UPDATE orders SET cancel_requested_at = clock_timestamp() WHERE status IN ('working', 'partially_filled')"
        )
        await self.work()

    async def work(self) -> None:
        """What is due, in both; the real worker may crash after all is written."""
        self.world.work(self.now)
        if self.random.random() < 0.4:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(worker, "apply", self._crash)
                try:
                    await self.desk.decide(self.desk.account_id, 1_000)
                except Crash:
                    self.crashes += 1
        await self.desk.work()

    async def _crash(self, connection: Any, outcome: Any) -> None:
        await apply(connection, outcome)
        raise Crash

    async def compare(self) -> None:
        """The rows that both hold, without ids."""
        own = {made: one for one, made in self.strategies.items()}
        world, account = self.world, self.desk.account_id
        held = await self.desk.rows("SELECT * FROM accounts WHERE account_id = $1", account)
        names = ("cash", "balance", "starting_cash", "day", "day_start_balance", "day_realized", "timeline_at")
        assert {name: held[0][name] for name in names} == {name: getattr(world.account, name) for name in names}
        assert held[0]["resting"] == len(world.resting)
        for table, columns in _COMPARED.items():
            stored = await self.desk.rows(f"SELECT * FROM {table} WHERE account_id = $1", account)
            mine = getattr(world, table).values()
            there = sorted(_key([own.get(row[name], row[name]) for name in columns]) for row in stored)
            assert there == sorted(_key([getattr(one, name) for name in columns]) for one in mine), table
        rows = await self.desk.rows("SELECT status, reason, fill_price FROM signals WHERE account_id = $1", account)
        assert sorted(_key(list(row)) for row in rows) == sorted(
            _key([answer.status, answer.reason, answer.fill_price]) for answer in world.answers.values()
        )


_COMPARED = {
    "orders": ("strategy_id", "symbol", "side", "order_type", "purpose", "exit_reason", "quantity", "status", "as_of"),
    "fills": (
        *("symbol", "side", "quantity", "price", "multiplier", "commission", "realized_pnl", "bar_low", "bar_high"),
        *("price_source", "filled_at"),
    ),
    "positions": (
        *("strategy_id", "symbol", "status", "quantity", "average_price", "cost", "entries", "realized_pnl", "commission"),
        *("mark", "marked_at", "marked_until", "stop_price", "target_price", "best_price", "trailing_stop", "closed_at"),
        *("exit_reason", "opened_at", "leave_at", "due_at"),
    ),
}


def _key(values: list[Any]) -> tuple[str, ...]:
    """Values to compare and to sort by: amounts without the zeros behind them."""
    return tuple(f"{value.normalize():f}" if isinstance(value, Decimal) else str(value) for value in values)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_rows_come_out_of_the_database(desk: Any, seed: int) -> None:
    random = Random(seed)
    both = Both(desk, random)
    await both.open()
    steps = [*[both.minute] * 5, *[both.alert] * 7, both.again, both.cancel, both.halt, *[both.work] * 4]
    await both.minute()
    for _ in range(STEPS):
        await random.choice(steps)()
    both.now = max(both.now, START.replace(hour=21)) + timedelta(hours=30)  # over an option's end
    await both.minute()
    await both.work()
    await both.work()
    await both.compare()
    assert both.crashes > 5
    assert len(both.world.fills) > 20
    async with desk.pool.acquire() as connection:
        broken = [one.name for one in await check_ledger(connection) if not one.holds]
    assert broken == []
