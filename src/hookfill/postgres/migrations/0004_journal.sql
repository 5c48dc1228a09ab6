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
-- The table may be there already, from the time before Hookfill: its rows stay as they are, to the byte and where they lie. Columns
-- are added, and columns that are too narrow for real messages are widened, which touches no row. Rows without account_id are such
-- older ones, or what the program that made them still writes beside us.

CREATE TABLE IF NOT EXISTS automated_signals (
    id            bigserial PRIMARY KEY,
    trade_id      text,
    event_type    text,
    direction     text,
    entry_price   numeric,
    stop_loss     numeric,
    mfe           numeric,
    session       text,
    be_mfe        numeric,
    no_be_mfe     numeric,
    final_mfe     numeric,
    exit_price    numeric,
    current_price numeric,
    risk_distance numeric,
    signal_date   date,
    signal_time   time,
    telemetry     jsonb,
    account_id    uuid,
    event_key     bytea,
    event_at      timestamptz,
    message_id    uuid,
    mae           numeric,
    source        text
);

-- Adopt an older table, or say what keeps it from being adopted and what to do (HF001 is told as it is, not as a fault of ours).
-- A table that was just made passes through unchanged.
DO $$
DECLARE
    old oid := 'automated_signals'::regclass;
    wanted record;
    has text;
    named text;
    told text;
BEGIN
    SELECT quote_ident(rolname) INTO named FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
    WHERE pg_class.oid = old AND NOT pg_has_role(current_user, relowner, 'USAGE');
    IF named IS NOT NULL THEN
        RAISE insufficient_privilege USING MESSAGE = format('the table automated_signals, which is to be adopted, belongs to %s', named),
            HINT = format('GRANT %s TO %I; (or ALTER TABLE automated_signals OWNER TO %2$I;)', named, current_user);
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = old) <> 'r' THEN
        RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'automated_signals is there and is no ordinary table, so it can''t be adopted',
            HINT = 'Rename it (ALTER VIEW or ALTER TABLE automated_signals RENAME TO automated_signals_old), then migrate again.';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = old AND attname = 'id' AND atttypid IN ('integer'::regtype, 'bigint'::regtype)
            AND (atthasdef OR attidentity <> '') AND attnotnull
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'automated_signals can''t be adopted: its column id is no serial number',
            HINT = 'Give it a column "id serial PRIMARY KEY", or rename the table to automated_signals_old, then migrate again.';
    END IF;

    -- What could refuse an indicator's message: nobody would see it before the message is there.
    SELECT string_agg(format('%I', conname), ', ' ORDER BY conname) INTO named FROM pg_constraint
    WHERE conrelid = old AND (contype IN ('c', 'u', 'x', 'f') OR contype = 'p' AND conkey <> ARRAY[
        (SELECT attnum FROM pg_attribute WHERE attrelid = old AND attname = 'id')
    ]);
    IF named IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'HF001',
            MESSAGE = format('automated_signals can''t be adopted: its constraints could refuse what indicators tell (%s)', named),
            HINT = 'Drop them (ALTER TABLE automated_signals DROP CONSTRAINT …), or rename the table, then migrate again.';
    END IF;
    SELECT string_agg(indexrelid::regclass::text, ', ') INTO named FROM pg_index
    WHERE indrelid = old AND indisunique AND NOT indisprimary;
    IF named IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'HF001',
            MESSAGE = format('automated_signals can''t be adopted: its unique indexes could refuse what indicators tell (%s)', named),
            HINT = 'Drop them, or rename the table, then migrate again.';
    END IF;

    FOR wanted IN
        SELECT * FROM (VALUES
            ('trade_id', 'text'), ('event_type', 'text'), ('direction', 'text'), ('entry_price', 'numeric'), ('stop_loss', 'numeric'),
            ('mfe', 'numeric'), ('session', 'text'), ('be_mfe', 'numeric'), ('no_be_mfe', 'numeric'), ('final_mfe', 'numeric'),
            ('exit_price', 'numeric'), ('current_price', 'numeric'), ('risk_distance', 'numeric'), ('signal_date', 'date'),
            ('signal_time', 'time without time zone'), ('telemetry', 'jsonb'), ('account_id', 'uuid'), ('event_key', 'bytea'),
            ('event_at', 'timestamp with time zone'), ('message_id', 'uuid'), ('mae', 'numeric'), ('source', 'text')
        ) AS columns (name, type)
    LOOP
        SELECT format_type(atttypid, atttypmod) INTO has FROM pg_attribute
        WHERE attrelid = old AND attname = wanted.name AND NOT attisdropped;
        IF has IS NULL THEN
            EXECUTE format('ALTER TABLE automated_signals ADD COLUMN %I %s', wanted.name, wanted.type);
        ELSIF has <> wanted.type THEN
            IF NOT (
                wanted.type = 'text' AND has ~ '^character varying(\(\d+\))?$'
                OR wanted.type = 'numeric' AND has ~ '^numeric\(\d+,-?\d+\)$'
                OR wanted.type = 'time without time zone' AND has ~ '^time\(\d\) without time zone$'
            ) THEN
                RAISE EXCEPTION USING ERRCODE = 'HF001',
                    MESSAGE = format('automated_signals can''t be adopted: its column %I is %s where Hookfill needs %s', wanted.name, has, wanted.type),
                    HINT = format('Rename the column (ALTER TABLE automated_signals RENAME COLUMN %I TO %I) or the table, then migrate again.',
                                  wanted.name, wanted.name || '_old');
            END IF;
            BEGIN
                EXECUTE format('ALTER TABLE automated_signals ALTER COLUMN %I TYPE %s', wanted.name, wanted.type);
            EXCEPTION WHEN feature_not_supported THEN
                GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
                RAISE EXCEPTION USING ERRCODE = 'HF001',
                    MESSAGE = format('automated_signals can''t be adopted: its column %I can''t be widened (%s)', wanted.name, told),
                    HINT = 'Drop what depends on the column, migrate, and make it again.';
            END;
        END IF;
    END LOOP;

    -- A message that leaves out what another program always wrote is kept all the same.
    FOR named IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = old AND attnum > 0 AND attnotnull AND NOT attisdropped AND NOT atthasdef AND attidentity = '' AND attname <> 'id'
    LOOP
        EXECUTE format('ALTER TABLE automated_signals ALTER COLUMN %I DROP NOT NULL', named);
    END LOOP;
    -- Who may see which rows is said below, for all tables alike.
    FOR named IN SELECT polname FROM pg_policy WHERE polrelid = old LOOP
        EXECUTE format('DROP POLICY %I ON automated_signals', named);
    END LOOP;
