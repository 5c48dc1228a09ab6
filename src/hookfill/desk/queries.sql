-- name: accounts_with_signals
-- Candidates, found without locks: accounts with pending signals that are due.
SELECT DISTINCT account_id FROM signals
WHERE status = 'pending' AND (retry_at IS NULL OR retry_at <= clock_timestamp());

-- name: accounts_with_prices
-- Candidates: accounts with an open position whose symbol has a newer price than the position has accounted for.
SELECT DISTINCT positions.account_id
FROM positions JOIN quotes USING (symbol)
WHERE positions.status <> 'closed' AND least(quotes.quoted_at, :horizon::timestamptz) > positions.marked_until;

-- name: lock_account^
-- The account's lock, held until commit (a dead worker's is gone with its connection), and what its user has set.
SELECT accounts.*, clock_timestamp() AS database_now, daily_loss_limit_pct, max_spread, default_lot_size, stop_loss_pips,
       take_profit_pips,
       EXISTS (SELECT FROM shadow_positions AS held WHERE held.account_id = accounts.account_id AND held.status <> 'closed')
       OR EXISTS (SELECT FROM shadow_orders AS resting WHERE resting.account_id = accounts.account_id) AS has_shadow
FROM accounts LEFT JOIN user_settings USING (user_id)
WHERE account_id = :account_id::uuid
FOR UPDATE OF accounts SKIP LOCKED;

-- name: pending_signals
-- In order of arrival. Each message is looked up by its whole key: a planner that takes the account for a small one would join all its
-- messages to each signal.
SELECT signals.signal_id, signals.message_id, signals.strategy_id, signals.source, signals.as_of, attempts, messages.door, messages.body,
       experiment_id, variant, split_percentage
FROM signals
CROSS JOIN LATERAL (
    SELECT door, coalesce(repaired_body, body) AS body
    FROM messages
    WHERE messages.account_id = signals.account_id AND messages.message_id = signals.message_id
    LIMIT 1
) AS messages
WHERE signals.account_id = :account_id::uuid AND status = 'pending' AND (retry_at IS NULL OR retry_at <= clock_timestamp())
ORDER BY signals.signal_id
LIMIT :most::bigint;

-- name: open_positions
SELECT * FROM positions WHERE account_id = :account_id::uuid AND status <> 'closed' ORDER BY position_id;

-- name: strategies_of_account
SELECT strategy_id, name, engine, is_enabled, risk_override_pct, allowed_pairs, settings
FROM strategies WHERE account_id = :account_id::uuid AND strategy_id = ANY (:strategy_ids::uuid[]);

-- name: halts_in_force
SELECT scope, reduce_only, reason, strategy_id, symbol
FROM halts
WHERE account_id IN (:account_id::uuid, '00000000-0000-0000-0000-000000000000') AND lifted_at IS NULL
  AND (user_id IS NULL OR user_id = :user_id::uuid);

-- name: recent_entries
SELECT strategy_id, as_of FROM orders
WHERE account_id = :account_id::uuid AND purpose = 'entry' AND as_of > :since::timestamptz AND as_of <= :until::timestamptz
ORDER BY as_of;

-- name: quotes_of
SELECT symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high FROM quotes WHERE symbol = ANY (:symbols::text[]);

-- name: bars_between
-- Bars of some symbols and timeframes that opened since a moment each and before one moment for all, in order of their opening.
-- The inner limit keeps the planner from reading all candles to join them, however many symbols are asked for.
SELECT bars.*
FROM unnest(:symbols::text[], :timeframes::text[], :sinces::timestamptz[]) AS asked (symbol, timeframe, since)
CROSS JOIN LATERAL (
    SELECT symbol, timeframe, timestamp, open, high, low, close, volume
    FROM market_data_candles AS candles
    WHERE candles.symbol = asked.symbol AND candles.timeframe = asked.timeframe
      AND candles.timestamp >= asked.since AND candles.timestamp < :until::timestamptz
    ORDER BY candles.timestamp
    LIMIT :most::bigint
) AS bars
ORDER BY timestamp
LIMIT :most::bigint;

-- name: last_bars_before
-- For each symbol and timeframe: the newest bars that opened before a moment, newest first.
SELECT bars.*
FROM unnest(:symbols::text[], :timeframes::text[], :befores::timestamptz[]) AS asked (symbol, timeframe, before)
CROSS JOIN LATERAL (
    SELECT symbol, timeframe, timestamp, open, high, low, close, volume
    FROM market_data_candles AS candles
    WHERE candles.symbol = asked.symbol AND candles.timeframe = asked.timeframe AND candles.timestamp < asked.before
    ORDER BY candles.timestamp DESC
    LIMIT :most::bigint
) AS bars;

-- name: simulated_now$
SELECT now_at FROM simulated_clock;

