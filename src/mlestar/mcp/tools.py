"""The tools of the MCP server. Knows nothing of the protocol; mistakes are errors of the family (errors.py).

Runs are driven by child processes that outlive the server. What may take longer than an assistant's own time limit is
handed out as a ticket.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlestar import config, contributing, reporting, runs
from mlestar.errors import MleStarError, RunError, SettingsError, TaskError
from mlestar.executors.command import launch
from mlestar.journal import queries
from mlestar.journal.mail import pause
from mlestar.mcp.models import (
    Budget,
    Done,
    File,
    Name,
    Outcome,
    Question,
    Run,
    Sets,
    Source,
    Status,
    Task,
    Verdict,
    Wait,
    Waiting,
    Who,
    added,
    is_driven,
    log_of,
    looked,
    message,
    ready,
    script,
    status,
    text,
)
from mlestar.mcp.threads import beside, thread, within

TICK = 0.1  # seconds between looks at what is waited for
START = 20.0  # most seconds until a child process has begun
SETTLE = 2.0  # most seconds until a run that is taken up again refuses, if it does
_MAIN = "from mlestar.cli import main; main()"


class Tools:
    """What the server offers: each public method is a tool, and its docstring is what an assistant reads about it."""

    def __init__(self) -> None:
        self._children: list[Any] = []  # so that those that end are not left as zombies
        self._tickets: dict[str, Future[Outcome]] = {}
        self._given = 0

    def run(
        self,
        task: Task,
        brain: Annotated[str, Field(description="relay, none, playbook, provider:model")] = "relay",
        budget: Budget = "",
        settings: Sets = None,
        out: Annotated[str, Field(description="the run folder to make; by default runs/<task>-<time>")] = "",
    ) -> Status:
        """Start a run on a task folder, and get its folder at once; it goes on by itself, also when you are gone.

        brain "relay": you answer its questions. "none": free drive, you hand in scripts. "playbook": the built-in
        brain, which needs nobody and no key; a good baseline. Scripts run behind a wall without network.
        Then poll with `show`, not more often than every 30 seconds.
        """
        if not task.is_dir():
            raise TaskError(f"{task}: there is no such task folder")
        config.load(_assignments(settings), brain=brain, budget=budget or None)  # a wrong one is refused here
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = (Path(out) if out else Path("runs") / f"{task.name}-{stamp}").expanduser().resolve()
        words = ["run", f"--out={folder}", *_options(brain, budget, settings), "--", str(task)]
        return self._drive(words, folder, START, partial(ready, folder))

    def show(self, run: Run) -> Status:
        """Where a run stands: state, open questions, scores with errors, the last lines of its log, what to do next."""
        return status(run)

    def stop(self, run: Run) -> Done:
        """Ask a run to finish the steps in hand and leave. Nothing is lost: `resume` goes on, `finish` ends it."""
        runs.stop(run)
        return Done(text=f"{run} was asked to stop; `show` says when it has" if queries.is_running(run)
                    else f"nobody drives {run}, so there is nothing to stop")  # fmt: skip

    def resume(self, run: Run, brain: str = "", budget: Budget = "", settings: Sets = None) -> Status:
        """Go on with a run that stopped, was interrupted or ran out of budget: what is recorded is not paid for twice.

        `brain`, `budget` and `settings` change what it began with; empty ones stay.
        """
        queries.facts(run)
        return self._drive(["resume", *_options(brain, budget, settings), "--", str(run)], run, SETTLE)

    def finish(self, run: Run, budget: Budget = "", settings: Sets = None, wait: Wait = 45.0) -> Status:
        """End a run with what there is: ensemble of all that scored, rehearsal on sealed rows, refit, submission.

        Needs a run that nobody drives (state "open", "interrupted" or "done"; else `stop` it first). Takes about as
        long as a few evaluations; when it is not over within `wait`, poll `show`. May be called again after further
        scripts.
        """
        queries.facts(run)
        return self._drive(["finish", *_options("", budget, settings), "--", str(run)], run, wait)

    def steer(
        self,
        run: Run,
        about: Literal["hint", "pin", "forbid", "model", "target", "cell"],
        text: str,
        cell: Annotated[str, Field(description='for about "cell": the cell\'s name; `text` is its new source')] = "",
        who: Who = "assistant",
    ) -> Done:
        """Say something to a run that goes on; heard at its next step, recorded, and told to whoever is the brain.

        hint: what the brain should know. pin, forbid: an idea or recipe to try first, or never. model: describe a model
        that is to be a candidate. target: the cell to refine next. cell: rewrite a cell of the incumbent yourself.
        """
        if (about == "cell") != bool(cell):
            raise SettingsError('about "cell" needs the name of the cell in `cell`, and nothing else does')
        return Done(text=contributing.steer(run, f"cell:{cell}" if cell else about, text, who))

    def questions(self, run: Run) -> Waiting:
        """The questions that wait for an answer, and who works on them. `next_question` takes one."""
        listed = contributing.questions(run)
        return Waiting(questions=[{"name": q.name, "role": q.role, "taken_by": q.claimant or ""} for q in listed])

    async def next_question(
        self,
        run: Run,
        wait: Wait = 45.0,
        who: Who = "assistant",
        name: Annotated[str, Field(description="this question, whoever has it; empty: the oldest free one")] = "",
        brief: Annotated[
            bool, Field(description="without the part on task and contract, where `who` was shown it before")
        ] = False,
    ) -> Question:
        """Take the oldest free question of a run with brain "relay"; yours alone for half an hour.

        Its body is Markdown and self-contained: task, data, how scripts are judged, what is asked, and the form of the
        answer. Several answerers may take questions side by side. Without one in time `name` is empty: look at `show`,
        then call again while the run goes on.
        """
        waited = 0.0
        while True:
            found = await beside(partial(contributing.claim, run, who, 0.0, name, brief))
            if found is not None:
                return Question(name=found.name, role=found.role, body=found.body)
            if waited >= wait or (waited >= 2 and not queries.is_running(run)):
                state = (await beside(partial(status, run))).state
                return Question(name="", role="", body="", note=f"no question waits; the run is {state}")
            await asyncio.sleep(0.5)
            waited += 0.5

    def answer_question(
        self,
        run: Run,
        name: Annotated[str, Field(description="the question's name")],
        text: Annotated[str, Field(description="the answer in Markdown, with the fenced blocks that were asked for")],
        who: Who = "assistant",
    ) -> Verdict:
        """Answer a question. "taken": go on. "refused": mend what `reason` says and answer the name it gives. "kept":
        it will be read when the run goes on. Only the fenced blocks count; whole cells, never fragments or diffs.
        """
        said = contributing.answer(run, name, text, who)
        verdict, _, reason = said.partition(":")
        known: dict[str, Literal["taken", "refused"]] = {"taken": "taken", "refused": "refused"}
        return Verdict(verdict=known.get(verdict, "kept"), reason=reason.strip() if verdict in known else said)

    async def add_script(
        self, run: Run, text: Source = "", path: File = "", name: Name = "", who: Who = "assistant", wait: Wait = 45.0
    ) -> Outcome:
        """Hand in a script, in whatever way it is written: scored on the run's folds, banked, a member of ensembles.

        The contract: a Python program whose working directory has `input/`, laid out like the task folder with the
        same file names. It reads them and writes submission.csv with the sample's columns, one row for each row of the
        test file it finds. It runs once per fold (train: the other folds, test: the held fold without targets), and at
        the end on the real data; so it must not rely on row counts or ids. Use all of train, hold nothing back for a
        validation. No network; only installed packages. It may also write members.parquet with columns
        `<member>::<class or predicted column>`, one row per test row in the test file's order: the class probabilities
        or values of its parts. Each member is banked for the ensemble, which makes more of probabilities than of
        labels; one that is called `submission` stands for submission.csv there.
        """
        source, name = script(text, path, name)
        return await self._ticketed("script", partial(added, run, name, source, who), wait)

    async def look(
        self, run: Run, text: Source = "", path: File = "", who: Who = "assistant", wait: Wait = 45.0
    ) -> Outcome:
        """Run an analysis script and read what it prints (the first 8,000 characters). Nothing is scored.

        `input/rows.parquet` holds the rows that may be seen, every column of the train table as text, targets included,
        and `oof:<class or column>`: the best solution's out-of-fold predictions, once there are any. Look at residuals
        before you write the next script, and try features out here: it costs no evaluation.
        """
        source, name = script(text, path, "look")
        return await self._ticketed("look", partial(looked, run, name, source, who), wait)

    async def result(self, ticket: str, wait: Wait = 45.0) -> Outcome:
        """What became of a script or a look that was "pending". A ticket is good until it was answered once."""
        if ticket not in self._tickets:
            known = ", ".join(self._tickets) or "none"
            raise RunError(f"there is no ticket {ticket!r}, only {known}; what was handed in is kept in the run")
        future = self._tickets[ticket]
        if not await within(future, wait):
            return Outcome(state="pending", ticket=ticket)
        self._tickets.pop(ticket, None)
        return future.result()

    def report(self, run: Run) -> Done:
        """The story of a run in Markdown: scores, what was tried, what each change brought, warnings."""
        return Done(text=reporting.markdown(run))

    async def _ticketed(self, kind: str, call: Callable[[], Outcome], wait: float) -> Outcome:
        self._given += 1
        ticket = f"{kind}-{self._given}"
        self._tickets[ticket] = thread(call)
        return await self.result(ticket, wait)

    def _drive(self, words: list[str], run: Path, patience: float, is_ready: Callable[[], bool] = bool) -> Status:
        """Let a child process drive a run; what it says when it fails in its first `patience` seconds is raised."""
        log = log_of(run)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            before = log.stat().st_size if log.exists() else 0
            child = launch([sys.executable, "-P", "-c", _MAIN, *words], log)
        except OSError as error:
            raise SettingsError(f"{error.filename or log}: {error.strerror}") from None
        self._children = [other for other in self._children if other.poll() is None] + [child]
        waited = driven = 0.0
        while child.poll() is None and driven < patience and waited < START + patience and not is_ready():
            pause(TICK)
            waited += TICK
            driven += TICK if driven or is_driven(run) else 0.0
        if child.poll():
            said = message(text(log, before))
            if not run.exists():
                log.unlink(missing_ok=True)
            raise MleStarError(said)
        return status(run)


USERS_OWN = ("unsafe", "wall", "interpreter", "assets", "library", "packages.uv", "packages.resolve", "packages.allow")


def _assignments(settings: Sets) -> list[str]:
    """What an assistant may set: not what decides which programs run outside the wall; that is the user's."""
    for name, value in (settings or {}).items():
        if name in USERS_OWN or "cli:" in str(value):
            raise SettingsError(
                f"{name!r} is the user's to set: in mlestar.toml, or as MLESTAR_* where the server runs"
            )
    return [f"{name}={value}" for name, value in (settings or {}).items()]


def _options(brain: str, budget: str, settings: Sets) -> list[str]:
    if brain.startswith("cli:"):
        raise SettingsError("a command as the brain is the user's to choose: mle-star run TASK --brain cli:COMMAND")
    given = [f"--set={text}" for text in _assignments(settings)]
    return [*given, *([f"--brain={brain}"] if brain else []), *([f"--budget={budget}"] if budget else [])]
