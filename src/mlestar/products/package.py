"""A solution as an installable package with `predict(frame)`: its files as texts, by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mlestar import scripts
from mlestar.plain import word

_STANDALONE = Path(__file__).with_name("standalone.py")


@dataclass(frozen=True)
class Shape:
    """What `predict` must know of the task; written beside it as `task.json`. `fill` are cells of the sample.

    `dialects` are separators and encodings by file, `commas` columns of numbers with decimal commas.
    """

    train: str
    test: str
    sample: str
    id: tuple[str, ...]
    test_columns: tuple[str, ...]
    sample_columns: tuple[str, ...]
    fill: Mapping[str, str]
    dialects: Mapping[str, Mapping[str, str]]
    commas: tuple[str, ...]


def module_name(task: str) -> str:
    """The importable name of a task's package."""
    plain = re.sub(r"\W+", "_", task, flags=re.ASCII).strip("_").lower()
    return f"{plain if plain[:1].isalpha() else f'task_{plain}'.strip('_')}_solution"


def files(task: str, script: str, shape: Shape, needs: tuple[str, ...], score: str, with_data: bool) -> dict[str, str]:
    """The package's files; its training data is the caller's to lay into `src/<module>/data`."""
    module = module_name(task)
    home = f"src/{module}"
    return {
        "pyproject.toml": _project(module, task, needs, with_data),
        "README.md": _readme(module, task, score, with_data),
        "requirements.txt": "".join(f"{need}\n" for need in needs),
        f"{home}/__init__.py": _STANDALONE.read_text(encoding="utf-8"),
        f"{home}/solution.py": script,
        f"{home}/task.json": json.dumps(asdict(shape), indent=1, ensure_ascii=False) + "\n",
    }


def _project(module: str, task: str, needs: tuple[str, ...], with_data: bool) -> str:
    listed = "".join(f"    {scripts.quoted(need)},\n" for need in needs)
    about = scripts.quoted(word(f"The solution of {task} that mle-star found", 200))
    return f"""[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{module.replace("_", "-")}"
version = "1.0.0"
description = {about}
readme = "README.md"
requires-python = ">=3.11"
dependencies = [
{listed}]

[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]
"""


def _readme(module: str, task: str, score: str, with_data: bool) -> str:
    data = "" if with_data else '    use_data("the/folder/of/the/task")  # once: it holds the training data\n'
    names = "predict" if with_data else "predict, use_data"
    told = "The training data is in the package." if with_data else "The training data is not in the package."
    title = re.sub(r"[^\w .-]", " ", word(task, 80))
    return f"""# The solution of {title}

Found by mle-star. {score}

    import pandas as pd
    from {module} import {names}

{data}    predict(pd.read_csv("new.csv", dtype=str, keep_default_na=False))

`predict` takes a frame with the columns of the task's test table and returns the columns of the sample submission, in
the same order. {told} Each call fits the models anew,
as `solution.py` fits and predicts in one go: predict many rows at once. Read tables as text, as above: the solution
learned from texts such as `007`.
`solution.py` runs with your rights: read it first. What it is made of, how good it is and what that does not cover:
`card.md`, where there is one.
"""
