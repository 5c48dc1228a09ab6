-- name: accounts_with_shadow_prices
-- Candidates: accounts with an open position in their shadow book whose price is newer than what it has accounted for, or at which
-- time alone makes something happen. The price of an alert is dealt at and shown, but no position is judged by it.
SELECT shadow_positions.account_id
FROM shadow_positions JOIN quotes ON quotes.symbol = shadow_positions.priced_by
WHERE shadow_positions.status <> 'closed' AND least(quotes.quoted_at, :horizon::timestamptz) > shadow_positions.marked_until
UNION
SELECT shadow_positions.account_id
FROM shadow_positions
JOIN account_quotes ON account_quotes.account_id = shadow_positions.account_id AND account_quotes.symbol = shadow_positions.priced_by
WHERE shadow_positions.status <> 'closed' AND account_quotes.source <> 'alert'
  AND least(account_quotes.quoted_at, :horizon::timestamptz) > shadow_positions.marked_until
UNION
SELECT shadow_positions.account_id
FROM shadow_positions
WHERE shadow_positions.status <> 'closed' AND shadow_positions.due_at <= :horizon::timestamptz - :grace::interval
UNION
SELECT shadow_orders.account_id
FROM shadow_orders JOIN quotes USING (symbol)
WHERE least(quotes.quoted_at, :horizon::timestamptz) > shadow_orders.seen_until
UNION
SELECT shadow_orders.account_id
FROM shadow_orders
WHERE shadow_orders.expires_at <= :horizon::timestamptz - :grace::interval;

-- name: open_shadow
-- What an account's shadow book holds, and what rests in it; with the latter, whether its strategy is switched on.
SELECT variant, 'position' AS kind, position_id AS id, state, NULL::boolean AS is_enabled
FROM shadow_positions
WHERE account_id = :account_id::uuid AND status <> 'closed'
UNION ALL
SELECT variant, 'order', order_id, state, strategies.is_enabled
FROM shadow_orders LEFT JOIN strategies USING (account_id, strategy_id)
WHERE account_id = :account_id::uuid
ORDER BY variant, id;

