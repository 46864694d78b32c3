"""Making plain what nobody trusts: texts of a script, a brain or a data file, and the files that a script left.

Standard library only, so that every layer may use it.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import secrets
import shlex
import stat
import threading
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]"  # reorder, break or hide text
)
TRIES = 20
_PARSING = threading.Lock()
_LONE = re.compile(r"[\ud800-\udfff]")  # no encoding can write them


def clean(text: str) -> str:
    """Text fit for a terminal and a page: no escapes, no control characters, progress bars at their last state."""
    lines = _ESCAPES.sub("", _LONE.sub("\ufffd", text).replace("\r\n", "\n")).split("\n")
    return "\n".join(_CONTROLS.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in lines)


def word(text: object, most: int = 200) -> str:
    """Clean text in one line of at most `most` characters."""
    line = " ".join(clean(str(text)[: 8 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def number(value: float | None, error: float | None, none: str = "none") -> str:
    """A score for reading, with its standard error where there is one."""
    return none if value is None else f"{value:.5f}" + ("" if error is None else f" ± {error:.5f}")


def says(text: str, words: str) -> bool:
    """Whether a text has these words, whole and one after the other; no words are in none."""
    said, wanted = (" ".join(re.findall(r"\w+", each.lower())) for each in (text, words))
    return bool(wanted) and f" {wanted} " in f" {said} "


def called(brain: str) -> str:
    """A brain's name as it is shown: of a command the program alone, for what follows may be secret."""
    if not brain.startswith("cli:"):
        return brain
    with contextlib.suppress(ValueError):
        return f"cli:{Path([*shlex.split(brain.removeprefix('cli:')), ''][0]).name}"
    return "cli:"


def source(text: str) -> str:
    """A program's text that can be written and parsed: one kind of line end, no NUL, no lone surrogates."""
    return _LONE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"))


def tree(source: str, mode: str = "exec") -> ast.AST:
    """`ast.parse`, one at a time. Raises what it raises.

    Python 3.11 counts the depth of all threads' trees together, and gives up with a SystemError when two meet
    (cpython issue 106905); a thread of a library may meet ours, so it is tried again.
    """
    for _ in range(TRIES):
        with _PARSING, contextlib.suppress(SystemError):
            return ast.parse(source, mode=mode)
    raise SyntaxError("it cannot be parsed: Python stumbled over it again and again")


def read(path: Path, most: int) -> bytes | str:
    """The bytes of a regular file of at most `most`, or what is wrong; follows no link, waits for no pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"{path.name} is not a plain file that can be read ({error.strerror})"
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        return f"{path.name} is not a plain file"
    with os.fdopen(handle, "rb") as file:
        if state.st_size > most:
            return f"{path.name} is {state.st_size} bytes long; at most {most} are read"
        return file.read(most)


def remove(folder: Path) -> None:
    """Remove a folder that a script filled, or what lies at its place, if anything does.

    However deep: what lies deeper is first brought to the top.
    """
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        return
    number, new = 0, secrets.token_hex(8)  # a name that no script can have taken
    while folders := [entry for entry in _entries(folder) if not _unlinked(entry)]:
        for entry in folders:
            for inner in _entries(Path(entry.path)):
                if not _unlinked(inner):
                    number += 1
                    os.chmod(inner.path, 0o700)  # a folder that is locked cannot be moved
                    os.rename(inner.path, folder / f".{new}.{number}")
            os.rmdir(entry.path)
    os.rmdir(folder)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    os.chmod(folder, 0o700)  # its owner may have locked it
    with os.scandir(folder) as entries:
        return list(entries)


def _unlinked(entry: os.DirEntry[str]) -> bool:
    """Whether it was no folder, and is gone."""
    if entry.is_dir(follow_symlinks=False):
        return False
    os.unlink(entry.path)
    return True