-- name: apply_outcome!
-- All that one account's decisions changed, as one statement.
WITH verdicts AS MATERIALIZED (
    SELECT * FROM json_to_recordset(:verdicts::json) AS v (
        signal_id uuid, status text, reason text, error_message text, fill_price numeric, order_id uuid, attempts smallint, symbol text,
        action text, alert jsonb, engine text, trace jsonb
    )
), decided AS (
    UPDATE signals
    SET status = v.status, symbol = v.symbol, action = v.action, alert = v.alert, reason = v.reason,
        error_message = v.error_message, fill_price = v.fill_price,
        broker_order_id = v.order_id::text, attempts = v.attempts, decided_at = clock_timestamp(),
        retry_at = CASE WHEN v.status = 'pending' THEN clock_timestamp() + make_interval(secs => v.attempts ^ 2) END,
        resolved_at = CASE WHEN v.status NOT IN ('pending', 'approved') THEN clock_timestamp() END
    FROM verdicts AS v
    WHERE signals.account_id = :account_id::uuid AND signals.signal_id = v.signal_id AND signals.status = 'pending'
), explained AS (
    INSERT INTO decisions (account_id, signal_id, engine, verdict, trace)
    SELECT :account_id::uuid, v.signal_id, v.engine, v.status, v.trace FROM verdicts AS v
    ON CONFLICT (account_id, signal_id) DO UPDATE
    SET engine = excluded.engine, verdict = excluded.verdict, trace = excluded.trace
), ordered AS (
    INSERT INTO orders (
        account_id, order_id, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type, purpose, exit_reason,
        quantity, stop_price, limit_price, status, broker_order_id, filled_quantity, average_fill_price, as_of
    )
    SELECT :account_id::uuid, o.*
    FROM json_to_recordset(:orders::json) AS o (
        order_id uuid, client_order_id text, signal_id uuid, position_id uuid, strategy_id uuid, symbol text, side text,
        order_type text, purpose text, exit_reason text, quantity numeric, stop_price numeric, limit_price numeric, status text,
        broker_order_id text, filled_quantity numeric, average_fill_price numeric, as_of timestamptz
    )
), filled AS (
    INSERT INTO fills (
        account_id, fill_id, order_id, position_id, symbol, side, quantity, price, multiplier, commission, realized_pnl, bar_low,
        bar_high, price_source, filled_at, adjustment
    )
    SELECT :account_id::uuid, f.*
    FROM json_to_recordset(:fills::json) AS f (
        fill_id uuid, order_id uuid, position_id uuid, symbol text, side text, quantity numeric, price numeric, multiplier numeric,
        commission numeric, realized_pnl numeric, bar_low numeric, bar_high numeric, price_source text, filled_at timestamptz,
        adjustment numeric
    )
), halted AS (
    INSERT INTO halts (account_id, halt_id, scope, strategy_id, reduce_only, reason, created_at)
    SELECT :account_id::uuid, h.halt_id, 'strategy', h.strategy_id, true, h.reason, h.at
    FROM json_to_recordset(:halts::json) AS h (halt_id uuid, strategy_id uuid, reason text, at timestamptz)
), pointed AS (
    INSERT INTO equity_points (account_id, at, equity, balance, cash)
    SELECT :account_id::uuid, :point_at::timestamptz, :equity::numeric, :balance::numeric, :cash::numeric
    WHERE :point_at::timestamptz IS NOT NULL
    ON CONFLICT (account_id, at) DO UPDATE SET equity = excluded.equity, balance = excluded.balance, cash = excluded.cash
)
UPDATE accounts
SET starting_cash = :starting_cash::numeric, cash = :cash::numeric, balance = :balance::numeric, day = :day::date, day_start_balance = :day_start_balance::numeric,
    day_realized = :day_realized::numeric, timeline_at = :timeline_at::timestamptz
WHERE account_id = :account_id::uuid;

-- name: save_positions!
-- Positions opened or changed. Closed ones come first, so that a reversal never has two open at once.
INSERT INTO positions (
    account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier, entries, realized_pnl,
    commission, mark, marked_at, marked_until, stop_price, target_price, initial_risk, best_price, trailing_stop, at_break_even,
    exits, opened_at, closed_at, exit_reason, underlying, terms, targets, leave_at, leave_for, due_at
)
SELECT :account_id::uuid, p.*
FROM json_to_recordset(:positions::json) AS p (
    position_id uuid, strategy_id uuid, symbol text, status text, quantity numeric, average_price numeric, cost numeric,
    multiplier numeric, entries integer, realized_pnl numeric, commission numeric, mark numeric, marked_at timestamptz,
    marked_until timestamptz, stop_price numeric, target_price numeric, initial_risk numeric, best_price numeric,
    trailing_stop numeric, at_break_even boolean, exits jsonb, opened_at timestamptz, closed_at timestamptz, exit_reason text,
    underlying text, terms jsonb, targets jsonb, leave_at timestamptz, leave_for text, due_at timestamptz
)
ORDER BY p.status = 'closed' DESC
ON CONFLICT (account_id, position_id) DO UPDATE
SET status = excluded.status, quantity = excluded.quantity, average_price = excluded.average_price, cost = excluded.cost,
    entries = excluded.entries, realized_pnl = excluded.realized_pnl, commission = excluded.commission, mark = excluded.mark,
    marked_at = excluded.marked_at, marked_until = excluded.marked_until, stop_price = excluded.stop_price,
    target_price = excluded.target_price, initial_risk = excluded.initial_risk, best_price = excluded.best_price,
    trailing_stop = excluded.trailing_stop, at_break_even = excluded.at_break_even, closed_at = excluded.closed_at,
    exit_reason = excluded.exit_reason, targets = excluded.targets, due_at = excluded.due_at, updated_at = clock_timestamp();

-- name: note_failure!
-- Writing a signal's outcome failed: count the attempt outside the transaction that was rolled back.
UPDATE signals
SET attempts = attempts + 1,
    retry_at = clock_timestamp() + make_interval(secs => (attempts + 1) ^ 2),
    status = CASE WHEN attempts + 1 >= :most::integer THEN 'failed' ELSE status END,
    reason = CASE WHEN attempts + 1 >= :most::integer THEN 'dead_lettered' ELSE reason END,
    error_message = :error::text,
    decided_at = clock_timestamp(),
    resolved_at = CASE WHEN attempts + 1 >= :most::integer THEN clock_timestamp() END
WHERE account_id = :account_id::uuid AND signal_id = :signal_id::uuid AND status = 'pending';
