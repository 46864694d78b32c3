"""What runs on a node: a look at it, and jobs, in the same sandbox as on the driver's machine.

These functions are sent to Ray by name, so every node has mle-star installed, in the same version.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from errno import EDQUOT, ENOSPC
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlestar import plain
from mlestar.errors import RunError, SettingsError
from mlestar.executors import packages
from mlestar.executors.local import LocalExecutor
from mlestar.executors.ray.parcels import Batch, packed, unpack
from mlestar.records import Job, Outcome

Parcel = tuple[str, Sequence[Any]]  # a name that no other folder has, and where Ray keeps its batches
# What scripts compute with: their results may differ between versions.
_MATTER = (
    "numpy", "pandas", "scipy", "pyarrow", "pillow", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "catboost",
    "torch", "torchvision", "transformers", "soundfile", "ray",
)  # fmt: skip
_STALE = 3600.0  # seconds after which what a dead driver left on a node is taken away
_NONE = "-1"  # no graphics processor, as CUDA is told


@dataclass(frozen=True)
class Terms:
    """What must be the same where jobs of one run run: Python, our own code, the libraries that scripts use."""

    python: str
    ours: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """A node as it describes itself; `speed` in rounds of a fixed sum per second."""

    terms: Terms
    wall: str
    about: str
    token: bool
    speed: float


@dataclass(frozen=True)
class Order:
    """A job as it is sent, with what belongs to the folders that it names, unless every node sees them as they are.

    `run` is the folder that all jobs of one driver share on a node; `known` are nodes that were looked at.
    """

    job: Job
    run: str
    interpreter: str
    wall: str
    unwalled: bool
    parcels: Mapping[str, Parcel] | None
    terms: Terms
    known: frozenset[str]


@dataclass(frozen=True)
class Begun:
    """A job has its place: it waits no longer."""


@dataclass(frozen=True)
class Reply:
    """An outcome, or what makes this node unfit for the job; `full`: its disk had no room."""

    node: str
    outcome: Outcome | None = None
    unfit: str = ""
    full: bool = False
    attempt: str = ""


@dataclass(frozen=True)
class Left:
    """A batch of what a job left, in its own folder or in that of kept models."""

    attempt: str
    kept: bool
    batch: Batch


def terms(interpreter: str) -> Terms:
    """Those of this machine; the interpreter is the one that was named, else our own."""
    python, there, _ = packages.installed(interpreter or sys.executable)
    return Terms(python, _ours(), {name: there[name][0] for name in _MATTER if name in there})


def facts(interpreter: str, wall: str) -> Facts:
    """This node, looked at once: what it has installed, the wall that holds here, how fast it is."""
    return _facts(interpreter, wall)


@cache
def _facts(interpreter: str, wall: str) -> Facts:
    local = _executor(interpreter, wall, "")
    token = os.environ.get("RAY_AUTH_MODE") == "token"
    return Facts(terms(interpreter), local.wall, local.about, token, _speed())


def differences(mine: Terms, found: Facts, unwalled: bool) -> list[str]:
    """What a node has otherwise than the driver, or lacks."""
    theirs = found.terms
    told = [] if theirs.python == mine.python else [f"Python {theirs.python}, here {mine.python}"]
    if theirs.ours != mine.ours:
        told.append(f"another mle-star than here ({version('mle-star')})")
    for name, number in mine.versions.items():
        if theirs.versions.get(name) != number:
            told.append(f"{name} {theirs.versions.get(name, 'is missing')}, here {number}")
    if found.wall == "none" and not unwalled:
        told.append(f"no wall holds there ({found.about}); install bubblewrap, or say --unsafe")
    if not found.token:
        told.append("it runs without RAY_AUTH_MODE=token: anybody who reaches it can run code there")
    return told


def work(order: Order) -> Iterator[Begun | Reply | Left]:
    """Say that it has begun, do one job here; then what it left, unless it lies where the driver sees it.

    Whatever is wrong with the node, not with the script, makes it unfit.
    """
    yield Begun()
    node = str(import_module("ray").get_runtime_context().get_node_id())
    try:
        wrong = [] if node in order.known else differences(
            order.terms, facts(order.interpreter, order.wall), order.unwalled
        )  # fmt: skip
        if wrong:
            yield Reply(node, unfit="; ".join(wrong))
        else:
            yield from _worked(order, node)
    except (SettingsError, RunError) as error:
        yield Reply(node, unfit=str(error))
    except OSError as error:
        full = error.errno in (ENOSPC, EDQUOT)
        yield Reply(node, unfit="its disk is full" if full else f"{error.strerror}: {error.filename}", full=full)


def leave(run: str) -> None:
    """Take away what a driver's jobs left here."""
    shutil.rmtree(_base() / run, ignore_errors=True)


def _worked(order: Order, node: str) -> Iterator[Reply | Left]:
    attempt, job, assets = secrets.token_hex(8), order.job, ""
    graphics = import_module("ray").get_gpu_ids()
    job = replace(job, devices=",".join(map(str, graphics)) or _NONE)
    if order.parcels is None:
        yield Reply(node, _executor(order.interpreter, order.wall, assets).run(job), attempt=attempt)
        return
    home = _home(order.run)
    place = {what: str(_laid(home, parcel)) for what, parcel in order.parcels.items()}
    own = Path(tempfile.mkdtemp(dir=home / "jobs"))
    try:
        keep = str(own / "kept") if job.keep else ""
        there = replace(job, view=place["view"], folder=str(own / "job"), models=place.get("models", ""), keep=keep)
        yield Reply(node, _executor(order.interpreter, order.wall, place.get("assets", "")).run(there), attempt=attempt)
        for what in ("job", "kept"):
            yield from (Left(attempt, what == "kept", batch) for batch in packed(own / what, follow=False) if batch)
    finally:
        plain.remove(own)


def _laid(home: Path, parcel: Parcel) -> Path:
    """Where a parcel lies on this node; the first who wants it unpacks it, the others wait."""
    name, batches = parcel
    place = home / "parcels" / name
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            get = import_module("ray").get
            unpack((get(batch) for batch in batches), place)
    return place


@cache
def _home(run: str) -> Path:
    """The folder of a driver's jobs here, held by a lock as long as this process lives; stale ones are taken away."""
    base = _base()
    home = base / run
    for folder in (home / "parcels", home / "jobs"):
        folder.mkdir(parents=True, exist_ok=True)
    fcntl.flock(os.open(home / "held", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)
    for other in base.iterdir():
        if other != home and time.time() - other.stat().st_mtime > _STALE and not _held(other):
            shutil.rmtree(other, ignore_errors=True)
    return home


def _base() -> Path:
    base = Path(tempfile.gettempdir()) / f"mle-star-{os.geteuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.geteuid():
        raise SettingsError(f"{base} belongs to somebody else")
    return base


def _held(home: Path) -> bool:
    """Whether a living process has work in it."""
    try:
        with (home / "held").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@cache
def _executor(interpreter: str, wall: str, assets: str) -> LocalExecutor:
    return LocalExecutor(interpreter or sys.executable, 1, wall, Path(assets) if assets else None)


def _ours() -> str:
    """A digest of mle-star's own code: two versions under development may have the same number."""
    root, found = Path(__file__).resolve().parents[2], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _speed() -> float:
    """How often a second one processor here does a fixed piece of work; the best of three tries."""
    tries = []
    for _ in range(3):
        start = time.perf_counter()
        sum(i * i for i in range(200_000))
        tries.append(time.perf_counter() - start)
    return 1 / min(tries)
