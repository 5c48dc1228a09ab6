-- Control and visibility: who halted what and when, how the workers fare, which alarms somebody was told of; and the names that the
-- options engine's document gives.

-- Halts ----------------------------------------------------------------------------------------------------------------------------

ALTER TABLE halts
    DROP CONSTRAINT halts_scope_check,
    ADD CONSTRAINT halts_scope_check CHECK (scope IN ('global', 'user', 'account', 'strategy', 'symbol')),
    ADD COLUMN user_id    uuid,
    ADD COLUMN created_by text NOT NULL DEFAULT 'desk',
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN lifted_by  text;
COMMENT ON COLUMN halts.user_id IS 'whose trading it stops, of a halt under the nil account; null there: everybody''s';
COMMENT ON COLUMN halts.created_by IS 'a user''s id, "command" (who may use the database), or "desk" (the strategy halted itself)';
COMMENT ON COLUMN halts.settled_at IS 'when the last decision that had begun without seeing it was over; null: of the desk''s own, or that was not waited for';

-- Halts under the nil account are for all accounts, or for all of one user's.
DROP POLICY everyone_reads ON halts;
CREATE POLICY everyone_reads ON halts FOR SELECT TO authenticated
    USING (account_id = '00000000-0000-0000-0000-000000000000' AND (user_id IS NULL OR user_id = (SELECT hookfill_user_id())));
CREATE POLICY own_trading ON halts TO authenticated
    USING (account_id = '00000000-0000-0000-0000-000000000000' AND user_id = (SELECT hookfill_user_id()))
    WITH CHECK (account_id = '00000000-0000-0000-0000-000000000000' AND user_id = (SELECT hookfill_user_id()));
CREATE POLICY owners_installation ON halts TO authenticated
    USING (
        account_id = '00000000-0000-0000-0000-000000000000' AND user_id IS NULL
        AND EXISTS (SELECT FROM users WHERE users.user_id = hookfill_user_id() AND users.role = 'owner')
    )
    WITH CHECK (
        account_id = '00000000-0000-0000-0000-000000000000' AND user_id IS NULL
        AND EXISTS (SELECT FROM users WHERE users.user_id = hookfill_user_id() AND users.role = 'owner')
    );
GRANT INSERT, UPDATE (lifted_at, lifted_by, settled_at) ON halts TO authenticated;

CREATE INDEX signals_asked_by_operator ON signals (account_id, strategy_id, symbol)
    WHERE door = 'operator' AND status IN ('pending', 'approved');
COMMENT ON INDEX signals_asked_by_operator IS 'positions that are being left because somebody asked for it';

-- Workers --------------------------------------------------------------------------------------------------------------------------

CREATE TABLE workers (
    name         text NOT NULL,
    instance     uuid NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    succeeded_at timestamptz,
    failures     integer NOT NULL DEFAULT 0,
    failed_at    timestamptz,
    error        text,
    counters     jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (name, instance)
) WITH (fillfactor = 50);
COMMENT ON TABLE workers IS 'how the loops of each worker process fare, as they tell every few seconds';
COMMENT ON COLUMN workers.failures IS 'rounds in a row that failed';
COMMENT ON COLUMN workers.counters IS 'what this instance did since it started';
ALTER TABLE workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE workers FORCE ROW LEVEL SECURITY;
CREATE POLICY installation ON workers TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY service ON workers TO service_role USING (true) WITH CHECK (true);

-- Alarms ---------------------------------------------------------------------------------------------------------------------------

ALTER TABLE alarms
    ADD COLUMN notified_at  timestamptz,
    ADD COLUMN notify_tries smallint NOT NULL DEFAULT 0,
    ADD COLUMN notify_after timestamptz;
UPDATE alarms SET notified_at = clock_timestamp();
CREATE INDEX alarms_untold ON alarms (raised_at) WHERE notified_at IS NULL;
COMMENT ON COLUMN alarms.notified_at IS 'when HOOKFILL_NOTIFY_URL took it';

-- Alarms about the installation itself stand under the nil account.
CREATE POLICY owner_reads ON alarms FOR SELECT TO authenticated USING (
    account_id = '00000000-0000-0000-0000-000000000000'
    AND EXISTS (SELECT FROM users WHERE users.user_id = hookfill_user_id() AND users.role = 'owner')
);

-- The names that the options engine's document gives -------------------------------------------------------------------------------

