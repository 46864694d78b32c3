"""One driver per run: an exclusive flock on `<run>/lock`, which the system frees when a process dies."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from mlestar.errors import RunError

_TRIES, _PAUSE = 25, 0.02  # half a second: a reader that asks `is_held` holds the lock for an instant


class Lock:
    """The right to drive a run, or to begin one. The file holds the driver's process id, for people."""

    def __init__(self, run: Path) -> None:
        """Raises RunError when another driver has it."""
        self._file = os.open(run / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        taken = self._wait()
        if taken and not os.fstat(self._file).st_nlink:  # whoever had it took the folder away
            os.close(self._file)
            raise RunError(f"{run}: another process has just removed this folder; try again")
        if not taken:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            who = f"process {holder}" if holder else "another process"
            raise RunError(f"{run}: the run is open in {who}; wait for it, or `mle-star stop {run}`")
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def _wait(self) -> bool:
        for _ in range(_TRIES):
            if _take(self._file, fcntl.LOCK_EX):
                return True
            threading.Event().wait(_PAUSE)
        return False

    def release(self) -> None:
        """Let another driver have it."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def is_held(run: Path) -> bool:
    """Whether some process drives the run now."""
    try:
        file = os.open(run / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _take(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


def _take(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
