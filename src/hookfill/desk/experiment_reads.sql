-- name: list_pairs
-- A user's pairs, newest first, optionally of one strategy. Each account gives its newest by primary key; then they are merged.
SELECT pairs.*, strategies.name AS strategy_name
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT account_id, signal_id FROM experiments
        WHERE experiments.account_id = accounts.account_id
          AND (:strategy_id::uuid IS NULL OR experiments.strategy_id = :strategy_id::uuid)
        ORDER BY signal_id DESC
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY signal_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
JOIN experiment_pairs AS pairs ON pairs.account_id = page.account_id AND pairs.signal_id = page.signal_id
LEFT JOIN strategies ON strategies.account_id = pairs.account_id AND strategies.strategy_id = pairs.strategy_id
ORDER BY pairs.signal_id DESC;

-- name: get_pair^
SELECT pairs.*, strategies.name AS strategy_name
FROM accounts
JOIN experiment_pairs AS pairs USING (account_id)
LEFT JOIN strategies ON strategies.account_id = pairs.account_id AND strategies.strategy_id = pairs.strategy_id
WHERE accounts.user_id = :user_id::uuid AND pairs.experiment_id = :experiment_id::uuid;

-- name: get_tried^
-- A strategy by its id, for the results of all that it tried.
SELECT strategies.account_id, strategies.strategy_id, strategies.name AS strategy_name, accounts.currency
FROM accounts JOIN strategies USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND strategies.strategy_id = :strategy_id::uuid;

-- name: currency_of$
SELECT currency FROM accounts WHERE account_id = :account_id::uuid;

-- name: pairs_to_compare
-- The newest pairs of one strategy, of one split or of all, as far as both engines have judged an entry.
SELECT variant, barred, verdict_a, verdict_b, as_of, real_is_open, real_gross, real_commission, shadow_is_open, shadow_gross,
       shadow_commission
FROM experiment_pairs
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid AND direction <> 0
  AND (:split::smallint IS NULL OR split_percentage = :split::smallint)
  AND verdict_a IN ('approved', 'refused') AND verdict_b IN ('approved', 'refused')
ORDER BY signal_id DESC
LIMIT :most::bigint;

-- name: count_signals^
-- All signals of a strategy's experiment, and whose they were.
SELECT count(*) AS signals, count(*) FILTER (WHERE variant = 'B') AS owned_by_b, count(*) FILTER (WHERE direction = 0) AS closing,
       count(*) FILTER (
           WHERE direction <> 0 AND (verdict_a IS DISTINCT FROM 'approved' AND verdict_a IS DISTINCT FROM 'refused'
                                     OR verdict_b IS DISTINCT FROM 'approved' AND verdict_b IS DISTINCT FROM 'refused')
       ) AS unjudged
FROM experiments
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid
  AND (:split::smallint IS NULL OR split_percentage = :split::smallint);

-- name: calls_by_trade
-- What engines and agents said of a user's newest signals, and what the trade on it came to: of the account's own side, else of the
-- shadow's, gross of commission.
SELECT direction, verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, opinions,
       sign(coalesce(
           CASE WHEN NOT real_is_open THEN real_gross END, CASE WHEN NOT shadow_is_open THEN shadow_gross END
       ))::integer * direction AS went
FROM accounts
JOIN experiment_pairs AS pairs USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND direction <> 0
  AND (:strategy_id::uuid IS NULL OR strategy_id = :strategy_id::uuid)
  AND (verdict_a IS NOT NULL OR verdict_b IS NOT NULL)
ORDER BY signal_id DESC
LIMIT :most::bigint;

-- name: calls_by_move
-- The same, with where the price went within a time: the last close by then against the price that both engines saw. Not known as
-- long as no price has come for that moment or a later one.
SELECT direction, verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, opinions,
       sign(later.close - experiments.price)::integer AS went
FROM accounts
JOIN experiments USING (account_id)
LEFT JOIN quotes ON quotes.symbol = experiments.symbol AND quotes.quoted_at >= experiments.as_of + :horizon::interval
LEFT JOIN LATERAL (
    SELECT bars.close
    FROM (VALUES ('M1', interval '1 minute'), ('M5', interval '5 minutes'), ('M15', interval '15 minutes'),
                 ('M30', interval '30 minutes'), ('H1', interval '1 hour'), ('H4', interval '4 hours')) AS frames (name, length)
    CROSS JOIN LATERAL (
        SELECT candles.close, candles.timestamp + frames.length AS closed_at
        FROM market_data_candles AS candles
        WHERE candles.symbol = experiments.symbol AND candles.timeframe = frames.name
          AND candles.timestamp <= experiments.as_of + :horizon::interval - frames.length
          AND candles.timestamp > experiments.as_of - frames.length
        ORDER BY candles.timestamp DESC
        LIMIT 1
    ) AS bars
    WHERE quotes.symbol IS NOT NULL
    ORDER BY bars.closed_at DESC, frames.length
    LIMIT 1
) AS later ON true
WHERE accounts.user_id = :user_id::uuid AND direction <> 0
  AND (:strategy_id::uuid IS NULL OR strategy_id = :strategy_id::uuid)
  AND (verdict_a IS NOT NULL OR verdict_b IS NOT NULL)
ORDER BY signal_id DESC
LIMIT :most::bigint;

-- name: list_shadow_positions
-- A user's shadow positions, newest first.
SELECT page.*, strategies.name AS strategy_name
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT account_id, variant, position_id, signal_id, strategy_id, symbol, status, side, quantity, average_price, multiplier,
               entries, mark, marked_at, realized_pnl, commission, opened_at, closed_at, exit_reason,
               CASE WHEN status = 'closed' THEN 0 ELSE (mark - average_price) * quantity * multiplier END AS unrealized_pnl
        FROM shadow_positions
        WHERE shadow_positions.account_id = accounts.account_id
          AND (:status::text = 'all' OR (status = 'closed') = (:status::text = 'closed'))
          AND (:variant::text IS NULL OR variant = :variant::text)
          AND (:strategy_id::uuid IS NULL OR strategy_id = :strategy_id::uuid)
        ORDER BY opened_at DESC, position_id DESC, variant
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY opened_at DESC, position_id DESC, variant
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN strategies ON strategies.account_id = page.account_id AND strategies.strategy_id = page.strategy_id
ORDER BY opened_at DESC, position_id DESC, variant;

-- name: list_shadow_trades
-- The fills of a user's shadow book, newest first.
SELECT page.*, strategies.name AS strategy_name
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT account_id, variant, trade_id, position_id, signal_id, strategy_id, symbol, side, purpose, exit_reason, quantity,
               price, multiplier, commission, realized_pnl, bar_low, bar_high, price_source, traded_at
        FROM shadow_trades
        WHERE shadow_trades.account_id = accounts.account_id
          AND (:variant::text IS NULL OR variant = :variant::text)
          AND (:strategy_id::uuid IS NULL OR strategy_id = :strategy_id::uuid)
          AND (:signal_id::uuid IS NULL OR signal_id = :signal_id::uuid)
        ORDER BY traded_at DESC, trade_id DESC, variant
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY traded_at DESC, trade_id DESC, variant
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN strategies ON strategies.account_id = page.account_id AND strategies.strategy_id = page.strategy_id
ORDER BY traded_at DESC, trade_id DESC, variant;
