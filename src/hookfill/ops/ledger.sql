-- name: signals_have_messages
-- Every signal came from a message of the same account and strategy.
SELECT s.account_id, s.signal_id AS id, 'its message is missing or belongs to another strategy' AS finding
FROM signals s
LEFT JOIN messages m ON m.account_id = s.account_id AND m.message_id = s.message_id
WHERE m.message_id IS NULL OR m.strategy_id IS DISTINCT FROM s.strategy_id
LIMIT $1;

-- name: rows_have_accounts
-- Every message, signal, order, fill, position and strategy belongs to an account.
SELECT r.account_id, r.id, 'its account is missing (' || r.kind || ')' AS finding
FROM (
    SELECT account_id, message_id AS id, 'message' AS kind FROM messages
    UNION ALL SELECT account_id, signal_id, 'signal' FROM signals
    UNION ALL SELECT account_id, order_id, 'order' FROM orders
    UNION ALL SELECT account_id, fill_id, 'fill' FROM fills
    UNION ALL SELECT account_id, position_id, 'position' FROM positions
    UNION ALL SELECT account_id, strategy_id, 'strategy' FROM strategies
    UNION ALL SELECT account_id, job_id, 'job' FROM jobs
) r
WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.account_id = r.account_id)
LIMIT $1;

-- name: rows_have_strategies
-- Every order, position and webhook secret belongs to a strategy of its account; a deleted one has left orders without signals, and
-- positions that a person may ask to leave.
SELECT r.account_id, r.id, 'its strategy is missing (' || r.kind || ')' AS finding
FROM (
    SELECT account_id, strategy_id, order_id AS id, 'order' AS kind, signal_id FROM orders
    UNION ALL
    SELECT positions.account_id, positions.strategy_id, positions.position_id, 'position', orders.signal_id
    FROM positions LEFT JOIN orders USING (account_id, position_id)
    UNION ALL
    SELECT account_id, strategy_id, strategy_id, 'webhook secret', NULL FROM webhook_secrets
) r
WHERE NOT EXISTS (SELECT FROM strategies s WHERE s.account_id = r.account_id AND s.strategy_id = r.strategy_id)
  AND (r.kind = 'webhook secret'
    OR EXISTS (SELECT FROM signals s WHERE s.account_id = r.account_id AND s.signal_id = r.signal_id AND s.door <> 'operator'))
LIMIT $1;

-- name: gate_keys_have_messages
-- Every key of the duplicate gate leads to the message that holds it.
SELECT g.account_id, g.message_id AS id, 'the gate names a message that is missing' AS finding
FROM gate g
LEFT JOIN messages m ON m.account_id = g.account_id AND m.message_id = g.message_id
WHERE m.message_id IS NULL
LIMIT $1;

-- name: messages_have_one_outcome
-- Every message has exactly one outcome: one signal if it was processed, else none; a deleted strategy took its signals along.
SELECT m.account_id, m.message_id AS id, m.state || ' with ' || count(s.signal_id) || ' signals' AS finding
FROM messages m
LEFT JOIN signals s ON s.account_id = m.account_id AND s.message_id = m.message_id
GROUP BY m.account_id, m.message_id, m.strategy_id, m.state
HAVING count(s.signal_id) <> CASE WHEN m.state = 'processed' THEN 1 ELSE 0 END
   AND NOT (m.state = 'processed' AND count(s.signal_id) = 0 AND NOT EXISTS (
       SELECT FROM strategies t WHERE t.account_id = m.account_id AND t.strategy_id = m.strategy_id))
LIMIT $1;

-- name: states_are_known
-- Every message, signal, order and position is in a state that its lifecycle knows.
SELECT r.account_id, r.id, r.kind || ' is ' || r.state AS finding
FROM (
    SELECT account_id, message_id AS id, 'message' AS kind, state FROM messages
    UNION ALL SELECT account_id, signal_id, 'signal', status FROM signals
    UNION ALL SELECT account_id, order_id, 'order', status FROM orders
    UNION ALL SELECT account_id, position_id, 'position', status FROM positions
) r
WHERE r.kind || ' ' || r.state <> ALL ($2::text[])
LIMIT $1;

-- name: ended_signals_say_when
-- A signal that has reached its end says when, and one that waits does not.
SELECT account_id, signal_id AS id, status || ', resolved at ' || coalesce(resolved_at::text, 'no time') AS finding
FROM signals
WHERE (status = ANY ($2::text[])) <> (resolved_at IS NOT NULL)
LIMIT $1;

