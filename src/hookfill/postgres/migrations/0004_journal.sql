-- Indicator telemetry: messages that wait to be read, the events they tell, and the trades these add up to.

-- Messages ----------------------------------------------------------------------------------------------------------------------

ALTER TABLE messages
    ADD COLUMN repaired_body bytea,
    ADD COLUMN repaired_by text,
    ADD COLUMN read_attempts smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN messages.repaired_body IS 'what is read in place of body, which stays as it came';
COMMENT ON COLUMN messages.repaired_by IS 'the names of the repair rules that were applied, in order';
CREATE INDEX messages_received ON messages (account_id, door, message_id) WHERE state = 'received';

-- Events ------------------------------------------------------------------------------------------------------------------------
--
-- The table may be there already, from the time before Hookfill: its rows stay as they are, columns are added, and columns that were
-- too narrow for real messages are widened, which touches no row. Rows without account_id are such older ones.

CREATE TABLE IF NOT EXISTS automated_signals (
    id bigserial PRIMARY KEY,
    trade_id text,
    event_type text,
    direction text,
    entry_price numeric,
    stop_loss numeric,
    mfe numeric
);
ALTER TABLE automated_signals
    ALTER COLUMN trade_id TYPE text,
    ALTER COLUMN event_type TYPE text,
    ALTER COLUMN direction TYPE text,
    ALTER COLUMN entry_price TYPE numeric,
    ALTER COLUMN stop_loss TYPE numeric,
    ALTER COLUMN mfe TYPE numeric;
ALTER TABLE automated_signals
    ADD COLUMN IF NOT EXISTS session text,
    ADD COLUMN IF NOT EXISTS be_mfe numeric,
    ADD COLUMN IF NOT EXISTS no_be_mfe numeric,
    ADD COLUMN IF NOT EXISTS final_mfe numeric,
    ADD COLUMN IF NOT EXISTS exit_price numeric,
    ADD COLUMN IF NOT EXISTS current_price numeric,
    ADD COLUMN IF NOT EXISTS risk_distance numeric,
    ADD COLUMN IF NOT EXISTS signal_date date,
    ADD COLUMN IF NOT EXISTS signal_time time,
    ADD COLUMN IF NOT EXISTS telemetry jsonb,
    ADD COLUMN IF NOT EXISTS account_id uuid,
    ADD COLUMN IF NOT EXISTS event_key bytea,
    ADD COLUMN IF NOT EXISTS event_at timestamptz,
    ADD COLUMN IF NOT EXISTS message_id uuid,
    ADD COLUMN IF NOT EXISTS mae numeric,
    ADD COLUMN IF NOT EXISTS source text;
CREATE UNIQUE INDEX automated_signals_events ON automated_signals (account_id, event_key);
CREATE INDEX automated_signals_by_trade ON automated_signals (account_id, trade_id, event_at);
CREATE INDEX IF NOT EXISTS idx_automated_signals_telemetry ON automated_signals USING GIN (telemetry);
CREATE INDEX IF NOT EXISTS idx_automated_signals_telemetry_schema ON automated_signals ((telemetry->>'schema_version'));
COMMENT ON COLUMN automated_signals.event_key IS 'what makes an event the same as another telling of it';
COMMENT ON COLUMN automated_signals.event_at IS 'when it happened by the indicator''s clock; signal_date and signal_time are this moment in New York';

-- Trades ------------------------------------------------------------------------------------------------------------------------

CREATE TABLE journals (
    account_id    uuid PRIMARY KEY,
    adopted_until bigint NOT NULL DEFAULT 0,
    version       bigint NOT NULL DEFAULT 0,
    heartbeat_at  timestamptz,
    received_at   timestamptz,
    event_at      timestamptz
);
COMMENT ON TABLE journals IS 'one row per account that gets telemetry; its lock is held by who folds events, so that trading never waits for it';
COMMENT ON COLUMN journals.adopted_until IS 'rows of automated_signals without an account up to this id are folded';
COMMENT ON COLUMN journals.version IS 'grows with each fold that changed something';

CREATE TABLE trade_states (
    account_id      uuid NOT NULL,
    trade_id        text NOT NULL,
    merged          jsonb NOT NULL,
    status          text NOT NULL,
    direction       text,
    session         text NOT NULL,
    symbol          text,
    setup_id        text,
    signal_at       timestamptz NOT NULL,
    signal_date     date NOT NULL,
    signal_hour     smallint NOT NULL,
    entered_at      timestamptz,
    entry_price     numeric,
    stop_loss       numeric,
    be_triggered_at timestamptz,
    be_mfe          numeric,
    no_be_mfe       numeric,
    final_mfe       numeric,
    mae             numeric,
    exit_type       text,
    exit_at         timestamptz,
    exit_price      numeric,
    stopped_at      timestamptz,
    last_event_at   timestamptz NOT NULL,
    last_mfe_at     timestamptz,
    events          integer NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, trade_id)
) WITH (fillfactor = 70);
CREATE INDEX trade_states_by_date ON trade_states (account_id, signal_date, signal_at, trade_id);
CREATE INDEX trade_states_open ON trade_states (account_id, signal_at) WHERE status IN ('ACTIVE', 'BE_PROTECTED');
COMMENT ON COLUMN trade_states.merged IS 'all that its events told, merged so that their order does not matter; the other columns are read from it';

-- Row-level security ------------------------------------------------------------------------------------------------------------

-- What 0002 did for each of its tables, for those that come after it: row-level security on and forced, all rows for the
-- installation and service_role, a person's own accounts' rows to read for "authenticated", and nothing for anybody to whom a host
-- gives each new table.
CREATE FUNCTION hookfill_make_private(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    receiver text;
    serial text;
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY installation ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE POLICY service ON %I TO service_role USING (true) WITH CHECK (true)', name);
    EXECUTE format('GRANT ALL ON %I TO service_role', name);
    EXECUTE format(
        'CREATE POLICY own ON %I TO authenticated'
        ' USING (account_id = ANY (ARRAY(SELECT accounts.account_id FROM accounts WHERE accounts.user_id = hookfill_user_id())))'
        ' WITH CHECK (account_id = ANY (ARRAY(SELECT accounts.account_id FROM accounts WHERE accounts.user_id = hookfill_user_id())))',
        name
    );
    FOR receiver IN SELECT 'public' UNION ALL SELECT quote_ident(rolname) FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', name, receiver);
        FOR serial IN
            SELECT own.relname FROM pg_depend JOIN pg_class AS own ON own.oid = pg_depend.objid AND own.relkind = 'S'
            WHERE pg_depend.refobjid = name::regclass AND pg_depend.deptype IN ('a', 'i')
        LOOP
            EXECUTE format('REVOKE ALL ON SEQUENCE %I FROM %s', serial, receiver);
            EXECUTE format('GRANT USAGE ON SEQUENCE %I TO service_role', serial);
        END LOOP;
    END LOOP;
    EXECUTE format('GRANT SELECT ON %I TO authenticated', name);
END $$;

SELECT hookfill_make_private(name) FROM unnest(ARRAY['automated_signals', 'journals', 'trade_states']) AS name;
