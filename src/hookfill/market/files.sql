-- name: compare_candles^
-- What storing a batch would do, without storing it: how many bars are new, and how many differ from the stored ones.
SELECT
    count(DISTINCT (i.symbol, i.timeframe, i.timestamp)) FILTER (WHERE c.timestamp IS NULL) AS added,
    count(*) FILTER (
        WHERE c.timestamp IS NOT NULL
        AND (c.open, c.high, c.low, c.close, c.volume) IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume)
    ) AS conflicting
FROM unnest(
    :symbols::text[], :timeframes::text[], :timestamps::timestamptz[], :opens::numeric[], :highs::numeric[], :lows::numeric[],
    :closes::numeric[], :volumes::bigint[]
) AS i (symbol, timeframe, timestamp, open, high, low, close, volume)
LEFT JOIN market_data_candles AS c ON c.symbol = i.symbol AND c.timeframe = i.timeframe AND c.timestamp = i.timestamp;

-- name: stored_candles
-- A series' bars in a range, oldest first.
SELECT timestamp, open, high, low, close, volume
FROM market_data_candles
WHERE symbol = :symbol AND timeframe = :timeframe AND timestamp >= :since AND timestamp < :before
ORDER BY timestamp;

-- name: stored_timeframes$
-- The timeframes in which a symbol has bars.
SELECT array_agg(name ORDER BY name)
FROM unnest(:names::text[]) AS name
WHERE EXISTS (SELECT FROM market_data_candles AS c WHERE c.symbol = :symbol AND c.timeframe = name);
