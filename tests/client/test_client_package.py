"""What is installed: the client with its types, for programs of other people that are checked against them."""

import os
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).parents[2]


def test_the_wheel_brings_the_client_and_says_that_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_wheel(os.fspath(tmp_path))) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    source = ROOT / "src"
    assert "hookfill/py.typed" in names
    assert {path.relative_to(source).as_posix() for path in (source / "hookfill" / "client").glob("*.py")} <= names
    assert "Provides-Extra: parquet" in metadata
