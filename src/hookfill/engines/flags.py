"""The feature flags: what may be switched while everything runs. All are off until the owner switches them on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Flags:
    """Every flag, by the name under which it is stored and shown."""

    enable_variant_b: bool = field(
        default=False,
        metadata={"says": "AB_SPLIT_PERCENTAGE of the signals of strategies with the engine ab are acted on by the council."},
    )
    enable_orb_specialist: bool = field(
        default=False, metadata={"says": "The council asks its opening-range specialist (SPY, QQQ and SPX)."}
    )
    enable_strat_specialist: bool = field(
        default=False, metadata={"says": "The council asks its specialist for patterns of the last three candles."}
    )
    enable_ttm_specialist: bool = field(default=False, metadata={"says": "The council asks its specialist for released squeezes."})
    enable_satyland_sub_agent: bool = field(
        default=False, metadata={"says": "The council asks its sub-agent for the price's side of EMA 21."}
    )


NO_FLAGS = Flags()
"""Everything is off."""
FLAGS: Mapping[str, str] = {flag.name: flag.metadata["says"] for flag in fields(Flags)}
"""What each flag does when it is on."""


def flags_from(stored: Mapping[str, bool]) -> Flags:
    """The flags as they are stored; one that never was set is off, and one of another version is left aside."""
    return Flags(**{name: is_enabled for name, is_enabled in stored.items() if name in FLAGS})
