"""The experiment and its shadow book as the fold makes them, with engines that think what a test says."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfill.accounts.model import Account
from hookfill.desk import fold as folding
from hookfill.desk import trial
from hookfill.desk.book import Book
from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome, Situation, Step
from hookfill.desk.settings import TradingRules
from hookfill.desk.shadow import ShadowBook
from hookfill.desk.trial import Experiment, ShadowPosition, Trial
from hookfill.desk.watchdog import at_most
from hookfill.engines.model import Decision, Filters, MarketView
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle
from hookfill.signals.model import Signal
from support.desk import WIDE, bar, flat, only, signal, situation, strategy
from support.options import NOW, bought

EXITS = {"stop": {"pips": 20}, "target": {"pips": 40}}


def thinks(name: str, letter: str) -> Any:
    """An engine that approves what names it in its comment, and every signal that only leaves."""

    def judge(asked: Signal, market: MarketView, filters: Filters) -> Decision:
        approves = market.only_leaves or letter in (asked.alert.comment or "")
        return Decision(name, approves, 1, 60.0, None if approves else Reason.ENGINE_TREND, (f"{name} thinks so",))

    return judge


@pytest.fixture(autouse=True)
def _thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ENGINES", {"A": thinks("rules", "A"), "B": thinks("council", "B")})


def tried(**sections: Any) -> Any:
    return strategy(engine="ab", **({"sizing": {"mode": "fixed", "quantity": "1"}, "exits": EXITS} | sections))


def asks(side: str, minute: float, approved: str, variant: str = "A", **fields: Any) -> Signal:
    """An alert that these engines approve, owned by one of them."""
    text = f'{{"symbol": "EURUSD", "action": "{side}", "comment": "{approved}"}}'
    return signal(text, minute, variant=variant, **fields)


def told(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Of each pair: whose it is, and what came of each side."""
    return [(one.assignment.variant, one.outcomes["A"].says, one.outcomes["B"].says) for one in outcome.shadow.experiments]


def run(*signals: Signal, bars: Iterable[Candle] = (), rules: Any = None, **more: Any) -> Outcome:
    prices = list(bars) or [flat(-1, "1.0700")]
    return fold(situation(*signals, bars=prices, strategies=[rules or tried()], **more))


@pytest.mark.parametrize("variant", ["A", "B"])
@pytest.mark.parametrize("approved", ["AB", "A", "B", "-"])
def test_who_trades_where(variant: str, approved: str) -> None:
    outcome = run(asks("buy", 0, approved, variant))
    pair = only(outcome.shadow.experiments)
    for engine in "AB":
        assert pair.outcomes[engine].says == ("entered" if engine in approved else "engine_trend")
        assert pair.outcomes[engine].verdict is not None
        assert (pair.outcomes[engine].position_id is not None) == (engine in approved)
    other = "B" if variant == "A" else "A"
    assert len(outcome.orders) == (variant in approved)
    assert len(outcome.shadow.trades) == len(outcome.shadow.positions) == (other in approved)
    assert outcome.verdicts[0].status == ("executed" if variant in approved else "rejected")
    assert outcome.verdicts[0].trace["experiment"]["variant"] == variant


def test_both_sides_deal_at_the_same_price_and_size() -> None:
    outcome = run(asks("buy", 0, "AB"), rules=tried(sizing={"mode": "risk_percent", "percent": "1"}))
    mine, theirs = only(outcome.positions), only(outcome.shadow.positions).position
    fill, shadow = only(outcome.orders).fills[0], only(outcome.shadow.trades).fill
    assert (fill.quantity, fill.price, fill.side) == (shadow.quantity, shadow.price, shadow.side)
    assert replace(theirs, position_id=mine.position_id) == mine


def test_the_shadow_leaves_by_the_same_exits_on_the_same_bars() -> None:
    bars = [flat(-1, "1.0700"), bar(1, "1.0700 1.0710 1.0695 1.0705"), bar(2, "1.0705 1.0750 1.0700 1.0745")]
    outcome = run(asks("buy", 0.5, "AB"), bars=bars)
    mine, theirs = only(outcome.positions), only(outcome.shadow.positions)
    assert (mine.status, mine.exit_reason) == ("closed", "take_profit")
    assert replace(theirs.position, position_id=mine.position_id) == mine
    assert theirs.side == "long"
    assert [(one.purpose, one.exit_reason) for one in outcome.shadow.trades] == [
        ("entry", None),
        ("exit", "take_profit"),
    ]


def test_an_opposite_alert_turns_both_whoever_owns_it() -> None:
    outcome = run(asks("buy", 0, "AB", "A"), asks("sell", 1, "AB", "B"))
    assert told(outcome) == [("A", "entered", "entered"), ("B", "entered", "entered")]
    shadows = {(one.variant, one.position.status, one.side) for one in outcome.shadow.positions}
    assert shadows == {("B", "closed", "long"), ("A", "open", "short")}


