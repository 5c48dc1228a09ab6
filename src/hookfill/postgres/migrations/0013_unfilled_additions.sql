-- What a signal's entry made is told by what of it was filled, or still may be: an addition that died at the broker carries the id of the
-- position that it was to grow, and was given all that this one realised.
CREATE OR REPLACE VIEW experiment_pairs WITH (security_invoker = true) AS
SELECT experiments.*,
       real_entry.position_id AS real_position_id,
       positions.status AS real_status,
       positions.opened_at AS real_opened_at,
       positions.closed_at AS real_closed_at,
       positions.exit_reason AS real_exit_reason,
       coalesce(positions.status <> 'closed', false)
       OR coalesce(real_entry.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled'), false) AS real_is_open,
       CASE
           WHEN positions.status <> 'closed' THEN NULL
           WHEN positions.entries = 1 THEN positions.realized_pnl
           ELSE real_share.gross
       END AS real_gross,
       CASE
           WHEN positions.status <> 'closed' THEN NULL
           WHEN positions.entries = 1 THEN positions.commission
           ELSE real_share.commission
       END AS real_commission,
       shadow_entry.position_id AS shadow_position_id,
       shadows.status AS shadow_status,
       shadows.opened_at AS shadow_opened_at,
       shadows.closed_at AS shadow_closed_at,
       shadows.exit_reason AS shadow_exit_reason,
       coalesce(shadows.status <> 'closed', false)
       OR EXISTS (
           SELECT FROM shadow_orders
           WHERE shadow_orders.account_id = experiments.account_id AND shadow_orders.signal_id = experiments.signal_id
       ) AS shadow_is_open,
       CASE
           WHEN shadows.status <> 'closed' THEN NULL
           WHEN shadows.entries = 1 THEN shadows.realized_pnl
           ELSE shadow_share.gross
       END AS shadow_gross,
       CASE
           WHEN shadows.status <> 'closed' THEN NULL
           WHEN shadows.entries = 1 THEN shadows.commission
           ELSE shadow_share.commission
       END AS shadow_commission
FROM experiments
LEFT JOIN LATERAL (
    SELECT orders.position_id, orders.status
    FROM orders
    WHERE orders.account_id = experiments.account_id AND orders.signal_id = experiments.signal_id AND orders.purpose = 'entry'
      AND (orders.filled_quantity > 0
           OR orders.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled'))
    LIMIT 1
) AS real_entry ON true
LEFT JOIN LATERAL (
    SELECT * FROM positions
    WHERE positions.account_id = experiments.account_id AND positions.position_id = real_entry.position_id
    LIMIT 1
) AS positions ON true
LEFT JOIN LATERAL (
    SELECT round(
               (positions.realized_pnl
                * sum(fills.quantity) FILTER (WHERE orders.signal_id = experiments.signal_id AND orders.purpose = 'entry')
                + CASE min(orders.side) FILTER (WHERE orders.purpose = 'entry') WHEN 'buy' THEN 1 ELSE -1 END * positions.multiplier * (
                    sum(fills.quantity * fills.price) FILTER (WHERE orders.purpose = 'entry')
                    * sum(fills.quantity) FILTER (WHERE orders.signal_id = experiments.signal_id AND orders.purpose = 'entry')
                    - sum(fills.quantity) FILTER (WHERE orders.purpose = 'entry')
                    * sum(fills.quantity * fills.price) FILTER (WHERE orders.signal_id = experiments.signal_id AND orders.purpose = 'entry')
                )) / sum(fills.quantity) FILTER (WHERE orders.purpose = 'entry'), 10
           ) AS gross,
           round(
               sum(fills.commission) FILTER (WHERE orders.signal_id = experiments.signal_id AND orders.purpose = 'entry')
               + coalesce(sum(fills.commission) FILTER (WHERE orders.purpose = 'exit'), 0)
               * sum(fills.quantity) FILTER (WHERE orders.signal_id = experiments.signal_id AND orders.purpose = 'entry')
               / sum(fills.quantity) FILTER (WHERE orders.purpose = 'entry'), 10
           ) AS commission
    FROM fills JOIN orders ON orders.account_id = fills.account_id AND orders.order_id = fills.order_id
    WHERE positions.entries > 1 AND fills.account_id = positions.account_id AND fills.position_id = positions.position_id
) AS real_share ON true
LEFT JOIN LATERAL (
    SELECT trades.position_id, trades.variant
    FROM shadow_trades AS trades
    WHERE trades.account_id = experiments.account_id AND trades.signal_id = experiments.signal_id AND trades.purpose = 'entry'
    LIMIT 1
) AS shadow_entry ON true
LEFT JOIN LATERAL (
    SELECT * FROM shadow_positions
    WHERE shadow_positions.account_id = experiments.account_id AND shadow_positions.variant = shadow_entry.variant
      AND shadow_positions.position_id = shadow_entry.position_id
    LIMIT 1
) AS shadows ON true
LEFT JOIN LATERAL (
    SELECT round(
               (shadows.realized_pnl
                * sum(trades.quantity) FILTER (WHERE trades.signal_id = experiments.signal_id AND trades.purpose = 'entry')
                + CASE shadows.side WHEN 'long' THEN 1 ELSE -1 END * shadows.multiplier * (
                    sum(trades.quantity * trades.price) FILTER (WHERE trades.purpose = 'entry')
                    * sum(trades.quantity) FILTER (WHERE trades.signal_id = experiments.signal_id AND trades.purpose = 'entry')
                    - sum(trades.quantity) FILTER (WHERE trades.purpose = 'entry')
                    * sum(trades.quantity * trades.price) FILTER (WHERE trades.signal_id = experiments.signal_id AND trades.purpose = 'entry')
                )) / sum(trades.quantity) FILTER (WHERE trades.purpose = 'entry'), 10
           ) AS gross,
           round(
               sum(trades.commission) FILTER (WHERE trades.signal_id = experiments.signal_id AND trades.purpose = 'entry')
               + coalesce(sum(trades.commission) FILTER (WHERE trades.purpose = 'exit'), 0)
               * sum(trades.quantity) FILTER (WHERE trades.signal_id = experiments.signal_id AND trades.purpose = 'entry')
               / sum(trades.quantity) FILTER (WHERE trades.purpose = 'entry'), 10
           ) AS commission
    FROM shadow_trades AS trades
    WHERE shadows.entries > 1 AND trades.account_id = shadows.account_id AND trades.variant = shadows.variant
      AND trades.position_id = shadows.position_id
) AS shadow_share ON true;
