"""Opening the journal's SQLite file, and the errors of doing so in the user's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlestar.errors import RunError
from mlestar.journal import codec
from mlestar.journal.checksums import seal, text
from mlestar.journal.migrations import migrate

NAME = "journal.db"
APPLICATION = 0x4D4C4553  # "MLES" in the file's header: tells a journal from any other database
# Files that this process drives. POSIX drops a process's locks on a file when it closes any handle of it, and without
# its lock another process takes the log to be its own and removes it: so these are read through SQLite alone.
DRIVEN: set[Path] = set()
_MAGIC = b"SQLite format 3\0"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


_SAFE = "Everything recorded is safe; make room, then `mle-star resume` the run"


@contextmanager
def guard(place: Path, when_full: str = _SAFE) -> Iterator[None]:
    """Turn errors of the disk and of the database file into RunError naming `place`."""
    try:
        with roomy(place, when_full):
            yield
    except sqlite3.DatabaseError as error:
        raise RunError(f"{place}: the journal cannot be used ({error})") from error
    except OSError as error:
        raise RunError(f"{error.filename or place}: {error.strerror}") from error


@contextmanager
def roomy(place: Path, when_full: str = _SAFE) -> Iterator[None]:
    """Turn the error of a full disk, wherever it comes from, into RunError naming `place` and the way on."""
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        if not is_full(error):
            raise
        raise RunError(f"{place}: the disk is full. {when_full}") from error


def is_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room left."""
    if isinstance(error, sqlite3.DatabaseError):
        return getattr(error, "sqlite_errorcode", None) in _FULL_SQLITE
    return isinstance(error, OSError) and error.errno in _FULL


def create(path: Path) -> sqlite3.Connection:
    """A connection to a new, empty journal."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    migrate(database)
    return database


def state(database: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    """Record or replace facts; one that is None is taken away."""
    for name, value in facts.items():
        database.execute("DELETE FROM facts WHERE name = ?", (name,))
        if value is not None:
            database.execute("INSERT INTO facts (name, value) VALUES (?, ?)", (name, codec.canonical(value)))
            seal(database, "facts", name)


def writable(path: Path) -> sqlite3.Connection:
    """A connection that may be shared by threads under a lock; every commit reaches the disk."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    database.text_factory = text
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def read_only(path: Path) -> sqlite3.Connection:
    """A driver at work, or one that was killed, has a write-ahead log; without one the file stands still.

    Saying so keeps SQLite from leaving files of its own behind, and lets runs be read on read-only disks.
    """
    still = not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if still else ''}"
    database = sqlite3.connect(uri, uri=True, timeout=60)
    database.text_factory = text
    return database


def find(run: Path) -> Path:
    """The journal's file in a run folder, checked to be meant as one. Raises RunError."""
    path = run / NAME
    if not run.is_dir():
        raise RunError(f"{run}: there is no such run folder; `mle-star runs` lists what there is")
    if not path.is_file():
        raise RunError(f"{run}: this is not a run folder, it has no {NAME}")
    sqlite, off = _header(path)
    if not sqlite and off:
        raise RunError(f"{path}: this is not a journal of mle-star, or it is damaged and nothing of it can be read")
    if off > 1:
        raise RunError(f"{path}: this is the database of another program, not a journal of mle-star")
    return path


def has_header(path: Path) -> bool:
    """Whether the file begins as every journal does; one wrong byte makes a damaged journal, not another file."""
    if path.resolve() in DRIVEN:
        return True
    with guard(path), path.open("rb") as file:
        head = file.read(60)
    layout, text_form = head[16:18] + head[20:24], head[44:48] + head[52:60]
    same = layout == b"\x10\0\0\x40\x20\x20" and head[18:20] in (b"\1\1", b"\2\2")
    return same and text_form == bytes([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1]) and _header(path) == (True, 0)


def _header(path: Path) -> tuple[bool, int]:
    """Whether SQLite's name is there, and how many bytes of our own are wrong."""
    if path.resolve() in DRIVEN:
        return True, 0
    with guard(path), path.open("rb") as file:
        head = file.read(100)
    own = APPLICATION.to_bytes(4, "big")
    if len(head) < 100:
        return False, len(own)
    return head[:16] == _MAGIC, sum(a != b for a, b in zip(head[68:72], own, strict=True))


def first_page(size: int) -> bytes:
    """The first page of a journal of `size` bytes: header and schema, which are the same in every journal."""
    with closing(create(Path(":memory:"))) as blank:
        page = bytearray(blank.serialize()[:4096])
    page[18:20] = b"\2\2"  # there may be a write-ahead log
    page[28:32] = (size // len(page)).to_bytes(4, "big")  # the length in pages
    return bytes(page)
