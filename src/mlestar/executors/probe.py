"""What this machine and an interpreter really have: asked by importing, not by looking at names."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlestar.executors.local import environment, find_interpreter

_PATIENCE = 120.0
_IMPORT = """
import importlib, importlib.metadata, json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a module prints on import is not an answer
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        version = getattr(module, "__version__", None)
        if version is None:
            try:
                version = importlib.metadata.version(name.partition(".")[0])
            except Exception:
                version = "unknown"
        answer = [name, str(version), ""]
    except BaseException as error:
        answer = [name, "", f"{type(error).__name__}: {error}"]
    print(json.dumps(answer), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Found:
    """One module: its `version` ("unknown" when it tells none), or why it cannot be imported."""

    version: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


def probe(interpreter: str, modules: Sequence[str], seconds: float = _PATIENCE) -> dict[str, Found]:
    """Import `modules` for real in `interpreter`, with a job's environment; one process unless one crashes.

    A module that crashes the interpreter or does not end within `seconds` is named, and the rest are
    tried without it. Raises SettingsError when there is no such interpreter.
    """
    python = find_interpreter(interpreter)
    found: dict[str, Found] = {}
    while left := [name for name in dict.fromkeys(modules) if name not in found]:
        answered, ending = _import(python, left, seconds)
        found |= answered
        silent = [name for name in left if name not in answered]
        if silent:
            found[silent[0]] = Found(error=ending)
    return {name: found[name] for name in modules}


def _import(python: str, modules: list[str], seconds: float) -> tuple[dict[str, Found], str]:
    """The answers that came, and in words how the process ended."""
    with tempfile.TemporaryDirectory(prefix="mlestar-probe-") as home:
        (Path(home) / "tmp").mkdir()
        process = subprocess.Popen(
            [python, "-c", _IMPORT, *modules],
            cwd=home,
            env=environment(python, Path(home), 1),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=seconds)
            ending = _ended(process.returncode, err)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            ending = f"the import did not end within {seconds:g} seconds"
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("[") and line.endswith("]")]
    return {name: Found(version, error) for name, version, error in answers}, ending


def _ended(status: int, printed: str) -> str:
    last = (printed.strip().splitlines() or [""])[-1][:300]
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return f"the interpreter {how} during the import{': ' if last else ''}{last}"


@dataclass(frozen=True)
class Machine:
    """What jobs can use here: cores and memory as far as this process may use them."""

    cores: int
    memory_mb: int
    memory_free_mb: int
    disk_free_mb: int
    python: str
    platform: str
    devices: tuple[str, ...]


def machine(folder: Path) -> Machine:
    """Facts about this machine; the disk is the one that holds `folder` (an existing one)."""
    mib = 1024 * 1024
    memory = psutil.virtual_memory()
    ceiling = _container_bytes() or memory.total
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_mb=min(memory.total, ceiling) // mib,
        memory_free_mb=min(memory.available, ceiling) // mib,
        disk_free_mb=shutil.disk_usage(folder).free // mib,
        python=platform.python_version(),
        platform=platform.platform(),
        devices=_devices(),
    )


def _container_bytes() -> int | None:
    """The memory ceiling that a container sets on us, by cgroup version 2 or 1."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            return int(text)
    return None


def _devices() -> tuple[str, ...]:
    """NVIDIA devices by their node, with the model's name where the driver tells it."""
    nodes = sorted(Path("/dev").glob("nvidia[0-9]*"))
    models = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = file.read_text(errors="replace").splitlines()
        models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    models += [""] * (len(nodes) - len(models))
    return tuple(f"{node} {model}".strip() for node, model in zip(nodes, models, strict=False))
