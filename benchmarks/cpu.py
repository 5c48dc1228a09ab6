"""How much processor time each part of the installation uses."""

from collections.abc import Mapping

import psutil

Watched = Mapping[str, int]
"""Process ids by name; ``postgres`` stands for the postmaster and all its children."""


def seconds(watched: Watched) -> dict[str, float]:
    """Processor time used so far by each watched process, and by the whole machine."""
    used = {name: _of_family(pid) if name == "postgres" else _of_process(psutil.Process(pid)) for name, pid in watched.items()}
    times = psutil.cpu_times()
    used["machine"] = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
    return used


def cores(before: Mapping[str, float], after: Mapping[str, float], elapsed_seconds: float) -> dict[str, float]:
    """Cores in use on average between two readings."""
    return {f"cpu_{name}": round((after[name] - before[name]) / elapsed_seconds, 2) for name in before}


def _of_process(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _of_family(pid: int) -> float:
    """A process, its living children, and those that have ended (where the system says what they used)."""
    parent = psutil.Process(pid)
    times = parent.cpu_times()
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return _of_process(parent) + ended + sum(_of_process(child) for child in parent.children(recursive=True))
