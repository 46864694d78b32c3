"""Commands that look, and change no run."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import Json, MaxCalls, MaxCost, Run, Seed, Sets, Task, app, say
from mlestar.errors import SettingsError


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
def check(
    task: Task,
    brain: Annotated[
        str | None,
        typer.Option(
            "--brain",
            help="let provider:model or cli:COMMAND propose a task.toml; it is sent the description, the names of "
            "files and the first rows of tables",
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="keep the proposal, where there is no task.toml")] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    sets: Sets = None,
) -> None:
    """What was inferred from a task folder, from which evidence, and what is wrong. Runs nothing."""
    if brain is not None:
        _propose(task, brain, write, max_cost, max_calls, sets)
        return
    if write or max_cost is not None or max_calls is not None or sets:
        raise SettingsError("--write, --max-cost, --max-calls and --set are for a proposal: name who makes it, --brain")
    from mlestar.tasks.check import check as checked

    say(checked(task))


def _propose(
    task: Path, brain: str, write: bool, max_cost: float | None, max_calls: int | None, sets: list[str] | None
) -> None:
    """Ask for a `task.toml`, show it, and keep it where that was asked for."""
    from mlestar import config, task_reading

    settings = config.load(sets, brain=brain, max_cost=max_cost, max_calls=max_calls)
    if write:
        task_reading.refuse_to_replace(task)
    found = task_reading.propose(task, settings, lambda text: say(text, sys.stderr))
    say(task_reading.told(found))
    kept = task_reading.write(task, found) if write else None
    say(f"\n{kept} was written" if kept else "\nnothing was written" + ("" if write else "; --write keeps it"))


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
