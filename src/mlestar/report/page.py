"""report.html: the story of a run in one file, for somebody who was not there; it fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mlestar.records import Score, Summary
from mlestar.report import costs, figures
from mlestar.report.elements import Safe, block, code, items, section, table, text
from mlestar.report.figures import Figure
from mlestar.report.story import Node, Story
from mlestar.report.tree import steps

MOST_SOURCE = 200_000  # characters of the final script
MOST_ROWS = 400  # of one table
_HERE = Path(__file__).parent


def page(story: Story, script: str, library: str) -> str:
    """The whole file. `script` is the final solution's text (empty: there is none), `library` plotly's JavaScript."""
    found, style, draw = story.summary, *((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    body = [
        section("Score over time", _chart(figures.scores(story)), _gains(story), id="time"),
        section("The task, and what was assumed", *_task(found), id="task"),
        section("What was tried", *_tried(story), id="tried"),
        section("The final solution", *_final(story, script), id="final"),
        section("Data and leakage", *_data(story), id="data"),
        section("Where the ideas came from", _ideas(story), id="ideas"),
        section("What it took", *_cost(story), id="cost"),
        section("What this rests on", *_trust(found), id="trust"),
    ]
    links = " ".join(
        f'<a href="#{one.split(chr(34))[1]}">{one.split("<h2>")[1].split("</h2>")[0]}</a>' for one in body if one
    )
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {_hash(library)} {_hash(draw)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">
<title>{text(found.task)}: what mle-star found</title><style>{style}</style></head>
<body><header><h1>{text(found.task)}</h1>{_answer(story)}<nav aria-label="chapters">{links}</nav></header>
<main>
{chr(10).join(body)}
<p class="soft">Made by mle-star from the journal of {code(story.run)}.</p>
</main>
<script>{library}</script><script>{draw}</script></body></html>
"""


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _chart(figure: Figure) -> Safe:
    if not figure["data"]:
        return Safe("")
    told = json.dumps(figure).replace("</", "<\\/").replace("<!--", "<\\!--")
    return Safe(
        f'<div class="chart"><div aria-hidden="true"></div><script type="application/json">{told}</script></div>'
    )


def _answer(story: Story) -> Safe:
    """What to expect, first of all."""
    found = story.summary
    if found.estimate is None:
        return Safe(f'<p class="lead answer">The run is {text(found.state)}; there is no final score yet.</p>')
    better = "higher" if found.direction == "max" else "lower"
    error = found.estimate_stderr
    low, high = figures.interval(Score(found.estimate, error, found.direction, (), ()))
    likely = f", most likely between {low:.5f} and {high:.5f}" if error is not None else ""
    basis = (
        "the score of the final script on rows that no decision had seen"
        if found.sealed_score is not None
        else "the search score less what choosing the best of many flattered it; no rows were sealed"
    )
    files = [
        f"{code(found.best + '/submission.csv')} is what to hand in",
        f"{code(found.best + '/solution.py')} makes it",
    ]
    return Safe(
        f'<div class="answer"><p class="lead">Expect <strong>{text(found.metric)} {found.estimate:.5f}</strong>'
        f"{likely} ({better} is better).</p><p>This is {basis}.</p>"
        + (f"<p>{'; '.join(files)}: it reads the task's files in <code>input/</code>.</p>" if found.best else "")
        + "</div>"
    )


def _gains(story: Story) -> Safe:
    rows = [
        (f"{gain.at:.0f} s", figures.WORDS.get(gain.kind, gain.kind), gain.name, code(gain.address), str(gain.score))
        for gain in story.gains
    ]
    return table(("when", "made by", "solution", "step", "score"), rows, 1, "Who made each gain") if rows else Safe("")


def _task(found: Summary) -> list[object]:
    better = "higher" if found.direction == "max" else "lower"
    sealed = _score(found.sealed_score, found.sealed_stderr)
    facts = [
        Safe(f"Metric: {text(found.metric)}; {better} is better."),
        Safe(f"Split: {code(found.split)}, which is to imitate how the test relates to the training rows. "
             f"{text(found.split_evidence)}."),
        f"Search score {_score(found.search_score, found.search_stderr)}; on sealed rows {sealed}"
        + (f"; optimism {found.optimism:+.5f} (positive: the search promised too much)." if found.optimism else "."),
    ]  # fmt: skip
    groups = [(name, f"{value:.5f}") for name, value in found.groups]
    phases = [(name, f"{value:.5f}") for name, value in found.phases if value is not None]
    return [
        items(facts),
        table(("after", "score"), phases, 1, "The best score after each phase") if phases else "",
        table((found.split.partition(":")[2] or "group", "score"), groups, 1, "By group") if groups else "",
    ]


def _tried(story: Story) -> list[object]:
    """Step by step: the ablation, the cell that was chosen, what was tried."""
    parts: list[object] = []
    for step, nodes in steps(story):
        parts += [Safe(f"<h3>{text(_title(step))}</h3>"), *_study(story, step), _attempts(nodes)]
    return parts