def test_an_opposite_alert_that_nobody_approves_closes_both() -> None:
    outcome = run(asks("buy", 0, "AB", "A"), asks("sell", 1, "-", "B"))
    assert told(outcome)[1] == ("B", "left", "left") or told(outcome)[1] == ("B", "engine_trend", "left")
    assert [one.status for one in outcome.positions] == ["closed"]
    assert [one.position.status for one in outcome.shadow.positions] == ["closed"]


def test_a_close_closes_what_only_the_shadow_holds() -> None:
    outcome = run(asks("buy", 0, "B", "A"), signal('{"symbol": "EURUSD", "action": "close"}', 1, variant="A"))
    assert told(outcome) == [("A", "engine_trend", "entered"), ("A", "no_position", "left")]
    assert only(outcome.shadow.positions).position.status == "closed"
    assert outcome.orders == ()


def test_what_the_account_can_not_enter_neither_side_does() -> None:
    limits = replace(WIDE, max_position_size=Decimal("0.5"))
    outcome = run(asks("buy", 0, "AB"), limits=limits)
    assert told(outcome) == [("A", "max_position_size_exceeded", "max_position_size_exceeded")]
    assert only(outcome.shadow.experiments).barred == "max_position_size_exceeded"
    assert outcome.shadow.positions == ()


def test_the_checks_hold_for_the_shadow_when_the_chosen_engine_refuses() -> None:
    limits = replace(WIDE, max_position_size=Decimal("0.5"))
    outcome = run(asks("buy", 0, "B"), limits=limits)
    assert told(outcome) == [("A", "engine_trend", "max_position_size_exceeded")]
    assert only(outcome.shadow.experiments).barred == "max_position_size_exceeded"


def test_a_gate_comes_before_any_engine() -> None:
    rules = replace(tried(), allowed_pairs=("GBPUSD",))
    outcome = run(asks("buy", 0, "AB"), rules=rules)
    pair = only(outcome.shadow.experiments)
    assert pair.outcomes["A"].says == pair.outcomes["B"].says
    assert outcome.verdicts[0].status in ("discarded", "rejected")


def test_a_switched_off_strategy_has_a_pair_that_says_so() -> None:
    outcome = run(asks("buy", 0, "AB"), rules=replace(tried(), is_enabled=False))
    pair = only(outcome.shadow.experiments)
    assert told(outcome) == [("A", "strategy_disabled", "strategy_disabled")]
    assert pair.outcomes["A"].verdict is pair.outcomes["B"].verdict is None
    assert pair.price is None


def test_engines_that_agree_hold_the_same_whoever_owns_the_signals() -> None:
    """A second alert the same way: the account is in by A's verdict, the shadow by B's: nobody enters again."""
    outcome = run(asks("buy", 0, "AB", "A"), asks("buy", 1, "AB", "B"), asks("buy", 2, "AB", "A"))
    limit = "pyramiding_limit"
    assert told(outcome) == [("A", "entered", "entered"), ("B", limit, limit), ("A", limit, limit)]


def test_an_engine_that_stayed_out_may_enter_later_though_the_account_is_in() -> None:
    outcome = run(asks("buy", 0, "A", "A"), asks("buy", 1, "AB", "A"))
    assert told(outcome) == [("A", "entered", "engine_trend"), ("A", "pyramiding_limit", "entered")]
    assert [one.barred for one in outcome.shadow.experiments] == [None, None]


@pytest.mark.parametrize(("policy", "says"), [("close", "left"), ("ignore", "opposite_ignored")])
def test_engines_that_agree_hold_the_same_options_whoever_owns_the_signals(policy: str, says: str) -> None:
    """Options that the account holds by an engine's verdict are that engine's, as any position is: no second entry is made."""
    texts = ['{"symbol": "SPY", "action": "buy", "comment": "AB"}', '{"symbol": "SPY", "action": "sell", "comment": "AB"}']
    asked = [signal(text, NOW + number, variant="AB"[number]) for number, text in enumerate(texts)]
    outcome = bought(*asked, strategies=[tried(options={"trade": "always"}, policy={"on_opposite": policy}, exits={})])
    assert told(outcome) == [("A", "entered", "entered"), ("B", says, says)]
    assert [one.variant for one in outcome.shadow.trades if one.purpose == "entry"] == ["B"]


