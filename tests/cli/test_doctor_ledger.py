"""``hookfill doctor --ledger``: a sound ledger passes, and every kind of damage is found by the check that is there for it."""

import asyncio
import csv
from pathlib import Path

import asyncpg
import pytest

from hookfill.ops.ledger import Invariant, check_ledger, invariants
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.cli import Cli
from support.database import query

MINUTES = 40
ALERTS = [
    (3, '{"symbol":"EURUSD","action":"buy","volume":0.2,"sl":1.0990,"tp":1.1030}'),
    (9, '{"symbol":"EURUSD","action":"sell","volume":0.1,"sl":1.1100}'),
    (14, "close EURUSD"),
    (15, "close EURUSD"),
    (16, '{"symbol":'),
    (17, '{"event":"HEARTBEAT"}'),
    (20, '{"symbol":"EURUSD","action":"sell","volume":0.1,"sl":1.1050,"tp":1.0900}'),
    (30, '{"ticker":"BTCUSDT","action":"buy","quantity":0.02}'),
    (31, '{"ticker":"BTCUSDT","action":"buy","quantity":500}'),
]

ENTRY = "(SELECT order_id FROM orders WHERE purpose = 'entry' ORDER BY order_id LIMIT 1)"
STOP = "(SELECT order_id FROM orders WHERE exit_reason = 'stop_loss' LIMIT 1)"
TARGET = "(SELECT order_id FROM orders WHERE exit_reason = 'take_profit' LIMIT 1)"
EXECUTED = "(SELECT signal_id FROM signals WHERE status = 'executed' ORDER BY signal_id LIMIT 1)"
REJECTED = "(SELECT signal_id FROM signals WHERE status = 'rejected' LIMIT 1)"
OPEN = "(SELECT position_id FROM positions WHERE status <> 'closed' LIMIT 1)"
CLOSED = "(SELECT position_id FROM positions WHERE status = 'closed' LIMIT 1)"
WAITING = (
    "UPDATE signals SET status = 'pending', resolved_at = NULL, created_at = now() - interval '{seconds} s' "
    f"WHERE signal_id = {REJECTED}"
)
AT_THE_BROKER = (
    "UPDATE signals SET status = 'approved', resolved_at = NULL, decided_at = now() - interval '{minutes} minutes' "
    f"WHERE signal_id = {EXECUTED}"
)
JOB = f"""INSERT INTO jobs (account_id, job_id, job_type, input_data, status, order_id)
          SELECT account_id, gen_random_uuid(), 'trade', '{{{{}}}}', '{{status}}', {{order}} FROM orders WHERE order_id = {ENTRY}"""
HALT = "INSERT INTO halts (account_id, halt_id, scope, strategy_id, symbol, reduce_only, reason, created_at, lifted_at) "

PERSONS_HALT = "INSERT INTO halts (account_id, halt_id, scope, user_id, symbol, reduce_only, reason, settled_at, created_by) "
NIL = "'00000000-0000-0000-0000-000000000000'"

PAIR = f"""INSERT INTO experiments (account_id, signal_id, experiment_id, strategy_id, symbol, as_of, direction, variant,
               assignment_hash, split_percentage, verdict_a, verdict_b, outcome_a, outcome_b, opinions)
           SELECT account_id, signal_id, signal_id, strategy_id, symbol, as_of, 1, 'B', 'x', 50, 'approved', 'refused', 'entered',
                  'x', '[]'
           FROM signals WHERE signal_id = (SELECT signal_id FROM orders WHERE order_id = {ENTRY})"""
SHADOW = f"""INSERT INTO shadow_positions (account_id, variant, position_id, strategy_id, symbol, priced_by, status, side, quantity,
                 average_price, multiplier, entries, realized_pnl, commission, mark, marked_at, marked_until, opened_at, state)
             SELECT account_id, 'A', position_id, strategy_id, symbol, symbol, 'open', 'long', 1, 1, 1, 1, 0, 0, 1, now(), now(),
                    now(), '{{}}'
             FROM positions WHERE position_id = {OPEN}"""

