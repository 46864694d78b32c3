"""The story of a run, told from its journal while it grows."""

import json

import pytest

from mlestar.errors import RunError
from mlestar.journal.following import Follower
from mlestar.journal.store import Store
from mlestar.overview import show
from mlestar.records import Attempt, Judged, Outcome, Plan, Score, Tried
from mlestar.telling import Sittings, Teller
from mlestar.workbench import Execution


def score(value):
    return Score(value, 0.01, "max", (0,), (value,))


def execution(value):
    outcome = Outcome("ok", 1.0, opened=("train.csv",)) if value else Outcome("exception", 1.0, error="boom\nE: no")
    return Execution(outcome, Judged(None, value) if value else Judged("the script ended with exception"))


def evaluated(store, address, value, parents=()):
    store.step(f"{address}/fold-0", "execute", {"at": address}, Execution, lambda: execution(value))
    known = score(value) if value else None
    script = store.save(address.encode())
    store.publish(address, Tried("name", "s", script, parents, known, None if value else "no", False, 1.0))


@pytest.fixture
def store(tmp_path):
    facts = {"name": "t", "state": "running", "settings": {"brain": "playbook"}, "task_facts": {"direction": "max"}}
    with Store.create(tmp_path / "run", facts) as store:
        yield store


def test_a_story_grows_with_its_journal(store):
    teller = Teller(store.run)
    assert teller.look()
    assert teller.story().nodes == ()
    evaluated(store, "start", 0.5)
    evaluated(store, "branch-0/init/candidate/0", 0.7)
    assert teller.look()
    first = teller.story()
    assert [(n.address, n.kind, n.state) for n in first.nodes] == [
        ("start", "quick", "scored"),
        ("branch-0/init/candidate/0", "candidate", "scored"),
    ]
    assert [gain.score.value for gain in first.gains] == [0.5, 0.7]
    assert first.opened == (("train.csv", 2),)

    here, start = "branch-0/refine/0/inner/0", "branch-0/init/candidate/0"
    evaluated(store, here, 0.6, (start,))
    store.publish(here, Attempt(here, "model", Plan("try it", "model"), score(0.6), -0.1, False, 1.0))
    assert teller.look()
    attempt = teller.story().node(here)
    assert (attempt.kind, attempt.plan, attempt.gain, attempt.accepted) == ("attempt", "try it", -0.1, False)
    assert attempt.parents == (start,)
    assert [gain.score.value for gain in teller.story().gains] == [0.5, 0.7]
    assert Teller(store.run).story().nodes == teller.story().nodes


def test_what_runs_and_what_failed_is_told(store):
    teller = Teller(store.run)

    def look():
        teller.look()
        assert teller.story().running == ("start/fold-0",)
        assert teller.story().node("start").state == "running"
        return execution(None)

    store.step("start/fold-0", "execute", {}, Execution, look)
    teller.look()
    node = teller.story().node("start")
    assert (node.state, node.reason, node.runs[0].state) == ("failed", "E: no", "exception")


def test_a_step_that_was_given_up_is_gone(store):
    teller = Teller(store.run)

    def leave():
        teller.look()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.step("start/fold-0", "execute", {}, Execution, leave)
    teller.look()
    assert teller.story().nodes == ()


def test_records_are_no_lines_for_people(store):
    evaluated(store, "start", 0.5)
    store.note("start", "a line")
    teller = Teller(store.run)
    teller.look()
    assert [note.text for note in teller.story().notes] == ["a line"]


def test_its_numbers_are_those_of_show(store):
    evaluated(store, "start", 0.5)
    teller = Teller(store.run)
    teller.look()
    assert teller.story().summary == show(store.run)


def test_nothing_new_is_nothing_to_tell(store):
    teller = Teller(store.run)
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
