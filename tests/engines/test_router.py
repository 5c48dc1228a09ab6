"""Which engine acts on a signal, and the flags that it depends on."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.engines.flags import FLAGS, NO_FLAGS, Flags, flags_from
from hookfill.engines.router import assign, assign_alert, split_in_force, timestamp_text
from hookfill.signals.model import Action, Alert

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


def test_the_hash_is_that_of_the_document() -> None:
    """``printf %s SPY:5m:2026-02-05T12:00:00Z | sha256sum``."""
    variant, digest = assign("SPY", "5m", "2026-02-05T12:00:00Z", 50)
    assert digest == hashlib.sha256(b"SPY:5m:2026-02-05T12:00:00Z").hexdigest()
    bucket = int(digest[:8], 16) % 100
    assert variant == ("B" if bucket < 50 else "A")
    assert assign("SPY", "5m", "2026-02-05T12:00:00Z", bucket)[0] == "A"
    assert assign("SPY", "5m", "2026-02-05T12:00:00Z", bucket + 1)[0] == "B"


@given(st.text(max_size=20), st.text(max_size=5), st.text(max_size=30))
def test_none_and_all(symbol: str, timeframe: str, moment: str) -> None:
    assert assign(symbol, timeframe, moment, 0)[0] == "A"
    assert assign(symbol, timeframe, moment, 100)[0] == "B"


@given(st.integers(0, 99), st.integers(0, 10**6))
def test_a_larger_split_never_takes_a_signal_from_b(split: int, number: int) -> None:
    if assign("SPY", "5m", str(number), split)[0] == "B":
        assert assign("SPY", "5m", str(number), split + 1)[0] == "B"


def test_half_is_about_half() -> None:
    owners = [assign("SPY", "5m", timestamp_text(NOON + timedelta(minutes=5 * n)), 50)[0] for n in range(2_000)]
    assert 900 < owners.count("B") < 1_100


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-02-05T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=-5))), "2026-02-05T12:00:00Z"),
        (NOON + timedelta(milliseconds=250), "2026-02-05T12:00:00.250000Z"),
    ],
)
def test_a_moment_is_hashed_in_one_spelling(moment: datetime, text: str) -> None:
    assert timestamp_text(moment) == text


def test_an_alert_s_own_time_counts_and_else_when_it_came() -> None:
    fired = Alert("SPY", Action.BUY, timeframe="5m", fired_at=NOON)
    later = NOON + timedelta(hours=1)
    chosen = assign_alert(fired, later, 50)
    assert (chosen.variant, chosen.assignment_hash) == assign("SPY", "5m", "2026-02-05T12:00:00Z", 50)
    assert chosen.split_percentage == 50
    of_a_bar = Alert("SPY", Action.BUY, bar_at=NOON)
    assert assign_alert(of_a_bar, later, 7).assignment_hash == assign("SPY", "", "2026-02-05T12:00:00Z", 7)[1]
    bare = Alert("SPY", Action.BUY, timeframe="5m")
    assert assign_alert(bare, NOON, 50) == chosen


def test_the_split_is_in_force_only_with_its_flag() -> None:
    assert split_in_force(NO_FLAGS, 50) == 0
    assert split_in_force(Flags(enable_variant_b=True), 50) == 50
    others = {name: True for name in FLAGS if name != "enable_variant_b"}
    assert split_in_force(Flags(**others), 50) == 0


def test_flags_are_off_until_they_are_stored_as_on() -> None:
    assert flags_from({}) == NO_FLAGS == Flags()
    assert not any(getattr(NO_FLAGS, name) for name in FLAGS)
    stored = {"enable_variant_b": True, "enable_ttm_specialist": False, "of_another_version": True}
    assert flags_from(stored) == Flags(enable_variant_b=True)
    assert all(says.endswith(".") for says in FLAGS.values())
