"""What may interrupt a run: kills, signals, a second driver, a full disk. Each time it goes on to the same answer."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlestar import overview
from mlestar.errors import RunError
from mlestar.journal import queries

from .conftest import LONG, SMALL

BENCH = Path(__file__).parents[1] / "benchmarks" / "chaos.py"
TINY = [*SMALL, "--set", "refine.outer=0", "--set", "refine.looks=0", "--set", "judging.folds=1"]


def answer(run):
    found, best = overview.show(run), run / "best"
    files = [(best / name).read_bytes() for name in ("solution.py", "submission.csv")]
    return found.state, found.search_score, found.sealed_score, found.phases, found.sealed_seen, *files


@pytest.fixture(scope="module")
def whole(task, noted, tmp_path_factory):
    """A tiny run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    done = noted(folder / "log", "run", task, "--out", folder / "run", *TINY)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def unbroken(whole):
    """Its answer."""
    return answer(whole)


@pytest.fixture
def begin(tool, task):
    """Begin a run, or go on with one, as a shell does: in a process group of its own."""

    def start(run, *more):
        words = ["resume", run] if (run / "journal.db").exists() else ["run", task, "--out", run, *TINY]
        return subprocess.Popen(
            [tool, *words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return start


def wait_for(ready, process, seconds: float = 600) -> None:
    """Until it is so, or the process has ended."""
    end = time.monotonic() + seconds
    while process.poll() is None and not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def steps(run, state):
    try:
        return [row.address for row in queries.steps(run) if row.state == state]
    except RunError:
        return []  # not begun yet


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed(task, tmp_path):
    command = [sys.executable, BENCH, "--kills", "5", "--check", "--task", task, "--scratch", tmp_path / "chaos"]
    done = subprocess.run(
        [*command, "--set", "refine.outer=0"], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("'same': True") == 5


@pytest.mark.slow
def test_interrupted_at_every_stage_it_reaches_the_same_answer(begin, tmp_path, unbroken):
    run = tmp_path / "run"
    stages = [
        (lambda: (run / "journal.db").exists(), (signal.SIGINT,)),
        (lambda: "start/fold-0" in steps(run, "running"), (signal.SIGINT, signal.SIGINT)),
        (lambda: "start/real" in steps(run, "running"), (signal.SIGINT,)),
        (lambda: "branch-0/init/candidate/0/fold-0" in steps(run, "running"), (signal.SIGTERM,)),
        (lambda: any(a.startswith("finalise/") for a in steps(run, "running")), (signal.SIGINT,)),
    ]
    codes = []
    for ready, signals in stages:
        process = begin(run)
        wait_for(ready, process)
        under_way = steps(run, "running")
        for number in signals:
            time.sleep(0.05)  # two signals of one kind at the same moment would be one
            if process.poll() is None:
                os.killpg(process.pid, number)
        _, said = process.communicate(timeout=900)
        codes.append(process.returncode)
        assert "Traceback" not in said, said
        if signals == (signal.SIGINT,) and "start/real" in under_way:
            assert set(under_way) <= set(steps(run, "ok")), "once lets the jobs in hand end"
        if process.returncode == 130:
            assert f"mle-star resume {run}" in said
            assert overview.show(run).state == "interrupted"
            assert not [row for row in queries.steps(run) if row.state == "error"]
    assert codes[:4] == [130] * 4
    assert codes[4] in (0, 130), "a finish in hand may be finished"
    process = begin(run)
    process.communicate(timeout=900)
    assert process.returncode == 0
    assert answer(run) == unbroken


def test_ctrl_c_before_anything_began_is_no_traceback(tool, tmp_path):
    process = subprocess.Popen([tool, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=900)
    assert process.returncode in (130, 0)
    assert "Traceback" not in said


def test_of_two_that_start_at_once_one_is_refused_and_told_who_has_it(begin, mle_star, tmp_path):
    run = tmp_path / "run"
    longer = ("--set", "refine.outer=4", "--set", "refine.inner=4", "--set", "judging.folds=2")
    both = [begin(run, *longer), begin(run, *longer)]
    wait_for(lambda: any(p.poll() is not None for p in both) and len(steps(run, "ok")) > 0, _Any(both))
    (loser,) = [p for p in both if p.poll() is not None]
    (winner,) = [p for p in both if p is not loser]
    assert loser.returncode == 2
    assert f"the run is open in process {winner.pid}" in loser.communicate()[1]
    third = mle_star("resume", run)
    assert third.returncode == 2
    assert f"process {winner.pid}" in third.stderr
    assert mle_star("stop", run).returncode == 0
    winner.communicate(timeout=900)
    assert winner.returncode == 130


class _Any:
    """Over when all of several processes are."""

    def __init__(self, processes):
        self._processes = processes

    def poll(self):
        codes = [process.poll() for process in self._processes]
        return None if None in codes else codes


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a given size; grows when it is called again."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(kib):
        how = "remount," if os.path.ismount(place) else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{how}size={kib}k,nr_inodes=0", "none", place]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system may be mounted here")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
@LONG
def test_on_a_disk_that_is_full_again_and_again(begin, small_disk, unbroken):
    run, full, kib, places = small_disk(8) / "run", 0, 8, set()
    while True:
        process = begin(run)
        _, said = process.communicate(timeout=900)
        if process.returncode == 0:
            break
        last = said.strip().splitlines()[-1]
        assert "Traceback" not in said
        assert process.returncode == 2, said
        assert "the disk is full" in last
        assert ("resume" if (run / "journal.db").exists() else "start again") in last
        places.add(last.partition(":")[2].partition(":")[0])
        full, kib = full + 1, int(kib * 1.8) + 4
        small_disk(kib)
    assert full >= 4, places
    assert answer(run) == unbroken


@pytest.mark.slow
@LONG
def test_a_disk_that_fills_just_before_each_kind_of_write(task, noted, small_disk, tmp_path, unbroken):
    disk = small_disk(60_000)
    run, filler = disk / "run", disk / "filler"
    for write in ("view", "row", "job", "blob", "fact", "best"):
        words = ["resume", run] if (run / "journal.db").exists() else ["run", task, "--out", run, *TINY]
        done = noted(tmp_path / "log", *words, moment=f"writing-{write}:1={filler}")
        assert filler.exists(), f"{write} was never written"
        assert done.returncode == 2, (write, done.stderr)
        assert "Traceback" not in done.stderr
        assert "the disk is full" in done.stderr
        filler.unlink()
    done = noted(tmp_path / "log", "resume", run)
    assert done.returncode == 0, done.stderr
    assert answer(run) == unbroken


def test_damage_to_a_real_run_is_named(mle_star, tmp_path, whole, unbroken):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    told = " ".join(row.result or "" for row in queries.steps(run) if row.verb == "execute")  # not of scripts alone
    blobs = (p for p in (run / "blobs").rglob("*") if p.is_file() and p.name in told)
    blob = max(blobs, key=lambda p: p.stat().st_size)
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    said = mle_star("resume", run)
    assert said.returncode == 2
    assert str(blob) in said.stderr
    address = said.stderr.partition("--from ")[2].partition("`")[0]
    done = mle_star("fork", run, "--from", address, "--out", tmp_path / "fork")
    assert done.returncode == 0, done.stderr
    assert answer(tmp_path / "fork")[1:4] == unbroken[1:4]
    cut = run / "task" / "cut.json"
    cut.write_bytes(cut.read_bytes().replace(b"1", b"2", 1))
    said = mle_star("resume", run)
    assert said.returncode == 2
    assert "cut.json" in said.stderr
    assert "remove it" in said.stderr
    cut.unlink()
    shutil.rmtree(run / "views")
    shutil.rmtree(run / "blobs")
    shutil.copytree(tmp_path / "fork" / "blobs", run / "blobs")
    done = mle_star("resume", run)
    assert done.returncode == 0, done.stderr
    assert answer(run) == unbroken
