-- Users, their sessions, API keys and invitations. All but what says otherwise is run as the installation itself.

-- name: caller_of_token^
-- Whose installation token or API key this is; notes the use of a key at most once a minute. No row: nobody's, or out of force.
WITH used AS (
    UPDATE api_keys SET last_used_at = clock_timestamp()
    WHERE key_sha256 = :token_sha256::bytea AND revoked_at IS NULL
      AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
)
SELECT user_id, role, NULL::uuid AS key_id, NULL::text[] AS scopes
FROM users WHERE token_sha256 = :token_sha256::bytea AND NOT is_disabled
UNION ALL
SELECT user_id, role, key_id, scopes
FROM api_keys JOIN users USING (user_id)
WHERE key_sha256 = :token_sha256::bytea AND revoked_at IS NULL AND NOT is_disabled;

-- name: caller_of_user^
SELECT user_id, role FROM users WHERE user_id = :user_id::uuid AND NOT is_disabled;

-- name: caller_of_subject^
-- The user of a foreign token issuer's subject, disabled or not.
SELECT user_id, role, is_disabled FROM users WHERE external_subject = :subject::text;

-- name: is_owner_unclaimed$
-- Whether nobody has registered as the owner yet.
SELECT EXISTS (
    SELECT FROM users WHERE role = 'owner' AND email IS NULL AND password_hash IS NULL AND external_subject IS NULL
);

-- name: claim_owner$
-- The first to register takes over the owner's row that the first start made; nothing when somebody was faster.
UPDATE users
SET email = :email::text, password_hash = :password_hash::text, external_subject = :external_subject::text
WHERE role = 'owner' AND email IS NULL AND password_hash IS NULL AND external_subject IS NULL
RETURNING user_id;

-- name: create_user$
-- Nothing when the e-mail address or the subject is taken.
INSERT INTO users (user_id, name, role, email, password_hash, external_subject)
VALUES (:user_id::uuid, :name::text, 'user', :email::text, :password_hash::text, :external_subject::text)
ON CONFLICT DO NOTHING
RETURNING user_id;

-- name: is_email_taken$
SELECT EXISTS (SELECT FROM users WHERE email = :email::text);

-- name: login_of_email^
SELECT user_id, password_hash, is_disabled FROM users WHERE email = :email::text;

-- name: password_of_user$
SELECT password_hash FROM users WHERE user_id = :user_id::uuid;

-- name: set_password!
UPDATE users SET password_hash = :password_hash::text WHERE user_id = :user_id::uuid;

-- name: replace_password!
-- The same password under new parameters, unless it was changed meanwhile.
UPDATE users SET password_hash = :password_hash::text
WHERE user_id = :user_id::uuid AND password_hash = :old_password_hash::text;

-- name: set_disabled$
UPDATE users SET is_disabled = :is_disabled::boolean WHERE user_id = :user_id::uuid RETURNING user_id;

-- name: list_users
SELECT user_id, name, email, role, is_disabled, created_at, password_hash IS NOT NULL AS has_password, external_subject
FROM users ORDER BY created_at, user_id;

-- name: me^
-- Run as the user.
SELECT users.user_id, users.name, email, role, users.created_at, account_id AS default_account_id
FROM users LEFT JOIN accounts ON accounts.user_id = users.user_id AND is_default
WHERE users.user_id = :user_id::uuid;

-- name: add_refresh_token!
INSERT INTO refresh_tokens (token_sha256, user_id, family_id, expires_at)
VALUES (:token_sha256::bytea, :user_id::uuid, :family_id::uuid, now() + make_interval(secs => :seconds::double precision));

-- name: forget_old_refresh_tokens!
DELETE FROM refresh_tokens WHERE user_id = :user_id::uuid AND expires_at < now();

