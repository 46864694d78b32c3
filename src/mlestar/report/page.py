"""report.html: the story of a run in one file, for somebody who was not there; it fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence, Set
from pathlib import Path

from mlestar.plain import number
from mlestar.records import Score, Summary
from mlestar.report import costs, figures
from mlestar.report.elements import Safe, block, code, items, section, table, text
from mlestar.report.figures import Figure
from mlestar.report.story import Node, Story
from mlestar.report.tree import delivered, steps

MOST_SOURCE = 200_000  # characters of the final script
MOST_ROWS = 400  # of one table
MOST_NOTES = 1_000
_HERE = Path(__file__).parent


def page(story: Story, script: str, library: str) -> str:
    """The whole file. `script` is the final solution's text (empty: there is none), `library` plotly's JavaScript."""
    found, style, draw = story.summary, *((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    chapters: dict[str, tuple[str, list[object]]] = {
        "time": ("Score over time", [_chart(figures.scores(story)), _gains(story)]),
        "task": ("The task, and what was assumed", _task(found)),
        "tried": ("What was tried", _tried(story)),
        "final": ("The final solution", _final(story, script)),
        "data": ("Data and leakage", _data(story)),
        "ideas": ("Where the ideas came from", _ideas(story)),
        "cost": ("What it took", _cost(story)),
        "trust": ("What this rests on", _trust(found)),
    }
    body = {key: made for key, (title, parts) in chapters.items() if (made := section(title, *parts, id=key))}
    links = "".join(f'<li><a href="#{key}">{chapters[key][0]}</a></li>' for key in body)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_policy(library, draw)}">
<meta name="referrer" content="no-referrer"><title>{text(found.task, 100)}: what mle-star found</title>
<style>{style}</style></head>
<body><header><h1>{text(found.task, 100)}</h1>{_answer(story)}</header>
<nav aria-label="chapters"><ul>{links}</ul></nav>
<main>
{chr(10).join(body.values())}
</main>
<footer class="soft"><p>Made by mle-star from the journal of the run {code(Path(story.run).name)}.</p></footer>
<script>{library}</script><script>{draw}</script></body></html>
"""


def _policy(*scripts: str) -> str:
    """Nothing is fetched, and no script runs but these; plotly writes styles, which can fetch nothing either."""
    known = " ".join(_hash(script) for script in scripts)
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {known}"
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _chart(figure: Figure) -> Safe:
    if not figure["data"]:
        return Safe("")
    told = json.dumps(figure).replace("<", "\\u003c")
    return Safe(
        f'<div class="chart"><div aria-hidden="true"></div><script type="application/json">{told}</script></div>'
    )


def _answer(story: Story) -> Safe:
    """What to expect, first of all."""
    found = story.summary
    if found.estimate is None:
        return Safe(f'<div class="answer"><p class="lead">{_unfinished(story)}</p>{_beware(story)}</div>')
    better = "higher" if found.direction == "max" else "lower"
    error = found.estimate_stderr
    low, high = figures.interval(Score(found.estimate, error, found.direction, (), ()))
    likely = f", most likely between {low:.5f} and {high:.5f}" if error is not None else ""
    basis = (
        "the score of the final script on rows that no decision had seen"
        if found.sealed_score is not None
        else "the search score less what choosing the best of many flattered it; no rows were sealed"
    )
    files = (
        "<p>In the run's folder, <code>best/submission.csv</code> is what to hand in, and "
        "<code>best/solution.py</code> makes it again: <code>python solution.py</code>, "
        "in a folder that has the task's files in <code>input/</code>.</p>"
    )
    return Safe(
        f'<div class="answer"><p class="lead">Expect <strong>{text(found.metric)} {found.estimate:.5f}</strong>'
        f"{likely} ({better} is better).</p><p>This is {basis}.</p>{files if found.best else ''}{_beware(story)}</div>"
    )


def _unfinished(story: Story) -> Safe:
    state = {"running": "goes on", "failed": "failed"}.get(story.summary.state, f"is {text(story.summary.state)}")
    told = f"The run {state}; there is no final score{' yet' if state == 'goes on' else ''}."
    if story.gains:
        last = story.gains[-1]
        told += f" The best so far is {text(last.name, 60)}: {text(story.summary.metric)} {last.score}."
    return Safe(told)


def _beware(story: Story) -> Safe:
    """What a reader must know before believing the number."""
    leaks, warnings = any(note.warns for note in story.notes), len(story.summary.warnings)
    told = ['<a href="#data">leakage is suspected</a>'] if leaks else []
    told += [f'<a href="#trust">{warnings} warning{"s" * (warnings > 1)}</a>'] if warnings else []
    return Safe(f'<p class="warn">Before you rely on it: {" and ".join(told)}.</p>' if told else "")


def _gains(story: Story) -> Safe:
    before = [None, *(gain.score.value for gain in story.gains)]
    rows = [
        (
            f"{gain.at:.0f} s", figures.WORDS.get(gain.kind, gain.kind), _named(gain.name, gain.address),
            str(gain.score), "" if last is None else f"{gain.score.value - last:+.5f}",
        )
        for gain, last in zip(story.gains, before, strict=False)
    ]  # fmt: skip
    head = ("when", "made by", "solution", "score", "change")
    return table(head, rows, 2, "Who made each gain") if rows else Safe("")


