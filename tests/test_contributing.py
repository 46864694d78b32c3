"""Free drive and steering: what people and assistants do to a run, beside a brain or instead of one."""

import json
import subprocess
import threading

import pytest

from mlestar import overview
from mlestar.journal import queries
from mlestar.records import Letter

from .conftest import LONG, SMALL

FOREST = """
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

train, test = pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv")
both = pd.get_dummies(pd.concat([train, test])[["spent", "colour", "visits"]]).fillna(-9)
model = RandomForestClassifier(50, random_state=0).fit(both[: len(train)], train["buys"])
test["buys"] = model.predict(both[len(train):])
test[["id", "buys"]].sample(frac=1, random_state=1).to_csv("submission.csv", index=False)
"""
LOOK = """
import pandas as pd

rows = pd.read_parquet("input/rows.parquet")
print(len(rows), "rows", sorted(rows.columns))
"""


@pytest.fixture
def open_run(task, mle_star, tmp_path):
    """A run that nobody drives: it waits for scripts."""
    run = tmp_path / "run"
    done = mle_star("run", task, "--out", run, "--brain", "none", "--set", "judging.folds=2", "--set", "bag=1")
    assert done.returncode == 0, done.stderr
    assert overview.show(run).state == "open"
    return run


def test_an_assistant_alone_hands_in_scripts_and_gets_an_honest_ensemble(open_run, mle_star, tmp_path, task):
    (tmp_path / "forest.py").write_text(FOREST)
    added = mle_star("add", open_run, tmp_path / "forest.py", "--as", "me", "--json")
    assert added.returncode == 0, added.stderr
    told = json.loads(added.stdout)
    assert told["solution"]["source"] == "me"
    assert 0.6 < told["score"]["value"] <= 1
    assert len(told["folds"]) == 2

    (tmp_path / "look.py").write_text(LOOK)
    seen = mle_star("look", open_run, tmp_path / "look.py")
    assert "240 rows" in seen.stdout
    assert "oof:no" in seen.stdout

    done = mle_star("finish", open_run)
    assert done.returncode == 0, done.stderr
    summary = overview.show(open_run)
    assert summary.state == "done"
    assert summary.estimate is not None
    keys = next(row for row in queries.steps(open_run, "finish-1/ensemble") if row.address.endswith("greedy")).result
    assert "added/1::" in (keys or ""), "what was handed in is a member like any other"


def test_a_finished_run_takes_another_script_and_finishes_anew(open_run, mle_star, tmp_path):
    assert mle_star("finish", open_run).returncode == 0
    alone = overview.show(open_run).search_score
    (tmp_path / "forest.py").write_text(FOREST)
    assert mle_star("add", open_run, tmp_path / "forest.py").returncode == 0
    assert overview.show(open_run).state == "done"
    assert mle_star("finish", open_run).returncode == 0
    keys = [row.result or "" for row in queries.steps(open_run) if row.address.startswith("finish-2/ensemble")]
    assert any("added/1::" in text for text in keys)
    assert overview.show(open_run).search_score is not None
    assert mle_star("finish", open_run).returncode == 0, "with nothing new it only replays"
    assert not [row for row in queries.steps(open_run) if row.address.startswith("finish-3")]
    assert alone is not None


def test_a_script_that_fails_says_why_and_harms_nothing(open_run, mle_star, tmp_path):
    (tmp_path / "broken.py").write_text('import pandas as pd\npd.read_csv("input/nothing.csv")\n')
    added = mle_star("add", open_run, tmp_path / "broken.py")
    assert added.returncode == 1
    assert "nothing.csv" in added.stdout
    assert mle_star("finish", open_run).returncode == 0


def test_several_hand_in_at_once_and_each_gets_its_own_answer(open_run, mle_star, tmp_path):
    names = [f"forest{i}" for i in range(3)]
    for i, name in enumerate(names):
        (tmp_path / f"{name}.py").write_text(FOREST.replace("random_state=0", f"random_state={i}"))
    answers: dict[str, subprocess.CompletedProcess[str]] = {}
    calls = [
        threading.Thread(target=lambda n=n: answers.update({n: mle_star("add", open_run, tmp_path / f"{n}.py")}))
        for n in names
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert [answers[n].returncode for n in names] == [0, 0, 0], [a.stderr for a in answers.values()]
    assert all(answers[n].stdout.startswith(n) for n in names)
    scored = [row for row in queries.steps(open_run, "added") if row.address.endswith("/scored")]
    assert len(scored) == 3


def test_what_is_said_before_or_while_a_run_goes_on_is_heard_and_replayed(task, mle_star, tmp_path):
    run = tmp_path / "run"
    done = mle_star("run", task, "--out", run, "--brain", "none", "--set", "judging.folds=2")
    assert done.returncode == 0
    for said in (["use the colour"], ["--forbid", "lightgbm"], ["--target", "model"]):
        assert mle_star("hint", run, *said, "--as", "me").returncode == 0
    done = mle_star("resume", run, "--brain", "playbook", *SMALL, "--set", "refine.variants=0")
    assert done.returncode == 0, done.stderr
    heard = next(row for row in queries.steps(run) if row.address == "branch-0/init/heard").read(tuple[Letter, ...])
    assert [(letter.about, letter.sender) for letter in heard] == [("hint", "me"), ("forbid", "me"), ("target", "me")]
    names = [row.result or "" for row in queries.steps(run, "branch-0") if "candidate-writer" in row.address]
    assert names
    assert not any('"name": "lightgbm' in name for name in names)
    before = overview.show(run).search_score
    assert mle_star("hint", run, "a later word").returncode == 0
    assert mle_star("resume", run).returncode == 0
    assert overview.show(run).search_score == before, "a replay hears what was heard, not what was said since"


@LONG
def test_a_cell_written_by_hand_is_tried_like_a_plan(task, mle_star, tmp_path):
    run = tmp_path / "run"
    assert mle_star("run", task, "--out", run, "--brain", "none", "--set", "judging.folds=2").returncode == 0
    (tmp_path / "cell.py").write_text('def post(prediction):\n    """As it is."""\n    return prediction * 1.0\n')
    assert mle_star("hint", run, "--cell", "post", "--from", tmp_path / "cell.py", "--as", "me").returncode == 0
    assert mle_star("resume", run, "--brain", "playbook", *SMALL, "--set", "refine.variants=0").returncode == 0
    notes = [note.text for note in queries.notes(run)]
    assert any("the cell as me wrote it" in text for text in notes)


def test_wrong_words_are_refused_with_the_way_out(open_run, mle_star):
    assert "say something" in mle_star("hint", open_run).stderr
    assert "--from FILE" in mle_star("hint", open_run, "--cell", "post").stderr
    gone = mle_star("add", open_run, "/no/script.py")
    assert gone.returncode == 2
    assert "/no/script.py" in gone.stderr
