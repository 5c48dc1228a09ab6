"""How long the survival tests are, and from which seed their chances are drawn."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent and how often something is killed."""

    alerts: int
    kills: int


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Size:
    """Short in the suite; `make chaos` runs the long form."""
    return Size(alerts=5_000, kills=5) if request.config.getoption("--chaos-long") else Size(alerts=600, kills=2)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Seeded, and the seed is printed: a failing run can be repeated with ``CHAOS_SEED``."""
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"CHAOS_SEED={seed} for {request.node.name}")
    return random.Random(seed)


@pytest.fixture
def server_home(tmp_path: Path) -> Path:
    """A home for a server whose database lies elsewhere."""
    return tmp_path / "home"
