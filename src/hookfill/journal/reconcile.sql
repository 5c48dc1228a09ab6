-- name: arrivals
-- The messages with one of these bodies that came since, by body, state and door. Comparing lengths first costs nothing: PostgreSQL
-- knows them without fetching the bodies.
SELECT digest, state, door, count(*) AS deliveries,
       (array_agg(message_id ORDER BY message_id))[1] AS message_id, (array_agg(reason ORDER BY message_id))[1] AS reason
FROM (
    SELECT sha256(body) AS digest, state, door, message_id, reason
    FROM messages
    WHERE account_id = ANY (:account_ids::uuid[]) AND message_id >= :since_id::uuid
      AND CASE WHEN octet_length(body) = ANY (:lengths::integer[]) THEN sha256(body) = ANY (:digests::bytea[]) ELSE false END
) AS found
GROUP BY digest, state, door
ORDER BY digest, state, door;

-- name: events_by_key
-- Events with one of these keys.
SELECT event_key, trade_id, event_type, event_at, NULL::bytea AS told_by
FROM automated_signals
WHERE account_id = ANY (:account_ids::uuid[]) AND event_key = ANY (:keys::bytea[]);

-- name: events_alike
-- Events of these trades, of these kinds at these times, each with the digest of the message that told it first.
SELECT event_key, told.trade_id, told.event_type, told.event_at, sha256(messages.body) AS told_by
FROM unnest(:trade_ids::text[], :event_types::text[], :moments::timestamptz[]) AS asked (trade_id, event_type, event_at)
JOIN automated_signals AS told
  ON told.account_id = ANY (:account_ids::uuid[]) AND told.trade_id = asked.trade_id AND told.event_at = asked.event_at
 AND told.event_type = asked.event_type
LEFT JOIN messages ON messages.account_id = told.account_id AND messages.message_id = told.message_id;

-- name: telemetry_since$
-- The day of the first trade that telemetry ever told of.
SELECT min(signal_date) FROM trade_states WHERE account_id = :account_id::uuid;

-- name: journalled
-- The journal's trades of these days, and these.
SELECT trade_id, signal_date AS day, signal_at, status, last_event_at, direction, entry_price AS entry, stop_loss AS stop, be_mfe,
       no_be_mfe, mae, entered_at, exit_type, exit_at, stopped_at, last_mfe_at
FROM trade_states
WHERE account_id = :account_id::uuid
  AND (signal_date BETWEEN :first::date AND :last::date OR trade_id = ANY (:trade_ids::text[]));

-- name: confirmed_signals
-- The ledger's trades of these days, and these.
SELECT trade_id, signal_date AS day, triangle_time AS signal_at, received_at AS told_at, direction, entry, stop, be_mfe, no_be_mfe, mae,
       completed
FROM confirmed_signals_ledger
WHERE account_id = :account_id::uuid
  AND (signal_date BETWEEN :first::date AND :last::date OR trade_id = ANY (:trade_ids::text[]));

-- name: all_signals
-- The ledger's trades of these days, and these.
SELECT trade_id, signal_date AS day, signal_time AS signal_at, received_at AS told_at, direction, entry, stop, status
FROM all_signals_ledger
WHERE account_id = :account_id::uuid
  AND (signal_date BETWEEN :first::date AND :last::date OR trade_id = ANY (:trade_ids::text[]));

-- name: batch_spans
-- The first and the last signal bar of each of these batches, in milliseconds since 1970. A valid batch's signals are a list; what
-- each of them is, nobody knows.
SELECT batch_id, min(told)::bigint AS first_ms, max(told)::bigint AS last_ms
FROM (
    SELECT batch_id, CASE WHEN jsonb_typeof(signal -> moment) = 'number' THEN (signal -> moment)::numeric END AS told
    FROM indicator_export_batches,
         LATERAL (SELECT CASE event_type WHEN 'ALL_SIGNALS_EXPORT' THEN 'signal_time' ELSE 'triangle_time' END AS moment) AS named,
         LATERAL jsonb_array_elements(payload_json -> 'signals') AS signals (signal)
    WHERE account_id = :account_id::uuid AND batch_id = ANY (:batch_ids::bigint[]) AND is_valid
) AS rows
WHERE told >= :earliest_ms::bigint AND told < :latest_ms::bigint
GROUP BY batch_id;