-- name: signals_are_decided_soon
-- No signal waits longer than a minute for its decision, unless an order of its strategy is at a broker.
SELECT account_id, signal_id AS id, 'waits since ' || created_at AS finding
FROM signals
WHERE status = 'pending' AND created_at < clock_timestamp() - interval '60 seconds'
  AND NOT EXISTS (
      SELECT FROM orders o
      WHERE o.account_id = signals.account_id AND o.strategy_id = signals.strategy_id
        AND o.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')
  )
LIMIT $1;

-- name: approved_signals_end_soon
-- No approved signal waits longer than five minutes for its broker, unless its order rests on paper until a price comes.
SELECT account_id, signal_id AS id, 'at the broker since ' || decided_at AS finding
FROM signals
WHERE status = 'approved' AND decided_at < clock_timestamp() - interval '5 minutes'
  AND NOT EXISTS (
      SELECT FROM orders o
      WHERE o.account_id = signals.account_id AND o.signal_id = signals.signal_id
        AND o.terms IS NOT NULL AND o.status IN ('working', 'partially_filled')
  )
LIMIT $1;

-- name: executed_signals_have_orders
-- Every executed signal has an order and a recorded decision.
SELECT s.account_id, s.signal_id AS id, 'executed without an order or a decision' AS finding
FROM signals s
WHERE s.status = 'executed'
  AND NOT (EXISTS (SELECT FROM orders o WHERE o.account_id = s.account_id AND o.signal_id = s.signal_id)
       AND EXISTS (SELECT FROM decisions d WHERE d.account_id = s.account_id AND d.signal_id = s.signal_id))
LIMIT $1;

-- name: orders_have_a_cause
-- Every order comes from an approved signal of its strategy and symbol (unless both were deleted), or is the exit of a position. An
-- order in an option may come from a signal about its underlying.
SELECT o.account_id, o.order_id AS id,
       CASE WHEN o.signal_id IS NULL THEN 'no signal and no exit' ELSE 'its signal is ' || coalesce(s.status, 'missing') END AS finding
FROM orders o
LEFT JOIN signals s ON s.account_id = o.account_id AND s.signal_id = o.signal_id
WHERE CASE
    WHEN o.signal_id IS NULL THEN o.purpose <> 'exit' OR o.exit_reason IS NULL OR o.position_id IS NULL
    WHEN s.status IS NULL THEN EXISTS (
        SELECT FROM strategies t WHERE t.account_id = o.account_id AND t.strategy_id = o.strategy_id)
    ELSE s.status NOT IN ('approved', 'executed', 'failed', 'expired')
        OR s.strategy_id <> o.strategy_id
        OR (s.symbol IS DISTINCT FROM o.symbol AND NOT (
            o.symbol ~ '^[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}$'
            AND s.symbol = coalesce(
                (SELECT underlying FROM positions p WHERE p.account_id = o.account_id AND p.position_id = o.position_id), s.symbol)))
END
LIMIT $1;

-- name: one_order_per_cause
-- No client order id stands on two orders: the same cause never made two.
SELECT min(account_id::text)::uuid AS account_id, min(order_id::text)::uuid AS id,
       count(*) || ' orders named ' || client_order_id AS finding
FROM orders
GROUP BY client_order_id
HAVING count(*) > 1
LIMIT $1;

-- name: fills_have_orders
-- Every fill belongs to one order of its symbol, side and position.
SELECT f.account_id, f.fill_id AS id, 'its order is missing or is another one''s' AS finding
FROM fills f
LEFT JOIN orders o ON o.account_id = f.account_id AND o.order_id = f.order_id
WHERE o.order_id IS NULL OR (o.symbol, o.side, o.position_id) IS DISTINCT FROM (f.symbol, f.side, f.position_id)
LIMIT $1;

-- name: fills_add_up_to_orders
-- An order's filled quantity and average price are those of its fills, and a filled order is filled whole.
SELECT o.account_id, o.order_id AS id,
       o.status || ': ' || coalesce(f.quantity, 0) || ' of ' || o.quantity || ' filled, ' || o.filled_quantity || ' recorded' AS finding