DAMAGE = [
    ("entries_are_by_the_engine_that_owns_the_signal", PAIR),
    ("shadow_positions_are_the_sum_of_their_trades", SHADOW),
    (
        "signals_have_messages",
        f"DELETE FROM messages m USING signals s WHERE s.message_id = m.message_id AND s.signal_id = {EXECUTED}",
    ),
    ("signals_have_messages", f"UPDATE signals SET strategy_id = gen_random_uuid() WHERE signal_id = {EXECUTED}"),
    ("rows_have_accounts", "UPDATE messages SET account_id = gen_random_uuid() WHERE state = 'malformed'"),
    ("rows_have_accounts", f"UPDATE fills SET account_id = gen_random_uuid() WHERE order_id = {ENTRY}"),
    ("rows_have_accounts", "DELETE FROM accounts"),
    ("rows_have_strategies", "DELETE FROM strategies WHERE NOT is_signed_door"),
    ("rows_have_strategies", "UPDATE webhook_secrets SET strategy_id = gen_random_uuid()"),
    ("gate_keys_have_messages", "UPDATE gate SET message_id = gen_random_uuid() WHERE key = (SELECT key FROM gate LIMIT 1)"),
    ("messages_have_one_outcome", "UPDATE messages SET state = 'processed' WHERE state = 'malformed'"),
    ("messages_have_one_outcome", f"DELETE FROM signals WHERE signal_id = {REJECTED}"),
    (
        "messages_have_one_outcome",
        f"UPDATE signals s SET message_id = m.message_id FROM messages m WHERE m.state = 'malformed' AND s.signal_id = {REJECTED}",
    ),
    ("states_are_known", f"UPDATE signals SET status = 'done' WHERE signal_id = {REJECTED}"),
    ("states_are_known", "UPDATE messages SET state = 'lost' WHERE state = 'malformed'"),
    ("states_are_known", f"UPDATE orders SET status = 'open' WHERE order_id = {ENTRY}"),
    ("states_are_known", f"UPDATE positions SET status = 'pending' WHERE position_id = {OPEN}"),
    ("ended_signals_say_when", f"UPDATE signals SET resolved_at = NULL WHERE signal_id = {REJECTED}"),
    ("ended_signals_say_when", f"UPDATE signals SET status = 'pending' WHERE signal_id = {REJECTED}"),
    (
        "signals_are_decided_soon",
        WAITING.format(seconds=61),
    ),
    ("approved_signals_end_soon", AT_THE_BROKER.format(minutes=6)),
    ("approved_signals_have_orders_in_flight", AT_THE_BROKER.format(minutes=1)),
    ("approved_signals_have_orders_in_flight", f"UPDATE orders SET status = 'submitting' WHERE order_id = {ENTRY}"),
    ("resting_orders_are_counted", "UPDATE accounts SET resting = 1"),
    ("resting_orders_are_counted", f"UPDATE orders SET terms = '{{}}', status = 'working' WHERE order_id = {ENTRY}"),
    (
        "resting_orders_fill_in_their_time",
        f"UPDATE orders SET terms = '{{}}', expires_at = as_of - interval '1 s' WHERE order_id = {ENTRY}",
    ),
    (
        "resting_orders_fill_in_their_time",
        f"UPDATE orders SET terms = '{{}}', as_of = as_of + interval '1 s' WHERE order_id = {ENTRY}",
    ),
    ("jobs_have_orders", JOB.format(status="pending", order="gen_random_uuid()")),
    (
        "jobs_have_orders",
        JOB.format(status="completed", order="order_id").replace("WHERE", "CROSS JOIN generate_series(1, 2) WHERE"),
    ),
    ("jobs_and_orders_agree", JOB.format(status="pending", order="order_id")),
    ("closing_positions_have_an_exit", f"UPDATE positions SET status = 'closing' WHERE position_id = {OPEN}"),
    ("closing_positions_have_an_exit", f"UPDATE orders SET status = 'working' WHERE order_id = {STOP}"),
    ("executed_signals_have_orders", f"UPDATE signals SET status = 'executed' WHERE signal_id = {REJECTED}"),
    ("executed_signals_have_orders", f"DELETE FROM decisions WHERE signal_id = {EXECUTED}"),
    ("orders_have_a_cause", f"UPDATE signals SET status = 'rejected' WHERE signal_id = {EXECUTED}"),
    ("orders_have_a_cause", f"UPDATE orders SET signal_id = gen_random_uuid() WHERE order_id = {ENTRY}"),
    ("orders_have_a_cause", f"UPDATE orders SET signal_id = NULL WHERE order_id = {ENTRY}"),
    ("orders_have_a_cause", f"UPDATE orders SET exit_reason = NULL WHERE order_id = {STOP}"),
    ("orders_have_a_cause", f"UPDATE orders SET symbol = 'GBPUSD' WHERE order_id = {ENTRY}"),
    (
        "one_order_per_cause",
        (
            "INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('account_id', gen_random_uuid()))).* "
            f"FROM orders o WHERE order_id = {ENTRY}"
        ),
    ),
    ("fills_have_orders", f"DELETE FROM orders WHERE order_id = {ENTRY}"),
    ("fills_have_orders", f"UPDATE fills SET side = CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END WHERE order_id = {ENTRY}"),
    ("fills_have_orders", f"UPDATE fills SET symbol = 'GBPUSD' WHERE order_id = {ENTRY}"),
    ("fills_add_up_to_orders", f"DELETE FROM fills WHERE order_id = {ENTRY}"),
    ("fills_add_up_to_orders", f"UPDATE fills SET quantity = quantity * 2 WHERE order_id = {ENTRY}"),
    ("fills_add_up_to_orders", f"UPDATE orders SET quantity = quantity * 2 WHERE order_id = {ENTRY}"),
    ("fills_add_up_to_orders", f"UPDATE orders SET status = 'denied' WHERE order_id = {ENTRY}"),
    ("fills_add_up_to_orders", f"UPDATE orders SET average_fill_price = average_fill_price + 0.0001 WHERE order_id = {ENTRY}"),
    ("fills_lie_in_their_bars", f"UPDATE fills SET price = bar_high + 0.0001 WHERE order_id = {ENTRY}"),
    ("fills_lie_in_their_bars", f"UPDATE fills SET price = bar_low - 0.0001 WHERE order_id = {ENTRY}"),
    ("limits_and_stops_hold", f"UPDATE fills SET price = price - 0.01 WHERE order_id = {STOP}"),
    ("limits_and_stops_hold", f"UPDATE fills SET price = price - 0.01 WHERE order_id = {TARGET}"),
    ("limits_and_stops_hold", f"UPDATE orders SET limit_price = 0.5 WHERE side = 'buy' AND order_id = {ENTRY}"),
    ("orders_have_positions", f"DELETE FROM positions WHERE position_id = {OPEN}"),
    ("orders_have_positions", f"UPDATE positions SET strategy_id = gen_random_uuid() WHERE position_id = {OPEN}"),
    ("positions_are_sums_of_fills", f"UPDATE positions SET quantity = quantity + 1 WHERE position_id = {OPEN}"),
    ("positions_are_sums_of_fills", f"UPDATE positions SET realized_pnl = realized_pnl + 0.01 WHERE position_id = {CLOSED}"),
    ("positions_are_sums_of_fills", f"UPDATE positions SET commission = commission + 1 WHERE position_id = {CLOSED}"),
    ("closed_positions_are_empty", f"UPDATE positions SET quantity = 0 WHERE position_id = {OPEN}"),
    ("closed_positions_are_empty", f"UPDATE positions SET cost = 1 WHERE position_id = {CLOSED}"),
    ("closed_positions_are_empty", f"UPDATE positions SET closed_at = NULL WHERE position_id = {CLOSED}"),
    ("closed_positions_are_empty", f"UPDATE positions SET exit_reason = NULL WHERE position_id = {CLOSED}"),
    ("closed_positions_are_empty", f"UPDATE positions SET closed_at = opened_at - interval '1 s' WHERE position_id = {CLOSED}"),
    ("options_are_bought_on_terms", f"UPDATE positions SET underlying = 'EURUSD' WHERE position_id = {OPEN}"),
    ("options_are_bought_on_terms", f"UPDATE positions SET symbol = 'SPY260320C00500000' WHERE position_id = {OPEN}"),
    ("positions_end_on_time", f"UPDATE positions SET due_at = now() - interval '2 hours' WHERE position_id = {OPEN}"),
    ("balances_add_up", "UPDATE accounts SET balance = balance + 0.01"),
    ("balances_add_up", f"UPDATE fills SET realized_pnl = realized_pnl + 0.01 WHERE order_id = {STOP}"),
    ("cash_adds_up", "UPDATE accounts SET cash = cash - 0.01"),
    ("cash_adds_up", f"UPDATE fills SET commission = commission + 1 WHERE order_id = {ENTRY}"),
    ("cash_and_positions_make_the_balance", f"UPDATE positions SET cost = cost + 1 WHERE position_id = {OPEN}"),
    ("cash_and_positions_make_the_balance", "UPDATE accounts SET cash = cash - 0.01"),
    *[
        (
            "no_entry_after_a_halt",
            f"""{HALT}
                SELECT {account}, gen_random_uuid(), '{scope}', {strategy}, {symbol}, true, 'test', as_of - interval '1 s', NULL
                FROM orders WHERE order_id = {ENTRY}""",
        )
        for account, scope, strategy, symbol in (
            ("'00000000-0000-0000-0000-000000000000'", "global", "NULL", "NULL"),
            ("account_id", "account", "NULL", "NULL"),
            ("account_id", "strategy", "strategy_id", "NULL"),
            ("account_id", "symbol", "NULL", "symbol"),
        )
    ],
    *[
        (
            "no_entry_after_a_halt",
            f"""{PERSONS_HALT}
                SELECT {NIL}, gen_random_uuid(), '{scope}', user_id, {symbol}, true, 'x', o.created_at - interval '1 ms', 'command'
                FROM orders o JOIN accounts USING (account_id) WHERE order_id = {ENTRY}""",
        )
        for scope, symbol in (("user", "NULL"), ("symbol", "o.symbol"))
    ],
]

