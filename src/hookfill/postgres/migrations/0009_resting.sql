-- Orders that rest on paper until a price comes, and what trading on paper costs each account.

ALTER TABLE accounts
    ADD COLUMN costs jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN resting integer NOT NULL DEFAULT 0 CHECK (resting >= 0);
COMMENT ON COLUMN accounts.costs IS 'what trading on paper costs, where it differs from the defaults';
COMMENT ON COLUMN accounts.resting IS 'how many orders rest on paper: whoever holds the account''s lock need not look for them when there are none';

ALTER TABLE orders
    ADD COLUMN time_in_force       text CHECK (time_in_force IN ('day', 'gtc')),
    ADD COLUMN expires_at          timestamptz,
    ADD COLUMN seen_until          timestamptz,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN terms               jsonb;
COMMENT ON COLUMN orders.expires_at IS 'prices up to this moment may fill the order; null: until it is cancelled';
COMMENT ON COLUMN orders.seen_until IS 'prices up to this moment have been accounted for';
COMMENT ON COLUMN orders.cancel_requested_at IS 'a person asked to cancel it; the desk does so before it looks at any price';
COMMENT ON COLUMN orders.terms IS 'of an order that rests on paper: multiplier, levels and exit rules of the position that it opens';
CREATE INDEX orders_resting ON orders (account_id, order_id)
    WHERE terms IS NOT NULL AND status IN ('working', 'partially_filled');

-- The person who owns an order may ask to cancel it.
GRANT UPDATE (cancel_requested_at) ON orders TO authenticated;
