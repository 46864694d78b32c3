"""What a script leaves behind, looked at without trusting a name, a link or a depth in it."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mlestar.plain import word

_MAX_FILES = 200
_DEEPEST = 20


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
