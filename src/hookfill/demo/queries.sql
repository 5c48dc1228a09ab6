-- name: unfinished$
-- Signals that wait for their decision, and positions that have not accounted for the newest price of the simulated day.
SELECT (SELECT count(*) FROM signals WHERE status = 'pending')
     + (SELECT count(*) FROM positions JOIN quotes USING (symbol)
        WHERE positions.status <> 'closed'
          AND least(quotes.quoted_at, (SELECT now_at FROM simulated_clock)) > positions.marked_until);

-- name: last_story$
-- The signal to look at first: the last one that closed a position.
SELECT signal_id FROM orders WHERE signal_id IS NOT NULL ORDER BY order_id DESC LIMIT 1;
