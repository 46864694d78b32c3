"""What lies in the store: listed, verified, taken away, and put there whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlestar import plain
from mlestar.errors import SettingsError

UNKNOWN = "unknown"
CHUNK = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_MANIFEST = 64 * 1024 * 1024  # bytes: some 300,000 files


@dataclass(frozen=True)
class File:
    """One file: `path` below the asset's folder, its size in bytes, its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One asset. `sha256` is that of all files together; `revision` is empty where the source has none.

    `licence` is `unknown` where nobody said it; `date` is when it was added (ISO 8601, UTC).
    """

    name: str
    source: str
    revision: str
    licence: str
    date: str
    sha256: str
    files: tuple[File, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


_ENTRY = TypeAdapter(Entry)


def shelf(store: Path) -> Path:
    """The folder of the asset folders: what jobs are shown, and nothing else of the store."""
    return store / "ready"


def entries(store: Path, *, verify: bool = False) -> list[Entry]:
    """The assets of a store, by name; none where there is no store.

    With `verify` every file is read and compared with what was noted when it came. Raises SettingsError
    naming the first asset that is not as it was noted, and how to mend it.
    """
    found = [_entry(store, folder.name) for folder in _folders(store)]
    if verify:
        for entry in found:
            _verify(store, entry)
    return found


def remove(store: Path, name: str) -> None:
    """Take an asset away; jobs that have its files open keep them. SettingsError when there is no such asset."""
    spot = shelf(store) / checked(name)
    if not spot.is_dir():
        raise SettingsError(f"there is no asset {name!r} in {store}")
    try:
        with locked(store) as drafts:
            os.rename(spot, drafts / name)  # at once, so that no job sees half of it
            _manifest(store, name).unlink(missing_ok=True)
            plain.remove(drafts / name)
    except OSError as error:
        raise SettingsError(f"asset {name!r}: {error.filename or store}: {error.strerror or error}") from None


def checked(name: str) -> str:
    """The name, if it is one safe word; else SettingsError."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{plain.word(name, 80)!r} is no name for an asset: letters, digits, `-`, `_` and `.` only")
    return name


@contextmanager
def locked(store: Path) -> Iterator[Path]:
    """The store's folder for drafts, empty, and nobody else's while the context lasts.

    Raises SettingsError when somebody else is at work there. A draft that a killed process left is swept away.
    """
    for folder in (store, shelf(store), store / "entries", store / "drafts"):
        folder.mkdir(parents=True, exist_ok=True)
    shelf(store).chmod(0o755)  # behind a wall, a job may be another user than we are
    handle = os.open(store / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"somebody else is changing the assets in {store}; wait until that is done") from None
        drafts = store / "drafts"
        for left in list(drafts.iterdir()):
            plain.remove(left)
        yield drafts
    finally:
        os.close(handle)  # which also gives up the lock


def publish(store: Path, folder: Path, entry: Entry) -> None:
    """Put a finished folder into the store; the store must be `locked`."""
    note = store / "drafts" / f"{entry.name}.json"
    note.write_bytes(_ENTRY.dump_json(entry, indent=1))
    os.replace(note, _manifest(store, entry.name))  # alone it means nothing: an asset is there once its folder is
    os.rename(folder, shelf(store) / entry.name)


def together(files: tuple[File, ...]) -> str:
    """One digest for all files: that of the text that `sha256sum` prints for them, sorted by path."""
    lines = (f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _folders(store: Path) -> list[Path]:
    if not shelf(store).is_dir():
        return []
    return sorted(path for path in shelf(store).iterdir() if path.is_dir() and not path.is_symlink())


def _manifest(store: Path, name: str) -> Path:
    return store / "entries" / f"{name}.json"


def _entry(store: Path, name: str) -> Entry:
    data = plain.read(_manifest(store, name), _MOST_MANIFEST)
    try:
        entry = None if isinstance(data, str) else _ENTRY.validate_json(data)
    except ValidationError:
        entry = None
    if entry is None or entry.name != name:
        raise SettingsError(f"{_manifest(store, name)} does not say what the asset {name!r} is; " + _mend(name))
    return entry


def _mend(name: str) -> str:
    return f"remove it (`mle-star assets remove {name}`) and add it again"


def _verify(store: Path, entry: Entry) -> None:
    """Raise SettingsError unless the folder holds the files that were noted, and no others."""
    folder = shelf(store) / entry.name
    left = {file.path: file for file in entry.files}
    for parent, folders, names in os.walk(folder):
        for name in [*names, *(f for f in folders if Path(parent, f).is_symlink())]:
            path = Path(parent, name)
            told = left.pop(path.relative_to(folder).as_posix(), None)
            if told is None:
                raise SettingsError(f"{path} does not belong to the asset {entry.name!r}; " + _mend(entry.name))
            if _digest(path) != told.sha256:
                raise SettingsError(f"{path} is not what was added; " + _mend(entry.name))
    for missing in sorted(left):
        raise SettingsError(f"{folder / missing} is missing; " + _mend(entry.name))


def _digest(path: Path) -> str:
    """The SHA-256 of a plain file that can be read; empty for anything else."""
    if path.is_symlink() or not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
