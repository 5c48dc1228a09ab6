-- name: arrivals
-- The messages with one of these bodies that came since, by body and state. Comparing lengths first costs nothing: PostgreSQL knows
-- them without fetching the bodies.
SELECT digest, state, count(*) AS deliveries, (array_agg(door ORDER BY message_id))[1] AS door,
       (array_agg(message_id ORDER BY message_id))[1] AS message_id, (array_agg(reason ORDER BY message_id))[1] AS reason
FROM (
    SELECT sha256(body) AS digest, state, door, message_id, reason
    FROM messages
    WHERE account_id = ANY (:account_ids::uuid[]) AND message_id >= :since_id::uuid
      AND CASE WHEN octet_length(body) = ANY (:lengths::integer[]) THEN sha256(body) = ANY (:digests::bytea[]) ELSE false END
) AS found
GROUP BY digest, state;

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
