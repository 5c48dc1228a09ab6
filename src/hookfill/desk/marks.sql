-- name: mark_positions!
-- Open positions that prices have moved, and nothing else: most of what the desk writes while nothing is traded.
UPDATE positions
SET mark = p.mark, marked_at = p.marked_at, marked_until = p.marked_until, best_price = p.best_price, stop_price = p.stop_price,
    trailing_stop = p.trailing_stop, at_break_even = p.at_break_even, updated_at = clock_timestamp()
FROM json_to_recordset(:marked::json) AS p (
    position_id uuid, mark numeric, marked_at timestamptz, marked_until timestamptz, best_price numeric, stop_price numeric,
    trailing_stop numeric, at_break_even boolean
)
WHERE positions.account_id = :account_id::uuid AND positions.position_id = p.position_id;
