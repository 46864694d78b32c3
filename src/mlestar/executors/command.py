"""Commands that run as the user, outside the wall: one that answers questions, and mle-star itself as a child."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlestar.errors import SettingsError, Unreachable
from mlestar.plain import word

MOST_ANSWER = 5_000_000  # characters


def converse(command: str, text: str, seconds: float) -> str:
    """What `command` prints when it is given `text`. It has the user's environment: it is the user's program.

    Raises SettingsError when there is no such command, Unreachable when it fails or takes longer than `seconds`.
    """
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise SettingsError(f"setting 'brain': cli:{command} is no command line ({error})") from None
    if not argv:
        raise SettingsError("setting 'brain': write cli:<command>, for example cli:'my-assistant --print'")
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, timeout=seconds, encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        raise SettingsError(f"setting 'brain': there is no command {argv[0]!r}") from None
    except PermissionError:
        raise SettingsError(f"setting 'brain': {argv[0]!r} may not be run") from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{argv[0]} gave no answer in {seconds:g} s; nothing is lost, `mle-star resume` goes on, and "
                          "llm.timeout allows more") from None  # fmt: skip
    if done.returncode:
        said = word(done.stderr or done.stdout, 300)
        raise Unreachable(f"{argv[0]} ended with status {done.returncode} ({said}); nothing is lost, `mle-star resume` "
                          "goes on")  # fmt: skip
    return done.stdout[:MOST_ANSWER]


def launch(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program of ours that outlives us: a session of its own, no input, all output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
