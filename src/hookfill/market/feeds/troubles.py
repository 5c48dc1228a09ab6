"""What goes wrong with a feed, counted, and told as alarms to whom it concerns until it is over."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from hookfill.ops.alarms import clear_alarms, clear_elsewhere, raise_alarm

KIND = "market_feed"
ALARM_AFTER = 3
"""Failures in a row before an alarm: one that is gone at the next try needs nobody."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
_LOG = structlog.get_logger("hookfill.feed")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that fails.

    Attributes:
        failures: in a row.
        is_certain: trying again changes nothing, so nobody waits for more failures.
        is_error: the feed itself fails, rather than having nothing to tell.
        next_at: when it may be tried again (UTC).
    """

    text: str
    accounts: frozenset[UUID]
    failures: int
    is_certain: bool
    is_error: bool
    next_at: datetime

    @property
    def is_alarming(self) -> bool:
        """Whether a person should know."""
        return self.is_certain or self.failures >= ALARM_AFTER


class Troubles:
    """All that fails now, by what it is about ("bars", "option chain of SPY")."""

    def __init__(self) -> None:
        self._now: dict[str, Trouble] = {}
        self._told: dict[UUID, dict[str, str | None]] | None = None

    def may_try(self, subject: str, now: datetime) -> bool:
        """Whether it is time to try again what failed; each failure doubles the pause."""
        trouble = self._now.get(subject)
        return trouble is None or now >= trouble.next_at

    @property
    def has_errors(self) -> bool:
        """Whether the feed itself fails at anything."""
        return any(trouble.is_error for trouble in self._now.values())

    def failed(
        self,
        subject: str,
        text: str,
        accounts: Collection[UUID],
        now: datetime,
        *,
        is_certain: bool = False,
        is_error: bool = False,
    ) -> None:
        """Count a failure."""
        before = self._now.get(subject)
        failures = 1 if before is None else before.failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        self._now[subject] = Trouble(text, frozenset(accounts), failures, is_certain, is_error, now + pause)
        _LOG.warning("feed_failed", subject=subject, failures=failures, error=text)

    def succeeded(self, subject: str) -> None:
        """It works."""
        if self._now.pop(subject, None) is not None:
            _LOG.info("feed_works_again", subject=subject)

    def only(self, subjects: Collection[str]) -> None:
        """Forget what is about anything else: nobody needs it any more."""
        self._now = {subject: trouble for subject, trouble in self._now.items() if subject in subjects}

    @property
    def has_news(self) -> bool:
        """Whether alarms are to be raised or cleared."""
        return self._alarms() != self._told

    async def tell(self, connection: asyncpg.Connection) -> None:
        """Raise the alarms that are due, and clear those that are over. What has failed only once or twice is left as it is."""
        alarms = self._alarms()
        async with connection.transaction():
            for account_id, texts in alarms.items():
                for subject, text in texts.items():
                    if text is not None:
                        await raise_alarm(connection, account_id, KIND, subject, text)
                await clear_alarms(connection, account_id, KIND, list(texts))
            await clear_elsewhere(connection, KIND, list(alarms))
        self._told = alarms

    def _alarms(self) -> dict[UUID, dict[str, str | None]]:
        """The alarms' texts by account and subject; None of what is not judged yet."""
        alarms: dict[UUID, dict[str, str | None]] = {}
        for subject, trouble in self._now.items():
            for account_id in trouble.accounts:
                alarms.setdefault(account_id, {})[subject] = trouble.text if trouble.is_alarming else None
        return alarms
