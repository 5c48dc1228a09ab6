-- name: accounts_with_news
-- Candidates: accounts with an ended job that is not booked, a job that nobody began in time, a deal that is not booked, or a first
-- balance. All by partial indexes that hold next to nothing.
SELECT account_id FROM jobs
WHERE order_id IS NOT NULL AND settled_at IS NULL AND status IN ('completed', 'failed', 'cancelled', 'expired')
UNION
SELECT account_id FROM jobs
WHERE status IN ('pending', 'running') AND status = 'pending' AND order_id IS NOT NULL AND expires_at <= clock_timestamp()
UNION
SELECT account_id FROM broker_deals WHERE settled_at IS NULL
UNION
SELECT account_id FROM accounts WHERE kind IN ('mt5', 'alpaca') AND starting_cash = 0 AND broker_balance > 0;

-- name: accounts_with_own_prices
-- Candidates: accounts with an open position for which their own agent told a newer price than the position has accounted for. The
-- price of an alert is dealt at and shown, but no position is judged by it: it was one person's word, at one moment.
SELECT DISTINCT positions.account_id
FROM positions JOIN account_quotes USING (account_id, symbol)
WHERE positions.status <> 'closed' AND account_quotes.source <> 'alert'
  AND least(account_quotes.quoted_at, :horizon::timestamptz) > positions.marked_until;

-- name: expire_jobs!
-- Jobs that no agent has begun in time. One that an agent had is never expired here: what it did is not known.
UPDATE jobs
SET status = 'expired', finished_at = clock_timestamp(), error_message = 'no agent began it by ' || expires_at
WHERE account_id = :account_id::uuid AND status IN ('pending', 'running') AND status = 'pending' AND attempts = 0
  AND order_id IS NOT NULL AND expires_at <= clock_timestamp();

-- name: jobs_in_hand
-- Jobs of orders whose end is open, or not booked yet; held, so that no agent begins one that is about to be cancelled.
SELECT job_id, order_id, status, attempts, input_data, depends_on, result, error_message, finished_at
FROM jobs
WHERE account_id = :account_id::uuid
  AND (
      status IN ('pending', 'running') AND order_id IS NOT NULL
      OR order_id IS NOT NULL AND settled_at IS NULL AND status IN ('completed', 'failed', 'cancelled', 'expired')
  )
ORDER BY finished_at, job_id
FOR UPDATE;

-- name: orders_in_flight
-- Orders in flight, those of these jobs, and the other legs of their signals; with what the alert named.
WITH flying AS (
    SELECT order_id, signal_id FROM orders
    WHERE account_id = :account_id::uuid AND status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')
    UNION
    SELECT order_id, signal_id FROM orders WHERE account_id = :account_id::uuid AND order_id = ANY (:order_ids::uuid[])
), wanted AS (
    SELECT order_id FROM flying
    UNION
    SELECT orders.order_id FROM flying JOIN orders ON orders.account_id = :account_id::uuid AND orders.signal_id = flying.signal_id
)
SELECT orders.order_id, client_order_id, orders.signal_id, position_id, orders.strategy_id, orders.symbol, side, purpose, exit_reason,
       quantity, orders.status, orders.as_of, filled_quantity, average_fill_price, orders.broker_order_id, orders.reason,
       orders.error_message AS text, orders.order_type, orders.cancel_requested_at IS NOT NULL AS is_withdrawn,
       signals.alert ->> 'stop_loss' AS alert_stop, signals.alert ->> 'take_profit' AS alert_target,
       signals.alert ->> 'price' AS alert_price
FROM wanted
JOIN orders ON orders.account_id = :account_id::uuid AND orders.order_id = wanted.order_id
LEFT JOIN signals ON signals.account_id = orders.account_id AND signals.signal_id = orders.signal_id
ORDER BY orders.order_id;

-- name: deals_to_book
-- Oldest first.
SELECT deal_id, symbol, side, quantity, price, magic, reason, profit, dealt_at
FROM broker_deals
WHERE account_id = :account_id::uuid AND settled_at IS NULL
ORDER BY dealt_at, deal_id
LIMIT :most::bigint;

-- name: deals_of_jobs
-- Which of these deals the results of jobs tell of; jobs are looked through from one on.
SELECT DISTINCT told.deal_id
FROM jobs CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE WHEN jsonb_typeof(result -> 'deal_ids') = 'array' THEN result -> 'deal_ids' ELSE '[]' END
) AS told (deal_id)
WHERE account_id = :account_id::uuid AND job_id >= :earliest_job::uuid AND order_id IS NOT NULL
  AND told.deal_id = ANY (:deal_ids::text[]);

