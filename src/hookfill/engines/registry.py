"""The engines by name, as strategies name them."""

from hookfill.engines import direct, rules
from hookfill.engines.model import Engine
from hookfill.kernel.errors import ConfigurationError

AB = "ab"
"""The experiment between two engines. As long as engine A is the only one, all of its signals are variant A."""
ENGINES: dict[str, Engine] = {direct.NAME: direct.decide, rules.NAME: rules.decide, AB: rules.decide}


def engine(name: str) -> Engine:
    """The engine that a strategy names.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"Unknown engine {name!r}; choose one of {', '.join(sorted(ENGINES))}.")
    return ENGINES[name]
