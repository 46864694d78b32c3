"""The composition root: the only place that knows implementations, and what can be done with a run.

Everything a surface offers (command line, later MCP and pages) is a function here. A run is a folder:
journal.db, blobs/, task/, views/, best/.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mlestar import casting, config, ending, evaluating, reporting, timing
from mlestar.bank import PredictionBank
from mlestar.brains.playbook import Playbook
from mlestar.config import Settings
from mlestar.desk import Purse
from mlestar.errors import Interrupted, NoSolution, RunError, SettingsError, TaskError, Unreachable
from mlestar.executors.service import Service
from mlestar.housekeeping import House, Stopping, Watch, bare, stoppable
from mlestar.journal import fork as copy_journal
from mlestar.journal import queries
from mlestar.journal.clock import RunClock
from mlestar.journal.database import roomy
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store, ask_stop
from mlestar.lab import Lab
from mlestar.memo import Memo
from mlestar.ports import Answer, Brain, Executor
from mlestar.records import Final, Limits, Progress, Solution, Trial
from mlestar.rules import Ends, Rules
from mlestar.search.library import Library
from mlestar.tasks.infer_files import no_task
from mlestar.tasks.prepared import Prepared, prepare, reopen
from mlestar.workbench import Board, Workbench


def start(task: Path, out: Path | None, settings: Settings, watch: Watch, above: Stopping | None = None) -> Path:
    """Begin a run on a task folder and drive it to its end; returns the run's folder. It stops when `above` does."""
    if not task.is_dir():
        raise no_task(task)
    run, settings = out or new_folder(name_of(task)), casting.sized(settings, settings.model_fields_set)
    facts = {
        "task": str(task.resolve()), "name": name_of(task), "settings": settings.model_dump(mode="json"),
        "version": version("mle-star"), "python": sys.version.split()[0], "sealed_seen": 0, "state": "running",
    }  # fmt: skip
    with stoppable(above) as stopping, _made(run, facts) as store:
        return drive(store, lambda: _solve(store, settings, watch, stopping))


def resume(run: Path, changes: dict[str, Any], watch: Watch, above: Stopping | None = None) -> Path:
    """Take a run up again: recorded steps are replayed, the rest goes on. `changes` override its settings."""
    with stoppable(above) as stopping, Store.open(run) as store:
        settings = config.changed(store.facts["settings"], changes)
        if "executor" in changes:
            settings = casting.sized(settings, changes)
        return drive(store, lambda: _solve(store, settings, watch, stopping))


def fork(run: Path, address: str, out: Path | None, changes: dict[str, Any], watch: Watch) -> Path:
    """A new run that keeps what `run` recorded before `address`, and goes on from there."""
    target = out or run.with_name(f"{run.name}-fork")
    copy_journal.fork(run, target, address, {"final": None, "best": None, "milestones": None})
    return resume(target, changes, watch)


def stop(run: Path) -> None:
    """Ask whoever drives the run to finish the step in hand and leave."""
    ask_stop(run)


def _task_of(store: Store, settings: Settings) -> Prepared:
    """The task as the run began with it; cut now if that was not done, or cut anew if the record of it is gone."""
    place, judging, facts = store.run / "task" / "cut.json", settings.judging, store.facts
    kept, serving = place.exists(), partial(serve, settings)
    if kept:
        task = reopen(store.run, serving)
    else:
        task = prepare(
            Path(facts["task"]), store.run, settings.seed, seal=judging.seal,
            search_rows=timing.search_rows(judging.search_rows, settings.budget), serve=serving,
        )  # fmt: skip
    made = json.loads(place.read_text(encoding="utf-8"))["checksum"]
    if facts.get("cut", made) != made:
        if not kept:
            place.unlink()
        raise RunError(f"{place} is not what this run began with, and cannot be made again, because the task folder or "
                       "a setting is no longer the same: put them back, or start a new run")  # fmt: skip
    store.set_fact("cut", made)
    return task


