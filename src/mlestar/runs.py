"""The composition root: the only place that knows implementations, and what can be done with a run.

Everything a surface offers (command line, later MCP and pages) is a function here. A run is a folder:
journal.db, blobs/, task/, views/, best/.
"""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import TypeAdapter

from mlestar import algorithm, config, evaluating
from mlestar.bank import PredictionBank
from mlestar.brains import make as make_brain
from mlestar.config import Settings
from mlestar.errors import Interrupted, NoSolution, RunError, SettingsError, TaskError
from mlestar.executors.local import LocalExecutor
from mlestar.executors.probe import machine, probe
from mlestar.journal import fork as copy_journal
from mlestar.journal import queries
from mlestar.journal.clock import RunClock
from mlestar.journal.store import Store, ask_stop
from mlestar.lab import Lab
from mlestar.ports import Brain
from mlestar.records import Final, Limits, Progress, Recipe, Score, Solution, Trial
from mlestar.search.library import Library
from mlestar.tasks.prepared import Prepared, prepare, reopen
from mlestar.workbench import Board, Memo, Rules, Workbench, ahead

Watch = Callable[[Progress], None]


def start(task: Path, out: Path | None, settings: Settings, watch: Watch) -> Path:
    """Begin a run on a task folder and drive it to its end; returns the run's folder."""
    if not task.is_dir():
        raise TaskError(f"{task}: there is no such task folder")
    run = out or _new_folder(task)
    facts = {
        "task": str(task.resolve()), "name": _name(task), "settings": settings.model_dump(mode="json"),
        "version": version("mle-star"), "python": sys.version.split()[0], "sealed_seen": 0, "state": "running",
    }  # fmt: skip
    with _made(run, facts) as store:
        prepared = prepare(
            task, run, settings.seed, seal=settings.judging.seal, search_rows=settings.judging.search_rows
        )
        return _drive(store, prepared, settings, watch)


def resume(run: Path, changes: dict[str, Any], watch: Watch) -> Path:
    """Take a run up again: recorded steps are replayed, the rest goes on. `changes` override its settings."""
    with Store.open(run) as store:
        settings = config.changed(store.facts["settings"], changes)
        store.set_fact("settings", settings.model_dump(mode="json"))
        store.set_fact("state", "running")
        return _drive(store, _task_of(run, store, settings), settings, watch)


def fork(run: Path, address: str, out: Path | None, changes: dict[str, Any], watch: Watch) -> Path:
    """A new run that keeps what `run` recorded before `address`, and goes on from there."""
    target = out or run.with_name(f"{run.name}-fork")
    copy_journal.fork(run, target, address)
    return resume(target, changes, watch)


def stop(run: Path) -> None:
    """Ask whoever drives the run to finish the step in hand and leave."""
    ask_stop(run)


def _task_of(run: Path, store: Store, settings: Settings) -> Prepared:
    """The task as the run began with it; cut anew if a crash came before the cut was written."""
    if (run / "task" / "cut.json").exists():
        return reopen(run)
    judging = settings.judging
    return prepare(Path(store.facts["task"]), run, settings.seed, seal=judging.seal, search_rows=judging.search_rows)


def _new_folder(task: Path) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{_name(task)}-{stamp}"


def _name(task: Path) -> str:
    """The folder's name; that of its parent where it only says which part of a task it is."""
    folder = task.resolve()
    return folder.parent.name if folder.name in ("public", "input", "data") else folder.name


@contextmanager
def _made(run: Path, facts: dict[str, Any]) -> Iterator[Store]:
    """A new run folder; taken away again if a setting or the task turns out wrong before anything was recorded."""
    fresh = not run.exists()
    if run.exists() and any(run.iterdir()):
        raise RunError(f"{run}: the folder is not empty; `mle-star resume {run}` continues a run, --out names another")
    try:
        with Store.create(run, facts) as store:
            yield store
    except (TaskError, SettingsError):
        if not queries.steps(run):
            shutil.rmtree(run)
            if not fresh:
                run.mkdir()
        raise


def _drive(store: Store, task: Prepared, settings: Settings, watch: Watch) -> Path:
    """Solve, and write down how it ended."""
    run = store.run
    with _stoppable() as stopping:
        bench = _workbench(store, task, settings, watch, stopping)
        store.set_fact("sandbox", bench.executor.wall)
        store.set_fact("task_facts", _task_facts(task))
        stopping.executor = bench.executor
        try:
            final = algorithm.solve(Lab(bench), settings.breadths)
        except Interrupted:
            store.set_fact("state", "interrupted")
            raise Interrupted(f"stopped; nothing is lost. `mle-star resume {run}` goes on from here") from None
        except NoSolution:
            store.set_fact("state", "failed")
            raise
    if store.facts["state"] != "done":
        store.set_fact("sealed_seen", store.facts["sealed_seen"] + (final.sealed is not None))
    store.set_fact("final", TypeAdapter(Final).dump_python(final, mode="json"))
    store.set_fact("state", "done")
    return run


def _workbench(store: Store, task: Prepared, settings: Settings, watch: Watch, stopping: Stopping) -> Workbench:
    """All implementations, joined."""
    library = Library([Path(settings.library)] if settings.library else [])
    recipes = library.recipes()
    modules = sorted({module for recipe in recipes for module in recipe.needs})
    if "installed" not in store.facts:
        found = probe(settings.interpreter, modules)
        store.set_fact("installed", [m for m in modules if found[m].ok])
    brain = make_brain(settings.brain, recipes, frozenset(store.facts["installed"]))
    return _joined(store, task, settings, brain, library, _rules(settings), House(store, task, watch, stopping))


