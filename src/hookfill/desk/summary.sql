-- name: accounts_now
-- A user's accounts, the default one first, and what time it is: the simulated clock's, where there is one.
SELECT accounts.*, coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) AS now_at, daily_loss_limit_pct, max_spread,
       default_lot_size, stop_loss_pips, take_profit_pips
FROM accounts LEFT JOIN user_settings USING (user_id)
WHERE user_id = :user_id::uuid
ORDER BY is_default DESC, created_at, account_id;

-- name: open_positions_of
SELECT * FROM positions WHERE account_id = ANY (:account_ids::uuid[]) AND status <> 'closed' ORDER BY position_id;

-- name: commissions_of
SELECT account_id, sum(commission) AS commission
FROM positions
WHERE account_id = ANY (:account_ids::uuid[])
GROUP BY account_id;

-- name: halts_of
-- In force: of these accounts, those for all of their user's, and those for everybody's.
SELECT account_id, halt_id, scope, strategy_id, symbol, reduce_only, reason, created_at
FROM halts
WHERE account_id = ANY (:account_ids::uuid[] || ARRAY['00000000-0000-0000-0000-000000000000'::uuid]) AND lifted_at IS NULL
  AND (user_id IS NULL OR user_id = :user_id::uuid)
ORDER BY created_at, halt_id;

-- name: message_counts^
-- Alerts are what came through any door but the candles'.
SELECT count(*) AS alerts,
       count(*) FILTER (WHERE state = 'duplicate') AS duplicates,
       count(*) FILTER (WHERE state = 'malformed') AS malformed,
       count(*) FILTER (WHERE state = 'refused') AS refused
FROM messages
WHERE account_id = ANY (:account_ids::uuid[]) AND door <> 'candles'
  AND (:since::timestamptz IS NULL OR as_of >= :since::timestamptz);

-- name: signal_counts
SELECT status, reason, count(*) AS signals
FROM signals
WHERE account_id = ANY (:account_ids::uuid[]) AND (:since::timestamptz IS NULL OR as_of >= :since::timestamptz)
GROUP BY status, reason
ORDER BY status, signals DESC, reason;

-- name: alert_to_fill^
-- From a live alert's arrival to the moment at which its order was filled, in milliseconds.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY milliseconds) AS p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY milliseconds) AS p99
FROM (
    SELECT extract(epoch FROM decided_at - created_at)::double precision * 1000 AS milliseconds
    FROM signals
    WHERE account_id = ANY (:account_ids::uuid[]) AND status = 'executed' AND source = 'live'
      AND (:since::timestamptz IS NULL OR as_of >= :since::timestamptz)
) AS executed;

-- name: order_count$
SELECT count(*) FROM orders
WHERE account_id = ANY (:account_ids::uuid[]) AND (:since::timestamptz IS NULL OR as_of >= :since::timestamptz);

-- name: fill_totals^
SELECT count(*) AS fills, coalesce(sum(realized_pnl - commission), 0) AS realized_pnl
FROM fills
WHERE account_id = ANY (:account_ids::uuid[]) AND (:since::timestamptz IS NULL OR filled_at >= :since::timestamptz);

-- name: positions_opened$
SELECT count(*) FROM positions
WHERE account_id = ANY (:account_ids::uuid[]) AND (:since::timestamptz IS NULL OR opened_at >= :since::timestamptz);

-- name: positions_closed
SELECT exit_reason, count(*) AS positions
FROM positions
WHERE account_id = ANY (:account_ids::uuid[]) AND status = 'closed'
  AND (:since::timestamptz IS NULL OR closed_at >= :since::timestamptz)
GROUP BY exit_reason
ORDER BY positions DESC, exit_reason;
