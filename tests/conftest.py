"""A small mixed table as a task folder, and the command line as a user has it."""

import csv
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers that each take all cores spin: seven times the work

from mlestar.journal.store import Store

settings.register_profile("suite", deadline=None)  # a machine may be busy: tests of time measure it themselves
settings.load_profile("suite")

ROWS, TEST_ROWS = 240, 60
LIGHT = ["--set", f"library={Path(__file__).with_name('recipes')}"]  # models of numpy: a job takes a second, not three
SMALL = [  # count-bounded and short: one branch, one candidate, one plan
    "--jobs", "2", "--set", "branches=1", "--set", "init.candidates=1", "--set", "refine.outer=1",
    "--set", "refine.inner=1", "--set", "ensemble.rounds=2", "--set", "judging.folds=2", "--set", "bag=1",
    *LIGHT,
]  # fmt: skip
LONG = pytest.mark.skipif("MLESTAR_LONG" not in os.environ, reason="takes minutes: MLESTAR_LONG=1 make test runs it")
LEAST = [*SMALL, "--set", "refine.variants=0", "--set", "judging.folds=1"]  # no study, a single fold: half of the jobs


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Path:
    """Numbers, a category and missing values; the label follows from two of them, with noise."""
    folder = tmp_path_factory.mktemp("tasks") / "shop"
    folder.mkdir()
    rng = random.Random(3)
    rows: list[dict[str, object]] = []
    for i in range(ROWS + TEST_ROWS):
        spent, colour = rng.gauss(0, 1), rng.choice(["red", "green", "blue"])
        buys = spent + (colour == "red") + rng.gauss(0, 0.6) > 0.4
        rows.append({"id": f"c{i:04}", "spent": "" if i % 17 == 0 else round(spent, 3), "colour": colour,
                     "visits": rng.randint(0, 9), "buys": "yes" if buys else "no"})  # fmt: skip
    test = rows[ROWS:]
    write(folder / "train.csv", rows[:ROWS])
    write(folder / "test.csv", [{k: v for k, v in row.items() if k != "buys"} for row in test])
    write(folder / "sample_submission.csv", [{"id": row["id"], "buys": "no"} for row in test])
    (folder / "description.md").write_text("# Who buys?\n\n## Metric\n\nClassification accuracy, higher is better.\n")
    return folder


@pytest.fixture(scope="session")
def tool() -> Path:
    return Path(sys.executable).with_name("mle-star")


@pytest.fixture
def mle_star(tool):
    """Call the command line; returns the finished process."""

    def call(*arguments: object, timeout: float = 280, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [str(tool), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **extra}, check=False
        )

    return call


@pytest.fixture(scope="session")
def noted():
    """The same, with every paid act noted in a log outside the journal (mlestar.testing.driver)."""

    def call(log: Path, *arguments: object, moment: str = "-") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mlestar.testing.driver", str(log), moment, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)

    return call


def launches(log: Path) -> int:
    """Jobs launched; the probe of the installed modules is none of the run's."""
    return sum(line.startswith("launch ") and "/" in line for line in log.read_text().splitlines())


@pytest.fixture
def growing(tmp_path):
    """A journal of a run that a test writes itself, with the words of tests/growing.py."""
    facts = {"name": "t", "state": "running", "settings": {"brain": "playbook"}, "task_facts": {"direction": "max"}}
    with Store.create(tmp_path / "run", facts) as store:
        yield store
