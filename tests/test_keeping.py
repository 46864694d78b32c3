"""What one keeps of a run: the files of best/, predictions for new rows, and exports that work elsewhere."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import markdown
import nbformat
import pandas as pd
import pytest

from mlestar import exporting, predicting, scripts
from mlestar.errors import SettingsError
from mlestar.journal import queries
from mlestar.overview import FINAL
from mlestar.products import kernel, pinning
from mlestar.products.pinning import Installed
from mlestar.records import Column, Profile, Recipe, Score
from mlestar.report.card import Card, Member, Origin, card
from mlestar.report.notebook import notebook, sources
from mlestar.report.origins import origins

from .conftest import SMALL


@pytest.fixture(scope="module")
def run(task, tool, tmp_path_factory) -> Path:
    """One whole small run."""
    folder = tmp_path_factory.mktemp("keeping") / "run"
    done = subprocess.run([tool, "run", task, "--out", folder, *SMALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def submitted(run) -> list[dict[str, str]]:
    with (run / "best" / "submission.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def predicted(run: Path, new: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(predicting.predict(run, new).csv.decode().splitlines()))


def rows(task: Path) -> pd.DataFrame:
    return pd.read_csv(task / "test.csv", dtype=str, keep_default_na=False)


def final_of(run: Path):
    return FINAL.validate_python(queries.facts(run)["final"])


# --- best/ ---------------------------------------------------------------------------------------------


def test_best_holds_all_that_one_keeps(run):
    names = {path.name for path in (run / "best").iterdir()}
    assert names == {"submission.csv", "solution.py", "solution.ipynb", "requirements.txt", "card.md"}


def test_the_kept_script_is_what_ran_but_for_its_header(run):
    kept, ran = (run / "best" / "solution.py").read_text(), final_of(run).script
    assert kept != ran
    assert pinning.body(kept) == pinning.body(ran)
    assert scripts.parse(kept).cells == scripts.parse(ran).cells


def test_versions_are_those_of_the_interpreter_that_ran_it(run):
    needs = scripts.dependencies((run / "best" / "solution.py").read_text())
    assert {"pandas", "numpy", "scikit-learn"} <= {need.partition("==")[0] for need in needs}
    ask = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    names, told = zip(*(need.split("==") for need in needs), strict=True)
    done = subprocess.run([sys.executable, "-c", ask, *names], capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split()) == told
    lines = (run / "best" / "requirements.txt").read_text().splitlines()
    assert tuple(line for line in lines if not line.startswith("#")) == needs


def test_the_notebook_is_valid_and_its_code_is_the_script(run):
    text, script = (run / "best" / "solution.ipynb").read_text(), (run / "best" / "solution.py").read_text()
    made = nbformat.reads(text, as_version=4)
    nbformat.validate(made)
    book = scripts.parse(script)
    assert sources(text) == [("header", book.head), *((cell.name, cell.source) for cell in book.cells)]
    assert "## " in made.cells[0].source or made.cells[0].source.startswith("# ")
    back = scripts.parse(jupytext.writes(made, "py:percent"))
    assert [c.source for c in book.cells] == [
        c.source for c in back.cells if c.name.partition(" name=")[0] in book.names
    ]


def test_the_card_has_the_estimate_and_every_source(run):
    text, final = (run / "best" / "card.md").read_text(), final_of(run)
    value, error = final.estimate.value, final.estimate.stderr
    assert f"**accuracy {value:.5f} ({value - 2 * error:.5f} to {value + 2 * error:.5f})**" in text
    for key, _ in final.parts:
        assert f"`{key.partition('::')[0]}`" in text
    table = re.findall(r"^\| (`.*`) \| (.+?) \| .* \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    cells = {name for cell, *_ in table for name in re.findall(r"`([^`]+)`", cell)}
    assert {name.partition(":")[0] for name in scripts.parse(final.script).names} <= {
        n.partition(":")[0] for n in cells
    }
    assert all(source and "Apache-2.0" in licence for _, _, source, licence in table)
    for word in ("Split", "Leakage", "not used", "requirements.txt", "240 rows"):
        assert word.lower() in text.lower()


def test_a_hostile_name_is_text_in_the_card():
    evil = "x` <script>alert(1)</script> | [y](javascript:z) ![i](http://e.x/i)\n# Big\x1b[31m"
    column = Column(evil, "number", 0.0, 3)
    profile = Profile(
        evil, "table", evil, evil, "t", "s", ("id",), (evil,), "label", ("y",), (evil,), evil, "max", evil, 9, 9,
        (column,), warnings=(evil,), train_only=(evil,),
    )  # fmt: skip
    score = Score(0.5, 0.1, "max", (0,), (0.5,), ((evil, 0.5),))
    final = final_like(evil, score)
    about = Card(
        9, 0, evil, (Member(evil, 0.5, evil), Member("b", 0.5, "c")), (Origin(evil, evil, evil, evil, (evil,)),),
        found=((evil, evil),), unread=(evil,), unnamed=(evil,), assets=(evil,), suspicions=(evil,), needs=(evil,),
        python=evil, made=evil, sandbox=evil,
    )  # fmt: skip
    text = card(evil, profile, final, about)
    page = markdown.markdown(text, extensions=["tables", "fenced_code"])
    assert set(re.findall(r"<([a-z0-9]+)", page)) <= {
        "h1", "h2", "blockquote", "p", "strong", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert len(re.findall("<h1>", page)) == 1
    assert "\x1b" not in text


def final_like(name: str, score: Score):
    from mlestar.records import Final

    return Final(name, "", (("a::m", 0.5), ("b::m", 0.5)), score, None, None, score, notes=(name,))


def test_a_notebook_runs_what_the_script_runs_whatever_its_cells_are_called():
    script = '# %% [markdown]\nprint("run")\n\n# %% [raw] `x` <b>\nprint("too")\n'
    made = nbformat.reads(notebook(script, "intro"), as_version=4)
    nbformat.validate(made)
    assert [c.source for c in made.cells if c.cell_type == "code"] == ['print("run")', 'print("too")']


def test_cells_are_traced_to_recipes_through_the_labels_of_a_blend():
    recipe = Recipe("ridge", "table", "model", "any", "Ridge: plain. More.", (("model", "def fit(X):\n    return X"),),
                    source="Hoerl and Kennard 1970")  # fmt: skip
    script = "# %% model: a b\ndef fit_a_b(X):\n    return X\n\n# %% features\ndef f():\n    pass\n"
    found = origins(script, "table", [recipe], {"ridge"}, (), "somebody")
    assert [(o.name, o.source, o.cells, o.adapted) for o in found] == [
        ("ridge", "Hoerl and Kennard 1970", ("model: a b",), False),
        ("somebody", "this run", ("features",), False),
    ]
    assert found[0].what == "Ridge: plain."
    own = origins(script, "table", [recipe], (), (), "somebody")
    assert "Apache" not in own[0].licence


HERE = Installed(
    {"scikit-learn": "1.9.1", "xgboost-cpu": "3.2.0", "odd": "1; rm"},
    {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"},
)


@pytest.mark.parametrize(
    ("script", "needs"),
    [
        ("import os\nimport sklearn.svm\n", ("scikit-learn==1.9.1",)),
        ('# /// script\n# dependencies = ["xgboost>=2", "odd", "gone"]\n# ///\nimport xgboost\n',
         ("gone", "odd", "xgboost-cpu==3.2.0")),
        ("def broken(:\n", ()),
    ],
)  # fmt: skip
def test_what_is_pinned(script, needs):
    assert pinning.pins(script, HERE) == needs
    pinned = pinning.pinned(script, needs)
    assert scripts.dependencies(pinned) == needs
    assert pinning.body(pinned) == pinning.body(script)
    assert pinning.pinned(pinned, needs) == pinned


def test_other_keys_of_a_header_stay():
    listed = '# /// script\n# requires-python = ">=3.12"\n# dependencies = [\n#   "a[x]",\n# ]\n'
    script = f"{listed}# [tool.uv]\n# x = 1\n# ///\nx = 1\n"
    pinned = pinning.pinned(script, ("a[x]==1",))
    assert (
        '# requires-python = ">=3.12"\n# dependencies = [\n#     "a[x]==1",\n# ]\n# [tool.uv]\n# x = 1\n# ///' in pinned
    )


# --- new rows ------------------------------------------------------------------------------------------


def test_the_tasks_own_test_rows_give_the_submission(run, task, submitted):
    assert predicted(run, task / "test.csv") == submitted
    left = [path.name for path in (run / "views").iterdir() if path.name.startswith(".predict")]
    assert left == []


def test_columns_in_any_order_more_of_them_and_the_target(run, task, submitted, mle_star, tmp_path):
    frame = rows(task)
    frame = frame[frame.columns[::-1]].assign(weather="fine", buys="no")
    frame.to_csv(tmp_path / "new.csv", index=False)
    done = mle_star("predict", run, tmp_path / "new.csv", "--out", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == submitted
    assert "'weather'" in done.stderr
    assert "'buys'" in done.stderr
    assert f"{len(frame)} predictions" in done.stdout


def test_few_rows_without_an_id_are_numbered_and_other_formats_are_read(run, task, tmp_path):
    rows(task).drop(columns="id").iloc[:3].to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    found = predicting.predict(run, tmp_path / "new.jsonl")
    answers = list(csv.DictReader(found.csv.decode().splitlines()))
    assert [row["id"] for row in answers] == ["1", "2", "3"]
    assert {row["buys"] for row in answers} <= {"yes", "no"}
    assert any("numbered" in note for note in found.notes)


def test_missing_columns_are_named_with_what_they_may_be_called(run, task, mle_star, tmp_path):
    rows(task).rename(columns={"colour": "Colours"}).drop(columns="visits").to_csv(tmp_path / "new.csv", index=False)
    done = mle_star("predict", run, tmp_path / "new.csv", "--out", tmp_path / "out.csv")
    assert done.returncode == 2
    assert "'colour', 'visits'" in done.stderr
    assert "Did you mean 'Colours' for 'colour'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv", "--out", "x.csv"], "nowhere.csv"),
        (["nowhere.csv", "--out", "x.parquet"], "csv"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, mle_star, arguments, said):
    done = mle_star("predict", run, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_without_a_solution_says_so(run, task, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("best", "views"))
    with pytest.raises(Exception, match="no solution yet"):
        predicting.predict(tmp_path / "run", task / "test.csv")


def test_a_changed_solution_needs_a_wall(run, task, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("views"))
    script = tmp_path / "run" / "best" / "solution.py"
    script.write_text(script.read_text() + "\nprint('mine')\n")
    with pytest.raises(SettingsError, match="no wall"):
        predicting.predict(tmp_path / "run", task / "test.csv", {"wall": "none"})


# --- elsewhere -----------------------------------------------------------------------------------------


def test_the_package_predicts_in_another_process(run, task, submitted, tmp_path):
    module = exporting.package(run, tmp_path / "package", with_data=True)
    program = (
        f"import pandas as pd, sys\nfrom {module} import predict\n"
        "new = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False)\n"
        "found = predict(new[new.columns[::-1]].assign(more=1).set_index(new.index + 7))\n"
        "assert found.index[0] == 7\n"
        "found.to_csv(sys.argv[2], index=False)\n"
        "try:\n    predict(new.drop(columns='visits'))\nexcept ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, task / "test.csv", tmp_path / "out.csv"], capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path / "package" / "src")}, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "visits" in done.stdout
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == submitted
    project = (tmp_path / "package" / "pyproject.toml").read_text()
    assert all(f'"{need}"' in project for need in scripts.dependencies((run / "best" / "solution.py").read_text()))


def test_a_package_without_data_asks_for_it(run, tmp_path):
    module = exporting.package(run, tmp_path / "package")
    program = f"import pandas as pd\nfrom {module} import predict\npredict(pd.DataFrame([dict.fromkeys(%r, '1')]))\n"
    program %= ["id", "spent", "colour", "visits"]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path / "package" / "src")},
    )  # fmt: skip
    assert "use_data" in done.stderr
    with pytest.raises(SettingsError, match="not empty"):
        exporting.package(run, tmp_path / "package")


def test_the_kernel_runs_where_its_data_is(run, task, submitted, mle_star, tmp_path):
    done = mle_star("export", run, "--kaggle", tmp_path / "kernel", "--notebook", tmp_path / "alone.ipynb")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "kernel" / "kernel-metadata.json").read_text())
    assert told["enable_internet"] is False
    place = tmp_path / "input" / told["competition_sources"][0]
    shutil.copytree(task, place)
    working = tmp_path / "working"
    working.mkdir()
    code = [source for _, source in sources((tmp_path / "kernel" / told["code_file"]).read_text())]
    (working / "run.py").write_text("\n\n".join(code))
    subprocess.run([sys.executable, "run.py"], cwd=working, check=True, timeout=900)
    with (working / "submission.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == submitted
    assert sources((tmp_path / "alone.ipynb").read_text()) == sources((run / "best" / "solution.ipynb").read_text())


def test_paths_are_adapted_and_columns_are_not():
    lines = ["import os", 'a = Path("input")', 'b = open("input/é.csv")', 'c = ["input"]', 'os.listdir("input")']
    script = "\n".join(lines)
    changed = kernel.adapted(script, "../input/x")
    assert changed == script.replace('Path("input")', 'Path("../input/x")').replace(
        '"input/é.csv"', '"../input/x/é.csv"'
    ).replace('listdir("input")', 'listdir("../input/x")')
    with pytest.raises(SettingsError, match="input"):
        kernel.adapted("x = 1\n", "../input/x")
