"""Jobs on a Ray cluster of a head and two workers, on loopback in a network of its own (tests/cluster.py)."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mlestar import overview
from mlestar.journal import queries
from mlestar.testing.executor import wait_until

from .cluster import Cluster
from .conftest import LONG, SMALL
from .test_bench import lay

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster():
    found = Cluster()
    try:
        found.head(0)
        found.worker("a", 3, gpus=2, big=1)
        found.worker("b", 1, small=1)
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def at_home(task, tool, tmp_path_factory):
    """The same run on this machine."""
    run = tmp_path_factory.mktemp("home") / "run"
    subprocess.run(
        [str(tool), "run", str(task), "--out", str(run), *SMALL], check=True, timeout=900, capture_output=True
    )
    return run


def tree(run: Path) -> list[tuple[str, str, str]]:
    """Steps, and the scores of jobs; of the rest much is measured seconds, or rests on them."""
    return sorted(
        (row.address, row.verb, str(json.loads(row.result or "{}")["judged"]["value"]) if row.verb == "execute" else "")
        for row in queries.steps(run)
    )


def test_the_executor_does_what_executors_do(cluster):
    done = cluster.run(
        [sys.executable, "-m", "pytest", str(HERE / "inside_cluster.py"), "-q", "-p", "no:cacheprovider", "-x"],
        seconds=1200, cwd=HERE.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_a_whole_run_gives_the_same_tree_and_score(cluster, task, tool, tmp_path, at_home):
    run = tmp_path / "run"
    done = cluster.run([str(tool), "run", str(task), "--out", str(run), "--executor", "ray", *SMALL])
    assert done.returncode == 0, done.stderr
    here, there = overview.show(at_home), overview.show(run)
    assert (there.state, there.search_score) == ("done", here.search_score)
    assert tree(run) == tree(at_home)
    assert (run / "best" / "submission.csv").read_bytes() == (at_home / "best" / "submission.csv").read_bytes()
    outcomes = [json.loads(row.result or "")["outcome"] for row in queries.steps(run) if row.verb == "execute"]
    assert all(outcome["node"] for outcome in outcomes)


@LONG
def test_a_driver_that_dies_takes_its_jobs_with_it_and_resumes(cluster, task, tool, tmp_path, at_home):
    run = tmp_path / "run"
    driver = cluster.start([str(tool), "run", str(task), "--out", str(run), "--executor", "ray", *SMALL])
    wait_until(lambda: run.exists() and (run / "journal.db").exists() and len(done_steps(run)) > 6, 600)
    wait_until(lambda: jobs_of(cluster), 120)
    killed(driver)
    before = done_steps(run)
    wait_until(lambda: not jobs_of(cluster), 120)
    done = cluster.run([str(tool), "resume", str(run)])
    assert done.returncode == 0, done.stderr
    after = done_steps(run)
    assert {address: after[address] for address in before} == before, "what was recorded is not done again"
    assert overview.show(run).search_score == overview.show(at_home).search_score


@LONG
def test_a_node_that_is_lost_and_one_that_comes(cluster, task, tool, tmp_path, at_home):
    run = tmp_path / "run"
    driver = cluster.start([str(tool), "run", str(task), "--out", str(run), "--executor", "ray", *SMALL])
    wait_until(lambda: run.exists() and (run / "journal.db").exists() and len(done_steps(run)) > 3, 600)
    wait_until(lambda: jobs_of(cluster, "a"), 120)
    cluster.kill("a")
    wait_until(lambda: not jobs_of(cluster, "a"), 120)
    cluster.worker("a", 3, gpus=2, big=1)
    assert driver.wait(900) == 0
    assert overview.show(run).search_score == overview.show(at_home).search_score


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ({"RAY_ADDRESS": ""}, [], "--address HOST:PORT"),
        ({"RAY_AUTH_MODE": "disabled"}, [], "RAY_AUTH_MODE is not `token`"),
        ({"RAY_AUTH_TOKEN": "", "HOME": "/nowhere"}, [], "there is no token"),
        ({"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": "/nowhere"}, [], "no Ray cluster can be asked"),
        ({}, ["--set", "packages.resolve=true"], "install them there"),
        ({}, ["--set", "cluster.resources=huge=1"], "huge 1"),
    ],
)
def test_what_is_missing_is_said_in_one_line(cluster, task, tool, tmp_path, change, arguments, said):
    before, cluster.env = cluster.env, cluster.env | change
    try:
        done = cluster.run(
            [str(tool), "run", str(task), "--out", str(tmp_path / "run"), "--executor", "ray", *arguments]
        )
    finally:
        cluster.env = before
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@LONG
def test_another_token_is_not_let_in(cluster, task, tool, tmp_path):
    before, cluster.env = cluster.env, cluster.env | {"RAY_AUTH_TOKEN": "f" * 64}
    try:
        done = cluster.run([str(tool), "run", str(task), "--out", str(tmp_path / "run"), "--executor", "ray"])
    finally:
        cluster.env = before
    assert done.returncode == 130
    assert "Is it there, and has it our token?" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@LONG
def test_nodes_that_differ_are_named_before_the_first_job(cluster, task, tool, tmp_path):
    copy = tmp_path / "src" / "mlestar"
    shutil.copytree(HERE.parent / "src" / "mlestar", copy)
    with (copy / "errors.py").open("a") as file:
        file.write("# another version\n")
    cluster.worker("odd", 1, env={"PYTHONPATH": str(copy.parent)})
    cluster.worker("bare", 1, env={"PATH": "/nowhere"})
    try:
        arguments = ["--out", str(tmp_path / "run"), "--executor", "ray", "--set", "wall=bubblewrap"]
        done = cluster.run([str(tool), "run", str(task), *arguments])
    finally:
        cluster.kill("odd")
        cluster.kill("bare")
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, said
    assert "not every node of the cluster can do the jobs" in said
    assert "another mle-star than here" in said
    assert "'wall': bubblewrap: not installed" in said
    assert not (tmp_path / "run").exists()


@LONG
def test_the_cells_of_a_bench_share_the_cluster(cluster, tool, tmp_path):
    for number, name in enumerate(("market", "shop")):
        lay(tmp_path / "tasks" / name / "public", tmp_path / "tasks" / name / "private", number)
    least = ["--set", "refine.outer=0", "--set", "refine.looks=0", "--set", "ensemble.rounds=1"]
    out = tmp_path / "out"
    command = [str(tool), "bench", str(tmp_path / "tasks"), "--out", str(out), "--executor", "ray", "--budget", "10m"]
    done = cluster.run([*command, *SMALL[2:], *least], seconds=200)
    assert done.returncode == 0, done.stderr
    found = [json.loads(path.read_text()) for path in sorted(out.rglob("cell.json"))]
    assert [(one["task"], one["state"], one["executor"], one["jobs"]) for one in found] == [
        ("market", "done", "ray", 2), ("shop", "done", "ray", 2),
    ]  # fmt: skip
    assert found[0]["machine"] == "2 of 4 places of a Ray cluster"
    runs = [out / "cells" / name / "mle-star" / "seed-0" / "run" for name in ("market", "shop")]
    first, second = map(jobs_in_time, runs)
    shared = sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in first for b in second)
    assert shared > 0.3 * min(sum(end - start for start, end in one) for one in (first, second)), "jobs of both at once"
    assert max(abreast(first), abreast(second)) <= 2, "no more than its share"
    took = [one["seconds"] for one in found]
    assert max(took) < 2 * min(took), "neither waits for the other's end"


FULL = (
    "import ray, time\nray.init()\nhold = ray.remote(num_cpus=1)(lambda: time.sleep(600))\n"
    "held = [hold.remote() for _ in range(4)]\nwhile ray.available_resources().get('CPU'):\n    time.sleep(0.1)\n"
    "print('up', flush=True)\nray.get(held)"
)


@LONG
def test_a_budget_holds_on_a_cluster_that_others_fill(cluster, task, tool, tmp_path):
    others = cluster.start([sys.executable, "-c", FULL], stdout=subprocess.PIPE)
    try:
        assert others.stdout.readline() == "up\n"
        arguments = ["--out", str(tmp_path / "run"), "--executor", "ray", "--budget", "5s", *SMALL]
        done = cluster.run([str(tool), "run", str(task), *arguments], seconds=200)
    finally:
        killed(others)
        others.stdout.close()
    assert done.returncode == 3, done.stderr
    assert "no place for a first job" in " ".join(done.stderr.split())
    assert overview.show(tmp_path / "run").seconds < 60, "the others would have held it for ten minutes"


def killed(driver) -> None:
    """End a driver and its processes as a crash would."""
    for process in [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]:
        process.send_signal(signal.SIGKILL)
    driver.wait()


def jobs_in_time(run: Path) -> list[tuple[float, float]]:
    """When each job of a run began and had come back, seconds since the epoch, in this order."""
    rows = [row for row in queries.steps(run) if row.verb == "execute"]
    spans = [(row.started, row.finished, json.loads(row.result or "")["outcome"]["seconds"]) for row in rows]
    # A step may wait for its turn before its job begins; one whose job was known already had none.
    return sorted((end - seconds, end) for start, end, seconds in spans if end - start >= seconds)


def abreast(spans: list[tuple[float, float]]) -> int:
    """The most jobs that were under way at one time."""
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def done_steps(run: Path) -> dict[str, str]:
    return {row.address: json.dumps([row.result, row.finished]) for row in queries.steps(run) if row.state == "ok"}


def jobs_of(cluster: Cluster, node: str = "") -> list[int]:
    """Sandboxes of jobs: processes of a script whose folder lies below a node's."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if "solution.py" in (process.info["cmdline"] or []):
            with suppress(OSError):
                if f"{cluster.home / node}/" in os.readlink(f"/proc/{process.pid}/cwd") + "/":
                    found.append(process.pid)
    return found
