"""What the house does while a run goes on: it listens for a stop, tells people, and keeps `best/`."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from types import FrameType

from mlestar.errors import Interrupted
from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.ports import Executor
from mlestar.records import Final, Letter, Progress, Score

Watch = Callable[[Progress], None]
Keepsakes = Callable[[str, Collection[str], Final | None], Mapping[str, str]]  # files by name: see mlestar.keepsakes


def bare(script: str, opened: Collection[str], final: Final | None) -> Mapping[str, str]:
    """The script alone."""
    return {"solution.py": script}


class Stopping:
    """One Ctrl-C finishes the steps in hand, and says so; a second ends the jobs at once, also of those `below`."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.executor: Executor | None = None
        self.below: list[Stopping] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        executors = [each.executor for each in (self, *self.below) if each.executor is not None]
        if self.asked.is_set() and executors:
            for executor in executors:
                executor.stop()
        elif self.asked.is_set():
            raise Interrupted("stopped before the first step")
        else:  # written past all streams: this may come in the midst of anything
            os.write(2, b"stopping when the steps in hand are done; once more ends them now\n")
        self.asked.set()


@contextmanager
def stoppable(above: Stopping | None = None) -> Iterator[Stopping]:
    """Ctrl-C and SIGTERM ask for a stop while the context lasts. Within `above`, of any thread, that one hears them."""
    stopping = Stopping()
    if above is not None:
        stopping.asked = above.asked
        above.below.append(stopping)
    hears = above is None and threading.current_thread() is threading.main_thread()
    before = {s: signal.signal(s, stopping.handle) for s in (signal.SIGINT, signal.SIGTERM)} if hears else {}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if above is not None:
            above.below.remove(stopping)
        if stopping.executor is not None:
            stopping.executor.close()


class House:
    """Tells people, and keeps `best/`."""

    def __init__(self, store: Store, watch: Watch, stopping: Stopping, keepsakes: Keepsakes) -> None:
        self._store, self._watch, self._stopping, self._keepsakes = store, watch, stopping, keepsakes
        self._lock, self._mail = threading.Lock(), Mail(store.run)
        best, old = store.run / "best", store.run / "best.old"
        if old.exists() and not best.exists():  # killed between two renames
            old.rename(best)
        kept = store.facts.get("kept") if best.exists() else None  # a replay must not go back to a lesser one
        self._any, self._kept = kept is not None, Score(**kept) if kept else None
        self._ended = store.facts.get("final") is not None  # then only another end may take its place

    def tell(self, progress: Progress) -> None:
        """Hand progress to whoever watches."""
        self._watch(progress)

    def milestone(self, name: str, score: Score | None) -> None:
        """Where the score stood after a phase, for `show` and the report."""
        with self._lock:
            known = self._store.facts.get("milestones", {})
            self._store.set_fact("milestones", {**known, name: score.value if score else None})

    def stopping(self) -> bool:
        """A signal, or a request in the journal."""
        return self._stopping.asked.is_set() or self._store.stop_asked()

    def letters(self, kind: str) -> list[Letter]:
        """What people have handed in so far, of one kind."""
        taken = self._taken if kind == "add" else []
        found = {letter.number: letter for letter in (*taken, *self._mail.letters(kind))}
        return [found[number] for number in sorted(found)]

    @cached_property
    def _taken(self) -> list[Letter]:
        """The scripts that earlier sittings took: a fork, and a run whose letters are gone, has them in its journal."""
        return queries.handed_in(self._store.run)

    def keep(
        self, name: str, script: str, submission: str, score: Score | None, opened: Collection[str] = (),
        final: Final | None = None,
    ) -> None:  # fmt: skip
        """Swap `best/` for a new one, whole: a crash leaves the old or the new, never a mixture."""
        with self._lock:
            known = self._kept
            lesser = self._ended or score is None or not score.beats(known)
            if self._any and final is None and lesser:
                return
            self._any, self._kept = True, score
            best, draft, old = (self._store.run / n for n in ("best", "best.new", "best.old"))
            for left in (draft, old):  # by a sitting that was killed here
                shutil.rmtree(left, ignore_errors=True)
            draft.mkdir()
            (draft / "submission.csv").write_bytes(self._store.load(submission))
            for file, text in self._keepsakes(script, opened, final).items():
                (draft / file).write_text(text, encoding="utf-8")
            if best.exists():
                best.rename(old)
            draft.rename(best)
            shutil.rmtree(old, ignore_errors=True)
            self._store.set_facts({"best": name, "kept": score and asdict(score)})
