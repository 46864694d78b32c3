"""Packages that a script names and the run's interpreter lacks: resolved outside the wall, if the user allows it.

Each set of requirements gets an environment of its own, FOLDER/<digest>/, whole or not there: `venv/`, and
`requirements.lock` with the hash of every wheel in it. Nothing of a package runs outside the wall: only wheels
are taken, and the environment's interpreter is never started here, for a `.pth` file runs at every start.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlestar import plain
from mlestar.errors import SettingsError
from mlestar.executors.uv import Uv, find_uv
from mlestar.executors.walls.interpreter import Interpreter, answer, parts_of
from mlestar.plain import word

LOCK = "requirements.lock"
_MOST = 50  # requirements of one script
_LONGEST = 200  # characters of one
_DEEPEST = 4  # extras that ask for extras
_ASK = """
import importlib.metadata as m, json, platform
rows = [[d.metadata["Name"], d.version, d.requires] for d in m.distributions()]
print(json.dumps([platform.python_version(), rows, m.packages_distributions()]))
"""


@dataclass(frozen=True)
class Policy:
    """What a script may ask for, by the user's word: `allow`, and other versions of what the interpreter has.

    What those need in turn comes with them, by whatever name.

    `folder` holds the environments, and no other process uses it. `exclude_newer` is a date or a span (`14 days`) of
    which younger files are not taken. Of `variables` uv sees PATH, HOME, proxies, certificates, and the index
    settings among PIP_* and UV_*. `seconds` is for one call of uv.
    """

    allow: tuple[str, ...]
    folder: Path
    uv: str = "uv"
    exclude_newer: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 1800.0


class Packages:
    """Finds the interpreter for a script's requirements. Safe from many threads.

    Raises SettingsError when uv is missing or a name in `allow` is none.
    """

    def __init__(self, policy: Policy, python: Interpreter) -> None:
        self._policy, self._python = policy, python
        self._program = find_uv(policy.uv)
        self._version, self._installed, self._modules = installed(python.path)
        self._allowed = {_name(name) for name in policy.allow}
        self._turn = threading.Lock()
        for left in policy.folder.glob(".draft-*"):  # of a driver that was killed
            with suppress(OSError):
                plain.remove(left)

    def resolve(self, requirements: Sequence[str], stopped: Callable[[], bool] = lambda: False) -> Interpreter | str:
        """The run's own interpreter where it has everything, else one with just these; or why there is none, in a line.

        Takes as long as uv does where the environment is not there yet; `stopped` ends that early. Raises Unreachable
        where an index does not answer.
        """
        wanted: list[Requirement] = []
        if len(requirements) > _MOST:
            return f"the script names {len(requirements)} packages; at most {_MOST} are looked for"
        for text in requirements:
            found = _requirement(text)
            if isinstance(found, str):
                return found
            if canonicalize_name(found.name) not in self._installed:
                found.name = self._modules.get(canonicalize_name(found.name), found.name)
            wanted.append(found)
        missing = [requirement for requirement in wanted if not self._has(requirement)]
        if not missing:
            return self._python
        refused = sorted({r.name for r in wanted if not self._allows(r)})
        if refused:
            return self._refusal(refused)
        return self._environment(sorted({str(requirement) for requirement in wanted}), stopped)

    def _allows(self, requirement: Requirement) -> bool:
        name = canonicalize_name(requirement.name)
        return name in self._allowed or name in self._installed

    def _refusal(self, names: list[str]) -> str:
        may = ", ".join(sorted(self._allowed)) or "none"
        them = ", ".join(names)
        return word(f"packages that may not be installed: {them}; beside what is there, these may: {may}", 500)

    def _has(self, requirement: Requirement, extra: str = "", depth: int = 0) -> bool:
        """Whether the run's interpreter has it, its extras included."""
        if not self._applies(requirement, extra):
            return True
        found = self._installed.get(canonicalize_name(requirement.name))
        if found is None or depth > _DEEPEST or not requirement.specifier.contains(found[0], prereleases=True):
            return False
        needs = [Requirement(text) for text in found[1]] if requirement.extras else []
        return all(
            self._has(need, name, depth + 1)
            for name in requirement.extras
            for need in needs
            if not self._applies(need, "")
        )

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        here = {"python_version": ".".join(self._version.split(".")[:2]), "python_full_version": self._version}
        return requirement.marker is None or requirement.marker.evaluate({**here, "extra": extra})

    def _environment(self, lines: list[str], stopped: Callable[[], bool]) -> Interpreter | str:
        """The environment with these requirements, made if it is not there yet."""
        key = json.dumps([lines, self._policy.exclude_newer, self._python.path, self._version])
        home = self._policy.folder.absolute() / hashlib.sha256(key.encode()).hexdigest()[:16]
        with self._turn:
            reason = "" if home.is_dir() else self._made(home, lines, stopped)
        if reason:
            return f"the script's packages cannot be had: {reason}"
        venv = home / "venv"
        return Interpreter(str(venv / "bin" / "python"), (*parts_of(venv), *self._python.parts))

    def _made(self, home: Path, lines: list[str], stopped: Callable[[], bool]) -> str:
        """Make it aside, then put it there; why that did not work."""
        draft = home.with_name(f".draft-{secrets.token_hex(8)}")
        draft.mkdir(parents=True)
        try:
            reason = self._filled(draft, lines, stopped)
            if not reason:
                _open_up(draft)
                os.rename(draft, home)
            return reason
        finally:
            plain.remove(draft)

    def _filled(self, draft: Path, lines: list[str], stopped: Callable[[], bool]) -> str:
        uv = Uv(self._program, self._policy.variables, self._python.path, self._policy.seconds)
        (draft / "requirements.in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        newer = ("--exclude-newer", self._policy.exclude_newer) if self._policy.exclude_newer else ()
        lock, python = LOCK, ("--python", self._python.path)
        told = ("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
        return (
            uv.pip("compile", "requirements.in", "-o", lock, *told, *python, *newer, folder=draft, stopped=stopped)
            or uv.run("venv", "venv", "--relocatable", "--no-project", *python, folder=draft, stopped=stopped)
            or uv.pip("sync", lock, "--require-hashes", "--python", "venv/bin/python", folder=draft, stopped=stopped)
        )


def _requirement(text: str) -> Requirement | str:
    """A requirement by name; or why it is none that is looked for."""
    try:
        found = Requirement(text) if len(text) <= _LONGEST else None
    except (InvalidRequirement, RecursionError):
        found = None
    if found is None or found.url is not None:
        return f'{word(text, 80)!r} among the script\'s dependencies is no package by its name, such as "pandas>=2"'
    return found


def _name(text: str) -> str:
    """A distribution's name as it is compared."""
    found = _requirement(text)
    if isinstance(found, str) or found.name != text.strip():
        raise SettingsError(f"setting 'packages.allow': {word(text, 80)!r} is no name of a package")
    return canonicalize_name(found.name)


def installed(python: str) -> tuple[str, dict[str, tuple[str, tuple[str, ...]]], dict[str, str]]:
    """The interpreter's version, of each distribution that it has the version and what that needs in turn, and of each
    module the distribution that it is from: scripts say `xgboost` where it is `xgboost-cpu` that is installed."""
    try:
        version, rows, modules = answer(python, _ASK)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise SettingsError(f"the interpreter {python!r} does not tell what it has installed") from None
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    row: list[Any]
    for row in rows:
        if row[0] and row[1]:  # else a remnant of one that was taken away
            found.setdefault(canonicalize_name(row[0]), (row[1], tuple(row[2] or ())))
    alone: dict[str, str] = {
        canonicalize_name(module): names[0] for module, names in modules.items() if len(set(names)) == 1
    }
    return version, found, alone


def locked(python: str) -> dict[str, str]:
    """The versions in the environment whose interpreter this is; none where it is not one of ours."""
    lock = Path(python).parents[2] / LOCK if len(Path(python).parents) > 2 else Path(LOCK)
    if not lock.is_file():
        return {}
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def _open_up(folder: Path) -> None:
    """Let any user read it: behind a wall, a job may be another one; uv's cache, which it links, may be private."""
    folder.chmod(0o755)
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink() and path.stat().st_mode & 0o044 != 0o044:
                path.chmod(path.stat().st_mode | 0o444)
