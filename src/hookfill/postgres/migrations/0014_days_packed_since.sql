-- In which transaction a day was packed: a reader that has read an account's days is told only those that were packed since. When it
-- was packed can't tell that: of two transactions the one that looked at the clock first may end last.
ALTER TABLE journal_days DROP COLUMN packed_at, ADD COLUMN packed_in bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN journal_days.packed_in IS 'number of the transaction in which records was made; 0: before this column was there';
-- Which days there are and which have changed is found in the key's index, without their records.
ALTER TABLE journal_days
    DROP CONSTRAINT journal_days_pkey,
    ADD PRIMARY KEY (account_id, day) INCLUDE (packed_in, is_dirty, layout);
