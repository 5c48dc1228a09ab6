-- name: accounts_with_resting
-- Candidates: accounts with an entry that rests on paper, and a newer price than it has accounted for, the end of its time (the bar
-- that closes then is waited for a little), a halt, or somebody who does not want it any more. By a partial index that holds only
-- what rests.
SELECT DISTINCT orders.account_id
FROM orders
LEFT JOIN quotes USING (symbol)
LEFT JOIN strategies ON strategies.account_id = orders.account_id AND strategies.strategy_id = orders.strategy_id
WHERE orders.terms IS NOT NULL AND orders.status IN ('working', 'partially_filled')
  AND (
      least(quotes.quoted_at, :horizon::timestamptz) > orders.seen_until
      OR orders.expires_at <= :horizon::timestamptz - interval '60 seconds'
      OR orders.cancel_requested_at IS NOT NULL
      OR strategies.is_enabled IS NOT TRUE
      OR EXISTS (
          SELECT FROM halts
          WHERE halts.account_id IN (orders.account_id, '00000000-0000-0000-0000-000000000000') AND halts.lifted_at IS NULL
            AND (halts.strategy_id IS NULL OR halts.strategy_id = orders.strategy_id)
            AND (halts.symbol IS NULL OR halts.symbol = orders.symbol)
            AND (halts.user_id IS NULL
                 OR halts.user_id = (SELECT user_id FROM accounts WHERE accounts.account_id = orders.account_id))
      )
  );

-- name: resting_orders
-- What rests at an account on paper, in order of its making.
SELECT orders.order_id, client_order_id, signal_id, position_id, orders.strategy_id, symbol, side, order_type, limit_price, stop_price,
       quantity, time_in_force, as_of, seen_until, expires_at, terms, status, filled_quantity, made.spent, made.fills,
       cancel_requested_at IS NOT NULL AS is_cancelled, strategies.is_enabled
FROM orders
LEFT JOIN strategies ON strategies.account_id = orders.account_id AND strategies.strategy_id = orders.strategy_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(fills.quantity * fills.price), 0) AS spent, count(*) AS fills
    FROM fills
    WHERE fills.account_id = orders.account_id AND fills.order_id = orders.order_id
) AS made
WHERE orders.account_id = :account_id::uuid AND terms IS NOT NULL AND status IN ('working', 'partially_filled')
ORDER BY orders.order_id;

-- name: volumes_of
-- The volume of the bar that each symbol's newest price comes from.
-- The first limit keeps the planner from reading all quotes to join them, when it plans for any number of symbols.
SELECT quotes.symbol, bars.volume
FROM unnest(:symbols::text[], :timeframes::text[]) AS asked (symbol, timeframe)
CROSS JOIN LATERAL (SELECT symbol, quoted_at FROM quotes AS stored WHERE stored.symbol = asked.symbol LIMIT 1) AS quotes
CROSS JOIN LATERAL (
    SELECT volume FROM market_data_candles AS candles
    WHERE candles.symbol = asked.symbol AND candles.timeframe = asked.timeframe AND candles.timestamp < quotes.quoted_at
    ORDER BY candles.timestamp DESC
    LIMIT 1
) AS bars;

-- name: apply_resting!
-- Entries that rest: new ones, and how the others stand now; the ends of their signals; and how many rest by now.
WITH told AS (
    SELECT *
    FROM unnest(
        :order_ids::uuid[], :news::boolean[], :client_order_ids::text[], :signal_ids::uuid[], :position_ids::uuid[],
        :strategy_ids::uuid[], :symbols::text[], :sides::text[], :order_types::text[], :quantities::numeric[],
        :limit_prices::numeric[], :stop_prices::numeric[], :statuses::text[], :filled_quantities::numeric[],
        :average_prices::numeric[], :lives::text[], :expiries::timestamptz[], :seen_untils::timestamptz[], :terms::text[],
        :as_ofs::timestamptz[], :reasons::text[], :texts::text[], :signal_statuses::text[]
    ) AS t (
        order_id, is_new, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type, quantity, limit_price,
        stop_price, status, filled_quantity, average_price, time_in_force, expires_at, seen_until, terms, as_of, reason, text,
        signal_status
    )
), made AS (
    INSERT INTO orders (
        account_id, order_id, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type, purpose, quantity,
        limit_price, stop_price, status, filled_quantity, average_fill_price, time_in_force, expires_at, seen_until, terms, as_of,
        reason, error_message
    )
    SELECT :account_id::uuid, order_id, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type, 'entry',
           quantity, limit_price, stop_price, status, filled_quantity, average_price, time_in_force, expires_at, seen_until,
           terms::jsonb, as_of, reason, text
    FROM told WHERE is_new
), changed AS (
    UPDATE orders
    SET status = told.status, position_id = told.position_id, filled_quantity = told.filled_quantity,
        average_fill_price = told.average_price, seen_until = told.seen_until, reason = told.reason, error_message = told.text,
        updated_at = clock_timestamp()
    FROM told
    WHERE orders.account_id = :account_id::uuid AND orders.order_id = told.order_id AND NOT told.is_new
), resolved AS (
    UPDATE signals
    SET status = told.signal_status, reason = CASE WHEN told.filled_quantity = 0 THEN told.reason ELSE signals.reason END,
        error_message = coalesce(told.text, signals.error_message), fill_price = told.average_price,
        broker_order_id = CASE WHEN told.filled_quantity > 0 THEN told.order_id::text END, resolved_at = clock_timestamp()
    FROM told
    WHERE signals.account_id = :account_id::uuid AND signals.signal_id = told.signal_id AND told.signal_status IS NOT NULL
      AND signals.status = 'approved'
)
UPDATE accounts SET resting = :resting::integer WHERE account_id = :account_id::uuid;
