"""What every verb stands on: the ports of one run, an address, and the ways to pay for something.

Nothing here knows the method. A verb asks the brain, runs a job or takes a decision through one of
the three methods below, and each of them is exactly one journal step (DESIGN.md §7).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlestar import plain, votes
from mlestar.desk import Purse, Seat
from mlestar.errors import Interrupted, Unrecorded
from mlestar.memo import Execution, Memo
from mlestar.ports import Array, Bank, Brain, Clock, Executor, House, Journal, Outside, SearchProvider, Task
from mlestar.records import Job, Judged, Limits, Outcome, Progress, Score, Scored
from mlestar.roles import Request, sound
from mlestar.rules import Rules
from mlestar.scripts import parse, untitled
from mlestar.timing import RESERVE, WHOLE, Timetable

T = TypeVar("T")
MOST_NOTE = 1_000_000  # bytes


@dataclass
class Board:
    """What the progress line shows; the only thing here that changes, and nothing branches on it."""

    jobs: int = 0
    best: Score | None = None
    best_name: str = ""


@dataclass(frozen=True)
class Workbench:
    """The ports of a run at one address. `at` goes one word deeper."""

    task: Task
    brain: Brain
    search: SearchProvider
    executor: Executor
    journal: Journal
    bank: Bank
    clock: Clock
    house: House
    rules: Rules
    folder: Path
    board: Board
    memo: Memo
    purse: Purse
    pages: Outside | None = None
    address: str = ""
    hints: tuple[str, ...] = ()

    def at(self, name: str) -> Workbench:
        """The same workbench at `<address>/<name>`."""
        return replace(self, address=f"{self.address}/{name}".strip("/"))

    @property
    def seed(self) -> int:
        """A seed that follows from the run's seed and the address alone."""
        return int.from_bytes(hashlib.sha256(f"{self.rules.seed}:{self.address}".encode()).digest()[:4], "big")

    @property
    def slots(self) -> int:
        """How many jobs of one branch run side by side."""
        return max(1, self.rules.jobs // self.rules.size.abreast)

    @property
    def phase(self) -> str:
        """The part of the method that this address belongs to."""
        words = self.address.split("/")
        return next((p for p in ("init", "refine", "ensemble", "finalise") if p in words), "init")

    @property
    def branch(self) -> int:
        """The branch's number; 0 outside branches."""
        word = self.address.split("/")[0]
        return int(word.removeprefix("branch-")) if word.startswith("branch-") else 0

    # --- the three kinds of step --------------------------------------------------------------

    def ask(self, request: Callable[..., Request[T]], reply: type[T], **about: Any) -> T:
        """One question to the brain: build the request, let the brain play it."""
        self.pause()
        made = request(profile=self.task.profile, seed=self.seed, branch=self.branch, hints=self.hints, **about)
        address = f"{self.address}/{made.role.replace(' ', '-')}"
        self.tell(made.role)
        if self.rules.closing and not self.journal.knows(address):
            return made.declined()
        folds = self.rules.folds or 5
        turn = self.memo.busy(f"calls of {address.partition('/')[0]}")
        waits = (self.pause, self.memo.failed, turn, folds, self.slots)
        seat = Seat(address, made, self.journal, self.purse, self.times, *waits)
        return self.journal.step(address, "brain", made, reply, lambda: sound(self.brain.play(made, seat)))

    def decide(self, name: str, returns: type[T], play: Callable[[], T]) -> T:
        """A decision that looks at a clock, recorded so that a replay takes the same turn."""
        return self.journal.step(f"{self.address}/{name}", "decide", {}, returns, play)

    def execute(self, name: str, script: str, view: str) -> tuple[Outcome, Judged]:
        """One job, judged: run `script` on a view and let the judge read what it left."""
        found = self.execution(name, script, view, lambda: self.task.view(view))
        return found.outcome, found.judged

    def refit(self, name: str, script: str, once: float = 0.0) -> Execution:
        """One job on the real folder; `submission` of the answer is what the user would get.

        `once`: the seconds that a fold took. It may use what the finish keeps back: the finish does not do it again.
        """
        return self.execution(name, script, "real", lambda: self.task.view("real"), least=RESERVE * WHOLE * once)

    def delivered(self, script: str) -> bool:
        """Whether the finish need not run a script on the real folder, since it has been."""
        found = self.memo.done.get(self._key({"script": script, "view": "real"}))
        return found is not None and found.valid and not self.rules.keep_models

    def execution(
        self, name: str, script: str, view: str, path: Callable[[], Path], note: str = "", keep: bool = False,
        least: float = 0.0,
    ) -> Execution:  # fmt: skip
        """The same on a view that `path` builds; `note` names a small text file that it leaves, `keep` its models."""

        def run(job: Job) -> Execution:
            outcome, work = self._run(job), Path(job.folder)
            if not outcome.ok:
                return Execution(outcome, Judged(f"the script ended with {outcome.state}"))
            judged = self.task.judge(view, work, self.journal.save)
            left = plain.read(work / note, MOST_NOTE) if note else b""
            text = left.decode("utf-8", "replace") if isinstance(left, bytes) else ""
            # The user's file is kept as a blob: it outlives the job's folder, and is never written into it.
            wanted = view == "real" and judged.reason is None
            return Execution(outcome, judged, text, self.journal.save(self.task.deliver(work)) if wanted else "")

        return self._once(name, {"script": script, "view": view}, run, path, str(self.folder / "models") * keep, least)

    def _once(
        self, name: str, inputs: dict[str, str], run: Callable[[Job], Execution], path: Callable[[], Path],
        keep: str = "", least: float = 0.0,
    ) -> Execution:  # fmt: skip
        """The execute step `name`. The same script on the same view is paid for once, whoever asks."""
        spot, work = self.at(name), self.work_of(name)

        def play() -> Execution:
            with self.memo.slots:  # the limit of time is what is left when the job really starts
                self.pause()
                work.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else's business
                try:
                    return run(Job(spot.address, inputs["script"], str(path()), str(work), spot.limits(least), keep))
                finally:
                    plain.remove(work)

        self.pause()
        key = self._key(inputs, keep)
        with self.memo.busy(key):
            known = self.memo.known(key, spot.limits(least).seconds)
            play_once = play if known is None else lambda: known
            found = self.journal.step(spot.address, "execute", inputs, Execution, play_once)
            self.memo.keep(key, found)
        return found

    def _key(self, inputs: dict[str, str], keep: str = "") -> str:
        """What tells executions apart: the code of a script, whatever it is called, and its view."""
        book = parse(inputs["script"])
        code = [untitled(book.head), *([cell.name, cell.source] for cell in book.cells)]
        return hashlib.sha256(json.dumps([code, {**inputs, "script": keep}], sort_keys=True).encode()).hexdigest()

    def observe(self, name: str, script: str, about: str, path: Callable[[], Path]) -> Execution:
        """One job that only prints: nothing is judged. `about` says what the view of `path` shows."""
        inputs = {"script": script, "about": about}
        return self._once(name, inputs, lambda job: Execution(self._run(job), Judged("nothing to judge")), path)

    def _run(self, job: Job) -> Outcome:
        self.tell(f"running {job.address.rpartition('/')[2]}")
        outcome = self.executor.run(job)
        if outcome.state == "signal" and "SIGKILL" in outcome.error:
            outcome = self.executor.run(job)  # from outside, mostly: not the script's doing, unless it ends so again
        if outcome.state == "stopped":
            raise Interrupted("stopped while a job was running")
        self.board.jobs += 1
        return outcome

    def work_of(self, name: str) -> Path:
        """The folder in which the job `name` runs."""
        return self.folder / "work" / self.at(name).address.replace("/", "--")

    def array(self, digest: str) -> Array:
        """A banked prediction."""
        return votes.unpacked(self.journal.load(digest))

    def pause(self) -> None:
        """Between steps: leave, if somebody asked for it. Nothing recorded is lost."""
        if self.house.stopping() or self.memo.failed.is_set():
            raise Interrupted("stopped as asked")

    # --- time -----------------------------------------------------------------------------------

    @property
    def timetable(self) -> Timetable:
        """When phases end, by the rules at this address."""
        return Timetable(self.rules, self.clock, self.memo.pace, self.task.has_sealed)

    def left(self, late: bool = False) -> float | None:
        """Seconds until the present phase must end; None without a budget.

        What the first phase has begun may be brought to its end in the second: `late` asks for that.
        """
        return self.timetable.left("refine" if late and self.phase == "init" else self.phase)

    def times(self) -> tuple[float | None, float | None, float]:
        """Seconds left of this phase, and of the whole run (None without a budget); and what ends a job begun now."""
        return self.left(), self.timetable.rest(), self.limits().seconds

    def fits(self, name: str, seconds: float, late: bool = False, once: float = 0.0) -> bool:
        """Does something that takes `seconds` fit into this phase? Always, without a time budget.

        `once` are the seconds of a fold of what would be found: its finish must fit into the run as well.
        """

        def play() -> bool:
            left, rest = self.left(late) or 0.0, self.timetable.rest() or 0.0
            return seconds <= left and seconds + self.timetable.finish(once) <= rest

        return self.rules.budget is None or self.decide(name, bool, play)

    def limits(self, least: float = 0.0) -> Limits:
        """The limits of one job here; where the run has that much left, no fewer seconds than `least`."""
        found = self.timetable.limits("refine" if self.phase == "init" else self.phase)
        seconds = min(least, self.timetable.limits("finalise").seconds)
        if seconds <= found.seconds:
            return found
        return replace(found, seconds=seconds, left=found.left if found.left is None else max(found.left, seconds))

    # --- company --------------------------------------------------------------------------------

    def side_by_side(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Run calls in threads, results in their order; when one fails, the others leave at their next pause."""
        if len(calls) == 1:
            return [calls[0]()]
        with ThreadPoolExecutor(max_workers=max(len(calls), 1)) as pool:
            futures = [pool.submit(self._watched, call) for call in calls]
        errors = [error for future in futures if (error := future.exception())]
        for error in sorted(errors, key=lambda error: type(error) in (Interrupted, Unrecorded)):
            raise error
        return [future.result() for future in futures]

    def in_turn(self, makers: Sequence[Callable[[], T]], use: Callable[[int, T], None]) -> None:
        """Make one thing after another in a thread, and use each here, while the next is being made."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            futures = [pool.submit(self._watched, make) for make in makers]
            for i, future in enumerate(futures):
                self._watched(partial(use, i, future.result()))

    def _watched(self, call: Callable[[], T]) -> T:
        """Make a call; when it fails, the other threads leave at their next pause."""
        try:
            return call()
        except BaseException as error:
            if not isinstance(error, Unrecorded):  # a replay: what the others know is wanted too
                self.memo.failed.set()
            raise

    def show(self, scored: Scored) -> None:
        """Let the progress line know of a score."""
        board, score = self.board, scored.score
        if score is not None and score.beats(board.best):
            board.best, board.best_name = score, scored.solution.name
        self.timetable.keep_for(self.branch, scored)

    def tell(self, doing: str) -> None:
        """Show what is going on; people only."""
        board, spent, doing = self.board, self.clock.spent(), f"{self.address or self.phase}: {doing}"
        left = None if self.rules.budget is None else max(self.rules.budget - spent, 0.0)
        at = Progress(self.phase, doing, board.best, board.best_name, board.jobs, spent, left)
        self.house.tell(replace(at, calls=self.purse.calls, usd=self.purse.usd, rest=self.purse.left()))