def serve(settings: Settings, program: str, files: Mapping[str, bytes] | Path) -> Answer:
    """What runs a task's own programs, metric.py and task.py."""
    service = Service(program, files, settings.wall)
    need_wall(service.wall, settings, "the task's own metric or task.py")
    return service.ask


def need_wall(wall: str, settings: Settings, what: str) -> None:
    """Refuse code that did not come with mle-star where nothing holds it (DESIGN.md §10)."""
    if wall == "none" and not settings.unsafe:
        raise SettingsError(
            f"{what} would run with no wall around it: it could read and change what you can. `sudo apt install "
            "bubblewrap` makes one possible (`mle-star doctor` says what is missing); --unsafe runs it all the same"
        )


def new_folder(name: str) -> Path:
    """Where a run on a task of this name is kept unless somebody says."""
    return Path("runs") / f"{name}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"


def name_of(task: Path) -> str:
    """The folder's name; that of its parent where it only says which part of a task it is."""
    folder = task.resolve()
    return folder.parent.name if folder.name in ("public", "input", "data") else folder.name


@contextmanager
def _made(run: Path, facts: dict[str, Any]) -> Iterator[Store]:
    """A new run folder; taken away again if a setting or the task turns out wrong before anything was recorded."""
    fresh = not run.exists()
    store = Store.create(run, facts)
    try:
        with store, roomy(run):
            yield store
    except (TaskError, SettingsError):
        if not queries.steps(run):
            shutil.rmtree(run)
            if not fresh:
                run.mkdir()
        raise


def drive(store: Store, play: Callable[[], Final | None]) -> Path:
    """Solve, or finish, and write down how it ended. Without an answer the run stays open for scripts."""
    run = store.run
    try:
        with roomy(run):
            final = play()
    except Unreachable as error:
        store.set_fact("state", "paused")
        raise Unreachable(f"{error}. Nothing is lost: `mle-star resume {run}` goes on from here") from None
    except Interrupted:
        store.set_fact("state", "interrupted")
        raise Interrupted(f"stopped; nothing is lost. `mle-star resume {run}` goes on from here") from None
    except NoSolution:
        store.set_fact("state", "failed")
        raise
    if final is None:
        store.set_fact("state", "open")
        return run
    found, before = TypeAdapter(Final).dump_python(final, mode="json"), store.facts
    ended: dict[str, Any] = {"final": found, "state": "done"}
    if final.sealed is not None:
        ended |= ending.looked(before, final.script)
    store.set_facts(ended)
    reporting.keep(run)
    return run


def _solve(store: Store, settings: Settings, watch: Watch, stopping: Stopping) -> Final | None:
    lab = Lab(workbench(store, settings, watch, stopping))
    store.set_facts({"settings": settings.model_dump(mode="json"), "state": "running"})  # none of them was wrong
    return ending.solve(store, lab, settings.brain == "none")


def workbench(store: Store, settings: Settings, watch: Watch, stopping: Stopping) -> Workbench:
    """All implementations for a run, joined; the run's facts say what they are."""
    task = _task_of(store, settings)
    library = Library([Path(settings.library)] if settings.library else [])
    executor = casting.executor(settings, store.run)
    if settings.library:
        need_wall(executor.wall, settings, "a library of your own")
    if _has_strangers(store, settings):
        need_wall(executor.wall, settings, "what brains in words, people or assistants wrote for this run")
    store.set_fact("sandbox", executor.wall)
    store.set_fact("sandbox_about", executor.about)
    store.set_fact("task_facts", _task_facts(task, executor))
    if executor.wall == "none":
        watch(Progress("start", "", None, "", 0, store.spent(), None, warning=_open_door(executor)))
    stopping.executor = executor
    installed, surroundings = casting.surroundings(store, settings, executor, library.recipes())
    brain = casting.cast(store, settings, library.recipes(), installed, surroundings)
    purse = Purse(settings.max_cost, settings.max_calls, *queries.paid(store.run))
    keepsakes = casting.keepsakes(store, settings, task, executor, library.recipes(), surroundings.weights)
    rules, house = rules_of(settings), House(store, watch, stopping, keepsakes)
    return replace(_joined(store, task, executor, brain, library, rules, house, purse), pages=casting.outside(settings))


