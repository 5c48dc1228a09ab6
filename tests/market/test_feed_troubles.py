"""Which troubles of a feed become alarms, and when they are over."""

from datetime import UTC, datetime, timedelta

import asyncpg

from hookfill.market.feeds.troubles import ALARM_AFTER, Troubles
from support.house import House

NOW = datetime(2026, 3, 6, 20, 59, tzinfo=UTC)


async def told(troubles: Troubles, connection: asyncpg.Connection) -> set[str]:
    """What is an alarm once all news are told."""
    if troubles.has_news:
        await troubles.tell(connection)
    assert not troubles.has_news
    rows = await connection.fetch("SELECT subject FROM alarms WHERE kind = 'market_feed' AND cleared_at IS NULL")
    return {row["subject"] for row in rows}


async def test_what_failed_once_and_is_not_tried_for_days_hides_nothing_else(house: House) -> None:
    troubles, accounts = Troubles(), [house.account_id]
    async with house.pool.acquire() as connection:
        troubles.failed("option chain of SPY", "a time-out, a minute before the weekend", accounts, NOW, is_error=True)
        assert await told(troubles, connection) == set()
        troubles.failed("bars", "the keys are refused", accounts, NOW, is_certain=True, is_error=True)
        assert await told(troubles, connection) == {"bars"}
        troubles.succeeded("bars")
        assert await told(troubles, connection) == set()


async def test_what_is_an_alarm_stays_one_while_a_new_process_has_not_seen_it_often_enough(house: House) -> None:
    before, accounts = Troubles(), [house.account_id]
    async with house.pool.acquire() as connection:
        for _ in range(ALARM_AFTER):
            before.failed("bars", "away", accounts, NOW)
        assert await told(before, connection) == {"bars"}
        after = Troubles()
        for number in range(ALARM_AFTER):
            after.failed("bars", "away", accounts, NOW + timedelta(minutes=number))
            assert await told(after, connection) == {"bars"}
        after.succeeded("bars")
        assert await told(after, connection) == set()
