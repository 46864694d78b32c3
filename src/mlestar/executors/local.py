"""Runs jobs on this machine, each behind a wall, in a process group of its own, with hard limits.

Linux only: the end of a job is noticed at once by way of process descriptors.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mlestar import plain
from mlestar.errors import RunError, SettingsError
from mlestar.executors import cgroups, leavings, walls
from mlestar.executors.ending import Ending
from mlestar.executors.opened import fold
from mlestar.executors.packages import Packages, Policy
from mlestar.executors.running import STACK_SIGNAL, Running
from mlestar.executors.walls import Launch, Place
from mlestar.executors.walls.interpreter import SYSTEM, Interpreter, ask, covered
from mlestar.executors.walls.wall import devices, environment
from mlestar.executors.watchdog import Watchdog, folder_bytes, free_bytes
from mlestar.records import Job, Limits, Outcome
from mlestar.scripts import dependencies

PRELUDE = Path(__file__).with_name("prelude.py")
FITTED = Path(__file__).with_name("fitted.py")
SCRIPT = "solution.py"
_MAX_OPEN_FILES = 4096
_MIB = 1024 * 1024
_NO_ROOM = _MIB  # free bytes at which a job that failed has failed for want of room


def find_interpreter(name: str) -> str:
    """The absolute path of an interpreter, links not followed (a virtual environment is its link).

    Raises SettingsError when there is none that can be run.
    """
    found = shutil.which(os.path.expanduser(name))
    if found is None:
        raise SettingsError(f"the interpreter {name!r} does not exist or cannot be run; name a Python by its path")
    return os.path.abspath(found)


class LocalExecutor:
    """Runs at most `slots` jobs side by side; further callers of `run` wait their turn.

    `stop` is final: the jobs that run end, and those that wait or come later are `stopped` at once.
    `wall` names the wall that is wanted; `auto` is the strongest one that works. `assets` is a folder of asset
    folders, which jobs read as `assets/`; where it holds none, they see no such thing. With `packages`, a script
    that names packages which the interpreter lacks runs in an environment of its own, or fails with the reason.
    """

    def __init__(
        self, interpreter: str, slots: int, wall: str = "auto", assets: Path | None = None,
        packages: Policy | None = None,
    ) -> None:  # fmt: skip
        found = ask(find_interpreter(interpreter))
        self.interpreter, self._shown = found.path, found.parts
        self._assets = assets.resolve() if assets is not None and _holds_folders(assets) else None
        self._packages = Packages(packages, found) if packages is not None else None
        self._wall = walls.choose(found, (PRELUDE, FITTED), wall)
        self.wall = self._wall.name
        self._groups = cgroups.find()
        by = f"control groups (version {self._groups.version}) and a watchdog" if self._groups else "a watchdog"
        self.about = f"{self._wall.about}; limits by {by}"
        self._numbers = itertools.count()
        self._slots = threading.BoundedSemaphore(slots)
        self._stopping = threading.Event()
        self._stop, self._stop_end = os.pipe()
        for end in (self._stop, self._stop_end):
            weakref.finalize(self, os.close, end)

    def run(self, job: Job) -> Outcome:
        """Execute `job` to its end; nothing that it started outlives the call.

        One that keeps or takes fitted models and fails, other than for want of time, is run again without.

        Raises FileNotFoundError when its view does not exist, Unreachable when an index of packages does not answer,
        and OSError (ENOSPC) when the job failed while its disk had no room left: these are no faults of the script's,
        and must not be recorded as such.
        """
        outcome = self._once(job)
        if (job.keep or job.models) and outcome.state not in ("ok", "stopped", "timeout"):
            return self._once(replace(job, keep="", models=""))
        return outcome

    def _once(self, job: Job) -> Outcome:
        python = self._python(job.script)
        with self._slots:
            if self._stopping.is_set():
                return Outcome("stopped", 0.0)
            if isinstance(python, str):
                return Outcome("exception", 0.0, error=python)
            place = self._prepare(job, python)
            with self._group(job.limits) as group:
                outcome = self._run(place, python.path, group, job)
            return leavings.fitted(outcome, place.folder, job.keep) if job.keep or job.models else outcome

    def stop(self) -> None:
        """End every job; safe from any thread, also twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            os.write(self._stop_end, b".")  # never read: from now on the other end stays readable

    def close(self) -> None:
        """Nothing is kept."""

    def python_for(self, script: str) -> str:
        """The interpreter that runs a script; raises SettingsError where it cannot be had."""
        found = self._python(script)
        if isinstance(found, str):
            raise SettingsError(found)
        return found.path

    def _python(self, script: str) -> Interpreter | str:
        """The interpreter that a script needs, or why it cannot be had."""
        needs = dependencies(script) if self._packages is not None else ()
        if self._packages is None or not needs:
            return Interpreter(self.interpreter, ())
        return self._packages.resolve(needs, self._stopping.is_set)

    def _run(self, place: Place, python: str, group: cgroups.Group | None, job: Job) -> Outcome:
        limits, (_, inside) = place.limits, self._wall.inside(place)
        with Running(lambda *ends: self._launch(place, python, group, job, *ends), place.folder, group) as running:
            watchdog = Watchdog(running.tree, place.folder, (str(place.view), inside), limits, group)
            broken = running.follow(watchdog, self._stop, limits.output_kb * 1024)
            if broken == "timeout":
                running.ask_stack(python, str(PRELUDE))
            running.end()
        if broken is None and watchdog.disk_full():
            broken = "disk"
        place.folder.chmod(0o711)  # whatever the script made of it
        plain.remove(place.folder / "tmp")
        state, error = Ending(running, limits, group, self._wall.mapped_status).told(broken)
        if state == "exception" and not running.report.started:
            raise RunError(f"the wall ({self.wall}) let no job begin: {plain.word(error, 500)}")
        room = free_bytes(place.folder) + folder_bytes(place.folder, _NO_ROOM)
        if state not in ("ok", "stopped") and broken is None and room < _NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place.folder))
        return Outcome(
            state=state,
            seconds=running.seconds,
            peak_mb=round(max(watchdog.peak / _MIB, running.report.peak_kib / 1024), 1),
            output=running.output.text(),
            error=error,
            opened=fold(leavings.present(running.report.opened | watchdog.opened, place.view)),
            files=leavings.files(place.folder, besides=(SCRIPT, "input", *place.shown)),
        )

    def _launch(
        self, place: Place, python: str, group: cgroups.Group | None, job: Job, report: int, life: int, mark: str
    ) -> Launch:  # fmt: skip
        limits = place.limits
        home, view = self._wall.inside(place)
        graphics = bool(devices())  # their drivers reserve far more memory than they use
        bounds = (
            limits.disk_mb * _MIB,
            _MAX_OPEN_FILES,
            int(limits.seconds) * (os.cpu_count() or 1) + 1,
            0 if graphics else 2 * limits.memory_mb * _MIB,
            _most_processes(limits) if self._wall.processes_bound else 0,
        )
        keeping = (FITTED, limits.disk_mb * _MIB // 2 if job.keep else 0) if job.keep or job.models else ()
        argv = (python, PRELUDE, report, life, STACK_SIGNAL, *bounds, view, SCRIPT, *keeping)
        name, _, value = mark.partition("=")
        graphics_of = {"CUDA_VISIBLE_DEVICES": job.devices} if job.devices else {}
        settings = {**environment(python, home, limits.threads), **graphics_of, name: value}
        launch = self._wall.launch([str(part) for part in argv], place, settings)
        argv_joined = group.joined(launch.argv) if group else launch.argv
        return Launch(argv_joined, launch.environment, launch.descriptors)

    def _prepare(self, job: Job, python: Interpreter) -> Place:
        """Make the job's folder afresh."""
        view = Path(job.view).resolve(strict=True)
        models = Path(job.models).resolve() if job.models and Path(job.models).is_dir() else None
        folder = Path(job.folder).absolute()
        shown = [*SYSTEM, *map(str, self._shown), *([str(self._assets)] if self._assets else [])]
        if self.wall != "none" and (covered(folder.resolve(), shown) or covered(view, shown)):
            raise SettingsError(
                f"{folder}: jobs can read the system, the interpreter and the assets; put the run elsewhere with --out"
            )
        plain.remove(folder)
        (folder / "tmp").mkdir(parents=True)
        place = Place(folder.resolve(), view, job.limits, self._assets, python.parts, models)
        self._wall.lay(place)
        (folder / SCRIPT).write_text(job.script, encoding="utf-8", errors="surrogateescape")
        return place

    @contextmanager
    def _group(self, limits: Limits) -> Iterator[cgroups.Group | None]:
        """A control group for one job, where there are such."""
        group = None
        if self._groups is not None:
            with suppress(OSError):  # taken away meanwhile: the watchdog is still there
                group = self._groups.make(str(next(self._numbers)), limits, _most_processes(limits))
        try:
            yield group
        finally:
            if group is not None:
                group.remove()


def _holds_folders(folder: Path) -> bool:
    """Whether it is there and has a folder in it."""
    return folder.is_dir() and any(entry.is_dir() for entry in folder.iterdir())


def _most_processes(limits: Limits) -> int:
    """Where the kernel stops a flood before the watchdog looks; it counts threads too, of which many are honest."""
    return max(4 * limits.processes, 64 * (os.cpu_count() or 1), 256)
