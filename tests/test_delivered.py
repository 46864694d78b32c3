"""What was run on the real folder before the time ran short is handed in. With a pretended executor."""

import csv
import random
from pathlib import Path

import pytest

from mlestar import casting, config, evaluating, runs
from mlestar.journal import queries
from mlestar.memo import Execution, Memo
from mlestar.overview import show
from mlestar.records import FoldResult, Judged, Outcome, Score, Scored, Solution

from .conftest import write
from .test_letters import SCRIPT, SIZES, Pretender, pretender, watch  # noqa: F401

ROWS, TESTS = 2_400, 30


class Slow(Pretender):
    """The first script answers `no`, others nearly right; they take long, on the real folder `times` as long."""

    seconds, times = 100.0, 3.0

    def run(self, job):
        found = super().run(job)
        place = Path(job.folder) / "submission.csv"
        first = job.address.startswith(("start", "finalise/1"))
        if not place.exists() or first:
            return found
        with (Path(job.view) / "test.csv").open() as file:
            rows = [
                {"id": row["id"], "buys": "yes" if float(row["spent"]) > 0 else "no"} for row in csv.DictReader(file)
            ]
        write(place, rows)
        return Outcome(
            "ok", self.seconds * (self.times if job.view.endswith("real") else 1.0), files=("submission.csv",)
        )


@pytest.fixture
def slow(monkeypatch, pretender):  # noqa: F811
    made = Slow()
    monkeypatch.setattr(casting, "executor", lambda settings, run: made)
    return made


@pytest.fixture
def large(tmp_path):
    """So many rows that some are sealed."""
    folder, rng = tmp_path / "shop", random.Random(1)
    folder.mkdir()
    rows = [
        {"id": f"c{i:04}", "spent": round(rng.gauss(0, 1), 3), "visits": rng.randint(0, 9)} for i in range(ROWS + TESTS)
    ]
    told = ["yes" if row["spent"] + rng.gauss(0, 0.1) > 0 else "no" for row in rows]
    write(folder / "train.csv", [{**row, "buys": says} for row, says in zip(rows[:ROWS], told, strict=False)])
    write(folder / "test.csv", rows[ROWS:])
    write(folder / "sample_submission.csv", [{"id": row["id"], "buys": "no"} for row in rows[ROWS:]])
    (folder / "description.md").write_text("# Who buys?\n\n## Metric\n\nClassification accuracy.\n")
    return folder


def final(task, run):
    sizes = [size for size in SIZES if "refine.outer" not in size]
    runs.start(task, run, config.load([*sizes, "refine.outer=0"], jobs=1, budget="10m"), watch)
    return show(run), [row.address for row in queries.steps(run) if row.verb == "execute"]


def test_the_better_one_is_handed_in_though_the_finish_could_not_afford_to_begin_it(large, tmp_path, slow):
    """A fold of 100 s and a real run of 300 s: rehearsal and real run would need 900 s of 600, but one is there."""
    told, ran = final(large, tmp_path / "run")
    assert told.search_score > 0.9
    assert told.sealed_score > 0.9
    assert ran.count("finalise/0/rehearsal") == 1
    assert "branch-0/init/real" in ran


def test_without_time_for_a_rehearsal_it_is_handed_in_without_a_sealed_score(large, tmp_path, slow, monkeypatch):
    monkeypatch.setattr("mlestar.finishing.WHOLE", 10.0)  # it would take 1000 s
    told, ran = final(large, tmp_path / "run")
    assert told.search_score > 0.9
    assert told.sealed_score is None
    assert "finalise/0/rehearsal" not in ran
    assert "no time was left for its rehearsal" in queries.facts(tmp_path / "run")["final"]["notes"][0]


def test_a_time_limit_that_was_too_short_is_no_answer_for_who_has_longer():
    memo = Memo(None)
    found = Execution(Outcome("timeout", 20.0), Judged("too slow"))
    memo.keep("a", found)
    assert memo.known("a", 20.0) is memo.known("a", 10.0) is found
    assert memo.known("a", 60.0) is None
    memo.keep("b", Execution(Outcome("late", 20.0), Judged("too slow")))
    assert memo.known("b", 10.0) is None


class Failing(Slow):
    """On the real folder all but the first script fail."""

    seconds = 10.0

    def run(self, job):
        if job.view.endswith("real") and not job.address.startswith("start"):
            return Outcome("exception", 1.0, error="no room")
        return super().run(job)


def test_on_one_slot_what_cannot_be_handed_in_is_not_rehearsed(large, tmp_path, slow, monkeypatch):
    monkeypatch.setattr(casting, "executor", lambda settings, run: Failing())
    told, ran = final(large, tmp_path / "run")
    assert "finalise/0/rehearsal" not in ran
    assert ran[-1] == "finalise/1/rehearsal"
    assert "could not be finished" in queries.facts(tmp_path / "run")["final"]["notes"][0]
    assert told.sealed_score is not None


def scored(value):
    score, results = (
        Score(value, None, "max", (0,), (value,)),
        (FoldResult(0, Outcome("ok", 1.0), Judged(None, value)),),
    )
    return Scored(Solution(f"reaches {value}", SCRIPT % value, ""), "", score, None, results)


def test_a_branch_does_not_hand_in_what_is_no_better_than_anothers(large, tmp_path, slow):
    settings = config.load(None, budget="10m", jobs=1)
    with runs.single(large, settings, slow, watch, runs.Stopping(), tmp_path / "run") as (bench, _):
        first, lesser, better = (scored(value) for value in (0.7, 0.6, 0.8))
        assert evaluating.fits_the_finish(bench.at("a"), first)
        evaluating.submit(bench.at("a"), first.solution, first.score)
        assert not evaluating.fits_the_finish(bench.at("b"), lesser)
        assert evaluating.fits_the_finish(bench.at("c"), better)
        assert evaluating.fits_the_finish(bench.at("a"), lesser), "what was decided stands"
