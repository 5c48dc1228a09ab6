-- name: worker_listens$
-- Whether a worker process is connected to this database.
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hookfill desk wake');

-- name: queue^
-- What waits for the desk: how many signals, and for how long the oldest has.
SELECT count(*) AS pending, extract(epoch FROM clock_timestamp() - min(created_at)) AS oldest_seconds
FROM signals
WHERE status = 'pending';

-- name: backlog^
-- What waits to be read into journals and ledgers: how many messages, and for how long the oldest has.
SELECT count(*) AS pending, extract(epoch FROM clock_timestamp() - min(received_at)) AS oldest_seconds
FROM messages
WHERE state = 'received';

-- name: alarms_in_force$
-- How many alarms wait for a person, whoever's they are.
SELECT count(*) FROM alarms WHERE cleared_at IS NULL;

-- name: raise_alarm$
-- Returns nothing when it is in force already.
INSERT INTO alarms (account_id, alarm_id, kind, subject, text)
VALUES (:account_id::uuid, :alarm_id::uuid, :kind::text, :subject::text, :text::text)
ON CONFLICT (account_id, kind, subject) WHERE cleared_at IS NULL DO NOTHING
RETURNING alarm_id;

-- name: clear_alarms
-- An account's alarms of a kind whose reason is gone.
UPDATE alarms SET cleared_at = clock_timestamp()
WHERE account_id = :account_id::uuid AND kind = :kind::text AND cleared_at IS NULL AND NOT subject = ANY (:subjects::text[])
RETURNING subject;

-- name: list_alarms
-- Some accounts' alarms, newest first.
SELECT alarm_id, account_id, kind, subject, text, raised_at, cleared_at FROM alarms
WHERE account_id = ANY (:account_ids::uuid[])
  AND (:in_force::boolean IS NULL OR (cleared_at IS NULL) = :in_force::boolean)
ORDER BY raised_at DESC, alarm_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: clear_elsewhere!
-- Of all accounts but these, as the installation.
UPDATE alarms SET cleared_at = clock_timestamp()
WHERE kind = :kind::text AND cleared_at IS NULL AND NOT account_id = ANY (:account_ids::uuid[]);

-- name: alarm_subjects
-- What an account's alarms of a kind that are in force are about.
SELECT subject FROM alarms WHERE account_id = :account_id::uuid AND kind = :kind::text AND cleared_at IS NULL;
