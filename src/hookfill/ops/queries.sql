-- name: worker_listens$
-- Whether a worker process is connected to this database.
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hookfill desk wake');

-- name: queue^
-- What waits for the desk: how many signals, and for how long the oldest has.
SELECT count(*) AS pending, extract(epoch FROM clock_timestamp() - min(created_at)) AS oldest_seconds
FROM signals
WHERE status = 'pending';

-- name: alarms_in_force$
-- How many alarms wait for a person, whoever's they are.
SELECT count(*) FROM alarms WHERE cleared_at IS NULL;
