"""Commands that drive a run."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import (
    Address,
    Brain,
    Budget,
    Jobs,
    Json,
    KeepModels,
    MaxCalls,
    MaxCost,
    Out,
    Run,
    Seed,
    Sets,
    Task,
    Unsafe,
    Where,
    app,
    place,
    say,
)  # fmt: skip
from mlestar.cli.watching import beside


@app.command()
def run(
    task: Task,
    out: Out = None,
    brain: Brain = None,
    budget: Budget = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    jobs: Jobs = None,
    executor: Where = None,
    address: Address = None,
    seed: Seed = None,
    keep_models: KeepModels = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what it would ask for: calls, tokens, money, jobs")
    ] = False,
    pages: Annotated[bool, typer.Option("--ui", help="serve live pages of the run while it goes on")] = False,
    as_json: Json = False,
) -> None:
    """Solve a task: search, refine, ensemble, and hand back a submission with an honest estimate."""
    from mlestar import config

    settings = config.load(
        sets, brain=brain, budget=budget, max_cost=max_cost, max_calls=max_calls, jobs=jobs, seed=seed, unsafe=unsafe,
        keep_models=keep_models, **place(executor, address),
    )  # fmt: skip
    if dry_run:
        from mlestar import forecast

        expected = forecast.forecast(task, settings)
        say(json.dumps(asdict(expected), indent=1) if as_json else forecast.told(expected))
        return
    from mlestar import overview, progress, runs

    with beside(pages, out or Path("runs")), progress.watching() as watch:
        folder = runs.start(task, out, settings, watch)
    found = overview.show(folder)
    say(json.dumps(asdict(found), indent=1) if as_json else progress.summary(found, folder))


@app.command()
def resume(
    run: Run,
    brain: Brain = None,
    budget: Budget = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    jobs: Jobs = None,
    executor: Where = None,
    address: Address = None,
    keep_models: KeepModels = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
) -> None:
    """Go on with a run: what was recorded is replayed, nothing is paid for twice."""
    from mlestar import config, overview, progress, runs

    changes = config.changes(
        sets, brain=brain, budget=budget, max_cost=max_cost, max_calls=max_calls, jobs=jobs, unsafe=unsafe,
        keep_models=keep_models, **place(executor, address),
    )  # fmt: skip
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
    say(f"{run} will leave when its jobs in hand are done; `mle-star resume {shlex.quote(str(run))}` goes on later")


@app.command("try")
def try_(
    task: Task,
    script: Path,
    jobs: Jobs = None,
    executor: Where = None,
    address: Address = None,
    seed: Seed = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
    as_json: Json = False,
) -> None:
    """Score any script that reads input/ and writes submission.csv, with its error."""
    import tempfile

    from mlestar import config, progress, runs

    settings = config.load(sets, jobs=jobs, seed=seed, unsafe=unsafe, **place(executor, address))
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch, progress.watching() as watch:
        trial = runs.try_script(task, script, settings, watch, Path(scratch) / "run")
    say(json.dumps(asdict(trial), indent=1) if as_json else progress.trial(trial))
    if trial.scored.score is None:
        sys.exit(1)
