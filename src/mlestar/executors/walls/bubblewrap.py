"""The wall of bubblewrap: own namespaces for files, processes, network and IPC (notes/libraries.md of 2026-11-23, §5).

An ordinary user's job runs in a user namespace. Root's runs without one, under a user id that nobody has:
as uid 0 the kernel ignores the limit on processes, and much of /proc/sys answers to uid 0 alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mlestar.executors.walls import filters
from mlestar.executors.walls.interpreter import ETC, SYSTEM, Interpreter, covered
from mlestar.executors.walls.wall import Launch, Place, Wall, devices

HOME, VIEW = "/job", "/job/input"
_FIRST_USER, _USERS = 0x7000_0000, 2**24  # above what distributions and systemd hand out
_SHM_MB, _TMP_MB = 256, 256
_CLOSED = (
    "--unshare-ipc --unshare-pid --unshare-uts --unshare-net --unshare-cgroup-try --die-with-parent --new-session"
    " --hostname job --clearenv --cap-drop ALL"
)
_ORDINARY = "--unshare-user --disable-userns --assert-userns-disabled"
_ROOT = "--cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP"  # until setpriv has become the job's user


@dataclass(frozen=True, kw_only=True)
class Bubblewrap(Wall):
    """`program` is bwrap's path; `reads` are files of ours that the job needs, beside the interpreter."""

    name: ClassVar[str] = "bubblewrap"
    mapped_status: ClassVar[bool] = True
    program: str
    interpreter: Interpreter
    reads: tuple[Path, ...]

    def inside(self, place: Place) -> tuple[str, str]:
        return HOME, VIEW

    def lay(self, place: Place) -> None:
        (place.folder / "input").mkdir()
        for name in place.shown:
            (place.folder / name).mkdir()

    def launch(self, argv: Sequence[str], place: Place, environment: dict[str, str]) -> Launch:
        user = _FIRST_USER + secrets.randbelow(_USERS) if os.geteuid() == 0 else None
        if user is not None:
            _give(place.folder, user)
        setting = [part for name, value in environment.items() for part in ("--setenv", name, value)]
        options = [*_CLOSED.split(), *(_ORDINARY if user is None else _ROOT).split(), *setting, *self._mounts(place)]
        # Through descriptors: a command line would show our paths to the job, in /proc/1/cmdline.
        told, forbidden = _handed("\0".join(options).encode() + b"\0"), _handed(filters.program(unix=True))
        become = [] if user is None else _become(user)
        wrapped = [self.program, "--args", str(told), "--seccomp", str(forbidden), "--", *become, *argv]
        # An empty environment: bubblewrap's own process inside keeps it, readable in /proc/1/environ.
        return Launch(wrapped, {}, (told, forbidden))

    def _mounts(self, place: Place) -> list[str]:
        shm = max(_SHM_MB, place.limits.memory_mb // 4)
        mounts = [*_system(), "--proc", "/proc", "--dev", "/dev", *_sized("/tmp", _TMP_MB), *_sized("/dev/shm", shm)]
        graphics = devices()
        mounts += [part for node in graphics for part in ("--dev-bind", str(node), str(node))]
        mounts += ["--ro-bind", "/sys", "/sys"] if graphics else _bound([Path("/sys/devices/system/cpu")])
        mounts += _bound([*self.interpreter.parts, *self.reads, *place.reads])
        mounts += ["--bind", str(place.folder), HOME, "--ro-bind", str(place.view), VIEW]
        mounts += [part for name, path in place.shown.items() for part in ("--ro-bind", str(path), f"{HOME}/{name}")]
        return [*mounts, "--remount-ro", "/", "--remount-ro", "/dev", "--chdir", HOME]


def _system() -> list[str]:
    """The system's programs and libraries, without what is about this machine or its users."""
    mounts = []
    for folder in map(Path, SYSTEM):
        if folder.is_symlink():
            mounts += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.exists():
            mounts += ["--ro-bind", str(folder), str(folder)]
    return [*mounts, *_bound(Path("/etc") / name for name in ETC)]


def _sized(place: str, mb: int) -> list[str]:
    return ["--perms", "1777", "--size", str(mb * 1024 * 1024), "--tmpfs", place]


def _bound(paths: Iterable[Path]) -> list[str]:
    """Read-only mounts in the same places; the folders above them are made enterable, which bwrap does not do."""
    mounts: list[str] = []
    made: set[Path] = set()
    for path in dict.fromkeys(paths):
        if not path.exists() or covered(path, SYSTEM):
            continue
        for parent in reversed(path.parents[:-1]):
            if parent not in made and str(parent) not in ("/tmp", "/dev"):
                mounts += ["--perms", "0755", "--dir", str(parent)]
            made.add(parent)
        mounts += ["--ro-bind", str(path), str(path)]
    return mounts


def _become(user: int) -> list[str]:
    return ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs", "--"]  # fmt: skip


def _give(folder: Path, user: int) -> None:
    """Make the job's user own its folder, which we have just made."""
    for parent, folders, names in os.walk(folder):
        for name in (".", *folders, *names):
            os.chown(os.path.join(parent, name), user, user, follow_symlinks=False)
    folder.chmod(0o711)  # bwrap enters it as root without capabilities


def _handed(data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    number = os.memfd_create("mle-star", 0)
    os.write(number, data)
    os.lseek(number, 0, os.SEEK_SET)
    return number
