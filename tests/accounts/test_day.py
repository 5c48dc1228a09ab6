"""The account's day rolls over at its own midnight, forward only."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hookfill.accounts.day import roll_day
from support.desk import account

ZONES = ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe"]
moments = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
amounts = st.decimals(-10_000, 10_000, places=2)


@given(st.sampled_from(ZONES), moments, amounts, amounts)
def test_a_new_day_starts_with_the_balance_and_nothing_realised(zone, at, balance, realized) -> None:
    before = account(time_zone=zone, day=date(2014, 1, 1), balance=balance, day_realized=realized, day_start_balance=Decimal(1))
    after = roll_day(before, at)
    assert after.day == at.astimezone(ZoneInfo(zone)).date()
    assert (after.day_start_balance, after.day_realized, after.balance, after.cash) == (balance, 0, balance, before.cash)


@given(st.sampled_from(ZONES), st.lists(moments, min_size=1, max_size=8))
def test_days_never_run_backwards_and_order_does_not_matter_for_the_last(zone, times) -> None:
    now = account(time_zone=zone, day=date(2014, 1, 1))
    for at in times:
        rolled = roll_day(now, at)
        assert rolled.day >= now.day
        assert rolled is now or rolled.day > now.day
        now = rolled
    assert now.day == max(at.astimezone(ZoneInfo(zone)).date() for at in times)


@given(st.sampled_from(ZONES), moments, st.timedeltas(timedelta(0), timedelta(hours=50)))
def test_within_a_day_nothing_changes(zone, at, later) -> None:
    today = roll_day(account(time_zone=zone, day=date(2014, 1, 1)), at)
    same = at.astimezone(ZoneInfo(zone)).date() == (at + later).astimezone(ZoneInfo(zone)).date()
    assert (roll_day(today, at + later) is today) == same


def test_midnight_itself_is_the_new_day_also_when_clocks_change() -> None:
    lost = account(time_zone="America/New_York", day=date(2026, 3, 8), day_realized=Decimal(-5))
    # Clocks went forward on 8 March 2026: midnight after it is 04:00 UTC, not 05:00.
    assert roll_day(lost, datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC)) is lost
    assert roll_day(lost, datetime(2026, 3, 9, 4, tzinfo=UTC)).day == date(2026, 3, 9)
