-- When a day was packed: a reader that knows it already need not be told it again.
ALTER TABLE journal_days ADD COLUMN packed_at timestamptz;
COMMENT ON COLUMN journal_days.packed_at IS 'when records was made; the same moment means the same records';
