"""Commands by which one takes something away from a run: predictions, a notebook, a package, a kernel, answers."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import KeepModels, Run, Sets, Unsafe, app, say
from mlestar.errors import SettingsError


@app.command()
def predict(
    run: Run,
    new: Annotated[Path, typer.Argument(help="the new rows: a table, or a folder laid out like the task's test side")],
    out: Annotated[
        Path | None, typer.Option("--out", help="the csv file to write, - for the screen; default NEW-predictions.csv")
    ] = None,
    keep_models: KeepModels = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
) -> None:
    """Predict new rows with a run's solution, fitted on all training rows; columns may stand in any order."""
    from mlestar import config, predicting

    place = Path(f"{new.name.partition('.')[0] or 'new'}-predictions.csv") if out is None else out
    if out is None and place.exists():
        raise SettingsError(f"{place} is there already: name another file with --out, or this one to replace it")
    if str(place) != "-" and place.suffix != ".csv":
        raise SettingsError(f"--out {place}: predictions are written as csv; name the file with .csv at its end")
    if not place.parent.is_dir():
        raise SettingsError(f"--out {place}: there is no folder {place.parent}")

    def begun(kept: bool) -> None:
        say(f"fitting the solution on all training rows{', with the models that were kept' * kept}", sys.stderr)

    found = predicting.predict(run, new, config.changes(sets, unsafe=unsafe), bool(keep_models), begun)
    for note in found.notes:
        say(f"warning: {note}", sys.stderr)
    for note in found.models:
        say(note, sys.stderr)
    if str(place) == "-":
        say(found.csv.decode().rstrip("\n"))
        return
    _write(place, found.csv)
    say(f"{found.rows} predictions in {place} ({found.seconds:.0f} s)")


@app.command()
def export(
    run: Run,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="file for the brain's answers, one a line: `--brain recorded:FILE`")
    ] = None,
    notebook: Annotated[Path | None, typer.Option("--notebook", help="file for the solution as a notebook")] = None,
    package: Annotated[
        Path | None, typer.Option("--package", help="folder for an installable package with predict(frame)")
    ] = None,
    kaggle: Annotated[
        Path | None, typer.Option("--kaggle", help="folder for a kernel that runs without network")
    ] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="with --package: lay the training data into it")
    ] = False,
) -> None:
    """Take the solution away as a notebook, a package or a kernel, or the brain's answers as a file."""
    from mlestar import exporting

    if not (answers or notebook or package or kaggle):
        raise SettingsError("say what to export: --notebook FILE, --package DIR, --kaggle DIR or --answers FILE")
    if with_data and package is None:
        raise SettingsError("--with-data goes with --package DIR")
    if answers is not None:
        _answers(run, answers)
    if notebook is not None:
        _write(notebook, exporting.notebook(run).encode())
        say(f"{notebook}: open it in Jupyter beside a folder input/ with the task's files")
    if package is not None:
        name = exporting.package(run, package, with_data)
        say(f"{package}: `pip install {shlex.quote(str(package))}`, then `from {name} import predict`")
    if kaggle is not None:
        exporting.kernel(run, kaggle)
        push = f"kaggle kernels push -p {shlex.quote(str(kaggle))}"
        say(f"{kaggle}: write your name into kernel-metadata.json, then `{push}`")


def _answers(run: Path, file: Path) -> None:
    """Write the brain's answers to a file that `--brain recorded:FILE` replays."""
    from mlestar import contributing

    lines = [json.dumps(found, ensure_ascii=False) for found in contributing.answers(run)]
    _write(file, ("\n".join(lines) + "\n").encode())
    say(f"{len(lines)} answers in {file}: `mle-star run TASK --brain {shlex.quote(f'recorded:{file}')}`")


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"{file}: the file cannot be written ({error.strerror})") from None
