-- name: accounts_with_messages
-- Candidates, found without locks: accounts with messages that nobody has read yet. From account to account along the index, so
-- that one account's backlog is not read through to find the others.
WITH RECURSIVE waiting AS (
    (
        SELECT account_id FROM messages WHERE state = 'received' AND door = 'telemetry' ORDER BY account_id LIMIT 1
    )
    UNION ALL
    SELECT following.account_id
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT account_id FROM messages
        WHERE state = 'received' AND door = 'telemetry' AND account_id > waiting.account_id
        ORDER BY account_id
        LIMIT 1
    ) AS following
)
SELECT account_id FROM waiting;

-- name: accounts_to_adopt
-- The owner's default account, while rows that are older than Hookfill, or another program's, are not folded into its trades.
SELECT accounts.account_id
FROM accounts JOIN users USING (user_id) LEFT JOIN journals USING (account_id)
WHERE accounts.is_default AND users.role = 'owner' AND EXISTS (
    SELECT FROM automated_signals
    WHERE automated_signals.account_id IS NULL AND automated_signals.id > coalesce(journals.adopted_until, 0)
);

-- name: have_waiting
-- Which of these accounts have messages to be read.
SELECT account_id FROM unnest(:account_ids::uuid[]) AS asked (account_id)
WHERE EXISTS (
    SELECT FROM messages
    WHERE messages.account_id = asked.account_id AND messages.state = 'received' AND messages.door = 'telemetry'
);

-- name: open_journal!
INSERT INTO journals (account_id) VALUES (:account_id::uuid) ON CONFLICT (account_id) DO NOTHING;

-- name: lock_journal^
-- The journal's lock, held until commit; nothing when somebody else folds this account's events now.
SELECT adopted_until, live_mfe_at, live_mfe_since FROM journals WHERE account_id = :account_id::uuid FOR UPDATE SKIP LOCKED;

-- name: await_journal^
-- The same, waiting for who has it.
SELECT adopted_until, live_mfe_at, live_mfe_since FROM journals WHERE account_id = :account_id::uuid FOR UPDATE;

-- name: bound_wait!
-- How long this transaction waits for a lock.
SELECT set_config('lock_timeout', :milliseconds::text, true);

-- name: waiting_messages
-- An account's oldest messages to be read, at most so many, and (but for the first) at most so many bytes; those that failed before
-- are left to be read one by one.
SELECT message_id, body, source, as_of, received_at
FROM (
    SELECT message_id, coalesce(repaired_body, body) AS body, source, as_of, received_at,
           sum(octet_length(coalesce(repaired_body, body))) OVER (ORDER BY message_id ROWS UNBOUNDED PRECEDING) AS bytes,
           row_number() OVER (ORDER BY message_id) AS place
    FROM (
        SELECT message_id, repaired_body, body, source, as_of, received_at FROM messages
        WHERE account_id = :account_id::uuid AND door = 'telemetry' AND state = 'received' AND read_attempts = 0
        ORDER BY message_id
        LIMIT :most::bigint
    ) AS oldest
) AS counted
WHERE place = 1 OR bytes <= :most_bytes::bigint
ORDER BY message_id;

-- name: waiting_message
-- One message, if it still waits.
SELECT message_id, coalesce(repaired_body, body) AS body, source, as_of, received_at FROM messages
WHERE account_id = :account_id::uuid AND message_id = :message_id::uuid AND state = 'received';

-- name: failed_before
-- Messages whose reading failed and that are to be tried again.
SELECT message_id FROM messages
WHERE account_id = :account_id::uuid AND door = 'telemetry' AND state = 'received' AND read_attempts > 0
ORDER BY message_id
LIMIT :most::bigint;

-- name: add_events
-- Store events; returns the keys of those that are new. Numbers come as text, telemetry as JSON text with exact numbers.
INSERT INTO automated_signals (
    account_id, event_key, trade_id, event_type, direction, session, entry_price, stop_loss, risk_distance, current_price, exit_price,
    mfe, be_mfe, no_be_mfe, final_mfe, mae, signal_date, signal_time, event_at, telemetry, message_id, source
)
SELECT :account_id::uuid, decode(event_key, 'hex'), trade_id, event_type, direction, session, entry_price, stop_loss, risk_distance,
       current_price, exit_price, mfe, be_mfe, no_be_mfe, final_mfe, mae, signal_date, signal_time, event_at, telemetry::jsonb,
       message_id, source
FROM json_to_recordset(:events::json) AS t (
    event_key text, trade_id text, event_type text, direction text, session text, entry_price numeric, stop_loss numeric,
    risk_distance numeric, current_price numeric, exit_price numeric, mfe numeric, be_mfe numeric, no_be_mfe numeric,
    final_mfe numeric, mae numeric, signal_date date, signal_time time, event_at timestamptz, telemetry text, message_id uuid,
    source text
)
ON CONFLICT (account_id, event_key) DO NOTHING
RETURNING event_key;

-- name: merged_trades
-- What is known of some trades; read under the journal's lock.
SELECT trade_id, merged, signal_date FROM trade_states
WHERE account_id = :account_id::uuid AND trade_id = ANY (:trade_ids::text[]);

