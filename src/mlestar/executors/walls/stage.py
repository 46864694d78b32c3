"""Runs inside `unshare`, as root of the job's own namespaces: closes the wall of Landlock, then becomes the prelude.

    python stage.py TOLD PRELUDE ARGUMENTS...

`TOLD` is JSON: what may be read, the folder, devices, the size of /dev/shm, the seccomp program, and the job's
interpreter if that is another one. Like the prelude this file stands alone. A step that fails ends the job: a
wall with a hole is none.
Sources: landlock(7), mount_setattr(2), capabilities(7), seccomp(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys

_MOUNT_SETATTR, _CREATE, _ADD, _RESTRICT = 442, 444, 445, 446
_BIND, _NOSUID_NODEV = 0x1000, 0x2 | 0x4
_RECURSIVE, _READ_ONLY, _NO_SUID = 0x8000, 0x1, 0x2
_KEEP_NO_PRIVILEGE, _DROP_FROM_BOUND, _SECCOMP = 38, 24, 22
_CAPABILITIES_VERSION = 0x20080522
# Rights of landlock_path_beneath_attr; what belongs to files alone, and what each version of the ABI added.
_EXECUTE, _WRITE, _READ, _READ_DIR, _FILE_ONLY = 0x1, 0x2, 0x4, 0x8, 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
_HANDLED = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}

libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> int:
    """Leave with a clear word when a system call failed."""
    if result < 0:
        sys.exit(f"the wall cannot be closed: {what}: {os.strerror(ctypes.get_errno())}")
    return result


def attributes(path: str, flags: int, add: int, remove: int = 0) -> None:
    wanted = struct.pack("QQQQ", add, remove, 0, 0)
    must(libc.syscall(_MOUNT_SETATTR, -1, path.encode(), flags, wanted, len(wanted)), f"mount attributes of {path}")


def mounts(folder: str, shm: int) -> None:
    """Everything read-only but the job's folder and a /dev/shm of its own."""
    size = f"size={shm},mode=1777".encode()
    must(libc.mount(b"shm", b"/dev/shm", b"tmpfs", _NOSUID_NODEV, size), "a private /dev/shm")
    attributes("/", _RECURSIVE, _READ_ONLY | _NO_SUID)
    must(libc.mount(folder.encode(), folder.encode(), None, _BIND, None), "the job's folder")
    attributes(folder, 0, 0, _READ_ONLY)
    attributes("/dev/shm", 0, 0, _READ_ONLY)
    os.chdir(folder)


def drop() -> None:
    """Give up every capability, for good."""
    must(libc.prctl(_KEEP_NO_PRIVILEGE, 1, 0, 0, 0), "no new privileges")
    for number in range(64):
        libc.prctl(_DROP_FROM_BOUND, number, 0, 0, 0)  # beyond the last one it says no
    header, none = struct.pack("Ii", _CAPABILITIES_VERSION, 0), bytes(24)
    must(libc.capset(header, none), "dropping capabilities")


def restrict(told: dict[str, list[str] | str]) -> None:
    """Landlock: what is not listed cannot be opened."""
    version = must(libc.syscall(_CREATE, None, 0, 1), "Landlock")
    handled = _HANDLED[min(version, max(_HANDLED))]
    asked = struct.pack("Q", handled)
    rules = must(libc.syscall(_CREATE, asked, len(asked), 0), "the rules")
    reading = _EXECUTE | _READ | _READ_DIR
    for path in told["read"]:
        allow(rules, path, reading & handled)
    for path in told["views"]:
        allow(rules, path, (_READ | _READ_DIR) & handled)
    for path in (str(told["folder"]), "/dev/shm"):
        allow(rules, path, handled)
    for path in told["devices"]:
        allow(rules, path, (_READ | _WRITE | 0x8000) & handled)
    must(libc.syscall(_RESTRICT, rules, 0), "restricting")
    os.close(rules)


def allow(rules: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    spot = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        rights &= _FILE_ONLY
    must(libc.syscall(_ADD, rules, 1, struct.pack("=Qi", rights, spot), 0), f"the rule for {path}")
    os.close(spot)


def forbid(program: bytes) -> None:
    """The seccomp filter."""
    kept = ctypes.create_string_buffer(program, len(program))
    asked = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    must(libc.prctl(_SECCOMP, 2, asked, 0, 0), "the filter of system calls")


def main() -> None:
    told = json.loads(sys.argv[1])
    os.setsid()  # a process group that has a number in here: the prelude ties its life to the driver's
    mounts(told["folder"], told["shm"])
    drop()
    restrict(told)
    forbid(bytes.fromhex(told["filter"]))
    del sys.argv[:2]
    if told["python"]:
        os.execv(told["python"], [told["python"], *sys.argv])
    with open(sys.argv[0], "rb") as file:
        code = compile(file.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__", "__file__": sys.argv[0]})


main()
