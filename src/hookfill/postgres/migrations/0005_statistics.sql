-- Statistics over trades: what they need of each trade, kept day by day, so that a question about fifty thousand trades reads a
-- thousand short rows, and a trade that changes makes one day be read anew.

CREATE TABLE journal_days (
    account_id uuid NOT NULL,
    day        date NOT NULL,
    is_dirty   boolean NOT NULL DEFAULT true,
    layout     smallint NOT NULL DEFAULT 0,
    records    bytea,
    setups     text,
    PRIMARY KEY (account_id, day)
) WITH (toast_tuple_target = 8160);
-- Read often, all of it: never compressed, and where it fits into a page kept in the row itself.
ALTER TABLE journal_days ALTER COLUMN records SET STORAGE EXTERNAL;
CREATE INDEX journal_days_dirty ON journal_days (account_id, day) WHERE is_dirty;
COMMENT ON TABLE journal_days IS 'one row per New York day of signals; all of it can be made anew from trade_states';
COMMENT ON COLUMN journal_days.is_dirty IS 'a trade of the day has changed since records was made: its trades are read instead';
COMMENT ON COLUMN journal_days.layout IS 'which layout records has (journal/records.py); of another than the program''s it counts as dirty';
COMMENT ON COLUMN journal_days.records IS 'one record of fixed length per trade of the day';
COMMENT ON COLUMN journal_days.setups IS 'a JSON list of the names of setups that records refer to by number, from 1';

DO $$ BEGIN PERFORM hookfill_make_private('journal_days'); END $$;
