"""The last line of defence: looks at a job's whole process tree and its folder, and says what is too much."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from mlestar.records import Limits, OutcomeState

MARKER = "MLESTAR_JOB"
_BLOCK = 4096  # an empty file is not free: a flood of them counts too
_MIB = 1024 * 1024


class Tree:
    """All live processes of a job: those that carry its mark, share its session, or descend from either.

    The mark is an environment variable, which survives fork, setsid and a double fork; a process that
    drops it is still found through its parent or session, if it is looked at while those live.
    """

    def __init__(self, root: int, mark: str) -> None:
        self.root = root
        self.mark = mark
        self._ours = {root: psutil.Process(root).create_time()}  # a number alone may come to mean another process
        self._foreign: set[int] = {os.getpid()}

    def scan(self) -> list[psutil.Process]:
        """The members that are there now. A process is judged once and then remembered."""
        numbers = psutil.pids()
        self._foreign.intersection_update(numbers)
        members = []
        for pid in numbers:  # ascending, so parents mostly come before their children
            if pid not in self._foreign:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process = psutil.Process(pid)
                    if self._belongs(process):
                        self._ours[pid] = process.create_time()
                        members.append(process)
                    else:
                        self._foreign.add(pid)
        return members

    def _belongs(self, process: psutil.Process) -> bool:
        if self._ours.get(process.pid) == process.create_time():
            return True
        try:
            if process.ppid() in self._ours or os.getsid(process.pid) == self.root:
                return True
            return process.environ().get(MARKER) == self.mark
        except (psutil.Error, OSError):
            return False  # another user's, the kernel's, or already dead

    def kill(self, patience: float = 5.0) -> None:
        """End every member, also those that appear meanwhile. The root must not have been waited for yet."""
        with contextlib.suppress(OSError):
            os.killpg(self.root, signal.SIGKILL)
        deadline = time.monotonic() + patience
        self._foreign = {os.getpid()}  # numbers may have been used again
        while time.monotonic() < deadline:
            living = [p for p in self.scan() if _alive(p)]
            if not living:
                return
            for process in living:
                with contextlib.suppress(psutil.Error, OSError):
                    process.kill()
            time.sleep(0.002)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, OSError):
        return False


class Watchdog:
    """Looks every `TICK` seconds; `broken` names the limit that a job broke."""

    TICK = 0.2

    def __init__(self, tree: Tree, folder: Path, view: Path, limits: Limits) -> None:
        self.tree, self.folder, self.view, self.limits = tree, folder, view, limits
        self.started = time.monotonic()
        self.peak = 0
        self.opened: set[str] = set()
        self._next = self.started + 0.03
        self._next_walk = self.started + self.TICK

    def wait(self) -> float:
        """Seconds until the next look is due."""
        return max(0.0, min(self._next, self.started + self.limits.seconds) - time.monotonic())

    def broken(self) -> OutcomeState | None:
        """The limit that is broken now; cheap between looks."""
        now = time.monotonic()
        if now - self.started > self.limits.seconds:
            return "timeout"
        if now < self._next:
            return None
        members = self.tree.scan()
        self._next = time.monotonic() + self.TICK
        if len(members) > self.limits.processes:
            return "processes"
        if self._memory(members) > self.limits.memory_mb * _MIB:
            return "memory"
        self._see_open(members)
        return "disk" if now >= self._next_walk and self._folder_full() else None

    def _memory(self, members: list[psutil.Process]) -> int:
        total = sum(_resident(process) for process in members)
        if len(members) > 1 and total > self.limits.memory_mb * _MIB:
            total = sum(_resident(process, shared=True) for process in members)
        self.peak = max(self.peak, total)
        return total

    def _see_open(self, members: list[psutil.Process]) -> None:
        """Files that C libraries opened past the audit hook, as far as they are open just now."""
        below = f"{self.view}/"
        for process in members:
            with contextlib.suppress(psutil.Error, OSError):
                paths = (file.path for file in process.open_files())
                self.opened.update(path.removeprefix(below) for path in paths if path.startswith(below))

    def _folder_full(self) -> bool:
        before = time.monotonic()
        full = folder_bytes(self.folder, self.limits.disk_mb * _MIB) > self.limits.disk_mb * _MIB
        now = time.monotonic()
        self._next_walk = now + max(self.TICK, 20 * (now - before))  # at most a twentieth of the time
        return full


def _resident(process: psutil.Process, shared: bool = False) -> int:
    """Resident bytes; with `shared`, pages that several processes share are divided among them (slower)."""
    try:
        return int(process.memory_full_info().pss if shared else process.memory_info().rss)
    except (psutil.Error, OSError):
        return 0


def folder_bytes(folder: Path, enough: int) -> int:
    """Bytes below `folder`, links not followed; stops counting beyond `enough`."""
    total, stack = 0, [os.fspath(folder)]
    while stack and total <= enough:
        with contextlib.suppress(OSError), os.scandir(stack.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += max(entry.stat(follow_symlinks=False).st_size, _BLOCK)
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                if total > enough:
                    break
    return total
