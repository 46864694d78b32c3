"""The command line as a process that notes what it pays for outside the journal, and may die when told to.

    python -m mlestar.testing.driver LOG MOMENT run TASK --out RUN …

LOG gets a line per step that is played (`brain ADDRESS`) and per job that is started (`launch ADDRESS`). MOMENT is
`-`, or for example `ended:3`: the process kills itself when the third job has ended and nothing of it is stored.
The others are `begun` (the journal says that a step is under way), `blob` (a blob is on disk, the row that names it
is not) and `recorded`. With `writing-blob:2=FILE` it lives, but FILE takes all the room that is left on its disk just
before the second blob is written; so for `fact`, `row`, `view`, `best` and `job`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from mlestar import casting, cli, runs
from mlestar.executors.local import LocalExecutor
from mlestar.housekeeping import House
from mlestar.journal.store import Store
from mlestar.records import Job, Outcome, Verb

T = TypeVar("T")
MOMENTS = ("begun", "ended", "blob", "recorded")


class Diary:
    """Where the acts are noted, and the moment of death."""

    def __init__(self, log: str, moment: str) -> None:
        self._file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        moment, _, self._filler = moment.partition("=")
        self._moment, _, number = moment.partition(":")
        self._number, self._passed, self._lock = int(number or 0), Counter[str](), threading.Lock()

    def note(self, line: str) -> None:
        """One write, so that lines of several threads do not mix."""
        os.write(self._file, f"{line}\n".encode())

    def pass_by(self, moment: str) -> None:
        """Die here if this is the moment, or take all the room."""
        with self._lock:
            self._passed[moment] += 1
            if moment == self._moment and self._passed[moment] == self._number:
                if not self._filler:
                    os.kill(os.getpid(), signal.SIGKILL)
                with suppress(OSError), open(self._filler, "wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass

    def before(self, write: str, act: Callable[..., T]) -> Callable[..., T]:
        """`act`, with the moment just before it."""

        def passing(*arguments: Any, **named: Any) -> T:
            self.pass_by(f"writing-{write}")
            return act(*arguments, **named)

        return passing


def noting(diary: Diary) -> type[Store]:
    """A store that tells the diary."""

    class Noting(Store):
        def step(self, address: str, verb: Verb, inputs: Any, returns: type[T], play: Callable[[], T]) -> T:
            def noted() -> T:
                diary.note(f"{verb} {address}")
                diary.pass_by("begun")
                return play()

            answer = super().step(address, verb, inputs, returns, noted)
            diary.pass_by("recorded")
            return answer

        def _end(self, *arguments: Any) -> None:
            diary.pass_by("writing-row")
            super()._end(*arguments)

        def set_fact(self, name: str, value: Any) -> None:
            diary.pass_by("writing-fact")
            super().set_fact(name, value)

        def save(self, data: bytes) -> str:
            diary.pass_by("writing-blob")
            digest = super().save(data)
            diary.pass_by("blob")
            return digest

    return Noting


def launching(diary: Diary) -> type[LocalExecutor]:
    """An executor that tells the diary."""

    class Launching(LocalExecutor):
        def run(self, job: Job) -> Outcome:
            diary.note(f"launch {job.address}")
            diary.pass_by("writing-job")
            outcome = super().run(job)
            diary.pass_by("ended")
            return outcome

    return Launching


def keeping(diary: Diary) -> type[House]:
    """A house that tells the diary."""

    class Keeping(House):
        def keep(self, *arguments: Any, **named: Any) -> None:
            diary.pass_by("writing-best")
            super().keep(*arguments, **named)

    return Keeping


def viewing(diary: Diary, make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, with tasks that tell the diary before a view."""

    def made(*arguments: Any, **named: Any) -> Any:
        task = make(*arguments, **named)
        task.view = diary.before("view", task.view)
        return task

    return made


def drive(diary: Diary, arguments: list[str]) -> None:
    """What `mle-star` does with these arguments, noted."""
    names: Any = runs  # the only place that knows implementations, so this is where others are put in
    names.Store, names.House = noting(diary), keeping(diary)
    casts: Any = casting
    casts.LocalExecutor = launching(diary)
    names.prepare, names.reopen = viewing(diary, names.prepare), viewing(diary, names.reopen)
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    drive(Diary(sys.argv[1], sys.argv[2]), sys.argv[3:])
