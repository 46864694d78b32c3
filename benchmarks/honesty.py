"""Whether the estimate keeps its word, over all graded runs: benchmarks/honesty.md and honesty.svg.

    python benchmarks/honesty.py [BENCH FOLDER, its bench.json, or rows as JSON]...

Runs nothing and grades nothing: it reads what the other benchmarks kept (tasks.json, torch.json, relay.json,
playbook.json) and the folders of `mle-star bench` that are named. benchmarks/honesty.json is the source of table and
plot: a graded run stays in it when another takes its place elsewhere.
"""

import argparse
import json
import sys
from pathlib import Path

import common
import numpy as np

from mlestar.bench import cells
from mlestar.bench.plot import COLOURS, dot, text
from mlestar.bench.records import OURS, Cell

PLACE = common.HERE / "honesty.json"
USUAL = ("tasks.json", "torch.json", "relay.json", "playbook.json")
SCORES = ("search", "sealed", "test")
SHADES = dict(zip(SCORES, (COLOURS[1], COLOURS[0], COLOURS[2]), strict=True))
LEFT, WIDTH, RIGHT, HEAD, LANE, STEP = 330, 470, 60, 40, 12, 58  # pixels
ABOUT = """- **search**, **sealed**: what the run said, ± standard error. **expect**: the sealed score, else the search
  score less the bootstrap correction; that is what is put to the test.
- **test**: graded once, after the run, ± SE_test: a bootstrap over the test rows where `mle-star bench` kept one, else
  the SE of expect scaled to the test's size, SE·√(rows behind it / test rows).
- **apart**: (expect − test) / √(SE² + SE_test²), positive where the run promised too much, whichever way the metric
  goes. For honest estimates and errors its mean is near 0 and its root mean square near 1.
- **within 2**: |expect − test| ≤ 2·√(SE² + SE_test²). Where SE_test is not known it is put as 0, which is stricter;
  a run that is outside by that alone cannot be told.
- A run whose row was replaced before this table began is not in it; dev/LOG.md lists every grading.
- Runs on the same task share their test rows, and those of one seed their sealed rows too: they are not independent."""


def gathered(place: Path) -> list[common.Row]:
    """The graded runs that a benchmark's JSON or a bench folder tells of."""
    folder = place.parent if place.name == "bench.json" else place
    if (folder / "cells").is_dir():
        return [of_cell(cell, folder.resolve().name) for cell in cells.recorded(folder) if counts(cell)]
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{place} is no bench folder and no JSON: {error}")
    if isinstance(told, dict):  # a bench.json by itself: no resamples
        known = [cells.CELL.validate_python(cell) for cell in told["cells"]]
        return [of_cell(cell, place.parent.resolve().name) for cell in known if counts(cell)]
    return [of_row(row, place.name) for row in told if number(row.get("test")) is not None]


def counts(cell: Cell) -> bool:
    """Whether a cell is a graded run of ours."""
    return cell.system == OURS and cell.test is not None


def number(value: object) -> float | None:
    """A score, also one that was kept as text."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def of_cell(cell: Cell, source: str) -> common.Row:
    """A run of `mle-star bench`."""
    resampled = cell.grade.replicates if cell.grade else ()
    row = {"search_score": cell.search, "estimate": cell.estimate, "estimate_stderr": cell.estimate_stderr}
    row |= {name: getattr(cell, name) for name in ("task", "date", "metric", "direction", "test")}
    row |= {"search_stderr": cell.search_stderr, "sealed_score": cell.sealed, "sealed_stderr": cell.sealed_stderr}
    row["test_stderr"] = float(np.std(resampled, ddof=1)) if len(resampled) > 1 else None
    return of_row(row, f"{source}, seed {cell.seed}")


def of_row(row: common.Row, source: str) -> common.Row:
    """A graded run as it is kept here."""
    named = {"search": row.get("search_score", row.get("ensemble")), "search_stderr": row.get("search_stderr")}
    named["sealed"] = row.get("sealed_score", row.get("sealed"))
    named["sealed_stderr"] = row.get("sealed_stderr", row.get("sealed_se"))
    best = "search" if named["sealed"] is None else "sealed"
    named["expect"] = named[best] if row.get("estimate") is None else row["estimate"]
    named["expect_stderr"] = named[f"{best}_stderr"] if row.get("estimate") is None else row["estimate_stderr"]
    named |= {"test": number(row["test"]), "test_stderr": row.get("test_stderr")}
    found = {name: row.get(name) for name in ("task", "date", "metric", "direction")}
    source = ", ".join([source, *(str(row[name]) for name in ("run", "brain") if name in row)])
    return {"key": f"{row['task']}, {source}, {row['test']}", "source": source} | found | named


def apart(row: common.Row, direction: str | None) -> float | None:
    """By how many standard errors of the difference the run promised too much; None without its own error."""
    if row["expect"] is None or not row["expect_stderr"]:
        return None
    error = (row["expect_stderr"] ** 2 + (row["test_stderr"] or 0.0) ** 2) ** 0.5
    return float((row["expect"] - row["test"]) / error * (-1.0 if direction == "min" else 1.0))


def within(row: common.Row) -> bool | None:
    """Whether expectation and test agree; None where that cannot be said."""
    distance = apart(row, None)
    inside = distance is not None and abs(distance) <= 2
    return inside if inside or (distance is not None and row["test_stderr"] is not None) else None


def ordered(rows: list[common.Row]) -> list[common.Row]:
    """Runs of the same task side by side."""
    return sorted(rows, key=lambda row: (row["task"], row["source"]))


def directions(rows: list[common.Row]) -> dict[str, str]:
    """Which way each task's metric goes, as far as any of its runs tells."""
    return {row["task"]: row["direction"] for row in rows if row["direction"]}


