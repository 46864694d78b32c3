"""A task.py: a folder that is no table becomes one, behind the wall; it is checked, and labels stay hidden."""

import json
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar import config, runs, task_keeping, task_reading
from mlestar.errors import NoSolution, RunError, TaskError
from mlestar.executors.service import Service
from mlestar.records import Limits
from mlestar.tasks.check import check
from mlestar.tasks.prepared import prepare, reopen
from mlestar.testing.llm_server import LlmServer, Reply

KNOWN, ASKED = 120, 30
CODE = """
import json
import pandas as pd

def tables(folder):
    def read(name):
        rows = json.loads((folder / "parcels" / name).read_text())["list"]
        return pd.DataFrame(
            {"code": r["code"], "total": sum(r["items"]), "tags": r["tags"], "verdict": r.get("verdict")} for r in rows
        )
    return read("known.json"), read("asked.json").drop(columns="verdict"), None
"""
SCORE = "\ndef score(truth, prediction, train):\n    return float((truth.verdict {} prediction.verdict).mean())\n"
UNSTEADY = """
import os
steady = tables

def tables(folder):
    train, test, sample = steady(folder)
    train["total"] += int.from_bytes(os.urandom(4), "big")
    return train, test, sample
"""
OWN = '[task]\nmetric = "task.py:score"\ndirection = "{}"\n'
SMALL = [
    "--jobs", "2", "--set", "branches=1", "--set", "init.candidates=1", "--set", "refine.outer=0",
    "--set", "ensemble.rounds=1", "--set", "judging.folds=2", "--set", "bag=1",
]  # fmt: skip


def parcels(seed: int = 1) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for i in range(KNOWN + ASKED):
        items = [round(rng.uniform(0, 5), 2) for _ in range(rng.randint(2, 6))]
        rows.append(
            {"code": f"p{i:03}", "items": items, "tags": ["a", 1], "verdict": "light" if sum(items) < 9 else "heavy"}
        )
    return rows[:KNOWN], [{k: v for k, v in row.items() if k != "verdict"} for row in rows[KNOWN:]]


