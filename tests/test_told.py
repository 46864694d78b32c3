"""What requests are told: names of scripts, members that no blend may join, looks, and what other branches found."""

import re

from mlestar import evaluating, pooling, steering, studying
from mlestar.journal import queries
from mlestar.records import Elsewhere, FoldResult, Judged, Letter, Outcome, Plan, Scored, Solution
from mlestar.roles import RewrittenCells
from mlestar.testing.llm_server import LlmServer

from .answering import answer
from .conftest import LEAST, LONG

TWO = [*LEAST, "--set", "branches=2", "--set", "refine.inner=2", "--set", "ensemble.rounds=1"]
PART = "What other branches have found"


def named(start: str, plan: Plan, reply: str = "") -> str:
    return evaluating.changed(Solution(start, "x = 1", ""), plan, RewrittenCells((), reply), "x = 2").name


def test_scripts_are_called_after_what_was_changed():
    assert named("forest", Plan("Deeper trees, because they underfit.", "model")) == "forest with Deeper trees"
    assert named("forest with dates", Plan("…", "model", name="two losses")) == "forest with dates, two losses"
    assert named("forest", Plan("Take boosting", "model", "lightgbm")) == "lightgbm", "another model"
    assert named("forest", Plan("Add dates", "features", "dates")) == "forest with dates"
    long = named(f"forest with {'dates, ' * 20}", Plan("", "features", name="lags"))
    assert long == "forest with …, lags"
    assert len(named("f" * 300, Plan("w" * 300, "model"))) <= 200
    letter = Letter(1, "steer", "model", "An extra forest", "me", 0.0)
    assert steering.plan([letter]).title == "An extra forest", "what was described names it"
    assert Plan("Features: add lags", "features").title == "Features: add lags"


def scored(address: str, seconds: float) -> Scored:
    return Scored(
        Solution(address, "", ""), address, None, None, (FoldResult(0, Outcome("ok", seconds), Judged(None)),)
    )


def test_scripts_that_no_blend_may_join_are_named_with_the_reason():
    found = {address: scored(address, seconds) for address, seconds in (("a", 30.0), ("b", 67.0), ("c", 5.0))}
    keys = [f"{address}::m" for address in found]
    assert pooling.left_out(keys, found, keys, 500.0) == ()
    (gone,) = pooling.left_out(keys, found, ["a::m", "c::m"], 45.0)
    assert gone[0] == "b"
    assert "67 s" in gone[1]
    assert "45 s" in gone[1]
    assert "35 s are taken" in gone[1]
    assert "without a time budget" in dict(pooling.left_out(keys, found, ["a::m"], None))["c"]
    assert "no room" in dict(pooling.left_out(keys, found, ["a::m"], 1000.0))["b"]


def test_a_look_shows_what_it_printed_before_its_script():
    finding = f"How many?\nIt printed:\n17{studying.SCRIPT}print(17)"
    assert studying.printed([finding, "a line"]) == "How many?\nIt printed:\n17\na line"


def news(run):
    rows = [row for row in queries.steps(run) if row.address.endswith("/elsewhere")]
    return {row.address: row.read(tuple[Elsewhere, ...]) for row in rows}


def test_branches_in_words_are_told_what_others_found_and_a_replay_sees_the_same(task, mle_star, tmp_path):
    run = tmp_path / "run"
    with LlmServer(answer) as server:
        words = ["--brain", "openai:any", "--set", f"llm.base_url={server.openai}"]
        done = mle_star("run", task, "--out", run, *TWO, *words, OPENAI_API_KEY="sk-x")
        assert done.returncode == 0, done.stderr
        seen, asked = news(run), [one.text for one in server.asked]
        assert mle_star("resume", run, OPENAI_API_KEY="sk-x").returncode == 0
        assert (news(run), len(server.asked)) == (seen, len(asked)), "what was seen is recorded"
    assert all(address.startswith("branch-") for address in seen)
    told = [one for found in seen.values() for one in found]
    assert told, "the branch that is behind sees what the other has"
    assert {one.branch for one in told} <= {0, 1}
    assert all(score is not None for one in told for _, score, _ in one.solutions)
    assert any(one.solutions for one in told)
    assert any(PART in text for text in asked)
    looks = [text for text in asked if "The script that printed it:" in text]
    assert all(text.index("It printed:") < text.index("The script that printed it:") for text in looks)
    plans = [text for text in asked if "# Your part now: plan the next change" in text]
    assert plans
    assert all(re.search(r"^It is `.+`, score .+ made at `.+`\.$", text, re.MULTILINE) for text in plans)
    names = [n for row in queries.steps(run) if row.address.endswith("/planner") for n in [row.read(Plan).title]]
    assert all(re.fullmatch(r"leaves of \d+", name) for name in names)


@LONG
def test_a_brain_that_chooses_by_rule_is_told_nothing_and_a_later_one_in_words_replays_it(task, mle_star, tmp_path):
    run = tmp_path / "run"
    done = mle_star("run", task, "--out", run, *TWO)
    assert done.returncode == 0, done.stderr
    assert news(run) == {}
    with LlmServer(answer) as server:
        words = ["--brain", "openai:any", "--set", f"llm.base_url={server.openai}"]
        assert mle_star("resume", run, *words, OPENAI_API_KEY="sk-x").returncode == 0
    assert news(run) == {}, "what was asked before was asked without"
