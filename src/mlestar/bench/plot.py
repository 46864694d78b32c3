"""The bench's plot, as SVG written by hand: a number line per task, better to the right, a dot per graded cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mlestar.bench.comparing import Line

COLOURS = ("#0b6e99", "#d9730d", "#4d8b31", "#ad1a72", "#6940a5", "#64473a")
MEDALS = {"gold": "#c9a100", "silver": "#8f959c", "bronze": "#a8642a"}
LEFT, WIDTH, RIGHT, HEAD, STEP, LANE = 300, 520, 40, 50, 30, 10  # pixels
Limits = Mapping[str, Sequence[tuple[str, float]]]


def svg(rows: Sequence[Line], systems: Sequence[str], limits: Limits) -> str:
    """The whole picture. `limits` are the scores that medals need, by task."""
    colour = {system: COLOURS[place % len(COLOURS)] for place, system in enumerate(systems)}
    parts, top = [_legend(colour)], HEAD
    for task in dict.fromkeys(row.task for row in rows):
        mine = [row for row in rows if row.task == task]
        parts.append(_task(task, mine, colour, limits.get(task, ()), top))
        top += STEP + LANE * len(mine)
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{top + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def _legend(colour: Mapping[str, str]) -> str:
    parts, left = [], 12
    for system, shade in colour.items():
        parts.append(dot(left, 20, shade) + text(left + 10, 24, system))
        left += 30 + 8 * len(system)
    return "\n".join(parts)


def _task(
    task: str, rows: Sequence[Line], colour: Mapping[str, str], limits: Sequence[tuple[str, float]], top: int
) -> str:
    """The line of one task: its name, the worst and the best score at the ends, medals as ticks."""
    parts = [text(12, top + LANE, task)]
    scores = [score for row in rows for score in row.tests]
    if not scores:
        return "\n".join([*parts, text(LEFT, top + LANE, "no graded cell")])
    every = [*scores, *(limit for _, limit in limits)]
    worst, best = (min(every), max(every)) if rows[0].direction == "max" else (max(every), min(every))

    def at(score: float) -> float:
        return LEFT + WIDTH * ((score - worst) / (best - worst) if best != worst else 0.5)

    bottom = top + LANE * len(rows)
    for medal, limit in limits:
        x = at(limit)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 4}" y2="{bottom}" stroke="{MEDALS[medal]}" stroke-width="2">'
            f"<title>{medal} {limit:g}</title></line>"
        )
    for place, row in enumerate(rows):
        y = top + LANE * place + LANE // 2
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#e5e5e5"/>')
        parts += [dot(at(score), y, colour[row.system], f"{row.system} {score:g}") for score in row.tests]
    parts += [text(LEFT, bottom + 11, f"{worst:.5g}", 10), text(LEFT + WIDTH, bottom + 11, f"{best:.5g}", 10, "end")]
    return "\n".join(parts)


def dot(x: float, y: float, shade: str, title: str = "") -> str:
    """A filled circle; `title` is what a pointer over it shows."""
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{shade}" fill-opacity="0.8">{told}</circle>'


def text(x: float, y: float, words: str, size: int = 12, anchor: str = "start") -> str:
    """Words of at most 44 characters."""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">{escape(words[:44])}</text>'
