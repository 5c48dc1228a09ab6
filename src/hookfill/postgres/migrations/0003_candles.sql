-- Candles that stay fast to read however many there are (docs/decisions/0013).
--
-- A chart's bars came in one at a time, each between those of all other symbols, so that in the table every one lies in another
-- page. In the index they lie side by side: with the values in it, a chart is read from the index alone.
ALTER TABLE market_data_candles
    DROP CONSTRAINT market_data_candles_symbol_timeframe_timestamp_key,
    ADD CONSTRAINT market_data_candles_symbol_timeframe_timestamp_key
        UNIQUE (symbol, timeframe, timestamp) INCLUDE (open, high, low, close, volume);

-- Reading from the index alone needs pages that are known to be visible to all, which is what vacuum notes. Of a table that only
-- grows, a share of its size would let ever more new bars wait; a fixed number of rows does not. They are frozen at the same time,
-- since they change no more: nothing is left to be done to the whole table later.
ALTER TABLE market_data_candles SET (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_freeze_min_age = 0
);

COMMENT ON TABLE account_quotes IS
    'prices for one account and nobody else: what agents of users other than the owner tell, and alerts'' prices that were traded at';

-- The role that stores candles -------------------------------------------------------------------------------------------------
--
-- The door becomes it for each batch: it may add and revise candles and move quotes, and nothing else. Where a host lets nobody make
-- roles, the door goes on as whoever serves; an administrator may make the role and run the grants below later.

DO $$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hookfill_candles') THEN
            CREATE ROLE hookfill_candles NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server was faster
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'the role hookfill_candles does not exist, and % may not make it: candles are stored as %', current_user, current_user;
            RETURN;
    END;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO hookfill_candles', current_schema());
    GRANT SELECT, INSERT, UPDATE (open, high, low, close, volume) ON market_data_candles TO hookfill_candles;
    GRANT USAGE ON SEQUENCE market_data_candles_id_seq TO hookfill_candles;
    GRANT SELECT, INSERT, UPDATE ON quotes TO hookfill_candles;
    CREATE POLICY candles ON market_data_candles TO hookfill_candles USING (true) WITH CHECK (true);
    CREATE POLICY candles ON quotes TO hookfill_candles USING (true) WITH CHECK (true);
    BEGIN
        GRANT hookfill_candles TO CURRENT_USER, service_role;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE '% may not become the role hookfill_candles: candles are stored as %', current_user, current_user;
    END;
END $$;
