-- name: account
-- One of the asker's accounts, or their default one.
SELECT account_id FROM accounts
WHERE user_id = $1 AND ($2::uuid IS NULL AND is_default OR account_id = $2);

-- name: batches
-- Newest first, without what they hold.
SELECT batch_id, account_id, event_type, batch_number, batch_size, total_signals, signals_count, payload_sha256, is_valid,
       validation_error, message_id, received_at, imported_at, import_result, import_attempts, import_error
FROM indicator_export_batches
WHERE account_id = $1 AND ($2::text IS NULL OR event_type = $2) AND ($3::boolean IS NULL OR is_valid = $3)
  AND ($4::boolean IS NULL OR (imported_at IS NOT NULL) = $4)
ORDER BY batch_id DESC
LIMIT $5 OFFSET $6;

-- name: batch
-- One batch with what it holds and how often it came.
SELECT batch_id, account_id, event_type, batch_number, batch_size, total_signals, signals_count, payload_sha256, is_valid,
       validation_error, message_id, received_at, imported_at, import_result, import_attempts, import_error,
       payload_json::text AS payload,
       (SELECT count(*) FROM indicator_export_deliveries AS deliveries
        WHERE deliveries.account_id = batches.account_id AND deliveries.batch_id = batches.batch_id) AS deliveries
FROM indicator_export_batches AS batches
WHERE batch_id = $1;

-- name: deliveries
-- The newest deliveries of batches that have a place in a run.
SELECT deliveries.received_at, batch_id, event_type, batch_number, batch_size, total_signals
FROM (
    SELECT batch_id, received_at FROM indicator_export_deliveries
    WHERE account_id = $1
    ORDER BY received_at DESC, message_id DESC
    LIMIT $3
) AS deliveries
JOIN indicator_export_batches AS batches USING (batch_id)
WHERE batches.account_id = $1 AND is_valid AND batch_number IS NOT NULL AND total_signals IS NOT NULL
  AND ($2::text IS NULL OR event_type = $2);

-- name: confirmed
-- A page, newest first, behind a place.
SELECT trade_id, signal_date, triangle_time, confirmation_time, date, direction, session, age, entry, stop, be_mfe, no_be_mfe, mae,
       completed, batch_id, received_at, sources, created_at, updated_at
FROM confirmed_signals_ledger
WHERE account_id = $1 AND triangle_time >= $2 AND triangle_time < $3 AND (triangle_time, trade_id) < ($4, $5)
  AND ($6::text IS NULL OR direction = $6) AND ($7::text IS NULL OR upper(replace(session, '_', ' ')) = $7)
  AND ($8::boolean IS NULL OR completed = $8)
ORDER BY triangle_time DESC, trade_id DESC
LIMIT $9;

-- name: all
-- A page, newest first, behind a place.
SELECT trade_id, signal_date, signal_time, confirmation_time, direction, status, bars_to_confirm, entry, stop, risk, htf_daily, htf_4h,
       htf_1h, htf_15m, htf_5m, htf_1m, batch_id, received_at, sources, created_at, updated_at
FROM all_signals_ledger
WHERE account_id = $1 AND signal_time >= $2 AND signal_time < $3 AND (signal_time, trade_id) < ($4, $5)
  AND ($6::text IS NULL OR direction = $6) AND ($7::text IS NULL OR upper(status) = $7)
ORDER BY signal_time DESC, trade_id DESC
LIMIT $8;
