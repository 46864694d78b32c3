"""The journal's schema, as an ordered list of named functions.

A function's name is its identity: `applied` lists the names that have run. Never rename, reorder or
edit one that was released; append another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from mlestar.errors import RunError


def first_schema(database: sqlite3.Connection) -> None:
    """The tables of schema.sql."""
    for statement in Path(__file__).with_name("schema.sql").read_text(encoding="utf-8").split(";\n"):
        database.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (first_schema,)


def migrate(database: sqlite3.Connection) -> None:
    """Apply what is missing, each in one transaction. Raises RunError for a journal from the future."""
    database.execute("CREATE TABLE IF NOT EXISTS applied (name TEXT PRIMARY KEY)")
    applied = {name for (name,) in database.execute("SELECT name FROM applied")}
    unknown = applied - {migration.__name__ for migration in MIGRATIONS}
    if unknown:
        raise RunError(
            f"the journal was written by a newer mle-star (it has {', '.join(sorted(unknown))}); upgrade mle-star"
        )
    for migration in MIGRATIONS:
        if migration.__name__ not in applied:
            database.execute("BEGIN IMMEDIATE")
            migration(database)
            database.execute("INSERT INTO applied VALUES (?)", (migration.__name__,))
            database.execute("COMMIT")
