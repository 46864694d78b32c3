"""`mle-star bench`: both layouts, competitors, cells that are kept, a grader that is asked once, honest gaps."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar import config
from mlestar.bench import benching, cells, comparing, competitors, discovery, ours, plot
from mlestar.bench.records import LOST, Asked, Cell, Competitor, Grade
from mlestar.cli import app
from mlestar.errors import RunError, SettingsError, TaskError, UsageError
from mlestar.executors import command
from mlestar.journal import queries
from mlestar.tasks import judge

from .conftest import LEAST, LONG, write

TERMS = ["--jobs", "1", "--budget", "5m", *LEAST[2:]]
GRADER = """
import csv, json, pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / "graded.log", "a") as log:
    log.write(sys.argv[1] + "\\n")
read = lambda path: {row["id"]: row["buys"] for row in csv.DictReader(open(path))}
truth, told = read(here / sys.argv[1] / "private" / "test.csv"), read(sys.argv[2])
print("a line that is no answer {")
print(json.dumps({"score": round(sum(truth[k] == told[k] for k in truth) / len(truth), 5), "medal": None}))
"""
MLEBENCH = """#!{python}
import csv, json, pathlib, sys
assert sys.argv[1] == "grade-sample" and sys.argv[4] == "--data-dir", sys.argv
pathlib.Path(__file__).with_name("asked").open("a").write(sys.argv[3] + "\\n")
print("[2026-11-24 00:00:00,000] [cli.py:190] Competition report:")
report = {{"competition_id": sys.argv[3], "score": 0.9, "gold_medal": False, "silver_medal": True}}
print("[2026-11-24 00:00:00,000] [cli.py:191] " + json.dumps(report, indent=4))
"""
CONSTANT = """
import csv, json, sys
spec = json.load(open(sys.argv[1]))
assert spec["seconds"] > 0 and spec["cores"] == 1 and spec["target"] == ["buys"] and "colour" in spec["features"]
rows = list(csv.DictReader(open(spec["test"])))
assert "buys" not in rows[0]
with open("submission.csv", "w") as file:
    file.write("id,buys\\n" + "".join(f"{row['id']},{spec['classes'][0]}\\n" for row in reversed(rows)))
"""


def table(count: int, seed: int) -> list[dict[str, object]]:
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    for i in range(count):
        spent, colour = rng.gauss(0, 1), rng.choice(["red", "green"])
        buys = spent + (colour == "red") + rng.gauss(0, 0.5) > 0.4
        row = {"id": f"c{i:04}", "spent": round(spent, 3), "colour": colour, "visits": rng.randint(0, 9)}
        rows.append({**row, "buys": "yes" if buys else "no"})
    return rows


def lay(public: Path, private: Path, seed: int) -> None:
    """A task folder and its answers, which stand in another order."""
    public.mkdir(parents=True)
    private.mkdir(parents=True)
    rows = table(160, seed)
    write(public / "train.csv", rows[:120])
    write(public / "test.csv", [{k: v for k, v in row.items() if k != "buys"} for row in rows[120:]])
    write(public / "sample_submission.csv", [{"id": row["id"], "buys": "no"} for row in rows[120:]])
    write(private / "test.csv", [{"id": row["id"], "buys": row["buys"]} for row in reversed(rows[120:])])
    (public / "description.md").write_text("# Who buys?\n\n## Metric\n\nClassification accuracy, higher is better.\n")


@pytest.fixture
def folder(tmp_path) -> Path:
    """One task of each layout."""
    root = tmp_path / "tasks"
    lay(root / "shop" / "public", root / "shop" / "private", 3)
    limits = {"gold": 1.0, "silver": 0.2, "bronze": 0.1, "lower_is_better": False}
    meta = {"higher_is_better": True, "thresholds": limits, "thresholds_comparable": True}
    (root / "shop" / "meta.json").write_text(json.dumps(meta))
    (root / "grade.py").write_text(GRADER)
    lay(root / "market" / "prepared" / "public", root / "market" / "prepared" / "private", 4)
    (root / "no-task").mkdir()
    return root


@pytest.fixture
def constant(tmp_path) -> Path:
    script = tmp_path / "constant.py"
    script.write_text(CONSTANT)
    return script


@pytest.fixture
def quick(monkeypatch):
    """mle-star's own cells filled by the sample submission, without a run."""
    filled: list[tuple[str, int]] = []

    def run(public, settings, place, cell, watch, above):
        assert settings.search.bar_same_task
        filled.append((cell.task, cell.seed))
        (place / "submission.csv").write_bytes((public / "sample_submission.csv").read_bytes())
        return replace(cell, seconds=1.0, metric="accuracy", direction="max", search=0.6)

    monkeypatch.setattr(ours, "run", run)
    return filled


