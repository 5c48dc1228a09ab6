"""The engines by name, as strategies name them."""

from hookfill.engines import direct, rules
from hookfill.engines.council import engine as council
from hookfill.engines.model import Engine
from hookfill.kernel.errors import ConfigurationError

AB = "ab"
"""The experiment between the rules (variant A) and the council (variant B); here it stands for A."""
ENGINES: dict[str, Engine] = {direct.NAME: direct.decide, rules.NAME: rules.decide, council.NAME: council.decide, AB: rules.decide}


def engine(name: str) -> Engine:
    """The engine that a strategy names.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"Unknown engine {name!r}; choose one of {', '.join(sorted(ENGINES))}.")
    return ENGINES[name]
