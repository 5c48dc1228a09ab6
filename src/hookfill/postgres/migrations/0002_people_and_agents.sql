-- People, their tokens and settings; broker connections; agents beside MetaTrader terminals and the jobs they do; row-level security.
--
-- The rules of 0001 hold: account_id comes first in the key of every table that grows with use, and nothing refers to accounts by a
-- foreign key but what a person makes by hand.

-- People ------------------------------------------------------------------------------------------------------------------------

ALTER TABLE users
    ADD COLUMN email            text CHECK (email = lower(email) AND length(email) <= 254),
    ADD COLUMN password_hash    text,
    ADD COLUMN external_subject text,
    ADD COLUMN is_disabled      boolean NOT NULL DEFAULT false,
    ALTER COLUMN token_sha256 DROP NOT NULL;
CREATE UNIQUE INDEX users_by_email ON users (email);
CREATE UNIQUE INDEX users_by_external_subject ON users (external_subject);
COMMENT ON COLUMN users.token_sha256 IS 'the owner''s installation token (hookfill token); null for everyone else';
COMMENT ON COLUMN users.external_subject IS 'sub of a foreign token issuer (Supabase); such a user needs no password here';

CREATE TABLE refresh_tokens (
    token_sha256 bytea PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    family_id    uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id);
COMMENT ON COLUMN refresh_tokens.family_id IS 'all tokens that came from one login; a second use of one revokes them all';

CREATE TABLE invitations (
    invitation_id uuid PRIMARY KEY,
    token_sha256  bytea NOT NULL UNIQUE,
    invited_by    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    email         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    accepted_by   uuid REFERENCES users ON DELETE SET NULL,
    accepted_at   timestamptz
);

CREATE TABLE api_keys (
    key_id       uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    label        text NOT NULL,
    prefix       text NOT NULL,
    key_sha256   bytea NOT NULL UNIQUE,
    scopes       text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'trade', 'candles'] AND cardinality(scopes) > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_by_user ON api_keys (user_id);

CREATE TABLE user_settings (
    user_id              uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    risk_percent         numeric NOT NULL DEFAULT 1.0 CHECK (risk_percent > 0 AND risk_percent <= 100),
    daily_loss_limit_pct numeric NOT NULL DEFAULT 5.0 CHECK (daily_loss_limit_pct >= 0 AND daily_loss_limit_pct <= 100),
    max_spread           numeric NOT NULL DEFAULT 30 CHECK (max_spread >= 0 AND max_spread < 1e6),
    default_lot_size     numeric NOT NULL DEFAULT 0.01 CHECK (default_lot_size > 0 AND default_lot_size < 1e6),
    stop_loss_pips       numeric NOT NULL DEFAULT 50 CHECK (stop_loss_pips >= 0 AND stop_loss_pips < 1e6),
    take_profit_pips     numeric NOT NULL DEFAULT 100 CHECK (take_profit_pips >= 0 AND take_profit_pips < 1e6),
    updated_at           timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN user_settings.max_spread IS 'in points (the symbol''s smallest price step); 0 allows any';
COMMENT ON COLUMN user_settings.stop_loss_pips IS 'of orders whose alert and strategy name no stop, at brokers that hold stops (MetaTrader); 0 sends none';

-- Accounts and what stands behind them -----------------------------------------------------------------------------------------

ALTER TABLE accounts
    DROP CONSTRAINT accounts_kind_check,
    ADD CONSTRAINT accounts_kind_check CHECK (kind IN ('paper', 'mt5', 'alpaca')),
    DROP CONSTRAINT accounts_starting_cash_check,
    ADD CONSTRAINT accounts_starting_cash_check CHECK (starting_cash > -1e15 AND starting_cash < 1e15),
    ADD COLUMN symbol_map jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN broker_balance numeric,
    ADD COLUMN broker_equity numeric,
    ADD COLUMN reported_at timestamptz;
COMMENT ON COLUMN accounts.starting_cash IS 'what it began with and what was put in since, less what was taken out (profits too)';
COMMENT ON COLUMN accounts.symbol_map IS 'our symbol to the broker''s; the key * is a suffix for all others';
COMMENT ON COLUMN accounts.reported_at IS 'when the broker (through an agent) last told balance and equity';

CREATE TABLE broker_connections (
    broker_connection_id uuid PRIMARY KEY,
    user_id              uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    account_id           uuid NOT NULL UNIQUE,
    kind                 text NOT NULL CHECK (kind IN ('paper', 'mt5', 'alpaca')),
    label                text NOT NULL,
    credentials          bytea,
    credential_names     text[] NOT NULL DEFAULT '{}',
    is_enabled           boolean NOT NULL DEFAULT true,
    created_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX broker_connections_by_user ON broker_connections (user_id);
COMMENT ON COLUMN broker_connections.credentials IS 'encrypted with the installation''s key (Fernet); never sent back';

CREATE TABLE cash_movements (
    account_id  uuid NOT NULL,
    movement_id uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('deposit', 'withdrawal')),
    amount      numeric NOT NULL CHECK (amount > 0 AND amount < 1e15),
    note        text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, movement_id)
);

