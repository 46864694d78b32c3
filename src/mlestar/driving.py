"""A run that goes on in a thread of the caller's process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from mlestar import events
from mlestar.housekeeping import Watch


class Drive:
    """A run driven in a thread of this process, which ends with it; the journal keeps what was done."""

    def __init__(self, work: Callable[[Watch], object]) -> None:
        self._error: BaseException | None = None
        self._over = threading.Event()
        threading.Thread(target=self._work, args=(work,), daemon=True).start()

    def _work(self, work: Callable[[Watch], object]) -> None:
        try:
            work(lambda told: None)
        except BaseException as error:  # it is raised where somebody waits
            self._error = error
        finally:
            self._over.set()

    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return not self._over.is_set()

    def begun(self, folder: Path) -> None:
        """Wait until the folder is a run's; raises what ended it before."""
        while not (folder / "journal.db").exists():
            if self._over.wait(events.TICK):
                self.wait(0)
                return

    def wait(self, timeout: float | None) -> None:
        """Wait for the end, and raise what it was, if it was an error."""
        if self._over.wait(timeout) and self._error is not None:
            raise self._error
