"""The bench's nouns: a task with answers, a system to compare with, one cell of the table, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from mlestar.records import Direction

OURS = "mle-star"
LOST = "the grader was asked before, and what it said is lost; it is not asked again"
State = Literal["done", "failed", "missing"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchTask:
    """A task with its answers. `grader` is a command in which `{submission}` stands for the file; () without one. `by`
    is who grades.

    `thresholds` are (medal, score), the best medal first; () where none are known or comparable.
    """

    name: str
    public: Path
    private: Path
    grader: tuple[str, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    direction: Direction | None = None
    by: str = OURS


@dataclass(frozen=True)
class Competitor:
    """Another system: a runner script, and the packages of the environment in which it runs.

    Without requirements it runs in mle-star's own interpreter. `package` is the distribution whose version is shown.
    """

    name: str
    runner: Path
    requirements: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True)
class Asked:
    """What one call of the bench is to fill in."""

    seeds: tuple[int, ...]
    against: tuple[Competitor, ...] = ()
    only: str = "*"
    grading: bool = True
    side_by_side: int | None = None  # of mle-star's cells on a cluster; None: as many as fit

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of all systems, ours first."""
        return (OURS, *(other.name for other in self.against))

    def wants(self, task: str) -> bool:
        """Whether the task is one of those asked for."""
        return fnmatchcase(task, self.only)


@dataclass(frozen=True)
class Grade:
    """What a submission is worth on the test. `by` is who said so; `error` why there is no score.

    `own` is the same by mle-star's metric on the private answers, where they can be read, and `replicates` that metric
    on bootstrap resamples of the test rows, the same resamples for every system.
    """

    by: str
    score: float | None = None
    medal: str = ""
    error: str = ""
    own: float | None = None
    replicates: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """One system on one task with one seed. Times in seconds of wall time; `cost_usd` is None where it is unknown.

    `executor` is where it ran (local or ray), `jobs` how many of a run's jobs ran side by side, `cores` what they had.
    `missing` cells could not be begun, and are tried again by the next call; `failed` ones are final.
    """

    task: str
    system: str
    seed: int
    state: State
    reason: str = ""
    seconds: float | None = None
    calls: int = 0
    cost_usd: float | None = 0.0
    metric: str = ""
    direction: Direction | None = None
    search: float | None = None
    search_stderr: float | None = None
    sealed: float | None = None
    sealed_stderr: float | None = None
    estimate: float | None = None
    estimate_stderr: float | None = None
    version: str = ""
    machine: str = ""
    date: str = ""
    executor: str = ""
    jobs: int | None = None
    cores: int | None = None
    grade: Grade | None = None

    @property
    def test(self) -> float | None:
        """The graded score."""
        return self.grade.score if self.grade else None

    @property
    def fell(self) -> bool:
        """Whether it was tried, and its system has nothing to show that counts."""
        return self.state == "failed" or (self.grade is not None and self.test is None and self.grade.error != LOST)
