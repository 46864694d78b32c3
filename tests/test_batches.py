"""Batches of plans (`refine.batch`): chosen without each other's scores, tried side by side, whoever ends first."""

from types import SimpleNamespace

import pytest

from mlestar import algorithm, forecast
from mlestar.brains.spoken import telling
from mlestar.config import load
from mlestar.journal import queries
from mlestar.records import Attempt, Breadths, Plan

from .conftest import LONG, SMALL, launches

QUICK = [
    *SMALL, "--set", "refine.inner=3", "--set", "refine.variants=0", "--set", "refine.looks=0",
    "--set", "ensemble.rounds=1", "--set", "judging.seal=false",
]  # fmt: skip
BATCH = [*QUICK, "--set", "refine.batch=2"]


@pytest.fixture(scope="module")
def whole(task, noted, tmp_path_factory):
    """One run with batches of two, and its log."""
    folder = tmp_path_factory.mktemp("batches")
    done = noted(folder / "log", "run", task, "--out", folder / "run", *BATCH)
    assert done.returncode == 0, done.stderr
    return folder / "run", folder / "log"


def tree(run):
    """Where what was asked and run: for jobs their script and view, for plans their answer; no measured seconds."""
    return {
        row.address: row.inputs if row.verb == "execute" else row.read(Plan) if row.address.endswith("/planner") else ""
        for row in queries.steps(run)
    }


def test_plans_of_a_batch_are_chosen_before_any_of_them_is_tried(whole):
    run, log = whole
    acts = [line.partition("/inner/")[2] for line in log.read_text().splitlines() if "/inner/" in line]
    asked = [acts.index(f"{k}/planner") for k in range(3)]
    ran = [[i for i, act in enumerate(acts) if act.startswith(f"{k}/fold-")] for k in range(3)]
    assert asked[0] < asked[1] < min(ran[0] + ran[1])
    assert max(ran[0] + ran[1]) < asked[2] < min(ran[2])
    plans = [found.text for address, found in tree(run).items() if address.endswith("/planner")]
    assert len(set(plans)) == 3


def test_slots_change_nothing(whole, task, mle_star, tmp_path):
    other = ["--jobs", "1", "--brain", f"recorded:{whole[0]}"]
    done = mle_star("run", task, "--out", tmp_path / "run", *BATCH, *other)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "run") == tree(whole[0])


@LONG
def test_a_run_killed_in_the_midst_of_a_batch_goes_on(whole, task, noted, tmp_path):
    run, log = whole
    lines = [line for line in log.read_text().splitlines() if line.startswith("launch ") and "/" in line]
    before = next(i for i, line in enumerate(lines) if "/inner/" in line)
    done = noted(tmp_path / "log", "run", task, "--out", tmp_path / "run", *BATCH, moment=f"ended:{before + 2}")
    assert done.returncode == -9
    assert [row.state for row in queries.steps(tmp_path / "run") if "/inner/1/" in row.address].count("running") > 0
    done = noted(tmp_path / "log", "resume", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "run") == tree(run)
    assert launches(tmp_path / "log") - launches(log) <= 2, "of two jobs under way, none that was recorded"


class Bench:
    """A lab whose plans run out, or whose time does, at `end`; a higher name is better."""

    def __init__(self, texts, end, address="", tried=None):
        self.texts, self.end, self.address = texts, end, address
        self.tried = [] if tried is None else tried

    def at(self, name):
        return Bench(self.texts, self.end, name, self.tried)

    def abreast(self, count):
        return self

    def listen(self):
        return self

    def time_for(self, cost, like):
        return self.end != f"time {self.address}"

    def plan(self, start, target, findings, ledger):
        if self.address == "3":
            assert [a.open for a in ledger] == [False, False, True], "the third plan of this step is being tried"
        return None if self.end == f"plan {self.address}" else Plan(self.texts[int(self.address)], "model")

    def draft(self, plan, fits):
        return Attempt(self.address, plan.cell, plan, None, None, False, 0.0)

    def implement(self, start, draft, best):
        self.tried.append((draft.plan.text, best.name))
        return SimpleNamespace(name=draft.plan.text)

    def better(self, challenger, best):
        return best.name == "start" or challenger.name > best.name

    def record(self, plan, challenger, start, accepted):
        return Attempt("", plan.cell, plan, None, None, accepted, 1.0, "recorded")

    def side_by_side(self, calls):
        return [call() for call in reversed(calls)][::-1]


@pytest.mark.parametrize(
    ("end", "count"), [("", 5), ("plan 3", 3), ("time 3", 3), ("plan 2", 2), ("time 0", 0)]
)  # fmt: skip
def test_what_was_chosen_is_tried_when_plans_or_time_end_in_mid_batch(end, count):
    lab, ledger = Bench("13254", end), []
    start = SimpleNamespace(name="start", solution=SimpleNamespace(cost=1.0))
    best = algorithm.explore(lab, start, None, (), ledger, Breadths(inner=5, batch=2))
    assert [(a.plan.text, a.accepted) for a in ledger] == list(
        zip("13254", [True, True, False, True, False], strict=True)
    )[:count]
    against = ["start", "start", "3", "3", "5"]
    assert sorted(lab.tried) == sorted(zip("13254"[:count], against[:count], strict=True)), (
        "the best at the batch's start"
    )
    assert best.name == {5: "5", 3: "3", 2: "3", 0: "start"}[count]


@pytest.mark.parametrize(("onward", "starts"), [(False, ["start"] * 5), (True, ["start", "1", "3", "3", "5"])])
def test_a_plan_starts_where_its_step_did_or_onward_from_the_best_so_far(onward, starts, monkeypatch):
    began, made = [], SimpleNamespace(cost=1.0)

    def implement(lab, start, draft, best):
        began.append(start.name)
        return SimpleNamespace(name=draft.plan.text, solution=made)

    monkeypatch.setattr(Bench, "implement", implement)
    start, plan = SimpleNamespace(name="start", solution=made), lambda lab, *known: Plan("13254"[int(lab.address)], "x")
    monkeypatch.setattr(Bench, "plan", plan)
    best = algorithm.explore(Bench("", ""), start, None, (), [], Breadths(inner=5, onward=onward))
    assert best.name == "5"
    assert began == starts


def test_a_planner_in_words_is_told_what_runs_beside_it():
    done = Attempt("a", "model", Plan("deeper trees", "model"), None, None, False, 1.0, "timeout")
    beside = Attempt("b", "model", Plan("shallow trees", "model"), None, None, False, 0.0)
    alone, both = telling.ledger([done]), telling.ledger([done, beside])
    assert "being tried" not in alone
    assert "model | being tried | none || 0 s | shallow trees" in both.replace("|  |", "||")
    assert "unlike" in both


def test_a_batch_changes_no_number_of_calls_or_jobs_and_the_forecast_says_so(task):
    alone, batch = (forecast.forecast(task, load([f"refine.batch={n}"], brain="openai:gpt-5-mini")) for n in (1, 4))
    assert (batch.calls, batch.jobs) == (alone.calls, alone.jobs)
    assert "plans are tried 4 at a time" in forecast.told(batch)
    assert "plans are tried" not in forecast.told(alone)
