"""The recorded run that ships as an example is replayed offline, every answer of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlestar import overview
from mlestar.journal import queries

ROOT = Path(__file__).parent.parent
ANSWERS = ROOT / "examples" / "passengers.jsonl"


def settings() -> list[str]:
    """The settings under which it was recorded, as `make example` has them."""
    verb = (ROOT / "Makefile").read_text().partition("example: setup")[2].partition("\n\n")[0]
    return [word for given in re.findall(r"--set (\S+)", verb) for word in ("--set", given)]


@pytest.mark.slow
def test_the_example_is_replayed(tmp_path: Path) -> None:
    task, run = tmp_path / "task", tmp_path / "run"
    subprocess.run([sys.executable, "demo/make_task.py", str(task)], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "mlestar.cli", "run", str(task), "--out", str(run), "--seed", "1", *settings()]
    subprocess.run([*command, "--brain", f"recorded:{ANSWERS}"], cwd=tmp_path, check=True, timeout=900)
    recorded = {one["address"]: one["reply"] for one in map(json.loads, ANSWERS.read_text().splitlines())}
    given = {s.address for s in queries.steps(run) if s.verb == "brain"}
    missed = {address for address in recorded if address not in given and not address.startswith("finalise/")}
    assert not missed, "the method no longer asks where the example has an answer: record it anew"
    shown = overview.show(run)
    assert shown.search_score is not None
    assert shown.search_score > 0.82  # the quick model has 0.806
