"""Carrying out one job at Alpaca: make the order at most once, find out what came of it, and tell what really happened."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from hookfill.brokers.alpaca.answers import pause
from hookfill.brokers.alpaca.instruct import UnusableJob, ask_from, good_until, missing_coins, plain_symbol
from hookfill.brokers.alpaca.outcome import expired, failed, result_of
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.port import Ask, Broker, Holding, KnownAlready, NotNow, OrderState, Refused, Unknown, merge
from hookfill.kernel.clock import utc_now
from hookfill.kernel.money import ZERO

NOTHING_DONE = "Its time was over before it could be begun: nothing was done."
NO_TRACE = "Alpaca shows no trace of the order, so it is taken as not made; it was not sent again."


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things are waited for, in seconds.

    Attributes:
        looks: how many looks in a row must show nothing before an order whose making was not answered counts as not there.
        settled: how long it is looked for, when it may not be begun any more, until it is given up: late deliveries come sooner.
        visible: how long an outcome may be unknown before it is shown as such.
        patience: how long an entry at the market, or one of which a part is filled, may take before the rest of it is cancelled:
            what is filled is in the books, and guarded, only when the order is over.
        first_pause: between the first two looks; it grows from there.
        freed: how long is waited for what guards a position to be cancelled.
    """

    looks: int = 3
    settled: float = 60.0
    visible: float = 5.0
    patience: float = 60.0
    first_pause: float = 0.5
    freed: float = 10.0


@dataclass(slots=True)
class Errand:
    """A job under a lease of ours.

    Attributes:
        begin_until: until when it may be begun, by the event loop's clock; None: any time.
        cancel: set when somebody asks to end its order.
    """

    job_id: UUID
    job_type: JobType
    order_id: UUID | None
    input_data: Mapping[str, Any]
    lease_token: int
    attempts: int
    begin_until: float | None
    cancel: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waits(self) -> bool:
        """Whether its order waits for a price, perhaps for weeks."""
        return bool(self.input_data.get("order_type", "market") != "market")

    def is_unwanted(self) -> bool:
        """Whether what is left of its order shall be cancelled."""
        left = self.seconds_left()
        return self.cancel.is_set() or (left is not None and left <= 0)

    def seconds_left(self) -> float | None:
        """How long its order may still fill; None: nobody has to end it."""
        until = good_until(self.input_data)
        return None if until is None else (until - utc_now()).total_seconds()

    def may_begin(self) -> bool:
        """Whether it may still be begun."""
        return self.begin_until is None or asyncio.get_running_loop().time() < self.begin_until


class GuardedBroker(Broker, Protocol):
    """A broker that keeps guarding orders (legs) at an entry."""

    async def look_with_legs(self, broker_order_id: str) -> OrderState | None:
        """An order of the broker's own id with its legs; None when there is none."""
        ...


class Ledger(Protocol):
    """What carrying out needs of the books."""

    async def guards_of(self, errand: Errand) -> Sequence[str]:
        """The broker's ids of the entries that made the position that a job closes."""
        ...

    async def bought_for(self, errand: Errand) -> Decimal:
        """How much was bought in all for the position that a job closes."""
        ...

    async def note_unknown(self, errand: Errand, text: str) -> None:
        """Show that nobody knows what came of an order."""
        ...

    async def note_working(self, errand: Errand, state: OrderState) -> None:
        """Show that an order is at the broker and not over."""
        ...


class Watch:
    """What the stream tells, for those who wait for it."""

    def __init__(self) -> None:
        self._states: dict[str, OrderState] = {}
        self._news: dict[str, asyncio.Event] = {}

    def expect(self, client_order_id: str) -> None:
        """Somebody waits for news of this order."""
        self._news.setdefault(client_order_id, asyncio.Event())

    def forget(self, client_order_id: str) -> None:
        """Nobody waits for it any more."""
        self._news.pop(client_order_id, None)
        self._states.pop(client_order_id, None)

    def told(self, state: OrderState) -> bool:
        """Take news in any order and any number of times; False when nobody waits for it."""
        news = self._news.get(state.client_order_id)
        if news is None:
            return False
        before = self._states.get(state.client_order_id)
        if self.seen(state) != before:
            news.set()
        return True

    def seen(self, state: OrderState) -> OrderState:
        """Take what whoever waits has found by looking: no news to them. Returns all that is known of the order."""
        before = self._states.get(state.client_order_id)
        after = state if before is None else merge(before, state)
        self._states[state.client_order_id] = after
        return after

    def state(self, client_order_id: str) -> OrderState | None:
        """All that was told of an order."""
        return self._states.get(client_order_id)

    async def wait(self, client_order_id: str, seconds: float) -> bool:
        """Until there is news, or so long; whether there was."""
        news = self._news[client_order_id]
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return False
        news.clear()
        return True


