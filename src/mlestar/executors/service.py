"""A program of ours that works with code nobody trusts: behind the wall, asked again and again, bytes in and out.

For what a job cannot do because it is asked thousands of times: a user's own metric. The program reads
questions from standard input and writes answers to the descriptor that its first argument names, each a
length (8 bytes, little-endian) and that many bytes.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from mlestar import plain
from mlestar.executors import cgroups, walls
from mlestar.executors.walls import Launch, Place
from mlestar.executors.walls.interpreter import ask
from mlestar.executors.walls.wall import environment
from mlestar.executors.watchdog import folder_bytes
from mlestar.records import Limits

_MOST = 16 * 1024 * 1024  # bytes of one answer
_CHUNK = 1024 * 1024
_PROGRAM = "service.py"
_LIMITS = Limits(seconds=120.0, memory_mb=4096, processes=256, disk_mb=64)  # seconds: for one answer
_BOUNDED = "bounded.py"
_BOUNDS = """import fcntl, os, resource, sys
life = int(sys.argv[2])  # as in prelude.py: who asks has died when its other end is closed
fcntl.fcntl(life, fcntl.F_SETSIG, 9)
fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
os.set_inheritable(life, False)
for kind, most in (("CORE", 0), ("FSIZE", {disk}), ("DATA", {memory}), ("NOFILE", 1024), ("NPROC", {processes})):
    if most or kind == "CORE":
        resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (most, most))
exec(compile(open({program!r}).read(), {program!r}, "exec"))
"""


class SilentError(Exception):
    """Raised when a service gives no answer; says why."""


class Service:
    """`program` runs in this interpreter behind a wall, with `files` (or a folder) as `input/`, from its first
    question on.

    One that failed is started anew by the next question. Safe from many threads, one at a time.
    """

    def __init__(
        self, program: str, files: Mapping[str, bytes] | Path, wall: str = "auto", limits: Limits = _LIMITS
    ) -> None:
        self._interpreter = ask(os.path.abspath(sys.executable))
        self._wall = walls.choose(self._interpreter, (), wall)
        self.wall = self._wall.name
        self._program, self._files, self._limits = program, files, limits
        self._turn = threading.Lock()
        self._running: list[_Running] = []
        weakref.finalize(self, _end_all, self._running)

    def ask(self, question: bytes) -> bytes:
        """The answer; raises SilentError when none comes, in time and of a sane length."""
        with self._turn:
            if not self._running:
                self._running.append(
                    _Running(self._interpreter.path, self._wall, self._program, self._files, self._limits)
                )
            try:
                answer = self._running[0].exchange(question, self._limits.seconds)
                self._running[0].look(self._limits)
                return answer
            except (OSError, SilentError) as error:
                said = self._running.pop().end()
                raise SilentError(f"{error}{': ' if said else ''}{said}") from None

    def close(self) -> None:
        """End the program, if it runs."""
        with self._turn:
            _end_all(self._running)


class _Running:
    """The program, started."""

    def __init__(
        self, python: str, wall: walls.Wall, program: str, files: Mapping[str, bytes] | Path, limits: Limits
    ) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="mle-star-service-")
        self._folder = Path(self._home.name).resolve() / "service"
        (self._folder / "tmp").mkdir(parents=True)
        view = files.resolve() if isinstance(files, Path) else _laid(Path(self._home.name).resolve() / "view", files)
        place = Place(self._folder, view, limits)
        wall.lay(place)
        (self._folder / _PROGRAM).write_text(program)
        processes = limits.processes if wall.processes_bound else 0
        bounds = {"disk": limits.disk_mb * 2**20, "memory": limits.memory_mb * 2**20, "processes": processes}
        (self._folder / _BOUNDED).write_text(_BOUNDS.format(program=_PROGRAM, **bounds))
        groups = cgroups.find()
        self._group = groups.make(f"service-{id(self)}", limits, limits.processes) if groups else None
        self._answers, end = os.pipe()
        life, self._life = os.pipe()
        self._said = os.memfd_create("said")
        launch = wall.launch(
            [python, _BOUNDED, str(end), str(life)], place, environment(python, wall.inside(place)[0], limits.threads)
        )
        started: Future[subprocess.Popen[bytes]] = Future()
        self._thread = threading.Thread(target=self._live, args=(launch, (end, life), started), daemon=True)
        self._thread.start()
        try:
            self._process = started.result()
        finally:
            for number in (end, life, *launch.descriptors):
                os.close(number)

    def _live(self, launch: Launch, ends: tuple[int, int], started: Future[subprocess.Popen[bytes]]) -> None:
        """Start the program and stay: bubblewrap dies with the thread that started it."""
        try:
            process = subprocess.Popen(
                self._group.joined(launch.argv) if self._group else launch.argv, cwd=self._folder,
                env=launch.environment, stdin=subprocess.PIPE, stdout=self._said, stderr=self._said,
                start_new_session=True, pass_fds=(*ends, *launch.descriptors), bufsize=0,
            )  # fmt: skip
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    def exchange(self, question: bytes, seconds: float) -> bytes:
        """Hand over a question, take the answer."""
        deadline = time.monotonic() + seconds
        stdin = self._process.stdin.fileno() if self._process.stdin else -1
        os.set_blocking(stdin, False)
        left = memoryview(struct.pack("<Q", len(question)) + question)
        while left:
            _wait(stdin, selectors.EVENT_WRITE, deadline)
            left = left[os.write(stdin, left[:_CHUNK]) :]
        (length,) = struct.unpack("<Q", self._take(8, deadline))
        if length > _MOST:
            raise SilentError(f"its answer is {length} bytes long")
        return self._take(length, deadline)

    def _take(self, count: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < count:
            _wait(self._answers, selectors.EVENT_READ, deadline)
            part = os.read(self._answers, min(count - len(found), _CHUNK))
            if not part:
                raise SilentError("it ended without an answer")
            found += part
        return bytes(found)

    def look(self, limits: Limits) -> None:
        """Raise SilentError when it has written more than it may."""
        most = limits.disk_mb * 2**20
        if folder_bytes(self._folder, most) > most:
            raise SilentError(f"it wrote more than {limits.disk_mb} MiB")

    def end(self) -> str:
        """Kill it; the last line that it printed."""
        if self._thread.is_alive():  # so its number is still its own
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._thread.join(10)
        if self._process.stdin is not None:
            self._process.stdin.close()
        size = os.lseek(self._said, 0, os.SEEK_END)
        printed = os.pread(self._said, 4096, max(0, size - 4096)).decode("utf-8", "replace")
        for number in (self._said, self._answers, self._life):
            os.close(number)
        if self._group is not None:
            self._group.remove()
        plain.remove(self._folder)
        self._home.cleanup()
        return plain.word((printed.strip().splitlines() or [""])[-1], 300)


def _laid(view: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of files that any user may read: behind a wall the program may be another user than we are."""
    view.mkdir()
    view.chmod(0o755)
    for name, data in files.items():
        (view / name).write_bytes(data)
        (view / name).chmod(0o444)
    return view


def _end_all(running: list[_Running]) -> None:
    while running:
        running.pop().end()


def _wait(descriptor: int, event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise SilentError("it took too long")
