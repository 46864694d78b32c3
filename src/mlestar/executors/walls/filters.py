"""A seccomp filter: system calls that no job needs and that lead out of namespaces or past limits.

It is an old-style BPF program (seccomp(2), the kernel's `linux/filter.h`): what is listed fails with
EPERM, clone3 with ENOSYS so that the C library falls back to clone, whose flags can be read.
"""

from __future__ import annotations

import os
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_NEW_NAMESPACES = 0x7E020080
_UNIX, _FAMILIES = 1, (2, 10, 16)  # inet, inet6, netlink end at a network namespace; vsock and others do not
_X32 = 0x40000000

# Numbers by machine: (audit architecture, clone, clone3, socket, the rest).
_COMMON = {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
           "pidfd_getfd": 438, "mount_setattr": 442, "memfd_secret": 447,
           "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}  # fmt: skip
_X86_64 = {"ptrace": 101, "shmget": 29, "shmat": 30, "semget": 64, "msgget": 68, "mq_open": 240, "pivot_root": 155,
           "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169, "init_module": 175,
           "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "acct": 163,
           "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
           "process_vm_writev": 311, "finit_module": 313, "kexec_load": 246, "bpf": 321, "syslog": 103,
           "userfaultfd": 323}  # fmt: skip
_AARCH64 = {"ptrace": 117, "shmget": 194, "shmat": 196, "semget": 190, "msgget": 186, "mq_open": 180, "pivot_root": 41,
            "chroot": 51, "mount": 40, "umount2": 39, "swapon": 224, "reboot": 142, "init_module": 105,
            "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97, "perf_event_open": 241, "acct": 89,
            "name_to_handle_at": 264, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
            "process_vm_writev": 271, "finit_module": 273, "kexec_load": 104, "bpf": 280, "syslog": 116,
            "userfaultfd": 282}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, 56, 435, 41, _X86_64), "aarch64": (0xC00000B7, 220, 435, 198, _AARCH64)}


def program(machine: str = "", *, unix: bool) -> bytes:
    """The filter for a machine (default: this one), as an array of `struct sock_filter`; empty for an unknown one.

    `unix` allows Unix sockets beside socket pairs: where files outside have names, those may be doors.
    """
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return b""
    architecture, clone, clone3, socket, numbers = known
    steps = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERROR | _EPERM)]
    for number in sorted({*numbers.values(), *_COMMON.values()}):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | _EPERM)]
    steps += [(_EQUAL, 0, 1, clone3), (_RETURN, 0, 0, _ERROR | _ENOSYS)]
    steps += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
              (_RETURN, 0, 0, _ERROR | _EPERM), (_RETURN, 0, 0, _ALLOW)]  # fmt: skip
    steps += [(_EQUAL, 1, 0, socket), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in (*_FAMILIES, *((_UNIX,) if unix else ())):
        steps += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    steps.append((_RETURN, 0, 0, _ERROR | _EAFNOSUPPORT))
    return b"".join(struct.pack("HBBI", *step) for step in steps)
