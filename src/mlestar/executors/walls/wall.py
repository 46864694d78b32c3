"""What a wall is: a way to turn a command into one that cannot reach out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mlestar.records import Limits

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "PYTHON_CPU_COUNT",
)
# How long a waiting thread of GNU OpenMP spins before it sleeps. By default so long that, beside other work, those that
# spin keep the others from their turn: LightGBM on two threads took 27 s for 0.6. So 6 s, and 0.6 still at rest.
SPINS = {"GOMP_SPINCOUNT": "10000"}
_NAMESPACED_COUNT = (5, 14)  # since this Linux a user namespace counts its own processes


@dataclass(frozen=True)
class Place:
    """Where a job lives on our side: its writable folder, its view, and what else it may read.

    `assets` is what it sees as `assets/`; without, it sees none. `reads` are parts of an interpreter of its own.
    `models` is the same for fitted models.
    """

    folder: Path
    view: Path
    limits: Limits
    assets: Path | None = None
    reads: tuple[Path, ...] = ()
    models: Path | None = None

    @property
    def shown(self) -> dict[str, Path]:
        """What it sees in folders of its own, by their names."""
        return {name: path for name, path in (("assets", self.assets), ("models", self.models)) if path is not None}


@dataclass(frozen=True)
class Launch:
    """A wrapped command. `descriptors` were opened for it and are to be closed once it has started."""

    argv: list[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wall:
    """No wall: the command runs as it is, as the user, with the user's reach.

    `about` says how it is made here. `processes_bound` tells whether the kernel's own limit on processes
    holds for a job alone; with `mapped_status` a death by signal n comes as status 128 + n.
    """

    name: ClassVar[str] = "none"
    mapped_status: ClassVar[bool] = False
    about: str
    processes_bound: bool = False

    def inside(self, place: Place) -> tuple[str, str]:
        """The job's folder and its view, as the job sees them."""
        return str(place.folder), str(place.view)

    def lay(self, place: Place) -> None:
        """Make ready what the folder needs for this wall: `input` and the others are how the script finds them."""
        (place.folder / "input").symlink_to(place.view, target_is_directory=True)
        for name, path in place.shown.items():
            (place.folder / name).symlink_to(path, target_is_directory=True)

    def launch(self, argv: Sequence[str], place: Place, environment: dict[str, str]) -> Launch:
        """Wrap `argv`, which is to run in the job's folder with `environment`."""
        return Launch(list(argv), environment)


def environment(interpreter: str, home: str, threads: int) -> dict[str, str]:
    """All that a job sees of an environment; nothing of our own process's is in it."""
    return {
        "PATH": f"{os.path.dirname(interpreter)}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "job",
        "TMPDIR": f"{home}/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore",  # a thousand of them would drown what was to be seen
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        **dict.fromkeys(THREADS, str(threads)),
        **SPINS,
    }


def counts_processes() -> bool:
    """Whether this kernel's limit on processes counts those of a user namespace alone."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()) or 0)) >= _NAMESPACED_COUNT


def devices() -> list[Path]:
    """The nodes of graphics processors, NVIDIA's and AMD's, that jobs may use."""
    return [*sorted(Path("/dev").glob("nvidia*")), *(p for p in (Path("/dev/kfd"), Path("/dev/dri")) if p.exists())]
