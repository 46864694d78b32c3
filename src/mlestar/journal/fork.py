"""A new run that begins with part of another's journal.

The rule. An address beginning with `branch-…/` belongs to that branch; all others belong to the trunk.
A fork from F drops F itself, everything beneath it, and whatever could depend on it: every step that
had not ended when the first of these began. Sibling branches cannot depend on F, so when F lies in a
branch the steps of other branches stay. Order is that of the journal's own counter, so a clock that
jumped does no harm. Notes are dropped by the same rule, but by their time.
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
from mlestar.journal import codec, database
from mlestar.journal.database import guard

_LEFT_BEHIND = {"lock", "best", "jobs", "report.md", "report.html"}


def fork(source: Path, target: Path, from_address: str, facts: Mapping[str, Any] | None = None) -> None:
    """Make `target` a run that continues `source` from just before `from_address`, which is redone.

    `facts` are added to the copied ones. Everything else in the folder (blobs, task, views) is hard-linked
    where possible, else copied; finished products are left behind. `source` is only read, and may be running.
    Raises RunError when `target` is not empty, or `source` has nothing at or beneath the address.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target}: a fork needs a new or empty folder")
    draft = target / "journal.new"
    with guard(target):
        target.mkdir(parents=True, exist_ok=True)
        try:
            with database.reading(source) as old, closing(sqlite3.connect(draft, isolation_level=None)) as new:
                old.backup(new)
                new.execute("PRAGMA journal_mode = DELETE")
                _prune(new, source, from_address.strip("/"))
                _start_afresh(new, {**(facts or {}), "forked_from": {"run": str(source), "from": from_address}})
            _copy_folder(source, target)
        except BaseException:
            shutil.rmtree(target)
            raise
        draft.rename(target / database.NAME)


def _prune(db: sqlite3.Connection, source: Path, address: str) -> None:
    tree = address.split("/")[0]
    inside = tree if tree.startswith("branch-") else ""
    beneath = "(address = :address OR substr(address, 1, length(:address) + 1) = :address || '/')"
    same_or_trunk = "(:inside = '' OR address NOT LIKE 'branch-%' OR address = :inside OR address LIKE :inside || '/%')"
    names = {"address": address, "inside": inside}
    first, at = db.execute(f"SELECT min(began), min(started) FROM steps WHERE {beneath}", names).fetchone()
    if first is None:
        raise RunError(f"{source}: no step at {address!r} or beneath it; `mle-star show {source}` lists the steps")
    later = "coalesce(ended, :first) >= :first"
    names |= {"first": first, "at": at}
    db.execute(f"DELETE FROM steps WHERE {beneath} OR ({later} AND {same_or_trunk})", names)
    db.execute(f"DELETE FROM notes WHERE {beneath} OR (at >= :at AND {same_or_trunk})", names)


def _start_afresh(db: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    db.execute("DELETE FROM sittings")
    db.execute("DELETE FROM requests")
    for name, value in facts.items():
        db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, codec.canonical(value)))


def _copy_folder(source: Path, target: Path) -> None:
    for entry in sorted(source.iterdir()):
        if entry.name in _LEFT_BEHIND or entry.name.startswith(database.NAME.split(".")[0]):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target / entry.name, symlinks=True, copy_function=_link)
        elif entry.is_file():
            _link(str(entry), str(target / entry.name))


def _link(source: str, target: str) -> None:
    """Neither blobs nor views are ever written in place, so one copy on the disk serves both runs."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
