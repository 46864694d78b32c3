"""The Python API: `solve` and `open` give a `Run`, which tells how far it is, what it found, and predicts new rows."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mlestar import config, contributing, events, given, notebook, overview, predicting, reporting, runs
from mlestar.config import Settings
from mlestar.driving import Drive
from mlestar.errors import RunError
from mlestar.housekeeping import Watch
from mlestar.journal import queries
from mlestar.plain import word
from mlestar.records import Direction, Summary
from mlestar.tasks import frames
from mlestar.telling import Teller

_TRIED = ("quick", "candidate", "merger", "check", "variant", "attempt", "added", "blend")
_WHAT = {
    "sealed": "on rows that no decision had seen",
    "estimate": "the search score less what choosing the best of many flattered it",
    "search": "the search's own, of the best solution so far: choosing the best of many flatters it",
}


@dataclass(frozen=True, repr=False)
class Figure:
    """A score and what it is: *sealed* rows', an *estimate* of a finished run, or that of the *search* until then."""

    value: float
    stderr: float | None
    metric: str
    direction: Direction
    what: Literal["sealed", "estimate", "search"]

    def __repr__(self) -> str:
        better = "higher" if self.direction == "max" else "lower"
        return f"{self} ({better} is better; {_WHAT[self.what]})"

    def __str__(self) -> str:
        return f"{word(self.metric)} {self.value:.5f}" + ("" if self.stderr is None else f" ± {self.stderr:.5f}")

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Best:
    """The best solution: its name, its whole script, and the file that holds it."""

    name: str
    script: str = field(repr=False)
    path: Path


class Report(str):
    """A report in Markdown; a notebook shows it set."""

    def _repr_markdown_(self) -> str:
        return str(self)


