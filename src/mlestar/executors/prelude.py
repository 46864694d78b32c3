"""Runs inside the job's process, in front of the script: sets limits, reports, then becomes the script.

    python prelude.py REPORT LIFE SIGNAL FILE_BYTES OPEN_FILES CPU_SECONDS DATA_BYTES PROCESSES VIEW SCRIPT
                      [FITTED ROOM]

It stands alone: the interpreter may be another one than ours, so it imports nothing of mlestar and
only what CPython has built in (a start costs milliseconds). `REPORT` is a file descriptor on which
lines go to the executor: `s<TAB>` once the wall is behind us, `o<TAB>path` for a path opened below `input/` (a
listed folder ends in `/`),
`p<TAB>KiB` for the peak of resident memory, `e<TAB>kind<TAB>traceback` (lines joined by \x1f) for an
uncaught exception, and bare lines for a stack: at a native crash, or when `SIGNAL` asks for it.
`LIFE` is a pipe that ends when the executor's process dies: then the kernel kills the job's group.
Of the limits, 0 leaves one as it is. `FITTED` is the path of fitted.py, for jobs that keep or take fitted models.
All of this is told by the script's own process: a script that wants
to can forge it, so nothing but questions to the brain rests on it.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import io
import os
import resource
import sys

TYPE_CHECKING = False  # `typing` is slow to import
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_ATOMIC = 3500  # bytes: several processes share the pipe, and only writes below PIPE_BUF stay whole
_AT_ONCE = 500  # paths that are told one by one, so that a kill loses none of them
_AT_MOST = 200_000
_READING = frozenset(("open", "os.listdir", "os.scandir", "sqlite3.connect"))


class Opened:
    """An audit hook that tells which paths below the view were opened, each once."""

    def __init__(self, report: int, view: str) -> None:
        self.report = report
        self.roots = (os.path.abspath("input"), view)
        self.seen: set[str] = set()
        self.pending = b""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _READING or not arguments:
            return
        path = arguments[0]
        if isinstance(path, str) and path.startswith("/") and "/." not in path and not path.startswith(self.roots):
            return  # most of them: the imports
        try:
            self.note(os.path.abspath(os.fsdecode(path or ".")), event in ("os.listdir", "os.scandir"))
        except (TypeError, ValueError, OSError):
            return  # a descriptor, or a path that cannot be: the script's own call says what is wrong

    def note(self, path: str, listed: bool) -> None:
        for root in self.roots:
            if path == root or path.startswith(root + "/"):
                name = path[len(root) + 1 :] + "/" * listed
                if name not in self.seen and 0 < len(name) < 1000 and "\n" not in name and len(self.seen) < _AT_MOST:
                    self.seen.add(name)
                    self.pending += b"o\t" + os.fsencode(name) + b"\n"
                    if len(self.seen) <= _AT_ONCE or len(self.pending) > _ATOMIC - 1000:
                        self.flush()
                return

    def flush(self) -> None:
        lines, self.pending = self.pending, b""
        if lines:
            os.write(self.report, lines)


def limit(file_bytes: int, open_files: int, cpu_seconds: int, data_bytes: int, processes: int) -> None:
    """Set what the kernel can watch per process; the executor's watchdog sees to the rest."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, wanted in (
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_DATA, data_bytes),
        (resource.RLIMIT_NPROC, processes),
    ):
        hard = resource.getrlimit(kind)[1]
        ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if wanted:
            resource.setrlimit(kind, (ceiling, ceiling))
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when the machine runs out of memory, the job goes first, not its driver
    except OSError:
        pass


def die_with(life: int) -> None:
    """Ask the kernel to kill this process group when the other end of the pipe `life` is closed."""
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(life, fcntl.F_SETSIG, 9)
        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            if not os.read(life, 1):  # it was closed before anybody listened
                os.killpg(0, 9)
        except BlockingIOError:
            pass


def peak_kib() -> str:
    """The process's own peak; getrusage would count the parent's pages before the exec."""
    try:
        with open("/proc/self/status") as file:
            return next((line.split()[1] for line in file if line.startswith("VmHWM")), "0")
    except OSError:
        return "0"


def explain(report: int, script: str, error: BaseException, trace: TracebackType | None) -> None:
    """The hook for uncaught exceptions: print as Python does, without our frames, and tell the executor."""
    import traceback  # noqa: PLC0415 - only a script that fails pays for it

    while trace is not None and trace.tb_frame.f_code.co_filename != script:
        trace = trace.tb_next
    error.__traceback__ = trace
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(text)
    number = getattr(error, "errno", None) if isinstance(error, OSError) else None
    full = number in (27, 28, 122)  # EFBIG, ENOSPC, EDQUOT
    no_memory = isinstance(error, MemoryError) or number == 12  # ENOMEM
    state = "disk" if full else "memory" if no_memory else "exception"
    text = text if len(text) <= 12_000 else text[:4_000] + "\n...\n" + text[-8_000:]
    data = text.replace("\n", "\x1f").encode("utf-8", "replace")
    os.write(report, b"e\t" + state.encode() + b"\t" + data + b"\n")


def main() -> None:
    report, life, ask, *limits = map(int, sys.argv[1:9])
    view, script, *keeping = sys.argv[9:]
    for descriptor in (report, life):
        os.set_inheritable(descriptor, False)
    os.write(report, b"s\t\n")
    die_with(life)
    limit(*limits)
    faulthandler.enable(report)
    faulthandler.register(ask, report)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what was printed before a kill is kept
    sys.excepthook = lambda kind, error, trace: explain(report, script, error, trace)

    opened = Opened(report, view)

    def finish() -> None:
        os.write(report, b"p\t" + peak_kib().encode() + b"\n")
        opened.flush()

    atexit.register(finish)

    if keeping:
        names: dict[str, Any] = {"__name__": "fitted"}
        with open(keeping[0], "rb") as file:
            exec(compile(file.read(), keeping[0], "exec"), names)
        names["install"](int(keeping[1]))

    path = os.path.abspath(script)
    sys.argv[:] = [script]
    sys.path[0] = os.path.dirname(path)
    namespace = type(sys)("__main__")
    namespace.__file__ = path
    sys.modules["__main__"] = namespace
    with open(path, "rb") as file:
        source = file.read()
    sys.addaudithook(opened)
    exec(compile(source, script, "exec"), namespace.__dict__)


main()
