-- name: own_account$
SELECT account_id FROM accounts WHERE user_id = :user_id::uuid AND account_id = :account_id::uuid;

-- name: account_of_strategy$
SELECT strategies.account_id FROM strategies JOIN accounts USING (account_id)
WHERE accounts.user_id = :user_id::uuid AND strategies.strategy_id = :strategy_id::uuid;

-- name: accounts_of
-- A user's accounts, or with null everybody's.
SELECT account_id, user_id FROM accounts WHERE :user_id::uuid IS NULL OR user_id = :user_id::uuid ORDER BY account_id;

-- name: user_of$
SELECT user_id FROM accounts WHERE account_id = :account_id::uuid;

-- name: put_in_force^
-- A halt; one that says the same and is in force already stands for it.
WITH known AS (
    SELECT * FROM halts
    WHERE account_id = :account_id::uuid AND lifted_at IS NULL AND scope = :scope::text AND reduce_only = :reduce_only::boolean
      AND user_id IS NOT DISTINCT FROM :user_id::uuid AND strategy_id IS NOT DISTINCT FROM :strategy_id::uuid
      AND symbol IS NOT DISTINCT FROM :symbol::text
    ORDER BY created_at
    LIMIT 1
), made AS (
    INSERT INTO halts (account_id, halt_id, scope, user_id, strategy_id, symbol, reduce_only, reason, created_at, created_by)
    SELECT :account_id::uuid, :halt_id::uuid, :scope::text, :user_id::uuid, :strategy_id::uuid, :symbol::text, :reduce_only::boolean,
           :reason::text, clock_timestamp(), :created_by::text
    WHERE NOT EXISTS (SELECT FROM known)
    RETURNING *
)
SELECT * FROM known UNION ALL SELECT * FROM made;

-- name: settled^
-- All decisions that had begun without seeing the halt are over.
UPDATE halts SET settled_at = coalesce(settled_at, clock_timestamp())
WHERE account_id = :account_id::uuid AND halt_id = :halt_id::uuid
RETURNING *;

-- name: lift
-- A person resumes trading: some accounts' halts, optionally only those of one strategy or symbol.
UPDATE halts SET lifted_at = clock_timestamp(), lifted_by = :lifted_by::text
WHERE account_id = ANY (:account_ids::uuid[]) AND lifted_at IS NULL
  AND (account_id <> '00000000-0000-0000-0000-000000000000' OR user_id IS NOT DISTINCT FROM :user_id::uuid)
  AND (:strategy_id::uuid IS NULL OR strategy_id = :strategy_id::uuid)
  AND (:symbol::text IS NULL OR symbol = :symbol::text)
RETURNING *;

-- name: list_halts
-- Newest first: of these accounts, of this user, and for everybody.
SELECT * FROM halts
WHERE account_id = ANY (:account_ids::uuid[] || ARRAY['00000000-0000-0000-0000-000000000000'::uuid])
  AND (user_id IS NULL OR user_id = :user_id::uuid)
  AND (:in_force::boolean IS NULL OR (lifted_at IS NULL) = :in_force::boolean)
ORDER BY created_at DESC, halt_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: wait_at_most!
-- For a lock, in this transaction.
SELECT set_config('lock_timeout', :milliseconds::text, true);

-- name: lock_account^
-- Waits for whoever decides for the account.
SELECT kind, user_id FROM accounts WHERE account_id = :account_id::uuid FOR UPDATE;

-- name: jobs_not_begun
-- Trades that no agent has begun; held, so that none begins one that is about to be cancelled.
SELECT jobs.job_id, orders.strategy_id, orders.symbol, orders.purpose
FROM jobs JOIN orders ON orders.account_id = jobs.account_id AND orders.order_id = jobs.order_id
WHERE jobs.account_id = :account_id::uuid AND jobs.status IN ('pending', 'running') AND jobs.status = 'pending' AND jobs.attempts = 0
FOR UPDATE OF jobs;

-- name: cancel_jobs!
-- They are not begun any more; the desk books them as cancelled.
UPDATE jobs SET status = 'cancelled', error_message = :text::text, finished_at = clock_timestamp()
WHERE account_id = :account_id::uuid AND job_id = ANY (:job_ids::uuid[]) AND status = 'pending';

-- name: announce_halt!
-- Wakes the desk, which cancels entries that rest on paper.
SELECT pg_notify('hookfill_prices', '');

-- name: announce_results!
SELECT pg_notify('hookfill_results', :account_id::text);

-- name: to_leave
-- What a strategy holds in a symbol, or has an entry on its way for; and the signal that leaves it already, if there is one.
SELECT held.strategy_id, held.symbol, bool_or(held.is_open) AS is_open,
       min(asked.signal_id::text)::uuid AS signal_id
FROM (
    SELECT strategy_id, symbol, true AS is_open FROM positions WHERE account_id = :account_id::uuid AND status <> 'closed'
    UNION ALL
    SELECT strategy_id, symbol, false FROM orders
    WHERE account_id = :account_id::uuid AND purpose = 'entry'
      AND status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled')
) AS held
LEFT JOIN signals AS asked
    ON asked.account_id = :account_id::uuid AND asked.strategy_id = held.strategy_id AND asked.symbol = held.symbol
   AND asked.door = 'operator' AND asked.status IN ('pending', 'approved')
GROUP BY held.strategy_id, held.symbol
ORDER BY held.strategy_id, held.symbol;

-- name: ask_to_leave!
-- Messages of the operator's and the signals that they are, as of now (by the simulated clock, where there is one).
WITH moment AS (
    SELECT clock_timestamp() AS at, coalesce((SELECT now_at FROM simulated_clock), clock_timestamp()) AS as_of
), asked AS (
    SELECT * FROM unnest(:message_ids::uuid[], :signal_ids::uuid[], :strategy_ids::uuid[], :symbols::text[], :bodies::bytea[])
        AS a (message_id, signal_id, strategy_id, symbol, body)
), told AS (
    INSERT INTO messages (
        account_id, message_id, strategy_id, door, source, content_type, headers, body, received_at, as_of, state, signal_id
    )
    SELECT :account_id::uuid, message_id, strategy_id, 'operator', 'live', 'application/json', '{}', body, moment.at, moment.as_of,
           'processed', signal_id
    FROM asked, moment
), signalled AS (
    INSERT INTO signals (
        account_id, signal_id, message_id, strategy_id, door, source, symbol, action, status, as_of, created_at
    )
    SELECT :account_id::uuid, signal_id, message_id, strategy_id, 'operator', 'live', symbol, 'close', 'pending', moment.as_of, moment.at
    FROM asked, moment
)
SELECT pg_notify('hookfill_signals', '');
