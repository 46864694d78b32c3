"""Whatever a brain answers, a run goes on or says what is wrong; nothing it says is more than data."""

from __future__ import annotations

import ast
import json
from dataclasses import fields

from effort import texts, trying
from hypothesis import assume, given
from hypothesis import strategies as st
from strange import GOOD, REPLIES, SCRIPT, Strange, cells, programs

from mlestar import composing, config, leveltwo, naming, roles, runs, scripts
from mlestar.errors import MleStarError
from mlestar.journal import codec, queries
from mlestar.plain import clean, word


@trying(150)
@given(st.data())
def test_a_reply_is_bounded_and_can_be_recorded(data):
    reply = roles.sound(data.draw(REPLIES[data.draw(st.sampled_from(list(REPLIES)))]))
    text = codec.encode(reply, type(reply))
    text.encode()
    assert codec.decode(text, type(reply)) == reply == roles.sound(reply)
    for name, value in ((f.name, getattr(reply, f.name)) for f in fields(reply)):
        if name == "cost":
            assert 0.01 <= value <= 1000
        elif isinstance(value, str) and name != "script":
            assert clean(value) == value


@trying(200)
@given(programs, cells)
def test_cells_go_in_and_problems_are_named(text, changed):
    made = scripts.replace(text, dict(roles.sound(roles.RewrittenCells(changed)).cells))
    assert scripts.parse(scripts.parse(made).text()) == scripts.parse(made)
    scripts.cell_of_line(made, 10**8)
    if not scripts.problems(made):
        for cell in scripts.parse(made).cells:
            renamed = naming.rename(cell.source, dict.fromkeys(scripts.defined(cell.source), "other"))
            assert ast.dump(ast.parse(naming.rename(cell.source, {}))) == ast.dump(ast.parse(cell.source))
            ast.parse(renamed)


@trying(120)
@given(
    st.lists(
        st.tuples(texts, st.lists(texts, min_size=1, max_size=3, unique=True)),
        min_size=2,
        max_size=4,
        unique_by=lambda p: p[0],
    ),
    texts,
)
def test_what_is_composed_means_what_its_parts_mean(named, title):
    """Parts with any labels and members side by side: each is called, under the names that it was given."""
    assume(len({word(label, 80) for label, _ in named}) == len(named))
    parts, expected = [], {}
    for number, (label, members) in enumerate(named):
        label, members = word(label, 80), [word(member, 80) for member in members]
        assume(len(set(members)) == len(members))
        returned = ", ".join(f"{scripts.quoted(member)}: {number}.0 + constant()" for member in members)
        script = scripts.replace(
            SCRIPT,
            {
                "predict": f"def predict(train, test, files, seed):\n    return {{{returned}}}",
                "features": f"def constant():\n    return {number * 0.25}",
            },
        )
        own = {member: label if len(members) == 1 else f"{label}/{member}" for member in members}
        assume(not set(own.values()) & set(expected))
        parts.append(composing.Part(label, script, own))
        expected |= dict.fromkeys(own.values(), number * 1.25)
    weights = dict.fromkeys(expected, 0.5)
    joint = {"blend": composing.WEIGHTED_MEAN, "weights": composing.weights_cell(weights)}
    made = composing.compose(parts, joint, title)
    assert not scripts.problems(made), made
    space: dict[str, object] = {}
    exec(compile(made, "made", "exec"), space)
    assert space["predict"](None, None, None, 0) == expected
    assert space["WEIGHTS"] == weights
    assert ast.get_docstring(ast.parse(made)) is not None
    assert scripts.dependencies(made) == ("numpy", "pandas")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=9).map(clean)
    | st.sampled_from(["'", '"', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5).map(clean), inner, max_size=3),
    max_leaves=9,
)


@trying(100)
@given(JSON)
def test_learned_weights_become_a_constant(weights):
    space: dict[str, object] = {}
    exec(composing.weights_cell(weights), space)
    short = json.loads(json.dumps(weights), parse_float=lambda text: float(f"{float(text):.6g}"))
    assert repr(space["WEIGHTS"]) == repr(short)


