"""The bench itself: fill in the cells that are asked for, and write the report after each.

On this machine cells follow one another. On a cluster mle-star's own go side by side; then come the competitors, here.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

from mlestar import casting, config, runs
from mlestar.bench import cells, competitors, discovery, grading, ours, report
from mlestar.bench.competitors import Environment
from mlestar.bench.cores import each, pinned, require
from mlestar.bench.handing import Terms
from mlestar.bench.records import LOST, OURS, Asked, BenchTask, Cell, Competitor, Grade, Say
from mlestar.bench.sharing import Share, share, side_by_side
from mlestar.config import Settings
from mlestar.errors import Interrupted, MleStarError, RunError, SettingsError, TaskError, Unreachable, UsageError
from mlestar.housekeeping import Stopping, Watch, stoppable
from mlestar.journal.lock import Lock
from mlestar.plain import word
from mlestar.records import Progress
from mlestar.tasks.infer import understand_made
from mlestar.tasks.source import Source

Key = tuple[BenchTask, str, int]  # a task, a system, a seed


def bench(folder: Path, out: Path, settings: Settings, asked: Asked, say: Say, watch: Watch) -> Path:
    """Run what is asked for and not there yet; returns the report, `out`/bench.md.

    `settings` hold for mle-star; their budget and jobs, as wall seconds and as cores, for all systems. On a cluster,
    jobs that nobody set are a cell's share of the places.
    Raises TaskError for a folder without tasks, SettingsError for terms that cannot be kept, RunError while another
    process works in `out`, and Interrupted when it was stopped: the same call goes on.
    """
    known = discovery.find(folder)
    tasks = [task for task in known if asked.wants(task.name)]
    if not tasks:
        raise TaskError(f"--only {asked.only}: no task of {folder} is called so")
    if settings.budget is None:
        raise SettingsError("a bench needs a budget: competitors are given no other end, for example --budget 10m")
    with _held(out), stoppable() as stopping:
        found = _shared(out, settings, asked, len(tasks) * len(asked.seeds))
        jobs = {"jobs": found.jobs} if found else {}
        settings = config.changed(settings.model_dump(mode="json"), {"search": {"bar_same_task": True}, **jobs})
        cells.agree(out, folder, settings)
        work = Bench(out.resolve(), settings, asked, say, watch, stopping, bool(cells.recorded(out)), found)
        try:
            work.fill(list(_order(tasks, asked)), lambda: report.write(out, settings, asked, known))
        except SettingsError:
            if not work.begun and not any(out.glob("cells/*/*/*/run")):
                (out / cells.PLAN).unlink()  # the next call may have other settings
            raise
        except Unreachable:
            raise
        except Interrupted:
            raise Interrupted("stopped; nothing is lost, the same command goes on from here") from None
        finally:
            report.write(out, settings, asked, known)
    return out / report.PAGE


def _order(tasks: list[BenchTask], asked: Asked) -> Iterator[Key]:
    """All systems of a task side by side, all tasks before the next seed: what is there early can be compared."""
    return ((task, system, seed) for seed in asked.seeds for task in tasks for system in asked.systems)


def _shared(out: Path, settings: Settings, asked: Asked, runs: int) -> Share | None:
    """Each cell's share of the cluster; None on this machine. Raises SettingsError for what cannot be kept."""
    if settings.executor == "local":
        if asked.side_by_side is not None:
            raise SettingsError("--side-by-side: cells would share this machine's cores; it needs --executor ray")
        require(each(settings))
        return None
    jobs = settings.jobs if "jobs" in settings.model_fields_set else cells.jobs(out)
    found = share(casting.places(settings), runs, settings.breadths.abreast, asked.side_by_side, jobs)
    if asked.against:
        require(each(settings.model_copy(update={"jobs": found.jobs})))
    return found


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
    stopping: Stopping
    begun: bool
    share: Share | None = None
    environments: dict[str, Environment | str] = field(default_factory=dict)
    understood: tuple[Path, Source] | None = None

    def fill(self, keys: list[Key], told: Callable[[], None]) -> None:
        """Fill in cells: what is not there yet is run, then graded; `told` is called after each."""
        numbers = {key: f"{number}/{len(keys)}" for number, key in enumerate(keys, 1)}
        shared = [key for key in keys if self.share and key[1] == OURS]

        def settle(key: Key, cell: Cell) -> None:
            self._settle(key, cell, numbers[key])
            told()

        if self.share and shared:
            calls = [partial(self._tried, key, numbers[key]) for key in shared]
            side_by_side(calls, lambda i, cell: settle(shared[i], cell), self.share.lanes, self.stopping)
        here = [key for key in keys if key not in shared]
        with pinned(each(self.settings)) if here else nullcontext():
            for key in here:
                settle(key, self._tried(key, numbers[key]))

    def _tried(self, key: Key, number: str) -> Cell:
        """The cell as it was recorded, else as it comes out now; safe side by side for mle-star's own."""
        task, system, seed = key
        folder = cells.place(self.out, task.name, system, seed)
        folder.mkdir(parents=True, exist_ok=True)
        known = cells.read(folder)
        if known is not None and known.state != "missing":
            return known
        if self.stopping.asked.is_set():
            raise Interrupted("stopped")
        self.say(f"{number} {task.name}, {system}, seed {seed}")
        cell = Cell(task.name, system, seed, "done", machine=_machine(), date=_today(), cores=each(self.settings))
        return self._run(task, cell, folder, number)

    def _settle(self, key: Key, cell: Cell, number: str) -> None:
        """Keep a cell that is new, and have it graded once."""
        task, system, seed = key
        folder = cells.place(self.out, task.name, system, seed)
        known = cells.read(folder)
        if known is None or known.state == "missing":
            cells.keep(folder, cell)
            self.begun = True
            self.say(f"{number} {cell.state}{f': {word(cell.reason, 300)}' if cell.reason else ''}")
        if cell.state == "done" and cell.grade is None and self.asked.grading:
            graded = self._graded(task, cell, folder)
            cells.keep(folder, replace(cell, grade=graded))
            self.say(f"{number} test {graded.error if graded.score is None else graded.score}")

    def _run(self, task: BenchTask, cell: Cell, folder: Path, number: str) -> Cell:
        """Have the cell's system solve its task. A stop is raised, and what nothing could begin with."""
        try:
            if cell.system == OURS:
                at, watch = self.settings, _brief(self.watch, number) if self.share else self.watch
                cell = replace(cell, version=f"{OURS} {version(OURS)}", executor=at.executor, jobs=at.jobs)
                if self.share:
                    cell = replace(cell, machine=f"{at.jobs} of {self.share.places} places of a Ray cluster")
                return ours.run(task.public, at, folder, cell, watch, self.stopping)
            cell = replace(cell, executor="local")
            other = next(one for one in self.asked.against if one.name == cell.system)
            return self._compete(task, other, cell, folder)
        except TaskError as error:
            return replace(cell, state="failed", reason=str(error))
        except UsageError as error:  # the user can mend it; meanwhile the other cells go on
            if not (self.begun or self.share):
                raise
            return replace(cell, state="missing", reason=str(error))
        except MleStarError:
            raise
        except Exception as error:
            return replace(cell, state="failed", reason=grading.inside(error))

    def _compete(self, task: BenchTask, other: Competitor, cell: Cell, folder: Path) -> Cell:
        terms = Terms(self.settings.budget or 0.0, each(self.settings), cell.seed)
        stopped = self.stopping.asked.is_set
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

        serve = partial(runs.serve, self.settings)
        means = grading.Means(partial(self._source, task), serve, asking, self.stopping.asked.is_set)
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


def _brief(watch: Watch, number: str) -> Watch:
    """Of a run beside others only its warnings, and where its phase or its best changes, with the cell's number."""
    last: list[tuple[str, str]] = []

    def told(progress: Progress) -> None:
        key = (progress.phase, str(progress.best))
        if progress.warning or last[-1:] != [key]:
            last[:] = [key]
            watch(replace(progress, doing=f"{number} {progress.doing}"))

    return told


def _machine() -> str:
    return f"{config.cores()} cores, Python {platform.python_version()}, {platform.machine()}"


def _today() -> str:
    return str(date.today())