CREATE TABLE equity_points (
    account_id uuid NOT NULL,
    at         timestamptz NOT NULL,
    equity     numeric NOT NULL,
    balance    numeric NOT NULL,
    cash       numeric NOT NULL,
    PRIMARY KEY (account_id, at)
);
COMMENT ON TABLE equity_points IS 'one point per account and minute in which something changed';

ALTER TABLE strategies
    DROP CONSTRAINT strategies_engine_check,
    ADD CONSTRAINT strategies_engine_check CHECK (engine IN ('direct', 'rules', 'ab')),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- Agents and jobs --------------------------------------------------------------------------------------------------------------

CREATE TABLE agents (
    agent_id             uuid PRIMARY KEY,
    user_id              uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    broker_connection_id uuid NOT NULL REFERENCES broker_connections ON DELETE CASCADE,
    account_id           uuid NOT NULL,
    label                text NOT NULL,
    key_sha256           bytea NOT NULL,
    info                 jsonb NOT NULL DEFAULT '{}',
    paired_at            timestamptz NOT NULL DEFAULT now(),
    heartbeat_at         timestamptz,
    revoked_at           timestamptz
);
CREATE INDEX agents_by_user ON agents (user_id);
CREATE INDEX agents_by_connection ON agents (broker_connection_id);
COMMENT ON COLUMN agents.info IS 'what the agent tells of itself and its terminal: version, login, server, broker time offset';

CREATE SEQUENCE lease_tokens;
COMMENT ON SEQUENCE lease_tokens IS 'fencing tokens: each lease gets a greater one than any before it';

CREATE TABLE jobs (
    account_id    uuid NOT NULL,
    job_id        uuid NOT NULL,
    job_type      text NOT NULL CHECK (job_type IN ('trade', 'close_position', 'get_positions', 'get_account', 'get_candles')),
    input_data    jsonb NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled', 'expired')),
    order_id      uuid,
    depends_on    uuid,
    attempts      integer NOT NULL DEFAULT 0,
    lease_token   bigint,
    leased_by     uuid,
    leased_until  timestamptz,
    expires_at    timestamptz,
    result        jsonb,
    error_message text,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at   timestamptz,
    settled_at    timestamptz,
    PRIMARY KEY (account_id, job_id)
) WITH (fillfactor = 80);
CREATE INDEX jobs_waiting ON jobs (account_id, job_id) WHERE status IN ('pending', 'running');
CREATE INDEX jobs_unsettled ON jobs (account_id, job_id)
    WHERE order_id IS NOT NULL AND settled_at IS NULL AND status IN ('completed', 'failed', 'cancelled', 'expired');