-- name: owners_of_positions
-- By whose verdicts an account's own open positions were built, or may still grow; an entry that died unfilled built nothing.
SELECT DISTINCT orders.position_id, experiments.variant
FROM orders
JOIN experiments ON experiments.account_id = orders.account_id AND experiments.signal_id = orders.signal_id
WHERE orders.account_id = :account_id::uuid AND orders.position_id = ANY (:position_ids::uuid[]) AND orders.purpose = 'entry'
  AND (orders.filled_quantity > 0
       OR orders.status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled'));

-- name: save_shadow_positions!
-- Closed ones come first, so that a reversal never has two open at once.
INSERT INTO shadow_positions (
    account_id, variant, position_id, signal_id, strategy_id, symbol, priced_by, status, side, quantity, average_price, multiplier,
    entries, realized_pnl, commission, mark, marked_at, marked_until, due_at, opened_at, closed_at, exit_reason, state
)
SELECT :account_id::uuid, p.variant, p.position_id, p.signal_id, p.strategy_id, p.symbol, p.priced_by, p.status, p.side, p.quantity,
       p.average_price, p.multiplier, p.entries, p.realized_pnl, p.commission, p.mark, p.marked_at, p.marked_until, p.due_at,
       p.opened_at, p.closed_at, p.exit_reason, p.state::jsonb
FROM unnest(
    :variants::text[], :position_ids::uuid[], :signal_ids::uuid[], :strategy_ids::uuid[], :symbols::text[], :priced_bys::text[],
    :statuses::text[], :sides::text[], :quantities::numeric[], :average_prices::numeric[], :multipliers::numeric[],
    :entries::integer[], :realized_pnls::numeric[], :commissions::numeric[], :marks::numeric[], :marked_ats::timestamptz[],
    :marked_untils::timestamptz[], :due_ats::timestamptz[], :opened_ats::timestamptz[], :closed_ats::timestamptz[],
    :exit_reasons::text[], :states::text[]
) WITH ORDINALITY AS p (
    variant, position_id, signal_id, strategy_id, symbol, priced_by, status, side, quantity, average_price, multiplier, entries,
    realized_pnl, commission, mark, marked_at, marked_until, due_at, opened_at, closed_at, exit_reason, state, place
)
ORDER BY p.status = 'closed' DESC, p.place
ON CONFLICT (account_id, variant, position_id) DO UPDATE
SET status = excluded.status, quantity = excluded.quantity, average_price = excluded.average_price, entries = excluded.entries,
    realized_pnl = excluded.realized_pnl, commission = excluded.commission, mark = excluded.mark, marked_at = excluded.marked_at,
    marked_until = excluded.marked_until, due_at = excluded.due_at, closed_at = excluded.closed_at,
    exit_reason = excluded.exit_reason, state = excluded.state, updated_at = clock_timestamp();

-- name: save_shadow_orders!
-- Entries that rest, new or as they stand now; those that rest no more are taken away.
WITH told AS (
    SELECT *
    FROM unnest(
        :variants::text[], :order_ids::uuid[], :opens::boolean[], :signal_ids::uuid[], :strategy_ids::uuid[], :symbols::text[],
        :seen_untils::timestamptz[], :expiries::timestamptz[], :states::text[]
    ) AS t (variant, order_id, is_open, signal_id, strategy_id, symbol, seen_until, expires_at, state)
), ended AS (
    DELETE FROM shadow_orders USING told
    WHERE shadow_orders.account_id = :account_id::uuid AND shadow_orders.variant = told.variant
      AND shadow_orders.order_id = told.order_id AND NOT told.is_open
)
INSERT INTO shadow_orders (account_id, variant, order_id, signal_id, strategy_id, symbol, seen_until, expires_at, state)
SELECT :account_id::uuid, variant, order_id, signal_id, strategy_id, symbol, seen_until, expires_at, state::jsonb
FROM told WHERE is_open
ON CONFLICT (account_id, variant, order_id) DO UPDATE SET seen_until = excluded.seen_until, state = excluded.state;

-- name: save_experiments!
-- Pairs and the shadow book's fills, as one statement; signals whose door chose no variant are given theirs.
WITH told AS (
    SELECT *
    FROM unnest(
        :signal_ids::uuid[], :experiment_ids::uuid[], :strategy_ids::uuid[], :symbols::text[], :as_ofs::timestamptz[],
        :directions::smallint[], :prices::numeric[], :variants::text[], :assignment_hashes::text[], :split_percentages::smallint[],
        :verdicts_a::text[], :biases_a::smallint[], :confidences_a::double precision[], :verdicts_b::text[],
        :biases_b::smallint[], :confidences_b::double precision[], :outcomes_a::text[], :outcomes_b::text[], :positions_a::uuid[],
        :positions_b::uuid[], :barreds::text[], :opinions::text[]
    ) AS e (
        signal_id, experiment_id, strategy_id, symbol, as_of, direction, price, variant, assignment_hash, split_percentage,
        verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, outcome_a, outcome_b, position_a, position_b, barred,
        opinions
    )
), named AS (
    UPDATE signals
    SET experiment_id = told.experiment_id, variant = told.variant, split_percentage = told.split_percentage
    FROM told
    WHERE signals.account_id = :account_id::uuid AND signals.signal_id = told.signal_id AND signals.variant IS NULL
), traded AS (
    INSERT INTO shadow_trades (
        account_id, variant, trade_id, position_id, signal_id, strategy_id, symbol, side, purpose, exit_reason, quantity, price,
        multiplier, commission, realized_pnl, bar_low, bar_high, price_source, traded_at
    )
    SELECT :account_id::uuid, t.*
    FROM unnest(
        :t_variants::text[], :t_trade_ids::uuid[], :t_position_ids::uuid[], :t_signal_ids::uuid[], :t_strategy_ids::uuid[],
        :t_symbols::text[], :t_sides::text[], :t_purposes::text[], :t_exit_reasons::text[], :t_quantities::numeric[],
        :t_prices::numeric[], :t_multipliers::numeric[], :t_commissions::numeric[], :t_realized_pnls::numeric[],
        :t_bar_lows::numeric[], :t_bar_highs::numeric[], :t_price_sources::text[], :t_traded_ats::timestamptz[]
    ) AS t
)
INSERT INTO experiments (
    account_id, signal_id, experiment_id, strategy_id, symbol, as_of, direction, price, variant, assignment_hash, split_percentage,
    verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, outcome_a, outcome_b, position_a, position_b, barred, opinions
)
SELECT :account_id::uuid, signal_id, experiment_id, strategy_id, symbol, as_of, direction, price, variant, assignment_hash,
       split_percentage, verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, outcome_a, outcome_b, position_a,
       position_b, barred, opinions::jsonb
FROM told
ON CONFLICT (account_id, signal_id) DO NOTHING;
