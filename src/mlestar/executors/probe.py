"""What this machine and an interpreter really have: asked by importing, not by looking at names."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlestar import plain
from mlestar.errors import Interrupted, NoSolution
from mlestar.plain import clean
from mlestar.ports import Executor
from mlestar.records import AT_ONCE, Job, Limits

_PATIENCE = 120.0
_ANSWERS = "answers.jsonl"
_MOST = 4_000_000  # bytes of it
_IMPORT = """
import importlib, importlib.metadata, json
answers = open({answers!r}, "w")
for name in {names!r}:
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
        answer = [name, "", f"{{type(error).__name__}}: {{error}}"]
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


def probe(
    executor: Executor, modules: Sequence[str], seconds: float = _PATIENCE, left: float | None = None
) -> dict[str, Found]:
    """Import `modules` for real, as a job behind the wall; one job unless one crashes.

    A module that crashes the interpreter or does not end within `seconds` is named, and the rest are
    tried without it. Raises NoSolution when a cluster has no place for it in the seconds that are `left` of a budget.
    """
    found: dict[str, Found] = {}
    killed = ""
    while names := [name for name in dict.fromkeys(modules) if name not in found]:
        answered, ending = _import(executor, names, Limits(seconds, 8192, left=left, grace=AT_ONCE))
        found |= answered
        silent = [name for name in names if name not in answered]
        if silent and "SIGKILL" in ending and killed != silent[0]:
            killed = silent[0]  # by somebody else, unless it happens again
        elif silent:
            found[silent[0]] = Found(error=ending)
    return {name: found[name] for name in modules}


def _import(executor: Executor, modules: list[str], limits: Limits) -> tuple[dict[str, Found], str]:
    """The answers that came, and in words how the job ended."""
    with tempfile.TemporaryDirectory(prefix="mle-star-probe-") as home:
        view, folder = Path(home) / "view", Path(home) / "job"
        view.mkdir()
        script = _IMPORT.format(answers=_ANSWERS, names=modules)
        outcome = executor.run(Job("probe", script, str(view), str(folder), limits))
        if outcome.state == "stopped":
            raise Interrupted("stopped while asking what is installed")
        if outcome.state == "late":
            raise NoSolution(
                "the cluster had no place for a first job, or did not get it done, before the budget was over",
                budget=True,
            )
        left = plain.read(folder / _ANSWERS, _MOST)
        plain.remove(folder)
    answers = [answer for line in (left if isinstance(left, bytes) else b"").splitlines() if (answer := _answer(line))]
    last = (outcome.error.strip().splitlines() or ["it ended the interpreter"])[0][:300]
    found = {name: Found(clean(version), clean(error)) for name, version, error in answers if name in modules}
    return found, f"during the import: {outcome.state}, {last}"


def _answer(line: bytes) -> tuple[str, str, str] | None:
    """Name, version and error; None for what is no answer."""
    try:
        name, version, error = json.loads(line)
        return str(name), str(version), str(error)
    except (ValueError, TypeError, RecursionError):
        return None


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
