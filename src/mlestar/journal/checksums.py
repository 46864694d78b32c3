"""Checksums of the journal's own, because SQLite does not notice a changed byte inside a value.

Every row of these tables carries the checksum of its columns. A log that lost its end leaves no row to
check, so `journal.mark` beside the database holds how many writes the driver made.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = {
    "steps": (
        "address", "verb", "inputs", "state", "result", "error", "cost_usd", "tokens", "began", "ended", "started",
        "finished", "seconds",
    ),
    "facts": ("name", "value"),
    "notes": ("number", "address", "text", "at", "tick"),
    "sittings": ("number", "started", "heartbeat", "seconds", "pid", "writes"),
}  # fmt: skip
MARK = "journal.mark"


def checksum(table: str, row: Sequence[Any]) -> str:
    """Of the values of a row's columns, as they are read back."""
    return hashlib.sha256(json.dumps([table, *row], default=repr).encode("ascii")).hexdigest()[:32]


def text(data: bytes) -> str:
    """A connection's text factory: damaged text is read too, so that its checksum can be looked at."""
    return data.decode("utf-8", "surrogateescape")


def select(table: str) -> str:
    """The query for rows with their checksum last."""
    return f"SELECT {', '.join(COLUMNS[table])}, checksum FROM {table}"


def is_whole(table: str, row: Sequence[Any]) -> bool:
    """Whether a row of `select` is what was recorded."""
    return bool(row[-1] == checksum(table, row[:-1]))


def seal(database: sqlite3.Connection, table: str, key: object) -> None:
    """Give the row that was just written at `key` (its table's first column) its checksum."""
    where = f"WHERE {COLUMNS[table][0]} = ?"
    row = database.execute(f"{select(table)} {where}", (key,)).fetchone()
    if row is not None:
        database.execute(f"UPDATE {table} SET checksum = ? {where}", (checksum(table, row[:-1]), key))


class Mark:
    """The number of writes made, kept outside the database. Set after a write: it may lag, never lead."""

    def __init__(self, run: Path) -> None:
        self._file = os.open(run / MARK, os.O_RDWR | os.O_CREAT, 0o644)
        if not os.fstat(self._file).st_size:
            self.set(0)  # the room is taken now: a full disk cannot refuse it later

    def set(self, number: int) -> None:
        """In place, and one short write, so a reader sees the old number or the new one."""
        line = f"{number:016}"
        os.pwrite(self._file, f"{line} {checksum('mark', [line])}\n".encode("ascii"), 0)

    def close(self) -> None:
        os.close(self._file)


def read_mark(run: Path) -> int:
    """How many writes there were at least; 0 where nothing is known."""
    try:
        line, _, found = (run / MARK).read_text(encoding="ascii").strip().partition(" ")
    except (OSError, ValueError):
        return 0
    return int(line) if found == checksum("mark", [line]) else 0
