"""The wall of Landlock: `unshare` for processes, network and mounts; stage.py, inside, closes the rest.

Weaker than bubblewrap: names, sizes and times of files outside can still be asked for, though nothing can
be opened; Unix sockets are only had in pairs; and root's job stays uid 0, without capabilities.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mlestar.executors.walls import filters
from mlestar.executors.walls.interpreter import ETC, SYSTEM, Interpreter
from mlestar.executors.walls.wall import Launch, Place, Wall, devices

STAGE = Path(__file__).with_name("stage.py")
_APART = "--mount --net --ipc --uts --pid --fork --kill-child --mount-proc"
_SHM_MB = 256
_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True, kw_only=True)
class Landlock(Wall):
    """`reads` are files of ours that the job needs, beside the interpreter."""

    name: ClassVar[str] = "landlock"
    mapped_status: ClassVar[bool] = True
    interpreter: Interpreter
    reads: tuple[Path, ...]

    def launch(self, argv: Sequence[str], place: Place, environment: dict[str, str]) -> Launch:
        mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
        python, *rest = argv
        # A shell stays as process 1 and takes in orphans: process 1 itself would be deaf to most signals.
        kept = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
        # Not with the job's own interpreter, if it has one: starting it may run code that a package brought along.
        told = json.dumps(self._told(place) | {"python": python if python != self.interpreter.path else ""})
        staged = [self.interpreter.path, str(STAGE), told, *rest]
        return Launch(["unshare", *_APART.split(), *mapped, "--", *kept, *staged], environment)

    def _told(self, place: Place) -> dict[str, object]:
        system = [*SYSTEM, *(f"/etc/{name}" for name in ETC), "/proc", "/sys"]
        return {
            "read": [*system, *map(str, [*self.interpreter.parts, *self.reads, *place.reads, STAGE])],
            "views": [str(path) for path in (place.view, *place.shown.values())],
            "folder": str(place.folder),
            "devices": [*(f"/dev/{name}" for name in _DEVICES), *map(str, devices())],
            "shm": max(_SHM_MB, place.limits.memory_mb // 4) * 1024 * 1024,
            "filter": filters.program(unix=False).hex(),
        }
