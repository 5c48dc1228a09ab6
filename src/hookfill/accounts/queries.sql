-- name: find_owner^
SELECT user_id FROM users WHERE role = 'owner';

-- name: create_owner$
-- The owner; nothing when another process was faster.
INSERT INTO users (user_id, name, role, token_sha256) VALUES (:user_id::uuid, 'owner', 'owner', :token_sha256::bytea)
ON CONFLICT DO NOTHING
RETURNING user_id;

-- name: set_token!
UPDATE users SET token_sha256 = :token_sha256::bytea WHERE role = 'owner';

-- name: user_of_token$
SELECT user_id FROM users WHERE token_sha256 = :token_sha256::bytea;

-- name: create_user_settings!
-- The defaults; what is there stays.
INSERT INTO user_settings (user_id) VALUES (:user_id::uuid) ON CONFLICT DO NOTHING;

-- name: create_account!
INSERT INTO accounts (
    account_id, user_id, name, kind, currency, time_zone, starting_cash, cash, balance, day, day_start_balance, limits, is_default
)
VALUES (
    :account_id::uuid, :user_id::uuid, :name::text, 'paper', :currency::text, :time_zone::text, :cash::numeric, :cash::numeric,
    :cash::numeric, '1970-01-01'::date, :cash::numeric, :limits::jsonb, :is_default::boolean
);

-- name: default_account$
SELECT account_id FROM accounts WHERE user_id = :user_id::uuid AND is_default;

-- name: accounts_of_user
SELECT * FROM accounts WHERE user_id = :user_id::uuid ORDER BY is_default DESC, created_at, account_id;

-- name: account_by_name^
SELECT * FROM accounts WHERE user_id = :user_id::uuid AND name = :name::text;

-- name: create_strategy!
INSERT INTO strategies (
    account_id, strategy_id, name, engine, is_signed_door, risk_override_pct, allowed_pairs, settings
)
VALUES (
    :account_id::uuid, :strategy_id::uuid, :name::text, :engine::text, :is_signed_door::boolean, :risk_override_pct::numeric,
    :allowed_pairs::text[], :settings::jsonb
);

-- name: add_secret!
INSERT INTO webhook_secrets (secret_sha256, account_id, strategy_id)
VALUES (:secret_sha256::bytea, :account_id::uuid, :strategy_id::uuid);

-- name: announce_secrets!
SELECT pg_notify('hookfill_secrets', '');

-- name: all_secrets
-- What the doors keep in memory: every secret in force, where it leads and how many seconds are left to it (null: no end is set).
SELECT secret_sha256, account_id, strategy_id, extract(epoch FROM expires_at - now())::double precision AS seconds_left
FROM webhook_secrets WHERE expires_at IS NULL OR expires_at > now();

-- name: secret_by_hash^
SELECT account_id, strategy_id, extract(epoch FROM expires_at - now())::double precision AS seconds_left FROM webhook_secrets
WHERE secret_sha256 = :secret_sha256::bytea AND (expires_at IS NULL OR expires_at > now());

-- name: signed_door^
-- The strategy behind POST /webhook: the owner's default account's.
SELECT strategies.account_id, strategies.strategy_id
FROM strategies JOIN accounts USING (account_id) JOIN users USING (user_id)
WHERE strategies.is_signed_door AND accounts.is_default AND users.role = 'owner';

-- name: set_enabled!
UPDATE strategies SET is_enabled = :is_enabled::boolean
WHERE account_id = :account_id::uuid AND strategy_id = :strategy_id::uuid;
