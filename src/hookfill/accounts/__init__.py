"""Users, trading accounts, strategies and their secrets."""
