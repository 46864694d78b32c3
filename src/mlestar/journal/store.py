"""The journal that a driver writes (schema.sql says what is in it, and who may write)."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from mlestar.errors import Interrupted, RunError, Spent, StaleStep, StepError, UsageError
from mlestar.journal import codec, database, queries
from mlestar.journal.beginning import begin
from mlestar.journal.blobs import Blobs
from mlestar.journal.checksums import Mark, is_whole, seal, select
from mlestar.journal.database import guard, state
from mlestar.journal.lock import Lock
from mlestar.journal.migrations import migrate
from mlestar.journal.reading import verify
from mlestar.records import Told, Verb

T = TypeVar("T")
Seconds = Callable[[], float]
_BEAT = 1.0  # seconds between heartbeats
_BEGIN = """INSERT INTO steps (address, verb, inputs, state, began, started) VALUES (?, ?, ?, 'running', ?, ?)
ON CONFLICT (address) DO UPDATE SET verb = excluded.verb, inputs = excluded.inputs, state = 'running', error = NULL,
began = excluded.began, ended = NULL, started = excluded.started, finished = NULL, seconds = NULL"""


class Store:
    """Implements `ports.Journal` for the one process that drives a run. Safe from many threads."""

    def __init__(
        self, run: Path, *, now: Seconds = time.time, ticks: Seconds = time.monotonic, lock: Lock | None = None
    ) -> None:
        """Open an existing run; `create` and `open` are the usual ways in. `ticks` must never jump."""
        self.run = run.resolve()
        self._path = database.find(self.run)
        self._now, self._ticks = now, ticks
        self._writing = threading.RLock()
        self._playing: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._blobs = Blobs(self.run / "blobs")
        with guard(self._path), ExitStack() as undo:
            self._lock = lock or Lock(self.run)
            undo.callback(self._lock.release)
            verify(self._path)
            database.DRIVEN.add(self._path)
            undo.callback(database.DRIVEN.discard, self._path)
            self._db = database.writable(self._path)
            undo.callback(self._db.close)
            migrate(self._db)
            self._mark = Mark(self.run)
            undo.callback(self._mark.close)
            self._sit_down()
            self._undo = undo.pop_all()

    @classmethod
    def create(cls, run: Path, facts: Mapping[str, Any], **clocks: Any) -> Store:
        """Begin a run in `run`, made if need be. Raises RunError when another has it, or it is not empty.

        What a start that was killed left behind is swept away.
        """
        return cls(run, lock=begin(run, facts), **clocks)

    @classmethod
    def open(cls, run: Path, **clocks: Any) -> Store:
        """Take up a run again. Raises RunError when it is missing, damaged, foreign, or open elsewhere."""
        return cls(run, **clocks)

    def close(self) -> None:
        """Record the time worked and let another driver have the run."""
        with self._writing, self._undo, self._transaction():
            pass  # the heartbeat

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Steps: begin, return if known, play, store.

    def step(self, address: str, verb: Verb, inputs: Any, returns: type[T], play: Callable[[], T]) -> T:
        """Return the recorded result of `address`, or play it once and record it.

        The first answer is read back from its JSON too, so that a run and its replay see equal values.
        Two threads that ask for one address: one plays, the other waits for the answer. Raises
        StaleStep when it was recorded with other inputs; RunError when the disk is full; what `play`
        raises passes as it is if it is for the user (UsageError, Interrupted), else as StepError.
        """
        try:
            digest = codec.digest(inputs, self.run)
        except TypeError as error:
            raise StepError(address, error) from error
        with self._writing:
            turn = self._playing[address]
        with turn:
            known = self._begin(address, verb, digest)
            if known is not None:
                return self._read(address, known, returns)
            started = self._ticks()
            try:
                text = codec.encode(play(), returns)
                answer = codec.decode(text, returns)
            except BaseException as error:
                self._failed(address, error, self._ticks() - started)
                raise
            self._end(address, "ok", text, None, self._ticks() - started)
            return answer

    def knows(self, address: str) -> bool:
        """Whether the step at `address` has an answer."""
        with self._writing, guard(self._path):
            query = "SELECT 1 FROM steps WHERE state = 'ok' AND address = ?"
            return self._db.execute(query, (address,)).fetchone() is not None

    def charge(self, address: str, cost_usd: float | None, tokens: int = 0) -> None:
        """Add to what the step at `address` has cost (None: nobody knows); kept even if the step then fails."""
        with self._transaction():
            self._db.execute(
                "UPDATE steps SET cost_usd = CASE WHEN ? IS NULL THEN cost_usd ELSE coalesce(cost_usd, 0) + ? END,"
                " tokens = coalesce(tokens, 0) + ? WHERE address = ?",
                (cost_usd, cost_usd, tokens, address),
            )
            seal(self._db, "steps", address)

    def _begin(self, address: str, verb: Verb, digest: str) -> str | None:
        """The recorded result as JSON; None when the step is now to be played. What is known waits for no disk."""
        with self._writing, guard(self._path):
            row = self._db.execute(f"{select('steps')} WHERE address = ?", (address,)).fetchone()
            if row and not is_whole("steps", row):
                verify(self._path)  # it was whole when this sitting began: say what is lost
            _, _, inputs, known, result, *_ = row or [None] * 5
            if known == "ok":
                if inputs != digest:
                    raise StaleStep(address)
                self._beat_if_due()
                return str(result)
            with self._transaction():
                self._db.execute(_BEGIN, (address, verb, digest, self._tick(), self._now()))
                seal(self._db, "steps", address)
            return None

    def _end(self, address: str, state: str, result: str | None, error: str | None, seconds: float) -> None:
        with self._transaction():
            self._db.execute(
                "UPDATE steps SET state = ?, result = ?, error = ?, ended = ?, finished = ?, seconds = ?"
                " WHERE address = ?",
                (state, result, error, self._tick(), self._now(), seconds, address),
            )
            seal(self._db, "steps", address)

    def _failed(self, address: str, error: BaseException, seconds: float) -> None:
        """Record a failure of ours and raise it as StepError; leave no trace of a user's error or a stop."""
        if database.is_full(error):
            with guard(self.run):
                raise error
        if isinstance(error, UsageError | Interrupted | Spent) or not isinstance(error, Exception):
            self._forget(address)
            return
        self._end(address, "error", None, f"{type(error).__name__}: {error}", seconds)
        if not isinstance(error, StepError):
            raise StepError(address, error) from error

    def _forget(self, address: str) -> None:
        """Remove an unfinished step; if it was paid for, keep the row, as one to be played again."""
        with self._transaction():
            self._db.execute("DELETE FROM steps WHERE address = ? AND cost_usd IS NULL AND tokens IS NULL", (address,))

    def _read(self, address: str, text: str, returns: type[T]) -> T:
        try:
            return codec.decode(text, returns)
        except ValueError as error:
            raise RunError(
                f"step {address!r} cannot be read as {getattr(returns, '__name__', returns)}; it was probably recorded"
                f" by another version of mle-star. `mle-star fork RUN --from {address}` redoes everything from there"
            ) from error

    def save(self, data: bytes) -> str:
        """Store a blob; return its tagged digest once it has reached the disk."""
        return self._blobs.save(data)

    def load(self, digest: str) -> bytes:
        """Read a blob back; raises RunError naming the step that it belongs to when it is missing or damaged."""
        try:
            return self._blobs.load(digest)
        except RunError as error:
            owner = next((row.address for row in queries.steps(self.run) if digest in (row.result or "")), None)
            if owner is None:
                raise
            way = f"`mle-star fork {self.run} --from {owner}` redoes it in a new run"
            raise RunError(f"{error}. It belongs to step {owner!r}: {way}") from error

    def note(self, address: str, text: str) -> None:
        """Leave a line for people. The same line at the same address is kept once, so replays may repeat it."""
        with self._writing, guard(self._path):
            if self._db.execute("SELECT 1 FROM notes WHERE address = ? AND text = ?", (address, text)).fetchone():
                return self._beat_if_due()
            with self._transaction():
                values = (address, text, self._now(), self._ticked)
                made = self._db.execute("INSERT INTO notes (address, text, at, tick) VALUES (?, ?, ?, ?)", values)
                seal(self._db, "notes", made.lastrowid)

    def publish(self, address: str, told: Told) -> None:
        """Leave a record for pages: a note beneath the address, in JSON, which `queries.told` reads."""
        self.note(f"{address}/{queries.TOLD}", f"{type(told).__name__} {codec.encode(told, type(told))}")

    @property
    def facts(self) -> dict[str, Any]:
        """What the run is, by name."""
        with self._writing, guard(self._path):
            return {name: json.loads(text) for name, text in self._db.execute("SELECT name, value FROM facts")}

    def set_fact(self, name: str, value: Any) -> None:
        """Record or replace a fact: any plain value."""
        self.set_facts({name: value})

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Several facts, all or none."""
        with self._transaction():
            state(self._db, facts)

    # Sittings: time worked, and requests to stop.

    def spent(self) -> float:
        """Seconds worked on this run over all sittings; keeps the heartbeat going."""
        with self._writing:
            self._beat_if_due()
            return float(self._earlier + self._ticks() - self._sat_down)

    def stop_asked(self) -> bool:
        """Whether somebody asked this sitting to stop."""
        with self._writing, guard(self._path):
            return self._db.execute("SELECT 1 FROM requests WHERE sitting IS NULL").fetchone() is not None

    def _sit_down(self) -> None:
        """Begin a sitting; requests made to earlier ones are done with."""
        self._sat_down = self._beaten = self._ticks()
        self._sitting = self._writes = 0
        with self._transaction():
            self._earlier, number, self._writes = self._db.execute(
                "SELECT coalesce(sum(seconds), 0.0), coalesce(max(number), 0), coalesce(max(writes), 0) FROM sittings"
            ).fetchone()
            self._db.execute("UPDATE requests SET sitting = ? WHERE sitting IS NULL", (number,))
            (self._ticked,) = self._db.execute(
                "SELECT coalesce(max(max(began, coalesce(ended, 0))), 0) FROM steps"
            ).fetchone()
            self._sitting = number + 1
            self._db.execute(
                "INSERT INTO sittings (number, started, heartbeat, pid) VALUES (?, ?, ?, ?)",
                (self._sitting, self._now(), self._now(), os.getpid()),
            )

    def _beat_if_due(self) -> None:
        if self._ticks() - self._beaten > _BEAT:
            with self._transaction():
                pass  # the heartbeat

    def _beat(self) -> None:
        """Part of every write: the time worked so far, and how many writes there were."""
        self._beaten, self._writes = self._ticks(), self._writes + 1
        self._db.execute(
            "UPDATE sittings SET heartbeat = ?, seconds = ?, writes = ? WHERE number = ?",
            (self._now(), self._beaten - self._sat_down, self._writes, self._sitting),
        )
        seal(self._db, "sittings", self._sitting)

    def _tick(self) -> int:
        """The next number of the run's own counter."""
        self._ticked += 1
        return int(self._ticked)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, on disk when it returns."""
        with self._writing, guard(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._beat()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._mark.set(self._writes)


def ask_stop(run: Path) -> None:
    """Ask whoever drives `run`, in any process, to stop. Raises RunError when there is no such run."""
    path = database.find(run)
    with guard(path), closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        db.execute("INSERT INTO requests (wish, at) VALUES ('stop', ?)", (time.time(),))
