"""report.html and the tree of `show`: the story of a run for people, in which foreign text is text."""

import html
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from pydantic import TypeAdapter

from mlestar import reporting
from mlestar.progress import summary
from mlestar.records import Ablated, Attempt, Blended, Effect, Idea, Plan, Summary, Target, Usage
from mlestar.report import figures
from mlestar.report.card import interval
from mlestar.report.markdown import markdown
from mlestar.report.page import page
from mlestar.report.story import Gain, Node, Seen, Story, Told
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
    gains=(Gain(1.0, "start", EVIL, "quick", score(0.7)),),
    ablations=(("branch-0/refine/0/ablate", Ablated("start", (Effect(EVIL, 0.1, 0.0, 0.2, EVIL),))),),
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
    assert "The run failed; there is no final score." in made
    assert "Leakage: nobody has checked." in made
    going = page(Story("run", replace(BARE, state="running"), (), STORY.gains), "", "let Plotly;")
    assert "The run goes on; there is no final score yet. The best so far is" in going


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
    best = next(trace for trace in figures.scores(story)["data"] if trace["name"].startswith("best so far"))
    assert best["y"] == [0.5, 0.7, 0.7]


def test_the_tree_marks_what_was_delivered_and_elides(growing):
    evaluated(growing, "start", 0.5)
    for i in range(9):
        here = f"branch-0/refine/0/inner/{i}"
        evaluated(growing, here, 0.5 + i / 100, ("start",))
        growing.publish(here, Attempt(here, "model", Plan("a plan", "model"), score(0.5), 0.1, i == 8, 1.0))
    growing.publish("ensemble/1", Blended("stack", "brain", (("start::model", 1.0),), score(0.7)))
    story = replace(Teller(growing.run).story(), weights=(("branch-0/refine/0/inner/0::model", 1.0),))
    lines = tree(story, 10)
    assert len(lines) == 10
    marked = [(line.mark, line.text.split()[1]) for line in lines if line.mark != " "]
    assert marked == [(":", "quick"), ("*", "inner/0")]
    assert any("5 more" in line.text for line in lines)
    assert not any("more" in line.text for line in tree(story))
    assert len(tree(story)) == 9 + 2 + 3


def test_a_tree_of_many_steps_fits_a_screen():
    nodes = tuple(node(f"branch-{i % 4}/refine/{i // 40}/inner/{i // 4 % 10}", "attempt") for i in range(400))
    lines = tree(Story("run", SUMMARY, nodes, (), weights=(("branch-3/refine/9/inner/9::model", 1.0),)), 24)
    assert len(lines) <= 24
    assert "steps more" in lines[-1].text
    assert [line.mark for line in lines].count("*") == 1
    assert all(len(line.text) < 200 and "\x1b" not in line.text for line in lines)


def test_a_summary_fits_a_screen():
    usage = tuple(
        Usage(f"role-{i} of a long name", "openai:a-model-of-long-name", i, 1, 2_000_000, 1, 100_000, 0.02, 0.02, 9.0)
        for i in range(9)
    )
    members = tuple((f"{EVIL[:200]} {i}", 0.5) for i in range(30))
    told = summary(replace(SUMMARY, warnings=(EVIL,) * 9, usage=usage, phases=members, groups=members), Path("run"))
    assert max(map(len, told.splitlines())) <= 80
    assert len(told.splitlines()) <= 40
    assert "\x1b" not in told
    assert "and 5 more" in told
    assert "4 more" in told


def test_thousands_of_attempts_are_told_quickly_and_shortly():
    nodes = tuple(node(f"branch-0/refine/{i // 10}/inner/{i % 10}", "attempt", name="n") for i in range(5_000))
    started = time.process_time()
    made = page(Story("run", replace(SUMMARY, task="t", warnings=()), nodes, ()), "", "let Plotly;")
    assert time.process_time() - started < 3
    assert len(made) < 10_000_000  # and five are plotly's


def test_far_worse_scores_do_not_flatten_the_chart():
    worths = [0.6, 0.61, 0.62, 0.63, 0.64, -40.0]
    nodes = tuple(node(f"branch-0/init/candidate/{i}", score=score(worth)) for i, worth in enumerate(worths))
    axis = figures.scores(Story("run", SUMMARY, nodes, ()))["layout"]["yaxis"]
    assert -1 < axis["range"][0] < 0.6
    assert axis["range"][1] >= 0.73  # the estimate with its interval
    assert "1 far worse" in axis["title"]["text"]
    assert "range" not in figures.scores(Story("run", SUMMARY, nodes[:5], ()))["layout"]["yaxis"]


