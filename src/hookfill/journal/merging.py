"""All that a trade's events told, merged so that their order does not matter.

``join`` is commutative and associative, and but for the count of events idempotent: what was told once may be told again. So a
trade can be kept current event by event, in whatever order they come, and equals the one folded anew from all of them. Each part
is one of

- an earliest or latest moment;
- a word: a value with the event that told it; the one that ranks higher wins, then the later, then the greater event key;
- a climb: the moments at which a move reached a new extreme. It is kept, not just its end, because an exit that comes late can
  put an end to it at a moment that has passed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hookfill.journal.model import FINAL_EXITS, Event, EventType
from hookfill.kernel.clock import EPOCH, to_us
from hookfill.kernel.exact_json import dumps
from hookfill.kernel.money import plain

Steps = tuple[tuple[datetime, Decimal], ...]

_RANKS = {
    EventType.ENTRY: 7,
    EventType.MFE_UPDATE: 6,
    EventType.BE_TRIGGERED: 5,
    EventType.EXIT_PARTIAL: 4,
    EventType.EXIT_BREAK_EVEN: 3,
    EventType.EXIT_STOP_LOSS: 3,
    EventType.EXIT_TAKE_PROFIT: 3,
    EventType.SIGNAL_CREATED: 2,
    EventType.CANCELLED: 1,
}
_TELEMETRY_RANK = 10
_NO_MOVES = frozenset({EventType.SIGNAL_CREATED, EventType.CANCELLED})
_STOPS = frozenset({EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT})

_DESCRIBING = ("direction", "symbol", "timeframe", "entry_price", "stop_loss", "risk_distance", "position_size", "schema_version")
_TABLES = ("targets", "setup", "market_state")
_NUMBERS = frozenset({"entry_price", "stop_loss", "risk_distance", "position_size", "current_price", "current_mfe"})
_PLACES_OF_KEY = 8
_NO_MOVE = Decimal("-Infinity")


class Word(NamedTuple):
    """A value and the telling of it. Tables are JSON text."""

    rank: int
    at: datetime
    key: str
    value: Any


class Ending(NamedTuple):
    """An explicit exit of one kind: the earliest of its kind; of several at one moment the one that tells the greatest move.

    ``final_mfe`` is the move that it tells as the trade's last, ``mfe`` the one that it tells beside it.
    """

    at: datetime
    key: str
    price: Decimal | None
    reason: str | None
    final_mfe: Decimal | None
    mfe: Decimal | None


@dataclass(frozen=True, slots=True)
class Trade:
    """What is known of one trade. Times are UTC, moves in R; mappings are not changed once they are here.

    Attributes:
        events: how many were merged; each is merged once.
        is_entered: something was told that only an entered trade has.
        entered_at: the earliest ENTRY; priced_at: the earliest that told a price.
        be_triggered_at: when +1R was first told to be touched.
        exits: the earliest of each kind of final exit.
        words: by name: what the trade is like, ``current_price`` and ``current_mfe``.
        be_climb: the break-even trade's move up to the first exit; no_be_climb and mae_climb: up to the original stop or target.
    """

    trade_id: str
    events: int
    first_at: datetime
    last_at: datetime
    is_entered: bool = False
    entered_at: datetime | None = None
    priced_at: datetime | None = None
    be_triggered_at: datetime | None = None
    cancelled_at: datetime | None = None
    last_mfe_at: datetime | None = None
    exits: Mapping[EventType, Ending] = field(default_factory=dict)
    words: Mapping[str, Word] = field(default_factory=dict)
    be_climb: Steps = ()
    no_be_climb: Steps = ()
    mae_climb: Steps = ()

    @property
    def ended_at(self) -> datetime | None:
        """The first final exit."""
        return min((ending.at for ending in self.exits.values()), default=None)

    @property
    def stopped_at(self) -> datetime | None:
        """When the trade without break-even ended: at its original stop or its target."""
        return min((ending.at for kind, ending in self.exits.items() if kind in _STOPS), default=None)


def of(event: Event) -> Trade:
    """What one event tells of its trade."""
    kind, at, key = event.event_type, event.at, event.key[:_PLACES_OF_KEY].hex()
    is_entry = kind is EventType.ENTRY
    is_triggered = kind is EventType.BE_TRIGGERED or event.be_triggered is True
    exits = {kind: _ending(event, key)} if kind in FINAL_EXITS else {}
    be, no_be = (None, None) if kind in _NO_MOVES else _moves(event)
    mae = None if kind in _NO_MOVES else event.mae
    return Trade(
        event.trade_id,
        1,
        at,
        at,
        is_entered=kind not in _NO_MOVES,
        entered_at=at if is_entry else None,
        priced_at=at if is_entry and event.entry_price is not None else None,
        be_triggered_at=at if is_triggered else None,
        cancelled_at=at if kind is EventType.CANCELLED else None,
        last_mfe_at=None if be is None and no_be is None else at,
        exits=exits,
        words=_words(event, key, no_be if no_be is not None else be),
        be_climb=() if be is None else ((at, be),),
        no_be_climb=() if no_be is None else ((at, no_be),),
        mae_climb=() if mae is None else ((at, mae),),
    )


def join(one: Trade, other: Trade) -> Trade:
    """What two tellings of the same trade add up to."""
    exits = _earliest_of_each(one.exits, other.exits)
    trade = Trade(
        one.trade_id,
        one.events + other.events,
        min(one.first_at, other.first_at),
        max(one.last_at, other.last_at),
        one.is_entered or other.is_entered,
        _earliest(one.entered_at, other.entered_at),
        _earliest(one.priced_at, other.priced_at),
        _earliest(one.be_triggered_at, other.be_triggered_at),
        _earliest(one.cancelled_at, other.cancelled_at),
        _latest(one.last_mfe_at, other.last_mfe_at),
        exits,
        _ranking(one.words, other.words),
    )
    ended_at, stopped_at = trade.ended_at, trade.stopped_at
    # The trade is not out of this function yet: filled in here rather than copied once more for each event.
    object.__setattr__(trade, "be_climb", _climb(one.be_climb, other.be_climb, ended_at, 1))
    object.__setattr__(trade, "no_be_climb", _climb(one.no_be_climb, other.no_be_climb, stopped_at, 1))
    object.__setattr__(trade, "mae_climb", _climb(one.mae_climb, other.mae_climb, stopped_at, -1))
    return trade


def merge(trade: Trade | None, event: Event) -> Trade:
    """A trade with one more event, which was not merged into it before (``automated_signals`` holds each key once)."""
    told = of(event)
    return told if trade is None else join(trade, told)


def fold(events: Iterable[Event]) -> dict[str, Trade]:
    """The trades that events add up to, by their ids. An event that is there twice counts once."""
    trades: dict[str, Trade] = {}
    for event in {event.key: event for event in events}.values():
        trades[event.trade_id] = merge(trades.get(event.trade_id), event)
    return trades


def _moves(event: Event) -> tuple[Decimal | None, Decimal | None]:
    """The break-even trade's move and the other's. A format that tells one move tells the break-even trade's."""
    be = event.be_mfe if event.be_mfe is not None else event.mfe
    no_be = event.no_be_mfe
    if no_be is None and event.event_type in _STOPS:
        no_be = event.final_mfe
    if no_be is None:
        no_be = event.mfe
    return be, no_be


