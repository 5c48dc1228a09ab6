-- name: bars_of
-- The bars of some symbols in a timeframe that open in since <= t < until, ascending per symbol.
SELECT bars.*
FROM unnest(:symbols::text[]) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT symbol, timeframe, timestamp, open, high, low, close, volume
    FROM market_data_candles AS candles
    WHERE candles.symbol = asked.symbol AND candles.timeframe = :timeframe::text
      AND candles.timestamp >= :since::timestamptz AND candles.timestamp < :until::timestamptz
    ORDER BY candles.timestamp
    LIMIT :most::bigint
) AS bars
ORDER BY symbol, timestamp;

-- name: newest_bars
-- When the newest bar of each symbol and timeframe opened that opened before a moment: one look into the index for each.
SELECT asked.symbol, asked.timeframe, newest.timestamp
FROM unnest(:symbols::text[], :timeframes::text[]) AS asked (symbol, timeframe)
CROSS JOIN LATERAL (
    SELECT timestamp FROM market_data_candles AS candles
    WHERE candles.symbol = asked.symbol AND candles.timeframe = asked.timeframe AND candles.timestamp < :until::timestamptz
    ORDER BY candles.timestamp DESC
    LIMIT 1
) AS newest;

-- name: quotes_now
SELECT symbol, price, quoted_at, source, bar_seconds, bar_low, bar_high FROM quotes WHERE symbol = ANY (:symbols::text[]);

-- name: chain_fetched^
SELECT source, fetched_at, spot FROM option_chains
WHERE underlying = :underlying::text AND fetched_at > :since::timestamptz AND fetched_at <= :at::timestamptz;

-- name: chain_quotes
-- The contracts of a chain; null bounds do not bind.
SELECT symbol, bid, ask, quoted_at, source, volatility, price, delta, gamma, theta, vega, rho, open_interest, volume
FROM option_quotes
WHERE underlying = :underlying::text
  AND (:first_expiration::date IS NULL OR expiration >= :first_expiration::date)
  AND (:last_expiration::date IS NULL OR expiration <= :last_expiration::date)
  AND (:lowest_strike::numeric IS NULL OR strike >= :lowest_strike::numeric)
  AND (:highest_strike::numeric IS NULL OR strike <= :highest_strike::numeric);

-- name: contract_quotes
-- Single contracts, of chains that are young enough.
SELECT quotes.symbol, bid, ask, quoted_at, quotes.source, volatility, price, delta, gamma, theta, vega, rho, open_interest, volume
FROM unnest(:underlyings::text[], :symbols::text[]) AS asked (underlying, symbol)
JOIN option_quotes AS quotes ON quotes.underlying = asked.underlying AND quotes.symbol = asked.symbol
JOIN option_chains AS chains ON chains.underlying = asked.underlying
WHERE chains.fetched_at > :since::timestamptz AND chains.fetched_at <= :at::timestamptz;

-- name: keep_chain^
-- A newer chain takes the place of the one before: contracts that it does not hold are forgotten. An older one changes nothing.
-- Open interest, which comes by another way and once a day, stays. Returns how many contracts changed, and whether it was newer.
WITH kept AS (
    INSERT INTO option_chains (underlying, source, fetched_at, spot)
    VALUES (:underlying::text, :source::text, :fetched_at::timestamptz, :spot::numeric)
    ON CONFLICT (underlying) DO UPDATE
    SET source = excluded.source, fetched_at = excluded.fetched_at, spot = excluded.spot, updated_at = clock_timestamp()
    WHERE option_chains.fetched_at < excluded.fetched_at
    RETURNING underlying
), told AS MATERIALIZED (
    SELECT kept.underlying, t.*
    FROM kept CROSS JOIN unnest(
        :symbols::text[], :expirations::date[], :strikes::numeric[], :bids::numeric[], :asks::numeric[],
        :quoted_ats::timestamptz[], :sources::text[],
        :volatilities::double precision[], :prices::double precision[], :deltas::double precision[], :gammas::double precision[],
        :thetas::double precision[], :vegas::double precision[], :rhos::double precision[], :open_interests::bigint[],
        :volumes::bigint[]
    ) AS t (
        symbol, expiration, strike, bid, ask, quoted_at, source, volatility, price, delta, gamma, theta, vega, rho, open_interest,
        volume
    )
), forgotten AS (
    DELETE FROM option_quotes USING kept
    WHERE option_quotes.underlying = kept.underlying AND NOT option_quotes.symbol = ANY (:symbols::text[])
), changed AS (
    INSERT INTO option_quotes (
        underlying, symbol, expiration, strike, bid, ask, quoted_at, source, volatility, price, delta, gamma, theta, vega, rho,
        open_interest, volume
    )
    SELECT * FROM told ORDER BY symbol
    ON CONFLICT (underlying, symbol) DO UPDATE
    SET bid = excluded.bid, ask = excluded.ask, quoted_at = excluded.quoted_at, source = excluded.source,
        volatility = excluded.volatility, price = excluded.price, delta = excluded.delta, gamma = excluded.gamma,
        theta = excluded.theta, vega = excluded.vega, rho = excluded.rho, volume = excluded.volume,
        open_interest = coalesce(excluded.open_interest, option_quotes.open_interest)
    WHERE (option_quotes.bid, option_quotes.ask, option_quotes.quoted_at, option_quotes.source, option_quotes.volatility,
           option_quotes.delta, option_quotes.volume)
          IS DISTINCT FROM (excluded.bid, excluded.ask, excluded.quoted_at, excluded.source, excluded.volatility, excluded.delta,
                            excluded.volume)
       OR excluded.open_interest IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM changed) AS changed, EXISTS (SELECT FROM kept) AS is_newer;
