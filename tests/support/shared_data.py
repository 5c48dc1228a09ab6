"""Where the real candles and alert logs are, for tests that use them; they are not part of the project."""

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("HOOKFILL_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


def shared_file(kind: str, name: str) -> Path:
    """A file of real data; the test is skipped where it is absent."""
    path = _FOLDER / kind / name
    if not path.exists():
        pytest.skip(f"{path} is absent: set HOOKFILL_SHARED_DATA to the folder with the real data")
    return path


def shared_files(kind: str) -> list[Path]:
    """All files of a kind; the test is skipped where there are none."""
    paths = sorted((_FOLDER / kind).glob("*.csv"))
    if not paths:
        pytest.skip(f"{_FOLDER / kind} is absent: set HOOKFILL_SHARED_DATA to the folder with the real data")
    return paths
