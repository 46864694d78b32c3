"""A clock that moves only when told to."""

from __future__ import annotations


class FakeClock:
    """Implements `ports.Clock`; `advance` is how time passes."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._started = self._now = now

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def spent(self) -> float:
        """Seconds since this clock was made."""
        return self._now - self._started

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
