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
CREATE INDEX shadow_trades_by_signal ON shadow_trades (account_id, signal_id) WHERE signal_id IS NOT NULL;
COMMENT ON TABLE shadow_trades IS 'the fills of the shadow book';
COMMENT ON COLUMN shadow_trades.signal_id IS 'the signal that asked for it; null: the position''s own exit rules did';

DO $$ BEGIN
    PERFORM hookfill_make_private(name) FROM unnest(ARRAY['experiments', 'shadow_positions', 'shadow_orders', 'shadow_trades']) AS name;
END $$;
-- Whoever deletes a strategy deletes its experiments.
GRANT DELETE ON experiments, shadow_positions, shadow_orders, shadow_trades TO authenticated;
