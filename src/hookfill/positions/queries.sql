-- name: list_positions
-- A user's positions, newest first, of some statuses. Each account gives its newest by primary key; then they are merged.
-- What was traded comes from the position's orders: of a closed position they alone know the side and the size.
SELECT page.*, strategies.name AS strategy_name, traded.*,
       sign(page.quantity) * (page.mark * abs(page.quantity) - page.cost) * page.multiplier AS unrealized_pnl
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        SELECT * FROM positions
        WHERE positions.account_id = accounts.account_id AND positions.status = ANY (:statuses::text[])
        ORDER BY position_id DESC
        LIMIT :limit::bigint + :offset::bigint
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY position_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
LEFT JOIN strategies USING (account_id, strategy_id)
LEFT JOIN LATERAL (
    SELECT min(side) FILTER (WHERE purpose = 'entry') AS entry_side,
           sum(filled_quantity) FILTER (WHERE purpose = 'entry') AS entered_quantity,
           round(
               sum(filled_quantity * average_fill_price) FILTER (WHERE purpose = 'exit')
               / nullif(sum(filled_quantity) FILTER (WHERE purpose = 'exit'), 0), 10
           ) AS exit_price
    FROM orders
    WHERE orders.account_id = page.account_id AND orders.position_id = page.position_id
) AS traded ON true
ORDER BY page.position_id DESC;
