-- Statements that read candles and quotes. PostgreSQL writes the JSON itself: building a page of 5,000 bars from decoded rows takes
-- several times as long as reading them.

-- name: bars_forwards^
-- The first $5 bars that open in $3 <= t < $4, as the text of a JSON list, and whether more follow.
WITH page AS (
    SELECT count(*) AS bars, min(bar.timestamp) AS first_at, max(bar.timestamp) AS last_at,
           string_agg(
               concat(
                   '{"timestamp":', (date_part('epoch', bar.timestamp) * 1000)::bigint, ',"open":', bar.open, ',"high":', bar.high,
                   ',"low":', bar.low, ',"close":', bar.close, ',"volume":', coalesce(bar.volume::text, 'null'), '}'
               ),
               ',' ORDER BY bar.timestamp
           ) AS body
    FROM (
        SELECT timestamp, open, high, low, close, volume FROM market_data_candles
        WHERE symbol = $1::text AND timeframe = $2::text AND timestamp >= $3::timestamptz AND timestamp < $4::timestamptz
        ORDER BY timestamp
        LIMIT $5::bigint
    ) AS bar
)
SELECT bars, first_at, last_at, concat('[', body, ']') AS body,
       EXISTS (
           SELECT FROM market_data_candles AS more
           WHERE more.symbol = $1 AND more.timeframe = $2 AND more.timestamp > page.last_at AND more.timestamp < $4
       ) AS has_more
FROM page;

-- name: bars_backwards^
-- The last $5 bars that open in $3 <= t < $4, ascending, and whether there are older ones.
WITH page AS (
    SELECT count(*) AS bars, min(bar.timestamp) AS first_at, max(bar.timestamp) AS last_at,
           string_agg(
               concat(
                   '{"timestamp":', (date_part('epoch', bar.timestamp) * 1000)::bigint, ',"open":', bar.open, ',"high":', bar.high,
                   ',"low":', bar.low, ',"close":', bar.close, ',"volume":', coalesce(bar.volume::text, 'null'), '}'
               ),
               ',' ORDER BY bar.timestamp
           ) AS body
    FROM (
        SELECT timestamp, open, high, low, close, volume FROM market_data_candles
        WHERE symbol = $1::text AND timeframe = $2::text AND timestamp >= $3::timestamptz AND timestamp < $4::timestamptz
        ORDER BY timestamp DESC
        LIMIT $5::bigint
    ) AS bar
)
SELECT bars, first_at, last_at, concat('[', body, ']') AS body,
       EXISTS (
           SELECT FROM market_data_candles AS more
           WHERE more.symbol = $1 AND more.timeframe = $2 AND more.timestamp < page.first_at AND more.timestamp >= $3
       ) AS has_more
FROM page;

-- name: bars_of_slots^
-- One bar for each slot (opens_at, reads_from, closes_at: $3, $4, $5) that holds bars of timeframe $2, as the text of a JSON list.
WITH bars AS (
    SELECT slot.opens_at, bar.opens[1] AS open, bar.high, bar.low, bar.closes[cardinality(bar.closes)] AS close, bar.volume
    FROM unnest($3::timestamptz[], $4::timestamptz[], $5::timestamptz[]) AS slot (opens_at, reads_from, closes_at)
    CROSS JOIN LATERAL (
        SELECT array_agg(inner_bar.open ORDER BY inner_bar.timestamp) AS opens, max(inner_bar.high) AS high, min(inner_bar.low) AS low,
               array_agg(inner_bar.close ORDER BY inner_bar.timestamp) AS closes, sum(inner_bar.volume) AS volume
        FROM market_data_candles AS inner_bar
        WHERE inner_bar.symbol = $1::text AND inner_bar.timeframe = $2::text
          AND inner_bar.timestamp >= slot.reads_from AND inner_bar.timestamp < slot.closes_at
    ) AS bar
    WHERE bar.opens IS NOT NULL
)
SELECT count(*) AS bars, max(opens_at) AS last_at,
       concat(
           '[',
           string_agg(
               concat(
                   '{"timestamp":', (date_part('epoch', opens_at) * 1000)::bigint, ',"open":', open, ',"high":', high, ',"low":', low,
                   ',"close":', close, ',"volume":', coalesce(volume::text, 'null'), '}'
               ),
               ',' ORDER BY opens_at
           ),
           ']'
       ) AS body
FROM bars;

-- name: stored_timeframes
-- Which of some timeframes are stored of a symbol: one look into the index for each.
SELECT wanted.timeframe
FROM unnest($2::text[]) AS wanted (timeframe)
CROSS JOIN LATERAL (
    SELECT 1 FROM market_data_candles WHERE market_data_candles.symbol = $1::text AND market_data_candles.timeframe = wanted.timeframe LIMIT 1
) AS found;

-- name: edges^
-- When the first bar that opens at or after $3 and the last that opens before $4 open; null: there is none.
SELECT
    (
        SELECT timestamp FROM market_data_candles
        WHERE symbol = $1::text AND timeframe = $2::text AND timestamp >= $3::timestamptz ORDER BY timestamp LIMIT 1
    ) AS first_at,
    (
        SELECT timestamp FROM market_data_candles
        WHERE symbol = $1::text AND timeframe = $2::text AND timestamp < $4::timestamptz ORDER BY timestamp DESC LIMIT 1
    ) AS last_at;

-- name: next_series^
-- The first pair of symbol and timeframe behind ($1, $2): one look into the index.
SELECT symbol, timeframe FROM market_data_candles
WHERE (symbol, timeframe) > ($1::text, $2::text)
ORDER BY symbol, timeframe
LIMIT 1;

-- name: breaks
-- Of the next $5 bars from $3 on, the first, the last, and both sides of every pause longer than $4; number counts from 1.
WITH numbered AS (
    SELECT timestamp, lag(timestamp) OVER in_order AS previous_at, row_number() OVER in_order AS number,
           lead(timestamp) OVER in_order IS NULL AS is_last
    FROM (
        SELECT timestamp FROM market_data_candles
        WHERE symbol = $1::text AND timeframe = $2::text AND timestamp >= $3::timestamptz
        ORDER BY timestamp
        LIMIT $5::bigint
    ) AS bar
    WINDOW in_order AS (ORDER BY timestamp)
)
SELECT timestamp AS opened_at, previous_at, number, is_last
FROM numbered
WHERE previous_at IS NULL OR is_last OR timestamp - previous_at > $4::interval
ORDER BY number
LIMIT $6::bigint;

-- name: last_prices
-- The newest price of each symbol that the caller may see: everybody's, or one that an agent told of the caller's own account.
-- $1: the symbols, or null for all; $2: the symbol behind which to start.
WITH seen AS (
    SELECT symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high, NULL::uuid AS account_id
    FROM quotes
    WHERE ($1::text[] IS NULL OR symbol = ANY ($1)) AND symbol > $2::text
    UNION ALL
    SELECT symbol, price, quoted_at, source, NULL, NULL, NULL, account_id
    FROM account_quotes
    WHERE ($1::text[] IS NULL OR symbol = ANY ($1)) AND symbol > $2::text
)
SELECT DISTINCT ON (symbol) symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high, account_id,
       greatest(0, date_part('epoch', coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) - quoted_at)) AS age_seconds
FROM seen
ORDER BY symbol, quoted_at DESC, account_id NULLS FIRST
LIMIT $3::bigint;

-- name: clock$
-- The time that prices are judged by.
SELECT coalesce((SELECT now_at FROM simulated_clock), clock_timestamp());
