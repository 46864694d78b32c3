"""Commands that run as the user, outside the wall: one that answers questions, and mle-star itself as a child."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mlestar.errors import SettingsError, Spent, Unreachable
from mlestar.plain import word

MOST_ANSWER = 5_000_000  # characters
TICK = 0.2  # seconds between looks at a stop


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


def _end(process: subprocess.Popen[str]) -> None:
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
