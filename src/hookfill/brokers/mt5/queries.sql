-- name: connection_for_agent^
-- A broker connection of the caller's, to be paired with an agent.
SELECT broker_connection_id, account_id, kind, label FROM broker_connections
WHERE broker_connection_id = :broker_connection_id::uuid;

-- name: add_agent!
INSERT INTO agents (agent_id, user_id, broker_connection_id, account_id, label, key_sha256)
VALUES (
    :agent_id::uuid, :user_id::uuid, :broker_connection_id::uuid, :account_id::uuid, :label::text, :key_sha256::bytea
);

-- name: agent_by_id^
-- Who an agent is, for its authentication: read as the installation, before anything is known of the caller.
SELECT agents.agent_id, agents.user_id, agents.account_id, agents.key_sha256, users.role = 'owner' AS is_owner
FROM agents JOIN users USING (user_id)
WHERE agents.agent_id = :agent_id::uuid AND agents.revoked_at IS NULL AND NOT users.is_disabled;

-- name: list_agents
-- The caller's agents that are not revoked, newest first, with what they have in hand.
SELECT agents.agent_id, agents.broker_connection_id, agents.account_id, agents.label, agents.info, agents.paired_at,
       agents.heartbeat_at, clock_timestamp() AS now,
       (
           SELECT count(*) FROM jobs
           WHERE jobs.account_id = agents.account_id AND jobs.status = 'running' AND jobs.leased_by = agents.agent_id
             AND jobs.leased_until > clock_timestamp()
       ) AS jobs_in_hand,
       (SELECT count(*) FROM jobs WHERE jobs.account_id = agents.account_id AND jobs.status = 'pending') AS jobs_waiting
FROM agents
WHERE agents.revoked_at IS NULL
ORDER BY agents.paired_at DESC, agents.agent_id DESC;

-- name: rename_agent^
UPDATE agents SET label = :label::text WHERE agent_id = :agent_id::uuid AND revoked_at IS NULL RETURNING agent_id;

-- name: revoke_agent^
UPDATE agents SET revoked_at = now() WHERE agent_id = :agent_id::uuid AND revoked_at IS NULL RETURNING account_id;

-- name: end_leases!
-- What a revoked agent had in hand may be looked for by another at once.
UPDATE jobs SET leased_until = clock_timestamp()
WHERE account_id = :account_id::uuid AND status = 'running' AND leased_by = :agent_id::uuid AND leased_until > clock_timestamp();

-- name: note_heartbeat$
-- Keeps what the agent tells of itself; what it leaves out stays. Returns the database's time.
UPDATE agents SET heartbeat_at = clock_timestamp(), info = info || :info::jsonb
WHERE agent_id = :agent_id::uuid
RETURNING heartbeat_at;

-- name: renew_leases
-- A lease that lapsed stays lapsed: somebody else may have the job by now.
UPDATE jobs SET leased_until = clock_timestamp() + :lease::interval
WHERE account_id = :account_id::uuid AND status = 'running' AND leased_by = :agent_id::uuid AND leased_until > clock_timestamp()
RETURNING job_id, lease_token, leased_until;

