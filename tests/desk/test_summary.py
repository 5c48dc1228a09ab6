from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hookfill.desk.summary import account_summary, activity
from hookfill.kernel import exact_json
from support.house import House, at


async def summary(house: House, user: Any = None) -> list[dict[str, Any]]:
    async with house.pool.acquire() as connection:
        found = await account_summary(connection, user or house.owner)
    exact_json.dumps(found)
    return found


async def figures(house: House, since: datetime | None = None) -> dict[str, Any]:
    async with house.pool.acquire() as connection:
        found = await activity(connection, house.owner, since=since)
    exact_json.dumps(found)
    return found


async def test_a_fresh_account(house: House) -> None:
    [account] = await summary(house)
    assert account["id"] == house.account_id
    assert account["is_default"]
    assert account["equity"] == account["cash"] == account["balance"] == 100_000
    assert account["limits"]["max_open_positions"] == 5
    assert not any(account[name] for name in ("unrealized_pnl", "realized_today", "open_risk", "committed", "open_positions"))
    assert (account["commission"], account["halts"], account["decided_until"]) == (0, [], None)
    assert abs((account["as_of"] - datetime.now(UTC)).total_seconds()) < 60


async def test_open_positions_in_figures(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.bar(-1, "1.2500 1.2505 1.2495 1.2500", "GBPUSD")
    await house.bar(-1, "0.6500 0.6505 0.6495 0.6500", "AUDUSD")
    await house.alert(strategy, "buy EURUSD 0.1 sl=1.07")
    await house.alert(strategy, "sell GBPUSD 0.1 sl=1.27")
    await house.alert(strategy, "buy AUDUSD 0.1")
    await house.decide()
    await house.bar(1, "1.0800 1.0810 1.0800 1.0810")
    await house.decide()
    [account] = await summary(house)
    async with house.pool.acquire() as connection:
        rows = await connection.fetch("SELECT symbol, quantity, mark, average_price, multiplier FROM positions")
    held = {row["symbol"]: row for row in rows}
    worth = sum(row["quantity"] * row["mark"] * row["multiplier"] for row in rows)
    assert account["open_positions"] == 3
    assert account["equity"] == account["cash"] + worth
    assert account["unrealized_pnl"] == sum(
        (row["mark"] - row["average_price"]) * row["quantity"] * row["multiplier"] for row in rows
    )
    assert account["equity"] == account["balance"] + account["unrealized_pnl"]
    # A lot of 100,000 times a tenth, from the mark to the stop.
    assert account["open_risk"] == 10_000 * (
        (held["EURUSD"]["mark"] - Decimal("1.07")) + (Decimal("1.27") - held["GBPUSD"]["mark"])
    )
    assert account["positions_without_stop"] == 1
    assert 0 < account["committed"] < sum(abs(row["quantity"]) * row["mark"] * row["multiplier"] for row in rows)
    assert account["as_of"] == account["decided_until"] == at(2)


async def test_a_stop_beyond_the_mark_risks_nothing_and_the_tighter_stop_counts(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "buy EURUSD 0.1 sl=1.07")
    await house.decide()
    await house.pool.execute("UPDATE positions SET trailing_stop = mark - 0.001")
    assert (await summary(house))[0]["open_risk"] == Decimal("10.000")
    await house.pool.execute("UPDATE positions SET trailing_stop = mark + 0.001")
    assert (await summary(house))[0]["open_risk"] == 0
    await house.pool.execute("UPDATE positions SET stop_price = NULL, trailing_stop = NULL")
    [account] = await summary(house)
    assert (account["open_risk"], account["positions_without_stop"]) == (0, 1)


async def test_what_was_realised_today_ends_at_the_accounts_midnight(house: House) -> None:
    await house.pool.execute("UPDATE accounts SET day = '2026-03-02', day_realized = -12.5, time_zone = 'America/New_York'")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    assert (await summary(house))[0]["realized_today"] == Decimal("-12.5")
    await house.pool.execute("UPDATE simulated_clock SET now_at = '2026-03-03 04:59:59Z'")
    assert (await summary(house))[0]["realized_today"] == Decimal("-12.5")
    await house.pool.execute("UPDATE simulated_clock SET now_at = '2026-03-03 05:00Z'")
    assert (await summary(house))[0]["realized_today"] == 0


async def test_halts_limits_and_commission(house: House) -> None:
    elsewhere = await house.new_strategy_elsewhere(limits={"max_open_positions": "2"})
    columns = "account_id, halt_id, scope, reduce_only, reason, lifted_at"
    halt = f"INSERT INTO halts ({columns}) VALUES ($1, gen_random_uuid(), $2, true, $3, $4)"
    await house.pool.execute(halt, house.account_id, "account", "mine", None)
    await house.pool.execute(halt, house.account_id, "account", "lifted", at(0))
    await house.pool.execute(halt, "00000000-0000-0000-0000-000000000000", "global", "all", None)
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(elsewhere, "buy EURUSD 0.1")
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.pool.execute("DELETE FROM halts WHERE scope = 'global'")
    await house.decide()
    await house.pool.execute(halt, "00000000-0000-0000-0000-000000000000", "global", "all", None)
    await house.pool.execute("UPDATE positions SET commission = 1.25")
    default, second = await summary(house)
    assert (default["name"], second["name"]) == ("Paper", "Second")
    assert [one["reason"] for one in default["halts"]] == ["mine", "all"]
    assert [one["reason"] for one in second["halts"]] == ["all"]
    assert (default["limits"]["max_open_positions"], second["limits"]["max_open_positions"]) == (5, 2)
    assert (default["commission"], second["commission"]) == (0, Decimal("1.25"))


async def a_day(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "buy EURUSD 0.1 tp=1.09")
    await house.alert(strategy, "buy EURUSD 0.1 tp=1.09", 0.1)
    await house.alert(strategy, "buy GBPUSD 0.1", 0.2)
    await house.alert(strategy, {"symbol": "EURUSD"}, 0.3)
    await house.alert(strategy, b"{", 0.4)
    await house.client.post("/webhook", content=b"{}", headers={"X-Hookfill-Time": at(0.5).isoformat()})
    await house.client.post("/api/v1/candles", content=b"{}", headers={"X-Hookfill-Time": at(0.5).isoformat()})
    await house.decide()
    await house.bar(1, "1.0800 1.0905 1.0795 1.0900")
    await house.decide()
    await house.alert(strategy, "close EURUSD", 30)


async def test_a_day_in_figures(house: House) -> None:
    await a_day(house)
    day = await figures(house)
    latency = day.pop("alert_to_fill_ms")
    assert 0 < latency["p50"] == latency["p99"]
    [account] = await summary(house)
    assert day == {
        "alerts": 7, "duplicates": 1, "malformed": 1, "refused": 1,
        "discarded": 1, "rejected": 1, "executed": 1, "failed": 0, "pending": 1,
        "discarded_reasons": {"action_missing": 1}, "rejected_reasons": {"price_missing": 1},
        "orders": 2, "fills": 2, "positions_opened": 1, "positions_closed": 1, "exits": {"take_profit": 1},
        "realized_pnl": account["balance"] - 100_000, "equity": account["equity"], "currency": "USD",
    }  # fmt: skip
    assert day["realized_pnl"] == Decimal("98.9")


async def test_only_what_happened_since(house: House) -> None:
    await a_day(house)
    late = await figures(house, since=at(1))
    assert (late["alerts"], late["pending"], late["executed"], late["discarded_reasons"]) == (1, 1, 0, {})
    assert (late["orders"], late["fills"], late["positions_opened"], late["positions_closed"]) == (1, 1, 0, 1)
    assert late["realized_pnl"] == Decimal("98.9")
    assert late["alert_to_fill_ms"] == {"p50": None, "p99": None}
    never = await figures(house, since=at(60))
    assert (never["alerts"], never["orders"], never["realized_pnl"], never["exits"]) == (0, 0, 0, {})


async def test_latency_leaves_imported_history_out(house: House) -> None:
    await a_day(house)
    await house.pool.execute("UPDATE signals SET source = 'import'")
    assert (await figures(house))["alert_to_fill_ms"] == {"p50": None, "p99": None}


async def test_latency_is_from_arrival_to_decision(house: House) -> None:
    await a_day(house)
    await house.pool.execute("UPDATE signals SET decided_at = created_at + interval '12.5 ms' WHERE status = 'executed'")
    assert (await figures(house))["alert_to_fill_ms"] == {"p50": 12.5, "p99": 12.5}


async def test_equity_of_accounts_in_several_currencies_is_no_sum(house: House) -> None:
    await house.new_strategy_elsewhere()
    assert (await figures(house))["equity"] == 200_000
    await house.pool.execute("UPDATE accounts SET currency = 'EUR' WHERE NOT is_default")
    mixed = await figures(house)
    assert (mixed["equity"], mixed["currency"]) == (None, None)


async def test_each_user_has_figures_of_their_own(house: House) -> None:
    await a_day(house)
    other = await house.new_user()
    [account] = await summary(house, other)
    assert account["equity"] == 100_000
    async with house.pool.acquire() as connection:
        assert (await activity(connection, other))["alerts"] == 0
