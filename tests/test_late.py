"""A job whose time is up before a cluster has a place for it is no script's fault. With a pretended executor."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlestar import casting, config, runs
from mlestar.errors import NoSolution
from mlestar.journal import queries
from mlestar.memo import Execution
from mlestar.records import Limits, Outcome
from mlestar.telling import Teller

from .test_letters import SCRIPT, SIZES, Pretender, pretender, watch  # noqa: F401


class Full(Pretender):
    """A cluster without a place for the first `times` jobs whose addresses match `when`."""

    when, times = "", 0

    def run(self, job):
        if self.times and re.search(self.when, job.address) and job.limits.left is not None:
            self.times -= 1
            return Outcome("late", 0.0, error="the time was up 9 s after it was sent")
        return super().run(job)


@pytest.fixture
def full(monkeypatch, pretender):  # noqa: F811
    made = Full()
    monkeypatch.setattr(casting, "executor", lambda settings, run: made)
    return made


def begin(task, run, *more):
    runs.start(task, run, config.load([*SIZES, *more], jobs=1, budget="10m"), watch)
    return run


def story(run):
    teller = Teller(run)
    teller.look()
    return teller.story()


def states(run):
    """Of each job its inputs and how it ended."""
    rows = [row for row in queries.steps(run) if row.verb == "execute"]
    return [(row.inputs, row.read(Execution).outcome.state) for row in rows]


def test_a_script_that_found_no_place_is_dropped_not_mended(task, tmp_path, full):
    full.when, full.times = "^branch-0/init/candidate/0/fold", 1
    run = begin(task, tmp_path / "run", "init.candidates=2", "judging.race=0")
    assert [state for _, state in states(run)].count("late") == 1
    assert queries.facts(run)["state"] == "done"
    assert not [row.address for row in queries.steps(run) if "/debug" in row.address]
    dropped = [row for row in story(run).nodes if row.state == "dropped"]
    assert [one.reason for one in dropped] == ["late: the time was up 9 s after it was sent"]
    before = [(row.address, row.result) for row in queries.steps(run)]
    runs.resume(run, {}, watch)
    assert [(row.address, row.result) for row in queries.steps(run)] == before, "a replay takes the same turns"


def test_a_run_whose_first_script_has_no_time_ends_at_once(task, tmp_path, full):
    full.when, full.times = "^start/fold-0", 9
    with pytest.raises(NoSolution, match="the time was up before the cluster"):
        begin(task, tmp_path / "run")
    assert [state for _, state in states(tmp_path / "run")] == ["late"]


def test_what_was_late_once_is_run_when_it_is_wanted_again(task, tmp_path, full):
    full.when, full.times = "^first", 1
    settings = config.load(None, budget="10m", jobs=1)
    with runs.single(task, settings, full, watch, runs.Stopping(), tmp_path / "run") as (bench, _):
        ended = [bench.at(name).execute("fold-0", SCRIPT % 1, "fold-0")[0].state for name in ("first", "then", "last")]
    assert ended == ["late", "ok", "ok"]
    assert len(full.ran) == 1


def test_a_job_waits_no_longer_than_its_phase_and_its_grace_last():
    limits = Limits(600.0, 1000, left=100.0, grace=30.0)
    assert limits.patience == 130.0
    assert [limits.after(waited) for waited in (0.0, 60.0, 99.0)] == [100.0, 40.0, 30.0]
    over = Limits(600.0, 1000, left=-500.0, grace=30.0)
    assert (over.patience, over.after(1.0)) == (20.0, 30.0)
    assert Limits(600.0, 1000).patience == Limits(600.0, 1000).after(9.0) == float("inf")


def test_a_job_that_may_use_what_the_finish_keeps_back_has_that_on_a_cluster_too(task, tmp_path, full):
    """Where a phase has 20 s left: the executor of a cluster goes by the time until a job's time is up."""
    settings = config.load(None, budget="10m", jobs=1)
    with runs.single(task, settings, full, watch, runs.Stopping(), tmp_path / "run") as (bench, _):
        here = replace(bench, address="branch-0/init", clock=SimpleNamespace(spent=lambda: 490.0))
        usual, longer = here.limits(), here.limits(90.0)
    assert (usual.seconds, usual.after(0.0), usual.patience) == (20.0, 20.0, 40.0)
    assert (longer.seconds, longer.after(0.0), longer.patience) == (90.0, 90.0, 110.0)
