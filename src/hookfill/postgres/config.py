"""The settings of the embedded server.

``hookfill.conf`` is written anew before every start, so that an upgrade brings its settings along; ``overrides.conf`` beside it
belongs to the user and is read last.
"""

from collections.abc import Mapping
from pathlib import Path

import psutil

MEBIBYTE = 1024 * 1024
HOOKFILL_CONF = "hookfill.conf"
OVERRIDES_CONF = "overrides.conf"
INCLUDES = f"""
# Hookfill's settings, written anew before every start; then yours.
include '{HOOKFILL_CONF}'
include_if_exists '{OVERRIDES_CONF}'
"""

_SETTINGS: dict[str, str] = {
    # Durability: an acknowledged alert is on disk.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Write-ahead log: few checkpoints, spread out; group commit happens in the inbox, not by delay.
    "wal_compression": "on",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "commit_delay": "0",
    # Short transactions on few rows: compiling queries never pays.
    "jit": "off",
    "max_connections": "100",
    # Rows pass through quickly (pending to terminal): clean up early and often.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "autovacuum_analyze_scale_factor": "0.05",
    # A worker that was killed must not keep its locks while its statement runs on.
    "client_connection_check_interval": "2s",
    # Access.
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    # One file per weekday, overwritten a week later.
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "cluster_name": "hookfill",
}


def shared_buffers_mib(memory_bytes: int) -> int:
    """A quarter of the memory, at least 32 MiB, at most 256 MiB: the rest is worth more as the system's file cache."""
    return max(32, min(256, memory_bytes // 4 // MEBIBYTE))


def available_memory_bytes() -> int:
    """The machine's memory, or the container's limit (cgroup v2) where that is less."""
    memory: int = psutil.virtual_memory().total
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no container, or its limit is "max"
        return memory


def render(places: Mapping[str, str]) -> str:
    """The text of ``hookfill.conf``: the fixed settings, the memory, and where to listen and to log."""
    settings = {**_SETTINGS, "shared_buffers": f"{shared_buffers_mib(available_memory_bytes())}MB", **places}
    lines = [f"{name} = '{_quote(value)}'" for name, value in settings.items()]
    return "# Written by Hookfill before every start. Put your own settings into overrides.conf.\n" + "\n".join(lines) + "\n"


def _quote(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
