"""A story's charts, as plotly figures in plain values: for the report and for live pages.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart, and marks differ in shape too; ink and
grid are left to the page, which knows whether it is light or dark. Labels are escaped: plotly shows a few HTML tags.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from mlestar import ranges
from mlestar.plain import word
from mlestar.records import Score
from mlestar.report import costs as prices
from mlestar.report.story import Node, Story

Figure = dict[str, Any]
COLOURS = {
    "quick": "#8a8a8a", "candidate": "#0072B2", "merger": "#56B4E9", "check": "#CC79A7", "variant": "#CC79A7",
    "attempt": "#E69F00", "added": "#009E73", "blend": "#D55E00",
}  # fmt: skip
SHAPES = {
    "quick": "x", "candidate": "circle", "merger": "square", "check": "triangle-down", "variant": "triangle-up",
    "attempt": "triangle-right", "added": "star", "blend": "hexagon",
}  # fmt: skip
WORDS = {
    "quick": "quick start", "candidate": "candidates", "merger": "mergers", "check": "checked",
    "variant": "without a cell", "attempt": "refinements", "added": "handed in", "blend": "ensemble",
    "ablation": "ablation", "look": "looks at the data",
}  # fmt: skip
GREY, BLUE, ORANGE = "#8a8a8a", "#0072B2", "#E69F00"
_TALL, _ROW = 400, 26  # pixels
_MOST = 30  # bars of a chart
_LABEL = 32  # characters
_BARS = 1_000  # points; above that many, their error bars would be a wall
_DOTS = 1_500  # points of a chart, beside those that were gains


def scores(story: Story) -> Figure:
    """Every score over the run's time, ± one standard error; the best so far as steps; what to expect at the end."""
    whole = [(n, n.score) for n in story.nodes if n.state == "scored" and n.score is not None and n.kind in SHAPES]
    end = max([story.summary.seconds, *(node.until or node.at for node, _ in whole)])
    unit, per = ("hours", 3600.0) if end >= 7200 else ("minutes", 60.0) if end >= 120 else ("seconds", 1.0)
    traces = _best(story, end, per)
    shown = _thinned(whole, {gain.address for gain in story.gains})
    found, sides = story.summary, []
    traces += [
        _dots(kind, [one for one in shown if one[0].kind == kind], per, len(whole) <= _BARS, found.metric)
        for kind in SHAPES
    ]
    if found.estimate is not None:
        score = Score(found.estimate, found.estimate_stderr, found.direction, (), ())
        sides = list(ranges.likely(found.metric, score))
        told = f", most likely {sides[0]:.5f} to {sides[1]:.5f}" if found.estimate_stderr else ""
        traces.append({
            "type": "scatter", "mode": "markers", "name": "what to expect, ± 2 SE", "x": [end / per],
            "y": [found.estimate],
            "marker": {"symbol": "diamond", "size": 13, "color": "#009E73"},
            "error_y": {**_errors(found.metric, [score], 2), "thickness": 3, "width": 6},
            "hovertemplate": f"expect %{{y:.5f}}{told}<extra></extra>",
        })  # fmt: skip
    window, outside = _window([score for _, score in whole], sides)
    metric = _text(found.metric) + (f" ({outside} far worse lie outside)" if outside else "")
    axes = {"xaxis": {"title": {"text": unit}}, "yaxis": {"title": {"text": metric}, **window}}
    return _figure([trace for trace in traces if trace["x"]], _TALL, **axes)


