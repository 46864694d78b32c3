"""The command line: thin. Parse, call `runs`, print. Exit codes: 0 done, 1 no valid solution, 2 wrong use

or a broken task, 3 a budget ended it before any valid solution, 130 interrupted (resumable).
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TextIO

import typer

from mlestar.errors import Interrupted, MleStarError
from mlestar.plain import clean

app = typer.Typer(
    name="mle-star",
    help="A machine-learning engineering agent: it searches, ablates, refines and ensembles, with an honest score.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Task = Annotated[Path, typer.Argument(help="the task folder: description, train, test, sample submission")]
Run = Annotated[Path, typer.Argument(help="the run folder")]
Out = Annotated[Path | None, typer.Option("--out", help="the run folder to make; default runs/<task>-<time>")]
Brain = Annotated[str | None, typer.Option("--brain", help="who plays the roles: playbook, random")]
Budget = Annotated[str | None, typer.Option("--budget", help="wall time of the run: 90s, 15m, 1h30m; none without")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="jobs side by side; default the number of cores")]
Seed = Annotated[int | None, typer.Option("--seed", help="all randomness follows from it")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="any setting, for example refine.outer=4")]
Unsafe = Annotated[
    bool | None, typer.Option("--unsafe", help="run code that is not mle-star's own even where there is no wall")
]
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]


def main() -> None:
    """Entry point: one clear message for a user's mistake, never a traceback for it."""
    signal.signal(signal.SIGINT, _leave)
    try:
        app()
    except MleStarError as error:
        say(f"mle-star: {error}", sys.stderr)
        sys.exit(error.exit_code)


def say(text: str, where: TextIO | None = None) -> None:
    """All that is printed: texts of scripts, brains and data files are in it, and none may steer the terminal."""
    where = where or sys.stdout
    encoding = where.encoding or "utf-8"
    print(clean(text).encode(encoding, "replace").decode(encoding), file=where)


def _leave(number: int, frame: object) -> None:
    """Ctrl-C where no run is under way; `runs` has its own answer while one is."""
    raise Interrupted("stopped; nothing was under way")


@app.command()
def run(
    task: Task,
    out: Out = None,
    brain: Brain = None,
    budget: Budget = None,
    jobs: Jobs = None,
    seed: Seed = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
) -> None:
    """Solve a task: search, refine, ensemble, and hand back a submission with an honest estimate."""
    from mlestar import config, overview, progress, runs

    settings = config.load(sets, brain=brain, budget=budget, jobs=jobs, seed=seed, unsafe=unsafe)
    with progress.watching() as watch:
        folder = runs.start(task, out, settings, watch)
    say(progress.summary(overview.show(folder), folder))


@app.command()
def resume(run: Run, budget: Budget = None, jobs: Jobs = None, sets: Sets = None, unsafe: Unsafe = None) -> None:
    """Go on with a run: what was recorded is replayed, nothing is paid for twice."""
    from mlestar import config, overview, progress, runs

    changes = config.changes(sets, budget=budget, jobs=jobs, unsafe=unsafe)
    with progress.watching() as watch:
        folder = runs.resume(run, changes, watch)
    say(progress.summary(overview.show(folder), folder))


@app.command()
def fork(
    run: Run,
    address: Annotated[str, typer.Option("--from", help="the step to redo, with all that rests on it")],
    out: Out = None,
    budget: Budget = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
) -> None:
    """A new run that keeps what another recorded before a step, and goes on from there."""
    from mlestar import config, overview, progress, runs

    changes = config.changes(sets, budget=budget, unsafe=unsafe)
    with progress.watching() as watch:
        folder = runs.fork(run, address, out, changes, watch)
    say(progress.summary(overview.show(folder), folder))


@app.command()
def stop(run: Run) -> None:
    """Ask a run to finish the steps in hand and leave; `resume` goes on later."""
    from mlestar import runs

    runs.stop(run)
    say(f"{run} was asked to stop; `mle-star resume {shlex.quote(str(run))}` goes on later")


@app.command("try")
def try_(
    task: Task,
    script: Path,
    jobs: Jobs = None,
    seed: Seed = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
    as_json: Json = False,
) -> None:
    """Score any script that reads input/ and writes submission.csv, with its error."""
    import tempfile

    from mlestar import config, progress, runs

    settings = config.load(sets, jobs=jobs, seed=seed, unsafe=unsafe)
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch, progress.watching() as watch:
        trial = runs.try_script(task, script, settings, watch, Path(scratch) / "run")
    say(json.dumps(asdict(trial), indent=1) if as_json else progress.trial(trial))
    if trial.scored.score is None:
        sys.exit(1)


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


def version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        from importlib.metadata import version as installed

        say(f"mle-star {installed('mle-star')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="version")] = False,
) -> None:
    """Options before the command."""


if __name__ == "__main__":
    main()
