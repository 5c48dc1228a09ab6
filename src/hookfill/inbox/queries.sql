-- name: flush_batch
-- Store a batch of deliveries in one commit: gate keys, messages and signals together. The batch comes as one JSON text: making it
-- costs the server's one thread a third of what an array per column does, and taking it apart is done on PostgreSQL's own core.
-- Returns the duplicates, each with the signal of the delivery that it repeats.
-- The gate's row is returned in any case: within the window it is still the first delivery's, and who finds itself there is
-- fresh. Keys are upserted in order so that two writers never wait for each other in a circle. A delivery that is here already
-- (its batch was committed but the answer got lost) changes nothing.
WITH incoming AS (
    SELECT account_id, message_id, strategy_id, door, coalesce(source, 'live') AS source, content_type, headers,
           decode(body, 'base64') AS body, received_at, coalesce(as_of, received_at) AS as_of, coalesce(state, 'processed') AS state,
           reason, error, decode(gate_key, 'hex') AS gate_key, seen_us, is_repeat, signal_id, experiment_id, variant, split_percentage,
           decode(repaired_body, 'base64') AS repaired_body, repaired_by
    FROM json_to_recordset(:batch::json) AS t (
        account_id uuid, message_id uuid, strategy_id uuid, door text, source text, content_type text, headers text, body text,
        received_at timestamptz, as_of timestamptz, state text, reason text, error text, gate_key text, seen_us bigint,
        is_repeat boolean, signal_id uuid, experiment_id uuid, variant text, split_percentage smallint,
        repaired_body text, repaired_by text
    )
), held AS (
    INSERT INTO gate (account_id, key, seen_us, message_id, signal_id)
    SELECT account_id, gate_key, seen_us, message_id, signal_id
    FROM incoming
    WHERE gate_key IS NOT NULL AND is_repeat IS NULL
    ORDER BY account_id, gate_key
    ON CONFLICT (account_id, key) DO UPDATE
    SET seen_us = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.seen_us ELSE gate.seen_us END,
        message_id = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.message_id ELSE gate.message_id END,
        signal_id = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.signal_id ELSE gate.signal_id END
    RETURNING account_id, key, message_id, signal_id
), judged AS (
    SELECT incoming.*, gate_key IS NULL OR held.message_id = incoming.message_id AS is_fresh, held.signal_id AS first_signal_id
    FROM incoming LEFT JOIN held ON held.account_id = incoming.account_id AND held.key = incoming.gate_key
), stored AS (
    INSERT INTO messages (
        account_id, message_id, strategy_id, door, source, content_type, headers, body, received_at, as_of, state, reason, error,
        signal_id, repaired_body, repaired_by
    )
    SELECT account_id, message_id, strategy_id, door, source, content_type, headers::jsonb, body, received_at, as_of,
           CASE WHEN is_fresh THEN state ELSE 'duplicate' END, reason, error,
           CASE WHEN is_fresh THEN signal_id ELSE first_signal_id END, repaired_body, repaired_by
    FROM judged
    ON CONFLICT (account_id, message_id) DO NOTHING
), signalled AS (
    INSERT INTO signals (
        account_id, signal_id, message_id, strategy_id, door, source, status, as_of, created_at, experiment_id, variant,
        split_percentage
    )
    SELECT account_id, signal_id, message_id, strategy_id, door, source, 'pending', as_of, received_at, experiment_id, variant,
           split_percentage
    FROM judged
    WHERE signal_id IS NOT NULL AND is_fresh
    ON CONFLICT (account_id, signal_id) DO NOTHING
)
SELECT message_id, first_signal_id FROM judged WHERE NOT is_fresh;

-- name: known_keys
-- Which of these keys an account's gate holds.
SELECT key FROM gate WHERE account_id = :account_id::uuid AND key = ANY (:keys::bytea[]);

-- name: commit_decoy
-- A commit that costs what storing these messages would, and stores nothing: unknown webhook secrets take as long as known ones. About
-- as much goes to PostgreSQL's log as rows and index entries would bring there, and the hash stands for compressing a long body. What
-- the statement does less is the time that the secret's lookup beside it takes.
WITH read AS (SELECT :batch::jsonb::text AS batch)
SELECT pg_logical_emit_message(true, 'hookfill', batch || encode(sha256(convert_to(batch, 'UTF8')), 'hex')) FROM read;

-- name: skip_flush!
SET synchronous_commit TO off;

-- name: wake!
SELECT pg_notify(channel, '') FROM unnest(:channels::text[]) AS channel;

-- name: advance_simulated_clock!
INSERT INTO simulated_clock (now_at) VALUES (:now_at::timestamptz)
ON CONFLICT (only_row) DO UPDATE SET now_at = greatest(simulated_clock.now_at, excluded.now_at);

-- name: list_messages
-- Newest first, optionally of one state.
SELECT account_id, message_id, door, strategy_id, source, content_type, headers, body, received_at, as_of, state, reason, error,
       repaired_by, stored_at
