"""A story as pages draw it: plain values, small enough for thousands of steps."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlestar.journal import queries
from mlestar.plain import clean, word
from mlestar.records import Score
from mlestar.report import costs, figures
from mlestar.report.story import Node, Story
from mlestar.report.tree import steps

MOST_OUTPUT, MOST_SCRIPT = 20_000, 200_000  # characters
MOST_LINES = 5_000  # that are compared
MOST_GAINS, MOST_IDEAS, MOST_NOTES, MOST_FILES = 100, 200, 200, 300


def shown(story: Story) -> dict[str, Any]:
    """What a run's page needs, but for the details of single nodes."""
    found = story.summary
    used = {key.partition("::")[0] for key, _ in story.weights}
    ideas = {(idea.name, idea.source): idea for _, idea in story.ideas}
    return {
        "summary": {**asdict(found), "usage": []}, "steps": story.steps, "running": list(story.running),
        "tree": [{"step": step, "nodes": [_row(node, used) for node in nodes]} for step, nodes in steps(story)],
        "gains": [[round(g.at), g.kind, word(g.name), g.address, str(g.score)] for g in story.gains[-MOST_GAINS:]],
        "scores": figures.scores(story), "costs": figures.costs(story),
        "effects": [[place, figures.effects(story, place)] for place, _ in story.ablations],
        "targets": [[place.rpartition("/")[0], t.cell, word(t.why, 500)] for place, t in story.targets],
        "weights": figures.weights(story) if len(story.weights) > 1 else None, "final": word(story.final),
        "ideas": [[word(i.name), word(i.why, 500), word(i.source)] for i in list(ideas.values())[:MOST_IDEAS]],
        "notes": [[round(n.at), n.address, word(n.text, 500), n.warns] for n in story.notes[-MOST_NOTES:]],
        "heard": [[round(h.at), word(h.sender), word(h.about), word(h.text, 500)] for h in story.heard],
        "opened": [[word(path), count] for path, count in story.opened[:MOST_FILES]],
        "usage": [costs.HEAD, *map(costs.cells, [*found.usage, costs.total(found.usage)])] if found.usage else [],
    }  # fmt: skip


def _row(node: Node, used: set[str]) -> list[Any]:
    """Of a node in the tree: address, name, kind, state, score, gain, accepted, whether it was delivered."""
    gain = "" if node.gain is None else f"{node.gain:+.5f}"
    told = "" if node.score is None else str(node.score)
    return [node.address, word(node.name, 80), node.kind, node.state, told, gain, node.accepted, node.address in used]


def detail(run: Path, story: Story, node: Node) -> dict[str, Any]:
    """One node: its plan, how its script differs from what it was made from, its executions with what they printed."""
    script, before = _text(run, node.script), ""
    if node.parents and script:
        parent = story.node(node.parents[0])
        before = _text(run, parent.script) if parent else ""
    rows = queries.steps(run, node.address)
    results = {row.address: row.result for row in rows if row.verb == "execute"}
    executions = []
    for one in sorted(node.runs, key=lambda one: one.view):
        outcome = json.loads(results.get(one.address) or "{}").get("outcome", {})
        printed = {key: clean(outcome.get(key, ""))[-MOST_OUTPUT:] for key in ("output", "error")}
        executions.append({**asdict(one), **printed})
    return {
        **asdict(node), "score": _score(node.score), "runs": executions, "script": clean(script)[:MOST_SCRIPT],
        "diff": _diff(before, script) if before else [], "name": word(node.name), "plan": word(node.plan, 2_000),
        "calls": _calls(rows),
    }  # fmt: skip


def _calls(rows: Sequence[queries.StepRow]) -> str:
    """What the calls among these steps took, in words; empty where there were none."""
    calls = [row for row in rows if row.verb == "call" and row.state == "ok"]
    usd = [row.cost_usd for row in calls if row.cost_usd is not None]
    price = costs.dollars(sum(usd)) if len(usd) == len(calls) else "price unknown"
    return f"{len(calls)} calls, {sum(row.seconds or 0.0 for row in calls):.1f} s, {price}" if calls else ""


def _score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else {"told": str(score), "values": score.values, "folds": score.folds}


def _text(run: Path, digest: str) -> str:
    return queries.blob(run, digest).decode("utf-8", "replace") if digest else ""


def _diff(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(
        before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES], "before", "after", lineterm="", n=3
    )
    return [clean(line)[:500] for line in list(lines)[2:]]
