-- Options: what their prices are made of, the moment at which time alone ends a position, partial targets, and settlement at nothing.

ALTER TABLE positions
    ADD underlying text,
    ADD terms jsonb,
    ADD targets jsonb NOT NULL DEFAULT '[]',
    ADD leave_at timestamptz,
    ADD leave_for text,
    ADD due_at timestamptz;
COMMENT ON COLUMN positions.underlying IS 'of an option the symbol whose price decides its own; null for all else';
COMMENT ON COLUMN positions.terms IS 'of an option: volatility, rate and source of its prices, half of its spread as a share of the price';
COMMENT ON COLUMN positions.targets IS 'partial targets that are not taken yet, nearest first';
COMMENT ON COLUMN positions.leave_at IS 'from then on its time is up, leave_for says by which rule; null: no rule says so';
COMMENT ON COLUMN positions.due_at IS 'when something happens to it even if no price comes; null: never, or it was looked at';

CREATE INDEX positions_open_by_underlying ON positions (underlying, account_id) WHERE status <> 'closed' AND underlying IS NOT NULL;
CREATE INDEX positions_due ON positions (due_at) WHERE status <> 'closed' AND due_at IS NOT NULL;

-- An option that ends out of the money is settled at 0; nothing else has no price.
ALTER TABLE fills
    DROP CONSTRAINT fills_price_check,
    ADD CONSTRAINT fills_price_check CHECK (price < 1e15 AND (price > 0 OR price = 0 AND price_source = 'expiry'));
ALTER TABLE orders
    DROP CONSTRAINT orders_average_fill_price_check,
    ADD CONSTRAINT orders_average_fill_price_check
        CHECK (average_fill_price < 1e15 AND (average_fill_price > 0 OR average_fill_price = 0 AND exit_reason = 'expired'));