def _named(name: str, address: str) -> Safe:
    return Safe(f"{text(name, 100)}<br><code>{text(address)}</code>")


def _task(found: Summary) -> list[object]:
    better = "higher" if found.direction == "max" else "lower"
    sealed = number(found.sealed_score, found.sealed_stderr)
    facts = [
        Safe(f"Metric: {text(found.metric)}; {better} is better."),
        Safe(f"Split: {code(found.split)}, which is to imitate how the test relates to the training rows. "
             f"{text(found.split_evidence)}."),
        f"Search score {number(found.search_score, found.search_stderr)}; on sealed rows {sealed}"
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
    used = delivered(story)
    for step, nodes in steps(story):
        parts += [Safe(f"<h3>{text(_title(step))}</h3>"), *_study(story, step), _attempts(nodes, used)]
    lines = [Safe(f"{code(note.address)} {text(note.text)}") for note in story.notes[:MOST_NOTES]]
    more = [f"… {len(story.notes) - MOST_NOTES} more"] if len(story.notes) > MOST_NOTES else []
    log = f"<details><summary>What the run noted, line by line</summary>{items([*lines, *more])}</details>"
    return [*parts, Safe(log) if lines else ""]


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


def _attempts(nodes: Sequence[Node], used: Set[str]) -> Safe:
    rows = [
        (
            _named(node.name, node.address), _word(node, node.address in used),
            "" if node.score is None else str(node.score),
            "" if node.gain is None else f"{node.gain:+.5f}", f"{node.seconds:.1f} s",
        )
        for node in nodes[:MOST_ROWS]
    ]  # fmt: skip
    more = f"The first {MOST_ROWS} of {len(nodes)}" if len(nodes) > MOST_ROWS else ""
    return table(("what", "what came of it", "score", "gain", "slowest fold"), rows, 3, more)


def _word(node: Node, used: bool) -> Safe:
    told = {True: "taken", False: "not taken", None: node.state}[node.accepted]
    parts: list[str] = ["<strong>in the final solution</strong>"] if used else []
    parts.append(text(told if node.state == "scored" else node.state))
    if node.cell:
        parts.append(f"cell {code(node.cell)}")
    parts += [text(part, 300) for part in (node.plan, node.reason) if part]
    return Safe("; ".join(parts))


def _final(story: Story, script: str) -> list[object]:
    names = figures.member_names(story)
    rows = [(_named(names[key], key), f"{w:.3f}") for key, w in sorted(story.weights, key=lambda part: -part[1])]
    source = f"<details><summary>The script, whole</summary><pre>{block(script, MOST_SOURCE)}</pre></details>"
    return [
        Safe(f"<p>{text(story.final)}</p>") if story.final else "",
        _chart(figures.weights(story)) if len(rows) > 1 else "",
        table(("member", "weight"), rows, 1, "What it is made of") if rows else "",
        Safe(source) if script else "",
    ]


def _data(story: Story) -> list[object]:
    looked = [note for note in story.notes if "/check/" in note.address]
    suspected = dict.fromkeys(note.text for note in story.notes if note.warns)
    data = dict.fromkeys(note.text for note in looked if "/check/data" in note.address)
    checked = any("/check/leakage" in note.address for note in looked)
    opened = [(path, f"{count}") for path, count in story.opened]
    fine = "Leakage: checked, and nothing suspicious was found." if checked else "Leakage: nobody has checked."
    return [
        items(f"Data usage: {told}" for told in data)
        or "Data usage: nobody has checked whether files were left unread.",
        Safe(f'<div class="warn">{items(suspected)}</div>') if suspected else fine,
        table(("file", "executions that opened it"), opened[:MOST_ROWS], 1, "What scripts really opened")
        if opened
        else "",
    ]


def _ideas(story: Story) -> list[object]:
    once = {(idea.name, idea.source): idea for _, idea in story.ideas}
    rows = [(idea.name, idea.why, idea.source) for idea in list(once.values())[:MOST_ROWS]]
    pages = [note.text for note in story.notes if note.text.startswith("found by ")]
    return [table(("idea", "why", "source"), rows) if rows else "", items(dict.fromkeys(pages))]


def _cost(story: Story) -> list[object]:
    found = story.summary
    rows = [costs.cells(used) for used in (*found.usage, costs.total(found.usage))] if found.usage else []
    asked = "paid calls" if found.usage else "answers of the embedded brain; nothing was paid"
    spent = sorted(figures.executions(story).items(), key=lambda part: -part[1])
    return [
        f"{found.seconds:.0f} s, {found.jobs} executions, {found.brain_calls} {asked}.",
        _chart(figures.costs(story)),
        table(("for", "seconds"), [(what, f"{taken:.1f}") for what, taken in spent], 1, "Executions") if spent else "",
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
