"""The story of a run, told from its journal while it grows."""

import json

import pytest

from mlestar.errors import RunError
from mlestar.journal.following import Follower
from mlestar.journal.store import Store
from mlestar.memo import Execution
from mlestar.overview import show
from mlestar.records import Attempt, Judged, Outcome, Plan
from mlestar.telling import Sittings, Teller

from .growing import evaluated, execution, score


def test_a_story_grows_with_its_journal(growing):
    teller = Teller(growing.run)
    assert teller.look()
    assert teller.story().nodes == ()
    evaluated(growing, "start", 0.5)
    evaluated(growing, "branch-0/init/candidate/0", 0.7)
    assert teller.look()
    first = teller.story()
    assert [(n.address, n.kind, n.state) for n in first.nodes] == [
        ("start", "quick", "scored"),
        ("branch-0/init/candidate/0", "candidate", "scored"),
    ]
    assert [gain.score.value for gain in first.gains] == [0.5, 0.7]
    assert first.opened == (("train.csv", 2),)

    here, start = "branch-0/refine/0/inner/0", "branch-0/init/candidate/0"
    evaluated(growing, here, 0.6, (start,))
    growing.publish(here, Attempt(here, "model", Plan("try it", "model"), score(0.6), -0.1, False, 1.0))
    assert teller.look()
    attempt = teller.story().node(here)
    assert (attempt.kind, attempt.plan, attempt.gain, attempt.accepted) == ("attempt", "try it", -0.1, False)
    assert attempt.parents == (start,)
    assert [gain.score.value for gain in teller.story().gains] == [0.5, 0.7]
    assert Teller(growing.run).story().nodes == teller.story().nodes


def test_what_runs_and_what_failed_is_told(growing):
    teller = Teller(growing.run)

    def look():
        teller.look()
        assert teller.story().running == ("start/fold-0",)
        assert teller.story().node("start").state == "running"
        return execution(None)

    growing.step("start/fold-0", "execute", {}, Execution, look)
    teller.look()
    node = teller.story().node("start")
    assert (node.state, node.reason, node.runs[0].state) == ("failed", "E: no", "exception")


def test_a_look_has_nothing_to_judge_and_did_not_fail(growing):
    looked = Execution(Outcome("ok", 1.0), Judged("nothing to judge"))
    growing.step("start/look/look/all", "execute", {}, Execution, lambda: looked)
    teller = Teller(growing.run)
    teller.look()
    assert [(node.kind, node.state, node.reason) for node in teller.story().nodes] == [("look", "done", "")]


def test_a_step_that_was_given_up_is_gone(growing):
    teller = Teller(growing.run)

    def leave():
        teller.look()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        growing.step("start/fold-0", "execute", {}, Execution, leave)
    teller.look()
    assert teller.story().nodes == ()


def test_records_are_no_lines_for_people(growing):
    evaluated(growing, "start", 0.5)
    growing.note("start", "a line")
    teller = Teller(growing.run)
    teller.look()
    assert [note.text for note in teller.story().notes] == ["a line"]


def test_its_numbers_are_those_of_show(growing):
    evaluated(growing, "start", 0.5)
    teller = Teller(growing.run)
    teller.look()
    assert teller.story().summary == show(growing.run)


def test_nothing_new_is_nothing_to_tell(growing):
    teller = Teller(growing.run)
    assert teller.look()
    assert not teller.look()


def test_what_lies_between_sittings_does_not_count():
    sittings = Sittings(((100.0, 110.0, 10.0), (1000.0, 1005.0, 5.0)))
    assert [sittings.spent(wall) for wall in (90, 104, 500, 1002)] == [0, 4, 10, 12]


def test_a_row_that_was_changed_is_found(tmp_path):
    import sqlite3

    run = tmp_path / "run"
    with Store.create(run, {"name": "t", "state": "running", "settings": {}, "task": ""}) as store:
        follower = Follower(store.run)
        follower.news()
        evaluated(store, "start", 0.5)
    with sqlite3.connect(run / "journal.db") as db:
        db.execute("UPDATE steps SET result = ?", (json.dumps({"a": 1}),))
    with pytest.raises(RunError, match="damaged"):
        follower.news()
