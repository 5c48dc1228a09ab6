"""The account's trading day: a pure roll-over at the account's own midnight."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from hookfill.accounts.model import Account


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def roll_day(account: Account, at: datetime) -> Account:
    """The account as of ``at``: past midnight in its time zone, the balance becomes the new day's start and realised P&L is zero.

    A moment on an earlier day (a node whose clock lags) leaves the account as it is: counters never run backwards.
    """
    day = at.astimezone(_zone(account.time_zone)).date()
    if day <= account.day:
        return account
    return replace(account, day=day, day_start_balance=account.balance, day_realized=Decimal(0))
