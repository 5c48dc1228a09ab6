-- name: lock_own_account^
-- An account under its lock, waited for; nothing when it is not the asker's. Held until the transaction ends.
SELECT * FROM accounts WHERE account_id = :account_id::uuid FOR UPDATE;

-- name: record_equity!
-- The minute's point of the equity curve; what changed last in a minute stands.
INSERT INTO equity_points (account_id, at, equity, balance, cash)
VALUES (:account_id::uuid, :at::timestamptz, :equity::numeric, :balance::numeric, :cash::numeric)
ON CONFLICT (account_id, at) DO UPDATE SET equity = excluded.equity, balance = excluded.balance, cash = excluded.cash;

-- name: equity_points
-- The newest points of a span first, so that a limit keeps those.
SELECT at, equity, balance, cash FROM equity_points
WHERE account_id = :account_id::uuid
  AND (:since::timestamptz IS NULL OR at >= :since::timestamptz)
  AND (:until::timestamptz IS NULL OR at <= :until::timestamptz)
ORDER BY at DESC LIMIT :most::integer;

-- name: move_cash^
-- Money put in (positive) or taken out: everything that counts from the account's capital moves with it, what was realised does not.
UPDATE accounts
SET starting_cash = starting_cash + :amount::numeric, cash = cash + :amount::numeric, balance = balance + :amount::numeric,
    day_start_balance = day_start_balance + :amount::numeric
WHERE account_id = :account_id::uuid
RETURNING cash, balance;

-- name: add_movement$
-- A movement, once: nothing when there is one of this id already.
INSERT INTO cash_movements (account_id, movement_id, kind, amount, note)
VALUES (:account_id::uuid, :movement_id::uuid, :kind::text, :amount::numeric, :note::text)
ON CONFLICT (account_id, movement_id) DO NOTHING
RETURNING created_at;

-- name: movement^
SELECT kind, amount, note, created_at FROM cash_movements WHERE account_id = :account_id::uuid AND movement_id = :movement_id::uuid;

-- name: movements
SELECT movement_id AS id, kind, amount, note, created_at FROM cash_movements
WHERE account_id = :account_id::uuid
ORDER BY created_at DESC, movement_id
LIMIT :most::integer OFFSET :skipped::integer;

-- name: account_extras^
SELECT broker_connection_id, starting_cash, symbol_map, limits AS own_limits, costs
FROM accounts LEFT JOIN broker_connections USING (account_id)
WHERE account_id = :account_id::uuid;

-- name: set_account!
UPDATE accounts
SET name = :name::text, time_zone = :time_zone::text, limits = :limits::jsonb, symbol_map = :symbol_map::jsonb,
    costs = :costs::jsonb
WHERE account_id = :account_id::uuid;