FROM orders o
LEFT JOIN LATERAL (
    SELECT sum(quantity) AS quantity, sum(quantity * price) AS spent
    FROM fills WHERE fills.account_id = o.account_id AND fills.order_id = o.order_id
) f ON true
WHERE coalesce(f.quantity, 0) <> o.filled_quantity
   OR coalesce(f.quantity, 0) > o.quantity
   OR (o.status = 'filled') <> (coalesce(f.quantity, 0) = o.quantity)
   OR (o.status IN ('created', 'submitting', 'denied', 'rejected') AND f.quantity > 0)
   OR abs(o.average_fill_price * f.quantity - f.spent) > f.quantity * 1e-9
LIMIT $1;

-- name: fills_lie_in_their_bars
-- Every fill lies within the low and high of the bar that it came from.
SELECT account_id, fill_id AS id, price || ' outside ' || coalesce(bar_low, price) || ' to ' || coalesce(bar_high, price) AS finding
FROM fills
WHERE price < bar_low OR price > bar_high
LIMIT $1;

-- name: limits_and_stops_hold
-- No limit order or target fills worse than its price, and no stop better than its own.
SELECT f.account_id, f.fill_id AS id, o.side || ' at ' || f.price || ', limit ' || coalesce(o.limit_price::text, 'none') || ', stop '
       || coalesce(o.stop_price::text, 'none') AS finding
FROM fills f
JOIN orders o ON o.account_id = f.account_id AND o.order_id = f.order_id
CROSS JOIN LATERAL (SELECT CASE WHEN o.side = 'buy' THEN 1 ELSE -1 END AS sign) s
WHERE s.sign * f.price > s.sign * o.limit_price
   OR (o.exit_reason IN ('take_profit', 'partial_target') AND s.sign * f.price > s.sign * o.stop_price)
   OR (coalesce(o.exit_reason, '') NOT IN ('take_profit', 'partial_target') AND s.sign * f.price < s.sign * o.stop_price)
LIMIT $1;

-- name: orders_have_positions
-- Every order that filled changed a position of its strategy and symbol.
SELECT o.account_id, o.order_id AS id, 'its position is missing or is another one''s' AS finding
FROM orders o
LEFT JOIN positions p ON p.account_id = o.account_id AND p.position_id = o.position_id
WHERE o.filled_quantity > 0 AND (p.position_id IS NULL OR (p.strategy_id, p.symbol) <> (o.strategy_id, o.symbol))
LIMIT $1;

-- name: positions_are_sums_of_fills
-- A position's quantity, realised profit and commission are the sums of its fills.
SELECT p.account_id, p.position_id AS id,
       'holds ' || p.quantity || ', fills ' || coalesce(f.quantity, 0) || '; realised ' || p.realized_pnl || ', fills '
       || coalesce(f.realized_pnl, 0) AS finding
FROM positions p
LEFT JOIN LATERAL (
    SELECT sum(CASE WHEN side = 'buy' THEN quantity ELSE -quantity END) AS quantity, sum(realized_pnl) AS realized_pnl,
           sum(commission) AS commission
    FROM fills WHERE fills.account_id = p.account_id AND fills.position_id = p.position_id
) f ON true
WHERE (p.quantity, p.realized_pnl, p.commission) IS DISTINCT FROM (f.quantity, f.realized_pnl, f.commission)
LIMIT $1;

-- name: closed_positions_are_empty
-- A position is closed exactly when nothing is left of it, and then it says when and why.
SELECT account_id, position_id AS id, status || ' with ' || quantity AS finding
FROM positions
WHERE (status = 'closed') <> (quantity = 0)
   OR (status = 'closed') <> (cost = 0)
   OR (status = 'closed') <> (closed_at IS NOT NULL)
   OR (status = 'closed' AND exit_reason IS NULL)
   OR closed_at < opened_at
LIMIT $1;

-- name: options_are_bought_on_terms
-- An option is only ever held long, and knows its underlying and the terms that its price is made of.
SELECT account_id, position_id AS id,
       symbol || ' ' || quantity || ' on ' || coalesce(underlying, 'nothing') || ', terms ' || coalesce(terms::text, 'none') AS finding
FROM positions
WHERE (symbol ~ '^[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}$' OR underlying IS NOT NULL)
  AND (quantity < 0 OR underlying IS NULL OR terms IS NULL OR NOT terms ? 'volatility')
LIMIT $1;

-- name: positions_end_on_time
-- No position stays open for an hour beyond the moment at which time alone was to do something about it.
SELECT account_id, position_id AS id, symbol || ' was due at ' || due_at AS finding
FROM positions
WHERE status <> 'closed' AND due_at IS NOT NULL
  AND due_at < coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) - interval '1 hour'
