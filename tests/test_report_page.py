"""report.html and the tree of `show`: the story of a run for people, in which foreign text is text."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlestar import reporting
from mlestar.records import Ablated, Attempt, Blended, Effect, Idea, Plan, Summary, Target
from mlestar.report import figures
from mlestar.report.page import page
from mlestar.report.story import Node, Seen, Story, Told
from mlestar.report.tree import tree
from mlestar.telling import Teller

from .growing import evaluated, score

EVIL = '<script>alert(1)</script><a href="javascript:alert(1)">x</a>\x1b[31m' + "y" * 10_000
SUMMARY = Summary(
    "done", EVIL, "playbook", "accuracy", "max", "random", EVIL, 2, 0.7, 0.01, 0.69, 0.02, 0.01, 60.0, 3, 4, None,
    "bubblewrap", "run/best", 0.69, 0.02, 1, EVIL, (("refine", 0.7),), (EVIL,),
)  # fmt: skip


def node(address, kind="candidate", **more):
    known = {"name": EVIL, "source": EVIL, "state": "scored", "score": score(0.7), "reason": "", "seconds": 1.0}
    return Node(address, kind, address.partition("/")[0], at=1.0, until=2.0, **{**known, **more})


STORY = Story(
    EVIL, SUMMARY,
    nodes=(
        node("start", "quick"), node("branch-0/init/candidate/0"),
        node("branch-0/refine/0/inner/0", "attempt", cell=EVIL, plan=EVIL, gain=0.1, accepted=True, reason=EVIL),
    ),
    gains=(), ablations=(("branch-0/refine/0/ablate", Ablated("start", (Effect(EVIL, 0.1, 0.0, 0.2, EVIL),))),),
    targets=(("branch-0/refine/0/target-chooser", Target(EVIL, EVIL)),), ideas=(("start", Idea(EVIL, EVIL, EVIL)),),
    weights=(("start::model", 0.5), (f"branch-0/init/candidate/0::{EVIL}", 0.5)), final=EVIL, opened=((EVIL, 2),),
    notes=(Told(1.0, "branch-0/init/check/leakage", EVIL, True), Told(1.0, "x", f"found by {EVIL}")),
    heard=(Seen(1.0, "x", EVIL, EVIL, EVIL),),
)  # fmt: skip
BARE = replace(SUMMARY, estimate=None, estimate_stderr=None, search_score=None, sealed_score=None, state="failed")


def test_foreign_text_is_text_and_nothing_is_fetched():
    made = page(STORY, EVIL + "</script>", "let Plotly;")
    assert made.count("<script") == made.count("</script>") == 2 + made.count('<script type="application/json">')
    assert "<a href=" in made
    assert all(link.startswith("#") for link in re.findall(r'<a href="([^"]*)"', made))
    assert "\x1b" not in made
    assert "default-src 'none'" in made
    assert "y" * 2_000 not in re.sub(r"<pre>.*</pre>", "", made, flags=re.DOTALL)


def test_a_run_without_an_end_can_be_told():
    made = page(Story("run", BARE, (), ()), "", "let Plotly;")
    assert "there is no final score yet" in made
    assert "The run is failed" in made


def test_charts_show_labels_as_text():
    for figure in (figures.scores(STORY), figures.effects(STORY, "branch-0/refine/0/ablate"), figures.weights(STORY)):
        assert "<script" not in json.dumps(figure)
        assert figure["data"]


def test_an_effect_has_its_interval():
    figure = figures.effects(STORY, "branch-0/refine/0/ablate")
    trace = figure["data"][0]
    assert trace["x"] == [0.1]
    assert (trace["error_x"]["arrayminus"], trace["error_x"]["array"]) == ([0.1], [0.1])


def test_the_best_so_far_goes_up_in_steps(growing):
    evaluated(growing, "start", 0.5)
    evaluated(growing, "branch-0/init/candidate/0", 0.4)
    evaluated(growing, "branch-0/init/candidate/1", 0.7)
    story = Teller(growing.run).story()
    best = next(trace for trace in figures.scores(story)["data"] if trace["name"] == "best so far")
    assert best["y"] == [0.5, 0.7, 0.7]


def test_the_tree_marks_what_was_delivered_and_elides(growing):
    evaluated(growing, "start", 0.5)
    for i in range(9):
        here = f"branch-0/refine/0/inner/{i}"
        evaluated(growing, here, 0.5 + i / 100, ("start",))
        growing.publish(here, Attempt(here, "model", Plan("a plan", "model"), score(0.5), 0.1, i == 8, 1.0))
    growing.publish("ensemble/1", Blended("stack", "brain", (("start::model", 1.0),), score(0.7)))
    story = replace(Teller(growing.run).story(), weights=(("branch-0/refine/0/inner/0::model", 1.0),))
    lines = tree(story, 4)
    assert [line.text.split()[:2] for line in lines if line.part] == [["├", "inner/0"]]
    assert any("5 more" in line.text for line in lines)
    assert not any("more" in line.text for line in tree(story))
    assert len(tree(story)) == 9 + 2 + 3


def test_a_thousand_attempts_are_told_quickly_and_shortly(growing):
    nodes = tuple(node(f"branch-0/refine/{i // 10}/inner/{i % 10}", "attempt", name="n") for i in range(5_000))
    made = page(Story("run", replace(SUMMARY, task="t", warnings=()), nodes, ()), "", "let Plotly;")
    assert len(made) < 10_000_000


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_browser_shows_it_and_asks_nobody(growing, tmp_path):
    from axe_core_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    evaluated(growing, "start", 0.5)
    evaluated(growing, "branch-0/init/candidate/0", 0.7)
    place = tmp_path / "report.html"
    reporting.write(growing.run, place)
    hostile = tmp_path / "hostile.html"
    from plotly.offline import get_plotlyjs

    hostile.write_text(page(STORY, EVIL, get_plotlyjs()))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for width, script in ((1280, True), (390, True), (390, False)):
            seen = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script).new_page()
            wrong, asked = [], []
            seen.on("console", lambda message, wrong=wrong: wrong.append(message.text))
            seen.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            seen.on("request", lambda request, asked=asked: asked.append(request.url))
            for file in (place, hostile):
                seen.goto(file.as_uri())
                assert seen.locator("h1").count() == 1
                assert seen.evaluate("document.documentElement.scrollWidth") <= width if script else True
                if script:
                    assert seen.locator(".chart svg").count() > 0
                    found = Axe().run(seen)["violations"]
                    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
            assert wrong == []
            assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
        browser.close()


def test_it_is_whole_or_not_there(growing, tmp_path):
    evaluated(growing, "start", 0.5)
    with pytest.raises(OSError, match="No such file"):
        reporting.write(growing.run, tmp_path / "nowhere" / "report.html")
    reporting.write(growing.run)
    assert [path.name for path in Path(growing.run).glob("*report*")] == ["report.html"]
    assert json.loads(reporting.told(growing.run))["nodes"][0]["address"] == "start"