def render(rows: list[common.Row]) -> str:
    """The page."""
    rows = ordered(rows)
    ways, lines = directions(rows), []
    for row in rows:
        shown = [common.with_error(row[name], row[f"{name}_stderr"]) for name in (*SCORES[:2], "expect", "test")]
        distance = apart(row, ways.get(row["task"])) if row["task"] in ways else None
        lines.append([row["task"], row["source"], row["date"], *shown, distance, within(row)])
    told = [verdict for row in rows if (verdict := within(row)) is not None]
    whole = {row["task"] for row in rows if within(row) is not None}
    off = {row["task"] for row in rows if within(row) is False}
    sure = [row for row in rows if row["test_stderr"] is not None and row["task"] in ways]
    signed = np.array([z for row in sure if (z := apart(row, ways[row["task"]])) is not None])
    said = f"**{sum(told)} of {len(told)}** runs are within 2 ({len(rows) - len(told)} cannot be told); on "
    said += f"{len(whole - off)} of {len(whole)} tasks all runs are."
    if len(signed):
        said += (f" Over the {len(signed)} runs whose SE_test is known, *apart* has mean {signed.mean():+.2f} and root "
                 f"mean square {(signed**2).mean() ** 0.5:.2f}.")  # fmt: skip
    titles = ["task", "run", "date", "search", "sealed", "expect", "test", "apart", "within 2"]
    head = [
        "# The estimate's honesty",
        "Made by `benchmarks/honesty.py`; every number was measured by other benchmarks.",
    ]
    parts = [*head, said, "![search, sealed and test score of each run, ± 2 SE](honesty.svg)"]
    return "\n\n".join([*parts, common.table(titles, lines), ABOUT]) + "\n"


# --- the plot -------------------------------------------------------------------------------------------


def svg(rows: list[common.Row]) -> str:
    """A number line per run, better to the right: search, sealed and test score, each with ± 2 standard errors."""
    ways = directions(rows)
    legend = {"search": ("search", 0), "sealed": ("sealed, else corrected", 75), "test": ("test", 225)}
    parts = [dot(LEFT + x, 18, SHADES[name]) + text(LEFT + x + 8, 22, said) for name, (said, x) in legend.items()]
    parts.append(text(LEFT + WIDTH, 22, "bars: ± 2 SE; better to the right", 11, "end"))
    parts += [line(row, ways.get(row["task"]), HEAD + STEP * place) for place, row in enumerate(rows)]
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{HEAD + STEP * len(rows)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def line(row: common.Row, direction: str | None, top: int) -> str:
    """One run: three marks, the ends of the line, and whether expectation and test agree."""
    marks = {"search": "search", "sealed": "expect", "test": "test"}
    known = {n: (row[k], row[f"{k}_stderr"] or 0.0) for n, k in marks.items() if row[k] is not None}
    ends = [value + sign * 2 * error for value, error in known.values() for sign in (-1, 1)]
    low, high = (max(ends), min(ends)) if direction == "min" else (min(ends), max(ends))
    told = {True: "within", False: "outside", None: "?"}[within(row)]
    parts = [text(12, top + 16, row["task"]), text(12, top + 30, row["source"], 10)]
    parts.append(text(LEFT + WIDTH + 10, top + 21, told, 11))
    for place, (name, (value, error)) in enumerate(known.items()):
        y = top + LANE * place + 5
        x, a, b = (
            LEFT + WIDTH * (v - low) / ((high - low) or 1.0) for v in (value, value - 2 * error, value + 2 * error)
        )
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#ececec"/>')
        parts.append(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}" stroke="{SHADES[name]}" stroke-width="2"/>')
        parts.append(dot(x, y, SHADES[name], f"{marks[name]} {value:.5g}"))
    parts += [text(LEFT, top + 44, f"{low:.5g}", 10), text(LEFT + WIDTH, top + 44, f"{high:.5g}", 10, "end")]
    return "\n".join(parts)


def main() -> None:
    """Gather and write the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="*", type=Path, help="folders of mle-star bench, or JSON of rows")
    parser.add_argument("--table", type=Path, default=PLACE, help="the source of table and plot")
    options = parser.parse_args()
    usual = [common.HERE / name for name in USUAL if (common.HERE / name).exists()]
    found = [row for place in [*usual, *options.places] for row in gathered(place)]
    common.write(options.table, found, "key", render)
    rows = ordered(json.loads(options.table.read_text(encoding="utf-8")))
    options.table.with_suffix(".svg").write_text(svg(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