END $$;

CREATE UNIQUE INDEX automated_signals_events ON automated_signals (account_id, event_key);
CREATE INDEX automated_signals_by_trade ON automated_signals (account_id, trade_id, event_at);
CREATE INDEX automated_signals_adopted ON automated_signals (id) WHERE account_id IS NULL;
CREATE INDEX IF NOT EXISTS idx_automated_signals_telemetry ON automated_signals USING GIN (telemetry);
CREATE INDEX IF NOT EXISTS idx_automated_signals_telemetry_schema ON automated_signals ((telemetry->>'schema_version'));
COMMENT ON COLUMN automated_signals.trade_id IS 'null for what is told of no trade in particular: heartbeats, heads of snapshots';
COMMENT ON COLUMN automated_signals.telemetry IS 'the message''s JSON where it names a schema_version; null for a legacy one, whose bytes are in messages';
COMMENT ON COLUMN automated_signals.event_key IS 'what makes an event the same as another telling of it';
COMMENT ON COLUMN automated_signals.event_at IS 'when it happened by the indicator''s clock; signal_date and signal_time are this moment in New York';

-- Trades ------------------------------------------------------------------------------------------------------------------------

CREATE TABLE journals (
    account_id     uuid PRIMARY KEY,
    adopted_until  bigint NOT NULL DEFAULT 0,
    version        bigint NOT NULL DEFAULT 0,
    heartbeat_at   timestamptz,
    received_at    timestamptz,
    event_at       timestamptz,
    live_at        timestamptz,
    live_mfe_at    timestamptz,
    live_mfe_since timestamptz
);
COMMENT ON TABLE journals IS 'one row per account that gets telemetry; its lock is held by who folds events, so that trading never waits for it';
COMMENT ON COLUMN journals.adopted_until IS 'rows of automated_signals without an account up to this id are folded';
COMMENT ON COLUMN journals.version IS 'grows with each fold that changed something';
COMMENT ON COLUMN journals.heartbeat_at IS 'the latest heartbeat''s own time; received_at: when the latest message arrived; event_at: the latest event''s own time';
COMMENT ON COLUMN journals.live_at IS 'when the latest message arrived that told of the present: silence is counted from here, whatever history was brought in since';
COMMENT ON COLUMN journals.live_mfe_at IS 'the own time of the latest such message that told a trade''s move; live_mfe_since: since when they have come without a gap';

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
CREATE INDEX trade_states_by_date ON trade_states (account_id, signal_date, signal_at, trade_id)
    INCLUDE (status, session, direction, setup_id);
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

DO $$ BEGIN
    PERFORM hookfill_make_private(name) FROM unnest(ARRAY['automated_signals', 'journals', 'trade_states']) AS name; -- as a SELECT its empty rows would be printed
END $$;

-- Adopted rows have no account: they are the owner's.
CREATE POLICY adopted ON automated_signals FOR SELECT TO authenticated USING (
    account_id IS NULL AND EXISTS (SELECT FROM users WHERE users.user_id = hookfill_user_id() AND users.role = 'owner')
);
