"""How long and how large a run is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of a run.

    Attributes:
        seconds: how long one measurement of throughput lasts; latencies are taken for five times as long.
        rounds: how often measurement and reference take turns; their medians are reported.
        connections: of the acknowledge benchmark; contended: those of its line with the worker running.
        burst, burst_accounts, burst_connections: alerts in the burst's second, over how many accounts, on how many connections.
        mixed_agents, mixed_readers: who else uses the server in the mixed benchmark.
        batches, batch_rows: of one round of the candles benchmark.
        chart_bars: bars of one chart; chart_rows: of the charts' large table; chart_reads: charts read in each round.
        marks_positions: that one account holds; marks_rounds: bars that mark them.
        journal_trades: of the journal that is read, with journal_events_each; journal_reads: of each kind.
    """

    seconds: float = 2.0
    rounds: int = 3
    connections: tuple[int, ...] = (1, 32, 64, 256)
    contended: int = 64
    latency_rate: float = 100.0
    latency_accounts: int = 50
    burst: int = 10_000
    burst_accounts: int = 1_000
    burst_connections: int = 500
    mixed_agents: int = 200
    mixed_readers: int = 5
    batches: int = 8
    batch_rows: int = 5_000
    chart_bars: int = 5_000
    chart_rows: int = 2_000_000
    chart_reads: int = 100
    journal_trades: int = 50_000
    journal_events_each: int = 20
    journal_reads: int = 300
    marks_positions: int = 1_000
    marks_rounds: int = 12


QUICK = Plan(
    seconds=0.3,
    rounds=1,
    connections=(8,),
    contended=8,
    latency_accounts=5,
    burst=200,
    burst_accounts=10,
    burst_connections=20,
    mixed_agents=5,
    mixed_readers=2,
    batches=2,
    batch_rows=200,
    chart_bars=100,
    chart_rows=8_000,
    chart_reads=5,
    journal_trades=200,
    journal_events_each=5,
    journal_reads=5,
    marks_positions=40,
    marks_rounds=2,
)
"""Only shows that everything works."""
