"""The engines by name, as strategies name them."""

from hookfill.engines import direct, rules
from hookfill.engines.model import Engine
from hookfill.kernel.errors import ConfigurationError

ENGINES: dict[str, Engine] = {direct.NAME: direct.decide, rules.NAME: rules.decide}


def engine(name: str) -> Engine:
    """The engine that a strategy names.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"Unknown engine {name!r}; choose one of {', '.join(sorted(ENGINES))}.")
    return ENGINES[name]
