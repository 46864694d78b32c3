"""Making a journal: it is there whole, with its facts and its lock, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from mlestar.errors import RunError
from mlestar.journal import database
from mlestar.journal.database import guard, state
from mlestar.journal.lock import Lock

_DRAFT = f"{database.NAME}.new"
_LEFT = {"lock", _DRAFT, f"{_DRAFT}-journal"}  # by a start that was killed


def begin(run: Path, facts: Mapping[str, Any]) -> Lock:
    """Make the journal of a new run; returns the lock, which is held. See `Store.create`."""
    with guard(run, "Nothing was begun; make room, then start again"), ExitStack() as undo:
        run.mkdir(parents=True, exist_ok=True)
        if not (run / "lock").exists():
            _check(run)  # first, so that somebody else's folder gets no lock of ours
        lock = Lock(run)
        undo.callback(lock.release)
        _check(run)
        for file in run.glob(f"{_DRAFT}*"):
            file.unlink()
        with closing(database.create(run / _DRAFT)) as db:
            state(db, facts)
        (run / _DRAFT).rename(run / database.NAME)
        undo.pop_all()
        return lock


def _check(run: Path) -> None:
    names = {entry.name for entry in run.iterdir()}
    if database.NAME in names:
        raise RunError(f"{run}: there is a run already; `mle-star resume {run}`, or choose another folder")
    if names := names - _LEFT:
        raise RunError(f"{run}: the folder is not empty, it has {min(names)}; --out names another")