-- name: lease_job^
-- The account's oldest job that may be offered, leased: one that waits, is in time and depends on nothing unfinished (nor on what is
-- not booked: of a close that did a part only, the desk cancels what should follow); or one whose lease lapsed. The database's clock
-- alone decides, and each job goes to one agent however many ask at once.
WITH offered AS MATERIALIZED (
    SELECT job_id FROM jobs
    WHERE account_id = $1::uuid
      AND (
          status = 'pending' AND (expires_at IS NULL OR expires_at > clock_timestamp())
          AND (
              depends_on IS NULL
              OR EXISTS (
                  SELECT FROM jobs AS first
                  WHERE first.account_id = jobs.account_id AND first.job_id = jobs.depends_on AND first.status = 'completed'
                    AND (first.order_id IS NULL OR first.settled_at IS NOT NULL)
              )
          )
          OR status = 'running' AND leased_until <= clock_timestamp()
      )
    ORDER BY job_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET status = 'running', attempts = attempts + 1, lease_token = nextval('lease_tokens'), leased_by = $2::uuid,
    leased_until = clock_timestamp() + $3::interval
FROM offered
WHERE jobs.account_id = $1::uuid AND jobs.job_id = offered.job_id
RETURNING jobs.job_id, jobs.job_type, jobs.input_data, jobs.lease_token, jobs.leased_until, jobs.expires_at, jobs.attempts,
          clock_timestamp() AS now;

-- name: give_back!
-- The agent hung up before it was told of its lease: another may have the job at once.
UPDATE jobs SET leased_until = clock_timestamp()
WHERE account_id = :account_id::uuid AND job_id = :job_id::uuid AND status = 'running' AND lease_token = :lease_token::bigint;

-- name: accounts_with_jobs
-- Of the accounts whose agents wait: those that have a job to offer.
SELECT DISTINCT account_id FROM jobs
WHERE account_id = ANY (:account_ids::uuid[])
  AND (
      status = 'pending' AND (expires_at IS NULL OR expires_at > clock_timestamp())
      AND (
          depends_on IS NULL
          OR EXISTS (
              SELECT FROM jobs AS first
              WHERE first.account_id = jobs.account_id AND first.job_id = jobs.depends_on AND first.status = 'completed'
                AND (first.order_id IS NULL OR first.settled_at IS NOT NULL)
          )
      )
      OR status = 'running' AND leased_until <= clock_timestamp()
  );

-- name: lock_job^
SELECT job_id, job_type, input_data, status, order_id, lease_token, result IS NOT NULL AS has_result, created_at,
       clock_timestamp() AS now
FROM jobs
WHERE account_id = :account_id::uuid AND job_id = :job_id::uuid
FOR UPDATE;

-- name: finish_job!
UPDATE jobs
SET status = :status::text, result = :result::jsonb, error_message = :error_message::text, finished_at = clock_timestamp()
WHERE account_id = :account_id::uuid AND job_id = :job_id::uuid;

-- name: announce_jobs!
-- Tells waiting agents of an account that there may be a job: a hint; their server's poll is the truth.
SELECT pg_notify('hookfill_jobs', :account_id::text);

-- name: announce_results!
-- Tells the desk that a job ended or a deal came.
SELECT pg_notify('hookfill_results', :account_id::text);

-- name: add_question!
INSERT INTO jobs (account_id, job_id, job_type, input_data, status, expires_at)
VALUES (
    :account_id::uuid, :job_id::uuid, :job_type::text, :input_data::jsonb, 'pending', clock_timestamp() + :life::interval
);

-- name: agents_account^
-- Where a job for an agent belongs, and how its broker names symbols.
SELECT agents.account_id, accounts.symbol_map
FROM agents JOIN accounts USING (account_id)
WHERE agents.agent_id = :agent_id::uuid AND agents.revoked_at IS NULL;

-- name: list_jobs
-- The caller's jobs, newest first.
SELECT account_id, job_id, job_type, input_data, status, order_id, depends_on, attempts, leased_by, leased_until, expires_at,
       result, error_message, created_at, finished_at
FROM jobs
WHERE account_id = ANY (:account_ids::uuid[]) AND (:status::text IS NULL OR status = :status::text)
ORDER BY job_id DESC
LIMIT :limit::bigint OFFSET :offset::bigint;

-- name: own_accounts
SELECT account_id FROM accounts;

-- name: get_job^
SELECT account_id, job_id, job_type, input_data, status, order_id, depends_on, attempts, leased_by, leased_until, expires_at,
       result, error_message, created_at, finished_at
FROM jobs
WHERE account_id = ANY (:account_ids::uuid[]) AND job_id = :job_id::uuid;

-- name: cancel_job$
-- Only what no agent has in hand; returns the status that the job has now.
WITH held AS MATERIALIZED (
    SELECT status FROM jobs WHERE account_id = :account_id::uuid AND job_id = :job_id::uuid FOR UPDATE
), cancelled AS (
    UPDATE jobs SET status = 'cancelled', finished_at = clock_timestamp(), error_message = :error_message::text
    FROM held
    WHERE jobs.account_id = :account_id::uuid AND jobs.job_id = :job_id::uuid AND held.status = 'pending'
    RETURNING jobs.status
)
SELECT coalesce((SELECT 'done' FROM cancelled), (SELECT status FROM held));

-- name: symbol_map^
-- How an account's broker names symbols, and the database's time.
SELECT symbol_map, clock_timestamp() AS now FROM accounts WHERE account_id = :account_id::uuid;

-- name: note_account!
-- What the broker says that the account is worth. Its currency is the account's too, until the first fill is booked in it.
UPDATE accounts
SET broker_balance = :balance::numeric, broker_equity = :equity::numeric, reported_at = clock_timestamp(),
    currency = CASE
        WHEN :currency::text ~ '^[A-Z]{3}$' AND NOT EXISTS (SELECT FROM fills WHERE fills.account_id = accounts.account_id)
        THEN :currency::text ELSE currency
    END
WHERE account_id = :account_id::uuid;

-- name: add_deals$
-- What was dealt without a job of ours, once; a deal that a job's result names is that job's. Returns how many were new.
WITH told AS (
    SELECT * FROM jsonb_to_recordset(:deals::jsonb) AS deal (
        deal_id text, symbol text, side text, quantity numeric, price numeric, magic bigint, reason text, profit numeric,
        dealt_at timestamptz
    )
    WHERE NOT EXISTS (
        SELECT FROM broker_deals AS known WHERE known.account_id = :account_id::uuid AND known.deal_id = deal.deal_id
    )
), own AS (
    SELECT jsonb_array_elements_text(jobs.result -> 'deal_ids') AS deal_id
    FROM jobs
    WHERE jobs.account_id = :account_id::uuid AND jsonb_typeof(jobs.result -> 'deal_ids') = 'array' AND EXISTS (SELECT FROM told)
), added AS (
    INSERT INTO broker_deals (account_id, deal_id, symbol, side, quantity, price, magic, reason, profit, dealt_at)
    SELECT DISTINCT ON (deal_id) :account_id::uuid, deal_id, symbol, side, quantity, price, magic, reason, profit, dealt_at
    FROM told
    WHERE deal_id NOT IN (SELECT deal_id FROM own)
    ORDER BY deal_id
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added;

-- name: our_positions
SELECT strategy_id, symbol, quantity, stop_price FROM positions WHERE account_id = :account_id::uuid AND status <> 'closed';

-- name: strategies_known
-- Every strategy whose mark may be on a position.
SELECT strategy_id FROM strategies WHERE account_id = :account_id::uuid
UNION
SELECT strategy_id FROM positions WHERE account_id = :account_id::uuid AND status <> 'closed';

-- name: orders_moving
-- What is being dealt just now.
SELECT DISTINCT strategy_id, symbol FROM orders
WHERE account_id = :account_id::uuid AND status IN ('created', 'submitting', 'unknown', 'working', 'partially_filled');

-- name: deals_moving
-- What is being booked just now.
SELECT DISTINCT broker_deals.magic, broker_deals.symbol, accounts.symbol_map
FROM broker_deals JOIN accounts USING (account_id)
WHERE broker_deals.account_id = :account_id::uuid AND broker_deals.settled_at IS NULL AND broker_deals.magic IS NOT NULL;

-- name: lock_snapshot^
SELECT agent_id, taken_at, account, positions, differences FROM broker_snapshots WHERE account_id = :account_id::uuid FOR UPDATE;

-- name: keep_snapshot!
INSERT INTO broker_snapshots (account_id, agent_id, taken_at, account, positions, differences)
VALUES (
    :account_id::uuid, :agent_id::uuid, :taken_at::timestamptz, :account::jsonb, :positions::jsonb, :differences::jsonb
)
ON CONFLICT (account_id) DO UPDATE
SET agent_id = excluded.agent_id, taken_at = excluded.taken_at, account = excluded.account, positions = excluded.positions,
    differences = excluded.differences;

-- name: get_snapshot^
-- An account of the caller's with what an agent last told of it, if one did.
SELECT accounts.account_id, agent_id, taken_at, account, positions, differences
FROM accounts LEFT JOIN broker_snapshots USING (account_id)
WHERE accounts.account_id = :account_id::uuid;

-- name: silent_accounts
-- MetaTrader accounts with something to do or to lose, and no agent that gave a sign of life lately.
SELECT connections.account_id, connections.label, jobs.are_waiting
FROM broker_connections AS connections
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM jobs WHERE jobs.account_id = connections.account_id AND jobs.status IN ('pending', 'running')
    ) AS are_waiting
) AS jobs
WHERE connections.kind = 'mt5'
  AND NOT EXISTS (
      SELECT FROM agents
      WHERE agents.broker_connection_id = connections.broker_connection_id AND agents.revoked_at IS NULL
        AND agents.heartbeat_at > clock_timestamp() - :silence::interval
  )
  AND (
      jobs.are_waiting
      OR EXISTS (
          SELECT FROM positions WHERE positions.account_id = connections.account_id AND positions.status <> 'closed'
      )
  );

-- name: expire_questions!
-- A person's questions that no agent has taken in time; the desk sees to the jobs of orders.
UPDATE jobs
SET status = 'expired', finished_at = clock_timestamp(), error_message = 'no agent took it in time: look whether one is online'
WHERE status = 'pending' AND order_id IS NULL AND expires_at <= clock_timestamp();

-- name: bars_asked_for^
SELECT jobs.input_data, accounts.symbol_map, clock_timestamp() AS now
FROM jobs JOIN accounts USING (account_id)
WHERE jobs.account_id = :account_id::uuid AND jobs.job_id = :job_id::uuid AND jobs.job_type = 'get_candles'
  AND jobs.status = 'running';
