"""The bench itself: fill in the cells that are asked for, one after another, and write the report after each."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

from mlestar import config, runs
from mlestar.bench import cells, competitors, discovery, grading, ours, report
from mlestar.bench.competitors import Environment
from mlestar.bench.cores import pinned
from mlestar.bench.handing import Terms
from mlestar.bench.records import LOST, OURS, Asked, BenchTask, Cell, Competitor, Grade, Say
from mlestar.config import Settings
from mlestar.errors import Interrupted, MleStarError, RunError, SettingsError, TaskError, Unreachable, UsageError
from mlestar.housekeeping import Watch, stoppable
from mlestar.journal.lock import Lock
from mlestar.plain import word
from mlestar.tasks.infer import understand_made
from mlestar.tasks.source import Source


def bench(folder: Path, out: Path, settings: Settings, asked: Asked, say: Say, watch: Watch) -> Path:
    """Run what is asked for and not there yet; returns the report, `out`/bench.md.

    `settings` hold for mle-star; their budget and jobs, as wall seconds and as cores, for all systems.
    Raises TaskError for a folder without tasks, SettingsError for terms that cannot be kept, RunError while another
    process works in `out`, and Interrupted when it was stopped: the same call goes on.
    """
    known = discovery.find(folder)
    tasks = [task for task in known if asked.wants(task.name)]
    if not tasks:
        raise TaskError(f"--only {asked.only}: no task of {folder} is called so")
    if settings.budget is None:
        raise SettingsError("a bench needs a budget: competitors are given no other end, for example --budget 10m")
    settings = config.changed(settings.model_dump(mode="json"), {"search": {"bar_same_task": True}})
    with _held(out), pinned(settings.jobs):
        cells.agree(out, folder, settings)
        work = Bench(out.resolve(), settings, asked, say, watch, bool(cells.recorded(out)))
        try:
            for number, (task, system, seed) in enumerate(_order(tasks, asked), 1):
                work.fill(task, system, seed, f"{number}/{len(tasks) * len(asked.systems) * len(asked.seeds)}")
                report.write(out, settings, asked, known)
        except SettingsError:
            if not work.begun:
                (out / cells.PLAN).unlink()  # the next call may have other settings
            raise
        except Unreachable:
            raise
        except Interrupted:
            raise Interrupted("stopped; nothing is lost, the same command goes on from here") from None
        finally:
            report.write(out, settings, asked, known)
    return out / report.PAGE


def _order(tasks: list[BenchTask], asked: Asked) -> Iterator[tuple[BenchTask, str, int]]:
    """All systems of a task side by side, all tasks before the next seed: what is there early can be compared."""
    return ((task, system, seed) for seed in asked.seeds for task in tasks for system in asked.systems)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    try:
        lock = Lock(out)
    except RunError:
        raise RunError(f"{out}: another bench is at work there; wait for it, or name another --out") from None
    try:
        yield
    finally:
        lock.release()


@dataclass
class Bench:
    """One call at work in its folder. Environments that cannot be made are tried once a call."""

    out: Path
    settings: Settings
    asked: Asked
    say: Say
    watch: Watch
    begun: bool
    environments: dict[str, Environment | str] = field(default_factory=dict)
    understood: tuple[Path, Source] | None = None

    def fill(self, task: BenchTask, system: str, seed: int, number: str) -> None:
        """One cell: what is not there yet is run, then graded."""
        folder = cells.place(self.out, task.name, system, seed)
        folder.mkdir(parents=True, exist_ok=True)
        cell = cells.read(folder)
        if cell is None or cell.state == "missing":
            self.say(f"{number} {task.name}, {system}, seed {seed}")
            cell = self._run(task, Cell(task.name, system, seed, "done", machine=_machine(), date=_today()), folder)
            cells.keep(folder, cell)
            self.begun = True
            self.say(f"{number} {cell.state}{f': {word(cell.reason, 300)}' if cell.reason else ''}")
        if cell.state == "done" and cell.grade is None and self.asked.grading:
            graded = self._graded(task, cell, folder)
            cells.keep(folder, replace(cell, grade=graded))
            self.say(f"{number} test {graded.error if graded.score is None else graded.score}")

    def _run(self, task: BenchTask, cell: Cell, folder: Path) -> Cell:
        """Have the cell's system solve its task. A stop is raised, and what nothing could begin with."""
        try:
            if cell.system == OURS:
                cell = replace(cell, version=f"{OURS} {version(OURS)}")
                return ours.run(task.public, self.settings, folder, cell, self.watch)
            other = next(one for one in self.asked.against if one.name == cell.system)
            return self._compete(task, other, cell, folder)
        except TaskError as error:
            return replace(cell, state="failed", reason=str(error))
        except UsageError as error:  # the user can mend it; meanwhile the other cells go on
            if not self.begun:
                raise
            return replace(cell, state="missing", reason=str(error))
        except MleStarError:
            raise
        except Exception as error:
            return replace(cell, state="failed", reason=grading.inside(error))

    def _compete(self, task: BenchTask, other: Competitor, cell: Cell, folder: Path) -> Cell:
        terms = Terms(self.settings.budget or 0.0, self.settings.jobs, cell.seed)
        with stoppable() as stopping:
            stopped = stopping.asked.is_set
            if other.name not in self.environments:
                home, uv = self.out / "env" / other.name, self.settings.packages.uv
                self.environments[other.name] = competitors.environment(other, home, uv, stopped)
            found = self.environments[other.name]
            if isinstance(found, str):
                return replace(cell, state="missing", reason=found)
            return competitors.run(other, found, self._source(task), folder, cell, terms, stopped)

    def _graded(self, task: BenchTask, cell: Cell, folder: Path) -> Grade:
        def asking() -> None:  # a grader is asked once, whatever happens to us meanwhile
            cells.keep(folder, replace(cell, grade=Grade(task.by, error=LOST)))

        with stoppable() as stopping:
            serve = partial(runs.serve, self.settings)
            means = grading.Means(partial(self._source, task), serve, asking, stopping.asked.is_set)
            try:
                return grading.grade(task, folder, means)
            except MleStarError:
                raise
            except Exception as error:
                return Grade(task.by, error=grading.inside(error))

    def _source(self, task: BenchTask) -> Source:
        """The task understood; the last one is remembered, for its cells follow each other."""
        if self.understood is None or self.understood[0] != task.public:
            self.understood = task.public, understand_made(task.public, partial(runs.serve, self.settings))
        return self.understood[1]


def _machine() -> str:
    return f"{config.cores()} cores, Python {platform.python_version()}, {platform.machine()}"


def _today() -> str:
    return str(date.today())
