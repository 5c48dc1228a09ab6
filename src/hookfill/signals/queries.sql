-- name: list_signals
-- A user's signals, newest first, optionally of one status. Each account gives its newest by primary key; then they are merged.
SELECT page.*, messages.body, strategies.name AS strategy_name
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT account_id, signal_id, message_id, strategy_id, symbol, action, status, reason, error_message, fill_price,
               broker_order_id, created_at, resolved_at
        FROM signals
        WHERE signals.account_id = accounts.account_id AND (:status::text IS NULL OR signals.status = :status::text)
        ORDER BY signal_id DESC
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY signal_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN messages ON messages.account_id = page.account_id AND messages.message_id = page.message_id
LEFT JOIN strategies ON strategies.account_id = page.account_id AND strategies.strategy_id = page.strategy_id
ORDER BY page.signal_id DESC;

-- name: get_signal^
SELECT signals.account_id, signals.signal_id, signals.message_id, signals.strategy_id, symbol, action, status, signals.reason,
       error_message, fill_price, broker_order_id, signals.created_at, resolved_at, messages.body, strategies.name AS strategy_name
FROM accounts
JOIN signals USING (account_id)
LEFT JOIN messages ON messages.account_id = signals.account_id AND messages.message_id = signals.message_id
LEFT JOIN strategies ON strategies.account_id = signals.account_id AND strategies.strategy_id = signals.strategy_id
WHERE accounts.user_id = :user_id::uuid AND signals.signal_id = :signal_id::uuid;

-- name: oldest_pending_seconds$
SELECT extract(epoch FROM clock_timestamp() - min(created_at))::double precision FROM signals WHERE status = 'pending';

-- name: count_outcomes
-- What became of these signals of one account.
SELECT status, reason, count(*) AS signals
FROM signals
WHERE account_id = :account_id::uuid AND signal_id = ANY (:signal_ids::uuid[])
GROUP BY status, reason
ORDER BY status, count(*) DESC, reason;
