-- Option chains as a market feed brings them: like candles and quotes they belong to nobody, and everybody may read them.

CREATE TABLE option_chains (
    underlying text PRIMARY KEY,
    source     text NOT NULL,
    fetched_at timestamptz NOT NULL,
    spot       numeric NOT NULL CHECK (spot > 0 AND spot < 1e15),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON COLUMN option_chains.source IS 'alpaca, or alpaca_indicative: delayed, so that no order at a broker may be priced by it';
COMMENT ON COLUMN option_chains.spot IS 'what the underlying cost when the chain was fetched';

CREATE TABLE option_quotes (
    underlying    text NOT NULL,
    symbol        text NOT NULL,
    expiration    date NOT NULL,
    strike        numeric NOT NULL CHECK (strike > 0 AND strike < 1e15),
    bid           numeric NOT NULL CHECK (bid >= 0 AND bid < 1e15),
    ask           numeric NOT NULL CHECK (ask > 0 AND ask < 1e15),
    quoted_at     timestamptz NOT NULL,
    source        text NOT NULL,
    volatility    double precision,
    price         double precision,
    delta         double precision,
    gamma         double precision,
    theta         double precision,
    vega          double precision,
    rho           double precision,
    open_interest bigint CHECK (open_interest >= 0),
    volume        bigint CHECK (volume >= 0),
    PRIMARY KEY (underlying, symbol)
) WITH (fillfactor = 50);
COMMENT ON TABLE option_quotes IS 'the contracts of the newest chain of each underlying; symbol is the OCC''s, without padding';
COMMENT ON COLUMN option_quotes.theta IS 'per day; vega per point of volatility, rho per point of interest';

DO $$
DECLARE name text;
DECLARE receiver text;
BEGIN
    FOREACH name IN ARRAY ARRAY['option_chains', 'option_quotes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY installation ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY service ON %I TO service_role USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY everyone_reads ON %I FOR SELECT TO authenticated USING (true)', name);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, authenticated', name);
        FOR receiver IN SELECT rolname FROM pg_roles WHERE rolname = 'anon' LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', name, receiver);
        END LOOP;
        EXECUTE format('GRANT ALL ON %I TO service_role', name);
        EXECUTE format('GRANT SELECT ON %I TO authenticated', name);
    END LOOP;
END $$;

-- Trading at Alpaca --------------------------------------------------------------------------------------------------------------

ALTER TABLE accounts
    ADD COLUMN is_live boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT accounts_live_check CHECK (NOT is_live OR kind = 'alpaca');
COMMENT ON COLUMN accounts.is_live IS 'at Alpaca: real money; false is Alpaca''s own paper trading';

DROP INDEX accounts_without_start;
CREATE INDEX accounts_without_start ON accounts (account_id)
    WHERE kind IN ('mt5', 'alpaca') AND starting_cash = 0 AND broker_balance > 0;
COMMENT ON INDEX accounts_without_start IS 'whose first balance the broker has told and the desk has not booked';

CREATE TABLE alpaca_sessions (
    account_id    uuid PRIMARY KEY,
    session_id    uuid,
    holder_pid    integer,
    begun_at      timestamptz,
    reconciled_at timestamptz,
    told_at       timestamptz,
    failures      integer NOT NULL DEFAULT 0,
    note          text
) WITH (fillfactor = 50);
COMMENT ON TABLE alpaca_sessions IS 'which worker process trades an account at Alpaca now, and whether it has compared both sides';
COMMENT ON COLUMN alpaca_sessions.holder_pid IS 'of its connection to this database, which holds the account''s advisory lock while the session lives';
COMMENT ON COLUMN alpaca_sessions.reconciled_at IS 'when broker and books first agreed in this session; null: entries are refused';
COMMENT ON COLUMN alpaca_sessions.note IS 'why there is no session, or why entries are refused';
DO $$ BEGIN
    PERFORM hookfill_make_private('alpaca_sessions');
END $$;
