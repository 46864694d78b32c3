"""The journal's schema, as an ordered list of named functions.

A function's name is its identity: `applied` lists the names that have run. Never rename, reorder or
edit one that was released; append another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from mlestar.errors import RunError
from mlestar.journal.checksums import COLUMNS, seal


def first_schema(database: sqlite3.Connection) -> None:
    """The tables of schema.sql."""
    for statement in Path(__file__).with_name("schema.sql").read_text(encoding="utf-8").split(";\n"):
        database.execute(statement)


def row_checksums(database: sqlite3.Connection) -> None:
    """A checksum for every row, the run's counter for notes, and the number of writes for sittings."""
    database.execute("ALTER TABLE notes ADD COLUMN tick INTEGER NOT NULL DEFAULT 0")
    database.execute("UPDATE notes SET tick = (SELECT coalesce(max(began), 0) FROM steps WHERE started <= notes.at)")
    database.execute("ALTER TABLE sittings ADD COLUMN writes INTEGER NOT NULL DEFAULT 0")
    for table in ("steps", "facts", "notes", "sittings"):
        database.execute(f"ALTER TABLE {table} ADD COLUMN checksum TEXT")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (first_schema, row_checksums)
_NAMES = [migration.__name__ for migration in MIGRATIONS]


def is_mixed_up(applied: set[str]) -> bool:
    """Whether these names can only come from damage: unknown ones where known ones are missing."""
    return bool(applied - set(_NAMES)) and not applied.issuperset(_NAMES)


def migrate(database: sqlite3.Connection) -> None:
    """Apply what is missing, all or nothing, and seal the rows it leaves without a checksum.

    Raises RunError for a journal from the future.
    """
    database.execute("CREATE TABLE IF NOT EXISTS applied (name TEXT PRIMARY KEY)")
    applied = {name for (name,) in database.execute("SELECT name FROM applied")}
    unknown = applied - set(_NAMES)
    if unknown:
        raise RunError(
            f"the journal was written by a newer mle-star (it has {', '.join(sorted(unknown))}); upgrade mle-star"
        )
    missing = [migration for migration in MIGRATIONS if migration.__name__ not in applied]
    if not missing:
        return
    database.execute("BEGIN IMMEDIATE")
    for migration in missing:
        migration(database)
        database.execute("INSERT INTO applied VALUES (?)", (migration.__name__,))
    for table, (key, *_) in COLUMNS.items():
        for (value,) in database.execute(f"SELECT {key} FROM {table} WHERE checksum IS NULL").fetchall():
            seal(database, table, value)
    database.execute("COMMIT")