def test_the_routers_choice_is_made_where_the_door_made_none() -> None:
    asked = [asks("buy", minute, "AB", None) for minute in range(40)]
    none, every, some = (run(*asked, ab_split=split) for split in (0, 100, 50))
    assert {one.assignment.variant for one in none.shadow.experiments} == {"A"}
    assert {one.assignment.variant for one in every.shadow.experiments} == {"B"}
    assert {one.assignment.variant for one in some.shadow.experiments} == {"A", "B"}
    assert {one.assignment.split_percentage for one in some.shadow.experiments} == {50}


def test_a_failing_engine_that_was_not_chosen_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Decision:
        raise RuntimeError("no idea")

    alone = run(asks("buy", 0, "AB"), rules=strategy(engine="ab", sizing={"mode": "fixed", "quantity": "1"}, exits=EXITS))
    monkeypatch.setitem(trial.ENGINES, "B", fails)
    outcome = run(asks("buy", 0, "AB"))
    assert outcome.orders == alone.orders
    assert outcome.positions == alone.positions
    pair = only(outcome.shadow.experiments)
    assert pair.outcomes["B"].says == "failed"
    assert pair.outcomes["B"].failure == "RuntimeError: no idea"
    assert any("no idea" in failure for failure in outcome.shadow.failures)
    assert outcome.shadow.positions == ()


def test_a_failing_engine_keeps_the_shadow_in_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_later(asked: Signal, market: MarketView, filters: Filters) -> Decision:
        if asked.alert.action == "sell":
            raise RuntimeError("no idea")
        return thinks("council", "B")(asked, market, filters)

    monkeypatch.setitem(trial.ENGINES, "B", fails_later)
    outcome = run(asks("buy", 0, "B"), asks("sell", 1, "B"))
    assert told(outcome) == [("A", "engine_trend", "entered"), ("A", "engine_trend", "failed")]
    assert only(outcome.shadow.positions).position.status == "closed"


def test_an_engine_that_hangs_is_asked_once_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Signal] = []

    def hangs(signal_: Signal, *_: Any) -> Decision:
        asked.append(signal_)
        while True:
            pass

    monkeypatch.setitem(trial.ENGINES, "B", hangs)
    prepared = situation(asks("buy", 0, "AB"), bars=[flat(-1, "1.0700")], strategies=[tried()])
    with at_most(0.2) as bound:
        outcome = fold(prepared, bound)
    assert outcome.verdicts[0].status == "executed"
    assert only(outcome.shadow.experiments).outcomes["B"].says == "failed"
    assert len(asked) == 1


def test_an_alert_the_other_way_ends_what_rests_in_both_shadows() -> None:
    """The account is A's both times; what rests in A's own shadow from a signal of B's is given up with the account's view."""
    waits = '{"symbol": "EURUSD", "action": "buy", "comment": "A", "type": "limit", "limit_price": 1.0690, "tif": "gtc"}'
    outcome = run(signal(waits, 0, variant="B"), asks("sell", 1, "A", "A"))
    assert told(outcome)[0] == ("B", "entered", "engine_trend")
    (ended,) = outcome.shadow.orders
    assert (ended.variant, ended.order.status) == ("A", "cancelled")


def test_a_failing_engine_that_was_chosen_is_tried_again_and_leaves_a_pair_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Decision:
        raise RuntimeError("no idea")

    monkeypatch.setitem(trial.ENGINES, "A", fails)
    first = run(asks("buy", 0, "AB"))
    assert first.verdicts[0].status == "pending"
    assert first.shadow.experiments == ()
    last = run(asks("buy", 0, "AB", attempts=2))
    assert last.verdicts[0].status == "failed"
    assert told(last) == [("A", "dead_lettered", "dead_lettered")]


def test_other_engines_have_no_shadow() -> None:
    outcome = fold(situation(asks("buy", 0, "AB"), bars=[flat(-1, "1.0700")]))
    assert not outcome.shadow
    assert "experiment" not in outcome.verdicts[0].trace


moves = st.lists(st.integers(-30, 30), min_size=4, max_size=40)
alerts = st.lists(
    st.tuples(
        st.integers(0, 39), st.sampled_from(["buy", "sell", "close"]), st.sampled_from(["AB", "A", "B", "-"]), st.sampled_from("AB")
    ),
    max_size=12,
)
policies = st.fixed_dictionaries({"on_opposite": st.sampled_from(["reverse", "close", "ignore"]), "pyramiding": st.integers(1, 3)})


def walk(steps: list[int]) -> list[Candle]:
    """Bars that move by so many pips each, with wicks."""
    level, bars = 10_700, [flat(-1, "1.0700")]
    for minute, step in enumerate(steps):
        opening, level = level, max(9_000, level + step)
        low, high = min(opening, level) - 3, max(opening, level) + 3
        bars.append(bar(minute, " ".join(str(Decimal(price) / 10_000) for price in (opening, high, low, level))))
    return bars