CREATE VIEW refactored_signals WITH (security_invoker = true) AS
SELECT signals.signal_id AS id, signals.signal_id, signals.account_id, signals.strategy_id, signals.experiment_id, signals.variant,
       signals.symbol, signals.action,
       coalesce(
           signals.alert #>> '{option,right}', CASE signals.action WHEN 'buy' THEN 'long' WHEN 'sell' THEN 'short' ELSE signals.action END
       ) AS direction,
       signals.alert ->> 'timeframe' AS timeframe, signals.alert #>> '{option,strike}' AS strike,
       signals.alert #>> '{option,expiration}' AS expiration, signals.status, signals.reason,
       signals.error_message AS rejection_reason, decisions.engine, decisions.trace #>> '{engine,bias}' AS bias,
       decisions.trace #> '{engine,confidence}' AS confidence,
       jsonb_build_object(
           'quote', decisions.trace -> 'quote', 'indicators', decisions.trace #> '{engine,figures}',
           'reasons', decisions.trace #> '{engine,reasons}', 'plan', decisions.trace -> 'plan', 'sizing', decisions.trace -> 'sizing'
       ) AS enriched_data,
       jsonb_build_object(
           'passed', CASE WHEN jsonb_array_length(made.checks) > 0 THEN NOT made.checks @> '[{"passed": false}]' END,
           'refusal', jsonb_path_query_first(made.checks, '$[*] ? (@.passed == false).check'), 'checks', made.checks
       ) AS risk_check_result,
       signals.created_at, signals.decided_at AS processed_at, signals.resolved_at
FROM signals
JOIN decisions ON decisions.account_id = signals.account_id AND decisions.signal_id = signals.signal_id
CROSS JOIN LATERAL (
    SELECT coalesce(decisions.trace -> 'gates', '[]') || coalesce(decisions.trace -> 'checks', '[]') AS checks
) AS made;

CREATE VIEW refactored_orders WITH (security_invoker = true) AS
SELECT orders.order_id AS id, orders.order_id, orders.account_id, orders.strategy_id, orders.signal_id, orders.position_id,
       coalesce(option.part[1], orders.symbol) AS symbol, CASE WHEN option.part IS NOT NULL THEN orders.symbol END AS option_symbol,
       CASE option.part[5] WHEN 'C' THEN 'CALL' WHEN 'P' THEN 'PUT' END AS type, option.part[6]::numeric / 1000 AS strike,
       '20' || option.part[2] || '-' || option.part[3] || '-' || option.part[4] AS expiration,
       orders.side, orders.order_type, orders.purpose, orders.exit_reason, orders.quantity, orders.limit_price, orders.stop_price,
       orders.status, orders.filled_quantity, orders.average_fill_price AS fill_price, orders.reason, orders.client_order_id,
       orders.broker_order_id, orders.as_of, orders.created_at, orders.updated_at
FROM orders
LEFT JOIN LATERAL (
    SELECT regexp_match(orders.symbol, '^([A-Z][A-Z0-9.]{0,5})([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})$') AS part
) AS option ON true;

CREATE VIEW refactored_positions WITH (security_invoker = true) AS
SELECT positions.position_id AS id, positions.position_id, positions.account_id, positions.strategy_id,
       coalesce(option.part[1], positions.symbol) AS symbol,
       CASE WHEN option.part IS NOT NULL THEN positions.symbol END AS option_symbol,
       CASE option.part[5] WHEN 'C' THEN 'CALL' WHEN 'P' THEN 'PUT' END AS type, option.part[6]::numeric / 1000 AS strike,
       '20' || option.part[2] || '-' || option.part[3] || '-' || option.part[4] AS expiration,
       positions.quantity, positions.multiplier, positions.average_price AS entry_price, positions.mark AS current_price,
       held.unrealized_pnl, round(held.unrealized_pnl / nullif(positions.cost * positions.multiplier, 0) * 100, 4) AS position_pnl_percent,
       positions.realized_pnl, positions.commission, positions.cost * positions.multiplier AS cost_basis,
       positions.stop_price, positions.target_price, positions.trailing_stop, positions.status, positions.exit_reason,
       positions.opened_at AS entry_timestamp, positions.closed_at AS exit_timestamp, positions.marked_at,
       positions.updated_at AS last_updated, positions.opened_at AS created_at
FROM positions
CROSS JOIN LATERAL (
    SELECT sign(positions.quantity) * (positions.mark * abs(positions.quantity) - positions.cost) * positions.multiplier AS unrealized_pnl
) AS held
LEFT JOIN LATERAL (
    SELECT regexp_match(positions.symbol, '^([A-Z][A-Z0-9.]{0,5})([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})$') AS part
) AS option ON true;

-- Hosts such as Supabase give each new table whole to the roles of their own web API; here they get what is granted below and no more.
DO $$
DECLARE
    target text;
    receiver text;
BEGIN
    FOREACH target IN ARRAY ARRAY['workers', 'refactored_signals', 'refactored_orders', 'refactored_positions'] LOOP
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, authenticated', target);
        FOR receiver IN SELECT rolname FROM pg_roles WHERE rolname = 'anon' LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', target, receiver);
        END LOOP;
    END LOOP;
END $$;
GRANT ALL ON workers TO service_role;
GRANT SELECT ON refactored_signals, refactored_orders, refactored_positions TO authenticated, service_role;
