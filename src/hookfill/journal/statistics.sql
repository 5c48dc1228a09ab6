-- name: mark_days!
-- Trades of these days have changed, in this transaction: what was kept of the days is made anew before it is used.
INSERT INTO journal_days (account_id, day)
SELECT :account_id::uuid, day FROM unnest(:days::date[]) AS changed (day)
ORDER BY day
ON CONFLICT (account_id, day) DO UPDATE SET is_dirty = true WHERE NOT journal_days.is_dirty;

-- name: accounts_with_dirty_days
SELECT DISTINCT account_id FROM journal_days WHERE is_dirty;

-- name: dirty_days
-- Days to be made anew, kept from change until commit; those in whose trades somebody is writing now are left for later.
SELECT day FROM journal_days WHERE account_id = $1 AND is_dirty ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: trades_of_days
SELECT trade_id, status, direction, session, setup_id, symbol, signal_at, signal_date, signal_hour, entered_at, entry_price, stop_loss,
       be_triggered_at, be_mfe, no_be_mfe, final_mfe, mae, exit_type, exit_at, exit_price, stopped_at, last_event_at, last_mfe_at,
       events
FROM trade_states
WHERE account_id = $1 AND signal_date = ANY ($2::date[]);

-- name: keep_day*!
UPDATE journal_days SET is_dirty = false, layout = $3, records = $4, setups = $5, packed_in = pg_current_xact_id()::text::bigint
WHERE account_id = $1 AND day = $2;

-- name: days
-- The records of those days that were packed in transaction $5 or a later one (0: of all); in place of those of a day that is dirty,
-- or of another layout, its trades (columns as in journal/records.BRIEF). One statement, so that no trade is counted twice or left out
-- when it changes meanwhile. Each row, of which there is at least one, tells first of all the days how many there are and what their
-- packed_in come to, whereby the reader sees whether it knows the others, and the oldest transaction that is still under way: whatever
-- this statement can't see yet was or will be packed in that one or a later one. LIMIT 1 has each day looked up by its key, however
-- few days the planner believes that an account has.
WITH asked AS MATERIALIZED (
    SELECT day, packed_in, NOT is_dirty AND layout = $4 AS is_kept
    FROM journal_days
    WHERE account_id = $1 AND day >= $2 AND day <= $3
)
SELECT whole.days, whole.packed, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, changed.*
FROM (SELECT count(*) AS days, coalesce(sum(packed_in), 0)::bigint AS packed FROM asked) AS whole
LEFT JOIN (
    SELECT asked.day, asked.packed_in, CASE WHEN is_kept THEN kept.records END AS records, CASE WHEN is_kept THEN kept.setups END AS setups,
           CASE WHEN NOT is_kept THEN ARRAY(
                SELECT trade FROM (
                    SELECT trade_id, status, direction, session, setup_id, symbol, signal_at, signal_date, signal_hour, entered_at,
                           entry_price, stop_loss, be_triggered_at, be_mfe, no_be_mfe, final_mfe, mae, exit_type, exit_at, exit_price,
                           stopped_at, last_event_at, last_mfe_at, events
                    FROM trade_states
                    WHERE trade_states.account_id = $1 AND trade_states.signal_date = asked.day
                ) AS trade
           ) END AS trades
    FROM asked
    CROSS JOIN LATERAL (
        SELECT records, setups FROM journal_days WHERE journal_days.account_id = $1 AND journal_days.day = asked.day LIMIT 1
    ) AS kept
    WHERE NOT is_kept OR asked.packed_in >= $5
) AS changed ON true
ORDER BY changed.day;