-- name: lock_session^
-- The session that a refresh token belongs to, one request at a time: a token must not be renewed while its family is revoked.
SELECT user_id, family_id, is_disabled
FROM refresh_tokens JOIN users USING (user_id)
WHERE refresh_tokens.token_sha256 = :token_sha256::bytea
FOR NO KEY UPDATE OF users;

-- name: use_refresh_token$
UPDATE refresh_tokens SET used_at = now()
WHERE token_sha256 = :token_sha256::bytea AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()
RETURNING family_id;

-- name: was_refresh_token_used$
SELECT used_at IS NOT NULL FROM refresh_tokens WHERE token_sha256 = :token_sha256::bytea;

-- name: revoke_family!
UPDATE refresh_tokens SET revoked_at = now() WHERE family_id = :family_id::uuid AND revoked_at IS NULL;

-- name: revoke_sessions!
UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = :user_id::uuid AND revoked_at IS NULL;

-- name: add_invitation^
-- Run as the owner.
INSERT INTO invitations (invitation_id, token_sha256, invited_by, email, expires_at)
VALUES (
    :invitation_id::uuid, :token_sha256::bytea, :invited_by::uuid, :email::text,
    now() + make_interval(secs => :seconds::double precision)
)
RETURNING invitation_id, email, created_at, expires_at, accepted_at;

-- name: is_invitation_usable$
SELECT EXISTS (
    SELECT FROM invitations
    WHERE token_sha256 = :token_sha256::bytea AND accepted_at IS NULL AND expires_at > now()
      AND (email IS NULL OR email = :email::text)
);

-- name: accept_invitation$
-- Takes the invitation; nothing when it is used, over, revoked or for another address.
UPDATE invitations SET accepted_at = now()
WHERE token_sha256 = :token_sha256::bytea AND accepted_at IS NULL AND expires_at > now()
  AND (email IS NULL OR email = :email::text)
RETURNING invitation_id;

-- name: note_accepted!
UPDATE invitations SET accepted_by = :accepted_by::uuid WHERE invitation_id = :invitation_id::uuid;

-- name: list_invitations
-- Run as the owner.
SELECT invitation_id, email, created_at, expires_at, accepted_at
FROM invitations WHERE invited_by = :invited_by::uuid
ORDER BY invitation_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: revoke_invitation$
-- Run as the owner.
DELETE FROM invitations
WHERE invited_by = :invited_by::uuid AND invitation_id = :invitation_id::uuid AND accepted_at IS NULL
RETURNING invitation_id;

-- name: count_api_keys$
-- Run as the user; those in force.
SELECT count(*) FROM api_keys WHERE user_id = :user_id::uuid AND revoked_at IS NULL;

-- name: add_api_key^
-- Run as the user.
INSERT INTO api_keys (key_id, user_id, label, prefix, key_sha256, scopes)
VALUES (:key_id::uuid, :user_id::uuid, :label::text, :prefix::text, :key_sha256::bytea, :scopes::text[])
RETURNING key_id, label, prefix, scopes, created_at, last_used_at, revoked_at;

-- name: list_api_keys
-- Run as the user.
SELECT key_id, label, prefix, scopes, created_at, last_used_at, revoked_at
FROM api_keys WHERE user_id = :user_id::uuid
ORDER BY key_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: revoke_api_key$
-- Run as the user.
UPDATE api_keys SET revoked_at = now()
WHERE user_id = :user_id::uuid AND key_id = :key_id::uuid AND revoked_at IS NULL
RETURNING key_id;

-- name: candle_keys
-- What the candles door keeps in memory: the keys in force that may push candles. Candles are everybody's: only the owner's may.
SELECT key_sha256
FROM api_keys JOIN users USING (user_id)
WHERE 'candles' = ANY (scopes) AND revoked_at IS NULL AND role = 'owner' AND NOT is_disabled;

-- name: touch_api_key!
UPDATE api_keys SET last_used_at = clock_timestamp() WHERE key_sha256 = :key_sha256::bytea;
