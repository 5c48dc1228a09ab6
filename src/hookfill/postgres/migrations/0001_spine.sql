-- The spine: users, accounts, strategies, messages, signals, decisions, orders, fills, positions, candles, quotes.
--
-- Three rules make every table that grows with use ready to be sharded by account (docs/decisions/0002):
--   account_id is the first column of its primary key and of every unique key;
--   rows are locked with account_id = $1; ON CONFLICT … WHERE uses only immutable functions.
-- There are no foreign keys to accounts: checking one takes a key-share lock on the account row, which would make the intake
-- wait for whoever holds the account's lock (SELECT … FOR UPDATE). `hookfill doctor --ledger` checks these references instead.

CREATE TABLE users (
    user_id      uuid PRIMARY KEY,
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('owner', 'user')),
    token_sha256 bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_one_owner ON users (role) WHERE role = 'owner';

CREATE TABLE accounts (
    account_id        uuid PRIMARY KEY,
    user_id           uuid NOT NULL REFERENCES users,
    name              text NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('paper')),
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone         text NOT NULL DEFAULT 'UTC',
    starting_cash     numeric NOT NULL CHECK (starting_cash >= 0 AND starting_cash < 1e15),
    cash              numeric NOT NULL CHECK (cash > -1e18 AND cash < 1e18),
    balance           numeric NOT NULL CHECK (balance > -1e18 AND balance < 1e18),
    day               date NOT NULL,
    day_start_balance numeric NOT NULL,
    day_realized      numeric NOT NULL DEFAULT 0,
    timeline_at       timestamptz,
    limits            jsonb NOT NULL DEFAULT '{}',
    is_default        boolean NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX accounts_one_default ON accounts (user_id) WHERE is_default;
CREATE INDEX accounts_by_user ON accounts (user_id);
COMMENT ON COLUMN accounts.balance IS 'starting cash plus realised profit and loss, net of commissions';
COMMENT ON COLUMN accounts.day IS 'the day, in time_zone, to which day_start_balance and day_realized belong';
COMMENT ON COLUMN accounts.timeline_at IS 'the latest moment (signal or bar) that has been decided';

CREATE TABLE strategies (
    account_id        uuid NOT NULL,
    strategy_id       uuid NOT NULL,
    name              text NOT NULL,
    engine            text NOT NULL CHECK (engine IN ('direct', 'rules')),
    is_enabled        boolean NOT NULL DEFAULT true,
    is_signed_door    boolean NOT NULL DEFAULT false,
    risk_override_pct numeric CHECK (risk_override_pct > 0 AND risk_override_pct <= 100),
    allowed_pairs     text[],
    settings          jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, strategy_id)
);
COMMENT ON COLUMN strategies.is_signed_door IS 'the strategy behind POST /webhook of its account';

CREATE TABLE webhook_secrets (
    secret_sha256 bytea PRIMARY KEY,
    account_id    uuid NOT NULL,
    strategy_id   uuid NOT NULL,
    expires_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE messages (
    account_id   uuid NOT NULL,
    message_id   uuid NOT NULL,
    door         text NOT NULL,
    strategy_id  uuid,
    source       text NOT NULL,
    content_type text,
    headers      jsonb NOT NULL,
    body         bytea NOT NULL,
    received_at  timestamptz NOT NULL,
    as_of        timestamptz NOT NULL,
    state        text NOT NULL,
    reason       text,
    error        text,
    signal_id    uuid,
    stored_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, message_id)
);
CREATE INDEX messages_quarantined ON messages (account_id, message_id) WHERE state IN ('malformed', 'refused');
CREATE INDEX messages_duplicates ON messages (account_id, signal_id) WHERE state = 'duplicate';
COMMENT ON COLUMN messages.signal_id IS 'the signal that the message became, or, of a duplicate, the first delivery''s';
COMMENT ON COLUMN messages.as_of IS 'the moment as of which the message is judged: received_at, or its own time for history';

CREATE TABLE gate (
    account_id uuid NOT NULL,
    key        bytea NOT NULL,
    seen_us    bigint NOT NULL,
    message_id uuid NOT NULL,
    signal_id  uuid,
    PRIMARY KEY (account_id, key)
) WITH (fillfactor = 80);

CREATE TABLE signals (
    account_id      uuid NOT NULL,
    signal_id       uuid NOT NULL,
    message_id      uuid NOT NULL,
    strategy_id     uuid NOT NULL,
    door            text NOT NULL,
    source          text NOT NULL,
    symbol          text,
    action          text,
    alert           jsonb,
    status          text NOT NULL,
    reason          text,
    error_message   text,
    as_of           timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    attempts        smallint NOT NULL DEFAULT 0,
    retry_at        timestamptz,
    decided_at      timestamptz,
    resolved_at     timestamptz,
    fill_price      numeric CHECK (fill_price > 0 AND fill_price < 1e15),
    broker_order_id text,
    experiment_id   uuid,
    variant         text CHECK (variant IN ('A', 'B')),
    PRIMARY KEY (account_id, signal_id)
) WITH (fillfactor = 80);
COMMENT ON COLUMN signals.alert IS 'the alert as it was understood when the signal was decided; symbol and action likewise';
CREATE INDEX signals_pending ON signals (account_id, signal_id) WHERE status = 'pending';

