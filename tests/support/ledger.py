"""The oracle after every survival test: what must be true of the database, whatever was killed, as SQL of its own.

It is written against the contracts, not against the desk's code, so that it can witness against it.
"""

from support.database import query

_CHECKS = {
    "a signal without its message": """
        SELECT signals.signal_id
        FROM signals LEFT JOIN messages USING (account_id, message_id)
        WHERE messages.message_id IS NULL""",
    "a message with two signals": """
        SELECT message_id FROM signals GROUP BY account_id, message_id HAVING count(*) > 1""",
    "a duplicate with a signal": """
        SELECT message_id FROM messages JOIN signals USING (account_id, message_id) WHERE state = 'duplicate'""",
    "a signal that is not terminal": """
        SELECT signal_id, status, reason FROM signals
        WHERE status NOT IN ('executed', 'discarded', 'rejected', 'failed', 'expired') OR resolved_at IS NULL""",
    "a failed signal": "SELECT signal_id, error_message FROM signals WHERE status = 'failed'",
    "an executed signal without an order, or an order of one that was not": """
        SELECT signal_id, status FROM signals
        WHERE (status = 'executed') <> EXISTS (
            SELECT FROM orders WHERE orders.account_id = signals.account_id AND orders.signal_id = signals.signal_id)""",
    "two orders of one purpose for one signal and position": """
        SELECT signal_id, purpose FROM orders WHERE signal_id IS NOT NULL
        GROUP BY account_id, signal_id, position_id, purpose HAVING count(*) > 1""",
    "two entries for one signal": """
        SELECT signal_id FROM orders WHERE signal_id IS NOT NULL AND purpose = 'entry'
        GROUP BY account_id, signal_id HAVING count(*) > 1""",
    "an order that is not filled by its fills": """
        SELECT order_id FROM orders LEFT JOIN fills USING (account_id, order_id)
        GROUP BY account_id, order_id, orders.quantity, filled_quantity, status
        HAVING status <> 'filled' OR filled_quantity <> orders.quantity OR coalesce(sum(fills.quantity), 0) <> orders.quantity""",
    "a fill without its order": """
        SELECT fill_id FROM fills LEFT JOIN orders USING (account_id, order_id) WHERE orders.order_id IS NULL""",
    "a position that is not the sum of its fills": """
        SELECT position_id FROM positions LEFT JOIN fills USING (account_id, position_id)
        GROUP BY account_id, position_id, positions.quantity, status
        HAVING coalesce(sum(CASE side WHEN 'buy' THEN fills.quantity ELSE -fills.quantity END), 0) <> positions.quantity
            OR (status = 'closed') <> (positions.quantity = 0)""",
    "cash that does not follow from the fills": """
        SELECT account_id, cash FROM accounts LEFT JOIN fills USING (account_id)
        GROUP BY account_id HAVING cash <> starting_cash - coalesce(sum(
            CASE side WHEN 'buy' THEN 1 ELSE -1 END * fills.quantity * price * multiplier + commission), 0)""",
    "a transaction left open": """
        SELECT pid, application_name FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%%'
          AND state_change < clock_timestamp() - interval '5 s'""",
}


def check_ledger(url: str) -> None:
    """Fail with every broken invariant and its first rows."""
    broken = {name: rows[:3] for name, statement in _CHECKS.items() if (rows := query(url, statement.replace("%%", "%")))}
    assert not broken, broken