def test_no_interval_leaves_the_range_of_its_metric():
    sure = replace(SUMMARY, estimate=0.995, estimate_stderr=0.01)
    story = Story("run", sure, (node("start", "quick", score=score(0.995)),), STORY.gains)
    for told in (markdown(story), page(story, "", "let Plotly;")):
        assert "between 0.97500 and 1.00000" in told
    for trace in figures.scores(story)["data"]:
        room = trace.get("error_y", {"array": [0.0]})["array"][0]
        assert max(trace["y"]) + room <= 1
    assert interval("accuracy", replace(score(0.995), value=1.02)) == "1.00000 (1.00000 to 1.00000)"
    assert interval("metric.py:score", score(0.995)) == "0.99500 (0.97500 to 1.01500)"


def test_members_and_cells_that_look_alike_stay_apart():
    long = "a" * 10_000
    alike = tuple(node(f"branch-0/init/candidate/{i}", name=long) for i in range(3))
    parts = tuple((f"{one.address}::model", 0.3) for one in alike)
    cells = (("x/ablate", Ablated("start", tuple(Effect(long, value, 0.0, 0.2, "") for value in (0.1, 0.2)))),)
    story = Story("run", SUMMARY, alike, (), weights=parts, ablations=cells)
    for figure in (figures.weights(story), figures.effects(story, "x/ablate")):
        names = figure["data"][0]["y"]
        assert len(set(names)) == len(names) > 1
        assert max(map(len, names)) < 50
    assert len(set(figures.member_names(story).values())) == 3


def test_the_story_as_json_comes_back_whole(growing):
    evaluated(growing, "start", 0.5)
    evaluated(growing, "branch-0/init/candidate/0", None)
    assert TypeAdapter(Story).validate_json(reporting.told(growing.run)) == Teller(growing.run).story()


def read(made, tags):
    """The words of these elements of a page, in their order."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>|<nav.*?</nav>|<wbr>", "", made, flags=re.DOTALL)
    found = re.findall(rf"<({tags})(?: [^>]*)?>(.*?)</\1>", body, re.DOTALL)
    return [" ".join(html.unescape(re.sub("<[^>]*>", "", inner.replace("<br>", " "))).split()) for _, inner in found]


def test_page_and_markdown_tell_the_same_story(growing):
    evaluated(growing, "start", 0.5)
    evaluated(growing, "branch-0/init/candidate/0", 0.7)
    evaluated(growing, "branch-0/init/candidate/1", None)
    growing.publish("branch-0/refine/0/ablate", Ablated("start", (Effect("model", 0.1, 0.0, 0.2, "dear"),)))
    evaluated(growing, "branch-0/refine/0/inner/0", 0.6)
    growing.note("branch-0/init/check/leakage", "leakage suspected: _id_ tells | the target")
    growing.set_fact("task_facts", {"direction": "max", "metric": "accuracy", "warnings": ["4. few * rows"]})
    shown = page(Teller(growing.run).story(), "", "let Plotly;")
    told = MarkdownIt("commonmark").enable("table").render(reporting.markdown(growing.run))
    assert read(told, "h[123]") == read(shown, "h[123]")
    assert len(read(told, "h[123]")) > 8
    cells = iter(read(shown, "t[hd]"))
    assert all(cell in cells for cell in read(told, "t[hd]")), "in the same order"
    words = {*read(shown, "p"), *read(shown, "li"), *(f"{caption}:" for caption in read(shown, "caption"))}
    said = [line.removeprefix("Warning. ") for line in read(told, "p")]
    assert set(said) <= words
    assert "Before you rely on it: leakage is suspected and 1 warning." in said
    listed = read(told, "li")
    assert {"leakage suspected: _id_ tells | the target", "warning: 4. few * rows"} <= set(listed) & words
    rows = [line for line in listed if line not in words]  # what the page has as a table of sentences
    assert len(rows) == 4
    assert all(node.address in line for node, line in zip(Teller(growing.run).story().nodes, rows, strict=True))


def test_the_markdown_of_a_long_run_fits_a_few_screens():
    nodes = tuple(node(f"branch-0/refine/0/inner/{i}", "attempt", name="n", plan="p", cell="c") for i in range(500))
    told = markdown(Story("run", replace(SUMMARY, task="t", warnings=()), nodes, STORY.gains * 50))
    assert len(told.splitlines()) < 90
    assert "8 of 500" in told


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
        for width, scheme, script in ((1280, "light", True), (390, "dark", True), (390, "light", False)):
            seen = browser.new_context(
                viewport={"width": width, "height": 900}, java_script_enabled=script, color_scheme=scheme
            ).new_page()
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
                if script and (width == 390) == (file == place):  # it takes seconds
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


def test_a_page_that_cannot_be_written_fails_no_run(growing):
    evaluated(growing, "start", 0.5)
    (growing.run / "report.html").mkdir()
    with pytest.warns(RuntimeWarning, match="could not be written .*the run is done all the same"):
        reporting.keep(growing.run)
    assert [path.name for path in Path(growing.run).glob("*report*")] == ["report.html"]
