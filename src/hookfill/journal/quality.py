"""What is missing in what was told of a trade, and how complete that makes it (pure).

Each check applies to the trades that can pass it:

- ``missing_session`` (every trade): its id does not begin with the signal bar's time, so session, hour and day are those of
  whatever was told of it first;
- ``missing_confirmation`` (entered trades): that it was entered follows from what came later; its ENTRY itself was never told;
- ``missing_entry``, ``missing_stop``, ``missing_mae`` (entered trades): no entry price, no original stop, no adverse move was told;
- ``stale_mfe`` (open trades): for more than two minutes nothing told how far it has moved, since its entry if nothing ever did.

A trade's score is the share of its checks that it passes, in percent; a day's is the mean of its trades' scores.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from hookfill.journal.model import OPEN, Status, TradeState
from hookfill.journal.sessions import signal_time

STALE_AFTER = timedelta(minutes=2)
SCORE_STEP = Decimal("0.1")
_ENTERED = OPEN | {Status.COMPLETED}


class Gap(StrEnum):
    """What may be missing."""

    SESSION = "missing_session"
    CONFIRMATION = "missing_confirmation"
    ENTRY = "missing_entry"
    STOP = "missing_stop"
    MAE = "missing_mae"
    STALE = "stale_mfe"


@dataclass(frozen=True, slots=True)
class Quality:
    """What is missing in one trade; ``checks`` is how many applied, ``score`` percent at one place."""

    checks: int
    gaps: tuple[Gap, ...]

    @property
    def score(self) -> Decimal:
        """The share of checks that it passes."""
        return Decimal(score_tenths(self.checks, len(self.gaps))).scaleb(-1)


def score_tenths(checks: int, gaps: int) -> int:
    """A trade's score in tenths of a percent, rounded half to even; there is always a check that applies."""
    return int((Decimal(1000 * (checks - gaps)) / checks).to_integral_value(ROUND_HALF_EVEN))


def mean_score(tenths: int, trades: int) -> Decimal | None:
    """The mean of scores that add up to so many tenths of a percent; None without trades."""
    return (Decimal(tenths) / (10 * trades)).quantize(SCORE_STEP, rounding=ROUND_HALF_EVEN) if trades else None


def lasting_gaps(state: TradeState) -> Quality:
    """What is missing, but for what only time makes stale."""
    gaps = [] if signal_time(state.trade_id) is not None else [Gap.SESSION]
    if state.status not in _ENTERED:
        return Quality(1, tuple(gaps))
    told = {
        Gap.CONFIRMATION: state.entered_at,
        Gap.ENTRY: state.entry_price,
        Gap.STOP: state.stop_loss,
        Gap.MAE: state.mae,
    }
    gaps += [gap for gap, value in told.items() if value is None]
    return Quality(1 + len(told), tuple(gaps))


def moved_at(state: TradeState) -> datetime | None:
    """Since when an open trade's move is known (UTC); None of others."""
    return (state.last_mfe_at or state.entered_at or state.signal_at) if state.status in OPEN else None


def quality_of(state: TradeState, now: datetime) -> Quality:
    """What is missing in a trade now."""
    lasting, moved = lasting_gaps(state), moved_at(state)
    if moved is None:
        return lasting
    stale = (Gap.STALE,) if now - moved > STALE_AFTER else ()
    return Quality(lasting.checks + 1, lasting.gaps + stale)
