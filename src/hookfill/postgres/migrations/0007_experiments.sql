-- Two engines and the experiment between them: feature flags, the council as an engine, and what the router decided with.

CREATE TABLE feature_flags (
    name       text PRIMARY KEY,
    is_enabled boolean NOT NULL,
    changed_by uuid,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE feature_flags IS 'flags that were ever set; the others are off. They hold for the whole installation';
COMMENT ON COLUMN feature_flags.changed_by IS 'who set it as it is; null: `hookfill flags set` on the installation''s own machine';

DO $$
DECLARE receiver text;
BEGIN
    ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY installation ON feature_flags TO CURRENT_USER USING (true) WITH CHECK (true);
    CREATE POLICY service ON feature_flags TO service_role USING (true) WITH CHECK (true);
    CREATE POLICY everyone_reads ON feature_flags FOR SELECT TO authenticated USING (true);
    FOR receiver IN SELECT 'public' UNION ALL SELECT quote_ident(rolname) FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON feature_flags FROM %s', receiver);
    END LOOP;
    GRANT ALL ON feature_flags TO service_role;
    GRANT SELECT ON feature_flags TO authenticated;
END $$;

ALTER TABLE strategies
    DROP CONSTRAINT strategies_engine_check,
    ADD CONSTRAINT strategies_engine_check CHECK (engine IN ('direct', 'rules', 'council', 'ab'));

ALTER TABLE signals ADD split_percentage smallint CHECK (split_percentage BETWEEN 0 AND 100);
COMMENT ON COLUMN signals.split_percentage IS 'the split between the engines by which the signed door chose the variant; null: another door';

CREATE TABLE experiments (
    account_id       uuid NOT NULL,
    signal_id        uuid NOT NULL,
    experiment_id    uuid NOT NULL,
    strategy_id      uuid NOT NULL,
    symbol           text NOT NULL,
    as_of            timestamptz NOT NULL,
    direction        smallint NOT NULL CHECK (direction BETWEEN -1 AND 1),
    price            numeric CHECK (price > 0 AND price < 1e15),
    variant          text NOT NULL CHECK (variant IN ('A', 'B')),
    assignment_hash  text NOT NULL,
    split_percentage smallint NOT NULL CHECK (split_percentage BETWEEN 0 AND 100),
    verdict_a        text CHECK (verdict_a IN ('approved', 'refused', 'failed')),
    bias_a           smallint CHECK (bias_a BETWEEN -1 AND 1),
    confidence_a     double precision,
    verdict_b        text CHECK (verdict_b IN ('approved', 'refused', 'failed')),
    bias_b           smallint CHECK (bias_b BETWEEN -1 AND 1),
    confidence_b     double precision,
    outcome_a        text NOT NULL,
    outcome_b        text NOT NULL,
    barred           text,
    position_a       uuid,
    position_b       uuid,
    opinions         jsonb NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, signal_id),
    UNIQUE (account_id, experiment_id)
);
CREATE INDEX experiments_by_strategy ON experiments (account_id, strategy_id, split_percentage, signal_id);
CREATE INDEX experiments_by_position_a ON experiments (account_id, position_a) WHERE position_a IS NOT NULL;
CREATE INDEX experiments_by_position_b ON experiments (account_id, position_b) WHERE position_b IS NOT NULL;
COMMENT ON TABLE experiments IS 'one pair per signal of a strategy with the engine ab: what each engine thought of it and what came of that';
COMMENT ON COLUMN experiments.direction IS '1 long, -1 short, 0: the signal only closes';
COMMENT ON COLUMN experiments.price IS 'the quote that both engines saw; null: none was known';
COMMENT ON COLUMN experiments.variant IS 'whose verdict was acted on in the account; the other''s is acted on in the shadow book';
COMMENT ON COLUMN experiments.verdict_a IS 'of engine A, the rules; null: a gate came before any engine';
COMMENT ON COLUMN experiments.verdict_b IS 'of engine B, the council';
COMMENT ON COLUMN experiments.outcome_a IS 'entered, left (closed or reduced only), or the reason for which nothing was traded';
COMMENT ON COLUMN experiments.barred IS 'why the account could not have entered, whatever an engine thought: then neither side did';
COMMENT ON COLUMN experiments.position_a IS 'the position that its entry opened or grew: in positions when the variant is A, else in shadow_positions';

