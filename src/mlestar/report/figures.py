"""A story's charts, as plotly figures in plain values: for the report and for live pages.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; ink and grid are left to the page, which
knows whether it is light or dark. Labels are escaped: plotly shows a few HTML tags.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from mlestar.plain import word
from mlestar.records import Score
from mlestar.report.story import Node, Story

Figure = dict[str, Any]
COLOURS = {
    "quick": "#8a8a8a", "candidate": "#0072B2", "merger": "#56B4E9", "check": "#56B4E9", "variant": "#CC79A7",
    "attempt": "#E69F00", "added": "#009E73", "blend": "#D55E00",
}  # fmt: skip
WORDS = {
    "quick": "quick start", "candidate": "candidates", "merger": "mergers", "check": "checked",
    "variant": "without a cell", "attempt": "refinements", "added": "handed in", "blend": "ensemble",
}  # fmt: skip
GREY = "#8a8a8a"
_TALL, _ROW = 380, 26  # pixels
_MOST = 30  # bars of a chart
_DOTS = 1_000  # of a chart, beside those that were gains


def scores(story: Story) -> Figure:
    """Every score over the run's time, ± one standard error; the best so far as steps; what to expect at the end."""
    whole = [node for node in story.nodes if node.state == "scored" and node.score is not None and node.kind in WORDS]
    gained = {gain.address for gain in story.gains}
    thin = 1 + len(whole) // _DOTS
    whole = [node for i, node in enumerate(whole) if i % thin == 0 or node.address in gained]
    end = story.summary.seconds
    unit, per = ("minutes", 60.0) if end >= 120 else ("seconds", 1.0)
    traces = [_dots(kind, [n for n in whole if n.kind == kind], per) for kind in WORDS]
    if story.gains:
        times = [gain.at / per for gain in story.gains] + [end / per]
        best = [gain.score.value for gain in story.gains]
        traces.insert(0, {
            "type": "scatter", "mode": "lines", "name": "best so far", "x": times, "y": [*best, best[-1]],
            "line": {"shape": "hv", "color": GREY, "width": 2}, "hoverinfo": "skip",
        })  # fmt: skip
    estimate = story.summary.estimate
    if estimate is not None:
        error = 2 * (story.summary.estimate_stderr or 0.0)
        traces.append({
            "type": "scatter", "mode": "markers", "name": "what to expect, ± 2 SE", "x": [end / per], "y": [estimate],
            "marker": {"symbol": "diamond", "size": 12, "color": "#009E73"},
            "error_y": {"type": "data", "array": [error]},
            "hovertemplate": "expect %{y:.5f}<extra></extra>",
        })  # fmt: skip
    axes = {"xaxis": {"title": {"text": unit}}, "yaxis": {"title": {"text": _text(story.summary.metric)}}}
    return _figure([trace for trace in traces if trace["x"]], _TALL, **axes)


def effects(story: Story, address: str) -> Figure:
    """What each cell is worth in one ablation, with 80 % intervals; right of zero = the cell helps."""
    known = [e for place, a in story.ablations if place == address for e in a.effects if e.effect is not None]
    known.sort(key=lambda effect: effect.effect or 0.0)
    values = [effect.effect or 0.0 for effect in known]
    up = [max((e.high if e.high is not None else v) - v, 0.0) for e, v in zip(known, values, strict=True)]
    down = [max(v - (e.low if e.low is not None else v), 0.0) for e, v in zip(known, values, strict=True)]
    sure = [lost <= value for lost, value in zip(down, values, strict=True)]
    trace = {
        "type": "scatter", "mode": "markers", "x": values, "y": [_text(effect.cell) for effect in known],
        "error_x": {"type": "data", "array": up, "arrayminus": down, "symmetric": False, "color": GREY},
        "marker": {"size": 10, "color": ["#0072B2" if it else GREY for it in sure]},
        "hovertemplate": "%{y}: %{x:+.5f}<extra></extra>",
    }  # fmt: skip
    axes = {"xaxis": {"title": {"text": "how much worse without it"}, "zeroline": True}, "yaxis": {"automargin": True}}
    return _figure([trace], 110 + _ROW * len(known), **axes)


def weights(story: Story) -> Figure:
    """The weights of the final solution's members, the largest on top."""
    ranked = sorted(story.weights, key=lambda part: part[1])[-_MOST:]
    names = member_names(story)
    return _bars([names[key] for key, _ in ranked], [weight for _, weight in ranked], "weight")


def costs(story: Story) -> Figure:
    """Seconds of executions, by what they were for."""
    spent: dict[str, float] = {}
    for node in story.nodes:
        for run in node.runs:
            word_ = "real runs" if run.view in ("real", "rehearsal") else WORDS.get(node.kind, node.kind)
            spent[word_] = spent.get(word_, 0.0) + run.seconds
    ranked = sorted(spent.items(), key=lambda part: part[1])
    return _bars([name for name, _ in ranked], [round(seconds, 1) for _, seconds in ranked], "seconds of executions")


def member_names(story: Story) -> dict[str, str]:
    """Readable names of the final solution's members, by key; those that would be alike carry their address."""
    named: dict[str, str] = {}
    for key, _ in story.weights:
        address, _, member = key.partition("::")
        node = story.node(address)
        name = node.name if node else address
        named[key] = name if member in ("model", "submission", "") else f"{name}/{member}"
    twice = {name for name in named.values() if list(named.values()).count(name) > 1}
    return {k: word(f"{name} ({k.partition('::')[0]})" if name in twice else name, 90) for k, name in named.items()}


def interval(score: Score) -> tuple[float, float]:
    """Where the value is likely to lie: two standard errors to both sides."""
    return score.value - 2 * (score.stderr or 0.0), score.value + 2 * (score.stderr or 0.0)


def _dots(kind: str, nodes: Sequence[Node], per: float) -> Figure:
    known = [(node, node.score) for node in nodes if node.score is not None]
    return {
        "type": "scatter", "mode": "markers", "name": WORDS[kind], "x": [(n.until or n.at) / per for n, _ in known],
        "y": [score.value for _, score in known], "text": [_text(f"{n.name} ({n.address})") for n, _ in known],
        "error_y": {"type": "data", "array": [s.stderr or 0.0 for _, s in known], "thickness": 1, "width": 2},
        "marker": {"size": 8, "color": COLOURS[kind]}, "hovertemplate": "%{text}<br>%{y:.5f}<extra></extra>",
    }  # fmt: skip


def _bars(names: Sequence[str], values: Sequence[float], title: str) -> Figure:
    trace = {
        "type": "bar", "orientation": "h", "x": list(values), "y": [_text(name) for name in names],
        "marker": {"color": "#0072B2"}, "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
    }  # fmt: skip
    axes = {"xaxis": {"title": {"text": title}}, "yaxis": {"automargin": True, "type": "category"}}
    return _figure([trace], 90 + _ROW * len(names), **axes)


def _figure(traces: Sequence[Figure], height: int, **layout: Any) -> Figure:
    ground = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "height": height}
    margins = {"margin": {"l": 60, "r": 16, "t": 16, "b": 48}, "hovermode": "closest"}
    legend = {"legend": {"orientation": "h", "y": -0.2}, "showlegend": len(traces) > 1}
    return {"data": list(traces), "layout": {**ground, **margins, **legend, **layout}}


def _text(text: str) -> str:
    return html.escape(word(text, 120), quote=False)
