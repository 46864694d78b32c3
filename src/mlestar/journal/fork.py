"""A new run that begins with part of another's journal.

The rule. An address beginning with `branch-…/` belongs to that branch; all others belong to the trunk.
A fork from F drops F itself, everything beneath it, and whatever could depend on it: every step that
had not ended when the first of these began. Sibling branches do not wait for F, so when F lies in a
branch the steps of other branches stay; what brains in words were told of it there is recorded and
stays too (neighbours.py). Order is that of the journal's own counter, so a clock that jumped does no
harm. Notes are dropped by the same rule.

Of a damaged journal a fork takes what came before the damage (rescue.py), then follows the same rule.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from mlestar.errors import RunError
from mlestar.journal import database
from mlestar.journal.database import guard
from mlestar.journal.lock import Lock, is_held
from mlestar.journal.migrations import migrate
from mlestar.journal.reading import reading
from mlestar.journal.rescue import Damaged

_LEFT_BEHIND = {
    "lock",
    "mail.db",
    "mail.db-journal",
    "best",
    "best.new",
    "best.old",
    "models",
    "work",
    "jobs",
    "report.md",
    "report.html",
}


def fork(source: Path, target: Path, from_address: str, facts: Mapping[str, Any] | None = None) -> None:
    """Make `target` a run that continues `source` from just before `from_address`, which is redone.

    `facts` are added to the copied ones (None takes one away). Everything else in the folder (blobs, task, views) is
    hard-linked where possible, else copied; finished products are left behind. `source` is only read, and may be
    running. Raises RunError when `target` is not empty, or `source` has nothing at or beneath the address.
    """
    with guard(target, "Nothing was begun; make room, then fork again"):
        database.find(source)
        if not _is_free(target) and not is_held(target):
            raise RunError(f"{target}: a fork needs a new or empty folder")
        target.mkdir(parents=True, exist_ok=True)
        lock = Lock(target)
        try:
            if not _is_free(target):
                raise RunError(f"{target}: another process has just made a run here; a fork needs a new folder")
            _make(source, target, from_address.strip("/"), facts or {})
        finally:
            lock.release()


def _is_free(target: Path) -> bool:
    return not target.exists() or (target.is_dir() and all(entry.name == "lock" for entry in target.iterdir()))


def _make(source: Path, target: Path, address: str, facts: Mapping[str, Any]) -> None:
    """The journal comes last: a fork that was killed is no run."""
    draft = target / "journal.new"
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as new:
            known = _copy_journal(source, new)
            new.execute("PRAGMA journal_mode = DELETE")
            migrate(new)
            new.execute("BEGIN")
            _prune(new, source, address, known)
            new.execute("DELETE FROM sittings")
            new.execute("DELETE FROM requests")
            database.state(new, {**facts, "forked_from": {"run": str(source), "from": address}})
            new.execute("COMMIT")
        _copy_folder(source, target)
        draft.rename(target / database.NAME)
    except BaseException:
        shutil.rmtree(target)
        raise


def _copy_journal(source: Path, new: sqlite3.Connection) -> str:
    """Returns the address of the step that was found damaged; empty when all are whole."""
    try:
        with reading(source) as old:
            old.backup(new)
    except Damaged as found:
        if not found.left.way_out:
            raise
        new.execute(f"PRAGMA application_id = {database.APPLICATION}")
        migrate(new)
        new.execute("BEGIN")
        found.left.write(new)
        new.execute("COMMIT")
        return found.left.damaged
    return ""


def _prune(db: sqlite3.Connection, source: Path, address: str, damaged: str) -> None:
    tree = address.split("/")[0]
    inside = tree if tree.startswith("branch-") else ""
    beneath = "(address = :address OR substr(address, 1, length(:address) + 1) = :address || '/')"
    same_or_trunk = "(:inside = '' OR address NOT LIKE 'branch-%' OR address = :inside OR address LIKE :inside || '/%')"
    names = {"address": address, "inside": inside}
    (first,) = db.execute(f"SELECT min(began) FROM steps WHERE {beneath}", names).fetchone()
    if first is None:
        if damaged and f"{damaged}/".startswith(f"{address}/"):
            return  # it was left out already, with all that came after it
        raise RunError(f"{source}: no step at {address!r} or beneath it; `mle-star show {source}` lists the steps")
    later = "coalesce(ended, :first) >= :first"
    names["first"] = first
    db.execute(f"DELETE FROM steps WHERE {beneath} OR ({later} AND {same_or_trunk})", names)
    db.execute(f"DELETE FROM notes WHERE {beneath} OR (tick >= :first AND {same_or_trunk})", names)


def _copy_folder(source: Path, target: Path) -> None:
    for entry in sorted(source.iterdir()):
        if entry.name in _LEFT_BEHIND or entry.name.startswith(database.NAME.split(".")[0]):
            continue
        for parent, folders, files in os.walk(entry):
            here = target / Path(parent).relative_to(source)
            here.mkdir()
            for name in [*files, *(f for f in folders if (Path(parent) / f).is_symlink())]:
                _link(Path(parent) / name, here / name)
        if entry.is_file():
            _link(entry, target / entry.name)


def _link(source: Path, target: Path) -> None:
    """Neither blobs nor views are ever written in place, so one copy on the disk serves both runs."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