-- name: trades
-- A page of trades, newest first, behind a place; found in the index alone, whatever they are chosen by. LIMIT 1 has each row of the
-- page looked up by its key, however few trades the planner believes that an account has.
SELECT trade.*
FROM (
    SELECT trade_id FROM trade_states
    WHERE account_id = $1 AND signal_date >= $2 AND signal_date <= $3 AND (signal_date, signal_at, trade_id) < ($4, $5, $6)
      AND ($7::text IS NULL OR session = $7) AND ($8::text IS NULL OR direction = $8)
      AND ($9::text IS NULL OR status = $9) AND ($10::text IS NULL OR setup_id = $10)
    ORDER BY signal_date DESC, signal_at DESC, trade_id DESC
    LIMIT $11
) AS page
CROSS JOIN LATERAL (
    SELECT merged, updated_at, signal_date, signal_at, trade_id FROM trade_states
    WHERE trade_states.account_id = $1 AND trade_states.trade_id = page.trade_id
    LIMIT 1
) AS trade
ORDER BY trade.signal_date DESC, trade.signal_at DESC, trade.trade_id DESC;

-- name: brief_trades
-- The same, without what only merged has.
SELECT trade.*
FROM (
    SELECT trade_id FROM trade_states
    WHERE account_id = $1 AND signal_date >= $2 AND signal_date <= $3 AND (signal_date, signal_at, trade_id) < ($4, $5, $6)
      AND ($7::text IS NULL OR session = $7) AND ($8::text IS NULL OR direction = $8)
      AND ($9::text IS NULL OR status = $9) AND ($10::text IS NULL OR setup_id = $10)
    ORDER BY signal_date DESC, signal_at DESC, trade_id DESC
    LIMIT $11
) AS page
CROSS JOIN LATERAL (
    SELECT trade_id, status, direction, session, setup_id, symbol, signal_at, signal_date, signal_hour, entered_at, entry_price,
           stop_loss, be_triggered_at, be_mfe, no_be_mfe, final_mfe, mae, exit_type, exit_at, exit_price, stopped_at, last_event_at,
           last_mfe_at, events
    FROM trade_states
    WHERE trade_states.account_id = $1 AND trade_states.trade_id = page.trade_id
    LIMIT 1
) AS trade
ORDER BY trade.signal_date DESC, trade.signal_at DESC, trade.trade_id DESC;

-- name: open_trades
-- Those that were entered and have not ended, newest first.
SELECT merged, updated_at, count(*) OVER () AS total FROM trade_states
WHERE account_id = $1 AND status IN ('ACTIVE', 'BE_PROTECTED')
ORDER BY signal_at DESC
LIMIT $2;

-- name: trade^
SELECT merged, updated_at FROM trade_states WHERE account_id = $1 AND trade_id = $2;

-- name: events
-- A page of what was told of a trade, by event time. Rows from before Hookfill (of the owner's default account) have no event_at.
SELECT id, event_type, at, source, message_id, direction, session, entry_price, stop_loss, risk_distance, current_price, exit_price,
       mfe, be_mfe, no_be_mfe, final_mfe, mae, telemetry::text AS telemetry
FROM (
    (
        SELECT automated_signals.*, event_at AS at FROM automated_signals
        WHERE account_id = $1 AND trade_id = $2 AND event_at >= $3 AND (event_at, id) > ($3, $4)
        ORDER BY event_at, id
        LIMIT $5
    )
    UNION ALL
    (
        SELECT automated_signals.*, at
        FROM automated_signals
        CROSS JOIN LATERAL (
            SELECT least(timestamptz '2100-01-01', greatest(timestamptz '1990-01-01', coalesce(
                event_at, (signal_date + coalesce(signal_time, time '00:00')) AT TIME ZONE 'America/New_York'
            ))) AS at
        ) AS placed
        WHERE account_id IS NULL AND trade_id = $2 AND (at, id) > ($3, $4)
          AND EXISTS (SELECT FROM accounts WHERE accounts.account_id = $1 AND is_default)
        ORDER BY at, id
        LIMIT $5
    )
) AS told
ORDER BY at, id
LIMIT $5;

-- name: freshness^
-- How current an account's journal is; how many messages wait to be read is counted up to a bound.
SELECT clock_timestamp() AS now, coalesce(version, 0) AS version, received_at, event_at, heartbeat_at, live_at,
       (SELECT count(*) FROM (
            SELECT FROM messages
            WHERE messages.account_id = $1 AND messages.door = 'telemetry' AND messages.state = 'received'
            LIMIT 1000
        ) AS oldest) AS waiting
FROM (SELECT) AS always LEFT JOIN journals ON journals.account_id = $1;