CREATE INDEX jobs_by_order ON jobs (account_id, order_id);
COMMENT ON COLUMN jobs.order_id IS 'the order that it carries out; null for questions';
COMMENT ON COLUMN jobs.depends_on IS 'a job of the same account that must be completed first (the closing leg of a reversal)';
COMMENT ON COLUMN jobs.expires_at IS 'until when it may be begun; one whose outcome is unknown is only looked for after it';
COMMENT ON COLUMN jobs.settled_at IS 'when the desk booked the result on order, position and signal';

ALTER TABLE orders
    ADD COLUMN broker_order_id text,
    ADD COLUMN error_message text,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX orders_in_flight ON orders (account_id, order_id)
    WHERE status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled');
COMMENT ON COLUMN orders.broker_order_id IS 'the broker''s own number (MetaTrader: the order''s ticket)';

ALTER TABLE fills
    ADD COLUMN adjustment numeric NOT NULL DEFAULT 0 CHECK (adjustment > -1e18 AND adjustment < 1e18);
COMMENT ON COLUMN fills.adjustment IS 'the profit that a broker tells, less what quantity, price and multiplier make; part of realized_pnl';
CREATE INDEX accounts_without_start ON accounts (account_id) WHERE kind = 'mt5' AND starting_cash = 0 AND broker_balance > 0;
COMMENT ON INDEX accounts_without_start IS 'whose first balance the broker has told and the desk has not booked';

CREATE TABLE broker_deals (
    account_id  uuid NOT NULL,
    deal_id     text NOT NULL,
    symbol      text NOT NULL,
    side        text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity    numeric NOT NULL CHECK (quantity > 0 AND quantity < 1e12),
    price       numeric NOT NULL CHECK (price > 0 AND price < 1e15),
    magic       bigint,
    reason      text NOT NULL,
    profit      numeric,
    dealt_at    timestamptz NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at  timestamptz,
    note        text,
    PRIMARY KEY (account_id, deal_id)
);
CREATE INDEX broker_deals_unsettled ON broker_deals (account_id, deal_id) WHERE settled_at IS NULL;
COMMENT ON TABLE broker_deals IS 'what was dealt at the broker without a job of ours: stops, targets, stop-outs, by hand';
COMMENT ON COLUMN broker_deals.reason IS 'stop_loss, take_profit, stop_out, manual';
COMMENT ON COLUMN broker_deals.note IS 'what the desk did with it';

CREATE TABLE broker_snapshots (
    account_id  uuid PRIMARY KEY,
    agent_id    uuid NOT NULL,
    taken_at    timestamptz NOT NULL,
    account     jsonb NOT NULL,
    positions   jsonb NOT NULL,
    differences jsonb NOT NULL DEFAULT '[]'
);
COMMENT ON TABLE broker_snapshots IS 'the latest that an agent told of an account, and where it differs from ours';

CREATE TABLE alarms (
    account_id uuid NOT NULL,
    alarm_id   uuid NOT NULL,
    kind       text NOT NULL,
    subject    text NOT NULL,
    text       text NOT NULL,
    raised_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at timestamptz,
    PRIMARY KEY (account_id, alarm_id)
);
CREATE UNIQUE INDEX alarms_in_force ON alarms (account_id, kind, subject) WHERE cleared_at IS NULL;

CREATE TABLE account_quotes (
    account_id uuid NOT NULL,
    symbol     text NOT NULL,
    price      numeric NOT NULL CHECK (price > 0 AND price < 1e15),
    quoted_at  timestamptz NOT NULL,
    source     text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, symbol)
) WITH (fillfactor = 50);
COMMENT ON TABLE account_quotes IS 'what the agents of users other than the owner tell: it prices their own account and nobody else''s';

-- The names that the strategies' document gives ---------------------------------------------------------------------------------

CREATE VIEW tv_strategies WITH (security_invoker = true) AS
SELECT strategies.strategy_id AS id, accounts.user_id, broker_connections.broker_connection_id, strategies.account_id,
       strategies.name, strategies.risk_override_pct, strategies.allowed_pairs, strategies.is_enabled, strategies.created_at