def _ending(event: Event, key: str) -> Ending:
    mfe = event.be_mfe if event.be_mfe is not None else event.mfe
    return Ending(event.at, key, event.exit_price, event.exit_reason, event.final_mfe, mfe)


def _words(event: Event, key: str, move: Decimal | None) -> dict[str, Word]:
    """What an event says the trade is like, and how it stands."""
    rank, at = _RANKS[event.event_type], event.at
    if event.schema_version is not None:
        rank += _TELEMETRY_RANK
    words = {name: Word(rank, at, key, value) for name in _DESCRIBING if (value := getattr(event, name)) is not None}
    for name in _TABLES:
        value = getattr(event, name)
        if value:
            words[name] = Word(rank, at, key, dumps(value).decode())
    if event.current_price is not None:
        words["current_price"] = Word(0, at, key, event.current_price)
    if move is not None:
        words["current_mfe"] = Word(0, at, key, move)
    return words


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _earliest_of_each(one: Mapping[EventType, Ending], other: Mapping[EventType, Ending]) -> Mapping[EventType, Ending]:
    if not other:
        return one
    exits = dict(one)
    for kind, ending in other.items():
        known = exits.get(kind)
        if known is None or _comes_before(ending, known):
            exits[kind] = ending
    return exits


def _comes_before(one: Ending, other: Ending) -> bool:
    """Whether of two exits of one kind the first is the one that counts."""
    if one.at != other.at:
        return one.at < other.at
    move, other_move = _final(one), _final(other)
    return move > other_move if move != other_move else one.key < other.key


