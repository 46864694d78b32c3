"""Write the pages of docs/ that are made from the code; with `--check`, only say whether they are current.

python scripts/docs.py [--check]
"""

import sys
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mlestar.cli import app
from mlestar.config import Settings
from mlestar.records import Recipe
from mlestar.search.library import Library
from mlestar.tasks.metrics import registry
from mlestar.tasks.metrics.record import Metric

ROOT = Path(__file__).resolve().parents[1]
MADE = "<!-- Made by scripts/docs.py from the code; do not edit. -->"
MACHINE = {"jobs": "number of cores", "interpreter": "the Python that runs mle-star"}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
CODES = """Exit codes: 0 done; 1 ended without a valid solution; 2 wrong use or a broken task, with one message; 3 a
budget ended it before any valid solution; 130 interrupted, and `resume` goes on."""
SOURCES = """Three sources, the first that speaks wins: the command line (`--budget 15m`, or `--set refine.outer=2` for
any setting), the environment (`MLESTAR_BUDGET=15m`, `MLESTAR_REFINE__OUTER=2`), and `mlestar.toml` in the working
directory:

```toml
budget = "15m"
[refine]
outer = 2
```

A name that does not exist is refused. Time spans are seconds, or texts such as `90s`, `15m`, `1h30m`; on the
command line a `budget` under 60 needs its unit."""
METRICS = """What `metric` in task.toml may name. Without it the metric is read from the description, under its usual
names; `check` shows which, and the words that said so. A metric of your own is `metric.py:score`
([how](own-task.md#a-score-of-its-own))."""
LIBRARY = """What the playbook puts scripts together from, and what other brains find when they search.
`mle-star library WORDS` searches, `mle-star library show NAME` prints one whole; [the format](recipes.md) is for
writing your own. A cost of 1 is a linear model or one small forest."""
FORMS = {
    "label": "labels",
    "ranking": "ranked labels",
    "probability": "probabilities",
    "value": "numbers",
    "text": "texts",
}
KINDS = {
    "table": "Tables",
    "text": "Texts",
    "series": "Forecasts",
    "sequence": "Texts from texts",
    "audio": "Recordings",
    "image": "Images",
    "pixels": "Images from images",
    "stack": "Blends",
}


def settings() -> str:
    """docs/settings.md: every field of `config.Settings`."""
    rows = [line for name, field in Settings.model_fields.items() for line in _rows(name, field)]
    table = ["| setting | default | bounds | meaning |", "|---|---|---|---|", *rows]
    return "\n\n".join(["# Settings", MADE, SOURCES, "\n".join(table)]) + "\n"


def _rows(name: str, field: FieldInfo) -> list[str]:
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [row for inner, part in kind.model_fields.items() for row in _rows(f"{name}.{inner}", part)]
    bounds = ", ".join(f"{sign} {getattr(m, word):g}" for m in _constraints(field) for word, sign in BOUNDS.items()
                       if getattr(m, word, None) is not None)  # fmt: skip
    default = MACHINE.get(name) or _default(field.default)
    return [f"| `{name}` | {default} | {bounds} | {field.description} |"]


def _constraints(field: FieldInfo) -> list[Any]:
    """The bounds of a field; of an optional one they may stand at the part of the union."""
    parts = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else ()
    return [*field.metadata, *(m for part in parts for m in getattr(part, "__metadata__", ()))]


def _default(value: object) -> str:
    if value is None or value == "" or value == () or value is PydanticUndefined:
        return "none"
    if isinstance(value, tuple):
        return f"`{', '.join(f'{x:g}' if isinstance(x, float) else str(x) for x in value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else f'{value:g}'}`"


