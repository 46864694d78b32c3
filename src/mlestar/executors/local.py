"""Runs jobs on this machine, each in a process group of its own, with a clean environment and hard limits.

Linux only: the end of a job is noticed at once by way of process descriptors.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import weakref
from pathlib import Path

from mlestar.errors import SettingsError
from mlestar.executors import walls
from mlestar.executors.opened import fold
from mlestar.executors.running import STACK_SIGNAL, Running
from mlestar.executors.streams import shorten
from mlestar.executors.watchdog import Watchdog
from mlestar.records import Job, Outcome, OutcomeState

PRELUDE = Path(__file__).with_name("prelude.py")
SCRIPT = "solution.py"
_MAX_OPEN_FILES = 4096
_MAX_ERROR = 8_000
_MAX_FILES = 200
_MIB = 1024 * 1024
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "PYTHON_CPU_COUNT",
)


def find_interpreter(name: str) -> str:
    """The absolute path of an interpreter, links not followed (a virtual environment is its link).

    Raises SettingsError when there is none that can be run.
    """
    found = shutil.which(os.path.expanduser(name))
    if found is None:
        raise SettingsError(f"the interpreter {name!r} does not exist or cannot be run; name a Python by its path")
    return os.path.abspath(found)


def environment(interpreter: str, home: Path, threads: int) -> dict[str, str]:
    """All that a job sees of an environment; nothing of our own process's is in it."""
    return {
        "PATH": f"{os.path.dirname(interpreter)}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        **dict.fromkeys(_THREADS, str(threads)),
    }


class LocalExecutor:
    """Runs at most `slots` jobs side by side; further callers of `run` wait their turn.

    `stop` is final: the jobs that run end, and those that wait or come later are `stopped` at once.
    """

    def __init__(self, interpreter: str, slots: int, wall: walls.Wall | None = None) -> None:
        self.interpreter = find_interpreter(interpreter)
        self._wall = wall or walls.choose()
        self.wall = self._wall.name
        self._slots = threading.BoundedSemaphore(slots)
        self._stopping = threading.Event()
        self._stop, self._stop_end = os.pipe()
        for end in (self._stop, self._stop_end):
            weakref.finalize(self, os.close, end)

    def run(self, job: Job) -> Outcome:
        """Execute `job` to its end; nothing that it started outlives the call.

        Raises FileNotFoundError when its view does not exist.
        """
        with self._slots:
            if self._stopping.is_set():
                return Outcome("stopped", 0.0)
            folder, view = _prepare(job)
            with self._start(job, folder, view) as running:
                watchdog = Watchdog(running.tree, folder, view, job.limits)
                broken = running.follow(watchdog, self._stop, job.limits.output_kb * 1024)
                if broken == "timeout":
                    running.ask_stack()
                running.end()
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        return _outcome(running, watchdog, broken, folder)

    def stop(self) -> None:
        """End every job; safe from any thread, also twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            os.write(self._stop_end, b".")  # never read: from now on the other end stays readable

    def _start(self, job: Job, folder: Path, view: Path) -> Running:
        def command(report: int, life: int) -> list[str]:
            numbers = (report, life, STACK_SIGNAL, job.limits.disk_mb * _MIB, _MAX_OPEN_FILES)
            argv = (self.interpreter, PRELUDE, *numbers, view, SCRIPT)
            return self._wall.command(job, [str(part) for part in argv])

        return Running(command, folder, environment(self.interpreter, folder, job.limits.threads))


def _prepare(job: Job) -> tuple[Path, Path]:
    """Make the job's folder afresh; the folder and the view, links resolved."""
    view = Path(job.view).resolve(strict=True)
    folder = Path(job.folder).absolute()
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    (folder / "tmp").mkdir(parents=True)
    (folder / "input").symlink_to(view, target_is_directory=True)
    (folder / SCRIPT).write_text(job.script, encoding="utf-8", errors="surrogateescape")
    return folder.resolve(), view


def _outcome(running: Running, watchdog: Watchdog, broken: OutcomeState | None, folder: Path) -> Outcome:
    state, error = _ending(running, broken, watchdog)
    return Outcome(
        state=state,
        seconds=running.seconds,
        peak_mb=round(max(watchdog.peak / _MIB, running.report.peak_kib / 1024), 1),
        output=running.output.text(),
        error=shorten(error, _MAX_ERROR),
        opened=fold(running.report.opened | watchdog.opened),
        files=_files(folder),
    )


def _ending(running: Running, broken: OutcomeState | None, watchdog: Watchdog) -> tuple[OutcomeState, str]:
    """What ended the job, and its error in words."""
    report = running.report
    stack = _own_lines(report.stack)
    if broken is not None:
        return broken, f"{_WORDS[broken].format(limits=watchdog.limits)}\n{stack}".strip()
    if running.status == 0:
        return "ok", ""
    if running.status < 0:
        name = signal.Signals(-running.status).name if -running.status in set(signal.Signals) else str(-running.status)
        return "signal", f"ended by the signal {name}, which was not ours\n{stack}".strip()
    if report.error:
        return report.state, report.error
    output = running.output.text()
    start = max(output.rfind("Traceback (most recent call last):"), 0)
    return "exception", f"exit status {running.status}\n{output[start:][-_MAX_ERROR:]}"


def _own_lines(stack: str) -> str:
    """A native stack without our frames and without addresses, so that the same end reads the same."""
    lines = (line for line in stack.splitlines() if str(PRELUDE) not in line)
    return re.sub(r"thread 0x[0-9a-f]+", "thread", "\n".join(lines))


_WORDS: dict[OutcomeState, str] = {
    "timeout": "ended after {limits.seconds:g} seconds, its limit of time",
    "memory": "ended because it used more than {limits.memory_mb} MiB of memory",
    "processes": "ended because it had more than {limits.processes} processes",
    "disk": "ended because it wrote more than {limits.disk_mb} MiB into its folder",
    "output": "ended because it printed more than {limits.output_kb} KiB",
    "stopped": "ended because the run was stopped",
}


def _files(folder: Path) -> tuple[str, ...]:
    """What the job left, relative to its folder; links are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.relpath(os.path.join(parent, name), folder) for name in sorted(names)]
        if len(found) > _MAX_FILES:
            break
    return tuple(name for name in found if name != SCRIPT)[:_MAX_FILES]
