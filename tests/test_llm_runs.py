"""Whole runs with a language model as the brain, against a provider on loopback with all its faults."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from mlestar import overview
from mlestar.journal import queries
from mlestar.testing.llm_server import LlmServer, Reply

from .answering import CANDIDATE, answer, sentences
from .conftest import LEAST, LONG, SMALL

KEY = "sk-very-secret-4711-abcdefgh"
HANDED_IN = """
import pandas as pd
from sklearn.linear_model import LogisticRegression

train, test = pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv")
numbers = lambda d: d[["spent", "visits"]].fillna(0).assign(red=d.colour == "red")
found = LogisticRegression().fit(numbers(train), train.buys).predict(numbers(test))
pd.DataFrame({"id": test.id, "buys": found}).to_csv("submission.csv", index=False)
"""


def settings(server: LlmServer, *more: str) -> list[str]:
    return ["--brain", "openai:any", *LEAST, "--set", f"llm.base_url={server.openai}", *more]


def valid(run) -> bool:
    return (run / "best" / "submission.csv").exists() and overview.show(run).state == "done"


def grep(run, secret: str) -> list[str]:
    """Files of a run folder that hold a secret, its blobs and databases included."""
    return [str(path) for path in run.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_run_killed_and_resumed_pays_no_recorded_call_twice(task, tool, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        command = [str(tool), "run", str(task), "--out", str(run), *settings(server)]
        env = {**os.environ, "OPENAI_API_KEY": KEY}
        driver = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 900
        while len(server.asked) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        known = sum(row.verb == "call" and row.state == "ok" for row in queries.steps(run))
        paid = len(server.asked)
        assert 0 < known <= paid <= known + 1, "one call may have been under way, for the one branch"
        done = mle_star("resume", run, OPENAI_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        calls = [row for row in queries.steps(run) if row.verb == "call"]
        assert all(row.state == "ok" for row in calls)
        assert len(server.asked) <= len(calls) + 1
        asked = len(server.asked)
        assert mle_star("resume", run, OPENAI_API_KEY=KEY).returncode == 0
        assert len(server.asked) == asked, "a replay asks nobody"
    assert valid(run)
    assert grep(run, KEY) == []
    written = [row.result or "" for row in queries.steps(run) if row.address.endswith("candidate-writer")]
    assert any("min_samples_leaf=3" in text for text in written), "what the model wrote was run"


@LONG
def test_a_branch_of_the_playbook_keeps_a_model_company(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        done = mle_star("run", task, "--out", run, *settings(server, "--set", "company=1"), OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    by = {
        verb: {row.address.partition("/")[0] for row in queries.steps(run) if row.verb == verb}
        for verb in ("call", "execute")
    }
    assert "branch-0" in by["call"]
    assert "branch-1" not in by["call"]
    assert {"branch-0", "branch-1"} <= by["execute"]
    told = {row.address.partition("/")[0] for row in queries.steps(run) if row.address.endswith("/elsewhere")}
    assert told == {"branch-0"}, "the one in words is told of the other, which chooses by rule"
    assert valid(run)


FAULTS = {
    "busy": {2: "429:0", 3: "500"},
    "dropped": {1: "drop", 3: "cut"},
    "truncated": {2: "truncated", 4: "schema"},
    "refusing": {1: "refusal", 2: "empty", 3: "refusal", 5: "refusal"},
    "huge": {2: "huge"},
}


SOON = ("truncated", "refusing")  # the others' faults are also met one by one in brains/test_llm.py


@pytest.mark.parametrize("faults", [*SOON, *(pytest.param(f, marks=LONG) for f in FAULTS if f not in SOON)])
def test_whatever_the_provider_does_the_run_ends_with_a_valid_submission(task, mle_star, tmp_path, faults):
    run = tmp_path / "run"
    with LlmServer(answer, faults=FAULTS[faults]) as server:
        done = mle_star("run", task, "--out", run, *settings(server), OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert valid(run)
    assert grep(run, KEY) == []


def nonsense(text: str, number: int) -> Reply:
    """Answers that no program can take: no fence, other cells, what was not asked for."""
    kinds = [
        "I would try boosting.",
        CANDIDATE.replace("# %% model", "# %% submit"),
        "```json\n[1, 2\n```",
        "```python\n(\n```",
    ]
    return Reply(kinds[number % len(kinds)])


@LONG
def test_a_model_that_answers_nonsense_is_told_so_and_then_done_without(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(nonsense) as server:
        done = mle_star("run", task, "--out", run, *settings(server, "--set", "llm.attempts=2"), OPENAI_API_KEY=KEY)
        second = [asked for asked in server.asked if len(asked.body.get("messages", [])) > 2]
    assert done.returncode == 0, done.stderr
    assert valid(run)
    assert second, "a refused answer goes back with what is wrong with it"
    assert any("stood in" in note.text for note in queries.notes(run))


def test_the_cap_on_money_holds_and_the_run_still_ends_well(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        price = ["--set", "llm.price=[1000, 1000]", "--max-cost", "0.01"]
        done = mle_star("run", task, "--out", run, *settings(server, *price), OPENAI_API_KEY=KEY)
        asked = len(server.asked)
    assert done.returncode == 0, done.stderr
    assert valid(run)
    assert asked == 1, "each call costs more than the cap, so the first is the last"


@LONG
def test_the_cap_on_calls_holds_over_a_resume(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        done = mle_star("run", task, "--out", run, *settings(server, "--max-calls", "3"), OPENAI_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert mle_star("resume", run, OPENAI_API_KEY=KEY).returncode == 0
        assert len(server.asked) == 3
    assert valid(run)


def test_a_provider_that_stays_down_pauses_the_run_and_a_resume_goes_on(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer, always="500") as server:
        done = mle_star("run", task, "--out", run, *settings(server, "--set", "llm.retries=2"), OPENAI_API_KEY=KEY)
        assert done.returncode == 130, done.stderr
        assert "resume" in done.stderr
        assert overview.show(run).state == "paused"
        assert (run / "best" / "submission.csv").exists(), "the quick solution is there"
        server.always = ""
        assert mle_star("resume", run, OPENAI_API_KEY=KEY).returncode == 0
    assert valid(run)


def test_a_wrong_key_is_one_clear_message_that_does_not_repeat_it(task, mle_star, tmp_path):
    with LlmServer(answer, always="echo") as server:
        done = mle_star("run", task, "--out", tmp_path / "run", *settings(server), OPENAI_API_KEY=KEY)
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr
    assert KEY not in done.stderr
    assert "Traceback" not in done.stderr
    assert grep(tmp_path, KEY) == []


def test_no_key_and_an_unknown_brain_are_said_before_anything_is_paid(task, mle_star, tmp_path):
    done = mle_star("run", task, "--out", tmp_path / "run", "--brain", "anthropic:any", ANTHROPIC_API_KEY="")
    assert done.returncode == 2
    assert "ANTHROPIC_API_KEY" in done.stderr
    done = mle_star("run", task, "--out", tmp_path / "run", "--brain", "oracle")
    assert done.returncode == 2
    assert "relay" in done.stderr


@LONG
def test_one_role_by_a_model_and_the_rest_by_the_playbook(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        roles = ["--brain", "playbook", *LEAST, "--set", "roles.planner=openai:any"]
        done = mle_star("run", task, "--out", run, *roles, "--set", f"llm.base_url={server.openai}")
        heads = [asked.text for asked in server.asked]
    assert done.returncode == 0, done.stderr
    assert heads
    assert all("# Your part now: plan the next change" in text for text in heads)


@LONG
def test_a_command_is_a_brain(task, mle_star, tmp_path):
    run, script = tmp_path / "run", tmp_path / "brain.py"
    script.write_text(
        "import sys\nsys.path.insert(0, sys.argv[1])\nfrom tests.answering import sentences\n"
        "print(sentences(sys.stdin.read(), 1))\n"
    )
    root = os.path.dirname(os.path.dirname(__file__))
    command = f"cli:{tool_python()} {script} {root}"
    done = mle_star("run", task, "--out", run, "--brain", command, *LEAST)
    assert done.returncode == 0, done.stderr
    assert valid(run)
    assert any("min_samples_leaf=3" in (row.result or "") for row in queries.steps(run))


def tool_python() -> str:
    import sys

    return sys.executable


@LONG
def test_a_recorded_run_is_replayed_without_its_brain(task, mle_star, tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    with LlmServer(answer) as server:
        assert mle_star("run", task, "--out", run, *settings(server), OPENAI_API_KEY=KEY).returncode == 0
    assert mle_star("export", run, "--answers", tmp_path / "answers.jsonl").returncode == 0
    done = mle_star("run", task, "--out", again, "--brain", f"recorded:{tmp_path / 'answers.jsonl'}", *LEAST)
    assert done.returncode == 0, done.stderr
    first, second = overview.show(run), overview.show(again)
    assert (first.search_score, first.estimate) == (second.search_score, second.estimate)
    assert not [row for row in queries.steps(again) if row.verb == "call"]


def test_questions_wait_for_whoever_answers_them(task, tool, mle_star, tmp_path):
    run = tmp_path / "run"
    command = [str(tool), "run", str(task), "--out", str(run), "--brain", "relay", *LEAST]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answered, refused = 0, 0
    try:
        while driver.poll() is None and answered < 60:
            asked = mle_star("relay", "next", run, "--wait", "5", "--as", "tester")
            if asked.returncode:
                continue
            name, _, body = asked.stdout.partition("\n")
            if not refused:
                bad = mle_star("relay", "answer", run, name, os.devnull, "--as", "tester")
                assert bad.returncode == 1, bad.stdout
                assert "open again" in bad.stdout
                refused += 1
                continue
            (tmp_path / "answer.md").write_text(sentences(body, answered))
            assert mle_star("relay", "answer", run, name, tmp_path / "answer.md", "--as", "tester").returncode == 0
            answered += 1
        assert driver.wait(timeout=900) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            driver.kill()
    assert valid(run)
    assert answered >= 3
    calls = [json.loads(row.result or "{}") for row in queries.steps(run) if row.verb == "call"]
    assert {call["by"] for call in calls} == {"tester"}


def test_nobody_waits_for_somebody_who_thinks(task, tool, mle_star, tmp_path):
    """While a question is open: a script that is handed in is scored, and a finish knows what was scored so far."""
    run, script = tmp_path / "run", tmp_path / "mine.py"
    script.write_text(HANDED_IN)
    command = [str(tool), "run", str(task), "--out", str(run), "--brain", "relay", *SMALL]
    driver = subprocess.Popen(
        [*command, "--set", "init.candidates=3", "--set", "ensemble.rounds=1", "--set", "judging.race=0"],
        stderr=subprocess.DEVNULL,
    )
    try:
        assert mle_star("relay", "next", run, "--wait", "600").returncode == 0, "a question is open, and nobody answers"
        added = mle_star("add", run, script)
        assert added.returncode == 0, added.stderr
        assert "banked" in added.stdout
        deadline = time.monotonic() + 900
        while (
            sum(row.state == "ok" for row in queries.steps(run, "branch-0/init/candidate/0")) < 3
        ):  # a script, two folds
            assert time.monotonic() < deadline, "the library's candidate does not wait for an answer"
            time.sleep(0.2)
        assert mle_star("stop", run).returncode == 0
        driver.wait(600)
    finally:
        driver.kill()
    done = mle_star("finish", run)
    assert done.returncode == 0, done.stderr
    assert valid(run)
