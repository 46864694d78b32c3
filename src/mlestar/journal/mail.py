"""Letters to whoever drives a run, and the questions that wait for an answer: `<run>/mail.db`.

The journal is written by the driver alone. What people and assistants say to a run (scripts, hints, answers) lies
here, in a small database of its own that any process may write, until the driver takes it; what it takes becomes a
step of the journal, so a replay does not depend on this file. Numbers go on from those that the journal knows: a fork
begins without this file, and it may be deleted.

letters    kind, about, body, sender: in the order in which they came, never changed.
questions  what a brain in words was asked and nobody has answered; `claimed` by one answerer at a time.
shown      which answerer has seen which part of questions that comes again and again, by its digest.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlestar import plain
from mlestar.errors import RunError
from mlestar.journal import database, queries
from mlestar.journal.codec import tagged
from mlestar.journal.database import roomy
from mlestar.records import Letter

NAME = "mail.db"
CLAIM = 1800.0  # seconds for which a claimed question is not handed to another
_SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, about TEXT NOT NULL, body TEXT NOT NULL, sender TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS questions (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL, claimant TEXT, claimed REAL
);
CREATE TABLE IF NOT EXISTS shown (answerer TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (answerer, part));
"""


@dataclass(frozen=True)
class Question:
    """What waits for an answer. `name` is its address in the journal."""

    name: str
    role: str
    body: str
    at: float
    claimant: str | None
    claimed: float | None


def pause(seconds: float) -> None:
    """Wait for somebody else's process."""
    time.sleep(seconds)


class Mail:
    """The letters of one run. Safe from any thread and process; every call is one short transaction."""

    def __init__(self, run: Path) -> None:
        database.find(run)
        self._run, self._path = run, run / NAME

    def post(self, kind: str, about: str, body: str, sender: str = "") -> int:
        """Leave a letter; returns its number."""
        with self._open() as db:
            (last,) = db.execute("SELECT coalesce(max(number), 0) FROM letters").fetchone()
            number = max(int(last), queries.highest_letter(self._run)) + 1
            values = (number, kind, *map(plain.source, (about, body, sender)), time.time())
            db.execute("INSERT INTO letters VALUES (?, ?, ?, ?, ?, ?)", values)
            return number

    def letters(self, kind: str, after: int = 0) -> list[Letter]:
        """The letters of a kind with a number above `after`, oldest first."""
        if not self._path.exists():
            return []
        with self._open() as db:
            rows = db.execute(
                "SELECT number, kind, about, body, sender, at FROM letters WHERE kind = ? AND number > ?"
                " ORDER BY number",
                (kind, after),
            )
            return [Letter(*row) for row in rows]

    def scripts(self) -> list[Letter]:
        """All scripts that were handed in, also those that only the journal knows; costs a reading of the journal."""
        found = {letter.number: letter for letter in (*queries.handed_in(self._run), *self.letters("add"))}
        return [found[number] for number in sorted(found)]

    def ask(self, name: str, role: str, body: str) -> None:
        """Put a question where answerers find it; asked again after a resume, it is put anew.

        Whoever answered its predecessor, which was refused, has it first: they know what they meant.
        """
        parent, _, number = name.rpartition("/call-")
        before = self.answer_to(f"{parent}/call-{int(number) - 1}") if number.isdecimal() else None
        sender, now = (before.sender or None, time.time()) if before else (None, time.time())
        with self._open() as db:
            db.execute(
                "INSERT INTO questions (name, role, body, at, claimant, claimed) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET role = excluded.role, body = excluded.body",
                (name, role, body, now, sender, now if sender else None),
            )

    def questions(self) -> list[Question]:
        """All open questions, oldest first."""
        if not self._path.exists():
            return []
        with self._open() as db:
            rows = db.execute("SELECT name, role, body, at, claimant, claimed FROM questions ORDER BY at, name")
            return [Question(*row) for row in rows]

    def claim(self, claimant: str, name: str = "") -> Question | None:
        """The oldest question that nobody works on (or the one called `name`), now in `claimant`'s hands."""
        with self._open() as db:
            db.execute(
                "UPDATE questions SET claimant = ?, claimed = ? WHERE name = ("
                "SELECT name FROM questions WHERE (? = '' OR name = ?)"
                " AND (claimed IS NULL OR claimed < ? OR ? != '' OR (claimed = at AND claimant = ?))"
                " ORDER BY at, name LIMIT 1)",  # claimed as it was asked: kept for them, not yet handed out
                (claimant, now := time.time(), name, name, now - CLAIM, name, claimant),
            )
            rows = db.execute(
                "SELECT name, role, body, at, claimant, claimed FROM questions WHERE claimant = ? AND claimed = ?",
                (claimant, now),
            )
            return next((Question(*row) for row in rows), None)

    def show(self, answerer: str, part: str) -> bool:
        """Note that an answerer is shown a part of questions; whether they were before."""
        with self._open() as db:
            digest = tagged(part.encode("utf-8", "replace"))
            return not db.execute("INSERT OR IGNORE INTO shown VALUES (?, ?)", (answerer, digest)).rowcount

    def answer(self, name: str, body: str, sender: str) -> int:
        """Answer an open question: it is closed, the letter waits for the driver. Raises RunError when none is open."""
        with self._open() as db:
            if not db.execute("DELETE FROM questions WHERE name = ?", (name,)).rowcount:
                raise RunError(f"there is no open question {name!r}; `mle-star relay list RUN` shows what there is")
            values = ("answer", name, plain.source(body), plain.source(sender), time.time())
            made = db.execute("INSERT INTO letters (kind, about, body, sender, at) VALUES (?, ?, ?, ?, ?)", values)
            return int(made.lastrowid or 0)

    def answer_to(self, name: str) -> Letter | None:
        """The first answer to a question, once there is one."""
        return next((letter for letter in self.letters("answer") if letter.about == name), None)

    def withdraw(self, name: str) -> None:
        """Nobody needs an answer any more."""
        with self._open() as db:
            db.execute("DELETE FROM questions WHERE name = ?", (name,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with roomy(self._path, "Make room, then say it again"):
            try:
                with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as db:
                    db.executescript(_SCHEMA)
                    db.execute("BEGIN IMMEDIATE")
                    yield db
                    db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if database.is_full(error):
                    raise
                raise RunError(f"{self._path}: the letters cannot be read ({error}); what the run took of them is in "
                               "its journal, so the file can be deleted") from error  # fmt: skip
