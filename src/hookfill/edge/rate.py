"""How often a sender may come (pure: the time is given)."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class RateLimit:
    """So many requests a minute for each sender, who may save up a minute's worth; None: any number.

    Attributes:
        per_minute: how many.
    """

    per_minute: int | None
    _full_at: dict[str, float] = field(default_factory=dict)
    """When a sender who does not come again has saved up all; who is not here has."""

    def wait(self, sender: str, now: float) -> float:
        """Let a sender's request in (0), or say how many seconds it should wait; what must wait counts for nothing.

        Args:
            sender: whoever is counted apart: few, since each is remembered for up to a minute.
            now: seconds on any clock that does not go back.
        """
        if self.per_minute is None:
            return 0.0
        step = 60.0 / self.per_minute
        self._full_at = {known: at for known, at in self._full_at.items() if at > now}
        full_at = max(self._full_at.get(sender, now), now) + step
        if full_at - now > 60.0 + step / 1000:
            return full_at - now - 60.0
        self._full_at[sender] = full_at
        return 0.0
