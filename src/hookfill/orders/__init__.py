"""Orders: sizing, position policy and the plan of orders that a signal leads to (pure)."""
