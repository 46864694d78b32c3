"""What a script leaves behind, looked at without trusting a name, a link or a depth in it."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mlestar.plain import read, remove, word
from mlestar.records import Fits, Outcome

_MAX_FILES = 200
_DEEPEST = 20
_MOST_FITS = 10**9


def files(folder: Path, besides: tuple[str, ...]) -> tuple[str, ...]:
    """The first 200 files that a job left, relative to its folder; links are not followed."""
    found: list[str] = []
    stack = [(folder, 0)]
    while stack and len(found) <= _MAX_FILES:
        here, depth = stack.pop()
        folders = []
        with suppress(OSError), os.scandir(here) as entries:
            for entry in heapq.nsmallest(_MAX_FILES, entries, key=lambda e: e.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append((Path(entry.path), depth + 1))
                else:
                    found.append(os.path.relpath(entry.path, folder))
        stack += [below for below in reversed(folders) if below[1] <= _DEEPEST]
    return tuple(word(name) for name in found if name not in besides)[:_MAX_FILES]


def present(opened: Iterable[str], view: Path) -> set[str]:
    """Of the paths that were told as opened, those that the view has: a script may tell what it likes."""
    found = set()
    for name in opened:
        with suppress(OSError, ValueError):
            if not name.startswith("/") and ".." not in name.split("/") and os.path.lexists(view / name):
                found.add(name)
    return found


def fitted(outcome: Outcome, folder: Path, target: str) -> Outcome:
    """What became of a job's fits (executors/fitted.py); models that it left go to `target`, if there is one.

    Nothing in them is opened here, ever: only another job reads them.
    """
    if not outcome.ok:
        return outcome
    kept, places = folder / "kept", (folder / "fits.json", folder / "kept")
    files = tuple(name for name in outcome.files if name.partition("/")[0] not in {place.name for place in places})
    if target:
        with suppress(OSError):  # a full disk, say: then there are none
            remove(Path(target))
            if kept.is_dir() and not kept.is_symlink():
                _move(kept, Path(target))
    return replace(outcome, files=files, fits=_fits(folder / "fits.json"))


def _move(kept: Path, target: Path) -> None:
    """Plain files only, which any job may read and none may change."""
    with os.scandir(kept) as entries:
        odd = [Path(entry.path) for entry in entries if not entry.is_file(follow_symlinks=False)]
    for path in odd:
        remove(path)
    with os.scandir(kept) as entries:
        for entry in entries:
            os.chown(entry.path, os.geteuid(), os.getegid(), follow_symlinks=False)
            os.chmod(entry.path, 0o644)
    os.chown(kept, os.geteuid(), os.getegid())
    kept.chmod(0o755)
    kept.rename(target)


def _fits(told: Path) -> Fits | None:
    data = read(told, 1000)
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(data) if isinstance(data, bytes) else {}
        counts = [int(found[name]) for name in ("fits", "taken", "kept", "left")]
        if all(0 <= count < _MOST_FITS for count in counts):
            return Fits(*counts)
    return None
