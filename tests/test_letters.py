"""Letters to a run, with an executor that only pretends: none is mistaken for another, none ends a run."""

import csv
import hashlib
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlestar import casting, config, contributing, runs, scripts, steering
from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.records import Letter, Outcome, Scored

SIZES = ["branches=1", "init.candidates=1", "refine.outer=1", "refine.inner=1", "ensemble.rounds=1",
         "judging.folds=2", "bag=1", "refine.looks=0"]  # fmt: skip
SCRIPT = "import pandas as pd\nprint('hello %s')\n"


def watch(progress: object) -> None:
    """Nobody looks."""


class Pretender:
    """Outcomes that hang on the script's text alone; `ran` are the scripts that were paid for."""

    def close(self):
        pass

    wall, about, interpreter = "bubblewrap", "pretended", sys.executable

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, job) -> Outcome:
        self.ran.append(job.script)
        view, folder = Path(job.view), Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(job.script.encode()).hexdigest()
        if not (view / "test.csv").exists():
            return Outcome("ok", 0.05, output=f"looked {digest}")
        rng = random.Random(digest)
        with (view / "test.csv").open() as file:
            rows = [{"id": row["id"], "buys": rng.choice(["yes", "no"])} for row in csv.DictReader(file)]
        with (folder / "submission.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "buys"])
            writer.writeheader()
            writer.writerows(rows)
        return Outcome("ok", 0.05, files=("submission.csv",))

    def python_for(self, script: str) -> str:
        return self.interpreter

    def stop(self) -> None:
        """Nothing runs."""


@pytest.fixture
def pretender(monkeypatch):
    made = Pretender()
    monkeypatch.setattr(casting, "executor", lambda settings, run: made)
    monkeypatch.setattr(casting, "probe", lambda executor, names, **given: {
        name: SimpleNamespace(ok=True, version="1.0", error="") for name in names
    })  # fmt: skip
    return made


@pytest.fixture
def open_run(task, tmp_path, pretender):
    return start(task, tmp_path / "run")


def start(task: Path, run: Path, brain: str = "none") -> Path:
    runs.start(task, run, config.load(SIZES, jobs=1, brain=brain), watch)
    return run


def add(run: Path, name: str, text: str) -> Scored:
    return contributing.add_text(run, name, text, "me", watch)


def test_a_fork_and_a_run_without_its_letters_know_the_old_numbers(open_run, tmp_path, pretender):
    assert add(open_run, "first", SCRIPT % 1).solution.name == "first"
    contributing.look_text(open_run, "look", "print(1)\n", "me", watch)
    contributing.finish(open_run, {}, watch)
    runs.fork(open_run, "finish-1", tmp_path / "fork", {}, watch)
    before = len(pretender.ran)
    assert add(tmp_path / "fork", "second", SCRIPT % 2).solution.name == "second"
    assert any("hello 2" in script for script in pretender.ran[before:])
    (open_run / "mail.db").unlink()
    assert add(open_run, "third", SCRIPT % 3).solution.name == "third"
    contributing.look_text(open_run, "look", "print(2)\n", "me", watch)
    assert "print(2)\n" in pretender.ran


def test_words_that_a_run_has_heard_keep_their_numbers(open_run):
    mail = Mail(open_run)
    assert [mail.post("steer", "hint", text) for text in ("one", "two")] == [1, 2]
    runs.resume(open_run, {"brain": "playbook"}, watch)
    (open_run / "mail.db").unlink()
    mail.ask("branch-9/question", "planner", "what now?")
    assert mail.post("steer", "hint", "three") == 3


@pytest.mark.parametrize("text", ["print('a\0b')\n", "print('\udcff')\n", "", "# %% \n", "x = 1\r\ny = 2\r"])
@pytest.mark.parametrize("name", ["odd", "odd \udcff\0"])
def test_odd_texts_harm_nothing(open_run, text, name):
    add(open_run, name, text)
    contributing.look_text(open_run, name, text, name, watch)
    contributing.steer(open_run, "hint", f"listen {text}", "me")
    assert add(open_run, "fine", SCRIPT % 1).score is not None


def test_an_answer_with_odd_letters_is_kept(open_run):
    mail = Mail(open_run)
    mail.ask("start/planner/call-0", "planner", "what now?")
    mail.answer("start/planner/call-0", "this \udcff\0", "\udcff")
    assert mail.answer_to("start/planner/call-0").body == "this \ufffd\ufffd"


def test_a_letter_that_cannot_be_adopted_fails_alone(open_run, monkeypatch):
    def broken(shelf, request):
        raise ZeroDivisionError("oh")

    with monkeypatch.context() as patch:
        patch.setitem(casting.Playbook.plays, contributing.guests.roles.Adopt, broken)
        failed = add(open_run, "strange", SCRIPT % 1)
    assert failed.score is None
    assert "cannot be taken: oh" in (failed.reason or "")
    assert add(open_run, "fine", SCRIPT % 2).score is not None
    contributing.finish(open_run, {}, watch)
    assert any("strange: no score" in note.text for note in queries.notes(open_run, "added"))


def test_a_script_in_percent_format_is_taken_and_a_too_long_one_refused(open_run, pretender):
    assert add(open_run, "percent", "# %% imports\nimport pandas as pd\n\n# %% data\nprint(1)\n").score is not None
    long = add(open_run, "novel", "x = 1\n" * 200_000)
    assert long.score is None
    assert "novel is too long: 1,200,000 characters" in (long.reason or "")


def test_code_above_the_first_cell_counts_and_a_title_does_not(open_run, pretender):
    texts = [
        '# /// script\n# dependencies = ["a"]\n# ///\n"""One."""\nCOLUMN = "a"\n# %% look\nprint(COLUMN)\n',
        '# /// script\n# dependencies = ["a"]\n# ///\n"""Two\n\nlines."""\nCOLUMN = "a"\n# %% look\nprint(COLUMN)\n',
        '# /// script\n# dependencies = ["a"]\n# ///\n"""One."""\nCOLUMN = "b"\n# %% look\nprint(COLUMN)\n',
        '# /// script\n# dependencies = ["b"]\n# ///\n"""One."""\nCOLUMN = "a"\n# %% look\nprint(COLUMN)\n',
    ]
    for text in texts:
        Mail(open_run).post("look", "look", text)
    pretender.ran.clear()
    contributing.look_text(open_run, "last", "print('last')\n", "me", watch)
    assert [script for script in pretender.ran if "COLUMN" in script] == [texts[0], texts[2], texts[3]]


def test_another_runs_script_does_not_answer_for_a_letter(open_run, task, tmp_path):
    add(open_run, "first", SCRIPT % 1)
    other = start(task, tmp_path / "other", f"recorded:{open_run}")
    mine = add(other, "mine", SCRIPT % 77)
    assert mine.solution.name == "mine"
    assert "hello 77" in mine.solution.script


def test_a_ban_reaches_the_code_that_changed():
    heard = [
        Letter(1, "steer", "forbid", "CatBoost", "me", 0.0),
        Letter(2, "steer", "forbid", "target encoding", "", 0.0),
    ]
    old = "# %% setup\nimport pandas as pd\nfrom catboost import CatBoostClassifier as Cat\n\n# %% model\nm = Cat()\n"
    assert steering.breaches(heard, old) == ["not tried: somebody forbade 'CatBoost'"]
    for new, refused in (
        ("x = 1  # not catboost", False), ("x = 'catboost'", False), ("x = Cat(1)", True), ("import catboost", True),
        ("def target_encoding():\n    return 1", True), ("x = encode(target)", False), ("x = (", False),
    ):  # fmt: skip
        script = scripts.replace(old, {"more": new})
        assert bool(steering.breaches(heard, script, old)) == refused, new
    more = {"setup": "import pandas as pd\nimport catboost\nfrom catboost import CatBoostClassifier as Cat"}
    assert steering.breaches(heard, scripts.replace(old, more), old)
    assert not steering.breaches([], old)


def test_what_the_playbook_cannot_do_is_said(open_run):
    contributing.steer(open_run, "model", "RealMLP: an MLP with robust scaling", "me")
    contributing.steer(open_run, "target", "typo", "me")
    runs.resume(open_run, {"brain": "playbook"}, watch)
    notes = [note.text for note in queries.notes(open_run)]
    assert any("cannot write 'RealMLP: an MLP with robust scaling'" in text for text in notes)
    assert any("`typo` cannot be the target" in text for text in notes)
