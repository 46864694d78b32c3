"""Control groups where we may write them: the kernel then counts a job's memory and processes exactly.

Version 1 has a hierarchy for each controller, version 2 one for all (cgroups(7)). Where nothing can be
written, the limits of processes and the watchdog stand alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlestar.records import Limits

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "mle-star-"
_JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 70; shift; done; shift; exec "$@"'
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Group:
    """The group of one job: its folders, one for each hierarchy."""

    folders: tuple[Path, ...]

    def joined(self, argv: Sequence[str]) -> list[str]:
        """`argv`, run from inside the group: joined before anything can fork."""
        doors = [str(folder / "cgroup.procs") for folder in self.folders]
        return ["/bin/sh", "-c", _JOIN, "sh", *doors, "--", *argv]

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group for memory."""
        return self._count(("memory.events", "memory.oom_control"), "oom_kill") > 0

    def out_of_processes(self) -> bool:
        """Whether the kernel has refused a new process to the group."""
        return self._count(("pids.events",), "max") > 0

    def members(self) -> set[int]:
        """The processes that are in the group."""
        found: set[int] = set()
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                found.update(map(int, (folder / "cgroup.procs").read_text().split()))
        return found

    def _count(self, files: Sequence[str], word: str) -> int:
        for path in (folder / name for folder in self.folders for name in files):
            with contextlib.suppress(OSError, ValueError):
                lines = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
                return int(lines.get(word, 0))
        return 0

    def limit(self, limits: Limits, processes: int) -> None:
        """Set the ceilings; raises OSError where a group takes none."""
        memory = str(limits.memory_mb * _MIB)
        for folder in self.folders:
            wanted = {"pids.max": str(processes), "memory.max": memory, "memory.swap.max": "0",
                      "memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}  # fmt: skip
            for name, value in wanted.items():
                if (folder / name).exists():
                    (folder / name).write_text(value)

    def remove(self) -> None:
        """Take the group away; its processes are dead, but the kernel may take a moment to notice."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
                else:
                    break


@dataclass(frozen=True)
class Groups:
    """Where groups can be made: one base for each hierarchy. `version` is 1 or 2."""

    bases: tuple[Path, ...]
    version: int

    def make(self, name: str, limits: Limits, processes: int) -> Group:
        """A new group with its ceilings set."""
        name = f"{_PREFIX}{os.getpid()}-{name}-{secrets.token_hex(4)}"
        group = Group(tuple(base / name for base in self.bases))
        try:
            for folder in group.folders:
                folder.mkdir()
            group.limit(limits, processes)
        except OSError:
            group.remove()
            raise
        return group

    def sweep(self) -> None:
        """Take away what drivers that were killed left behind."""
        for base in self.bases:
            for folder in base.glob(f"{_PREFIX}*"):
                owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
                if not Path("/proc", owner).exists():
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def find() -> Groups | None:
    """Where a job's group can be made here, by really making one."""
    for groups in _candidates():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            groups.sweep()
            group = groups.make("trial", Limits(1, 64), 16)
            try:
                trial = group.joined(["/bin/true"])
                subprocess.run(trial, env={}, check=True, capture_output=True, timeout=10, start_new_session=True)
            finally:
                group.remove()
            return groups
    return None


def _candidates() -> list[Groups]:
    if (_ROOT / "cgroup.controllers").exists():
        usual = [base for base in (_ROOT, _own("")) if _controls(base)]
        return [Groups((base,), 2) for base in dict.fromkeys(usual)]
    return [Groups((_own("memory"), _own("pids")), 1), Groups((_ROOT / "memory", _ROOT / "pids"), 1)]


def _controls(base: Path) -> bool:
    """Whether groups below `base` of version 2 have both controllers, switched on if that is allowed."""
    with contextlib.suppress(OSError):
        if not {"memory", "pids"} <= set((base / "cgroup.subtree_control").read_text().split()):
            (base / "cgroup.subtree_control").write_text("+memory +pids")
        return True
    return False


def _own(controller: str) -> Path:
    """The folder of our own group in the hierarchy of a controller ("" is version 2's)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return _ROOT / controller / path.lstrip("/")
    return _ROOT / controller
