-- name: user_settings^
SELECT risk_percent, daily_loss_limit_pct, max_spread, default_lot_size, stop_loss_pips, take_profit_pips
FROM user_settings WHERE user_id = :user_id::uuid;

-- name: set_user_settings!
-- What is null stays as it is; a missing row stands for the defaults.
INSERT INTO user_settings AS known (
    user_id, risk_percent, daily_loss_limit_pct, max_spread, default_lot_size, stop_loss_pips, take_profit_pips
)
VALUES (
    :user_id::uuid, coalesce(:risk_percent::numeric, 1.0), coalesce(:daily_loss_limit_pct::numeric, 5.0),
    coalesce(:max_spread::numeric, 30), coalesce(:default_lot_size::numeric, 0.01), coalesce(:stop_loss_pips::numeric, 50),
    coalesce(:take_profit_pips::numeric, 100)
)
ON CONFLICT (user_id) DO UPDATE
SET risk_percent = coalesce(:risk_percent::numeric, known.risk_percent),
    daily_loss_limit_pct = coalesce(:daily_loss_limit_pct::numeric, known.daily_loss_limit_pct),
    max_spread = coalesce(:max_spread::numeric, known.max_spread),
    default_lot_size = coalesce(:default_lot_size::numeric, known.default_lot_size),
    stop_loss_pips = coalesce(:stop_loss_pips::numeric, known.stop_loss_pips),
    take_profit_pips = coalesce(:take_profit_pips::numeric, known.take_profit_pips),
    updated_at = now();
