"""What an interpreter needs to be read: itself and its libraries, and nothing beside them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlestar.errors import SettingsError

# Only these parts of a prefix: a project's folder may itself be a virtual environment, with runs and secrets in it.
_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "share", "etc", "ssl", "pyvenv.cfg")
_ASK = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix]))"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (  # what libraries look up; nothing of it is secret
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone", "mime.types", "fonts",
    "OpenCL", "protocols", "services",
)  # fmt: skip


@dataclass(frozen=True)
class Interpreter:
    """`path` is what to run; `parts` are the files and folders to be readable, links not followed."""

    path: str
    parts: tuple[Path, ...]


def answer(python: str, program: str) -> Any:
    """What a program prints in an interpreter, as JSON. Raises OSError, ValueError or SubprocessError.

    It is asked again where a signal ended it: Ctrl-C may reach a child just before it is in a session of its own.
    """
    for last in (False, True):
        done = subprocess.run(
            [python, "-I", "-c", program],  # isolated: nothing of the current folder is imported
            env={"LANG": "C.UTF-8"}, capture_output=True, timeout=60, check=False, start_new_session=True,
        )  # fmt: skip
        if last or done.returncode >= 0:
            break
    done.check_returncode()
    return json.loads(done.stdout)


@cache
def ask(name: str) -> Interpreter:
    """Ask the interpreter at the absolute path `name` where it and its libraries are.

    Raises SettingsError when it does not answer as a Python does.
    """
    try:
        path, *prefixes = answer(name, _ASK)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise SettingsError(f"the interpreter {name!r} does not answer as a Python does; name another one") from None
    path = os.path.abspath(path or name)
    found: list[Path] = []
    for prefix in map(Path, prefixes):
        found += parts_of(prefix)
    for file in (Path(path), Path(os.path.realpath(path))):
        found += [] if covered(file, map(str, found)) else [file]
    return Interpreter(path, tuple(part for part in dict.fromkeys(found) if not covered(part, SYSTEM)))


def parts_of(prefix: Path) -> list[Path]:
    """What of an interpreter's prefix, or of a virtual environment, is to be readable."""
    return [prefix / part for part in _PARTS if (prefix / part).exists()]


def covered(path: Path, folders: Iterable[str]) -> bool:
    """Whether `path` lies in one of `folders`."""
    return any(path.is_relative_to(folder) for folder in folders)
