-- Two engines and the experiment between them: feature flags, the council as an engine, and what the router decided with.

CREATE TABLE feature_flags (
    name       text PRIMARY KEY,
    is_enabled boolean NOT NULL,
    changed_by uuid,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE feature_flags IS 'flags that were ever set; the others are off. They hold for the whole installation';
COMMENT ON COLUMN feature_flags.changed_by IS 'who set it as it is; null: `hookfill flags set` on the installation''s own machine';

DO $$
DECLARE receiver text;
BEGIN
    ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY installation ON feature_flags TO CURRENT_USER USING (true) WITH CHECK (true);
    CREATE POLICY service ON feature_flags TO service_role USING (true) WITH CHECK (true);
    CREATE POLICY everyone_reads ON feature_flags FOR SELECT TO authenticated USING (true);
    FOR receiver IN SELECT 'public' UNION ALL SELECT quote_ident(rolname) FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON feature_flags FROM %s', receiver);
    END LOOP;
    GRANT ALL ON feature_flags TO service_role;
    GRANT SELECT ON feature_flags TO authenticated;
END $$;

ALTER TABLE strategies
    DROP CONSTRAINT strategies_engine_check,
    ADD CONSTRAINT strategies_engine_check CHECK (engine IN ('direct', 'rules', 'council', 'ab'));

ALTER TABLE signals ADD split_percentage smallint CHECK (split_percentage BETWEEN 0 AND 100);
COMMENT ON COLUMN signals.split_percentage IS 'the split between the engines by which the signed door chose the variant; null: another door';
