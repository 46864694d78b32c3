"""Commands by which people and assistants take part in a run: scripts, looks, words, answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import Budget, Json, Run, Sets, Who, app, say
from mlestar.plain import word

relay = typer.Typer(help="Be the brain of a run started with --brain relay: take its questions, answer them.",
                    no_args_is_help=True)  # fmt: skip
app.add_typer(relay, name="relay")
Script = Annotated[Path, typer.Argument(help="a Python script")]


@app.command()
def add(run: Run, script: Script, who: Who = "", as_json: Json = False) -> None:
    """Hand in a script, however it is written: it is scored on the run's folds and joins the ensemble."""
    from mlestar import contributing, progress

    with progress.watching() as watch:
        scored = contributing.add(run, script, who, watch)
    if as_json:
        say(json.dumps(contributing.told(scored), indent=1))
    elif scored.score is None:
        last = scored.results[-1].outcome if scored.results else None
        say(f"{scored.solution.name}: no score, {scored.reason}\n{last.error[-2000:] if last else ''}".rstrip())
    else:
        say(f"{scored.solution.name}: {scored.score} in {scored.seconds:.1f} s; it is banked")
    if scored.score is None:
        sys.exit(1)


@app.command()
def look(run: Run, script: Script, who: Who = "") -> None:
    """Run an analysis script over the search rows (input/rows.parquet, with residuals); prints what it prints."""
    from mlestar import contributing, progress

    with progress.watching() as watch:
        found = contributing.look(run, script, who, watch)
    say(found)


@app.command()
def finish(run: Run, budget: Budget = None, sets: Sets = None) -> None:
    """End a run with what there is: ensemble, rehearsal, refit, report."""
    from mlestar import config, contributing, overview, progress

    changes = config.changes(sets, budget=budget)
    with progress.watching() as watch:
        folder = contributing.finish(run, changes, watch)
    say(progress.summary(overview.show(folder), folder))


@app.command()
def hint(
    run: Run,
    text: Annotated[list[str] | None, typer.Argument(help="what the brain should know")] = None,
    pin: Annotated[str | None, typer.Option("--pin", help="an idea or recipe to try first")] = None,
    forbid: Annotated[str | None, typer.Option("--forbid", help="an idea or recipe never to try")] = None,
    model: Annotated[str | None, typer.Option("--model", help="describe a model that is to be a candidate")] = None,
    target: Annotated[str | None, typer.Option("--target", help="the cell to refine next")] = None,
    cell: Annotated[
        str | None, typer.Option("--cell", help="a cell that you rewrite; its source comes from --from")
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", help="file with the new source of --cell")] = None,
    who: Who = "",
) -> None:
    """Steer a run while it goes on; each word is heard at the next step of the method, and recorded."""
    from mlestar import contributing
    from mlestar.errors import SettingsError

    said = {"hint": " ".join(text or ()), "pin": pin, "forbid": forbid, "model": model, "target": target}
    given = [(about, told) for about, told in said.items() if told]
    if cell is not None:
        if source is None or not source.is_file():
            raise SettingsError("--cell needs --from FILE, the file with the cell's new source")
        given.append((f"cell:{cell}", source.read_text(encoding="utf-8", errors="replace")))
    if not given:
        raise SettingsError('say something: a text, --pin, --forbid, --model, --target or --cell; for example '
                            'mle-star hint RUN "the last digit of the id is the month"')  # fmt: skip
    for heard in [contributing.steer(run, about, told, who) for about, told in given][-1:]:
        say(heard)


@relay.command("list")
def list_(run: Run) -> None:
    """The questions that wait for an answer."""
    from mlestar import contributing

    found = contributing.questions(run)
    for question in found:
        taken = f"taken by {question.claimant}" if question.claimant else "free"
        say(f"{question.name:60} {question.role:20} {word(taken)}")
    if not found:
        say("no question waits")


@relay.command("next")
def next_(
    run: Run,
    who: Who = "assistant",
    wait: Annotated[float, typer.Option("--wait", help="seconds to wait for a question")] = 0.0,
    name: Annotated[str, typer.Option("--name", help="this question, whoever has it")] = "",
    brief: Annotated[bool, typer.Option("--brief", help="without task and contract, once shown to you (--as)")] = False,
) -> None:
    """Take the oldest free question: its name on the first line, then the question in Markdown."""
    from mlestar import contributing, overview

    found = contributing.claim(run, who, wait, name, brief)
    if found is None:
        state = overview.show(run).state
        resumable = ", and can be resumed" * (state in ("interrupted", "stopped", "paused"))
        say(f"no question waits; the run is {state}{resumable}")
        for question in contributing.questions(run):
            if question.claimant == who:
                say(f"{who} has {question.name}, not yet answered; --name shows it again")
        sys.exit(4 if state == "running" else 5)
    say(f"{found.name}\n\n{found.body}")


@relay.command()
def answer(
    run: Run,
    name: Annotated[str, typer.Argument(help="the question's name, the first line of `relay next`")],
    file: Annotated[Path, typer.Argument(help="the answer in Markdown; - for standard input")],
    who: Who = "assistant",
) -> None:
    """Answer a question; says whether the answer was taken, or why not."""
    from mlestar import contributing
    from mlestar.errors import SettingsError

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingsError(f"{file}: the answer cannot be read ({error.strerror})") from None
    verdict = contributing.answer(run, name, text, who)
    say(verdict)
    if verdict.startswith("refused"):
        sys.exit(1)
