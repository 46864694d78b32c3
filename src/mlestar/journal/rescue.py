"""What can still be trusted of a damaged journal: its steps up to the first that is damaged or lost.

Steps are read in the order in which they first began. What came after the damage is left out, because it
may rest on what is lost: so a fork made from the rest is one that any brain can go on from.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlestar.errors import RunError
from mlestar.journal import database
from mlestar.journal.checksums import COLUMNS, checksum, is_whole, select, text

Row = tuple[Any, ...]
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)  # the latter: SQLite quotes what it stumbled over


@dataclass
class Rescued:
    """Whole rows by table. `damaged` is the address of the first damaged step, where that can be told."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    damaged: str = ""

    @property
    def way_out(self) -> str:
        """The address to fork from: the damaged step, else the last whole one; empty when there is nothing."""
        began = COLUMNS["steps"].index("began")
        steps = sorted(self.rows.get("steps", ()), key=lambda row: int(row[began]))
        usable = {"task", "settings"} <= {name for name, _ in self.rows["facts"]}
        return (self.damaged or str(steps[-1][0] if steps else "")) if usable else ""

    def write(self, new: sqlite3.Connection) -> None:
        """Put the rows into an empty journal; time worked and requests are not taken along."""
        for table in ("steps", "facts", "notes"):
            names = (*COLUMNS[table], "checksum")
            into = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            new.executemany(into, [(*row, checksum(table, row)) for row in self.rows[table]])


class Damaged(RunError):
    """A journal that is not what was written: says what is lost, and how to go on without it."""

    def __init__(self, path: Path, why: str) -> None:
        self.left = rescue(path)
        run, out, count = path.parent, self.left.way_out, len(self.left.rows.get("steps", ()))
        if not out:
            way = "Too little of it can be read to go on: start a new run"
        else:
            lost = f"step {out!r} is damaged" if self.left.damaged else f"what came after step {out!r} is in doubt"
            way = f"{lost}, {count} steps before are whole. `mle-star fork {run} --from {out}` goes on in a new run"
            way = way if self.left.damaged else way.replace("before", "up to there")
        super().__init__(f"{path}: the journal is damaged ({why}). {way[0].upper()}{way[1:]}")


def rescue(path: Path) -> Rescued:
    """Read what can be read, also where header or schema are gone: they are the same in every journal."""
    with tempfile.TemporaryDirectory(prefix="mle-star-rescue-") as folder:
        found = []
        for number, mend in enumerate((False, True)):
            copy = Path(folder) / str(number) / database.NAME
            copy.parent.mkdir()
            for end in ("", "-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            if mend:
                with copy.open("r+b") as file:
                    file.write(database.first_page(path.stat().st_size))
            found.append(_whole(copy))
    return max(found, key=lambda one: (bool(one.way_out), len(one.rows["steps"])))


def _whole(copy: Path) -> Rescued:
    left = Rescued({table: [] for table in ("steps", "facts", "notes")})
    with suppress(*_UNREADABLE), closing(sqlite3.connect(copy)) as found:
        found.text_factory = text
        for row, whole in _rows(found, "steps"):
            if not whole:
                left.damaged = _indexed(found, row[0])
                break
            left.rows["steps"].append(row)
        for table in ("facts", "notes"):
            left.rows[table] = [row for row, whole in _rows(found, table) if whole]
    return left


def _rows(found: sqlite3.Connection, table: str) -> Iterator[tuple[Row, bool]]:
    """Rows in their order on disk with whether they are whole, up to the first that cannot be read."""
    order, sealed = "NOT INDEXED ORDER BY rowid", True
    with suppress(*_UNREADABLE):
        try:
            rows = found.execute(f"{select(table)} {order}")
        except sqlite3.OperationalError:  # an older version's, without checksums
            rows, sealed = found.execute(f"SELECT {', '.join(_old(table))}, NULL FROM {table} {order}"), False
        for *row, seal in rows:
            yield tuple(row), is_whole(table, (*row, seal)) if sealed else _is_sound(row)


def _old(table: str) -> tuple[str, ...]:
    return tuple("0" if name == "tick" else name for name in COLUMNS[table])


def _is_sound(row: list[Any]) -> bool:
    """All that can be said of a row without a checksum: its texts are texts, and none is missing at its place."""
    damaged = any("\udc80" <= letter <= "\udcff" for value in row if isinstance(value, str) for letter in value)
    return not damaged and row[0] is not None and (len(row) < 9 or isinstance(row[8], int))


def _indexed(found: sqlite3.Connection, address: object) -> str:
    """The address of a damaged row, if the index has it too: then it is not what was damaged."""
    with suppress(*_UNREADABLE):
        if found.execute("SELECT 1 FROM steps WHERE address = ?", (address,)).fetchone():
            return str(address)
    return ""