def bench(folder: Path, out: Path, *others: Competitor, budget: str = "20s", **asked) -> Path:
    settings = config.load(None, budget=budget, jobs=1)
    return benching.bench(
        folder, out, settings, Asked(asked.pop("seeds", (1,)), others, **asked), lambda text: None, lambda seen: None
    )


def data(out: Path) -> dict:
    return json.loads((out / "bench.json").read_text())


def graded(folder: Path) -> list[str]:
    log = folder / "graded.log"
    return log.read_text().split() if log.exists() else []


# --- tasks ---------------------------------------------------------------------------------------------


def test_both_layouts_are_found(folder):
    market, shop = discovery.find(folder)
    assert (market.name, market.public.parent.name, market.grader, market.direction) == ("market", "prepared", (), None)
    assert (shop.name, shop.direction) == ("shop", "max")
    assert shop.grader[1:] == (str(folder / "grade.py"), "shop", "{submission}")
    assert shop.thresholds == (("gold", 1.0), ("silver", 0.2), ("bronze", 0.1))


def test_thresholds_of_other_rows_make_no_medal(folder):
    meta = json.loads((folder / "shop" / "meta.json").read_text())
    (folder / "shop" / "meta.json").write_text(json.dumps({**meta, "thresholds_comparable": False}))
    assert discovery.find(folder)[1].thresholds == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere"),
        (["tasks/no-task"], "no task with answers"),
        (["tasks", "--seeds", "1,x"], "--seeds"),
        (["tasks", "--against", "oracle"], "autogluon"),
        (["tasks", "--against", "gone.py"], r"gone\.py"),
        (["tasks", "--only", "sp*"], "--only"),
        (["tasks", "--jobs", "900"], "core count"),
        (["tasks", "--set", "seed=3"], "--seeds"),
    ],
)
def test_wrong_use_is_named(folder, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        app(["bench", *arguments, "--out", str(tmp_path / "out")], standalone_mode=False)
    assert not (tmp_path / "out" / "plan.json").exists()


def test_a_wrong_setting_is_one_message_and_the_next_call_may_have_another(folder, mle_star, tmp_path):
    done = mle_star("bench", folder, "--brain", "oracle", "--out", tmp_path / "out")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "oracle" in done.stderr
    assert not (tmp_path / "out" / "plan.json").exists()


@pytest.mark.parametrize(
    ("file", "arguments", "budget"),
    [
        ("", [], 600),
        ('budget = "40s"', [], 40),
        ('budget = "40s"', ["--budget", "50s"], 50),
        ("", ["--set", "budget=9s"], 9),
    ],
)
def test_a_budget_comes_from_wherever_one_is_set(folder, quick, tmp_path, monkeypatch, file, arguments, budget):
    monkeypatch.chdir(tmp_path)
    Path("mlestar.toml").write_text(file)
    app(["bench", "tasks", "--only", "shop", "--no-grade", "--jobs", "1", "--out", "out", *arguments],
        standalone_mode=False)  # fmt: skip
    assert json.loads(Path("out/plan.json").read_text())["settings"]["budget"] == budget


# --- a whole bench -------------------------------------------------------------------------------------


def test_a_bench_is_run_graded_once_and_kept(folder, constant, mle_star, tmp_path):
    out = tmp_path / "out"
    call = ["bench", folder, "--against", constant, "--out", out, "--seeds", "5", *TERMS]
    done = mle_star(*call)
    assert done.returncode == 0, done.stderr
    found = data(out)
    assert [(c["task"], c["system"], c["state"]) for c in found["cells"]] == [
        ("market", "constant", "done"), ("market", "mle-star", "done"),
        ("shop", "constant", "done"), ("shop", "mle-star", "done"),
    ]  # fmt: skip
    assert graded(folder) == ["shop", "shop"]
    assert [one["system"] for one in found["standings"]] == ["mle-star", "constant"]
    assert found["standings"][0]["rank"] == 1.0
    assert {(p["task"], p["first"], p["second"]) for p in found["pairs"]} == {
        ("market", "mle-star", "constant"), ("shop", "mle-star", "constant")
    }  # fmt: skip
    assert all(p["difference"] > 0 and p["stderr"] > 0 and p["p"] > 0.9 for p in found["pairs"])
    shop = next(c for c in found["cells"] if (c["task"], c["system"]) == ("shop", "mle-star"))
    assert (shop["grade"]["by"], shop["grade"]["medal"], shop["cost_usd"], shop["calls"]) == (
        "grade.py",
        "silver",
        0,
        0,
    )
    assert shop["search"] > 0.6
    assert shop["grade"]["own"] == pytest.approx(shop["grade"]["score"], abs=1e-4)
    page = (out / "bench.md").read_text()
    assert "| 1 silver |" in page
    assert "bench.svg" in page
    assert (out / "bench.svg").read_text().count("<circle") == 2 + 4
    before = {path: path.stat().st_mtime_ns for path in out.rglob("cell.json")}
    assert mle_star(*call).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("cell.json")} == before
    assert graded(folder) == ["shop", "shop"]


