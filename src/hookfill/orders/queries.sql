-- name: list_orders
-- A user's orders, newest first, optionally of one status. Each account gives its newest by primary key; then they are merged.
SELECT page.*, strategies.name AS strategy_name
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT * FROM orders
        WHERE orders.account_id = accounts.account_id AND (:status::text IS NULL OR orders.status = :status::text)
        ORDER BY order_id DESC
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY order_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN strategies USING (account_id, strategy_id)
ORDER BY page.order_id DESC;

-- name: orders_of_signal
-- The orders that one signal led to, newest first.
SELECT orders.*, strategies.name AS strategy_name
FROM accounts
JOIN orders USING (account_id)
LEFT JOIN strategies ON strategies.account_id = orders.account_id AND strategies.strategy_id = orders.strategy_id
WHERE accounts.user_id = :user_id::uuid AND orders.signal_id = :signal_id::uuid
  AND (:status::text IS NULL OR orders.status = :status::text)
ORDER BY order_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: one_order
SELECT orders.*, strategies.name AS strategy_name
FROM accounts
JOIN orders USING (account_id)
LEFT JOIN strategies ON strategies.account_id = orders.account_id AND strategies.strategy_id = orders.strategy_id
WHERE accounts.user_id = :user_id::uuid AND orders.order_id = :order_id::uuid;

-- name: lock_account_of_order^
-- Nobody decides for the order's account until the transaction ends.
SELECT accounts.account_id
FROM accounts JOIN orders USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND orders.order_id = :order_id::uuid
FOR UPDATE OF accounts;

-- name: request_cancel^
-- Once: of an order that rests, or that is at Alpaca. Who is woken, the desk or the account's session there, ends it.
UPDATE orders SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
WHERE account_id = :account_id::uuid AND order_id = :order_id::uuid
  AND (
      terms IS NOT NULL AND status IN ('working', 'partially_filled')
      OR status IN ('submitting', 'unknown', 'working', 'partially_filled')
      AND EXISTS (SELECT FROM accounts WHERE accounts.account_id = orders.account_id AND accounts.kind = 'alpaca')
  )
RETURNING pg_notify('hookfill_prices', ''), pg_notify('hookfill_jobs', account_id::text);

-- name: fills_of_orders
SELECT * FROM fills
WHERE account_id = ANY (:account_ids::uuid[]) AND order_id = ANY (:order_ids::uuid[])
ORDER BY order_id, fill_id;
