"""The telemetry door beside the webhook door, and how fast what it takes is folded into trades.

Messages are like real ones: of 100 trades that are open, half of them telemetry 1.0.0 of one kilobyte, half of them legacy of 200
bytes, each with a time of its own. The doors are measured without a worker; then the worker's own code folds what has piled up.
"""

import time
from collections.abc import Sequence
from statistics import median
from uuid import UUID

from benchmarks.figures import BenchmarkError, Figure, latency_details
from benchmarks.load import Load, Outcome, Requests
from benchmarks.plan import Plan
from benchmarks.stage import Running, Stage, create_strategies, hookfill, open_stage, trades
from hookfill.accounts.store import default_account, owner_id
from hookfill.edge.telemetry import PATH
from hookfill.journal.worker import work

NAME = "telemetry"
CONNECTIONS = 64
LEAST_OF_WEBHOOKS = 0.5
ACCOUNTS = 16
TRADES = 100
_LEGACY = (
    '{"type":"MFE_UPDATE","signal_id":"%s","current_price":25056.5,"be_mfe":3.9875,"no_be_mfe":3.9875,'
    '"lowest_low":25004.5,"highest_high":25096.5,"status":"active","timestamp":1763%%09d}'
)
_TELEMETRY = (
    '{"schema_version":"1.0.0","engine_version":"1.0.0","strategy_name":"NQ_FVG_CORE","strategy_id":"NQ_FVG_CORE",'
    '"strategy_version":"2025.11.20","trade_id":"%s","event_type":"MFE_UPDATE","event_timestamp":1763%%09d,"symbol":"MNQ1!",'
    '"exchange":"MNQ1!","timeframe":"1","session":"LONDON","direction":"Bullish","entry_price":25437.75,"stop_loss":25423,"risk_R":1,'
    '"position_size":13,"be_price":25437.75,"mfe_R":1.4237288136,"mae_R":0,"final_mfe_R":null,"exit_price":null,'
    '"exit_timestamp":null,"exit_reason":null,"targets":{"tp1_price":25452.5,"tp2_price":25467.25,"tp3_price":25482,'
    '"target_Rs":[1,2,3]},"setup":{"setup_family":"FVG_CORE","setup_variant":"ACTIVE","setup_id":"FVG_CORE_ACTIVE",'
    '"signal_strength":75,"confidence_components":{"trend_alignment":1,"structure_quality":0.8,"volatility_fit":0.7}},'
    '"market_state":{"trend_regime":"Bearish","trend_score":0.8,"volatility_regime":"NORMAL","atr":null,'
    '"atr_percentile_20d":null,"daily_range_percentile_20d":null,"price_location":{"vs_daily_open":null,"vs_vwap":null,'
    '"distance_to_HTF_level_points":null},"structure":{"swing_state":"UNKNOWN","bos_choch_signal":"NONE",'
    '"liquidity_context":"NEUTRAL"}}}'
)
BODIES = tuple(body % f"20251113_{n // 60:02}{n % 60:02}00000_BULLISH" for n in range(TRADES) for body in (_LEGACY, _TELEMETRY))


async def run(plan: Plan) -> list[Figure]:
    """Acknowledgements of both doors by turns, then the fold of what the telemetry door took."""
    async with open_stage() as stage, hookfill(stage.home, "api") as server:
        strategies = await create_strategies(stage, ACCOUNTS)
        webhooks: list[Outcome] = []
        telemetry: list[Outcome] = []
        sent = {"webhooks": 0, "telemetry": 0}
        for _ in range(plan.rounds):
            webhooks.append(await _take(plan, stage, server, trades(strategies, sent["webhooks"])))
            sent["webhooks"] += webhooks[-1].sent
            telemetry.append(await _take(plan, stage, server, Requests((PATH,), BODIES, first_number=sent["telemetry"])))
            sent["telemetry"] += telemetry[-1].sent
        acknowledged, of_webhooks = _rate(telemetry), _rate(webhooks)
        folded, details = await _fold(stage, sent["telemetry"])
    latencies = latency_details([latency for outcome in telemetry for latency in outcome.latencies])
    return [
        Figure(
            NAME,
            f"telemetry door, {CONNECTIONS} connections",
            acknowledged,
            "acks/s",
            "webhook door",
            of_webhooks,
            LEAST_OF_WEBHOOKS,
            details=latencies | telemetry[-1].cpu,
        ),
        Figure(NAME, "worker folding the backlog", folded, "events/s", "telemetry door", acknowledged, details=details),
    ]


async def _take(plan: Plan, stage: Stage, server: Running, requests: Requests) -> Outcome:
    return await stage.send(Load(server.port, requests, CONNECTIONS, 200, server.watched(stage), seconds=plan.seconds))


def _rate(outcomes: Sequence[Outcome]) -> float:
    return median(outcome.per_second for outcome in outcomes)


async def _fold(stage: Stage, sent: int) -> tuple[float, dict[str, float]]:
    """Events per second, in this process, and the processor time that one costs here."""
    async with stage.connection() as connection:
        account_id: UUID = await default_account(connection, await owner_id(connection))
        began, used = time.perf_counter(), time.process_time()
        while await work(connection, account_id):
            pass
        seconds, used = time.perf_counter() - began, time.process_time() - used
        row = await connection.fetchrow("SELECT count(*) AS events, count(DISTINCT trade_id) AS trades FROM automated_signals")
    if row["events"] != sent:
        raise BenchmarkError(f"{sent} messages were acknowledged, but {row['events']} events are in the journal.")
    if row["trades"] != min(TRADES, (sent + 1) // 2):
        raise BenchmarkError(f"The events should be those of {TRADES} trades; they are those of {row['trades']}.")
    return row["events"] / seconds, {"events": row["events"], "worker_us_per_event": round(1e6 * used / row["events"], 1)}
