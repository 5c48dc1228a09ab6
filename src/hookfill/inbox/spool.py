"""The spool: where deliveries wait, on local disk, while the database does not answer.

One file holds one batch, written whole, synced, then renamed: a crash leaves either the batch or nothing. Names are UUIDv7, so
their order is the order of arrival. Writing a batch on to the database twice changes nothing (see ``flush_batch``).
"""

import base64
import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog

from hookfill.inbox.model import Delivery, NewSignal
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import new_id

_LOG = structlog.get_logger("hookfill.inbox")


class SpoolFull(HookfillError):
    """Neither the database nor the spool can take a message: it must be refused so that the sender tries again."""


class Spool:
    """A folder of batches, bounded in bytes; ``bytes`` is how much waits in it."""

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30) -> None:
        """Use ``folder`` (made if absent, private to the server's user) for at most ``max_bytes`` of batches."""
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.bytes = sum(path.stat().st_size for path in folder.glob("*.batch"))

    def write(self, deliveries: list[Delivery]) -> None:
        """Put a batch on disk; it is durable when this returns.

        Raises:
            SpoolFull: the bound is reached or the disk refuses the write.
        """
        content = orjson.dumps([_to_json(delivery) for delivery in deliveries], default=str)
        if self.bytes + len(content) > self._max_bytes:
            raise SpoolFull("The spool is full: bring the database back, or raise HOOKFILL_SPOOL_MAX_BYTES.")
        target = self._folder / f"{new_id()}.batch"
        try:
            _write_durably(target, content)
        except OSError as error:
            raise SpoolFull(f"The spool can't be written ({error.strerror}): free disk space at {self._folder}.") from error
        self.bytes += len(content)

    def batches(self) -> Iterator[tuple[Path, list[Delivery]]]:
        """All batches in order of arrival; call ``remove`` when one is safely in the database.

        A file that holds no batch (a damaged disk, a careless edit) is set aside as ``.damaged``: it must not hold up the others.
        """
        for path in sorted(self._folder.glob("*.batch")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # another process of this home has written it on
                continue
            try:
                batch = [_from_json(entry) for entry in orjson.loads(content)]
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self._set_aside(path, error)
                continue
            yield path, batch

    def remove(self, path: Path) -> None:
        """Forget a batch that has been written on."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self.bytes = max(0, self.bytes - size)

    def _set_aside(self, path: Path, error: Exception) -> None:
        damaged = path.with_suffix(".damaged")
        _LOG.error("spool_batch_damaged", kept_as=str(damaged), error=f"{type(error).__name__}: {error}")
        with contextlib.suppress(FileNotFoundError):
            self.bytes = max(0, self.bytes - path.stat().st_size)
            path.rename(damaged)

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return next(self._folder.glob("*.batch"), None) is None


def _write_durably(target: Path, content: bytes) -> None:
    draft = target.with_suffix(".draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name itself must survive a power cut
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _to_json(delivery: Delivery) -> dict[str, Any]:
    entry = asdict(delivery)
    entry["body"] = base64.b64encode(delivery.body).decode()
    entry["gate_key"] = delivery.gate_key.hex() if delivery.gate_key is not None else None
    if delivery.repaired_body is not None:
        entry["repaired_body"] = base64.b64encode(delivery.repaired_body).decode()
    return entry


def _from_json(entry: dict[str, Any]) -> Delivery:
    signal = entry.pop("signal")
    entry["body"] = base64.b64decode(entry["body"])
    entry["gate_key"] = bytes.fromhex(entry["gate_key"]) if entry["gate_key"] is not None else None
    if entry.get("repaired_body") is not None:  # batches of older servers have none
        entry["repaired_body"] = base64.b64decode(entry["repaired_body"])
    for name in ("received_at", "as_of"):
        entry[name] = datetime.fromisoformat(entry[name])
    for name in ("account_id", "message_id", "strategy_id"):
        entry[name] = UUID(entry[name]) if entry[name] is not None else None
    if signal is not None:
        signal["signal_id"] = UUID(signal["signal_id"])
        signal["experiment_id"] = UUID(signal["experiment_id"]) if signal["experiment_id"] is not None else None
        signal = NewSignal(**signal)
    return Delivery(**entry, signal=signal)