def _joined(
    store: Store, task: Prepared, settings: Settings, brain: Brain, library: Library, rules: Rules, house: House
) -> Workbench:
    """A workbench with the executor, bank and clock of this machine."""
    executor = LocalExecutor(settings.interpreter, settings.jobs)
    bank, memo = PredictionBank(task.profile.direction, store.load), Memo(threading.Semaphore(settings.jobs))
    return Workbench(
        task, brain, library, executor, store, bank, RunClock(store), house, rules, store.run, Board(), memo
    )  # fmt: skip


def _rules(settings: Settings) -> Rules:
    limits = settings.limits
    return Rules(
        size=settings.breadths, seed=settings.seed, jobs=settings.jobs, budget=settings.budget,
        limits=Limits(limits.seconds, limits.memory_mb, limits.processes, limits.disk_mb, limits.output_kb,
                      threads=max(1, config.cores() // settings.jobs)),
        folds=settings.judging.folds or 0, accept=settings.judging.accept, race=settings.judging.race,
        most_members=settings.ensemble.most, bag=settings.bag,
    )  # fmt: skip


def _task_facts(task: Prepared) -> dict[str, Any]:
    profile = task.profile
    return {
        "metric": profile.metric, "direction": profile.direction, "split": profile.split,
        "split_evidence": task.split_evidence, "warnings": [*profile.warnings], "sealed": task.has_sealed,
    }  # fmt: skip


# --- what the house does while a run goes on ---------------------------------------------------------


class Stopping:
    """One Ctrl-C finishes the steps in hand, a second ends the jobs at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.executor: Any = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked.is_set() and self.executor is not None:
            self.executor.stop()
        self.asked.set()


@contextmanager
def _stoppable() -> Iterator[Stopping]:
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = {s: signal.signal(s, stopping.handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class House:
    """Tells people, and keeps `best/`."""

    def __init__(self, store: Store, task: Prepared, watch: Watch, stopping: Stopping) -> None:
        self._store, self._task, self._watch, self._stopping = store, task, watch, stopping
        self._lock = threading.Lock()
        self._kept: Score | None = None
        self._any = False

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

    def keep(self, name: str, script: str, submission: str, score: Score | None, final: bool = False) -> None:
        """Swap `best/` for a new one, whole: a crash leaves the old or the new, never a mixture."""
        with self._lock:
            known = self._kept
            if self._any and not final and (score is None or (known is not None and not ahead(score, known))):
                return
            self._any, self._kept = True, score
            best, draft, old = (self._store.run / n for n in ("best", "best.new", "best.old"))
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            (draft / "submission.csv").write_bytes(self._store.load(submission))
            (draft / "solution.py").write_text(script)
            if best.exists():
                best.rename(old)
            draft.rename(best)
            shutil.rmtree(old, ignore_errors=True)
            self._store.set_fact("best", name)


# --- one script ----------------------------------------------------------------------------------------


def try_script(task: Path, script: Path, settings: Settings, watch: Watch, scratch: Path) -> Trial:
    """Score any script by its folds, with its error; it needs not be composable."""
    if not script.is_file():
        raise SettingsError(f"{script}: there is no such script")
    with _made(scratch, {"task": str(task.resolve()), "state": "running"}) as store, _stoppable() as stopping:
        judging = settings.judging
        prepared = prepare(task, scratch, settings.seed, seal=judging.seal, search_rows=judging.search_rows)
        rules = replace(_rules(settings), folds=judging.folds or 5)
        house, brain = House(store, prepared, watch, stopping), make_brain("playbook", (), frozenset())
        bench = _joined(store, prepared, settings, brain, Library(), rules, house)
        stopping.executor = bench.executor
        solution = Solution(script.name, script.read_text(), str(script))
        first = evaluating.run_fold(bench, solution, 0)
        scored = evaluating.other_folds(bench, solution, first)
        return Trial(scored, prepared.split_evidence, prepared.profile.metric, bench.executor.wall)


# --- around runs ------------------------------------------------------------------------------------


def recipes(query: str, folder: str) -> list[Recipe]:
    """The library's recipes that match a query, best first; all of them for an empty one."""
    found = Library([Path(folder)] if folder else [])
    if not query:
        return list(found.recipes())
    kinds = ("table", "text", "stack")
    names = [idea.recipe for kind in kinds for idea in found.search(query, kind, 20)]
    return [recipe for name in dict.fromkeys(names) for recipe in found.recipes() if recipe.name == name]


def doctor(settings: Settings) -> list[tuple[str, str]]:
    """What this machine has: (name, what was found), problems with the command that mends them."""
    lines = [(name.replace("_", " "), str(value)) for name, value in asdict(machine(Path.cwd())).items()]
    lines.append(("wall", LocalExecutor(settings.interpreter, 1).wall))
    modules = sorted({module for recipe in Library().recipes() for module in recipe.needs})
    for module, found in probe(settings.interpreter, modules).items():
        mend = " (its recipes are left out; `sudo apt install libgomp1` mends it)" if "libgomp" in str(found) else ""
        lines.append((module, f"{found.version}" if found.ok else f"missing: {found.error}{mend}"))
    return lines