HARMLESS = {
    "a halt after all": f"""{HALT}
        SELECT account_id, gen_random_uuid(), 'account', NULL, NULL, true, 'test', max(as_of), NULL
        FROM orders GROUP BY account_id""",
    "a halt of another strategy": f"""{HALT}
        SELECT account_id, gen_random_uuid(), 'strategy', gen_random_uuid(), NULL, true, 'test', min(as_of) - interval '1 h', NULL
        FROM orders GROUP BY account_id""",
    "a person's halt of another user": f"""{PERSONS_HALT}
        SELECT {NIL}, gen_random_uuid(), 'user', gen_random_uuid(), NULL, true, 'test', min(created_at) - interval '1 h', 'command'
        FROM orders""",
    "a person's halt that was not waited for": f"""{PERSONS_HALT}
        SELECT account_id, gen_random_uuid(), 'account', NULL, NULL, true, 'test', NULL, 'command'
        FROM orders GROUP BY account_id""",
    "a person's halt after all": f"""{PERSONS_HALT}
        SELECT account_id, gen_random_uuid(), 'account', NULL, NULL, true, 'test', now(), 'command'
        FROM orders GROUP BY account_id""",
    "a halt lifted before": f"""{HALT}
        SELECT account_id, gen_random_uuid(), 'account', NULL, NULL, true, 'test', min(as_of) - interval '2 h',
               min(as_of) - interval '1 h'
        FROM orders GROUP BY account_id""",
    "a signal that has only just come": WAITING.format(seconds=30),
}


