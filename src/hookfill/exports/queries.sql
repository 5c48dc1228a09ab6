-- name: waiting_messages
-- Of these messages those that wait to become batches, locked: who else opens them waits.
SELECT message_id, coalesce(repaired_body, body) AS body, received_at
FROM messages
WHERE account_id = $1 AND message_id = ANY ($2::uuid[]) AND door = 'indicator_export' AND state = 'received'
ORDER BY message_id
FOR UPDATE;

-- name: next_messages
-- The account's oldest messages that wait to become batches and that nobody else has in hand.
SELECT message_id, coalesce(repaired_body, body) AS body, received_at
FROM messages
WHERE account_id = $1 AND door = 'indicator_export' AND state = 'received'
ORDER BY message_id
LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: next_repeats
-- The account's oldest repeats of batches that have not been noted yet.
SELECT message_id, coalesce(repaired_body, body) AS body, received_at
FROM messages
WHERE account_id = $1 AND door = 'indicator_export' AND state = 'duplicate' AND read_attempts = 0
ORDER BY message_id
LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: insert_batches
-- Batches in the order of their ids; of the same content the first one stays.
INSERT INTO indicator_export_batches (
    account_id, event_type, batch_number, batch_size, total_signals, signals_count, payload_json, payload_sha256, is_valid,
    validation_error, message_id, received_at
)
SELECT $1, event_type, batch_number, batch_size, total_signals, signals_count, payload::jsonb, payload_sha256,
       validation_error IS NULL, validation_error, message_id, received_at
FROM json_to_recordset($2::json) AS t (
    place integer, event_type text, batch_number integer, batch_size integer, total_signals integer, signals_count integer,
    payload text, payload_sha256 text, validation_error text, message_id uuid, received_at timestamptz
)
ORDER BY place
ON CONFLICT (account_id, payload_sha256, event_type) DO NOTHING;

-- name: note_deliveries!
-- Which batch each of these messages brought. The digest is of the whole batch: where it is the same, so is the event type.
INSERT INTO indicator_export_deliveries (account_id, message_id, batch_id, received_at)
SELECT $1, told.message_id, batches.batch_id, told.received_at
FROM json_to_recordset($2::json) AS told (message_id uuid, payload_sha256 text, received_at timestamptz)
JOIN indicator_export_batches AS batches ON batches.account_id = $1 AND batches.payload_sha256 = told.payload_sha256
ON CONFLICT (account_id, message_id) DO NOTHING;

-- name: settle_messages!
-- A message that brought a batch of its own is processed, another one is a repeat that has been noted.
UPDATE messages
SET state = CASE WHEN batches.message_id = messages.message_id THEN 'processed' ELSE 'duplicate' END,
    read_attempts = CASE WHEN batches.message_id = messages.message_id THEN messages.read_attempts ELSE 1 END
FROM indicator_export_deliveries AS deliveries
JOIN indicator_export_batches AS batches ON batches.account_id = deliveries.account_id AND batches.batch_id = deliveries.batch_id
WHERE messages.account_id = $1 AND messages.message_id = ANY ($2::uuid[])
  AND deliveries.account_id = $1 AND deliveries.message_id = messages.message_id;

-- name: pass_over_repeats!
-- These repeats have been looked at, whatever came of it.
UPDATE messages SET read_attempts = 1 WHERE account_id = $1 AND message_id = ANY ($2::uuid[]) AND state = 'duplicate';

-- name: refuse_message!
-- What can't be read as a batch is kept as malformed.
UPDATE messages SET state = 'malformed', reason = $3, error = $4
WHERE account_id = $1 AND message_id = $2 AND state = 'received';

-- name: count_reading!
-- An attempt at reading a message that failed; after the last one it is malformed.
UPDATE messages
SET read_attempts = read_attempts + 1, error = $4,
    state = CASE WHEN read_attempts + 1 >= $3 THEN 'malformed' ELSE state END,
    reason = CASE WHEN read_attempts + 1 >= $3 THEN 'journal_failed' ELSE reason END
