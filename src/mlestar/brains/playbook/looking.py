"""The analyst: a short script that prints where the signal, or the incumbent's error, lies.

Each line reads `finding: <kind> <column>: <group> n=… residual=… z=…`; options.HINTS says what the
planner makes of them.
"""

from __future__ import annotations

from importlib.resources import files

from mlestar.brains.playbook.assemble import RELATIVE
from mlestar.brains.playbook.setup import assignment
from mlestar.brains.playbook.shelf import Shelf
from mlestar.roles import Analysis, Look


def look(shelf: Shelf, request: Look) -> Analysis:
    """Before there is an incumbent: which columns tell of the target; then: where it errs, column by column."""
    profile = shelf.profile
    kinds = {c.name: c.kind for c in profile.columns if c.kind != "constant"}
    if not kinds or profile.predicts == "text" or request.findings:
        return Analysis("", None)
    rows = [assignment("TARGET", list(profile.target)), assignment("CLASSES", list(profile.classes))]
    listed = ", ".join(f"{name!r}: {kind!r}" for name, kind in kinds.items())
    rows += [f"KINDS = {{{listed}}}", f"LOGARITHM = {any(word in profile.metric for word in RELATIVE)}"]
    question = "Where does the incumbent err?" if request.script else "Which columns tell of the target?"
    body = (files(__package__) / "analysis.txt").read_text(encoding="utf-8")
    return Analysis(question, body.replace("# CONSTANTS", "\n".join(rows)))
