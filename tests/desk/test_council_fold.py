"""The council within the desk: what it sees, what its verdict leads to, and that nothing of it stands before an exit."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from hookfill.desk.fold import fold
from hookfill.desk.model import OptionData
from hookfill.engines.council import Agent, AgentView, Opinion, engine
from hookfill.engines.council.own import guarded
from hookfill.engines.flags import Flags
from hookfill.engines.model import GammaFlow
from hookfill.market.option_chain import OptionChain, OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.market.option_symbols import contract_from
from hookfill.risk.model import Limits
from support.desk import WIDE, at, flat, only, signal, situation, strategy
from support.options import NOW, bought, spy

BUY, SELL = "buy EURUSD 0.1", "sell EURUSD 0.1"
COUNCIL = (strategy(engine="council"),)


@dataclass
class Voice:
    """One agent that says what it is told to, and remembers what it saw."""

    opinion: Opinion | None = field(default_factory=lambda: Opinion("voice", 1, 90))
    seen: list[AgentView] = field(default_factory=list)

    def judge(self, view: AgentView) -> Opinion | None:
        self.seen.append(view)
        return self.opinion


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> Voice:
    """The only member of the council."""
    voice = Voice()
    monkeypatch.setattr(engine, "agents_asked", lambda _: (Agent("voice", voice.judge),))
    return voice


@pytest.mark.parametrize(
    ("opinion", "text", "expected"),
    [
        (Opinion("voice", 1, 50), BUY, ("executed", None)),
        (Opinion("voice", -1, 50), SELL, ("executed", None)),
        (Opinion("voice", 1, 49), BUY, ("rejected", "council_unsure")),
        (Opinion("voice", -1, 90), BUY, ("rejected", "council_disagrees")),
        (Opinion("voice", 0, 90), BUY, ("rejected", "council_neutral")),
        (Opinion("voice", 1, 90, block=True), BUY, ("rejected", "council_blocked")),
        (None, BUY, ("rejected", "council_neutral")),
    ],
)
def test_the_verdict_decides_about_the_entry(
    voice: Voice, opinion: Opinion | None, text: str, expected: tuple[str, str | None]
) -> None:
    voice.opinion = opinion
    outcome = fold(situation(signal(text, 2), bars=[flat(0, "1.1")], strategies=COUNCIL))
    verdict = only(outcome.verdicts)
    assert (verdict.status, verdict.reason, verdict.engine) == (*expected, "council")
    told = verdict.trace["engine"]
    assert told["approved"] is (expected[0] == "executed")
    assert [one["agent"] for one in told.get("opinions", ())] == ([] if opinion is None else ["voice"])
    assert bool(outcome.orders) is (expected[0] == "executed")


def test_a_refusing_council_does_not_keep_a_position_open(voice: Voice) -> None:
    signals = [signal(BUY, 1), signal("close EURUSD", 2), signal(BUY, 3), signal(SELL, 4)]
    outcome = fold(situation(*signals, bars=[flat(0, "1.1")], strategies=COUNCIL))
    assert [one.status for one in outcome.verdicts] == ["executed"] * 4
    # The last sells against the long position: the council disagrees, so that it is closed and nothing is opened.
    reversal = outcome.verdicts[-1]
    assert reversal.reason == "council_disagrees"
    assert "Closed only; the entry was refused" in (reversal.error_message or "")
    assert [one.status for one in outcome.positions] == ["closed", "closed"]
    assert len(voice.seen) == 3  # nobody is asked about the signal that only closes


def test_a_signal_that_only_reduces_is_not_asked_about(voice: Voice) -> None:
    closing = (strategy(engine="council", policy={"on_opposite": "close"}),)
    outcome = fold(situation(signal(BUY, 1), signal(SELL, 2), bars=[flat(0, "1.1")], strategies=closing))
    assert [one.status for one in outcome.verdicts] == ["executed", "executed"]
    assert only(outcome.positions).status == "closed"
    assert len(voice.seen) == 1


def test_the_risk_agent_s_figures_are_those_of_the_risk_checks(voice: Voice) -> None:
    limits = Limits(max_open_positions=Decimal(7), max_exposure=Decimal(10**9), max_exposure_pct=Decimal(50))
    signals = [signal("buy EURUSD 0.1", 1), signal("buy GBPUSD 0.1", 2), signal("sell EURUSD 0.1", 3)]
    bars = [flat(0, "1.1"), flat(0, "1.3", symbol="GBPUSD")]
    fold(situation(*signals, bars=bars, strategies=COUNCIL, limits=limits))
    first, second, reversal = (view.market.book for view in voice.seen)
    assert first is not None
    assert second is not None
    assert reversal is not None
    assert (first.open_positions, first.committed, first.is_open) == (0, 0, True)
    assert first.max_open_positions == 7
    assert first.max_exposure == pytest.approx(Decimal(50_000))
    assert second.open_positions == 1
    assert second.committed > 0
    # A reversal gives up the position that it reverses: only the other one counts.
    assert reversal.open_positions == 1
    assert reversal.committed != second.committed


def test_a_closed_market_is_seen(voice: Voice) -> None:
    saturday = 5 * 24 * 60
    outcome = fold(situation(signal("buy EURUSD 0.1 price=1.1", saturday), strategies=COUNCIL))
    book = only(voice.seen).market.book
    assert book is not None
    assert not book.is_open
    assert (only(outcome.verdicts).status, only(outcome.verdicts).reason) == ("rejected", "market_closed")  # the check behind it


@pytest.mark.parametrize(
    ("symbol", "minute", "first", "count"),
    [
        ("SPY", 150 + 391 - 2, 150, 389),  # 14:30 to 20:59 UTC: the whole session but its last minute
        ("SPY", 180, 150, 30),
        ("SPY", 149, None, 0),  # before the open
        ("AAPL", 180, None, 0),  # nobody asks about its opening range
    ],
)
def test_the_session_is_seen_whole_and_the_candles_are_the_last_300(
    voice: Voice, symbol: str, minute: float, first: float | None, count: int
) -> None:
    bars = tuple(flat(number - 60, "500", symbol=symbol) for number in range(60 + int(minute)))
    asked = signal(f"buy {symbol} 1 timeframe=1", minute)
    fold(
        situation(
            asked, bars=bars[-1:], strategies=COUNCIL, studies={(symbol, "M1"): bars}, flags=Flags(enable_orb_specialist=True)
        )
    )
    view = only(voice.seen)
    assert view.market.flags.enable_orb_specialist
    assert len(view.candles) == min(300, len(bars))
    assert view.candles == bars[-300:]
    assert len(view.market.session) == count
    if first is not None:
        assert view.market.session[0].opened_at == at(first)
        assert view.market.session[-1] == bars[-1]


def chain(minute: float, source: str = "alpaca") -> OptionChain:
    greeks = Greeks(3.2, 0.5, 0.02, -0.12, 0.31, 0.05)

    def quote(symbol: str, interest: int, volume: int) -> OptionQuote:
        return OptionQuote(
            contract_from(symbol),
            Decimal(3),
            Decimal("3.1"),
            at(minute),
            source,
            greeks=greeks,
            open_interest=interest,
            volume=volume,
        )

    quotes = (quote("SPY260320C00500000", 100, 7), quote("SPY260320P00495000", 300, 9))
    return OptionChain("SPY", at(minute), source, Decimal(500), quotes)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        # 0.02 · (100 − 300) · 100 · 500² · 1 %
        (chain(179), GammaFlow(-1_000_000.0, 7.0, 9.0)),
        (chain(181), None),  # fetched after the signal's own moment
        (chain(179, "model"), None),
        (None, None),
    ],
)
def test_gamma_and_flow_come_from_a_stored_chain(voice: Voice, stored: OptionChain | None, expected: GammaFlow | None) -> None:
    options = OptionData(chains={} if stored is None else {"SPY": stored})
    bars = [flat(179, "500", symbol="SPY")]
    fold(situation(signal("buy SPY 1 timeframe=1", 180), bars=bars, strategies=COUNCIL, options=options))
    flow = only(voice.seen).market.flow
    assert (flow is None) == (expected is None)
    if flow is not None and expected is not None:
        assert flow.net_gex == pytest.approx(expected.net_gex)
        assert (flow.call_volume, flow.put_volume) == (expected.call_volume, expected.put_volume)


def test_other_engines_cost_nothing_of_it(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("the account's figures are for the council")

    monkeypatch.setattr("hookfill.desk.view.book_figures", never)
    outcome = fold(situation(signal(BUY, 1), bars=[flat(0, "1.1")], strategies=[strategy(engine="rules")]))
    assert only(outcome.verdicts).status == "executed"
    assert voice.seen == []


def broken(_: AgentView) -> Opinion:
    raise LookupError("no such thing")


@pytest.mark.parametrize("judge", [broken, lambda _: "buy"])
def test_a_broken_agent_of_the_user_s_is_told_of_and_the_decision_goes_on(
    monkeypatch: pytest.MonkeyPatch, judge: Callable[[AgentView], Any]
) -> None:
    voice = Voice(Opinion("voice", 1, 100))
    members = (Agent("voice", voice.judge), Agent("mine", guarded("mine", judge)))
    monkeypatch.setattr(engine, "agents_asked", lambda _: members)
    outcome = fold(situation(signal(BUY, 1), bars=[flat(0, "1.1")], strategies=COUNCIL))
    verdict = only(outcome.verdicts)
    assert verdict.status == "executed"
    failure = only(verdict.trace["agent_failures"])
    assert failure["agent"] == "mine"
    assert failure["error"].startswith(("LookupError: no such thing", "Nonsense: answered str"))
    assert verdict.trace["engine"]["confidence"] == 50.0  # 0.40·100 of a weight of 0.80


def test_options_that_a_turn_leaves_make_room_as_any_position_does(voice: Voice) -> None:
    signals = [signal("buy SPY call 2", NOW), signal("buy SPY put 2", NOW + 1)]
    bought(*signals, strategies=COUNCIL, limits=replace(WIDE, max_open_positions=Decimal(1)))
    first, turn = (view.market.book for view in voice.seen)
    assert first is not None
    assert turn is not None
    assert (turn.open_positions, turn.committed) == (first.open_positions, first.committed) == (0, 0)


@pytest.mark.parametrize(("bias", "expected"), [(1, ("rejected", "council_disagrees")), (-1, ("executed", None))])
def test_who_buys_a_put_by_its_symbol_wants_its_underlying_to_fall(
    voice: Voice, bias: int, expected: tuple[str, str | None]
) -> None:
    """What the council sees is the underlying, by its price and by its candles: that is what its bias is about."""
    voice.opinion = Opinion("voice", bias, 90)
    outcome = bought(
        signal("buy SPY260313P00500000 1", NOW), strategies=COUNCIL, studies={("SPY", "M5"): (spy(0, "500 501 499 500"),)}
    )
    assert (only(outcome.verdicts).status, only(outcome.verdicts).reason) == expected
    view = only(voice.seen)
    assert (view.side, view.price, [bar.symbol for bar in view.candles]) == (-1, 500.0, ["SPY"])
