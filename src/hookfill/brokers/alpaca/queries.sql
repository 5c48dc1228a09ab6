-- name: connections
-- All accounts at Alpaca that are to be traded, with their encrypted credentials.
SELECT connections.account_id, connections.user_id, connections.label, connections.credentials, accounts.is_live,
       accounts.symbol_map, users.role = 'owner' AS is_owner
FROM broker_connections AS connections
JOIN accounts USING (account_id)
JOIN users ON users.user_id = connections.user_id
WHERE connections.kind = 'alpaca' AND connections.is_enabled AND NOT users.is_disabled;

-- name: take_lock$
-- The account's lock for as long as this connection lives; false when another process has it.
SELECT pg_try_advisory_lock(hashtextextended('hookfill alpaca ' || (:account_id::uuid)::text, 0));

-- name: drop_lock!
SELECT pg_advisory_unlock(hashtextextended('hookfill alpaca ' || (:account_id::uuid)::text, 0));

-- name: begin_session!
-- The connection that runs this holds the lock. What an earlier session had in hand may be looked for at once.
WITH begun AS (
    INSERT INTO alpaca_sessions (account_id, session_id, holder_pid, begun_at)
    VALUES (:account_id::uuid, :session_id::uuid, pg_backend_pid(), clock_timestamp())
    ON CONFLICT (account_id) DO UPDATE
    SET session_id = excluded.session_id, holder_pid = excluded.holder_pid, begun_at = excluded.begun_at, reconciled_at = NULL,
        told_at = NULL, failures = 0, note = NULL
)
UPDATE jobs SET leased_until = clock_timestamp()
WHERE account_id = :account_id::uuid AND status = 'running' AND leased_until > clock_timestamp();

-- name: note_no_session!
INSERT INTO alpaca_sessions (account_id, note) VALUES (:account_id::uuid, :note::text)
ON CONFLICT (account_id) DO UPDATE
SET session_id = NULL, holder_pid = NULL, reconciled_at = NULL, note = excluded.note
WHERE alpaca_sessions.note IS DISTINCT FROM excluded.note OR alpaca_sessions.session_id IS NOT NULL;

-- name: note_told!
-- The session has heard from Alpaca; once both sides agreed it stays so until the session ends.
UPDATE alpaca_sessions
SET told_at = clock_timestamp(), failures = 0, note = :note::text,
    reconciled_at = coalesce(reconciled_at, CASE WHEN :agrees::boolean THEN clock_timestamp() END)
WHERE account_id = :account_id::uuid AND session_id = :session_id::uuid;

-- name: note_failure$
-- How often in a row Alpaca could not be asked.
UPDATE alpaca_sessions SET failures = failures + 1, note = :note::text
WHERE account_id = :account_id::uuid AND session_id = :session_id::uuid
RETURNING failures;

-- name: standing^
-- Whether entries may be made: a session lives (its connection holds the lock) and has found both sides to agree.
SELECT reconciled_at IS NOT NULL AS is_reconciled, note,
       EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND pid = alpaca_sessions.holder_pid AND objsubid = 1
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND (classid::bigint << 32) | objid::bigint = hashtextextended('hookfill alpaca ' || (:account_id::uuid)::text, 0)
       ) AS is_alive
FROM alpaca_sessions
WHERE account_id = :account_id::uuid;

