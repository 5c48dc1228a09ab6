-- name: beat!
-- How the loops of one process fare now.
INSERT INTO workers (name, instance, succeeded_at, failures, failed_at, error, counters)
SELECT p.name, :instance::uuid, p.succeeded_at, p.failures, p.failed_at, p.error, p.counters::jsonb
FROM unnest(
    :names::text[], :succeeded::timestamptz[], :failures::integer[], :failed::timestamptz[], :errors::text[], :counters::text[]
) AS p (name, succeeded_at, failures, failed_at, error, counters)
ON CONFLICT (name, instance) DO UPDATE
SET heartbeat_at = clock_timestamp(), succeeded_at = excluded.succeeded_at, failures = excluded.failures,
    failed_at = excluded.failed_at, error = excluded.error, counters = excluded.counters;

-- name: forget_gone!
-- Instances that have not been heard of for long.
DELETE FROM workers WHERE heartbeat_at < clock_timestamp() - make_interval(secs => :seconds::double precision);

-- name: leave!
-- A process that ends properly is not missed.
DELETE FROM workers WHERE instance = :instance::uuid;

-- name: failing
-- Loops that have failed too often in a row, of processes that are alive.
SELECT DISTINCT ON (name) name, failures, error FROM workers
WHERE failures >= :most::integer AND heartbeat_at > clock_timestamp() - make_interval(secs => :seconds::double precision)
ORDER BY name, failures DESC;

-- name: workers_now
-- Each kind of loop: how many instances are alive, and the worst of them; of one with none alive, the one heard of last.
SELECT name, count(*) FILTER (WHERE is_alive) AS instances, min(succeeded_at) FILTER (WHERE is_alive OR NOT any_alive) AS succeeded_at,
       max(failures) FILTER (WHERE is_alive OR NOT any_alive) AS failures, max(heartbeat_at) AS heartbeat_at,
       extract(epoch FROM clock_timestamp() - max(heartbeat_at))::double precision AS heard_seconds
FROM (
    SELECT *, bool_or(is_alive) OVER (PARTITION BY name) AS any_alive
    FROM (
        SELECT *, heartbeat_at > clock_timestamp() - make_interval(secs => :seconds::double precision) AS is_alive FROM workers
    ) AS judged
) AS known
GROUP BY name
ORDER BY name;

-- name: counters
-- What all instances that are known have counted, together.
SELECT workers.name, counted.key, sum(counted.value::bigint)::bigint AS total
FROM workers CROSS JOIN LATERAL jsonb_each_text(workers.counters) AS counted
GROUP BY workers.name, counted.key
ORDER BY workers.name, counted.key;

-- name: feeds
-- Where prices come from, and how old the newest of each source is.
SELECT source, count(*) AS symbols, max(quoted_at) AS newest_at,
       extract(epoch FROM clock_timestamp() - max(updated_at))::double precision AS heard_seconds
FROM quotes
GROUP BY source
ORDER BY source
LIMIT 50;

-- name: newest_candle^
-- The candle that was stored last.
SELECT symbol, timeframe, timestamp, extract(epoch FROM clock_timestamp() - created_at)::double precision AS heard_seconds
FROM market_data_candles
ORDER BY id DESC
LIMIT 1;

-- name: untold_alarms
-- Alarms in force that somebody is still to be told of, the oldest first.
SELECT account_id, alarm_id, kind, subject, text, raised_at, notify_tries FROM alarms
WHERE notified_at IS NULL AND raised_at > clock_timestamp() - interval '1 day' AND notify_tries < :most_tries::smallint
  AND (notify_after IS NULL OR notify_after <= clock_timestamp())
ORDER BY raised_at
LIMIT :most::bigint;

-- name: claim_alarm$
-- Whoever tells of it has so many seconds; nothing when another process was faster.
UPDATE alarms SET notify_tries = notify_tries + 1, notify_after = clock_timestamp() + make_interval(secs => :seconds::double precision)
WHERE account_id = :account_id::uuid AND alarm_id = :alarm_id::uuid AND notified_at IS NULL AND notify_tries = :tries::smallint
RETURNING alarm_id;

-- name: told_alarm!
UPDATE alarms SET notified_at = clock_timestamp() WHERE account_id = :account_id::uuid AND alarm_id = :alarm_id::uuid;
