"""Commands that run as the user, outside the wall: one that answers questions, one that is called and waited for, and
mle-star itself as a child.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlestar.errors import Interrupted, SettingsError, Spent, Unreachable
from mlestar.plain import clean, word

MOST_ANSWER = 5_000_000  # characters
TICK = 0.2  # seconds between looks at a stop
_TAIL = 4000  # bytes of a log that are read for a reason
# Runs a script that dies with us: its standard input, held by `call`, ends when we do, however we were killed.
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


def program(command: str) -> tuple[str, ...]:
    """The words of a command line. Raises SettingsError, which does not repeat them, where it is none."""
    try:
        argv = tuple(shlex.split(command))
    except ValueError as error:
        raise SettingsError(f"setting 'brain': what follows cli: is no command line ({error})") from None
    if not argv:
        raise SettingsError("setting 'brain': write cli:<command>, for example cli:'my-assistant --print'")
    return argv


def converse(
    command: str, text: str, seconds: float, goes_on: Callable[[], bool], hide: Callable[[str], str]
) -> str:  # fmt: skip
    """What `command` prints when it is given `text`. It has the user's environment: it is the user's program.

    It runs in a process group of its own, which ends after `seconds`, and when `goes_on` raises or says no. What it
    prints passes `hide`. Raises SettingsError when there is no such command, Unreachable when it fails or takes longer
    than `seconds`, Spent where it may not go on.
    """
    argv = program(command)
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise SettingsError(f"setting 'brain': there is no command {name!r}") from None
    except PermissionError:
        raise SettingsError(f"setting 'brain': {name!r} may not be run") from None
    try:
        said, errors = _heard(process, name, text, seconds, goes_on)
    except BaseException:
        _end(process)
        raise
    if process.returncode:
        why = word(hide(errors or said), 300)  # hidden before it is cut
        raise Unreachable(f"{name} ended with status {process.returncode} ({why}); nothing is lost, `mle-star resume` "
                          "goes on")  # fmt: skip
    return hide(said)[:MOST_ANSWER]


def _heard(
    process: subprocess.Popen[str], name: str, text: str, seconds: float, goes_on: Callable[[], bool]
) -> tuple[str, str]:
    """All that it prints, on both of its outputs."""
    end, given = time.monotonic() + seconds, text or None
    while True:
        try:
            return process.communicate(given, timeout=TICK)
        except subprocess.TimeoutExpired:
            given = None  # it is remembered
        if time.monotonic() > end:
            raise Unreachable(f"{name} gave no answer in {seconds:g} s; nothing is lost, `mle-star resume` goes on, "
                              "and llm.timeout allows more")  # fmt: skip
        if not goes_on():
            raise Spent(f"the time of this phase was over before {name} had answered")


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill it with all that it started in its group; what holds its pipes elsewhere is not waited for."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def launch(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program of ours that outlives us: a session of its own, no input, all output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


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

    Its process group ends with this call. Where we are killed it goes on, unless `LIFE` runs it. Raises Interrupted
    when `stopped` says so, and OSError where it cannot be started.
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


def last_line(log: Path) -> str:
    """The last line of a log that says something; `` without one."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        lines = [line.strip() for line in clean(file.read().decode("utf-8", "replace")).splitlines()]
        return next((line for line in reversed(lines) if line), "")
    return ""
