-- name: story_signal^
SELECT signals.*, strategies.name AS strategy_name, decisions.engine, decisions.verdict, decisions.trace
FROM accounts
JOIN signals USING (account_id)
LEFT JOIN strategies ON strategies.account_id = signals.account_id AND strategies.strategy_id = signals.strategy_id
LEFT JOIN decisions ON decisions.account_id = signals.account_id AND decisions.signal_id = signals.signal_id
WHERE accounts.user_id = :user_id::uuid AND signals.signal_id = :signal_id::uuid;

-- name: story_message^
SELECT messages.*, strategies.name AS strategy_name
FROM accounts
JOIN messages USING (account_id)
LEFT JOIN strategies ON strategies.account_id = messages.account_id AND strategies.strategy_id = messages.strategy_id
WHERE accounts.user_id = :user_id::uuid AND messages.message_id = :message_id::uuid;

-- name: duplicates_of^
SELECT count(*) AS duplicates, max(received_at) AS last_at
FROM messages
WHERE account_id = :account_id::uuid AND signal_id = :signal_id::uuid AND state = 'duplicate';

-- name: positions_named
SELECT * FROM positions WHERE account_id = :account_id::uuid AND position_id = ANY (:position_ids::uuid[]);

-- name: later_exits
-- How positions were left, wholly or in part, after a signal had entered them.
SELECT orders.*, NULL AS strategy_name
FROM orders
WHERE account_id = :account_id::uuid AND position_id = ANY (:position_ids::uuid[]) AND purpose = 'exit'
  AND signal_id IS DISTINCT FROM :signal_id::uuid AND as_of >= :as_of::timestamptz AND created_at >= :created_at::timestamptz
ORDER BY as_of, created_at;

-- name: jobs_of_orders
-- What agents were asked to do for these orders.
SELECT jobs.*, agents.label AS agent_label
FROM jobs LEFT JOIN agents ON agents.agent_id = jobs.leased_by
WHERE jobs.account_id = :account_id::uuid AND jobs.order_id = ANY (:order_ids::uuid[]);
