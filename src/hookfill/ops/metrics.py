"""The figures of ``/metrics`` in Prometheus' text format; labels are names from the code alone, so they stay few."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hookfill.ops.vitals import Vitals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Connections of one pool."""

    used: int
    idle: int
    most: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What this process knows of itself, and what the database told.

    Attributes:
        messages: how many were answered, by door and state.
        bounds, buckets: of the acknowledgements' latency; ``buckets`` has one more, for what took longer than all bounds.
        acknowledged_seconds: what the acknowledgements took together.
        vitals: None: the database does not answer.
    """

    messages: Mapping[tuple[str, str], int]
    bounds: Sequence[float]
    buckets: Sequence[int]
    acknowledged_seconds: float
    spooled_bytes: int
    is_spooling: bool
    uptime_seconds: float
    pools: Mapping[str, PoolUse] = field(default_factory=dict)
    vitals: Vitals | None = None


def exposition(figures: Figures) -> bytes:
    """All figures as Prometheus reads them, with those of the process (memory, time, files) where the system tells them."""
    # Imported when it is first asked for: it takes a tenth of a second, which no start should pay.
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415

    class Own:
        """Hands the figures over once."""

        def collect(self) -> "Iterator[Metric]":
            yield from _families(figures)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Own())
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _families(figures: Figures) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily  # noqa: PLC0415

    taken = CounterMetricFamily("hookfill_messages", "Messages answered, by door and state.", labels=("door", "state"))
    for (door, state), count in sorted(figures.messages.items()):
        taken.add_metric((door, state), count)
    yield taken
    latency = HistogramMetricFamily("hookfill_acknowledgement_seconds", "From a message's reading to its answer.")
    latency.add_metric((), _cumulative(figures), sum_value=figures.acknowledged_seconds)
    yield latency
    for name, says, value in (
        ("spool_bytes", "What waits in the local spool.", figures.spooled_bytes),
        ("spooling", "1 while messages go to the spool instead of the database.", int(figures.is_spooling)),
        ("uptime_seconds", "Since this server started.", figures.uptime_seconds),
        ("database_up", "1 when the database answered in time.", int(figures.vitals is not None)),
    ):
        yield GaugeMetricFamily(f"hookfill_{name}", says, value=value)
    pools = GaugeMetricFamily("hookfill_pool_connections", "Connections to the database.", labels=("pool", "state"))
    for pool, use in figures.pools.items():
        for state in ("used", "idle", "most"):
            pools.add_metric((pool, state), getattr(use, state))
    yield pools
    if figures.vitals is not None:
        yield from _vital_families(figures.vitals)


def _cumulative(figures: Figures) -> list[tuple[str, float]]:
    total, told = 0, []
    for bound, count in zip((*map(str, figures.bounds), "+Inf"), figures.buckets, strict=True):
        total += count
        told.append((bound, float(total)))
    return told


def _vital_families(vitals: Vitals) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    decided = CounterMetricFamily("hookfill_signals", "Signals that workers brought to a status.", labels=("status",))
    for (name, status), count in vitals.counters.items():
        if name == "desk":
            decided.add_metric((status,), count)
    yield decided
    waiting = GaugeMetricFamily("hookfill_waiting", "What waits: signals to be decided, messages to be read.", labels=("queue",))
    oldest = GaugeMetricFamily(
        "hookfill_waiting_oldest_seconds", "For how long the oldest has; 0: nothing waits.", labels=("queue",)
    )
    for kind, one in (("signals", vitals.signals), ("messages", vitals.messages)):
        waiting.add_metric((kind,), one.pending)
        oldest.add_metric((kind,), max(one.oldest_seconds or 0.0, 0.0))
    yield waiting
    yield oldest
    yield GaugeMetricFamily("hookfill_alarms", "Alarms in force.", value=vitals.alarms)
    failures = GaugeMetricFamily("hookfill_worker_failures", "Rounds in a row that failed.", labels=("worker",))
    instances = GaugeMetricFamily("hookfill_worker_instances", "Processes that run it and are alive.", labels=("worker",))
    for worker in vitals.workers:
        failures.add_metric((worker.name,), worker.consecutive_failures)
        instances.add_metric((worker.name,), worker.instances)
    yield failures
    yield instances
    ages = GaugeMetricFamily("hookfill_feed_age_seconds", "Since a price last came in from there.", labels=("source",))
    for feed in vitals.feeds:
        ages.add_metric((feed.source,), feed.heard_seconds)
    yield ages
    if vitals.candle_seconds is not None:
        yield GaugeMetricFamily("hookfill_candle_age_seconds", "Since a candle was last stored.", value=vitals.candle_seconds)