FROM strategies
JOIN accounts USING (account_id)
LEFT JOIN broker_connections USING (account_id);

CREATE VIEW tv_signals WITH (security_invoker = true) AS
SELECT signals.signal_id AS id, signals.strategy_id, accounts.user_id, signals.account_id, signals.symbol, signals.action,
       signals.status, signals.fill_price, signals.broker_order_id, signals.error_message, messages.body AS raw_payload,
       signals.created_at, signals.resolved_at
FROM signals
JOIN accounts USING (account_id)
LEFT JOIN messages USING (account_id, message_id);

-- Row-level security -------------------------------------------------------------------------------------------------------------
--
-- What a person's request does is done as role "authenticated" with the person's id in hookfill.user_id, both for one transaction.
-- Unset, there are no rows. The installation itself (this role, or a member of service_role) sees all rows. FORCE holds even the
-- tables' owner to the policies; only superusers and roles with BYPASSRLS stand above them. On Supabase both roles exist already.

DO $$
DECLARE
    wanted text;
    may_become text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['authenticated', 'service_role'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server was faster
                WHEN insufficient_privilege THEN
                    RAISE insufficient_privilege USING MESSAGE = format('the role %s does not exist, and %s may not make it', wanted, current_user),
                        HINT = format('CREATE ROLE %I NOLOGIN; GRANT %1$I TO %I;', wanted, current_user);
            END;
        END IF;
    END LOOP;
    -- A role that may make roles is a member of those it made, but may not become them.
    IF NOT pg_has_role(current_user, 'authenticated', may_become) THEN
        BEGIN
            GRANT authenticated TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE insufficient_privilege USING MESSAGE = format('%s may not become the role authenticated', current_user),
                HINT = format('GRANT authenticated TO %I;', current_user);
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO authenticated, service_role', current_schema());
END $$;

CREATE FUNCTION hookfill_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('hookfill.user_id', true), '')::uuid;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'users', 'refresh_tokens', 'invitations', 'api_keys', 'user_settings', 'accounts', 'broker_connections', 'cash_movements',
        'equity_points', 'strategies', 'webhook_secrets', 'messages', 'gate', 'signals', 'decisions', 'halts', 'positions', 'orders',
        'fills', 'agents', 'jobs', 'broker_deals', 'broker_snapshots', 'alarms', 'account_quotes', 'market_data_candles', 'quotes'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY installation ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY service ON %I TO service_role USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT ALL ON %I TO service_role', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['users', 'invitations', 'api_keys', 'user_settings', 'accounts'] LOOP
        EXECUTE format(
            'CREATE POLICY own ON %I TO authenticated USING (%I = (SELECT hookfill_user_id())) WITH CHECK (%2$I = (SELECT hookfill_user_id()))',
            name, CASE name WHEN 'invitations' THEN 'invited_by' ELSE 'user_id' END
        );
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'cash_movements', 'equity_points', 'strategies', 'webhook_secrets', 'messages', 'signals', 'decisions', 'halts', 'positions',
        'orders', 'fills', 'jobs', 'broker_deals', 'broker_snapshots', 'alarms', 'account_quotes'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY own ON %I TO authenticated'
            ' USING (account_id = ANY (ARRAY(SELECT accounts.account_id FROM accounts WHERE accounts.user_id = hookfill_user_id())))'
            ' WITH CHECK (account_id = ANY (ARRAY(SELECT accounts.account_id FROM accounts WHERE accounts.user_id = hookfill_user_id())))',
            name
        );
    END LOOP;
    -- These name a user and an account, so that both must be one's own: nobody's agent stands at another's account.
    FOREACH name IN ARRAY ARRAY['broker_connections', 'agents'] LOOP
        EXECUTE format(
            'CREATE POLICY own ON %I TO authenticated USING (user_id = (SELECT hookfill_user_id())) WITH CHECK (user_id = (SELECT hookfill_user_id())'
            ' AND account_id = ANY (ARRAY(SELECT accounts.account_id FROM accounts WHERE accounts.user_id = hookfill_user_id())))',
            name
        );
    END LOOP;
