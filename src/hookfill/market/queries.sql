-- name: become_candle_writer
-- For the rest of the transaction: a role that may store candles and move quotes, and nothing else. Where a host lets nobody make
-- roles, it stays as it is. The planner is kept from reading all candles to find some: statistics may be older than the bars.
SELECT set_config('role', coalesce((
           SELECT rolname FROM pg_roles
           WHERE rolname = 'hookfill_candles'
             AND pg_has_role(oid, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)
             AND has_table_privilege(oid, 'market_data_candles', 'INSERT')
             AND has_table_privilege(oid, 'quotes', 'INSERT')
       ), 'none'), true),
       set_config('enable_seqscan', 'off', true);

-- name: store_batch
-- A batch as a JSON array of bars, taken apart here. New bars are added, known ones stay as they are. One row for each of the newest
-- bars of a symbol and timeframe, in the order in which they were sent, each with what became of the whole batch.
-- With marks, the batch comes as somebody sent it, and is stored only if every bar in it is one that the door would read just so:
-- is_sound tells. marks is the number of quotation marks in the array (market/plain.py says what it is for).
-- Bars are added in key order, so that overlapping batches never wait for each other in a circle; of equal ones the first.
WITH sent AS MATERIALIZED (
    SELECT ordinal, symbol, timeframe, open, high, low, close, volume, timestamp LIKE '%T%' AS is_text,
           CASE
               WHEN :marks::bigint IS NULL
                   OR timestamp ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-][0-9]{2}:[0-9]{2})$'
                   THEN timestamp::timestamptz
               WHEN timestamp ~ '^[0-9]{9,10}$' THEN to_timestamp(timestamp::bigint)
               WHEN timestamp ~ '^[0-9]{9,10}000$' THEN to_timestamp(left(timestamp, -3)::bigint)
           END AS timestamp
    FROM ROWS FROM (
        json_to_recordset(convert_from(:candles::bytea, 'UTF8')::json) AS (
            symbol text, timeframe text, timestamp text, open numeric, high numeric, low numeric, close numeric, volume bigint
        )
    ) WITH ORDINALITY AS t (symbol, timeframe, timestamp, open, high, low, close, volume, ordinal)
), verdict AS MATERIALIZED (
    SELECT count(*) AS sent,
           :marks::bigint IS NULL
           OR (
               count(*) FILTER (
                   WHERE symbol ~ '^[A-Z][A-Z0-9._!&/-]{0,31}$'
                     AND timeframe IN ('M1', 'M5', 'M15', 'M30', 'H1', 'H4', 'D1', 'W1', 'MN1')
                     AND timestamp >= '1990-01-01 00:00Z' AND timestamp <= :known_at::timestamptz
                     AND timestamp = date_bin(
                         CASE timeframe WHEN 'M5' THEN interval '5 min' WHEN 'M15' THEN interval '15 min' ELSE interval '1 min' END,
                         timestamp, '2000-01-01 00:00Z'
                     )
                     AND low >= 1e-10 AND high < 1e15 AND low <= open AND open <= high AND low <= close AND close <= high
                     AND scale(open) <= 10 AND scale(high) <= 10 AND scale(low) <= 10 AND scale(close) <= 10
                     AND (volume IS NULL OR volume >= 0)
               ) = count(*)
               AND :marks::bigint = 2 * (
                   count(*) * CASE count(volume) WHEN count(*) THEN 10 WHEN 0 THEN 9 END + count(*) FILTER (WHERE is_text)
               )
           ) IS TRUE AS is_sound
    FROM sent
), judged AS MATERIALIZED (
    SELECT sent.*, known.timestamp IS NOT NULL AS is_known,
           known.timestamp IS NOT NULL AND (known.open, known.high, known.low, known.close, known.volume)
               IS DISTINCT FROM (sent.open, sent.high, sent.low, sent.close, sent.volume) AS differs
    FROM sent
    LEFT JOIN market_data_candles AS known
        ON known.symbol = sent.symbol AND known.timeframe = sent.timeframe AND known.timestamp = sent.timestamp
    WHERE (SELECT is_sound FROM verdict)
), added AS (
    INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close, volume)
    SELECT symbol, timeframe, timestamp, open, high, low, close, volume
    FROM judged
    WHERE NOT is_known
    ORDER BY symbol COLLATE "C", timeframe COLLATE "C", timestamp, ordinal
    ON CONFLICT (symbol, timeframe, timestamp) DO NOTHING
    RETURNING 1
), newest AS (
    SELECT judged.*
    FROM judged
    JOIN (
        SELECT symbol, timeframe, max(timestamp) AS timestamp FROM judged GROUP BY symbol, timeframe
    ) AS last USING (symbol, timeframe, timestamp)
)
SELECT verdict.is_sound, verdict.sent, (SELECT count(*) FROM added) AS added,
       (SELECT count(*) FROM judged WHERE is_known) AS known, (SELECT count(*) FROM judged WHERE differs) AS differing,
       newest.ordinal, newest.symbol, newest.timeframe, newest.timestamp, newest.open, newest.high, newest.low, newest.close,
       newest.volume
