"""Commands that look, and change no run."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import Json, Run, Seed, Task, app, say


@app.command("runs")
def runs_(folder: Annotated[Path, typer.Argument(help="where to look")] = Path("runs")) -> None:
    """List the runs below a folder."""
    from mlestar import overview, progress

    say(progress.table([(run, overview.show(run)) for run in overview.find(folder)]) or f"no runs in {folder}")


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """What is known of a run, while it goes on or afterwards."""
    from mlestar import overview, progress

    found = overview.show(run)
    say(json.dumps(asdict(found), indent=1) if as_json else progress.summary(found, run))


@app.command()
def report(run: Run) -> None:
    """The story of a run, in Markdown."""
    from mlestar import overview

    say(overview.report(run))


@app.command()
def check(task: Task) -> None:
    """What was inferred from a task folder, from which evidence, and what is wrong. Runs nothing."""
    from mlestar.tasks.check import check as checked

    say(checked(task))


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="a table: csv, tsv, json, jsonl, parquet")],
    target: Annotated[str, typer.Option("--target", help="the column to predict")],
    out: Annotated[Path | None, typer.Option("--out", help="the task folder to make")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="a metric's name; default by the target")] = None,
    key: Annotated[str | None, typer.Option("--id", help="the column that names the rows")] = None,
    split: Annotated[str | None, typer.Option("--split", help="random, stratified, group:<column>, …")] = None,
    seed: Seed = None,
) -> None:
    """Make a task folder of a single table: a random fifth of its rows becomes the test."""
    from mlestar.tasks.new import new as made

    folder = made(file, target, out, metric, key, split, seed or 0)
    name = shlex.quote(str(folder))
    say(f"{folder} is ready: `mle-star check {name}`, then `mle-star run {name}`")


@app.command()
def library(
    query: Annotated[list[str] | None, typer.Argument(help="words to search for; none: everything")] = None,
    folder: Annotated[str, typer.Option("--library", help="your own recipes, searched first")] = "",
) -> None:
    """Search the recipes that the playbook chooses from."""
    from mlestar import runs

    for recipe in runs.recipes(" ".join(query or []), folder):
        why = " ".join(recipe.why.split())
        say(f"{recipe.name:30} {recipe.kind:5} {recipe.cell:12} {recipe.form:8} {why[:80]}")


@app.command()
def doctor() -> None:
    """What this machine has, what is missing, and the command that mends it."""
    from mlestar import config, runs

    for name, found in runs.doctor(config.load()):
        say(f"{name:18} {found}")
