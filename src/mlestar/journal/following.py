"""What is new in a journal, for pages that watch it: steps and notes are read once, and checked when they are."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlestar.journal import database
from mlestar.journal.checksums import COLUMNS, is_whole, select
from mlestar.journal.database import guard
from mlestar.journal.queries import TOLD, Note, StepRow
from mlestar.journal.reading import stamps, verify
from mlestar.journal.rescue import Damaged

_STEP = tuple(COLUMNS["steps"].index(name) for name in StepRow.__dataclass_fields__)
_SOME = 500  # addresses in one question


@dataclass(frozen=True)
class News:
    """Rows that came or changed since the last look. `gone` are steps that were begun and given up.

    `notes` are lines for people, `told` are records; `sittings` are (started, heartbeat, seconds) of all.
    """

    steps: tuple[StepRow, ...]
    gone: tuple[str, ...]
    notes: tuple[Note, ...]
    told: tuple[Note, ...]
    facts: dict[str, Any]
    sittings: tuple[tuple[float, float, float], ...]


class Follower:
    """Follows one run's journal. Raises RunError when `run` is none, Damaged when what it reads is not whole."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._path = database.find(run)
        self._stamps: object = None
        self._tick, self._number = 0, 0
        self._running: set[str] = set()

    def news(self) -> News | None:
        """What is new; None when nothing was written since the last look. The first look checks the whole journal."""
        now = stamps(self._path)
        if now == self._stamps:
            return None
        with guard(self._path):
            if self._stamps is None:
                verify(self._path)
            with closing(database.read_only(self._path)) as db:
                db.execute("BEGIN")  # one moment for all questions
                steps, tick = self._steps(db)
                found = self._rows(db, "notes", "WHERE number > ? ORDER BY number", self._number)
                facts = {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM facts")}
                sittings = tuple(db.execute("SELECT started, heartbeat, seconds FROM sittings ORDER BY number"))
        gone = self._running - {row.address for row in steps}
        notes = [Note(address, text, at) for _, address, text, at, *_ in found]
        told = tuple(note for note in notes if note.address.endswith(f"/{TOLD}"))
        others = tuple(note for note in notes if not note.address.endswith(f"/{TOLD}"))
        self._running = {row.address for row in steps if row.state == "running"}
        self._number = max([self._number, *(number for number, *_ in found)])
        self._tick, self._stamps = tick, now
        return News(tuple(steps), tuple(gone), others, told, facts, sittings)

    def _steps(self, db: Any) -> tuple[list[StepRow], int]:
        """The steps that began since, and those that were running then; and the tick to go on from."""
        rows = self._rows(db, "steps", "WHERE began > ? ORDER BY began", self._tick)
        running = sorted(self._running)
        for i in range(0, len(running), _SOME):
            some = running[i : i + _SOME]
            rows += self._rows(db, "steps", f"WHERE address IN ({', '.join('?' * len(some))})", *some)
        began = COLUMNS["steps"].index("began")
        tick = max([self._tick, *(row[began] for row in rows)])
        return list({row[0]: StepRow(*(row[i] for i in _STEP)) for row in rows}.values()), tick

    def _rows(self, db: Any, table: str, where: str, *values: object) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = db.execute(f"{select(table)} {where}", values).fetchall()
        if not all(is_whole(table, row) for row in rows):
            verify(self._path)
            raise Damaged(self._path, f"a row of its {table} is not what was recorded")
        return rows