class Run:
    """A run folder. All that it says is read from there when it is asked, also while another process drives the run."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._drive: Drive | None = None

    @property
    def summary(self) -> Summary:
        """All that `mle-star show` knows."""
        return overview.show(self.folder)

    @property
    def state(self) -> str:
        """`running`, `done`, or how else it stands; `interrupted` and `paused` can be resumed."""
        return self.summary.state

    @property
    def score(self) -> Figure | None:
        """What to expect on rows that nobody has seen; until the run has ended, the best search score."""
        found = self.summary
        if found.estimate is not None:
            what: Literal["sealed", "estimate"] = "estimate" if found.sealed_score is None else "sealed"
            return Figure(found.estimate, found.estimate_stderr, found.metric, found.direction, what)
        gains = Teller(self.folder).story().gains
        if not gains:
            return None
        return Figure(gains[-1].score.value, gains[-1].score.stderr, found.metric, found.direction, "search")

    @property
    def best(self) -> Best | None:
        """The best solution so far; None until there is a valid one."""
        path = self.folder / "best" / "solution.py"
        if not path.exists():
            return None
        return Best(queries.facts(self.folder).get("best", ""), path.read_text(encoding="utf-8"), path)

    @property
    def submission(self) -> Path:
        """The file with the predictions of the task's test rows; raises RunError until there is one."""
        path = self.folder / "best" / "submission.csv"
        if not path.exists():
            raise RunError(f"{self.folder} has no valid solution yet, so no submission; its state is {self.state}")
        return path

    def predict(self, rows: pd.DataFrame | str | Path) -> pd.DataFrame:
        """Predictions for new rows, with their index: the best solution is fitted on all training rows for it.

        A frame, or a table file; columns in any order. What was ignored or made up is warned of.
        """
        if not isinstance(rows, pd.DataFrame):
            return self._predicted(Path(rows))
        frames.check(rows, "the frame of new rows")
        with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
            file = Path(scratch) / "rows.csv"
            frames.save(rows, file)
            return self._predicted(file).set_axis(rows.index)

    def _predicted(self, file: Path) -> pd.DataFrame:
        found = predicting.predict(self.folder, file)
        for note in found.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        texts = pd.read_csv(io.BytesIO(found.csv), dtype=str, keep_default_na=False)
        return frames.typed(texts)

    def leaderboard(self) -> pd.DataFrame:
        """Every solution that was tried, the best first; those without a score come last, with their `state`."""
        teller = Teller(self.folder)
        story = teller.story()
        rows = [
            {
                "address": node.address, "name": node.name, "kind": node.kind, "state": node.state,
                "score": node.score.value if node.score else None,
                "stderr": node.score.stderr if node.score else None, "seconds": node.seconds,
                "parents": node.parents, "reason": node.reason,
            }
            for node in story.nodes if node.kind in _TRIED and node.state != "not tried"
        ]  # fmt: skip
        names = ["address", "name", "kind", "state", "score", "stderr", "seconds", "parents", "reason"]
        frame = pd.DataFrame(rows, columns=names).astype({"score": float, "stderr": float, "seconds": float})
        whole = frame["state"].eq("scored")  # the score of one that was dropped is of fewer rows
        order = frame.assign(whole=whole).sort_values(
            ["whole", "score"], ascending=[False, story.summary.direction == "min"], kind="stable"
        )
        return order.drop(columns="whole").reset_index(drop=True)

    def events(self) -> Iterator[events.Event]:
        """What happened and what happens, until the run ends; the last event is of the kind `done`."""
        if self._drive is None:
            return events.follow(self.folder)
        self._drive.begun(self.folder)
        return events.follow(self.folder, self._drive.goes_on)

    def report(self) -> Report:
        """The story of the run, in Markdown."""
        return Report(reporting.markdown(self.folder))

    def stop(self) -> None:
        """Ask whoever drives the run to leave when the jobs in hand are done; `resume` goes on later."""
        if self._drive is not None:
            self._drive.begun(self.folder)
        runs.stop(self.folder)

    def resume(self, *, progress: bool = True, wait: bool = True, **settings: Any) -> Run:
        """Go on: what was recorded is replayed, nothing is paid for twice. `settings` are those that change."""
        changes = given.nested(settings)
        return self._driven(lambda watch: runs.resume(self.folder, changes, watch), progress, wait)

    def finish(self, *, progress: bool = True) -> Run:
        """End the run with what there is: ensemble, rehearse, refit. That is how a run without a brain ends."""
        return self._driven(lambda watch: contributing.finish(self.folder, {}, watch), progress, True)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for a run that `wait=False` started; raises what ended it where that was an error."""
        if self._drive is not None:
            self._drive.wait(timeout)
        return self

    def _driven(self, work: Callable[[Watch], object], progress: bool, wait: bool) -> Run:
        if self._drive is not None and self._drive.goes_on():
            raise RunError(f"{self.folder} goes on already: run.wait() waits for it, run.stop() ends it")
        self._drive = None
        if not wait:
            self._drive = Drive(work)
            return self
        with notebook.watching(progress) as watch:
            work(watch)
        return self

    def __repr__(self) -> str:
        if not self.folder.exists():
            return f"Run({str(self.folder)!r}: not begun)"
        return f"Run({str(self.folder)!r}: {self.state}, {self.score or 'no score yet'})"

    def _repr_html_(self) -> str:
        if not self.folder.exists():
            return notebook.table([("run", repr(self))])
        best = self.best
        score = repr(self.score) if self.score else "no score yet"
        return notebook.described(self.summary, str(self.folder), score, word(best.name) if best else "none yet")


def open(folder: str | Path) -> Run:
    """A run that is there: one that has ended, or one that another process drives. Raises RunError where it is none."""
    run = Run(folder)
    queries.facts(run.folder)
    return run


def solve(
    task: str | Path | pd.DataFrame,
    *,
    target: str | None = None,
    test: str | Path | pd.DataFrame | None = None,
    metric: str | None = None,
    brain: str | None = None,
    budget: str | float | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    progress: bool = True,
    wait: bool = True,
    **settings: Any,
) -> Run:
    """Solve a task: search, refine, ensemble; the run has a solution, its predictions and an honest score.

    `task` is a task folder, or one table, as a file or a frame, with the column `target` to predict. `test` are then
    the rows to predict; without it a random fifth of the table becomes the test part, and no solution is fitted on it.
    `metric` is a name such as `rmse`, `log_loss`, `roc_auc`. `brain`, `budget` ("15m" or seconds), `seed` and
    all other `settings` are those of docs/settings.md, sections as dictionaries: `refine={"outer": 2}`; what is not
    given is as `mlestar.toml` and the environment say. `out` is the run's folder, made if need be.
    With `wait=False` the run goes on in a thread, for `run.events()` and `run.wait()`; `progress` is then not shown.
    Raises SettingsError and TaskError, which name what is wrong; Interrupted, after which `run.resume()` goes on;
    NoSolution where nothing valid came out.
    """
    made = config.load(None, **given.nested({"brain": brain, "budget": budget, "seed": seed, **settings}))
    place, name = given.known(task, target, test, metric)
    run = Run(out if out is not None else runs.new_folder(name))
    given.free(run.folder)
    if place is None:
        beside = run.folder.with_name(f"{run.folder.name}-task")
        place = given.laid(task, str(target), test, beside / name, metric, made)
    return begin(run, place, made, progress, wait)


def begin(run: Run, task: Path, settings: Settings, progress: bool = False, wait: bool = True) -> Run:
    """Start a run on a task folder."""
    return run._driven(lambda watch: runs.start(task, run.folder, settings, watch), progress, wait)