def _has_strangers(store: Store, settings: Settings) -> bool:
    """Whether code that did not come with mle-star is part of this run, from this sitting or an earlier one."""
    mail = Mail(store.run)
    steered = any(letter.about.startswith("cell:") for letter in mail.letters("steer"))
    here = any(casting.chains(settings).values()) or steered
    found = here or bool(mail.letters("add") or mail.letters("look")) or bool(store.facts.get("strangers"))
    if found:
        store.set_fact("strangers", True)
    return found


def _joined(
    store: Store, task: Prepared, executor: Executor, brain: Brain, library: Library, rules: Rules, house: House,
    purse: Purse,
) -> Workbench:  # fmt: skip
    """A workbench with the bank and clock of this run."""
    bank, pace = PredictionBank(task.profile.direction, store.load), timing.Pace(task.growth)
    memo = Memo(threading.Semaphore(rules.jobs), pace=pace)
    return Workbench(
        task, brain, library, executor, store, bank, RunClock(store), house, rules, store.run, Board(), memo, purse
    )  # fmt: skip


def rules_of(settings: Settings) -> Rules:
    """The numbers that decisions rest on, as they are set."""
    limits = settings.limits
    return Rules(
        size=settings.breadths, seed=settings.seed, jobs=settings.jobs, budget=settings.budget,
        limits=Limits(limits.seconds, limits.memory_mb, limits.processes, limits.disk_mb, limits.output_kb,
                      threads=settings.threads),
        folds=settings.judging.folds or 0, accept=settings.judging.accept, race=settings.judging.race,
        most_members=settings.ensemble.most, bag=settings.bag, keep_models=settings.keep_models,
        ends=Ends(settings.init.until, settings.refine.until, settings.ensemble.until),
        spoken=any(casting.chains(settings).values()),
    )  # fmt: skip


def _open_door(executor: Executor) -> str:
    return f"no wall: scripts run as you, with your reach ({executor.about})"


def _task_facts(task: Prepared, executor: Executor) -> dict[str, Any]:
    profile = task.profile
    open_door = [_open_door(executor)] if executor.wall == "none" else []
    return {
        "metric": profile.metric, "direction": profile.direction, "split": profile.split,
        "split_evidence": task.split_evidence, "warnings": [*open_door, *profile.warnings], "sealed": task.has_sealed,
    }  # fmt: skip


# --- one script ----------------------------------------------------------------------------------------


def try_script(task: Path, script: Path, settings: Settings, watch: Watch, scratch: Path) -> Trial:
    """Score any script by its folds, with its error; it needs not be composable."""
    if not script.is_file():
        raise SettingsError(f"{script}: there is no such script")
    with stoppable() as stopping:
        settings = casting.sized(settings, settings.model_fields_set)
        executor = stopping.executor = casting.executor(settings, scratch)
        need_wall(executor.wall, settings, f"the script {script.name}")
        with single(task, settings, executor, watch, stopping, scratch) as (bench, prepared):
            solution = Solution(script.name, script.read_text(encoding="utf-8", errors="replace"), str(script))
            first = evaluating.run_fold(bench, solution, 0)
            scored = evaluating.other_folds(bench, solution, first)
            split = f"{prepared.profile.split}: {prepared.split_evidence}"
            return Trial(scored, split, prepared.profile.metric, executor.wall)


@contextmanager
def single(
    task: Path, settings: Settings, executor: Executor, watch: Watch, stopping: Stopping, scratch: Path
) -> Iterator[tuple[Workbench, Prepared]]:
    """A workbench for single scripts on a task folder, with nobody to ask; `scratch` is the run folder to make."""
    with _made(scratch, {"task": str(task.resolve()), "state": "running"}) as store:
        prepared = _task_of(store, settings)
        rules = replace(rules_of(settings), folds=min(settings.judging.folds or 5, len(prepared.folds)))
        house, brain = House(store, watch, stopping, bare), Playbook((), frozenset())
        yield _joined(store, prepared, executor, brain, Library(), rules, house, Purse()), prepared
