"""Reading a journal, whole or not at all: what was damaged is named, never read as if it were an answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from mlestar.journal import database
from mlestar.journal.checksums import COLUMNS, MARK, is_whole, read_mark, select
from mlestar.journal.database import guard
from mlestar.journal.migrations import is_mixed_up
from mlestar.journal.rescue import Damaged

_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_SHORT_READ}


@contextmanager
def reading(run: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection for one question, while another process may be writing. Raises Damaged."""
    path = database.find(run)
    with guard(path):
        verify(path)
        with closing(database.read_only(path)) as found:
            yield found


def verify(path: Path) -> None:
    """Raise Damaged when any part of the journal is not what was written; files that stand still are read once."""
    _verified(path, stamps(path))


def stamps(path: Path) -> tuple[object, ...]:
    """What differs whenever something was written into a journal."""
    return tuple(_stamp(file) for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(MARK)))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except FileNotFoundError:  # the log goes when the driver does
        return None
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=32)
def _verified(path: Path, stamps: tuple[object, ...]) -> None:
    if not database.has_header(path):
        raise Damaged(path, "its header is not that of a journal")
    mark = read_mark(path.parent)
    try:
        with closing(database.read_only(path)) as found:
            why = _wrong(found, mark)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF not in _DAMAGE and code not in _DAMAGE:
            raise
        why = str(error)
    except UnicodeDecodeError:  # SQLite quotes what it stumbled over
        why = "its text is not what was recorded"
    if why:
        raise Damaged(path, why)


def _wrong(found: sqlite3.Connection, mark: int) -> str:
    (answer,) = found.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        return " ".join(str(answer).split())
    applied = {name for (name,) in found.execute("SELECT name FROM applied")}
    if is_mixed_up(applied):
        return "the list of its migrations is not what was recorded"
    if "row_checksums" not in applied:
        return ""  # an older version's: SQLite's own word is all there is
    for table in COLUMNS:
        for row in found.execute(select(table)):
            if not is_whole(table, row):
                return f"a row of its {table} is not what was recorded"
    (writes,) = found.execute("SELECT coalesce(max(writes), 0) FROM sittings").fetchone()
    return f"its last {mark - writes} writes are missing" if writes < mark else ""
