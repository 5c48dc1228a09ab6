-- name: watched
-- The symbols that matter: of open positions (of options the underlyings), of orders that rest or are on their way, of strategies'
-- own lists, and of each account's last signals. Agents beside a terminal tell the prices of their accounts themselves.
WITH active AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE kind <> 'mt5'
), held AS (
    SELECT positions.account_id, coalesce(underlying, positions.symbol) AS symbol, NULL AS timeframe, underlying IS NOT NULL AS has_options,
           NULL AS tier, CASE WHEN underlying IS NOT NULL THEN positions.symbol END AS contract
    FROM positions JOIN active USING (account_id)
    WHERE status <> 'closed'
), resting AS (
    SELECT orders.account_id, symbol, NULL, false, NULL, NULL
    FROM orders JOIN active USING (account_id)
    WHERE terms IS NOT NULL AND status IN ('working', 'partially_filled')
), listed AS (
    SELECT strategies.account_id, upper(pair), NULL, settings #>> '{options,trade}' = 'always', settings #>> '{options,tier}', NULL
    FROM strategies JOIN active USING (account_id)
    CROSS JOIN LATERAL unnest(allowed_pairs) AS pair
    WHERE is_enabled
), asked AS (
    SELECT active.account_id, latest.symbol, latest.timeframe,
           latest.asks_for_option OR coalesce(settings #>> '{options,trade}' = 'always', false), settings #>> '{options,tier}', NULL
    FROM active
    CROSS JOIN LATERAL (
        SELECT strategy_id, symbol, alert ->> 'timeframe' AS timeframe, alert ? 'option' AS asks_for_option
        FROM signals
        WHERE signals.account_id = active.account_id AND signal_id >= :since_id::uuid AND alert IS NOT NULL AND symbol IS NOT NULL
        ORDER BY signal_id DESC
        LIMIT :most_signals::bigint
    ) AS latest
    JOIN strategies ON strategies.account_id = active.account_id AND strategies.strategy_id = latest.strategy_id
    WHERE is_enabled
)
SELECT symbol, array_agg(DISTINCT account_id) AS accounts,
       array_remove(array_agg(DISTINCT timeframe), NULL) AS timeframes, coalesce(bool_or(has_options), false) AS has_options,
       array_remove(array_agg(DISTINCT tier) FILTER (WHERE has_options), NULL) AS tiers,
       array_remove(array_agg(DISTINCT contract), NULL) AS contracts
FROM (SELECT * FROM held UNION ALL SELECT * FROM resting UNION ALL SELECT * FROM listed UNION ALL SELECT * FROM asked) AS wanted
GROUP BY symbol
ORDER BY bool_or(contract IS NOT NULL) DESC, count(*) DESC, symbol
LIMIT :most::bigint;

-- name: try_to_lead$
-- One process fetches for all; the lock ends with its connection.
SELECT pg_try_advisory_lock(:key::bigint);
