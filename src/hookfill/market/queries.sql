-- name: make_staging!
-- Where a connection puts candles by COPY before they are merged; emptied by every commit, and of an earlier batch in the same
-- transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_candles (
    symbol text, timeframe text, timestamp timestamptz, open numeric, high numeric, low numeric, close numeric, volume bigint
) ON COMMIT DELETE ROWS;
DELETE FROM incoming_candles;

-- name: merge_candles$
-- New bars are added, known ones stay as they are; returns how many were added. In key order, so that overlapping batches don't
-- wait for each other in a circle.
WITH added AS (
    INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close, volume)
    SELECT symbol, timeframe, timestamp, open, high, low, close, volume FROM incoming_candles
    ORDER BY symbol, timeframe, timestamp
    ON CONFLICT (symbol, timeframe, timestamp) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added;

-- name: count_conflicts$
-- Incoming bars whose stored values differ.
SELECT count(*)
FROM incoming_candles AS i
JOIN market_data_candles AS c ON c.symbol = i.symbol AND c.timeframe = i.timeframe AND c.timestamp = i.timestamp
WHERE (c.open, c.high, c.low, c.close, c.volume) IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume);

-- name: move_quotes!
-- The newest price wins; an older one never overwrites a newer.
INSERT INTO quotes (symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high)
SELECT * FROM unnest(
    :symbols::text[], :prices::numeric[], :quoted_ats::timestamptz[], :sources::text[], :bar_seconds::integer[], :bar_lows::numeric[],
    :bar_highs::numeric[]
)
ORDER BY 1
ON CONFLICT (symbol) DO UPDATE
SET price = excluded.price, quoted_at = excluded.quoted_at, source = excluded.source, bar_seconds = excluded.bar_seconds,
    bar_low = excluded.bar_low, bar_high = excluded.bar_high, updated_at = clock_timestamp()
WHERE quotes.quoted_at < excluded.quoted_at;

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
-- Prices that other agents tell: for their own account only; the newest wins. Returns how many moved.
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
