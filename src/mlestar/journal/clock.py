"""Time, as a run sees it."""

from __future__ import annotations

import time

from mlestar.journal.store import Store


class RunClock:
    """Implements `ports.Clock` over a store: time worked counts all sittings and never jumps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def spent(self) -> float:
        """Seconds that this run has been worked on."""
        return self._store.spent()