def _title(step: str) -> str:
    branch, _, rest = step.partition("/")
    names = {"start": "The first minute", "added": "Handed in", "ensemble": "The ensemble", "finalise": "The finish"}
    if not rest:
        return names.get(branch, branch)
    number = rest.partition("/")[2]
    return f"{branch}: " + (f"refinement, step {int(number) + 1}" if number.isdigit() else "initial solution")


def _study(story: Story, step: str) -> list[object]:
    """The ablation of an outer step, and the cell that was chosen after it."""
    parts: list[object] = []
    for address, ablated in story.ablations:
        if address == f"{step}/ablate":
            rows = [
                (e.cell, e.note, "" if e.effect is None else f"{e.effect:+.5f}",
                 "" if e.low is None or e.high is None else f"{e.low:+.5f} to {e.high:+.5f}")
                for e in ablated.effects
            ]  # fmt: skip
            head = ("cell", "note", "worse without it by", "80 % interval")
            parts += [_chart(figures.effects(story, address)), table(head, rows, 2, "What each cell is worth")]
    parts += [
        Safe(f"<p>Chosen to refine: {code(target.cell)}, because {text(target.why)}.</p>")
        for address, target in story.targets
        if address.startswith(f"{step}/")
    ]
    return parts


def _attempts(nodes: Sequence[Node]) -> Safe:
    rows = [
        (
            node.name, code(node.address), Safe(_word(node)), "" if node.score is None else str(node.score),
            "" if node.gain is None else f"{node.gain:+.5f}", f"{node.seconds:.1f} s",
        )
        for node in nodes[:MOST_ROWS]
    ]  # fmt: skip
    more = f" The first {MOST_ROWS} of {len(nodes)}." if len(nodes) > MOST_ROWS else ""
    return (
        table(("what", "step", "what came of it", "score", "gain", "slowest fold"), rows, 3, more) if rows else Safe("")
    )


def _word(node: Node) -> str:
    told = {True: "taken", False: "not taken", None: node.state}[node.accepted]
    parts: list[str] = [text(told if node.state in ("scored", "not tried") else node.state)]
    if node.cell:
        parts.append(f"cell {code(node.cell)}")
    parts += [text(part, 300) for part in (node.plan, node.reason) if part]
    return "; ".join(parts)


def _final(story: Story, script: str) -> list[object]:
    names = figures.member_names(story)
    rows = [(names[key], code(key), f"{w:.3f}") for key, w in sorted(story.weights, key=lambda part: -part[1])]
    source = f"<details><summary>The script, whole</summary><pre>{block(script, MOST_SOURCE)}</pre></details>"
    return [
        Safe(f"<p>{text(story.final)}</p>") if story.final else "",
        _chart(figures.weights(story)) if len(rows) > 1 else "",
        table(("member", "banked as", "weight"), rows, 1, "What it is made of") if rows else "",
        Safe(source) if script else "",
    ]


def _data(story: Story) -> list[object]:
    looked = [note for note in story.notes if "/check/" in note.address]
    suspected = dict.fromkeys(note.text for note in looked if note.warns)
    data = dict.fromkeys(note.text for note in looked if "/check/data" in note.address)
    opened = [(path, f"{count}") for path, count in story.opened]
    return [
        items(f"data usage: {told}" for told in data),
        Safe(f'<div class="warn">{items(suspected)}</div>') if suspected else "Leakage: nothing suspicious was found.",
        table(("file", "executions that opened it"), opened[:MOST_ROWS], 1, "What scripts really opened")
        if opened
        else "",
    ]


def _ideas(story: Story) -> Safe:
    once = {(idea.name, idea.source): idea for _, idea in story.ideas}
    rows = [(idea.name, idea.why, idea.source) for idea in list(once.values())[:MOST_ROWS]]
    pages = [note.text for note in story.notes if note.text.startswith("found by ")]
    return Safe((table(("idea", "why", "source"), rows) if rows else "") + items(dict.fromkeys(pages)))


def _cost(story: Story) -> list[object]:
    found = story.summary
    rows = [costs.cells(used) for used in (*found.usage, costs.total(found.usage))] if found.usage else []
    asked = "paid calls" if found.usage else "answers of the embedded brain; nothing was paid"
    return [
        f"{found.seconds:.0f} s, {found.jobs} executions, {found.brain_calls} {asked}.",
        _chart(figures.costs(story)),
        table(costs.HEAD, rows, 6, "Calls, tokens and money by role") if rows else "",
        items(f"{heard.sender or 'somebody'} said ({heard.about}): {heard.text}" for heard in story.heard),
    ]


def _trust(found: Summary) -> list[object]:
    facts = [
        f"Brain: {found.brain}.",
        f"Generated scripts ran behind the wall: {found.sandbox} ({found.sandbox_about}).",
        f"The sealed rows were looked at {found.sealed_seen} times in all.",
    ]
    warnings = Safe(f'<div class="warn">{items(f"warning: {warning}" for warning in found.warnings)}</div>')
    return [items(facts), warnings if found.warnings else ""]


def _score(value: float | None, error: float | None) -> str:
    return "none" if value is None else f"{value:.5f}" + ("" if error is None else f" ± {error:.5f}")
