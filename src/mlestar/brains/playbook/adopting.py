"""A script that somebody wrote in their own way, as a composable one: run whole, in a folder of its own, and read.

So whatever a person or an assistant hands in can stand beside other members in a blend's one script.
"""

from __future__ import annotations

import re

from mlestar import scripts
from mlestar.brains.playbook.assemble import finished, frame
from mlestar.brains.playbook.shelf import Shelf
from mlestar.errors import SettingsError
from mlestar.roles import MOST_PROGRAM, Adopt, WrittenScript
from mlestar.scripts import Cell, Notebook

_HEAD = re.compile(r"^# /// script[ \t]*$", re.MULTILINE)  # a script may have one block of PEP 723, no more
_MERGED = "# its own head, now a part of the whole script's:"  # in the place of that line: lines keep their numbers
_SETUP = """import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
"""

_RUN = '''@functools.cache
def run_script():
    """Run the script as it was handed in; the submission and the members' table that it leaves (or None)."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("input", "assets"):
            if Path(name).exists():
                os.symlink(Path(name).resolve(), Path(folder) / name)
        (Path(folder) / "script.py").write_text(SCRIPT)
        done = subprocess.run([sys.executable, "script.py"], cwd=folder, stderr=subprocess.PIPE, text=True)
        print(done.stderr, file=sys.stderr)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().rpartition("\\n")[2] or f"the script ended with {done.returncode}")
        left = sorted(Path(folder).glob("submission.*"))
        if not left:
            raise FileNotFoundError("the script left no submission.csv")
        members = Path(folder) / "members.parquet"
        return table(left[0]), pd.read_parquet(members) if members.exists() else None


def table(file):
    """A table as it was left, every cell of a text file verbatim."""
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    return pd.read_csv(file, sep="SEPARATOR", dtype=str, keep_default_na=False)'''

_PREDICT = '''def predict(train, test, files, seed):
    """What the script predicts, and its members where it left any, in the order of the test rows."""
    submission, members = run_script()
    parts = {"script": as_array(submission).take(rows_of(submission, test), axis=0)}
    names = [] if members is None else dict.fromkeys(column.rpartition("::")[0] for column in members)
    for name in names:
        columns = [f"{name}::{column}" for column in COLUMNS]
        if set(columns) <= set(members):
            parts["script" if name == "submission" else name] = members[columns].to_numpy(float)
    return parts


def rows_of(submission, test):
    """Where each test row stands in the submission: by id, or in the same order where there are no ids."""
    if not ID:
        return np.arange(len(test))
    place = {key: i for i, key in enumerate(zip(*(submission[c].astype(str) for c in ID), strict=True))}
    return np.array([place[key] for key in zip(*(test[c].astype(str) for c in ID), strict=True)])'''

_ARRAYS = {
    "label": '''def as_array(submission):
    """1 for the class that was submitted, 0 for the others."""
    return (submission[OUTPUT[0]].astype(str).to_numpy()[:, None] == np.array(CLASSES)).astype(float)''',
    "ranking": '''def as_array(submission):
    """1 for the class that was listed first, 1/2 for the second, and so on."""
    listed = [str(text).split() for text in submission[OUTPUT[0]]]
    return np.array([[1 / (1 + row.index(c)) if c in row else 0.0 for c in CLASSES] for row in listed])''',
    "other": '''def as_array(submission):
    """The submitted numbers."""
    return submission[OUTPUT].astype(float).to_numpy()''',
}

_POST = '''def post(prediction):
    """Nothing to mend."""
    return prediction'''

_BLEND = '''def blend(parts):
    """The script's own submission; its members are for other blends."""
    return parts["script"]'''


def adopt(shelf: Shelf, request: Adopt) -> WrittenScript:
    """The script itself where it is composable, else one that runs it.

    Raises SettingsError for a script that is too long, and for tasks where none can be made.
    """
    name = request.name or "script"
    _bounded(name, request.script, request.script)
    if not scripts.problems(request.script):
        return WrittenScript(name, request.script)
    profile = shelf.profile
    if profile.predicts == "text":
        raise SettingsError("a script for a task that asks for text must be composable (docs/recipes.md)")
    made = frame(shelf)
    by_class = profile.predicts in ("label", "ranking")
    separator = "\\t" if ".tsv" in profile.sample else ","
    cells = {
        "load": made.cells["load"],
        "script": f"SCRIPT = {_literal(_HEAD.sub(_MERGED, request.script))}",
        "run": _RUN.replace("SEPARATOR", separator),
        "predict": f"COLUMNS = {'CLASSES' if by_class else 'OUTPUT'}\n\n\n{_PREDICT}",
        "arrays": _ARRAYS.get(profile.predicts, _ARRAYS["other"]),
        "blend": _BLEND,
        "post": made.cells["post"] if profile.predicts == "ranking" else _POST,
        "submit": made.cells["submit"],
    }
    title = f"{name}, as it was handed in."
    book = Notebook("", tuple(Cell(name, source) for name, source in cells.items()))
    whole = scripts.parse(finished(profile, book, [_SETUP, *made.setups], title))
    own = scripts.dependencies(request.script)
    named = set(map(_distribution, own))
    needs = sorted({*own, *(need for need in scripts.dependencies(whole.head) if _distribution(need) not in named)})
    text = Notebook(scripts.head(needs, title), whole.cells).text()
    return WrittenScript(name, _bounded(name, request.script, text))


def _distribution(need: str) -> str:
    """The name in a requirement, as names are compared: `Scikit_Learn[x]>=1` is `scikit-learn`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", need.strip(), maxsplit=1)[0]).lower()


def _bounded(name: str, script: str, made: str) -> str:
    """The script that was made of one; longer ones would be cut."""
    if len(made) > MOST_PROGRAM:
        said = f"{name} is too long: {len(script):,} characters"
        raise SettingsError(f"{said}, and with what it needs around it at most {MOST_PROGRAM:,} can be taken")
    return made


def _literal(text: str) -> str:
    """A program as a string that people can read, whatever quotes are in it, and whatever marks of cells."""
    if re.search("^# %%", text, re.MULTILINE):
        return "(\n" + "\n".join(f"    {line!r}" for line in text.splitlines(keepends=True)) + "\n)"
    for quotes in ("'''", '"""'):
        if quotes not in text and not text.endswith(("\\", quotes[0])):
            prefix = "r" if "\\" in text else ""
            return f"{prefix}{quotes}{text}{quotes}"
    return repr(text)