def story(steps: list[int], asked: list[tuple[int, str, str, str]], policy: dict[str, Any]) -> Situation:
    ordered = sorted(asked, key=lambda one: one[0])
    signals = [
        asks(side, minute + 0.5, approved, variant, number=number)
        for number, (minute, side, approved, variant) in enumerate(ordered)
    ]
    return situation(*signals, bars=walk(steps), strategies=[tried(policy=policy)])


class NoShadow(ShadowBook):
    """Notes what both engines think and does nothing about it."""

    def _each(self, account: Account, doing: str, act: Callable[[Book, Situation], object]) -> None:
        pass

    def follow(self, book: Book, signal: Signal, rules: TradingRules | None, trial: Trial, step: Step) -> Step:
        return step


@given(moves, alerts, policies)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ledger_is_the_same_without_a_shadow(steps: list[int], asked: list[Any], policy: dict[str, Any]) -> None:
    whole = story(steps, asked, policy)
    outcome = fold(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "ShadowBook", NoShadow)
        alone = fold(whole)
    assert not outcome.shadow.failures
    assert (outcome.account, outcome.equity, outcome.orders, outcome.positions) == (
        alone.account, alone.equity, alone.orders, alone.positions,
    )  # fmt: skip
    untold = [
        replace(one, trace={name: value for name, value in one.trace.items() if name != "experiment"}) for one in outcome.verdicts
    ]
    assert untold == list(alone.verdicts)


@given(moves, alerts, policies)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_the_owner_of_a_signal_enters_with_it(steps: list[int], asked: list[Any], policy: dict[str, Any]) -> None:
    outcome = fold(story(steps, asked, policy))
    pairs = {one.signal.signal_id: one for one in outcome.shadow.experiments}
    assert pairs.keys() == {one.signal_id for one in outcome.verdicts}
    for order in outcome.orders:
        if order.purpose == "entry":
            assert order.signal_id is not None
            pair = pairs[order.signal_id]
            decision = pair.outcomes[pair.assignment.variant].verdict
            assert decision is not None
            assert decision.approved
            assert decision.engine == {"A": "rules", "B": "council"}[pair.assignment.variant]
    for trade in outcome.shadow.trades:
        if trade.purpose == "entry":
            assert trade.signal_id is not None
            assert pairs[trade.signal_id].assignment.variant != trade.variant


@given(moves, alerts, policies)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_shadow_is_a_sound_ledger(steps: list[int], asked: list[Any], policy: dict[str, Any]) -> None:
    """Its positions are the sums of its fills, its fills lie inside their bars, and it holds one position per symbol."""
    outcome = fold(story(steps, asked, policy))
    for variant in "AB":
        positions = {one.position.position_id: one.position for one in outcome.shadow.positions if one.variant == variant}
        trades = [one for one in outcome.shadow.trades if one.variant == variant]
        held: dict[UUID, Decimal] = {position_id: Decimal(0) for position_id in positions}
        for trade in trades:
            held[trade.fill.position_id] += trade.fill.quantity if trade.fill.side == "buy" else -trade.fill.quantity
            assert trade.fill.bar_low is None or trade.fill.bar_low <= trade.fill.price <= (trade.fill.bar_high or trade.fill.price)
        assert held == {position_id: position.quantity for position_id, position in positions.items()}
        realized = {position_id: Decimal(0) for position_id in positions}
        for trade in trades:
            realized[trade.fill.position_id] += trade.fill.realized_pnl
        assert realized == {position_id: position.realized_pnl for position_id, position in positions.items()}
        assert len([one for one in positions.values() if one.status != "closed"]) <= 1


@given(moves, alerts, st.sampled_from(["reverse", "close", "ignore"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_engines_that_always_agree_make_the_same(steps: list[int], asked: list[Any], on_opposite: str) -> None:
    agreed = [(minute, side, "AB", variant) for minute, side, _, variant in asked]
    outcome = fold(story(steps, agreed, {"on_opposite": on_opposite}))
    mine = {one.position_id: one for one in outcome.positions}
    shadows = {(one.variant, one.position.position_id): one for one in outcome.shadow.positions}
    for pair in outcome.shadow.experiments:
        assert (pair.outcomes["A"].says == "entered") == (pair.outcomes["B"].says == "entered")
        acting = pair.assignment.variant
        other = "B" if acting == "A" else "A"
        if pair.outcomes[acting].position_id is not None:
            real, shadow = mine[pair.outcomes[acting].position_id], _shadow_of(shadows, pair, other)
            assert replace(shadow.position, position_id=real.position_id) == real


def _shadow_of(shadows: dict[tuple[str, UUID], ShadowPosition], pair: Experiment, variant: str) -> ShadowPosition:
    position_id = pair.outcomes[variant].position_id
    assert position_id is not None
    return shadows[variant, position_id]