FROM messages
WHERE account_id = :account_id::uuid AND (:state::text IS NULL OR state = :state::text)
ORDER BY message_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: messages_of
-- A user's messages, newest first, optionally of one state; only the beginning of their bodies. Each account gives its newest, those in
-- quarantine by the index that is made for them; then they are merged.
SELECT account_id, message_id, door, strategy_id, signal_id, source, content_type, state, reason, error, repaired_by,
       substring(body FOR :beginning::integer) AS body, octet_length(body) AS bytes, received_at, as_of, stored_at
FROM (
    SELECT newest.*
    FROM accounts
    CROSS JOIN LATERAL (
        (
            SELECT account_id, message_id FROM messages
            WHERE messages.account_id = accounts.account_id AND state IN ('malformed', 'refused') AND state = :state::text
            ORDER BY message_id DESC
            LIMIT :limit::bigint + :offset::bigint
        ) UNION ALL (
            SELECT account_id, message_id FROM messages
            WHERE messages.account_id = accounts.account_id AND (:state::text IS NULL OR state = :state::text)
              AND coalesce(:state::text NOT IN ('malformed', 'refused'), true)
            ORDER BY message_id DESC
            LIMIT :limit::bigint + :offset::bigint
        )
    ) AS newest
    WHERE accounts.user_id = :user_id::uuid
    ORDER BY message_id DESC
    LIMIT :limit::bigint OFFSET :offset::bigint
) AS page
JOIN messages USING (account_id, message_id)
ORDER BY message_id DESC;

-- name: message_of^
SELECT messages.*, octet_length(body) AS bytes
FROM accounts
JOIN messages USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND messages.message_id = :message_id::uuid;

-- name: lock_message^
-- A message, held until commit: two people who repair it at the same time do so one after the other. And what time it is: the simulated
-- clock's, where there is one.
SELECT messages.*, coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) AS now_at
FROM messages
WHERE account_id = :account_id::uuid AND message_id = :message_id::uuid
FOR UPDATE;

-- name: send_on^
-- A malformed message goes on as it was repaired: through the gate, as flush_batch does, and with its signal, if it is an alert. What
-- came stays as it is.
WITH held AS (
    INSERT INTO gate (account_id, key, seen_us, message_id, signal_id)
    VALUES (:account_id::uuid, :gate_key::bytea, :seen_us::bigint, :message_id::uuid, :signal_id::uuid)
    ON CONFLICT (account_id, key) DO UPDATE
    SET seen_us = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.seen_us ELSE gate.seen_us END,
        message_id = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.message_id ELSE gate.message_id END,
        signal_id = CASE WHEN gate.seen_us < excluded.seen_us - :window_us::bigint THEN excluded.signal_id ELSE gate.signal_id END
    RETURNING account_id, message_id = :message_id::uuid AS is_fresh, signal_id AS first_signal_id
), repaired AS (
    UPDATE messages
    SET state = CASE WHEN is_fresh THEN :state::text ELSE 'duplicate' END, reason = NULL, error = NULL, read_attempts = 0,
        as_of = :as_of::timestamptz, signal_id = CASE WHEN is_fresh THEN :signal_id::uuid ELSE first_signal_id END,
        repaired_body = :repaired_body::bytea, repaired_by = :repaired_by::text
    FROM held
    WHERE messages.account_id = :account_id::uuid AND messages.message_id = :message_id::uuid AND messages.state = 'malformed'
), signalled AS (
    INSERT INTO signals (
        account_id, signal_id, message_id, strategy_id, door, source, status, as_of, created_at, experiment_id, variant,
        split_percentage
    )
    SELECT account_id, :signal_id::uuid, :message_id::uuid, :strategy_id::uuid, :door::text, :source::text, 'pending',
           :as_of::timestamptz, :as_of::timestamptz, :experiment_id::uuid, :variant::text, :split_percentage::smallint
    FROM held
    WHERE is_fresh AND :signal_id::uuid IS NOT NULL
)
SELECT is_fresh, first_signal_id FROM held;

-- name: delivery_since^
-- The first message with this body that arrived since, in any account, and its signal (a duplicate's is the first delivery's).
SELECT messages.message_id, messages.state, signals.signal_id, signals.status,
       coalesce(signals.reason, messages.reason) AS reason, coalesce(signals.error_message, messages.error) AS error_message,
       signals.fill_price
FROM accounts
JOIN messages USING (account_id)
LEFT JOIN signals ON signals.account_id = messages.account_id AND signals.signal_id = messages.signal_id
WHERE messages.message_id >= :since_id::uuid AND messages.body = :body::bytea
ORDER BY messages.message_id
LIMIT 1;

-- name: count_messages
SELECT state, count(*) AS messages FROM messages WHERE account_id = :account_id::uuid GROUP BY state ORDER BY state;
