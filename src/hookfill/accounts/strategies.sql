-- name: list_strategies
-- A user's strategies, newest first (or the one of an id), with their account and what it is connected to.
SELECT strategies.account_id, strategies.strategy_id, strategies.name, strategies.engine, strategies.is_enabled,
       strategies.is_signed_door, strategies.risk_override_pct, strategies.allowed_pairs, strategies.settings, strategies.created_at,
       strategies.updated_at, accounts.name AS account_name, accounts.kind AS account_kind,
       broker_connections.broker_connection_id, broker_connections.label AS connection_label
FROM strategies
JOIN accounts USING (account_id)
LEFT JOIN broker_connections USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND (:strategy_id::uuid IS NULL OR strategies.strategy_id = :strategy_id::uuid)
ORDER BY strategies.created_at DESC, strategies.strategy_id DESC
LIMIT :most::integer OFFSET :skipped::integer;

-- name: signals_by_status
SELECT strategy_id, status, count(*) AS signals
FROM signals
WHERE account_id = ANY (:account_ids::uuid[]) AND strategy_id = ANY (:strategy_ids::uuid[])
GROUP BY strategy_id, status
ORDER BY strategy_id, status;

-- name: account_of_strategy$
SELECT strategies.account_id FROM strategies JOIN accounts USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND strategies.strategy_id = :strategy_id::uuid;

-- name: lock_account
-- Waits for whoever decides for the account.
SELECT 1 FROM accounts WHERE account_id = :account_id::uuid FOR UPDATE;

-- name: lock_strategy^
-- Nobody else changes it, gives it a secret or deletes it until the transaction ends.
SELECT name, engine, is_enabled, is_signed_door, risk_override_pct, allowed_pairs, settings
FROM strategies WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid FOR UPDATE;

-- name: set_strategy!
UPDATE strategies
SET name = :name::text, engine = :engine::text, is_enabled = :is_enabled::boolean, risk_override_pct = :risk_override_pct::numeric,
    allowed_pairs = :allowed_pairs::text[], settings = :settings::jsonb, updated_at = now()
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: forget_lapsed_secrets!
DELETE FROM webhook_secrets
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid AND expires_at <= now();

-- name: let_secrets_lapse!
-- The secrets in force have so many seconds left, or fewer where that was said before.
UPDATE webhook_secrets
SET expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => :seconds::double precision))
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: cancel_entries!
-- Entries that no agent has begun are not begun any more; the desk books them as cancelled.
UPDATE jobs SET status = 'cancelled', error_message = 'The strategy was deleted.', finished_at = clock_timestamp()
FROM orders
WHERE jobs.account_id = :account_id::uuid AND jobs.status = 'pending' AND jobs.attempts = 0
  AND orders.account_id = jobs.account_id AND orders.order_id = jobs.order_id
  AND orders.strategy_id = :strategy_id::uuid AND orders.purpose = 'entry';

-- name: delete_experiments!
DELETE FROM experiments WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: delete_shadow_positions!
DELETE FROM shadow_positions WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: delete_shadow_orders!
DELETE FROM shadow_orders WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: delete_shadow_trades!
DELETE FROM shadow_trades WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: delete_decisions!
DELETE FROM decisions
USING signals
WHERE decisions.account_id = :account_id::uuid AND signals.account_id = decisions.account_id
  AND signals.signal_id = decisions.signal_id AND signals.strategy_id = :strategy_id::uuid;

-- name: delete_signals!
DELETE FROM signals WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: delete_secrets!
DELETE FROM webhook_secrets WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: lift_its_halts!
UPDATE halts SET lifted_at = now()
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid AND lifted_at IS NULL;

-- name: delete_strategy!
DELETE FROM strategies WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;

-- name: account_of_connection$
-- The account behind a connection, which stays until the transaction ends.
SELECT account_id FROM broker_connections
WHERE user_id = :user_id::uuid AND broker_connection_id = :broker_connection_id::uuid
FOR SHARE;