FROM verdict LEFT JOIN newest ON true
ORDER BY newest.ordinal;

-- name: revise_candles$
-- Stored bars take new values, each only where it is the last of its symbol and timeframe; returns how many changed.
-- Locked in key order, so that two who revise the same bars never wait for each other in a circle.
WITH revised AS (
    SELECT *
    FROM unnest(
        :symbols::text[], :timeframes::text[], :timestamps::timestamptz[], :opens::numeric[], :highs::numeric[], :lows::numeric[],
        :closes::numeric[], :volumes::bigint[]
    ) AS t (symbol, timeframe, timestamp, open, high, low, close, volume)
), held AS MATERIALIZED (
    SELECT candles.id
    FROM market_data_candles AS candles JOIN revised USING (symbol, timeframe, timestamp)
    WHERE NOT EXISTS (
        SELECT FROM market_data_candles AS later
        WHERE later.symbol = candles.symbol AND later.timeframe = candles.timeframe AND later.timestamp > candles.timestamp
    )
    ORDER BY candles.symbol COLLATE "C", candles.timeframe COLLATE "C"
    FOR UPDATE OF candles
), changed AS (
    UPDATE market_data_candles AS candles
    SET open = revised.open, high = revised.high, low = revised.low, close = revised.close, volume = revised.volume
    FROM revised, held
    WHERE candles.id = held.id
      AND candles.symbol = revised.symbol AND candles.timeframe = revised.timeframe AND candles.timestamp = revised.timestamp
      AND (candles.open, candles.high, candles.low, candles.close, candles.volume)
          IS DISTINCT FROM (revised.open, revised.high, revised.low, revised.close, revised.volume)
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: move_quotes$
-- The newest price wins; an older one never overwrites a newer. Of one that is equally new, only a revision of the bar that it came
-- from changes it. Workers are told if any moved; returns how many.
WITH moved AS (
    INSERT INTO quotes (symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high)
    SELECT * FROM unnest(
        :symbols::text[], :prices::numeric[], :quoted_ats::timestamptz[], :sources::text[], :bar_seconds::integer[],
        :bar_lows::numeric[], :bar_highs::numeric[]
    )
    ORDER BY 1
    ON CONFLICT (symbol) DO UPDATE
    SET price = excluded.price, quoted_at = excluded.quoted_at, source = excluded.source, bar_seconds = excluded.bar_seconds,
        bar_low = excluded.bar_low, bar_high = excluded.bar_high, updated_at = clock_timestamp()
    WHERE quotes.quoted_at < excluded.quoted_at
       OR (quotes.symbol = ANY (:revised::text[]) AND quotes.quoted_at = excluded.quoted_at AND quotes.source = excluded.source
           AND quotes.bar_seconds = excluded.bar_seconds)
    RETURNING 1
)
SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('hookfill_prices', '') END FROM moved;

-- name: announce_prices!
SELECT pg_notify('hookfill_prices', '');

-- name: move_prices$
-- Prices that agents of the owner tell, for everybody; the newest wins. Returns how many moved.
WITH moved AS (
    INSERT INTO quotes (symbol, price, quoted_at, source)
    SELECT * FROM unnest(:symbols::text[], :prices::numeric[], :quoted_ats::timestamptz[], :sources::text[])
    ORDER BY 1
    ON CONFLICT (symbol) DO UPDATE
    SET price = excluded.price, quoted_at = excluded.quoted_at, source = excluded.source, bar_seconds = NULL, bar_low = NULL,
        bar_high = NULL, updated_at = clock_timestamp()
    WHERE quotes.quoted_at < excluded.quoted_at
    RETURNING 1
)
SELECT count(*) FROM moved;

-- name: move_account_prices$
-- Prices for one account only, of its own agents and alerts; the newest wins. Returns how many moved.
WITH moved AS (
    INSERT INTO account_quotes (account_id, symbol, price, quoted_at, source)
    SELECT :account_id::uuid, told.* FROM unnest(:symbols::text[], :prices::numeric[], :quoted_ats::timestamptz[], :sources::text[])
        AS told (symbol, price, quoted_at, source)
    ORDER BY told.symbol
    ON CONFLICT (account_id, symbol) DO UPDATE
    SET price = excluded.price, quoted_at = excluded.quoted_at, source = excluded.source, updated_at = clock_timestamp()
    WHERE account_quotes.quoted_at < excluded.quoted_at
    RETURNING 1
)
SELECT count(*) FROM moved;