-- name: exit_tries
-- How often rules have asked to leave these positions, and as of when they last did.
SELECT position_id, count(*) AS tries, max(as_of) AS last_at
FROM orders
WHERE account_id = :account_id::uuid AND position_id = ANY (:position_ids::uuid[]) AND purpose = 'exit' AND signal_id IS NULL
GROUP BY position_id;

-- name: own_quotes_of
-- What the account's own agent tells.
SELECT symbol, price, quoted_at, source, NULL::integer AS bar_seconds, NULL::numeric AS bar_low, NULL::numeric AS bar_high
FROM account_quotes
WHERE account_id = :account_id::uuid AND symbol = ANY (:symbols::text[]);

-- name: apply_moves!
-- All that changed at the broker's side of one account's books; agents are woken when there is something for them.
WITH asked AS (
    INSERT INTO jobs (account_id, job_id, job_type, input_data, status, order_id, depends_on, expires_at)
    SELECT :account_id::uuid, j.job_id, j.job_type, j.input_data::jsonb, 'pending', j.order_id, j.depends_on, j.expires_at
    FROM unnest(
        :job_ids::uuid[], :job_types::text[], :inputs::text[], :job_orders::uuid[], :dependencies::uuid[], :expiries::timestamptz[]
    ) AS j (job_id, job_type, input_data, order_id, depends_on, expires_at)
    RETURNING job_id
), settled AS (
    UPDATE jobs SET settled_at = clock_timestamp()
    WHERE account_id = :account_id::uuid AND job_id = ANY (:settled::uuid[])
), cancelled AS (
    UPDATE jobs
    SET status = 'cancelled', finished_at = clock_timestamp(), settled_at = clock_timestamp(),
        error_message = 'the job that it had to wait for did not do all that was asked'
    WHERE account_id = :account_id::uuid AND job_id = ANY (:cancelled::uuid[]) AND status = 'pending'
), ended AS (
    UPDATE orders
    SET status = e.status, position_id = e.position_id, filled_quantity = e.filled, average_fill_price = e.average,
        broker_order_id = e.broker_order_id, reason = e.reason, error_message = e.error_message, updated_at = clock_timestamp()
    FROM unnest(
        :end_ids::uuid[], :end_positions::uuid[], :end_statuses::text[], :end_filled::numeric[], :end_averages::numeric[],
        :end_numbers::text[], :end_reasons::text[], :end_texts::text[]
    ) AS e (order_id, position_id, status, filled, average, broker_order_id, reason, error_message)
    WHERE orders.account_id = :account_id::uuid AND orders.order_id = e.order_id
), resolved AS (
    UPDATE signals
    SET status = r.status, reason = coalesce(r.reason, signals.reason),
        error_message = coalesce(r.error_message, signals.error_message), fill_price = r.fill_price,
        broker_order_id = r.broker_order_id, resolved_at = clock_timestamp()
    FROM unnest(
        :resolved_ids::uuid[], :resolved_statuses::text[], :resolved_reasons::text[], :resolved_texts::text[],
        :resolved_prices::numeric[], :resolved_numbers::text[]
    ) AS r (signal_id, status, reason, error_message, fill_price, broker_order_id)
    WHERE signals.account_id = :account_id::uuid AND signals.signal_id = r.signal_id AND signals.status = 'approved'
), withdrawn AS (
    UPDATE orders SET cancel_requested_at = clock_timestamp()
    WHERE account_id = :account_id::uuid AND order_id = ANY (:withdrawn::uuid[]) AND cancel_requested_at IS NULL
), noted AS (
    UPDATE broker_deals SET settled_at = clock_timestamp(), note = d.note
    FROM unnest(:deal_ids::text[], :deal_notes::text[]) AS d (deal_id, note)
    WHERE broker_deals.account_id = :account_id::uuid AND broker_deals.deal_id = d.deal_id
)
SELECT pg_notify('hookfill_jobs', :account_id::text)
WHERE EXISTS (SELECT FROM asked)
   OR EXISTS (
       SELECT FROM jobs
       WHERE account_id = :account_id::uuid AND status IN ('pending', 'running') AND depends_on = ANY (:settled::uuid[])
   );
