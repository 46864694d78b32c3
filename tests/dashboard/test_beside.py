"""`mle-star run --ui`: the pages of a run are there while it goes on, and go when it does."""

import re
import signal
import subprocess
import time
from contextlib import contextmanager

import httpx
from tests.conftest import SMALL

from mlestar import overview

TINY = [*SMALL, "--set", "refine.outer=0", "--set", "ensemble.rounds=1"]


@contextmanager
def driven(tool, task, run, errors):
    """A run with pages, in a process of its own whose stderr goes to a file; and a client of its pages."""
    command = [str(tool), "run", str(task), "--out", str(run), "--ui", *TINY]
    with errors.open("w") as file:
        process = subprocess.Popen(command, stderr=file, stdout=subprocess.PIPE, text=True)
    try:
        told = wait(lambda: re.search(r"^(http://127\.0\.0\.1:\d+/) shows the run$", errors.read_text(), re.MULTILINE))
        with httpx.Client(base_url=told[1], timeout=900) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def wait(found, most=600.0):
    """The first answer that is true; seconds on a machine that does nothing else."""
    end = time.monotonic() + most
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came")


def story(client):
    return client.get("/runs/run/story.json").json()


def test_the_pages_of_a_run_are_served_until_it_ends(tool, task, tmp_path):
    run = tmp_path / "run"
    with driven(tool, task, run, tmp_path / "errors") as (process, client):
        wait(lambda: client.get("/runs/run").status_code == 200)
        assert "shop" in client.get("/runs/run").text
        first = wait(lambda: (told := story(client)).get("tree") and told)
        assert first["summary"]["state"] == "running"
        with client.stream("GET", "/runs/run/events") as events:  # a page that stays open keeps no run from its end
            seen = [line for line in events.iter_lines() if line.startswith("data: ")]
        told, _ = process.communicate(timeout=900)
        assert process.returncode == 0, (tmp_path / "errors").read_text()
        assert len(seen) > 1
        assert "shop: done" in told
    assert overview.state(run) == "done"


def test_ctrl_c_ends_the_run_and_its_pages(tool, task, tmp_path):
    run, errors = tmp_path / "run", tmp_path / "errors"
    with driven(tool, task, run, errors) as (process, client):
        wait(lambda: client.get("/runs/run").status_code == 200 and story(client).get("running"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=900)
        assert process.returncode == 130
    said = errors.read_text()
    assert "stopping when the steps in hand are done" in said
    assert f"mle-star resume {run}" in said
    assert "Traceback" not in said
    assert overview.state(run) == "interrupted"