def _final(ending: Ending) -> Decimal:
    told = ending.final_mfe if ending.final_mfe is not None else ending.mfe
    return _NO_MOVE if told is None else told


def _ranking(one: Mapping[str, Word], other: Mapping[str, Word]) -> Mapping[str, Word]:
    words = dict(one)
    for name, word in other.items():
        known = words.get(name)
        if known is None or word[:3] > known[:3]:
            words[name] = word
    return words


def _climb(one: Steps, other: Steps, until: datetime | None, sign: int) -> Steps:
    """The steps at which a move grew, up to a moment; of two at one moment the greater."""
    if not one or not other:
        steps = one or other
    elif len(other) == 1 and other[0][0] >= one[-1][0]:
        # The usual way: one more telling, later than all others.
        last_at, reached = one[-1]
        grew = (other[0][1] - reached) * sign > 0
        before = one[:-1] if grew and other[0][0] == last_at else one
        steps = before + other if grew else one
    else:
        steps = _climb_anew((*one, *other), sign)
    if until is not None and steps and steps[-1][0] > until:
        steps = tuple(step for step in steps if step[0] <= until)
    return steps


def _climb_anew(tellings: Steps, sign: int) -> Steps:
    steps: list[tuple[datetime, Decimal]] = []
    for at, value in sorted(tellings, key=lambda step: (step[0], -sign * step[1])):
        if not steps or (value - steps[-1][1]) * sign > 0:
            steps.append((at, value))
    return tuple(steps)


# Kept as JSON ------------------------------------------------------------------------------------------------------------------


def dump(trade: Trade) -> dict[str, Any]:
    """A trade as plain JSON values: moments are microseconds since 1970, numbers are text, so nothing is rounded anywhere."""
    return {
        "trade_id": trade.trade_id,
        "events": trade.events,
        "is_entered": trade.is_entered,
        "times": {name: to_us(at) for name in _TIMES if (at := getattr(trade, name)) is not None},
        "exits": {
            kind.value: [to_us(end.at), end.key, _text(end.price), end.reason, _text(end.final_mfe), _text(end.mfe)]
            for kind, end in trade.exits.items()
        },
        "words": {
            name: [word.rank, to_us(word.at), word.key, str(word.value) if name in _NUMBERS else word.value]
            for name, word in trade.words.items()
        },
        **{name: [[to_us(at), plain(value)] for at, value in getattr(trade, name)] for name in _CLIMBS},
    }


def load(kept: Mapping[str, Any]) -> Trade:
    """A trade from what ``dump`` made of it."""
    times = {name: _at(at) for name, at in kept["times"].items()}
    entered_at, priced_at, be_triggered_at, cancelled_at, last_mfe_at = (times.get(name) for name in _TIMES[2:])
    return Trade(
        kept["trade_id"],
        int(kept["events"]),
        times["first_at"],
        times["last_at"],
        kept["is_entered"],
        entered_at,
        priced_at,
        be_triggered_at,
        cancelled_at,
        last_mfe_at,
        exits={
            EventType(kind): Ending(_at(at), key, _number(price), reason, _number(final_mfe), _number(mfe))
            for kind, (at, key, price, reason, final_mfe, mfe) in kept["exits"].items()
        },
        words={
            name: Word(int(rank), _at(at), key, Decimal(value) if name in _NUMBERS else value)
            for name, (rank, at, key, value) in kept["words"].items()
        },
        be_climb=_steps(kept["be_climb"]),
        no_be_climb=_steps(kept["no_be_climb"]),
        mae_climb=_steps(kept["mae_climb"]),
    )


_TIMES = ("first_at", "last_at", "entered_at", "priced_at", "be_triggered_at", "cancelled_at", "last_mfe_at")
_CLIMBS = ("be_climb", "no_be_climb", "mae_climb")


def _steps(kept: Iterable[Any]) -> Steps:
    return tuple((_at(at), Decimal(value)) for at, value in kept)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _at(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(us))