def effects(story: Story, address: str) -> Figure:
    """What each cell is worth in one ablation, with 80 % intervals; right of zero = the cell helps.

    Blue and filled where the interval leaves zero out.
    """
    known = [(e, e.effect) for place, a in story.ablations if place == address for e in a.effects]
    ranked = sorted(((e, value) for e, value in known if value is not None), key=lambda one: one[1])
    up = [max((e.high if e.high is not None else value) - value, 0.0) for e, value in ranked]
    down = [max(value - (e.low if e.low is not None else value), 0.0) for e, value in ranked]
    sure = [value - lost > 0 or value + more < 0 for (_, value), lost, more in zip(ranked, down, up, strict=True)]
    trace = {
        "type": "scatter", "mode": "markers", "x": [value for _, value in ranked],
        "y": _labels(e.cell for e, _ in ranked),
        "error_x": {"type": "data", "array": up, "arrayminus": down, "symmetric": False, "color": GREY},
        "marker": {"size": 11, "color": [BLUE if it else GREY for it in sure],
                   "symbol": ["circle" if it else "circle-open" for it in sure]},
        "hovertemplate": "%{y}: %{x:+.5f}<extra></extra>",
    }  # fmt: skip
    axes = {"xaxis": {"title": {"text": "how much worse without it"}, "zeroline": True}, "yaxis": _NAMES}
    return _figure([trace] if ranked else [], 110 + _ROW * len(ranked), **axes)


def weights(story: Story) -> Figure:
    """The weights of the final solution's members, the largest on top."""
    ranked = sorted(story.weights, key=lambda part: part[1])[-_MOST:]
    names = member_names(story)
    labels = _labels(names[key] for key, _ in ranked)
    return _bars([("weight", BLUE, labels, [weight for _, weight in ranked], [])], "weight")


def costs(story: Story) -> Figure:
    """Seconds of executions and of paid calls, by what they were for."""
    spent = executions(story)
    by_role = sorted(story.summary.usage, key=lambda used: used.seconds)
    ranked = sorted(spent.items(), key=lambda part: part[1])
    told = [f"{used.calls} calls, {prices.price(used)}" for used in by_role]
    calls = _labels(used.role if used.role not in spent else f"{used.role} (calls)" for used in by_role)
    return _bars([
        ("calls", ORANGE, calls, [round(used.seconds, 1) for used in by_role], told),
        ("executions", BLUE, _labels(name for name, _ in ranked), [round(taken, 1) for _, taken in ranked], []),
    ], "seconds")  # fmt: skip


def executions(story: Story) -> dict[str, float]:
    """Seconds of executions, by what they were for."""
    spent: dict[str, float] = {}
    for node in story.nodes:
        for run in node.runs:
            what = "real runs" if run.view in ("real", "rehearsal") else WORDS.get(node.kind, node.kind)
            spent[what] = spent.get(what, 0.0) + run.seconds
    return spent


def member_names(story: Story) -> dict[str, str]:
    """Readable names of the final solution's members, by key; those that would be alike carry their address."""
    nodes, named = {node.address: node.name for node in story.nodes}, {}
    for key, _ in story.weights:
        address, _, member = key.partition("::")
        name = word(nodes.get(address, address), 60)
        named[key] = name if member in ("model", "submission", "") else f"{name}/{word(member, 40)}"
    seen = Counter(named.values())
    return {k: f"{n} ({word(k.partition('::')[0], 90)})" if seen[n] > 1 else n for k, n in named.items()}


def _best(story: Story, end: float, per: float) -> list[Figure]:
    """The best so far as steps, in a band of one standard error to both sides."""
    if not story.gains:
        return []
    times = [*(gain.at / per for gain in story.gains), end / per]
    found = [gain.score for gain in [*story.gains, story.gains[-1]]]
    edge = {"type": "scatter", "mode": "lines", "x": times, "name": "band", "hoverinfo": "skip", "showlegend": False}
    none, band = {"shape": "hv", "width": 0}, {"fill": "tonexty", "fillcolor": "rgba(138,138,138,0.18)"}
    low, high = zip(*(ranges.likely(story.summary.metric, score, 1) for score in found), strict=True)
    line = {"shape": "hv", "color": GREY, "width": 2}
    steps = {**edge, "name": "best so far, ± 1 SE", "showlegend": True, "y": [s.value for s in found], "line": line}
    return [{**edge, "y": [*low], "line": none}, {**edge, "y": [*high], "line": none, **band}, steps]