CREATE TABLE decisions (
    account_id uuid NOT NULL,
    signal_id  uuid NOT NULL,
    engine     text NOT NULL,
    verdict    text NOT NULL,
    trace      jsonb NOT NULL,
    PRIMARY KEY (account_id, signal_id)
);

CREATE TABLE halts (
    account_id  uuid NOT NULL,
    halt_id     uuid NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('global', 'account', 'strategy', 'symbol')),
    strategy_id uuid,
    symbol      text,
    reduce_only boolean NOT NULL,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    lifted_at   timestamptz,
    PRIMARY KEY (account_id, halt_id)
);
CREATE INDEX halts_in_force ON halts (account_id) WHERE lifted_at IS NULL;

CREATE TABLE positions (
    account_id     uuid NOT NULL,
    position_id    uuid NOT NULL,
    strategy_id    uuid NOT NULL,
    symbol         text NOT NULL,
    status         text NOT NULL,
    quantity       numeric NOT NULL,
    average_price  numeric NOT NULL CHECK (average_price > 0 AND average_price < 1e15),
    cost           numeric NOT NULL,
    multiplier     numeric NOT NULL CHECK (multiplier > 0 AND multiplier < 1e9),
    entries        integer NOT NULL,
    realized_pnl   numeric NOT NULL,
    commission     numeric NOT NULL,
    mark           numeric NOT NULL CHECK (mark > 0 AND mark < 1e15),
    marked_at      timestamptz NOT NULL,
    marked_until   timestamptz NOT NULL,
    stop_price     numeric,
    target_price   numeric,
    initial_risk   numeric,
    best_price     numeric NOT NULL,
    trailing_stop  numeric,
    at_break_even  boolean NOT NULL,
    exits          jsonb NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    exit_reason    text,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, position_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX positions_one_open ON positions (account_id, strategy_id, symbol) WHERE status <> 'closed';
CREATE INDEX positions_open_by_symbol ON positions (symbol, account_id) WHERE status <> 'closed';
COMMENT ON COLUMN positions.marked_until IS 'prices up to this moment have been accounted for; bars that opened before it count by their close only';
COMMENT ON COLUMN positions.initial_risk IS 'distance from entry to the first stop: one R';

CREATE TABLE orders (
    account_id         uuid NOT NULL,
    order_id           uuid NOT NULL,
    client_order_id    text NOT NULL CHECK (length(client_order_id) <= 48),
    signal_id          uuid,
    position_id        uuid,
    strategy_id        uuid NOT NULL,
    symbol             text NOT NULL,
    side               text NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type         text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop')),
    purpose            text NOT NULL CHECK (purpose IN ('entry', 'exit')),
    exit_reason        text,
    quantity           numeric NOT NULL CHECK (quantity > 0 AND quantity < 1e12),
    limit_price        numeric CHECK (limit_price > 0 AND limit_price < 1e15),
    stop_price         numeric CHECK (stop_price > 0 AND stop_price < 1e15),
    status             text NOT NULL,
    filled_quantity    numeric NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0 AND filled_quantity <= quantity),
    average_fill_price numeric CHECK (average_fill_price > 0 AND average_fill_price < 1e15),
    reason             text,
    as_of              timestamptz NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, order_id),
    UNIQUE (account_id, client_order_id)
);
CREATE INDEX orders_by_signal ON orders (account_id, signal_id);
CREATE INDEX orders_entries ON orders (account_id, as_of) WHERE purpose = 'entry';
CREATE INDEX orders_by_position ON orders (account_id, position_id);
COMMENT ON COLUMN orders.client_order_id IS 'deterministic: the signal or position that asked for it and the leg';

CREATE TABLE fills (
    account_id   uuid NOT NULL,
    fill_id      uuid NOT NULL,
    order_id     uuid NOT NULL,
    position_id  uuid NOT NULL,
    symbol       text NOT NULL,
    side         text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity     numeric NOT NULL CHECK (quantity > 0 AND quantity < 1e12),
    price        numeric NOT NULL CHECK (price > 0 AND price < 1e15),
    multiplier   numeric NOT NULL CHECK (multiplier > 0 AND multiplier < 1e9),
    commission   numeric NOT NULL CHECK (commission >= 0 AND commission < 1e15),
    realized_pnl numeric NOT NULL,
    bar_low      numeric,
    bar_high     numeric,
    price_source text NOT NULL,
    filled_at    timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, fill_id)
);
CREATE INDEX fills_by_order ON fills (account_id, order_id);
CREATE INDEX fills_by_position ON fills (account_id, position_id);

CREATE TABLE market_data_candles (
    id         bigserial PRIMARY KEY,
    symbol     text NOT NULL,
    timeframe  text NOT NULL,
    timestamp  timestamptz NOT NULL,
    open       numeric NOT NULL,
    high       numeric NOT NULL,
    low        numeric NOT NULL,
    close      numeric NOT NULL,
    volume     bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, timeframe, timestamp)
);

CREATE TABLE quotes (
    symbol      text PRIMARY KEY,
    price       numeric NOT NULL CHECK (price > 0 AND price < 1e15),
    quoted_at   timestamptz NOT NULL,
    source      text NOT NULL,
    bar_seconds integer,
    bar_low     numeric,
    bar_high    numeric,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE simulated_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    now_at   timestamptz NOT NULL
);
COMMENT ON TABLE simulated_clock IS 'empty but on a demo or test server, where the messages carry the time';
