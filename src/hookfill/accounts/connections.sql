-- name: create_trading_account!
INSERT INTO accounts (
    account_id, user_id, name, kind, currency, time_zone, starting_cash, cash, balance, day, day_start_balance, symbol_map,
    is_live
)
VALUES (
    :account_id::uuid, :user_id::uuid, :name::text, :kind::text, :currency::text, :time_zone::text, :cash::numeric, :cash::numeric,
    :cash::numeric, '1970-01-01'::date, :cash::numeric, :symbol_map::jsonb,
    :is_live::boolean
);

-- name: create_connection!
INSERT INTO broker_connections (broker_connection_id, user_id, account_id, kind, label, credentials, credential_names)
VALUES (
    :broker_connection_id::uuid, :user_id::uuid, :account_id::uuid, :kind::text, :label::text, :credentials::bytea,
    :credential_names::text[]
);

-- name: list_connections
-- A user's connections, newest first (or the one of an id). What is encrypted stays where it is.
SELECT broker_connections.broker_connection_id, broker_connections.account_id, broker_connections.kind, broker_connections.label,
       broker_connections.credential_names, accounts.name AS account_name, accounts.currency, accounts.time_zone, accounts.symbol_map,
       accounts.broker_balance, accounts.broker_equity, accounts.reported_at, accounts.is_live, broker_connections.created_at,
       (SELECT count(*) FROM strategies WHERE strategies.account_id = broker_connections.account_id) AS strategies
FROM broker_connections
JOIN accounts USING (account_id)
WHERE broker_connections.user_id = :user_id::uuid
  AND (:broker_connection_id::uuid IS NULL OR broker_connections.broker_connection_id = :broker_connection_id::uuid)
ORDER BY broker_connections.created_at DESC, broker_connections.broker_connection_id DESC
LIMIT :most::integer OFFSET :skipped::integer;

-- name: lock_connection^
-- Nobody makes a strategy on it until the transaction ends.
SELECT account_id, label FROM broker_connections
WHERE user_id = :user_id::uuid AND broker_connection_id = :broker_connection_id::uuid
FOR UPDATE;

-- name: set_label!
UPDATE broker_connections SET label = :label::text WHERE broker_connection_id = :broker_connection_id::uuid;

-- name: rename_account!
-- An account that is named as its connection follows it.
UPDATE accounts SET name = :name::text WHERE account_id = :account_id::uuid AND name = :old_name::text;

-- name: set_credentials!
UPDATE broker_connections SET credentials = :credentials::bytea, credential_names = :credential_names::text[]
WHERE broker_connection_id = :broker_connection_id::uuid;

-- name: set_symbol_map!
UPDATE accounts SET symbol_map = :symbol_map::jsonb WHERE account_id = :account_id::uuid;

-- name: what_uses_an_account^
SELECT (SELECT count(*) FROM strategies WHERE account_id = :account_id::uuid) AS strategies,
       (SELECT count(*) FROM positions WHERE account_id = :account_id::uuid AND status <> 'closed') AS positions,
       (SELECT count(*) FROM orders WHERE account_id = :account_id::uuid
          AND status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')) AS orders;

-- name: delete_connection!
DELETE FROM broker_connections WHERE broker_connection_id = :broker_connection_id::uuid;