LIMIT $1;

-- name: balances_add_up
-- An account's balance is its starting cash plus everything realised, less commissions.
SELECT a.account_id, a.account_id AS id, 'balance ' || a.balance || ', fills leave ' || a.starting_cash + f.realized AS finding
FROM accounts a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(realized_pnl - commission), 0) AS realized FROM fills WHERE fills.account_id = a.account_id
) f
WHERE a.balance <> a.starting_cash + f.realized
LIMIT $1;

-- name: cash_adds_up
-- An account's cash is its starting cash less what its fills cost at full notional, less commissions; and what brokers adjusted.
SELECT a.account_id, a.account_id AS id, 'cash ' || a.cash || ', fills leave ' || a.starting_cash - f.paid AS finding
FROM accounts a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE WHEN side = 'buy' THEN 1 ELSE -1 END * quantity * price * multiplier + commission - adjustment), 0) AS paid
    FROM fills WHERE fills.account_id = a.account_id
) f
WHERE a.cash <> a.starting_cash - f.paid
LIMIT $1;

-- name: cash_and_positions_make_the_balance
-- Cash and what open positions cost make the balance: equity differs from it by unrealised profit only.
SELECT a.account_id, a.account_id AS id, 'balance ' || a.balance || ', cash and positions ' || a.cash + p.cost AS finding
FROM accounts a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(sign(quantity) * cost * multiplier), 0) AS cost
    FROM positions WHERE positions.account_id = a.account_id AND status <> 'closed'
) p
WHERE a.balance <> a.cash + p.cost
LIMIT $1;

-- name: no_entry_after_a_halt
-- No order entered the market while a halt forbade it: none as of a later moment, after the desk's own; none was stored, after a
-- person's, once it had been waited for those who had not seen it. Neither did one that rested fill.
SELECT DISTINCT o.account_id, o.order_id AS id, 'entered at ' || e.as_of || ', halted since ' || h.created_at AS finding
FROM orders o
JOIN accounts a ON a.account_id = o.account_id
JOIN halts h ON h.account_id IN (o.account_id, '00000000-0000-0000-0000-000000000000')
CROSS JOIN LATERAL (
    SELECT o.as_of, o.created_at
    UNION ALL
    SELECT f.filled_at, f.created_at FROM fills f
    WHERE o.terms IS NOT NULL AND f.account_id = o.account_id AND f.order_id = o.order_id
) e (as_of, created_at)
WHERE o.purpose = 'entry'
  AND (h.user_id IS NULL OR h.user_id = a.user_id)
  AND (h.scope IN ('global', 'user', 'account')
    OR (h.scope = 'strategy' AND h.strategy_id = o.strategy_id)
    OR (h.scope = 'symbol' AND h.symbol IN (
        o.symbol, (SELECT underlying FROM positions p WHERE p.account_id = o.account_id AND p.position_id = o.position_id))))
  AND CASE WHEN h.created_by = 'desk' THEN e.as_of > h.created_at ELSE e.created_at > h.settled_at END
  AND (h.lifted_at IS NULL OR e.created_at < h.lifted_at)
LIMIT $1;

-- name: resting_orders_are_counted
-- Every account knows how many of its entries rest, and they rest at paper accounts only, each with its price and its terms.
SELECT a.account_id, a.account_id AS id, a.resting || ' counted, ' || r.orders || ' rest, ' || r.odd || ' without a price' AS finding
FROM accounts a
CROSS JOIN LATERAL (
    SELECT count(*) AS orders,
           count(*) FILTER (
               WHERE o.purpose <> 'entry' OR o.seen_until IS NULL OR (o.order_type = 'limit') <> (o.limit_price IS NOT NULL)
                  OR (o.order_type = 'stop') <> (o.stop_price IS NOT NULL)
           ) AS odd
    FROM orders o
    WHERE o.account_id = a.account_id AND o.terms IS NOT NULL AND o.status IN ('working', 'partially_filled')
) r
WHERE a.resting <> r.orders OR r.odd > 0 OR (r.orders > 0 AND a.kind <> 'paper')
LIMIT $1;

-- name: resting_orders_fill_in_their_time
-- No entry that rested filled before it was made, or after its time was up.
SELECT f.account_id, f.fill_id AS id, 'filled at ' || f.filled_at || ', made at ' || o.as_of || ', until '
       || coalesce(o.expires_at::text, 'cancelled') AS finding