WHERE account_id = $1 AND message_id = $2 AND state = 'received';

-- name: batches_of
-- The batches that these messages brought first.
SELECT message_id, batch_id, is_valid
FROM indicator_export_batches
WHERE account_id = $1 AND message_id = ANY ($2::uuid[]);

-- name: wake!
-- A hint for the worker; its poll is the truth.
SELECT pg_notify('hookfill_journal', '');

-- name: accounts_with_exports
-- Candidates, found without locks: accounts with messages that wait to become batches, unnoted repeats or batches to import.
SELECT account_id FROM accounts
WHERE EXISTS (
    SELECT FROM messages
    WHERE messages.account_id = accounts.account_id AND door = 'indicator_export' AND state = 'received'
)
UNION SELECT account_id FROM messages WHERE door = 'indicator_export' AND state = 'duplicate' AND read_attempts = 0
UNION SELECT account_id FROM indicator_export_batches WHERE is_valid AND imported_at IS NULL AND import_attempts < $1;

-- name: add_ledgers!
INSERT INTO export_ledgers (account_id) VALUES ($1) ON CONFLICT (account_id) DO NOTHING;

-- name: lock_ledgers
-- The lock of an account's ledgers, held until commit; who else imports waits.
SELECT version FROM export_ledgers WHERE account_id = $1 FOR UPDATE;

-- name: try_ledgers
-- The same, or nothing when somebody else has it.
SELECT version FROM export_ledgers WHERE account_id = $1 FOR UPDATE SKIP LOCKED;

-- name: advance!
UPDATE export_ledgers SET version = version + 1 WHERE account_id = $1;

-- name: next_batches
-- The account's oldest batches that wait to be imported: the first, and those behind it as long as they hold no more than so many
-- signals together.
SELECT batch_id, event_type, received_at, payload_json ->> 'signals' AS signals
FROM (
    SELECT batch_id, event_type, received_at, payload_json,
           sum(signals_count) OVER (ORDER BY received_at, batch_id) - signals_count AS before
    FROM (
        SELECT batch_id, event_type, received_at, payload_json, signals_count
        FROM indicator_export_batches
        WHERE account_id = $1 AND is_valid AND imported_at IS NULL AND import_attempts < $2
        ORDER BY received_at, batch_id
        LIMIT $3
    ) AS waiting
) AS counted
WHERE before <= $4
ORDER BY received_at, batch_id;

-- name: one_batch
-- Of the batches that the asker may see.
SELECT account_id, batch_id, event_type, is_valid, received_at, payload_json ->> 'signals' AS signals
FROM indicator_export_batches
WHERE batch_id = $1;

-- name: latest_batch
-- The newest batch of a kind that can be imported.
SELECT account_id, batch_id, event_type, is_valid, received_at, payload_json ->> 'signals' AS signals
FROM indicator_export_batches
WHERE account_id = $1 AND event_type = $2 AND is_valid
ORDER BY received_at DESC, batch_id DESC
LIMIT 1;

-- name: note_imports!
-- What the first import of each of these batches did.
UPDATE indicator_export_batches
SET imported_at = clock_timestamp(), import_result = told.result, import_error = NULL
FROM json_to_recordset($2::json) AS told (batch_id bigint, result jsonb)
WHERE indicator_export_batches.account_id = $1 AND indicator_export_batches.batch_id = told.batch_id
  AND indicator_export_batches.imported_at IS NULL;

-- name: count_import!
-- An attempt at importing a batch that failed; after the last one it waits for a person.
UPDATE indicator_export_batches SET import_attempts = import_attempts + 1, import_error = $3
WHERE account_id = $1 AND batch_id = $2 AND imported_at IS NULL;

-- name: confirmed_entries
SELECT trade_id, triangle_time, confirmation_time, date, direction, session, age, entry, stop, be_mfe, no_be_mfe, mae, completed,
       batch_id, received_at, row_index, sources