CREATE TABLE shadow_positions (
    account_id    uuid NOT NULL,
    variant       text NOT NULL CHECK (variant IN ('A', 'B')),
    position_id   uuid NOT NULL,
    signal_id     uuid,
    strategy_id   uuid NOT NULL,
    symbol        text NOT NULL,
    priced_by     text NOT NULL,
    status        text NOT NULL,
    side          text NOT NULL CHECK (side IN ('long', 'short')),
    quantity      numeric NOT NULL,
    average_price numeric NOT NULL CHECK (average_price > 0 AND average_price < 1e15),
    multiplier    numeric NOT NULL CHECK (multiplier > 0 AND multiplier < 1e9),
    entries       integer NOT NULL,
    realized_pnl  numeric NOT NULL,
    commission    numeric NOT NULL,
    mark          numeric NOT NULL,
    marked_at     timestamptz NOT NULL,
    marked_until  timestamptz NOT NULL,
    due_at        timestamptz,
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,
    exit_reason   text,
    state         jsonb NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, variant, position_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX shadow_positions_one_open ON shadow_positions (account_id, variant, strategy_id, symbol) WHERE status <> 'closed';
CREATE INDEX shadow_positions_open_by_price ON shadow_positions (priced_by, account_id) WHERE status <> 'closed';
CREATE INDEX shadow_positions_by_opening ON shadow_positions (account_id, opened_at DESC, position_id DESC, variant);
CREATE INDEX shadow_positions_due ON shadow_positions (due_at) WHERE status <> 'closed';
COMMENT ON TABLE shadow_positions IS 'what the engine that was not chosen would hold: never part of any account''s cash, equity or limits';
COMMENT ON COLUMN shadow_positions.signal_id IS 'the signal that opened it';
COMMENT ON COLUMN shadow_positions.priced_by IS 'the symbol whose price marks it: its own, or of an option the underlying''s';
COMMENT ON COLUMN shadow_positions.state IS 'the whole position, as the desk reads it back';

CREATE TABLE shadow_orders (
    account_id  uuid NOT NULL,
    variant     text NOT NULL CHECK (variant IN ('A', 'B')),
    order_id    uuid NOT NULL,
    signal_id   uuid NOT NULL,
    strategy_id uuid NOT NULL,
    symbol      text NOT NULL,
    seen_until  timestamptz NOT NULL,
    expires_at  timestamptz,
    state       jsonb NOT NULL,
    PRIMARY KEY (account_id, variant, order_id)
) WITH (fillfactor = 80);
CREATE INDEX shadow_orders_by_symbol ON shadow_orders (symbol, account_id);
CREATE INDEX shadow_orders_by_expiry ON shadow_orders (expires_at);
COMMENT ON TABLE shadow_orders IS 'entries that rest in the shadow book, for as long as they do';

CREATE TABLE shadow_trades (
    account_id   uuid NOT NULL,
    variant      text NOT NULL CHECK (variant IN ('A', 'B')),
    trade_id     uuid NOT NULL,
    position_id  uuid NOT NULL,
    signal_id    uuid,
    strategy_id  uuid NOT NULL,
    symbol       text NOT NULL,
    side         text NOT NULL CHECK (side IN ('buy', 'sell')),
    purpose      text NOT NULL CHECK (purpose IN ('entry', 'exit')),
    exit_reason  text,
    quantity     numeric NOT NULL CHECK (quantity > 0 AND quantity < 1e12),
    price        numeric NOT NULL CHECK (price >= 0 AND price < 1e15),
    multiplier   numeric NOT NULL,
    commission   numeric NOT NULL CHECK (commission >= 0),
    realized_pnl numeric NOT NULL,
    bar_low      numeric,
    bar_high     numeric,
    price_source text NOT NULL,
    traded_at    timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, variant, trade_id)
);
CREATE INDEX shadow_trades_by_position ON shadow_trades (account_id, variant, position_id);
CREATE INDEX shadow_trades_by_time ON shadow_trades (account_id, traded_at DESC, trade_id DESC, variant);
CREATE INDEX shadow_trades_by_signal ON shadow_trades (account_id, signal_id) WHERE signal_id IS NOT NULL;
COMMENT ON TABLE shadow_trades IS 'the fills of the shadow book';
COMMENT ON COLUMN shadow_trades.signal_id IS 'the signal that asked for it; null: the position''s own exit rules did';

DO $$ BEGIN
    PERFORM hookfill_make_private(name) FROM unnest(ARRAY['experiments', 'shadow_positions', 'shadow_orders', 'shadow_trades']) AS name;
END $$;
-- Whoever deletes a strategy deletes its experiments.
GRANT DELETE ON experiments, shadow_positions, shadow_orders, shadow_trades TO authenticated;

-- Rows are looked up by their keys, one by one (LIMIT 1 says so to the planner, which else may read all of an account).
-- Both sides of each pair with what they came to. The share of one signal's entry in a position that several entries built is its
-- quantity's share of what the exits brought, less what it itself was bought for: the shares add up to what the position realised.
CREATE VIEW experiment_pairs WITH (security_invoker = true) AS
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
COMMENT ON VIEW experiment_pairs IS 'gross and commission are null as long as the position is not closed';
DO $$
DECLARE receiver text;
BEGIN
    FOR receiver IN SELECT 'public' UNION ALL SELECT quote_ident(rolname) FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON experiment_pairs FROM %s', receiver);
    END LOOP;
    GRANT SELECT ON experiment_pairs TO authenticated, service_role;
END $$;