def lay(folder: Path, known: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
    (folder / "parcels").mkdir(parents=True, exist_ok=True)
    (folder / "parcels" / "known.json").write_text(json.dumps({"by": "hand", "list": known}))
    (folder / "parcels" / "asked.json").write_text(json.dumps({"by": "hand", "list": asked}))
    (folder / "sample_submission.csv").write_text("code,verdict\n" + "".join(f"{r['code']},light\n" for r in asked))
    (folder / "description.md").write_text("# Parcels\n\nIs a parcel heavy? Accuracy, higher is better.\n")


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Labels inside nested JSON, and no train table."""
    folder = tmp_path / "boxes"
    lay(folder, *parcels())
    (folder / "task.py").write_text(CODE)
    return folder


def serve(program: str, files: Mapping[str, bytes] | Path) -> Any:
    return Service(program, files).ask


def impatient(program: str, files: Mapping[str, bytes] | Path) -> Any:
    return Service(program, files, limits=Limits(seconds=6.0, memory_mb=1024, processes=64, disk_mb=8)).ask


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_without_it_the_folder_is_refused_and_with_it_understood(boxes: Path) -> None:
    seen = check(boxes, serve)
    for words in (
        "kind custom",
        "train.csv, 120 rows",
        "label in verdict",
        "train: made by task.py",
        "self-check: by accuracy",
    ):
        assert words in seen
    assert "a perfect submission scores 1," in seen
    with pytest.raises(TaskError, match="nothing to run it in"):
        check(boxes)
    (boxes / "task.py").rename(boxes / "other.py")
    with pytest.raises(TaskError, match=r"write a task\.py"):
        check(boxes, serve)
    (boxes / "task.toml").write_text('[task]\nkind = "custom"\n')
    with pytest.raises(TaskError, match=r"there is no task\.py"):
        check(boxes, serve)


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock", "none"])
def test_it_runs_behind_every_wall(boxes: Path, wall: str) -> None:
    assert "kind custom" in check(boxes, lambda program, files: Service(program, files, wall).ask)


def test_views_hold_the_made_tables_and_nothing_that_they_were_made_of(boxes: Path, tmp_path: Path) -> None:
    task = prepare(boxes, tmp_path / "run", 0, serve=serve)
    names = {"train.csv", "test.csv", "sample_submission.csv", "description.md"}
    for name in ("fold-0", "real"):
        assert set(tree(task.view(name))) == names
    fold, real = (pd.read_csv(task.view(name) / "test.csv", dtype=str) for name in ("fold-0", "real"))
    assert list(fold) == list(real) == ["code", "total", "tags"]
    assert set(fold["tags"]) == {'["a", 1]'}
    assert len(real) == ASKED
    assert task.profile.kind == "table", "what scripts see of it, and recipes are chosen by"
    assert any(line.startswith("self-check") for line in task.evidence)


def test_held_labels_change_nothing_on_the_test_side(boxes: Path, tmp_path: Path) -> None:
    """Non-interference (DESIGN.md §4), from the raw files on; the cut is one that looks at no labels."""
    (boxes / "task.toml").write_text('[task]\nsplit = "random"\n')
    task = prepare(boxes, tmp_path / "one", 0, serve=serve)
    held = task.views.held("fold-0")
    known, asked = parcels()
    other = [dict(row) for row in known]
    for place, verdict in zip(
        held, np.random.default_rng(1).permutation([known[i]["verdict"] for i in held]), strict=True
    ):
        other[place]["verdict"] = str(verdict)
    assert other != known
    lay(boxes, other, asked)
    again = prepare(boxes, tmp_path / "two", 0, serve=serve)
    assert np.array_equal(again.views.held("fold-0"), held)
    before, after = tree(task.view("fold-0")), tree(again.view("fold-0"))
    assert before == after, "the fold's training rows are as they were, and nothing else may tell a held label"
    assert tree(task.view("fold-1")) != tree(again.view("fold-1")), "there they are training rows"


def test_files_of_rows_and_shared_ones_are_in_views_only_where_task_toml_names_them(
    boxes: Path, tmp_path: Path
) -> None:
    known, asked = parcels()
    for row in (*known, *asked):
        (boxes / "notes").mkdir(exist_ok=True)
        (boxes / "notes" / f"{row['code']}.txt").write_text(f"note {row['items']}")
    (boxes / "graph").mkdir()
    (boxes / "graph" / "edges.txt").write_text("1 2")
    assert not (prepare(boxes, tmp_path / "one", 0, serve=serve).view("fold-0") / "notes").exists()
    (boxes / "task.toml").write_text(
        '[task]\nshared = "graph"\n[[assets]]\ntrain = "notes/{code}.txt"\ntest = "notes/{code}.txt"\n'
    )
    task = prepare(boxes, tmp_path / "two", 0, serve=serve)
    fold, real = task.view("fold-0"), task.view("real")
    assert (fold / "graph" / "edges.txt").read_text() == "1 2"
    assert len(list((fold / "notes").iterdir())) == KNOWN
    assert len(list((real / "notes").iterdir())) == KNOWN + ASKED
    assert not (real / "parcels").exists()
    held = task.views.held("fold-0")[0]
    code = pd.read_csv(fold / "test.csv", dtype=str)["code"][0]
    assert (fold / "notes" / f"{code}.txt").read_text() == f"note {known[held]['items']}"
    (boxes / "task.toml").write_text('[task]\nshared = "grph"\n')
    with pytest.raises(TaskError, match="shared = 'grph'"):
        check(boxes, serve)
    (boxes / "task.py").unlink()
    (boxes / "train.csv").write_text("code,verdict\n" + "".join(f"{r['code']},{r['verdict']}\n" for r in known))
    with pytest.raises(TaskError, match=r"for folders with a task\.py"):
        check(boxes, serve)


def test_a_resumed_run_has_the_tables_it_began_with(boxes: Path, tmp_path: Path) -> None:
    (boxes / "task.py").write_text(CODE + UNSTEADY)
    run = tmp_path / "run"
    first = prepare(boxes, run, 0, serve=serve)
    again = reopen(run)  # nothing is run: the tables were kept
    assert again.source.train.frame.equals(first.source.train.frame)
    (run / "task" / "tables" / "train.csv").unlink()
    with pytest.raises(RunError, match="must not change from call to call"):
        reopen(run, serve)


MADE = "import pandas\ndef tables(folder):\n    return pandas.DataFrame({}), None, None"
WRONG = {
    "import": ("import nosuchthing", "fails when it is loaded: ModuleNotFoundError"),
    "syntax": ("def tables(folder:", "fails when it is loaded: SyntaxError"),
    "no function": ("x = 1", r"no function tables\(folder\)"),
    "raises": ("def tables(folder):\n    return 1 / 0", r"ZeroDivisionError: division by zero \(line 2\)"),
    "two": ("def tables(folder):\n    return 1, 2", "returned tuple .* not three DataFrames"),
    "no frame": ("def tables(folder):\n    return [1], None, None", "returned list as train"),
    "no train": ("def tables(folder):\n    return None, None, None", "no train table"),
    "leaves": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "dies": ("import os\nos._exit(3)", "it ended without an answer"),
    "empty": (MADE.format("{'a': []}"), "no rows"),
    "twice": (MADE.format("[[1, 2]], columns=['a', 'a']"), "twice"),
    "few": (CODE.replace('return read("known.json")', 'return read("known.json")[:5]'), "5 rows"),
    "half": (MADE.format("{'a': pandas.Series(['\\ud800'], dtype=object)}"), "half of a character"),
    "hangs": ("while True: pass", "took too long"),
    "score unnamed": (CODE + SCORE.format("=="), "metric = \"task.py:score\""),
    "target": (CODE.replace('"verdict": r.get', '"word": r.get').replace('columns="verdict"', 'columns="word"').replace(
        '"tags"', '"verdict_": 1, "tags"'), "task.py"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_is_one_line(boxes: Path, tmp_path: Path, name: str) -> None:
    code, words = WRONG[name]
    (boxes / "task.py").write_text(code)
    with pytest.raises(TaskError, match=words) as error:
        prepare(boxes, tmp_path / "run", 0, serve=impatient)
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)
    assert "task.py" in str(error.value)


HOSTILE = {
    "reads outside": "open({secret!r}).read()",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "writes the folder": "open('input/task.toml', 'w').write('x')",
    "writes outside": "open({outside!r}, 'w').write('x')",
    "forges": "import os, sys\nos.write(int(sys.argv[1]), b'x' * 4096)",
    "lies": 'import os, struct, sys\nd = b\'{{"sizes": {{"train": 9999999999999}}}}\'\n'
    "os.write(int(sys.argv[1]), struct.pack('<Q', len(d)) + d)\nwhile True: pass",
    "other sizes": 'import os, struct, sys\nd = b\'{{"sizes": {{"train": true}}}}\'\n'
    "os.write(int(sys.argv[1]), struct.pack('<Q', len(d)) + d)\nwhile True: pass",
    "prints": "while True: print('x' * 1000000)",
    "eats": "x = bytearray(3 * 2**30)",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_reaches_nothing(boxes: Path, tmp_path: Path, name: str) -> None:
    secret, outside = tmp_path / "secret", tmp_path / "outside"
    secret.write_text("the secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        code = HOSTILE[name].format(secret=str(secret), outside=str(outside), port=server.getsockname()[1])
        (boxes / "task.py").write_text(f"{code}\n{CODE}")
        before = tree(boxes)
        with pytest.raises(TaskError) as error:
            prepare(boxes, tmp_path / "run", 0, serve=impatient)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "secret" not in str(error.value).replace(str(secret), "")
    assert name != "lies" or "at most" in str(error.value)
    assert tree(boxes) == before
    assert not outside.exists()
    assert "\n" not in str(error.value)


SCORES = {
    "right": (SCORE.format("=="), "max", ""),
    "other way": (SCORE.format("=="), "min", "the perfect one should be the best"),
    "deaf": ("\ndef score(truth, prediction, train):\n    return 1.0\n", "max", "the score tells nothing"),
    "fails": ("\ndef score(truth, prediction, train):\n    return truth.nothing\n", "max", "AttributeError"),
}


@pytest.mark.parametrize("name", SCORES)
def test_the_self_check_finds_a_score_that_does_not_judge(boxes: Path, name: str) -> None:
    code, direction, words = SCORES[name]
    (boxes / "task.py").write_text(CODE + code)
    (boxes / "task.toml").write_text(OWN.format(direction))
    if not words:
        assert "self-check: by task.py:score (higher is better) a perfect submission scores 1," in check(boxes, serve)
        return
    with pytest.raises(TaskError, match=words):
        check(boxes, serve)


def test_the_self_check_finds_targets_that_are_all_one_and_a_sample_that_is_none(boxes: Path) -> None:
    (boxes / "task.py").write_text(CODE.replace('r.get("verdict")', '"light"'))
    with pytest.raises(TaskError):
        check(boxes, serve)
    (boxes / "task.toml").write_text('[task]\ntarget = "total"\nmetric = "rmse"\n')
    (boxes / "task.py").write_text(CODE.replace('columns="verdict")', 'columns=["verdict", "total"])'))
    (boxes / "sample_submission.csv").write_text("code,total\n" + "".join(f"{r['code']},many\n" for r in parcels()[1]))
    with pytest.raises(TaskError, match=r"the sample, sample_submission\.csv, is not valid"):
        check(boxes, serve)


def test_a_metric_of_a_table_task_is_self_checked_as_well(task: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for path in task.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "metric.py").write_text("def score(t, p, train):\n    return float((t.buys == p.buys).mean())\n")
    (folder / "task.toml").write_text('[task]\nmetric = "metric.py:score"\ndirection = "min"\n')
    with pytest.raises(TaskError, match="the perfect one should be the best"):
        check(folder, serve)


# --- proposed by a brain -----------------------------------------------------------------------------


def said(toml: str, **programs: str) -> str:
    parts = [f"```json\n{json.dumps({'evidence': [], 'doubts': ''})}\n```", f"```toml\n{toml}```"]
    return "\n\n".join([*parts, *(f"````python {name}.py\n{code}\n````" for name, code in programs.items())]) + "\n"


def asked(folder: Path, *answers: str) -> tuple[task_reading.Proposed, list[str]]:
    heard: list[str] = []

    def reply(text: str, number: int) -> Reply:
        heard.append(text)
        return Reply(answers[min(number, len(answers)) - 1])

    with LlmServer(reply) as server:
        settings = config.load([f"llm.base_url={server.openai}"], brain="openai:any")
        return task_reading.propose(folder, settings, lambda text: None), heard


@pytest.fixture
def bare(boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder without its task.py."""
    (boxes / "task.py").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-4711-abcdefgh")
    return boxes


def test_a_proposed_program_counts_only_when_it_is_accepted(bare: Path) -> None:
    before = tree(bare)
    toml = OWN.format("max").replace("task.py", "metric.py")
    found, heard = asked(bare, said(toml, task="1 / 0"), said(toml, task=CODE, metric=SCORE.format("==")))
    assert "there is no metric.py" in heard[1]
    shown = task_reading.told(found)
    assert "and this program as task.py:" in shown
    assert "def tables(folder):" in shown
    assert "self-check: by metric.py:score" in shown
    assert tree(bare) == before, "it was tried elsewhere"
    kept = task_keeping.write(bare, task_reading.files(found))
    assert sorted(path.name for path in kept) == ["metric.py.proposed", "task.py.proposed", "task.toml.proposed"]
    with pytest.raises(TaskError, match=r"write a task\.py"):
        check(bare, serve)
    with pytest.raises(TaskError, match="waits to be read"):
        task_keeping.refuse_to_replace(bare)
    assert "self-check: by metric.py:score" in task_keeping.accept(bare, config.load([]))
    assert {name for name in tree(bare) if name not in before} == {"metric.py", "task.py", "task.toml"}
    assert "kind custom" in check(bare, serve)
    with pytest.raises(TaskError, match="no proposal to accept"):
        task_keeping.accept(bare, config.load([]))


@pytest.mark.parametrize(
    ("toml", "programs", "words"),
    [
        ("[task]\n", {"task": "1 / 0"}, "ZeroDivisionError"),
        ("[task]\n", {"task": CODE + SCORE.format("==")}, "has a score()"),
        ("[task]\n", {"task": CODE, "metric": SCORE.format("==")}, "metric.py is not used"),
        ('[task]\nkind = "table"\n', {"task": CODE}, "leave one of them out"),
        (OWN.format("min"), {"task": CODE + SCORE.format("==")}, "the perfect one should be the best"),
    ],
)
def test_a_proposal_that_fails_its_check_is_sent_back(
    bare: Path, toml: str, programs: dict[str, str], words: str
) -> None:
    found, heard = asked(bare, said(toml, **programs), said("[task]\n", task=CODE))
    assert words in heard[1]
    assert found.programs == {"task.py": CODE.strip("\n") + "\n"}


@pytest.mark.parametrize(
    ("toml", "times"), [("[task]\n", 1), ('[[assets]]\ntrain = "notes/{code}.txt"\ntest = "notes/{code}.txt"\n', 2)]
)
def test_a_proposed_program_runs_twice_only_where_its_tables_name_files(
    bare: Path, monkeypatch: pytest.MonkeyPatch, toml: str, times: int
) -> None:
    (bare / "notes").mkdir()
    for row in (row for part in parcels() for row in part):
        (bare / "notes" / f"{row['code']}.txt").write_text("a note")
    served, real = [], runs.serve

    def counted(settings: config.Settings, program: str, files: Mapping[str, bytes] | Path) -> Any:
        served.append(isinstance(files, Path))
        return real(settings, program, files)

    monkeypatch.setattr(runs, "serve", counted)
    _, heard = asked(bare, said(toml, task=CODE))
    assert len(heard) == 1
    assert sum(served) == times


def test_what_was_changed_after_the_proposal_is_checked_again(bare: Path) -> None:
    (bare / "task.py.proposed").write_text("def tables(folder):\n    return open('/etc/shadow')\n")
    with pytest.raises(TaskError, match="nothing was accepted"):
        task_keeping.accept(bare, config.load([]))
    assert not (bare / "task.py").exists()
    (bare / "task.py.proposed").write_text(CODE)
    (bare / "task.py").write_text("# mine\n")
    with pytest.raises(TaskError, match="never replaced"):
        task_keeping.accept(bare, config.load([]))
    assert (bare / "task.py").read_text() == "# mine\n"


def test_no_answer_that_can_be_taken_leaves_nothing(bare: Path) -> None:
    before = tree(bare)
    with pytest.raises(NoSolution):
        asked(bare, said("[task]\n", task="while True"))
    assert tree(bare) == before


# --- from the command line ---------------------------------------------------------------------------


def test_an_odd_task_is_solved_end_to_end(boxes: Path, tmp_path: Path, mle_star: Any) -> None:
    run = tmp_path / "run"
    done = mle_star("run", boxes, "--out", run, *SMALL)
    assert done.returncode == 0, done.stderr
    with (run / "best" / "submission.csv").open() as file:
        assert file.readline() == "code,verdict\n"
        answers = dict(line.strip().split(",") for line in file)
    heavy = {row["code"]: "heavy" if sum(row["items"]) >= 9 else "light" for row in parcels()[1]}
    assert list(answers) == list(heavy)
    assert sum(answers[code] == heavy[code] for code in heavy) >= 25
    shown = json.loads(mle_star("show", run, "--json").stdout)
    assert shown["state"] == "done"
    assert shown["search_score"] > 0.85


def test_the_command_line_accepts_and_refuses(boxes: Path, mle_star: Any) -> None:
    os.rename(boxes / "task.py", boxes / "task.py.proposed")
    assert mle_star("check", boxes).returncode == 2
    refused = mle_star("check", boxes, "--accept", "--brain", "openai:any")
    assert refused.returncode == 2
    walled = mle_star("check", boxes, "--accept", "--set", "wall=none")
    assert walled.returncode == 2
    assert "--unsafe" in walled.stderr
    assert not (boxes / "task.py").exists()
    done = mle_star("check", boxes, "--accept")
    assert done.returncode == 0, done.stderr
    assert "self-check" in done.stdout
    assert (boxes / "task.py").exists()
    for done in (refused, walled):
        assert "Traceback" not in done.stderr
