-- name: exit_signals
-- A user's exits, newest first: orders that leave a position, with what it was entered at and what leaving it brought. Each account
-- gives its newest by primary key; then they are merged.
SELECT page.*, strategies.name AS strategy_name, positions.average_price AS entry_price, positions.status AS position_status,
       positions.opened_at, booked.realized_pnl, booked.commission, booked.filled_at
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT order_id, account_id, strategy_id, signal_id, position_id, symbol, side, exit_reason, status, quantity, filled_quantity,
               stop_price, average_fill_price, reason, as_of, created_at
        FROM orders
        WHERE orders.account_id = accounts.account_id AND orders.purpose = 'exit'
          AND (:statuses::text[] IS NULL OR orders.status = ANY (:statuses::text[]))
          AND (:symbol::text IS NULL OR orders.symbol = :symbol::text)
        ORDER BY order_id DESC
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid AND (:account_id::uuid IS NULL OR accounts.account_id = :account_id::uuid)
    ORDER BY order_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN strategies USING (account_id, strategy_id)
LEFT JOIN positions ON positions.account_id = page.account_id AND positions.position_id = page.position_id
LEFT JOIN LATERAL (
    SELECT sum(fills.realized_pnl) AS realized_pnl, sum(fills.commission) AS commission, max(fills.filled_at) AS filled_at
    FROM fills
    WHERE fills.account_id = page.account_id AND fills.order_id = page.order_id
) AS booked ON true
ORDER BY page.order_id DESC;