-- name: extend_leases
-- Keeps the leases of what a session is at; returns of which the order shall not fill any further: somebody asked to cancel it, or it
-- is an entry that waits for a price while trading is halted, or its strategy is gone or switched off.
WITH kept AS (
    UPDATE jobs SET leased_until = clock_timestamp() + :lease::interval
    WHERE account_id = :account_id::uuid AND job_id = ANY (:job_ids::uuid[]) AND status = 'running'
      AND leased_by = :session_id::uuid AND leased_until < clock_timestamp() + :lease::interval / 2
)
SELECT jobs.job_id
FROM jobs
JOIN orders ON orders.account_id = jobs.account_id AND orders.order_id = jobs.order_id
LEFT JOIN strategies ON strategies.account_id = orders.account_id AND strategies.strategy_id = orders.strategy_id
WHERE jobs.account_id = :account_id::uuid AND jobs.job_id = ANY (:job_ids::uuid[])
  AND (
      orders.cancel_requested_at IS NOT NULL
      OR orders.order_type <> 'market' AND orders.purpose = 'entry'
      AND (
          strategies.is_enabled IS NOT TRUE
          OR EXISTS (
              SELECT FROM halts
              WHERE halts.account_id IN (:account_id::uuid, '00000000-0000-0000-0000-000000000000') AND halts.lifted_at IS NULL
                AND (halts.user_id IS NULL OR halts.user_id = (SELECT user_id FROM accounts WHERE account_id = :account_id::uuid))
                AND (halts.strategy_id IS NULL OR halts.strategy_id = orders.strategy_id)
                AND (halts.symbol IS NULL OR halts.symbol = orders.symbol)
          )
      )
  );

-- name: order_of_job$
-- The order that a job carries out.
SELECT order_id FROM jobs WHERE account_id = :account_id::uuid AND job_id = :job_id::uuid;

-- name: guards_of
-- The broker's ids of the entries that made a position and were sent with a stop or target.
SELECT DISTINCT orders.broker_order_id
FROM orders
JOIN jobs ON jobs.account_id = orders.account_id AND jobs.order_id = orders.order_id
WHERE orders.account_id = :account_id::uuid AND orders.position_id = :position_id::uuid AND orders.purpose = 'entry'
  AND orders.broker_order_id IS NOT NULL AND jobs.input_data ?| ARRAY['sl', 'tp'];

-- name: guarded_entries
-- The entries of all open positions that were sent with a stop or target.
SELECT DISTINCT orders.broker_order_id, orders.strategy_id, orders.symbol
FROM positions
JOIN orders ON orders.account_id = positions.account_id AND orders.position_id = positions.position_id
JOIN jobs ON jobs.account_id = orders.account_id AND jobs.order_id = orders.order_id
WHERE positions.account_id = :account_id::uuid AND positions.status <> 'closed' AND orders.purpose = 'entry'
  AND orders.broker_order_id IS NOT NULL AND orders.filled_quantity > 0 AND jobs.input_data ?| ARRAY['sl', 'tp'];

-- name: position_of$
-- The position that an order is about.
SELECT position_id FROM orders WHERE account_id = :account_id::uuid AND order_id = :order_id::uuid;

-- name: bought_for$
-- How much the entries have bought in all of the position that an order is about.
SELECT coalesce(sum(entries.filled_quantity), 0)
FROM orders JOIN orders AS entries
    ON entries.account_id = orders.account_id AND entries.position_id = orders.position_id AND entries.purpose = 'entry'
WHERE orders.account_id = :account_id::uuid AND orders.order_id = :order_id::uuid;

-- name: held
-- What the books hold, and how much of it was bought in all.
SELECT strategy_id, symbol, quantity,
       (
           SELECT coalesce(sum(orders.filled_quantity), 0) FROM orders
           WHERE orders.account_id = positions.account_id AND orders.position_id = positions.position_id
             AND orders.purpose = 'entry'
       ) AS bought
FROM positions
WHERE account_id = :account_id::uuid AND status <> 'closed';

-- name: note_order!
-- How an order stands at the broker, for people; the desk books its end.
UPDATE orders
SET status = :status::text, broker_order_id = coalesce(:broker_order_id::text, broker_order_id), error_message = :text::text,
    updated_at = clock_timestamp()
WHERE account_id = :account_id::uuid AND order_id = :order_id::uuid AND status = ANY (:from_statuses::text[]);

-- name: ended_unfilled
-- Orders of the last day that ended here with nothing filled: none of them may live at the broker.
SELECT client_order_id, symbol FROM orders
WHERE account_id = :account_id::uuid AND status IN ('rejected', 'expired', 'cancelled') AND filled_quantity = 0
  AND created_at > clock_timestamp() - interval '1 day';

-- name: unknown_orders
SELECT client_order_id FROM orders WHERE account_id = :account_id::uuid AND status = 'unknown';
