-- name: accounts_with_option_prices
-- Candidates: accounts with an open option whose underlying has a newer price than the position has accounted for.
SELECT DISTINCT positions.account_id
FROM positions JOIN quotes ON quotes.symbol = positions.underlying
WHERE positions.status <> 'closed' AND positions.underlying IS NOT NULL
  AND least(quotes.quoted_at, :horizon::timestamptz) > positions.marked_until;

-- name: accounts_with_due
-- Candidates: accounts with an open position at which time alone makes something happen by now.
SELECT DISTINCT account_id FROM positions
WHERE status <> 'closed' AND due_at IS NOT NULL AND due_at <= :until::timestamptz;
