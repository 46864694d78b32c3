"""The bench's child processes: each in a group of its own that ends with it, and with us; and the cores for all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlestar.errors import Interrupted, SettingsError
from mlestar.plain import clean

TICK = 0.2  # seconds between looks at a stop
_TAIL = 4000  # bytes of a log that are read for a reason
# Runs a script that dies with us: its standard input ends when the bench does, however that was killed.
LIFE = """
import os, runpy, signal, sys, threading
def watch():
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (None: it ran out of time and was killed), and the wall seconds it took."""

    code: int | None
    seconds: float


def call(
    argv: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str], seconds: float,
    stopped: Callable[[], bool],
) -> Ended:  # fmt: skip
    """Run a program in `folder` with both of its outputs in `log`, for at most `seconds`.

    Raises Interrupted when `stopped` says so, and OSError where it cannot be started. Its group never outlives this.
    """
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = _waited(process, begun + seconds, stopped)
        finally:
            _end(process)
    return Ended(code, time.monotonic() - begun)


def _waited(process: subprocess.Popen[bytes], end: float, stopped: Callable[[], bool]) -> int | None:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(TICK)
        if stopped():
            raise Interrupted("stopped")
        if time.monotonic() > end:
            return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def last_line(log: Path) -> str:
    """The last line of a log that says something; `` without one."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        lines = [line.strip() for line in clean(file.read().decode("utf-8", "replace")).splitlines()]
        return next((line for line in reversed(lines) if line), "")
    return ""


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """This process, and all that it starts, on so many of its processors. Raises SettingsError where it has fewer."""
    before = os.sched_getaffinity(0)
    if cores > len(before):
        raise SettingsError(f"--jobs {cores}: it is the core count of all systems, and this process has {len(before)}")
    _pin(set(sorted(before)[:cores]))
    try:
        yield
    finally:
        _pin(before)


def _pin(cores: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):  # libraries may have begun threads already
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)