FROM confirmed_signals_ledger
WHERE account_id = $1 AND trade_id = ANY ($2::text[]);

-- name: all_entries
SELECT trade_id, signal_time, confirmation_time, direction, status, bars_to_confirm, entry, stop, risk, htf_daily, htf_4h, htf_1h,
       htf_15m, htf_5m, htf_1m, batch_id, received_at, row_index, sources
FROM all_signals_ledger
WHERE account_id = $1 AND trade_id = ANY ($2::text[]);

-- name: put_confirmed!
-- Entries as they are now, in the order of their keys.
INSERT INTO confirmed_signals_ledger (
    account_id, trade_id, signal_date, triangle_time, confirmation_time, date, direction, session, age, entry, stop, be_mfe,
    no_be_mfe, mae, completed, batch_id, received_at, row_index, sources
)
SELECT $1, trade_id, signal_date, triangle_time, confirmation_time, date, direction, session, age, entry, stop, be_mfe,
       no_be_mfe, mae, completed, batch_id, received_at, row_index, sources
FROM json_to_recordset($2::json) AS t (
    trade_id text, signal_date date, triangle_time timestamptz, confirmation_time timestamptz, date date, direction text,
    session text, age numeric, entry numeric, stop numeric, be_mfe numeric, no_be_mfe numeric, mae numeric, completed boolean,
    batch_id bigint, received_at timestamptz, row_index integer, sources jsonb
)
ORDER BY trade_id
ON CONFLICT (account_id, trade_id) DO UPDATE
SET signal_date = excluded.signal_date, triangle_time = excluded.triangle_time, confirmation_time = excluded.confirmation_time,
    date = excluded.date, direction = excluded.direction, session = excluded.session, age = excluded.age, entry = excluded.entry,
    stop = excluded.stop, be_mfe = excluded.be_mfe, no_be_mfe = excluded.no_be_mfe, mae = excluded.mae,
    completed = excluded.completed, batch_id = excluded.batch_id, received_at = excluded.received_at,
    row_index = excluded.row_index, sources = excluded.sources, updated_at = clock_timestamp();

-- name: put_all!
-- Entries as they are now, in the order of their keys.
INSERT INTO all_signals_ledger (
    account_id, trade_id, signal_date, signal_time, confirmation_time, direction, status, bars_to_confirm, entry, stop, risk,
    htf_daily, htf_4h, htf_1h, htf_15m, htf_5m, htf_1m, batch_id, received_at, row_index, sources
)
SELECT $1, trade_id, signal_date, signal_time, confirmation_time, direction, status, bars_to_confirm, entry, stop, risk,
       htf_daily, htf_4h, htf_1h, htf_15m, htf_5m, htf_1m, batch_id, received_at, row_index, sources
FROM json_to_recordset($2::json) AS t (
    trade_id text, signal_date date, signal_time timestamptz, confirmation_time timestamptz, direction text, status text,
    bars_to_confirm numeric, entry numeric, stop numeric, risk numeric, htf_daily text, htf_4h text, htf_1h text, htf_15m text,
    htf_5m text, htf_1m text, batch_id bigint, received_at timestamptz, row_index integer, sources jsonb
)
ORDER BY trade_id
ON CONFLICT (account_id, trade_id) DO UPDATE
SET signal_date = excluded.signal_date, signal_time = excluded.signal_time, confirmation_time = excluded.confirmation_time,
    direction = excluded.direction, status = excluded.status, bars_to_confirm = excluded.bars_to_confirm, entry = excluded.entry,
    stop = excluded.stop, risk = excluded.risk, htf_daily = excluded.htf_daily, htf_4h = excluded.htf_4h, htf_1h = excluded.htf_1h,
    htf_15m = excluded.htf_15m, htf_5m = excluded.htf_5m, htf_1m = excluded.htf_1m, batch_id = excluded.batch_id,
    received_at = excluded.received_at, row_index = excluded.row_index, sources = excluded.sources, updated_at = clock_timestamp();
