"""Blobs: files named by the digest of what they hold."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from mlestar.errors import RunError
from mlestar.journal.codec import tagged
from mlestar.journal.database import guard


class Blobs:
    """A folder `ab/<digest>` of immutable files; safe from many threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where a blob lives. Raises RunError for a text that is no digest."""
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256" or len(name) != 64 or not name.isalnum():
            raise RunError(f"{digest!r} is not the name of a blob")
        return self.folder / name[:2] / name

    def save(self, data: bytes) -> str:
        """Store `data`; on return it has reached the disk."""
        digest = tagged(data)
        path = self.path(digest)
        with guard(self.folder):
            if not (path.exists() and path.read_bytes() == data):  # a damaged one is replaced
                _place(data, path)
        return digest

    def load(self, digest: str) -> bytes:
        """Read a blob. Raises RunError when it is missing or damaged."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"{path}: the blob cannot be read ({error.strerror}); the run folder is damaged") from error
        if tagged(data) != digest:
            raise RunError(f"{path}: the blob is damaged, its content does not match its name")
        return data


def _place(data: bytes, path: Path) -> None:
    """Write beside, flush, rename, flush the folders: a reader sees all of a blob or none."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _flush_folder(path.parent.parent)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
