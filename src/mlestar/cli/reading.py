"""Commands that look, and change no run."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlestar.cli.options import Json, MaxCalls, MaxCost, Run, Seed, Sets, Task, Unsafe, app, say
from mlestar.errors import SettingsError

if TYPE_CHECKING:
    from mlestar.config import Settings
    from mlestar.ports import Answer


@app.command("runs")
def runs_(
    places: Annotated[list[Path] | None, typer.Argument(help="runs, or folders of runs; default runs/")] = None,
) -> None:
    """List runs: those below runs/, or those that are named or lie in the folders that are named."""
    from mlestar import overview, progress

    folders = places or [Path("runs")]
    found = [(run, overview.show(run)) for folder in folders for run in overview.find(folder)]
    say(progress.table(found) or overview.none_in(folders, "runs"))


@app.command()
def show(
    run: Run,
    as_json: Json = False,
    whole: Annotated[bool, typer.Option("--all", help="all that was tried, not a screenful")] = False,
    plain: Annotated[bool, typer.Option("--no-color", help="no colour; NO_COLOR does the same")] = False,
) -> None:
    """What is known of a run, while it goes on or afterwards: its numbers, and the tree of what was tried."""
    from mlestar import overview, progress

    if as_json:
        say(json.dumps(asdict(overview.show(run)), indent=1))
        return
    from mlestar.telling import Teller

    story = Teller(run).story()
    say(progress.summary(story.summary, run))
    say("")
    progress.draw(story, whole, plain, say)


@app.command()
def report(
    run: Run,
    page: Annotated[Path | None, typer.Option("--html", help="write the page to this file instead")] = None,
    as_json: Json = False,
) -> None:
    """The story of a run, in Markdown; a finished run has it as report.html, too."""
    from mlestar import reporting

    if page is not None:
        try:
            reporting.write(run, page)
        except OSError as error:
            raise SettingsError(f"--html {page}: the file cannot be written ({error.strerror})") from None
        say(f"{page} is written")
        return
    say(reporting.told(run) if as_json else reporting.markdown(run))


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
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="keep the proposal, where there is no task.toml; one with programs as task.py.proposed and the like, "
            "which nothing uses before --accept",
        ),
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="let the proposed programs in the folder count, once they pass the check")
    ] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    unsafe: Unsafe = None,
    sets: Sets = None,
) -> None:
    """What was inferred from a task folder, from which evidence, and what is wrong.

    Runs nothing but a task.py and a metric.py of the task's own, behind the wall.
    """
    from mlestar import config

    settings = config.load(sets, brain=brain, max_cost=max_cost, max_calls=max_calls, unsafe=unsafe)
    if accept:
        if brain is not None or write:
            raise SettingsError("--accept takes what was proposed before: leave --brain and --write out")
        _accept(task, settings)
    elif brain is not None:
        _propose(task, settings, write)
    elif write or max_cost is not None or max_calls is not None:
        raise SettingsError("--write, --max-cost and --max-calls are for a proposal: name who makes it, --brain")
    else:
        _checked(task, settings)


def _checked(task: Path, settings: Settings) -> None:
    from mlestar.tasks.check import check

    def serve(program: str, files: Mapping[str, bytes] | Path) -> Answer:
        from mlestar import runs

        return runs.serve(settings, program, files)

    say(check(task, serve))


def _accept(task: Path, settings: Settings) -> None:
    """Let what was proposed count."""
    from mlestar import task_keeping

    say(task_keeping.accept(task, settings))


def _propose(task: Path, settings: Settings, write: bool) -> None:
    """Ask for a `task.toml`, show it, and keep it where that was asked for."""
    from mlestar import task_keeping, task_reading

    if write:
        task_keeping.refuse_to_replace(task)
    found = task_reading.propose(task, settings, lambda text: say(text, sys.stderr))
    say(task_reading.told(found))
    kept = task_keeping.write(task, task_reading.files(found)) if write else ()
    if not kept:
        say("\nnothing was written" + ("" if write else "; --write keeps it"))
    for path in kept:
        say(f"\n{path} was written")
    if kept and found.programs:
        say(f"\nread them: nothing of it counts before `mle-star check {shlex.quote(str(task))} --accept`")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="a table: csv, tsv, json, jsonl, parquet")],
    target: Annotated[str, typer.Option("--target", help="the column to predict")],
    out: Annotated[Path | None, typer.Option("--out", help="the task folder to make")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="a metric's name; default by the target")] = None,
    key: Annotated[
        str | None,
        typer.Option("--id", help="the column that names the rows; default one that counts them, '' for none"),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="random, stratified, group:COLUMN, time:COLUMN, blocks:COLUMN, horizon: what new rows are",
        ),
    ] = None,
    seed: Seed = None,
) -> None:
    """Make a task folder of a single table: a fifth of its rows becomes the test, at random or as --split says."""
    from mlestar.tasks.check import brief
    from mlestar.tasks.new import new as made

    told: list[str] = []
    folder = made(file, target, out, metric, key, split, seed or 0, told.append)
    name = shlex.quote(str(folder))
    say(brief(folder, told))
    say(f"{folder} is ready: `mle-star check {name}`, then `mle-star run {name} --budget 10m`")


@app.command()
def doctor() -> None:
    """What this machine has, what is missing, and the command that mends it."""
    from mlestar import config, stock

    for name, found in stock.doctor(config.load()):
        say(f"{name:18} {found}")