def _thinned(whole: Sequence[tuple[Node, Score]], gained: set[str]) -> list[tuple[Node, Score]]:
    """Every one where there are few, else every n-th and all that were gains."""
    thin = 1 + len(whole) // _DOTS
    return [one for i, one in enumerate(whole) if i % thin == 0 or one[0].address in gained]


def _errors(metric: str, scores: Sequence[Score], errors: float) -> Figure:
    """So many standard errors to both sides, as far as the metric goes."""
    sides = [(score.value, *ranges.likely(metric, score, errors)) for score in scores]
    up, down = ([max(a, 0.0) for a in side] for side in ([h - v for v, _, h in sides], [v - lo for v, lo, _ in sides]))
    return {"type": "data", "array": up, "arrayminus": down, "symmetric": False}


def _dots(kind: str, known: Sequence[tuple[Node, Score]], per: float, errors: bool, metric: str) -> Figure:
    error = {**_errors(metric, [score for _, score in known], 1), "thickness": 1, "width": 2}
    return {
        "type": "scatter", "mode": "markers", "name": WORDS[kind],
        "x": [(node.until or node.at) / per for node, _ in known], "y": [score.value for _, score in known],
        "text": [_text(f"{word(node.name, 60)} ({node.address})") for node, _ in known],
        "customdata": [f" ± {score.stderr:.5f}" if score.stderr is not None else "" for _, score in known],
        **({"error_y": error} if errors else {}),
        "marker": {"size": 9 if errors else 4, "color": COLOURS[kind], "symbol": SHAPES[kind]},
        "hovertemplate": "%{text}<br>%{y:.5f}%{customdata}<extra></extra>",
    }  # fmt: skip


def _window(found: Sequence[Score], also: Sequence[float]) -> tuple[Figure, int]:
    """The part of the axis to show, where a few far worse scores would flatten all others; and how many they are."""
    if len(found) < 5:
        return {}, 0
    sign = -1.0 if found[0].direction == "max" else 1.0
    costly = sorted(sign * score.value for score in found)
    best, most = costly[0], costly[int(0.8 * len(costly))]
    error = max(score.stderr or 0.0 for score in found if sign * score.value <= most)
    room = most - best + 2 * error
    outside = sum(cost > most + room for cost in costly)
    if not outside or costly[-1] - best < 4 * room:
        return {}, 0
    ends = [best - 0.2 * room - error, most + room, *(sign * value for value in also)]
    return {"range": sorted((sign * min(ends), sign * max(ends)))}, outside


def _bars(parts: Sequence[tuple[str, str, list[str], list[float], list[str]]], title: str) -> Figure:
    """Bars side by side or on top of one another: of each part its name, colour, labels, values and remarks."""
    traces = [
        {
            "type": "bar", "orientation": "h", "name": name, "x": values, "y": labels, "marker": {"color": colour},
            "customdata": [f" ({_text(remark)})" for remark in remarks] or [""] * len(values),
            "hovertemplate": "%{y}: %{x:.4g}%{customdata}<extra></extra>",
        }
        for name, colour, labels, values, remarks in parts
        if labels
    ]  # fmt: skip
    rows = sum(len(trace["y"]) for trace in traces)
    return _figure(traces, 90 + _ROW * rows, xaxis={"title": {"text": title}}, yaxis=_NAMES, barmode="stack")


_NAMES = {"automargin": True, "type": "category"}


def _figure(traces: Sequence[Figure], height: int, **layout: Any) -> Figure:
    ground = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "height": height}
    margins = {"margin": {"l": 60, "r": 16, "t": 16, "b": 48}, "hovermode": "closest"}
    legend = {
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "showlegend": len(traces) > 1,
    }
    return {"data": list(traces), "layout": {**ground, **margins, **legend, **layout}}


def _labels(names: Iterable[str]) -> list[str]:
    """Short names for an axis, no two alike: plotly would make one of those."""
    found: list[str] = []
    for name in names:
        short = _text(word(name, _LABEL)) or "–"
        found.append(short if short not in found else f"{short} [{len(found) + 1}]")
    return found


def _text(text: str) -> str:
    return html.escape(word(text, 160), quote=False)
