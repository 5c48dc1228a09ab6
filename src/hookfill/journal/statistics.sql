-- name: mark_days!
-- Trades of these days have changed, in this transaction: what was kept of the days is made anew before it is used.
INSERT INTO journal_days (account_id, day)
SELECT :account_id::uuid, day FROM unnest(:days::date[]) AS changed (day)
ORDER BY day
ON CONFLICT (account_id, day) DO UPDATE SET is_dirty = true WHERE NOT journal_days.is_dirty;