END $$;

CREATE POLICY everyone_reads ON market_data_candles FOR SELECT TO authenticated USING (true);
CREATE POLICY everyone_reads ON quotes FOR SELECT TO authenticated USING (true);
-- Halts for all accounts stand under the nil account.
CREATE POLICY everyone_reads ON halts FOR SELECT TO authenticated USING (account_id = '00000000-0000-0000-0000-000000000000');

-- Hosts such as Supabase give each new table whole to the roles of their own web API; here they get what is granted below and no more.
DO $$
DECLARE
    target text;
    receiver text;
BEGIN
    FOR target IN
        SELECT format('%s %s', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass)
        FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'S') AND (relname LIKE 'hookfill\_migration%' OR relname IN (
            'users', 'refresh_tokens', 'invitations', 'api_keys', 'user_settings', 'accounts', 'broker_connections', 'cash_movements',
            'equity_points', 'strategies', 'webhook_secrets', 'messages', 'gate', 'signals', 'decisions', 'halts', 'positions', 'orders',
            'fills', 'agents', 'jobs', 'broker_deals', 'broker_snapshots', 'alarms', 'account_quotes', 'market_data_candles', 'quotes',
            'simulated_clock', 'tv_strategies', 'tv_signals', 'lease_tokens', 'market_data_candles_id_seq'
        ))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, authenticated', target);
        FOR receiver IN SELECT rolname FROM pg_roles WHERE rolname = 'anon' LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %I', target, receiver);
        END LOOP;
    END LOOP;
END $$;

GRANT SELECT (user_id, name, email, role, is_disabled, created_at) ON users TO authenticated;
GRANT SELECT (invitation_id, invited_by, email, created_at, expires_at, accepted_at), INSERT, DELETE ON invitations TO authenticated;
GRANT SELECT (key_id, user_id, label, prefix, scopes, created_at, last_used_at, revoked_at), INSERT, UPDATE (label, revoked_at)
    ON api_keys TO authenticated;
GRANT SELECT (broker_connection_id, user_id, account_id, kind, label, credential_names, is_enabled, created_at), INSERT, UPDATE, DELETE
    ON broker_connections TO authenticated;
GRANT SELECT (agent_id, user_id, broker_connection_id, account_id, label, info, paired_at, heartbeat_at, revoked_at),
    INSERT, UPDATE (label, info, heartbeat_at, revoked_at) ON agents TO authenticated;
GRANT SELECT, INSERT, UPDATE ON user_settings, accounts, jobs, alarms, broker_snapshots, account_quotes TO authenticated;
GRANT SELECT, INSERT ON cash_movements, broker_deals TO authenticated;
GRANT SELECT, INSERT, UPDATE ON equity_points TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON strategies, webhook_secrets TO authenticated;
GRANT SELECT, DELETE ON signals, decisions TO authenticated;
GRANT SELECT, UPDATE (lifted_at) ON halts TO authenticated;
GRANT SELECT ON messages, positions, orders, fills, market_data_candles, quotes, simulated_clock, tv_strategies, tv_signals TO authenticated;
GRANT USAGE ON SEQUENCE lease_tokens TO authenticated, service_role;
GRANT SELECT, INSERT, UPDATE ON simulated_clock TO service_role;
GRANT SELECT ON tv_strategies, tv_signals TO service_role;
GRANT USAGE ON SEQUENCE market_data_candles_id_seq TO service_role;
DO $$
BEGIN
    IF to_regclass('hookfill_migration') IS NOT NULL THEN -- where the tool keeps what was applied; every server looks there
        GRANT SELECT ON hookfill_migration TO service_role;
    END IF;
END $$;
