"""What a brain, a script or a data file says is data: in the terminal, in JSON, in the report and its page."""

from __future__ import annotations

import io
import json
import re
import subprocess
from dataclasses import fields, replace
from pathlib import Path

import pytest
from effort import HOSTILE, texts, trying
from hypothesis import assume, example, given
from markdown_it import MarkdownIt
from rich.console import Console

from mlestar import overview, plain, progress
from mlestar.cli import say
from mlestar.records import Ablated, Effect, Idea, Progress, Score, Scored, Solution, Summary, Target, Trial
from mlestar.report.markdown import markdown
from mlestar.report.story import Gain, Node, Seen, Story, Told

STEERING = set(
    map(
        chr,
        [
            *range(9),
            11,
            *range(12, 32),
            *range(0x7F, 0xA0),
            0x61C,
            0x200E,
            0x200F,
            *range(0x2028, 0x202F),
            *range(0x2066, 0x206A),
        ],
    )
)
SCORE = Score(0.5, 0.1, "max", (0,), (0.5,))
PAGE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def summary(text: str) -> Summary:
    known = {
        "state": "done",
        "direction": "max",
        "folds": 1,
        "search_score": 0.5,
        "search_stderr": 0.1,
        "sealed_score": 0.4,
        "sealed_stderr": 0.1,
        "optimism": 0.1,
        "seconds": 1.0,
        "jobs": 1,
        "brain_calls": 1,
        "cost_usd": None,
        "phases": (("refine", 0.5),),
        "sandbox": "none",
        "sandbox_about": "no wall",
        "warnings": (text, text),
        "best": "run/best",
    }
    said = {f.name: text for f in fields(Summary) if f.name not in known and f.type == "str"}
    return Summary(**{**said, **known})


@trying(200)
@given(texts)
@example("\x1b]8;;http://evil.example\x07click\x1b]8;;\x07")
@example("\x9b2J\x90q\x1b")
def test_a_clean_text_steers_nothing(text):
    assert not set(plain.clean(text)) & STEERING
    plain.clean(text).encode()
    assert plain.clean(plain.clean(text)) == plain.clean(text)
    assert "\n" not in plain.word(text)
    assert len(plain.word(text, 20)) <= 20


@trying(100)
@given(texts)
def test_what_is_printed_steers_nothing(text):
    trial = Trial(Scored(Solution(text, "", ""), "", None, text, ()), text, text, text)
    for told in (
        progress.summary(summary(text), Path("run")),
        progress.trial(trial),
        progress.trial(replace(trial, scored=replace(trial.scored, score=SCORE))),
    ):
        for encoding in ("utf-8", "ascii"):
            end = io.TextIOWrapper(io.BytesIO(), encoding)
            say(told, end)
            end.flush()
            printed = end.buffer.getvalue().decode(encoding)
            assert not set(printed) & STEERING
    first, *lines = progress.summary(summary(text), Path("run")).splitlines()
    assert all(line.startswith("  ") and len(line) <= 80 for line in [*lines, f"  {first[2:]}"])
    assert len(lines) <= 2 * len(progress.summary(summary("x"), Path("run")).splitlines())


@trying(60)
@given(texts)
def test_the_progress_line_steers_nothing(text):
    line = progress._line(Progress("init", text, SCORE, text, 1, 1.0, None))
    out = io.StringIO()
    Console(file=out, force_terminal=False, width=10_000).print(line, soft_wrap=True)
    assert out.getvalue().count("\n") == 1
    assert not set(out.getvalue()) & STEERING


def story(text: str) -> Story:
    """A run of which everything that a brain, a script or a data file may say is this text."""
    at, tried = "branch-0/refine/0", {"reason": text, "cell": text, "plan": text, "gain": 0.1, "accepted": True}
    node = Node(f"{at}/inner/0", "attempt", "branch-0", text, text, "scored", SCORE, seconds=1, at=0, until=1, **tried)
    return Story(
        text, summary(text), (node,), (Gain(1.0, node.address, text, "attempt", SCORE),),
        ablations=((f"{at}/ablate", Ablated("start", (Effect(text, 0.1, 0.0, 0.2, text),))),),
        targets=((f"{at}/target-chooser", Target(text, text)),), ideas=(("x", Idea(text, text, text)),),
        weights=((f"{node.address}::{text}", 1.0),), final=text, opened=((text, 2),),
        notes=(Told(1.0, "branch-0/init/check/leakage", text, True), Told(1.0, "x", f"found by {text}")),
        heard=(Seen(1.0, "x", text, text, text),), remarks=(text,),
    )  # fmt: skip


@trying(200)
@given(texts)
@example("</li></ul><img src=x onerror=alert(1)>")
@example("`` `<b>` [a][b] <https://evil.example> www.evil.example a@evil.example")
@example("- [ ] x")
@example("    code")
@example("&lt;script&gt; &#60;b&#62; \\<b>")
def test_the_report_is_inert(text):
    assume(plain.word(text))
    told, plainly = markdown(story(text)), markdown(story("x"))
    tags = re.compile(r"<(/?\w+)[^>]*>")
    assert tags.findall(PAGE.render(told)) == tags.findall(PAGE.render(plainly))
    assert not re.search(r"://|www\.|@\w", re.sub(r"(?<!\\)`[^`\n]*`", "", told))


HOSTILE_SCRIPT = """
import os
import pandas as pd
print("\\x1b[2J\\x1b]0;owned\\x07 validation: 0.99\\rover")
sample = pd.read_csv("input/sample_submission.csv")
sample["<img src=x>\\x1b[31m\\n  sealed    1.0"] = "\\x1b]8;;http://evil\\x07"
sample.to_csv("submission.csv", index=False)
if {fail}:
    raise ValueError("\\x1b[31m\\u202e<script>\\x9b2J")
"""


@pytest.mark.parametrize("fail", [False, True])
def test_a_hostile_script_tried_in_earnest(task, mle_star, tmp_path, fail):
    (tmp_path / "s.py").write_text(HOSTILE_SCRIPT.format(fail=fail))
    for extra in ([], ["--json"]):
        done = mle_star("try", task, tmp_path / "s.py", "--unsafe", "--set", "judging.folds=1", *extra)
        assert done.returncode == 1
        assert not set(done.stdout + done.stderr) & (STEERING - {"\r"})
        assert "Traceback (most recent call last)" not in done.stderr
        if extra:
            told = json.loads(done.stdout)["scored"]["reason"]
            assert ("ValueError" in told) if fail else ("unknown column <img src=x>" in told)


def test_a_hostile_folder_checked_in_earnest(task, mle_star, tmp_path):
    folder = tmp_path / "; touch owned #"
    folder.mkdir()
    for path in task.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "notes\n  ! owned\x1b[2J.txt").write_text("x")
    done = mle_star("check", folder)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout) & STEERING
    assert "\n  ! owned" not in done.stdout
    (tmp_path / "d.csv").write_text("a,y\n" + "".join(f"{n},{n % 2}\n" for n in range(40)))
    done = mle_star("new", tmp_path / "d.csv", "--target", "y", "--out", tmp_path / HOSTILE[19])
    told = re.search(r"`(mle-star check .*?)`, then", done.stdout)[1]
    echoed = subprocess.run(
        ["sh", "-c", told.replace("mle-star", "printf %s.", 1)], capture_output=True, text=True, check=True
    )
    assert echoed.stdout == f"check.{tmp_path / HOSTILE[19]}."
    assert overview.find(tmp_path) == []