class Carrier:
    """Carries out jobs; calling it again with the same job is always safe."""

    def __init__(self, broker: GuardedBroker, watch: Watch, ledger: Ledger, timing: Timing | None = None) -> None:
        """Trade through ``broker``."""
        self._broker, self._watch, self._ledger = broker, watch, ledger
        self._timing = timing or Timing()

    async def carry_out(self, errand: Errand) -> JobResult:
        """Do what a job asks for, unless it was done already. It takes as long as its order does."""
        if errand.job_type not in (JobType.TRADE, JobType.CLOSE_POSITION):
            return failed("An account at Alpaca is looked at by itself: see its positions and differences.")
        try:
            ask = ask_from(errand.input_data)
        except UnusableJob as error:
            return failed(str(error))
        self._watch.expect(ask.client_order_id)
        try:
            is_close = errand.job_type is JobType.CLOSE_POSITION
            return await (self._close(errand, ask) if is_close else self._trade(errand, ask))
        finally:
            self._watch.forget(ask.client_order_id)

    async def _trade(self, errand: Errand, ask: Ask) -> JobResult:
        state = await self._made_before(errand, ask)
        if state is None:
            if not errand.may_begin():
                return expired(NOTHING_DONE)
            made = await self._make(errand, ask)
            if isinstance(made, JobResult):
                return made
            state = made
        return result_of(await self._until_over(errand, state, waits=ask.order_type != "market"))

    async def _made_before(self, errand: Errand, ask: Ask) -> OrderState | None:
        """The order that an earlier lease, or an earlier life of this program, may have made."""
        return await self._find(errand, ask) if errand.attempts > 1 or not errand.may_begin() else None

    async def _make(self, errand: Errand, ask: Ask) -> OrderState | JobResult:
        """Make the order. One whose making was not answered is looked for before anything else."""
        turned_away = 0
        while True:
            try:
                return await self._broker.submit(ask)
            except Refused as error:
                return failed(str(error))
            except NotNow as error:
                turned_away += 1
                await asyncio.sleep(pause(turned_away, random.random(), error.after_seconds, first=self._timing.first_pause))
                if not errand.may_begin():
                    return expired(f"{error} Its time was over before Alpaca took it: nothing was done.")
            except (Unknown, KnownAlready) as error:
                found = await self._find(errand, ask, exists=isinstance(error, KnownAlready))
                if found is not None:
                    return found
                if not errand.may_begin():
                    return failed(f"{error} {NO_TRACE}")
                # Looked for and not there: the same id once more. Should the first still arrive, Alpaca refuses one of the two.

    async def _find(self, errand: Errand, ask: Ask, *, exists: bool = False) -> OrderState | None:
        """Look until Alpaca shows the order, or has shown long enough that there is none. While Alpaca is away it never ends.

        Args:
            exists: Alpaca has said that it knows the id, so there is nothing to give up.
        """
        now = asyncio.get_running_loop().time
        began, misses, failures, is_shown = now(), 0, 0, False
        while True:
            told = self._watch.state(ask.client_order_id)
            if told is not None:
                return told
            try:
                found = await self._broker.look(ask.client_order_id)
            except (Unknown, NotNow, Refused):
                failures += 1
            else:
                if found is not None:
                    return found
                misses, failures = misses + 1, 0
            is_settled = errand.may_begin() or now() - began >= self._timing.settled
            if not exists and misses >= self._timing.looks and not failures and is_settled:
                return None
            if now() - began >= self._timing.visible and not is_shown:
                await self._ledger.note_unknown(errand, "Alpaca did not say what came of the order; it is looked for.")
                is_shown = True
            await asyncio.sleep(pause(failures or misses, random.random(), first=self._timing.first_pause))

    async def _until_over(self, errand: Errand, state: OrderState, *, waits: bool) -> OrderState:
        """Wait for the order's end: the stream tells of it, and looking does where the stream does not.

        Args:
            waits: it may wait for its price as long as nothing of it is filled. Orders that leave a position have all the time.
        """
        now = asyncio.get_running_loop().time
        is_entry = errand.job_type is JobType.TRADE
        give_up = now() + self._timing.patience if is_entry and not waits else None
        looks, is_cancelled = 0, False
        self._watch.seen(state)
        if not state.is_over:
            await self._ledger.note_working(errand, state)
        while not state.is_over:
            looks += 1
            is_woken = await self._wait(errand, state, pause(looks, random.random(), first=self._timing.first_pause), give_up)
            if not is_woken:
                await self._look_again(state.client_order_id)
            state = self._watch.state(state.client_order_id) or state
            if is_entry and give_up is None and state.filled > ZERO:
                give_up = now() + self._timing.patience
            is_unwanted = errand.is_unwanted() or (give_up is not None and now() >= give_up)
            # A cancellation that Alpaca took may be rejected where the order is: looked at and still there, it is asked again.
            if is_unwanted and not state.is_over and not (is_cancelled and is_woken):
                looks = looks if is_cancelled else 0
                is_cancelled = await self._cancelled(state) or is_cancelled
        return state

    async def _wait(self, errand: Errand, state: OrderState, seconds: float, give_up: float | None) -> bool:
        """Until there is news, or the order shall not fill any further, or so long; True unless it is time to look."""
        is_unwanted = errand.is_unwanted()
        left = None if give_up is None else give_up - asyncio.get_running_loop().time()
        ends = [] if is_unwanted else [one for one in (left, errand.seconds_left()) if one is not None and one > 0]
        waiting = [asyncio.create_task(self._watch.wait(state.client_order_id, min([seconds, *ends])))]
        if not is_unwanted:
            waiting.append(asyncio.create_task(errand.cancel.wait()))
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return any(one.result() for one in done)
        finally:
            for one in waiting:
                one.cancel()

    async def _look_again(self, client_order_id: str) -> None:
        try:
            found = await self._broker.look(client_order_id)
        except (Unknown, NotNow, Refused):
            return
        if found is not None:
            self._watch.seen(found)

    async def _cancelled(self, state: OrderState) -> bool:
        try:
            await self._broker.cancel(state.broker_order_id)
        except (Unknown, NotNow):
            return False
        return True

    # Leaving ------------------------------------------------------------------------------------------------------------------

    async def _close(self, errand: Errand, ask: Ask) -> JobResult:
        """Leave a position: what guards it goes first, since it holds the shares; and never more is sold than is there."""
        state = await self._made_before(errand, ask)
        if state is None:
            if not errand.may_begin():
                return expired(NOTHING_DONE)
            there = await self._free(errand, ask)
            if isinstance(there, JobResult):
                return there
            made = await self._make(errand, replace(ask, quantity=there, stop_loss=None, take_profit=None))
            if isinstance(made, JobResult):
                return made
            state = made
        over = await self._until_over(errand, state, waits=False)
        bought = await self._ledger.bought_for(errand) if over.quantity < ask.quantity else ZERO
        return result_of(over, missing_coins(ask.quantity, over.quantity, ask.symbol, bought))

    async def _free(self, errand: Errand, ask: Ask) -> Decimal | JobResult:
        """How much of the position can be left, once nothing else holds it."""
        tries = 0
        while True:
            try:
                await self._lift_guards(await self._ledger.guards_of(errand))
                return await self._there(ask)
            except Refused as error:
                return failed(str(error))
            except (Unknown, NotNow) as error:
                tries += 1
                if not errand.may_begin():
                    return expired(f"{error} {NOTHING_DONE}")
                await asyncio.sleep(pause(tries, random.random(), first=self._timing.first_pause))

    async def _lift_guards(self, broker_order_ids: Sequence[str]) -> None:
        """Cancel the stops and targets that stand at Alpaca for a position, and wait until they are gone."""
        give_up = asyncio.get_running_loop().time() + self._timing.freed
        tries = 0
        standing = list(broker_order_ids)
        while standing:
            found = [await self._broker.look_with_legs(one) for one in standing]
            legs = [leg for entry in found if entry is not None for leg in entry.legs if not leg.is_over]
            if not legs or asyncio.get_running_loop().time() >= give_up:
                return
            if tries == 0:
                for leg in legs:
                    await self._broker.cancel(leg.broker_order_id)
            tries += 1
            await asyncio.sleep(pause(tries, random.random(), first=self._timing.first_pause))

    async def _there(self, ask: Ask) -> Decimal | JobResult:
        held = await self._holding(ask.symbol)
        is_ours = held is not None and (held.quantity > ZERO) == (ask.side == "sell")
        quantity = min(ask.quantity, held.available) if held is not None and is_ours else ZERO
        if quantity > ZERO:
            return quantity
        if held is not None and is_ours:
            return failed("Other orders at Alpaca hold all of the position: cancel them there, or wait for them.")
        return failed(
            f"There is no such position in {ask.symbol} at Alpaca any more: nothing was done. If a stop or target there closed it, "
            "that is booked by itself."
        )

    async def _holding(self, symbol: str) -> Holding | None:
        wanted = plain_symbol(symbol)
        return next((one for one in await self._broker.positions() if plain_symbol(one.symbol) == wanted), None)