@pytest.fixture(scope="module")
def ledger(module_cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """An installation that has traded: exits by stop, target and signal, a position still open, refusals of every kind."""
    folder = tmp_path_factory.mktemp("files")
    module_cli.text("strategies", "create", "Scalper")
    for name in ("EURUSD", "BTCUSDT"):
        path = folder / f"{name}_M1.csv"
        path.write_text("\n".join(["time,open,high,low,close", *bars(name)]))
        module_cli.text("import", "candles", path)
    log = folder / "log.csv"
    with log.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Alert ID", "Ticker", "Name", "Description", "Time"])
        writer.writerows([1, "t", "n", body, f"2026-03-02T12:{minute:02}:01Z"] for minute, body in ALERTS)
    module_cli.text("import", "alerts", log, "--strategy", "Scalper")
    return module_cli


def bars(name: str) -> list[str]:
    """EURUSD rises through the first target, later through the last stop; BTCUSDT stands."""
    rows = []
    for minute in range(MINUTES):
        if name == "EURUSD":
            price = 11_000 + (minute * 10 if minute < 10 else 0 if minute < 22 else (minute - 22) * 10)
            opening, high, low, close = (f"{(price + step) / 10_000:.4f}" for step in (0, 8, -8, 5))
        else:
            opening, high, low, close = "88000", "88100", "87900", "88050"
        rows.append(f"2026-03-02 12:{minute:02},{opening},{high},{low},{close}")
    return rows


def check_after(database: Database, statement: str) -> dict[str, Invariant]:
    """The invariants as they stand after a statement that is then taken back."""

    async def check() -> dict[str, Invariant]:
        connection: asyncpg.Connection = await connect(database, name="test")
        try:
            transaction = connection.transaction()
            await transaction.start()
            done = await connection.execute(statement)
            assert not done.endswith(" 0"), "nothing was damaged"
            found = {invariant.name: invariant for invariant in await check_ledger(connection)}
            await transaction.rollback()
            return found
        finally:
            await connection.close()

    return asyncio.run(check())


def test_the_scenario_holds_what_the_damage_needs(ledger: Cli) -> None:
    reasons = query(ledger.database.url, "SELECT DISTINCT exit_reason FROM positions WHERE status = 'closed' ORDER BY 1")
    assert reasons == [("signal",), ("stop_loss",), ("take_profit",)]
    statuses = dict(query(ledger.database.url, "SELECT status, count(*) FROM signals GROUP BY 1"))
    assert statuses == {"executed": 5, "rejected": 2, "discarded": 1}


def test_a_sound_ledger_passes(ledger: Cli) -> None:
    found = ledger.json("doctor", "--ledger")
    assert {entry["level"] for entry in found["ledger"]} == {"ok"}
    assert [entry["name"] for entry in found["ledger"]] == invariants()
    assert "What breaks them" not in ledger.text("doctor", "--ledger")


def test_every_invariant_has_damage_that_it_must_find() -> None:
    assert {name for name, _ in DAMAGE} == set(invariants())


@pytest.mark.parametrize(("name", "statement"), DAMAGE, ids=[f"{n}-{name}" for n, (name, _) in enumerate(DAMAGE)])
def test_damage_is_found(ledger: Cli, name: str, statement: str) -> None:
    broken = check_after(ledger.database, statement)[name]
    assert broken.findings
    assert all(finding.text for finding in broken.findings)


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_damage_is_not_taken_for_it(ledger: Cli, statement: str) -> None:
    assert all(invariant.holds for invariant in check_after(ledger.database, statement).values())


def test_damage_makes_doctor_fail_and_name_the_row(cli: Cli, tmp_path: Path) -> None:
    query(cli.database.url, "UPDATE accounts SET balance = balance + 1")
    account_id = cli.json("accounts", "list")[0]["id"]
    result = cli.run("doctor", "--ledger")
    assert result.exit_code == 1
    assert "balances_add_up" in result.stdout
    assert account_id in result.stdout.replace("\n", "")
    assert cli.run("doctor").exit_code == 0
