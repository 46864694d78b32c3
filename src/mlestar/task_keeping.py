"""What a brain proposed for a task folder, tried out beside it, and kept in it.

A `task.toml` is kept as it is. Programs are not: with one of them, all that was proposed is kept as `NAME.proposed`,
which nothing reads, until the user accepts it.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mlestar import runs
from mlestar.config import Settings
from mlestar.errors import SettingsError, TaskError
from mlestar.tasks.check import check
from mlestar.tasks.others import PROGRAMS, PROPOSED

NAME = "task.toml"
NAMES = (*PROGRAMS, NAME)  # in the order in which they are accepted


def lay(task: Path, place: Path, files: Mapping[str, str]) -> None:
    """A folder of links to all that the task holds, with other files of ours where `files` has them."""
    try:
        place.mkdir(parents=True)
        for entry in os.listdir(task):
            if entry in PROGRAMS and entry not in files:
                (place / entry).write_bytes(
                    (task / entry).read_bytes()
                )  # a program that links out of its folder is refused
            elif entry not in files and entry != NAME:
                os.symlink(task / entry, place / entry)
        for name, text in files.items():
            (place / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{place}: no folder of links can be made there ({error.strerror}); set TMPDIR") from None


def refuse_to_replace(task: Path) -> None:
    """Raises TaskError where the folder has a `task.toml`, or a proposal that waits."""
    if os.path.lexists(task / NAME):
        raise TaskError(f"{task / NAME} is there, and is never replaced: move it away, or leave --write out")
    for name in _waiting(task):
        raise TaskError(
            f"{task / name}{PROPOSED} waits to be read: `mle-star check {task} --accept` takes it, or remove it"
        )


def write(task: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Keep what was proposed, each file whole or not at all: a `task.toml` alone as it is, else all as `NAME.proposed`.

    Raises TaskError where something is there, or it cannot be written.
    """
    if not files:
        return ()
    refuse_to_replace(task)
    mark = "" if set(files) == {NAME} else PROPOSED
    return tuple(_written(task / f"{name}{mark}", text) for name, text in files.items())


def accept(task: Path, settings: Settings) -> str:
    """Let the proposal that waits in the folder count; what `check` says with it. Runs its programs, behind the wall.

    Raises TaskError where nothing waits, where a file would be replaced, or where it does not pass its check.
    """
    waiting = _waiting(task)
    if not waiting:
        raise TaskError(f"{task} has no proposal to accept: there is no {', no '.join(n + PROPOSED for n in NAMES)}")
    taken = next((name for name in waiting if os.path.lexists(task / name)), None)
    if taken:
        raise TaskError(f"{task / taken} is there, and is never replaced: move it away, or remove {taken}{PROPOSED}")
    files = {name: _text(task / f"{name}{PROPOSED}") for name in waiting}
    own = {NAME: _text(task / NAME)} if os.path.lexists(task / NAME) else {}
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        place = Path(scratch) / (task.resolve().name or "task")
        lay(task.resolve(), place, {**own, **files})
        try:
            seen = check(place, partial(runs.serve, settings), task)
        except TaskError as error:
            said = str(error).replace(str(place), str(task))
            raise TaskError(f"nothing was accepted: {said}") from None
    for name, text in files.items():  # just what was checked, whatever became of the file meanwhile
        _written(task / name, text)
        (task / f"{name}{PROPOSED}").unlink(missing_ok=True)
    return seen


def _waiting(task: Path) -> list[str]:
    return [name for name in NAMES if os.path.lexists(task / f"{name}{PROPOSED}")]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from None


def _written(target: Path, text: str) -> Path:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, target)  # refuses where somebody was faster
    except OSError as error:
        raise TaskError(f"{target} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return target