def commands() -> str:
    """docs/cli.md: every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = [part for name, command in group.commands.items() for part in _commands(name, command)]
    return "\n\n".join(["# Command line", MADE, CODES, *parts]) + "\n"


def _commands(name: str, command: Any) -> list[str]:
    """A command, or those of a group and the group's own where it does something by itself."""
    below = getattr(command, "commands", {})
    inner = [part for word, one in below.items() for part in _commands(f"{name} {word}", one)]
    own = not inner or getattr(command, "invoke_without_command", False)
    return [*([_command(name, command)] if own else []), *inner]


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = " ".join([name, *(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)])
    options = [p.name for p in command.params if p.required and p not in arguments]
    rows = [
        f"- `{_spelled(p)}`: {p.help}{' (required)' if p.name in options else ''}" for p in command.params if p.help
    ]
    about = " ".join((command.help or "").split())
    return "\n\n".join([f"## `mle-star {shown}`", about, *(["\n".join(rows)] if rows else [])])


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name.upper())
    return " ".join(parameter.opts) + ("" if parameter.is_flag else " …")


def metrics() -> str:
    """docs/metrics.md: every entry of the metric registry, and the one that takes a number."""
    known = sorted([*registry.METRICS.values(), registry.get("map@3")], key=lambda metric: metric.name)
    table = ["| name | better | for | targets | classes | values must be |", "|---|---|---|---|---|---|"]
    table += [_metric(metric) for metric in known]
    return "\n\n".join(["# Metrics", MADE, METRICS, "\n".join(table)]) + "\n"


def _metric(metric: Metric) -> str:
    name, better = metric.name.replace("@3", "@<k>"), "higher" if metric.direction == "max" else "lower"
    forms = " or ".join(FORMS[form] for form in metric.forms)
    return (
        f"| `{name}` | {better} | {forms} | {_many(metric.targets, 1)} | {_many(metric.classes, 0)} | {metric.needs} |"
    )


def _many(limits: tuple[int, float], least: int) -> str:
    low, high = limits
    if low == high:
        return f"{low:g}"
    if high == float("inf"):
        return "any" if low <= least else f"{low} or more"
    return f"{low} to {high:g}" if low else f"at most {high:g}"


def library() -> str:
    """docs/library.md: the recipes that ship, by kind; those that only load files are left out."""
    shown: dict[str, list[Recipe]] = {kind: [] for kind in KINDS}
    for recipe in Library().recipes():
        if recipe.cell not in ("skeleton", "load"):
            shown[recipe.kind].append(recipe)
    parts = [part for kind, recipes in shown.items() for part in _kind(kind, recipes)]
    return "\n\n".join(["# The library", MADE, LIBRARY, *parts]) + "\n"


def _kind(kind: str, recipes: list[Recipe]) -> list[str]:
    """Models first, then by cell; the forms of one recipe share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for r in sorted(recipes, key=lambda r: (r.cell != "model", r.cell, r.name, r.form)):
        rows.setdefault((r.name, r.cell, f"{r.cost:g}", _line(r.why), _line(r.source)), []).append(r.form)
    head = ["| recipe | cell | form | cost | why | source |", "|---|---|---|---|---|---|"]
    body = [
        f"| `{name}` | {cell} | {', '.join(forms)} | {cost} | {why} | {source} |"
        for (name, cell, cost, why, source), forms in rows.items()
    ]
    return [f"## {KINDS[kind]} (`{kind}`)", "\n".join(head + body)]


def _line(prose: str) -> str:
    return " ".join(prose.split()).replace("|", "\\|")


PAGES = {"settings": settings, "cli": commands, "metrics": metrics, "library": library}


def main(check: bool) -> int:
    """Write the pages, or name those that are old; the exit code."""
    old = []
    for name, made in PAGES.items():
        text = made()
        page = ROOT / "docs" / f"{name}.md"
        if page.exists() and page.read_text(encoding="utf-8") == text:
            continue
        old.append(page.relative_to(ROOT))
        if not check:
            page.write_text(text, encoding="utf-8")
    if old:
        print(f"{'old, run `python scripts/docs.py`' if check else 'written'}: {', '.join(map(str, old))}")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
