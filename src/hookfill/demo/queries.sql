-- name: worker_listens$
-- Whether the worker process is up: it connects after the doors are open.
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'hookfill desk wake');

-- name: unfinished$
-- Signals that wait for their decision, and positions that have not accounted for the newest price of the simulated day.
SELECT (SELECT count(*) FROM signals WHERE status = 'pending')
     + (SELECT count(*) FROM positions JOIN quotes USING (symbol)
        WHERE positions.status <> 'closed'
          AND least(quotes.quoted_at, (SELECT now_at FROM simulated_clock)) > positions.marked_until);

-- name: message_counts
-- Alerts in, by what became of them as messages.
SELECT state, count(*) AS messages FROM messages WHERE door = 'tradingview' GROUP BY state ORDER BY state;

-- name: signal_counts
SELECT status, reason, count(*) AS signals FROM signals GROUP BY status, reason ORDER BY status, count(*) DESC, reason;

-- name: trade_counts^
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM fills) AS fills,
       (SELECT count(*) FROM positions) AS positions_opened,
       (SELECT count(*) FROM positions WHERE status = 'closed') AS positions_closed;

-- name: exit_counts
SELECT exit_reason, count(*) AS positions FROM positions WHERE status = 'closed' GROUP BY exit_reason ORDER BY 2 DESC, 1;

-- name: account_of_day^
-- Realised net of commissions, and cash plus what open positions are worth at their marks.
SELECT balance - starting_cash AS realized_pnl, currency,
       cash + coalesce((SELECT sum(quantity * mark * multiplier) FROM positions
                        WHERE positions.account_id = accounts.account_id AND status <> 'closed'), 0) AS equity
FROM accounts
WHERE account_id = :account_id::uuid;

-- name: alert_to_fill_ms^
-- Wall time from an alert's arrival to its fill being written, in milliseconds.
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY took_ms) AS p50, percentile_disc(0.99) WITHIN GROUP (ORDER BY took_ms) AS p99
FROM (
    SELECT round(extract(epoch FROM max(fills.created_at) - signals.created_at) * 1000, 1) AS took_ms
    FROM signals
    JOIN orders ON orders.account_id = signals.account_id AND orders.signal_id = signals.signal_id
    JOIN fills ON fills.account_id = orders.account_id AND fills.order_id = orders.order_id
    GROUP BY signals.account_id, signals.signal_id, signals.created_at
) AS taken;

-- name: last_story$
-- The signal to look at first: the last one that closed a position.
SELECT signal_id FROM orders WHERE signal_id IS NOT NULL ORDER BY order_id DESC LIMIT 1;