@LONG
def test_a_bench_that_was_killed_goes_on_with_the_same_run(folder, tool, mle_star, tmp_path):
    out = tmp_path / "out"
    call = ["bench", folder, "--only", "shop", "--out", out, *TERMS]
    run = out / "cells" / "shop" / "mle-star" / "seed-0" / "run"
    with subprocess.Popen([tool, *call], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait(lambda: (run / "journal.db").exists() and len(_done(run)) >= 3)
        process.kill()
    before = _done(run)
    assert not (run.parent / "cell.json").exists()
    done = mle_star(*call)
    assert done.returncode == 0, done.stderr
    after = _done(run)
    assert before.items() <= after.items(), "no recorded step is played again"
    assert len(after) > len(before)
    assert [c["state"] for c in data(out)["cells"]] == ["done"]
    assert graded(folder) == ["shop"]


def _done(run: Path) -> dict[str, float]:
    return {row.address: row.started for row in queries.steps(run) if row.state == "ok"}


def _wait(there, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_runner_dies_with_the_bench(folder, tool, tmp_path):
    script = tmp_path / "sleeper.py"
    script.write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    driver = (
        "import sys\nfrom pathlib import Path\nfrom mlestar.bench import ours\nfrom mlestar.cli import main\n"
        "ours.run = lambda public, settings, place, cell, *more: cell.__class__(cell.task, cell.system, 0, 'failed')\n"
        "main()\n"
    )
    call = [
        sys.executable,
        "-c",
        driver,
        "bench",
        folder,
        "--against",
        script,
        "--out",
        tmp_path / "out",
        "--jobs",
        "1",
    ]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        process.kill()
    _wait(lambda: not _lives(int((tmp_path / "pid").read_text())), 10)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- cells that are not there, or failed ----------------------------------------------------------------


def gone(script: Path) -> Competitor:
    return Competitor("constant", script, ("mle-star-has-no-such-package",), "mle-star-has-no-such-package")


def test_an_environment_that_cannot_be_made_leaves_a_gap_that_the_next_call_fills(
    folder, constant, quick, tmp_path, monkeypatch
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    page = bench(folder, tmp_path / "out", gone(constant)).read_text()
    found = data(tmp_path / "out")
    assert [s["missing"] for s in found["standings"] if s["system"] == "constant"] == [2]
    assert all(s["rank"] is None for s in found["standings"])
    assert "| market | constant | 1 | - | - |" in page
    assert "its environment cannot be made" in page
    bench(folder, tmp_path / "out", Competitor("constant", constant))
    assert {c["state"] for c in data(tmp_path / "out")["cells"]} == {"done"}
    assert len(quick) == 2, "what was there is kept"


def test_installing_and_grading_see_no_key(folder, constant, quick, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport os\nraise SystemExit('error: given ' + ' '.join(os.environ))\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
    (folder / "grade.py").write_text("import os\nraise SystemExit('graded with ' + ' '.join(sorted(os.environ)))")
    bench(folder, tmp_path / "out", gone(constant), only="shop")
    missing, done = data(tmp_path / "out")["cells"]
    assert "given" in missing["reason"]
    assert "UV_INDEX_URL" in missing["reason"], "where packages come from is told"
    assert "graded with" in done["grade"]["error"]
    assert " PATH" in done["grade"]["error"]
    assert "OPENAI" not in missing["reason"] + done["grade"]["error"]


def test_an_environment_is_made_once_and_its_version_is_told(folder, quick, tmp_path):
    wheel = tmp_path / "mle_star_rival-1.2.3-py3-none-any.whl"
    about = "mle_star_rival-1.2.3.dist-info/"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("rival.py", "name = 'yes'\n")
        file.writestr(f"{about}METADATA", "Metadata-Version: 2.1\nName: mle-star.rival\nVersion: 1.2.3\n")
        file.writestr(f"{about}WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}RECORD", "rival.py,,\n")
    script = tmp_path / "runner.py"
    script.write_text(f"import rival\n{CONSTANT}")
    other = Competitor("rival", script, (f"mle-star.rival @ {wheel.as_uri()}",), "mle-star.rival")
    bench(folder, tmp_path / "out", other)
    found = [c for c in data(tmp_path / "out")["cells"] if c["system"] == "rival"]
    assert [(c["state"], c["version"]) for c in found] == [("done", "mle-star.rival 1.2.3")] * 2, found
    wheel.unlink()
    bench(folder, tmp_path / "out", other, seeds=(2,))
    assert [c["state"] for c in data(tmp_path / "out")["cells"] if c["system"] == "rival"] == ["done"] * 4


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise ValueError('not today')", "not today"),
        ("pass", "wrote no submission.csv"),
        ("open('submission.csv', 'w').write('id,buys\\nc0120,yes\\n')", "no row for ids"),
    ],
)
def test_a_competitor_that_fails_says_why_and_is_last(folder, quick, tmp_path, script, said):
    (tmp_path / "broken.py").write_text(script)
    page = bench(folder, tmp_path / "out", competitors.named(str(tmp_path / "broken.py")), only="shop").read_text()
    assert said in page
    assert [(s["system"], s["rank"]) for s in data(tmp_path / "out")["standings"]] == [("mle-star", 1), ("broken", 2)]


def test_a_competitor_that_takes_too_long_is_killed(folder, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(competitors, "GRACE", 0.5)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)")
    page = bench(folder, tmp_path / "out", competitors.named(str(tmp_path / "slow.py")), budget="0.5s", only="shop")
    assert "killed: no submission" in page.read_text()


def test_a_runner_sees_no_key(folder, quick, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    (tmp_path / "nosy.py").write_text("import os\nraise SystemExit(sorted(os.environ))")
    page = bench(folder, tmp_path / "out", competitors.named(str(tmp_path / "nosy.py")), only="shop").read_text()
    assert "OMP_NUM_THREADS" in page
    assert "OPENAI" not in page


def test_a_mistake_of_ours_fails_one_cell_alone(folder, quick, tmp_path, monkeypatch):
    fill = ours.run

    def run(public, settings, place, cell, watch, above):
        if cell.task == "market":
            raise ZeroDivisionError("oh")
        return fill(public, settings, place, cell, watch, above)

    monkeypatch.setattr(ours, "run", run)
    bench(folder, tmp_path / "out")
    assert [(c["task"], c["state"]) for c in data(tmp_path / "out")["cells"]] == [
        ("market", "failed"),
        ("shop", "done"),
    ]


def test_cells_of_unlike_terms_do_not_meet(folder, quick, tmp_path):
    bench(folder, tmp_path / "out", only="shop")
    with pytest.raises(SettingsError, match=r"budget = 20\.0"):
        bench(folder, tmp_path / "out", budget="30s")
    bench(folder, tmp_path / "out", seeds=(1, 2))
    assert quick == [("shop", 1), ("market", 1), ("market", 2), ("shop", 2)]


def test_the_cores_are_given_back(folder, quick, tmp_path):
    before = os.sched_getaffinity(0)
    bench(folder, tmp_path / "out", only="shop")
    assert os.sched_getaffinity(0) == before


# --- grading ---------------------------------------------------------------------------------------------


def test_without_grading_the_answers_are_left_alone_until_a_later_call(folder, quick, tmp_path):
    bench(folder, tmp_path / "out", grading=False)
    assert graded(folder) == []
    assert all(c["grade"] is None for c in data(tmp_path / "out")["cells"])
    bench(folder, tmp_path / "out")
    assert graded(folder) == ["shop"]
    assert len(quick) == 2


def test_a_grader_that_was_interrupted_is_not_asked_again(folder, quick, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(command, "call", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            bench(folder, tmp_path / "out", only="shop")
    bench(folder, tmp_path / "out", only="shop")
    assert graded(folder) == []
    assert data(tmp_path / "out")["cells"][0]["grade"]["error"] == LOST


@pytest.mark.parametrize(("task", "asked"), [("market", []), ("shop", ["shop"])])
def test_what_was_interrupted_before_a_grader_was_asked_is_graded_later(
    folder, quick, tmp_path, monkeypatch, task, asked
):
    with monkeypatch.context() as broken:
        broken.setattr(judge, "score", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            bench(folder, tmp_path / "out", only=task)
    bench(folder, tmp_path / "out", only=task)
    assert data(tmp_path / "out")["cells"][0]["grade"]["score"] > 0.3
    assert graded(folder) == asked


def test_a_mistake_of_ours_while_grading_ends_no_bench_and_keeps_no_grader_away(folder, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "score", raising(ZeroDivisionError("oh")))
    bench(folder, tmp_path / "out")
    market, shop = (c["grade"] for c in data(tmp_path / "out")["cells"])
    assert (market["error"], market["by"]) == ("inside mle-star: ZeroDivisionError: oh", "mle-star")
    assert (shop["note"], shop["by"]) == ("inside mle-star: ZeroDivisionError: oh", "grade.py")
    assert shop["score"] > 0.3
    monkeypatch.setattr(command, "call", raising(OSError("no more processes")))
    bench(folder, tmp_path / "out", only="shop", seeds=(2,))
    assert data(tmp_path / "out")["cells"][2]["grade"]["error"] == "inside mle-star: OSError: no more processes"


def raising(error: BaseException):
    def fail(*given: object) -> None:
        raise error

    return fail


def test_our_own_grade_refuses_what_the_metric_cannot_take(folder, quick, tmp_path):
    market = folder / "market" / "prepared"
    for place, column in (("public/train", "buys"), ("public/sample_submission", "buys"), ("private/test", "buys")):
        frame = pd.read_csv(market / f"{place}.csv")
        frame[column] = np.arange(len(frame)) * 0.37 + 1 if "sample" not in place else -2.0
        frame.to_csv(market / f"{place}.csv", index=False)
    (market / "public" / "task.toml").write_text('[task]\nmetric = "rmsle"\n')
    bench(folder, tmp_path / "out", only="market")
    grade = data(tmp_path / "out")["cells"][0]["grade"]
    assert grade["score"] is None
    assert "rmsle needs values non-negative" in grade["error"]


def test_a_metric_of_the_tasks_own_is_measured(folder, quick, tmp_path):
    public = folder / "market" / "prepared" / "public"
    (public / "metric.py").write_text("def score(t, p, train):\n    return 7 + float((t.buys == p.buys).mean())\n")
    (public / "task.toml").write_text('[task]\nmetric = "metric.py:score"\ndirection = "max"\n')
    bench(folder, tmp_path / "out", only="market")
    grade = data(tmp_path / "out")["cells"][0]["grade"]
    assert 7.3 < grade["score"] < 8, grade


def test_mlebench_grades_its_own_tasks_where_it_is_installed(folder, quick, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mlebench"
    program.write_text(MLEBENCH.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    page = bench(folder, tmp_path / "out", only="market").read_text()
    grade = data(tmp_path / "out")["cells"][0]["grade"]
    assert (grade["by"], grade["score"], grade["medal"]) == ("mlebench", 0.9, "silver")
    assert "no paired differences" in page, "our metric comes to something else"
    assert (program.parent / "asked").read_text() == "market\n"


def test_a_grader_that_breaks_is_a_reason(folder, quick, tmp_path):
    (folder / "grade.py").write_text("raise SystemExit('out of paper')")
    page = bench(folder, tmp_path / "out", only="shop").read_text()
    assert "no score: out of paper" in page
    assert "| shop | accuracy ↑ | mle-star | 1/1 | - |" in page


def test_answers_that_cannot_be_read_leave_a_reason(folder, quick, tmp_path):
    (folder / "market" / "prepared" / "private" / "test.csv").write_text("key,answer\n1,2\n")
    page = bench(folder, tmp_path / "out", only="market").read_text()
    assert "no table of the private answers" in page


# --- comparing -------------------------------------------------------------------------------------------


def cell(system: str, seed: int, score: float | None, **more) -> Cell:
    noise = np.random.default_rng(0).normal(0, 0.1, 50)
    grade = Grade("x", score, own=score, replicates=tuple(noise + (score or 0.0)))
    state = "done" if score is not None else "failed"
    return Cell("t", system, seed, state, direction="min", grade=grade if score is not None else None, **more)


def test_ranks_share_ties_and_put_failures_last():
    found = [cell("a", 1, 0.5), cell("b", 1, 0.4), cell("c", 1, 0.4), cell("d", 1, None), Cell("t", "e", 1, "missing")]
    rows = comparing.lines(found, "abcde", {})
    assert [row.rank for row in rows] == [3, 1.5, 1.5, 4, None]
    assert all(standing.rank is None for standing in comparing.standings(rows, "abcde"))
    assert [s.system for s in comparing.standings(rows, "abcd")] == ["b", "c", "a", "d"]


def test_differences_are_over_shared_seeds_and_positive_where_the_first_is_better():
    rows = comparing.lines([cell("a", 1, 0.5), cell("a", 2, 0.3), cell("b", 1, 0.4), cell("b", 3, 0.1)], "ab", {})
    (pair,) = comparing.pairs(rows)
    assert (pair.seeds, pair.p) == (1, 0.0)
    assert pair.difference == pytest.approx(-0.1)
    assert pair.stderr < 0.01, "the same resamples: common noise cancels"


def test_resamples_on_which_a_metric_is_undefined_do_not_count():
    one, other = cell("a", 1, 0.5), cell("b", 1, 0.4)
    assert one.grade is not None
    holes = replace(one, grade=replace(one.grade, replicates=(float("nan"), *one.grade.replicates[1:])))
    (pair,) = comparing.pairs(comparing.lines([holes, other], "ab", {}))
    assert (pair.p, pair.stderr < 0.01) == (0.0, True)
    nothing = replace(one, grade=replace(one.grade, replicates=(float("nan"),) * 50))
    assert comparing.pairs(comparing.lines([nothing, other], "ab", {})) == []


def test_the_plot_stands_without_scores_and_hides_no_sign():
    rows = comparing.lines([Cell("<t>", "a&b", 1, "missing")], ["a&b"], {})
    text = plot.svg(rows, ["a&b"], {})
    assert "&lt;t&gt;" in text
    assert "a&amp;b" in text
    assert "no graded cell" in text


def test_a_damaged_record_is_named(tmp_path):
    place = cells.place(tmp_path, "t", "s", 1)
    place.mkdir(parents=True)
    (place / "cell.json").write_text("{")
    with pytest.raises(RunError, match=r"cell\.json cannot be read"):
        cells.recorded(tmp_path)


# --- runners ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def handed():
    spec = importlib.util.spec_from_file_location("handed", competitors.RUNNERS / "handed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(**more) -> dict:
    return {"target": ["y"], "outputs": ["y"], "classes": [], "metric": "rmse", "seconds": 8.0, "places": 2, **more}


def test_runners_write_every_form(handed):
    rows, wanted = pd.DataFrame({"x": [1, 2, 3]}), pd.DataFrame({"x": [4, 5]})
    seen = []

    def fit(train, test, spec, kind):
        seen.append((train[handed.TARGET].tolist(), spec["seconds"], kind))
        odds = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])[:, : max(len(spec["classes"]), 1)]
        return odds if kind == "classes" else odds[:, 0]

    def form(words, **more):
        return handed.predicted(fit, rows, wanted, pd.DataFrame(words), told(**more))

    labels = {"y": ["a", "b", "c"]}
    assert form(labels, classes=["a", "b", "c"], predicts="label")["y"].tolist() == ["b", "a"]
    assert form(labels, classes=["a", "b", "c"], predicts="ranking")["y"] == ["b c", "a b"]
    shares = form(labels, classes=["a", "b", "c"], outputs=["a", "b", "c"], predicts="probability")
    assert shares["c"].tolist() == pytest.approx([0.3, 0.1])
    assert form(labels, classes=["a", "b"], predicts="probability")["y"].tolist() == [0.5, 0.3]
    seen.clear()
    values = form({"u": ["0", "1", "2"], "v": ["1", "2", "3"]}, target=["u", "v"], outputs=["u", "v"],
                  predicts="value", metric="mean_columnwise_rmsle")  # fmt: skip
    assert values["v"].tolist() == pytest.approx(np.expm1([0.2, 0.6]))
    assert [(seconds, kind) for _, seconds, kind in seen] == [(4.0, "values")] * 2
    assert seen[0][0] == pytest.approx(np.log1p([0, 1, 2]))
    yes = form({"u": ["True", "False", "1"]}, target=["u"], outputs=["u"], predicts="probability")
    assert yes["u"].tolist() == [0.5, 0.3]


def test_a_task_of_files_alone_is_refused_for_competitors(tmp_path):
    from mlestar.bench.handing import Terms, hand
    from mlestar.tasks.infer import understand

    task = tmp_path / "task"
    for part in ("train", "test"):
        (task / part).mkdir(parents=True)
        for i in range(20):
            (task / part / f"{part[:2]}{i}.bin").write_bytes(bytes([i]))
    write(task / "train.csv", [{"file": f"tr{i}.bin", "y": "ab"[i % 2]} for i in range(20)])
    write(task / "sample_submission.csv", [{"file": f"te{i}.bin", "y": "a"} for i in range(20)])
    with pytest.raises(TaskError, match="no feature"):
        hand(understand(task), tmp_path, Terms(1.0, 1, 0))


def test_a_stop_is_answered_and_says_how_to_go_on(folder, tool, tmp_path):
    call = [tool, "bench", folder, "--only", "shop", "--out", tmp_path / "out", *TERMS]
    run = tmp_path / "out" / "cells" / "shop" / "mle-star" / "seed-0" / "run"
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        _wait(lambda: (run / "journal.db").exists() and len(_done(run)) >= 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
