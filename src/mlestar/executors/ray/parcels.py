"""Folders that travel, in batches of files and pieces of files, so that nobody holds more than one of them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

BATCH = 32 * 1024 * 1024  # bytes
_DEEPEST = 20
_OVERHEAD = 200  # bytes that the name and the state of a file are thought to take


@dataclass(frozen=True)
class Part:
    """A folder, or the next piece of a file: its place, mode and time (ns) as os.stat tells them."""

    name: str
    mode: int
    time: int
    data: bytes = b""


Batch = list[Part]


def packed(folder: Path, follow: bool) -> Iterator[Batch]:
    """The folders and plain files below `folder` by the order of their names; 20 levels of them.

    With `follow`, what links lead to is packed in their place; else links are left out.
    """
    batch, size = Batch(), 0
    for part in _parts(folder, follow):
        batch.append(part)
        size += len(part.data) + _OVERHEAD
        if size >= BATCH:
            yield batch
            batch, size = Batch(), 0
    yield batch


def _parts(folder: Path, follow: bool) -> Iterator[Part]:
    for here, folders, files in os.walk(folder, followlinks=follow):
        place = Path(here).relative_to(folder)
        if len(place.parts) >= _DEEPEST:
            folders.clear()
        folders[:] = sorted(name for name in folders if follow or not Path(here, name).is_symlink())
        for name in folders:
            state = Path(here, name).stat()
            yield Part(str(place / name), state.st_mode, state.st_mtime_ns)
        for name in sorted(files):
            yield from _pieces(Path(here, name), str(place / name), follow)


def _pieces(path: Path, name: str, follow: bool) -> Iterator[Part]:
    """A plain file; nothing where it is none, or a link that is not followed. It waits for no pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except OSError:
        if follow:
            raise
        return  # whatever a script left there
    with os.fdopen(handle, "rb") as file:
        state = os.fstat(handle)
        if stat.S_ISREG(state.st_mode):
            yield Part(name, state.st_mode, state.st_mtime_ns, file.read(BATCH))
            while data := file.read(BATCH):
                yield Part(name, state.st_mode, state.st_mtime_ns, data)


def unpack(batches: Iterable[Batch], folder: Path) -> None:
    """Lay a packed folder where there is none yet; it appears only when it is whole, and does not tell when."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        for batch in batches:
            lay(batch, draft)
        for here, _, _ in os.walk(draft):
            os.chmod(here, 0o755)
            os.utime(here, (0, 0))
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def lay(batch: Batch, folder: Path) -> None:
    """Add folders and files of a batch to what was laid before it; nothing outside of `folder`, whatever it says."""
    for part in batch:
        path = folder / part.name
        if ".." in path.parts or not path.is_relative_to(folder):
            continue
        if stat.S_ISDIR(part.mode):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(part.data)
        path.chmod(stat.S_IMODE(part.mode) & 0o777 | 0o600)
        os.utime(path, ns=(part.time, part.time))
