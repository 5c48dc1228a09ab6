-- name: mark_positions!
-- Open positions that prices have moved, and nothing else: most of what the desk writes while nothing is traded.
UPDATE positions
SET mark = p.mark, marked_at = p.marked_at, marked_until = p.marked_until, best_price = p.best_price, stop_price = p.stop_price,
    trailing_stop = p.trailing_stop, at_break_even = p.at_break_even, updated_at = clock_timestamp()
FROM unnest(
    :position_ids::uuid[], :marks::numeric[], :marked_ats::timestamptz[], :marked_untils::timestamptz[], :best_prices::numeric[],
    :stop_prices::numeric[], :trailing_stops::numeric[], :at_break_evens::boolean[]
) AS p (position_id, mark, marked_at, marked_until, best_price, stop_price, trailing_stop, at_break_even)
WHERE positions.account_id = :account_id::uuid AND positions.position_id = p.position_id;
