"""What a script leaves behind: looked at and taken away without trusting a name, a link, a mode or a depth in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MAX_FILES = 200
_DEEPEST = 20


def files(folder: Path, besides: str) -> tuple[str, ...]:
    """The first 200 files that a job left, relative to its folder; links are not followed."""
    found: list[str] = []
    stack = [(folder, 0)]
    while stack and len(found) <= _MAX_FILES:
        here, depth = stack.pop()
        folders = []
        with suppress(OSError), os.scandir(here) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append((Path(entry.path), depth + 1))
                elif not entry.is_dir():
                    found.append(os.path.relpath(entry.path, folder))
        stack += [below for below in reversed(folders) if below[1] <= _DEEPEST]
    return tuple(name for name in found if name != besides)[:_MAX_FILES]


def present(opened: Iterable[str], view: Path) -> set[str]:
    """Of the paths that were told as opened, those that the view has: a script may tell what it likes."""
    found = set()
    for name in opened:
        with suppress(OSError, ValueError):
            if os.path.lexists(view / name) and ".." not in name.split("/"):
                found.add(name)
    return found


def remove(folder: Path) -> None:
    """Take a folder (or whatever lies at its place) away; quietly nothing where there is none."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if folder.exists():  # folders without rights, or deeper than a path may be long: the system's tools know how
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)
