"""Few groups: no standard error, but each group's score by its name, in the score, on the screen and in the report."""

from __future__ import annotations

from dataclasses import replace

from mlestar.bank.comparison import join
from mlestar.progress import summary
from mlestar.records import Judged, Summary
from mlestar.report.markdown import markdown
from mlestar.report.story import Story

FOUND = Summary(
    state="done", task="words", brain="playbook", metric="accuracy", direction="max", split="group:speaker",
    split_evidence="groups of column 'speaker' stay together", folds=2, search_score=0.75, search_stderr=None,
    sealed_score=None, sealed_stderr=None, optimism=None, seconds=10.0, jobs=4, brain_calls=3, cost_usd=None,
    sandbox="bubblewrap", best="", estimate=0.75, groups=(("ann", 0.9), ("bob|x", 0.6)),
)  # fmt: skip


def test_a_joined_score_knows_its_groups() -> None:
    folds = [(1, Judged(None, 0.6, 100, groups=(("bob", 0.6),))), (0, Judged(None, 0.9, 100, groups=(("ann", 0.9),)))]
    score = join(folds, "max")
    assert (score.value, score.stderr, score.groups) == (0.75, None, (("ann", 0.9), ("bob", 0.6)))
    many = [(0, Judged(None, 0.9, 100, replicates=(0.8, 0.9, 0.95)))]
    assert join(many, "max").groups == ()


def test_the_screen_and_the_report_show_the_range_and_each_group(tmp_path) -> None:
    line = next(line for line in summary(FOUND, tmp_path).splitlines() if "by speaker" in line)
    assert "0.60000 to 0.90000 (ann 0.90000, bob|x 0.60000)" in line
    told = markdown(Story("run", FOUND, (), ()))
    assert "from 0.60000 to 0.90000" in told
    assert "| speaker | search score |" in told
    assert "| bob\\|x | 0.60000 |" in told
    for groups in ((), FOUND.groups[:1]):
        plain = replace(FOUND, groups=groups)
        assert "by speaker" not in summary(plain, tmp_path)
        assert "Too few groups" not in markdown(Story("run", plain, (), ()))