@trying(60)
@given(cells, st.lists(texts, max_size=3))
def test_a_blend_is_refused_or_can_be_parsed(found, output):
    kept = {n: s for n, s in roles.sound(roles.RewrittenCells(found)).cells if n in ("setup", "learn", "blend")}
    if {"learn", "blend"} <= set(kept) and not any(map(scripts.complaint, kept.values())):
        ast.parse(leveltwo.script(kept, "sample.csv", [word(name) for name in output]))


# --- a whole run ------------------------------------------------------------------------------------------


@trying(3)
@given(st.sampled_from(list(REPLIES)), st.data())
def test_a_run_survives_any_reply(task, tmp_path_factory, role, data):
    Strange.replies = {**GOOD, role: data.draw(REPLIES[role])}
    run = tmp_path_factory.mktemp("strange") / "run"
    told = ended(task, run)
    if told is None:
        assert (run / "best" / "submission.csv").read_text().startswith("id,buys\n")
    else:  # only without a first script is there nothing to hand over
        assert role in ("retriever", "candidate writer"), told
        assert "failed inside mle-star" not in told
    assert not list((run / "work").glob("*"))
    for note in queries.notes(run):
        assert clean(note.text) == note.text


def ended(task, run) -> str | None:
    """Drive a small run to its end; the message it ended with, if it ended with one."""
    sizes = [
        "branches",
        "init.candidates",
        "refine.outer",
        "refine.inner",
        "judging.folds",
        "bag",
        "jobs",
        "debug.rounds",
    ]
    settings = config.load([*(f"{name}=1" for name in sizes), "ensemble.rounds=2", "unsafe=true"], brain="strange")
    try:
        runs.start(task, run, settings, lambda progress: None)
    except MleStarError as error:
        return str(error)
    return None


LEAVINGS = """import os
from pathlib import Path

os.symlink("{victim}", "deliver.csv")
os.mkfifo("weights.json")
os.mkdir("locked", 0)
(Path(os.fsdecode(b"."), os.fsdecode(b"\\xff\\n"))).write_text("x")
here = os.open(".", os.O_RDONLY)
for _ in range(15):
    os.mkdir("d", dir_fd=here)
    here, before = os.open("d", os.O_RDONLY, dir_fd=here), here
    os.close(before)
more = dict.fromkeys(["<b>\\x1b[31m::no", "it's::no", 'a"b::no', "{{x}}::no", "tree::no", "tree::yes"], found)
pd.DataFrame({{"submission::no": 1 - found, "submission::yes": found, **more}}).to_parquet("members.parquet")
"""


def test_nothing_that_a_script_leaves_leads_the_harness_astray(task, tmp_path):
    """A link where the harness writes, a pipe where it reads, names that break out, folders too deep to walk."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    left = LEAVINGS.format(victim=victim)
    script = (
        SCRIPT.rstrip().rpartition("\n")[0]
        + "\n"
        + "".join(f"    {line}\n" if line else "\n" for line in left.split("\n"))
    )
    Strange.replies = {**GOOD, "candidate writer": roles.WrittenScript("leaves", script)}
    assert ended(task, tmp_path / "run") is None
    assert victim.read_text() == "mine"
    assert (tmp_path / "run" / "best" / "submission.csv").read_text().startswith("id,buys\n")
    assert not list((tmp_path / "run" / "work").iterdir())
    seen = [row.result for row in queries.steps(tmp_path / "run", "start") if row.verb == "execute"]
    assert any('"tree"' in text for text in seen)
    assert not any("\\u001b" in text or "it's::" in text for text in seen)


BAD_ON_REAL = """    if len(test) == 60:
        os.unlink("submission.csv")
"""


def test_a_script_that_fails_on_the_real_rows_only_does_not_end_the_run(task, tmp_path):
    script = SCRIPT.replace("import pandas as pd\n", "import os\n\nimport pandas as pd\n", 1) + BAD_ON_REAL
    Strange.replies = {**GOOD, "candidate writer": roles.WrittenScript("shy", script)}
    told = ended(task, tmp_path / "run")
    assert told is not None
    assert "no solution survived the finish" in told
    assert "wrote no submission.csv" in told