-- name: keep_trades!
INSERT INTO trade_states (
    account_id, trade_id, merged, status, direction, session, symbol, setup_id, signal_at, signal_date, signal_hour, entered_at,
    entry_price, stop_loss, be_triggered_at, be_mfe, no_be_mfe, final_mfe, mae, exit_type, exit_at, exit_price, stopped_at,
    last_event_at, last_mfe_at, events
)
SELECT :account_id::uuid, trade_id, merged, status, direction, session, symbol, setup_id, signal_at, signal_date, signal_hour,
       entered_at, entry_price, stop_loss, be_triggered_at, be_mfe, no_be_mfe, final_mfe, mae, exit_type, exit_at, exit_price,
       stopped_at, last_event_at, last_mfe_at, events
FROM json_to_recordset(:trades::json) AS t (
    trade_id text, merged jsonb, status text, direction text, session text, symbol text, setup_id text, signal_at timestamptz,
    signal_date date, signal_hour smallint, entered_at timestamptz, entry_price numeric, stop_loss numeric,
    be_triggered_at timestamptz, be_mfe numeric, no_be_mfe numeric, final_mfe numeric, mae numeric, exit_type text,
    exit_at timestamptz, exit_price numeric, stopped_at timestamptz, last_event_at timestamptz, last_mfe_at timestamptz,
    events integer
)
ON CONFLICT (account_id, trade_id) DO UPDATE
SET merged = excluded.merged, status = excluded.status, direction = excluded.direction, session = excluded.session,
    symbol = excluded.symbol, setup_id = excluded.setup_id, signal_at = excluded.signal_at, signal_date = excluded.signal_date,
    signal_hour = excluded.signal_hour, entered_at = excluded.entered_at, entry_price = excluded.entry_price,
    stop_loss = excluded.stop_loss, be_triggered_at = excluded.be_triggered_at, be_mfe = excluded.be_mfe,
    no_be_mfe = excluded.no_be_mfe, final_mfe = excluded.final_mfe, mae = excluded.mae, exit_type = excluded.exit_type,
    exit_at = excluded.exit_at, exit_price = excluded.exit_price, stopped_at = excluded.stopped_at,
    last_event_at = excluded.last_event_at, last_mfe_at = excluded.last_mfe_at, events = excluded.events,
    updated_at = clock_timestamp();

-- name: settle_messages!
-- What became of messages that were read.
UPDATE messages SET state = t.state, reason = t.reason, error = t.error
FROM json_to_recordset(:outcomes::json) AS t (message_id uuid, state text, reason text, error text)
WHERE messages.account_id = :account_id::uuid AND messages.message_id = t.message_id AND messages.state = 'received';

-- name: note_failure!
-- Folding a message failed by our own fault: count it, outside the transaction that was rolled back; after the last attempt it is
-- set aside for good, so that others go on.
UPDATE messages
SET read_attempts = read_attempts + 1,
    state = CASE WHEN read_attempts + 1 >= :most::integer THEN 'malformed' ELSE state END,
    reason = CASE WHEN read_attempts + 1 >= :most::integer THEN 'journal_failed' ELSE reason END,
    error = :error::text
WHERE account_id = :account_id::uuid AND message_id = :message_id::uuid AND state = 'received';

-- name: note_progress!
-- The journal after a fold that read something; nulls and earlier moments change nothing.
UPDATE journals
SET version = version + 1, adopted_until = greatest(adopted_until, :adopted_until::bigint),
    heartbeat_at = greatest(heartbeat_at, :heartbeat_at::timestamptz), received_at = greatest(received_at, :received_at::timestamptz),
    event_at = greatest(event_at, :event_at::timestamptz), live_at = greatest(live_at, :live_at::timestamptz),
    live_mfe_at = coalesce(:live_mfe_at::timestamptz, live_mfe_at),
    live_mfe_since = coalesce(:live_mfe_since::timestamptz, live_mfe_since)
WHERE account_id = :account_id::uuid;

-- name: bar_writers!
-- Wait until nobody is in the middle of writing a row: what is there afterwards has no gaps that are filled later.
LOCK TABLE automated_signals IN SHARE MODE;

-- name: last_to_adopt$
SELECT max(id) FROM automated_signals WHERE account_id IS NULL;

-- name: rows_to_adopt
-- Rows without an account, as JSON text with exact numbers, whatever columns they have beside those that Hookfill knows.
SELECT id, (to_jsonb(automated_signals) - 'telemetry')::text AS row, telemetry::text AS telemetry, clock_timestamp() AS now
FROM automated_signals
WHERE account_id IS NULL AND id > :adopted_until::bigint AND id <= :last::bigint
ORDER BY id
LIMIT :most::bigint;

-- name: journals_to_watch
-- Journals that ever told of the present, what their latest trade is traded as, and the time: on a server whose messages carry the
-- time, theirs.
SELECT journals.account_id, heartbeat_at, live_at, live_mfe_at, live_mfe_since, latest.symbol,
       coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) AS now
FROM journals
LEFT JOIN LATERAL (
    SELECT symbol FROM trade_states
    WHERE trade_states.account_id = journals.account_id AND symbol IS NOT NULL
    ORDER BY signal_date DESC, signal_at DESC
    LIMIT 1
) AS latest ON true
WHERE live_at IS NOT NULL;

-- name: open_trades_behind
-- Open trades whose move was last told between two moments, newest first.
SELECT trade_id, coalesce(last_mfe_at, entered_at, signal_at) AS told_at FROM trade_states
WHERE account_id = :account_id::uuid AND status IN ('ACTIVE', 'BE_PROTECTED')
  AND coalesce(last_mfe_at, entered_at, signal_at) >= :since::timestamptz
  AND coalesce(last_mfe_at, entered_at, signal_at) < :until::timestamptz
ORDER BY signal_at DESC, trade_id;
