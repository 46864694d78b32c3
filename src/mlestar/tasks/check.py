"""`mle-star check TASK`: what was inferred, from which evidence, and what is doubtful.

Runs nothing but the task's own programs, behind the wall, where there are any and something to run them in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlestar.errors import SettingsError
from mlestar.plain import word
from mlestar.ports import Serve
from mlestar.records import Column
from mlestar.tasks.infer import understand
from mlestar.tasks.manifest import read_manifest
from mlestar.tasks.own import is_own
from mlestar.tasks.prepared import prepare
from mlestar.tasks.profile import profile
from mlestar.tasks.source import Source

_SHOWN, _LINE = 40, 500  # features, characters of a line
_READ = {
    "number": "numbers", "boolean": "yes or no", "category": "labels", "date": "dates", "text": "texts",
    "list": "lists", "code": "codes", "constant": "constant",
}  # fmt: skip


def check(folder: Path, serve: Serve | None = None, data: Path | None = None) -> str:
    """Human text about a task folder; raises TaskError when it is broken or cannot be understood.

    `serve` runs its task.py and metric.py, `data` is the folder that task.py is shown, where that is another one.
    """
    source = _understood(folder, serve, data)
    seen = profile(source, np.arange(len(source.train.frame)))
    lines = [
        f"{word(source.folder.resolve().name)}: kind {source.kind}",
        "",
        *_facts(source),
        "",
        "evidence",
        *(f"  - {word(text, _LINE)}" for text in source.evidence),
        "",
        f"features ({len(seen.columns)})",
        *(_feature(column) for column in seen.columns[:_SHOWN]),
    ]
    if len(seen.columns) > _SHOWN:
        lines.append(f"  … and {len(seen.columns) - _SHOWN} more")
    if source.settings:
        lines += ["", "task.toml", *(f"  {name} = {word(value)}" for name, value in source.settings)]
    lines += [
        "",
        "warnings" if source.warnings else "no warnings",
        *(f"  ! {word(text, _LINE)}" for text in source.warnings),
    ]
    return "\n".join(lines)


def brief(folder: Path, told: Sequence[str] = ()) -> str:
    """The same of a folder that was just made, in a few lines; `told` is what was concluded as it was made."""
    source = understand(folder)
    seen = profile(source, np.arange(len(source.train.frame)))
    values = (
        f"values from {seen.target_minimum:g} to {seen.target_maximum:g}" if seen.target_minimum is not None else ""
    )
    kinds: dict[str, list[str]] = {}
    for column in seen.columns:
        kinds.setdefault(_READ.get(column.kind, column.kind), []).append(column.name)
    lines = {
        "target": f"{', '.join(source.target)}: {_classes(source) or values or 'text'}",
        "metric": f"{source.metric}, {'higher' if source.direction == 'max' else 'lower'} is better",
        "split": source.split,
        "id": ", ".join(source.id) or "none",
        **{kind: f"{len(names)}: {_short(tuple(names))}" for kind, names in kinds.items()},
    }
    concluded = dict(line.split(": ", 1) for line in told)
    lines |= {name: f"{lines[name]}: {why}" if name in lines else why for name, why in concluded.items()}
    shown = [f"  {name:<11}{word(text, _LINE)}" for name, text in lines.items()]
    return "\n".join([*shown, *(f"  ! {word(text, _LINE)}" for text in source.warnings)])


def _classes(source: Source) -> str:
    return f"{len(source.classes)} classes: {_short(tuple(map(repr, source.classes)))}" if source.classes else ""


def _understood(folder: Path, serve: Serve | None, data: Path | None) -> Source:
    """With a self-check where the task has programs of its own; one of a metric alone may be left out."""
    entry = read_manifest(folder).task
    own_tables = is_own(folder, entry)
    if not own_tables and (serve is None or ".py:" not in (entry.metric or "")):
        return understand(folder)
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        try:
            task = prepare(folder, Path(scratch) / "run", 0, serve=serve, data=data)
        except SettingsError as error:  # no wall
            if own_tables:
                raise
            source = understand(folder)
            return replace(source, warnings=(*source.warnings, f"not self-checked: {error}"))
        return replace(task.source, evidence=task.evidence)


def _facts(source: Source) -> list[str]:
    facts = {
        "train": f"{source.train.name}, {len(source.train.frame)} rows",
        "test": f"{source.test.name}, {len(source.test.frame)} rows",
        "sample": source.sample.name,
        "id": ", ".join(source.pixels.id if source.pixels else source.id) or "none (aligned by order)",
        "target": source.pixels.targets if source.pixels else ", ".join(source.target),
        "predicts": f"{source.predicts} in {_short(source.prediction_columns)}",
        "classes": _short(tuple(map(repr, source.classes))),
        "echo": ", ".join(source.echo_columns),
        "metric": f"{source.metric}, {'higher' if source.direction == 'max' else 'lower'} is better",
        "split": source.split,
        "series": ", ".join(source.series),
        "time": source.time,
        "row files": "; ".join(f"{asset.train} | {asset.test} ({asset.kind})" for asset in source.assets),
        "train only": ", ".join(source.train_only),
        "other files": ", ".join(source.other_files),
    }
    return [f"{name:<12}{word(text, _LINE)}" for name, text in facts.items() if text]


def _short(names: tuple[str, ...]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _feature(column: Column) -> str:
    missing = f", {column.missing:.1%} missing" if column.missing else ""
    span = "" if column.minimum is None else f", {column.minimum:g} to {column.maximum:g}"
    examples = "" if span else ", such as " + " · ".join(repr(text[:30]) for text in column.examples)
    return f"  {word(column.name, 80):<24} {column.kind:<9} {column.distinct} distinct{missing}{span}{examples}"
