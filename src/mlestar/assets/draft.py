"""A folder that is filled from outside: names stay inside it, bytes and files are bounded, everything is hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from mlestar.assets.store import File
from mlestar.errors import SettingsError
from mlestar.plain import word

MOST_BYTES = 128 * 1024**3
MOST_FILES = 100_000
_DEEPEST = 20
_LONGEST = 1000  # characters of a path
_HIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Draft:
    """Files are written once and never over one another. `files` are those written so far.

    Raises SettingsError for a name that leads out, and when it all becomes more than `most_bytes` or `most_files`.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        self.folder, self.most_bytes, self.most_files = folder, most_bytes, most_files
        self.files: list[File] = []
        self._bytes = 0
        _opened(folder)

    def write(self, name: str, chunks: Iterable[bytes]) -> File:
        """Write one file below the folder; hashed on the way."""
        path = self._path(name)
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    self._take(len(chunk))
                    digest.update(chunk)
                    file.write(chunk)
        except FileExistsError:
            raise SettingsError(f"{word(name)!r} comes twice") from None
        path.chmod(0o444)
        written = File(path.relative_to(self.folder).as_posix(), size, digest.hexdigest())
        self.files.append(written)
        return written

    def _path(self, name: str) -> Path:
        """Where `name` is to be written; its folders are made."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        leads_out = name.startswith("/") or ".." in parts or not parts
        if leads_out or _HIDDEN.search(name) or len(parts) > _DEEPEST or len(name) > _LONGEST:
            raise SettingsError(f"{word(name)!r} is no name for a file inside an asset")
        if len(self.files) >= self.most_files:
            raise SettingsError(f"it has more than {self.most_files} files")
        folder = self.folder
        for part in parts[:-1]:
            folder = folder / part
            if not folder.is_dir():
                try:
                    _opened(folder)
                except FileExistsError:
                    raise SettingsError(f"{word(name)!r} lies inside a file") from None
        return folder / parts[-1]

    def _take(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self.most_bytes:
            raise SettingsError(f"it is larger than {self.most_bytes / 1e9:.3g} GB")


def _opened(folder: Path) -> None:
    """Make a folder that any user may read, whatever our umask: a job may be another user than we are."""
    folder.mkdir()
    folder.chmod(0o755)
