"""Opening the journal's SQLite file, and the errors of doing so in the user's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlestar.errors import RunError

NAME = "journal.db"
APPLICATION = 0x4D4C4553  # "MLES" in the file's header: tells a journal from any other database
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


@contextmanager
def guard(place: Path) -> Iterator[None]:
    """Turn errors of the disk and of the database file into RunError naming `place`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) in _FULL_SQLITE:
            raise RunError(_full(place)) from error
        raise RunError(f"{place}: the journal cannot be used ({error})") from error
    except OSError as error:
        if is_full(error):
            raise RunError(_full(place)) from error
        raise RunError(f"{error.filename or place}: {error.strerror}") from error


def is_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room left."""
    return isinstance(error, OSError) and error.errno in _FULL


def _full(place: Path) -> str:
    return f"{place}: the disk is full. Everything recorded is safe; make room, then `mle-star resume` the run"


def writable(path: Path) -> sqlite3.Connection:
    """A connection that may be shared by threads under a lock; every commit reaches the disk."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def find(run: Path) -> Path:
    """The journal's file in a run folder, checked to be one. Raises RunError."""
    path = run / NAME
    if not run.is_dir():
        raise RunError(f"{run}: there is no such run folder; `mle-star runs` lists what there is")
    if not path.is_file():
        raise RunError(f"{run}: this is not a run folder, it has no {NAME}")
    with guard(path):
        head = path.open("rb").read(100)
    if head[:16] != b"SQLite format 3\0":
        raise RunError(f"{path}: this is not a journal of mle-star, or it is damaged")
    if int.from_bytes(head[68:72], "big") != APPLICATION:
        raise RunError(f"{path}: this is the database of another program, not a journal of mle-star")
    return path


def check(database: sqlite3.Connection, path: Path) -> None:
    """Raise RunError when the file is truncated or damaged."""
    (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise RunError(f"{path}: the journal is damaged ({answer})")


@contextmanager
def reading(run: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection for one question, while another process may be writing."""
    path = find(run)
    with guard(path):
        database = _read_only(path)
        try:
            yield database
        finally:
            database.close()


def _read_only(path: Path) -> sqlite3.Connection:
    """A driver at work, or one that was killed, has a write-ahead log; without one the file stands still.

    Saying so keeps SQLite from leaving files of its own behind, and lets runs be read on read-only disks.
    """
    still = not path.with_name(f"{NAME}-wal").exists()
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if still else ''}", uri=True, timeout=60)
