"""The last line of defence: looks at a job's whole process tree and its folder, and says what is too much."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from mlestar.executors.cgroups import Group
from mlestar.records import Limits, OutcomeState

MARKER = "MLESTAR_JOB"
_BLOCK = 4096  # an empty file is not free: a flood of them counts too
_MIB = 1024 * 1024
_FLOOR = 64 * _MIB  # free bytes below which the machine itself is in trouble
_DEEPEST = 60  # folders inside one another


class Tree:
    """All live processes of a job: those in its control group, that carry its mark, share its session, or descend.

    The mark is an environment variable, which survives fork, setsid and a double fork; a process that
    drops it is still found through its parent or session, if it is looked at while those live.
    """

    def __init__(self, root: int, mark: str, group: Group | None) -> None:
        self.root = root
        self.mark = mark
        self.group = group
        self._ours = {root: psutil.Process(root).create_time()}  # a number alone may come to mean another process
        self._foreign: set[int] = {os.getpid()}

    def scan(self) -> list[psutil.Process]:
        """The members that are there now. A process is judged once and then remembered."""
        numbers = psutil.pids()
        self._foreign.intersection_update(numbers)
        living = {*numbers, self.root}
        self._ours = {pid: born for pid, born in self._ours.items() if pid in living}
        grouped = self.group.members() if self.group else set()
        members = []
        for pid in numbers:  # ascending, so parents mostly come before their children
            if pid not in self._foreign or pid in grouped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process = psutil.Process(pid)
                    if pid in grouped or self._belongs(process):
                        self._ours[pid] = process.create_time()
                        members.append(process)
                    else:
                        self._foreign.add(pid)
                        self._ours.pop(pid, None)  # the number was ours once
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

    def find(self, program: str, argument: str) -> int:
        """The oldest member that runs `program` with `argument`; the root where there is none."""
        for process in self.scan():
            with contextlib.suppress(psutil.Error, OSError):
                name, *arguments = process.cmdline()
                if name == program and argument in arguments:
                    return process.pid
        return self.root

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
    """Looks every `TICK` seconds; `broken` names the limit that a job broke.

    `views` are the paths under which the job's files show the view; `group` is its control group, if it has one.
    """

    TICK = 0.2

    def __init__(self, tree: Tree, folder: Path, views: Sequence[str], limits: Limits, group: Group | None) -> None:
        self.tree, self.folder, self.limits, self.group = tree, folder, limits, group
        self.started = time.monotonic()
        self.peak = 0
        self.opened: set[str] = set()
        self._views = tuple(f"{view}/" for view in views)
        self._disk = os.stat(folder).st_dev
        self._free = free_bytes(folder)
        self._unlinked = 0
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
        hidden = self._look_into(members)
        if self._memory(members, hidden) > self.limits.memory_mb * _MIB or (self.group and self.group.out_of_memory()):
            return "memory"
        return "disk" if now >= self._next_walk and self.disk_full() else None

    def disk_full(self) -> bool:
        """Whether the job has written more than it may, or the disk that it writes to is nearly full by its doing."""
        before, most = time.monotonic(), self.limits.disk_mb * _MIB
        full = folder_bytes(self.folder, most) + self._unlinked > most
        free = free_bytes(self.folder)
        full = full or (free < _FLOOR and self._free - free > _FLOOR)
        now = time.monotonic()
        self._next_walk = now + max(self.TICK, 4 * (now - before))  # a flood doubles in the time between two looks
        return full

    def _memory(self, members: list[psutil.Process], hidden: int) -> int:
        total = sum(_resident(process) for process in members) + hidden
        if len(members) > 1 and total > self.limits.memory_mb * _MIB:
            total = sum(_resident(process, shared=True) for process in members) + hidden
        self.peak = max(self.peak, total)
        return total

    def _look_into(self, members: list[psutil.Process]) -> int:
        """What is open just now: files of the view that C libraries opened past the audit hook, and bytes without a
        name. Returns those that are memory; those on the job's disk are kept for the next look at it.
        """
        memory: dict[int, int] = {}
        disk: dict[int, int] = {}
        for process in members:
            with contextlib.suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        path = os.readlink(entry.path)
                        self.opened.update(path.removeprefix(v) for v in self._views if path.startswith(v))
                        if path.endswith(" (deleted)"):
                            found = os.stat(entry.path)
                            kept = memory if path.startswith("/memfd:") else disk
                            if kept is memory or found.st_dev == self._disk:
                                kept[found.st_ino] = found.st_blocks * 512
        self._unlinked = sum(disk.values())
        return sum(memory.values())


def _resident(process: psutil.Process, shared: bool = False) -> int:
    """Resident bytes; with `shared`, pages that several processes share are divided among them (slower)."""
    try:
        return int(process.memory_full_info().pss if shared else process.memory_info().rss)
    except (psutil.Error, OSError):
        return 0


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the disk that holds `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def folder_bytes(folder: Path, enough: int) -> int:
    """Bytes below `folder`, links not followed; more than `enough` are not counted, nor folders that are too deep."""
    total, stack = 0, [(os.fspath(folder), 0)]
    while stack and total <= enough:
        path, depth = stack.pop()
        if depth > _DEEPEST:
            return enough + 1  # deeper still, paths grow too long to be looked at
        if not os.access(path, os.R_OK | os.X_OK) and os.path.isdir(path):
            return enough + 1  # locked against being looked into
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += max(entry.stat(follow_symlinks=False).st_size, _BLOCK)
                    if entry.is_dir(follow_symlinks=False):
                        stack.append((entry.path, depth + 1))
                if total > enough:
                    break
    return total
