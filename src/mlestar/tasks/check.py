"""`mle-star check TASK`: what was inferred, from which evidence, and what is doubtful. Runs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlestar.plain import word
from mlestar.records import Column
from mlestar.tasks.infer import understand
from mlestar.tasks.profile import profile
from mlestar.tasks.source import Source

_SHOWN, _LINE = 40, 500  # features, characters of a line


def check(folder: Path) -> str:
    """Human text about a task folder; raises TaskError when it is broken or cannot be understood."""
    source = understand(folder)
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


def _facts(source: Source) -> list[str]:
    facts = {
        "train": f"{source.train.name}, {len(source.train.frame)} rows",
        "test": f"{source.test.name}, {len(source.test.frame)} rows",
        "sample": source.sample.name,
        "id": ", ".join(source.id) or "none (aligned by order)",
        "target": ", ".join(source.target),
        "predicts": f"{source.predicts} in {_short(source.prediction_columns)}",
        "classes": _short(tuple(map(repr, source.classes))),
        "echo": ", ".join(source.echo_columns),
        "metric": f"{source.metric}, {'higher' if source.direction == 'max' else 'lower'} is better",
        "split": source.split,
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
