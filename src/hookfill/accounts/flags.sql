-- name: stored_flags
-- Those that were ever set.
SELECT name, is_enabled, changed_by, changed_at FROM feature_flags ORDER BY name;

-- name: set_flag^
-- What stays as it is keeps who set it so and when. Every process is told at once.
WITH stored AS (
    INSERT INTO feature_flags AS known (name, is_enabled, changed_by) VALUES (:name::text, :is_enabled::boolean, :changed_by::uuid)
    ON CONFLICT (name) DO UPDATE
    SET is_enabled = excluded.is_enabled,
        changed_by = CASE WHEN known.is_enabled = excluded.is_enabled THEN known.changed_by ELSE excluded.changed_by END,
        changed_at = CASE WHEN known.is_enabled = excluded.is_enabled THEN known.changed_at ELSE excluded.changed_at END
    RETURNING name, is_enabled, changed_by, changed_at
)
SELECT stored.*, pg_notify('hookfill_flags', '') FROM stored;