FROM orders o
JOIN fills f ON f.account_id = o.account_id AND f.order_id = o.order_id
WHERE o.terms IS NOT NULL AND (f.filled_at < o.as_of OR f.filled_at > o.expires_at)
LIMIT $1;

-- name: jobs_have_orders
-- Every job that trades carries out one order of its account, and every order has at most one job.
SELECT j.account_id, j.job_id AS id,
       CASE WHEN count(o.order_id) = 0 THEN 'its order is missing' ELSE 'its order has another job as well' END AS finding
FROM jobs j
LEFT JOIN orders o ON o.account_id = j.account_id AND o.order_id = j.order_id
LEFT JOIN jobs other ON other.account_id = j.account_id AND other.order_id = j.order_id AND other.job_id <> j.job_id
WHERE j.order_id IS NOT NULL
GROUP BY j.account_id, j.job_id
HAVING count(o.order_id) = 0 OR count(other.job_id) > 0
LIMIT $1;

-- name: jobs_and_orders_agree
-- A job that is booked has an order at its end, filled only if the job was completed; and no ended order has a job to do.
SELECT j.account_id, j.job_id AS id, 'the job is ' || j.status || ', its order ' || o.status AS finding
FROM jobs j
JOIN orders o ON o.account_id = j.account_id AND o.order_id = j.order_id
WHERE (j.settled_at IS NOT NULL AND o.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled'))
   OR (j.settled_at IS NOT NULL AND j.status <> 'completed' AND o.filled_quantity > 0)
   OR (j.status IN ('pending', 'running') AND o.status NOT IN ('created', 'submitting', 'unknown', 'working', 'partially_filled'))
LIMIT $1;

-- name: approved_signals_have_orders_in_flight
-- A signal that is approved and not resolved has an order at a broker, and an order there belongs to an approved signal or an exit.
SELECT s.account_id, s.signal_id AS id, 'approved, and none of its orders is in flight' AS finding
FROM signals s
WHERE s.status = 'approved' AND NOT EXISTS (
    SELECT FROM orders o
    WHERE o.account_id = s.account_id AND o.signal_id = s.signal_id
      AND o.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')
)
UNION ALL
SELECT o.account_id, o.order_id, 'in flight, and its signal is ' || s.status
FROM orders o
JOIN signals s ON s.account_id = o.account_id AND s.signal_id = o.signal_id
WHERE o.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled') AND s.status <> 'approved'
LIMIT $1;

-- name: closing_positions_have_an_exit
-- A position is closing exactly while an order that leaves it is at a broker.
SELECT p.account_id, p.position_id AS id, 'it is ' || p.status || ', exits in flight: ' || o.exits AS finding
FROM positions p
CROSS JOIN LATERAL (
    SELECT count(*) AS exits FROM orders
    WHERE orders.account_id = p.account_id AND orders.position_id = p.position_id AND orders.purpose = 'exit'
      AND orders.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')
) o
WHERE (p.status = 'closing') <> (o.exits > 0)
LIMIT $1;

-- name: entries_are_by_the_engine_that_owns_the_signal
-- Of a signal that two engines judge, only the approval of the one that owns it leads to an entry in the account.
SELECT o.account_id, o.order_id AS id, 'its signal is owned by ' || e.variant || ', whose engine did not approve it' AS finding
FROM experiments e
JOIN orders o ON o.account_id = e.account_id AND o.signal_id = e.signal_id AND o.purpose = 'entry'
WHERE CASE e.variant WHEN 'A' THEN e.verdict_a ELSE e.verdict_b END IS DISTINCT FROM 'approved'
LIMIT $1;

-- name: shadow_positions_are_the_sum_of_their_trades
-- A position of the shadow book holds and has realised what its trades add up to.
SELECT p.account_id, p.position_id AS id,
       'it holds ' || p.quantity || ' and realised ' || p.realized_pnl || ', its trades ' || coalesce(t.quantity, 0) || ' and '
       || coalesce(t.realized_pnl, 0) AS finding
FROM shadow_positions p
CROSS JOIN LATERAL (
    SELECT sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) AS quantity, sum(realized_pnl) AS realized_pnl
    FROM shadow_trades
    WHERE shadow_trades.account_id = p.account_id AND shadow_trades.variant = p.variant AND shadow_trades.position_id = p.position_id
) t
WHERE p.quantity IS DISTINCT FROM t.quantity OR p.realized_pnl IS DISTINCT FROM t.realized_pnl
LIMIT $1;
