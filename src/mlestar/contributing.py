"""What people and assistants can do to a run, live or not: scripts, looks, words, answers, and a finish.

Everything is a letter in the run's folder. Whoever drives the run takes it; where nobody does, scripts and looks are
run here, with the run in our hands for that long. Each is a recorded step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from mlestar import casting, config, ending, guests, runs
from mlestar.errors import RunError, SettingsError
from mlestar.housekeeping import Watch, stoppable
from mlestar.journal import queries
from mlestar.journal.mail import Mail, Question, pause
from mlestar.journal.store import Store
from mlestar.lab import Lab
from mlestar.records import NEW_PART, Scored

T = TypeVar("T")
TICK = 0.5  # seconds between looks for what became of a letter
_FINISHERS = ("ensemble planner", "ensembler", "finaliser")  # the roles that a finish asks
_LEFT_OUT = (
    "(Task, data and how code is written are as in the question of this run that {} was shown before, and left out "
    "here; ask for {} by its name, not in brief, to see them again.)"
)
WORDS = ("hint", "pin", "forbid", "model", "target")


def steer(run: Path, about: str, text: str, sender: str) -> str:
    """Say something to a run; returns when it is heard.

    `about` is one of WORDS, or `cell:<name>` with the cell's new source.
    """
    if about not in WORDS and not about.startswith("cell:"):
        raise SettingsError(f"there is no way to steer called {about!r}; there are {', '.join(WORDS)} and cell:<name>")
    if not text.strip():
        raise SettingsError(f"{about}: there is nothing said")
    if about.startswith("cell:"):
        _need_wall(run)
    Mail(run).post("steer", about, text, sender)
    if queries.facts(run).get("state") == "done" and not queries.is_running(run):
        return f"{run} is done, so nobody hears it: it counts where the method goes on, as after `mle-star fork {run}`"
    return f"{run} will hear it at its next step"


def add(run: Path, script: Path, sender: str, watch: Watch) -> Scored:
    """Hand in a script in whatever way it is written; its score on the run's folds. It joins bank and ensemble."""
    return add_text(run, script.stem, _text(script), sender, watch)


def add_text(run: Path, name: str, text: str, sender: str, watch: Watch) -> Scored:
    """The same for a script that is in no file."""
    _need_wall(run)
    number = Mail(run).post("add", name, text, sender)
    return _outcome(run, f"added/{number}/scored", Scored, lambda: _serve(run, watch))


def look(run: Path, script: Path, sender: str, watch: Watch) -> str:
    """Run an analysis script over the search rows and the best solution's residuals; what it printed."""
    return look_text(run, script.stem, _text(script), sender, watch)


def look_text(run: Path, name: str, text: str, sender: str, watch: Watch) -> str:
    """The same for a script that is in no file."""
    _need_wall(run)
    number = Mail(run).post("look", name, text, sender)
    return _outcome(run, f"added/look-{number}/seen", str, lambda: _serve(run, watch))


def _need_wall(run: Path) -> None:
    """Refuse a stranger's code in a run whose scripts have no wall around them."""
    facts = queries.facts(run)
    if "settings" in facts and "sandbox" in facts:
        runs.need_wall(facts["sandbox"], config.changed(facts["settings"], {}), "a script that is handed in")


def _text(script: Path) -> str:
    try:
        return script.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingsError(f"{script}: the script cannot be read ({error.strerror})") from None


def _outcome(run: Path, address: str, returns: type[T], serve: Callable[[], None]) -> T:
    """Wait for a step that the run's driver records; where there is none, be the driver."""
    tries = 2  # whoever had the run when the first failed may have left since
    while True:
        found = queries.step(run, address)
        if found is not None and found.state == "ok":
            return found.read(returns)
        if queries.is_running(run):
            pause(TICK)
            continue
        try:
            serve()
        except RunError:
            tries -= not queries.is_running(run)  # else somebody was faster, and serves us too
            if not tries:
                raise


def _serve(run: Path, watch: Watch) -> None:
    """Take in what was handed in, as the driver."""
    with stoppable() as stopping, Store.open(run) as store:
        bench = runs.workbench(store, config.changed(store.facts["settings"], {}), watch, stopping)
        mail, lab = Mail(run), Lab(bench)
        looks = [x for x in mail.letters("look") if not store.knows(f"added/look-{x.number}/seen")]
        opened = ending.known(lab) if looks else lab.at("start").open()  # a look shows the best there is
        added = opened.at("added").bench
        taken = [guests.take(added, letter) for letter in mail.scripts()]
        best = opened.rank([*opened.working([*opened.found.values(), *taken]), opened.first])[0]
        for letter in looks:
            guests.look(added, letter, best)


def finish(run: Path, changes: dict[str, Any], watch: Watch) -> Path:
    """End a run with what there is: ensemble, rehearse, refit, report; scripts handed in since its end included."""
    with stoppable() as stopping, Store.open(run) as store:
        settings = config.changed(store.facts["settings"], changes)
        free = settings.brain == "none"
        if "budget" in changes and ending.is_over(run, free):
            raise SettingsError(
                f"--budget is the time of a run's method, and none goes on in {run}, so its finish takes its time: "
                "leave --budget out. --set bag=1 and a smaller ensemble.most make a finish shorter"
            )
        bench = runs.workbench(store, settings, watch, stopping)
        store.set_fact("state", "running")
        asks = any(casting.chains(settings).values())
        method = runs.rules_of(config.changed(store.facts["settings"], {}))  # what is recorded goes by its own rules
        lab, wanted = Lab(replace(bench, rules=method)), replace(bench.rules, closing=asks)
        by_hand = any("relay" in casting.chains(settings)[role] for role in _FINISHERS)
        return runs.drive(store, lambda: ending.finish(store, lab, wanted, free, by_hand))


# --- answers in place of a language model ---------------------------------------------------------------


def questions(run: Path) -> list[Question]:
    """What waits for an answer."""
    return Mail(run).questions()


def claim(run: Path, who: str, patience: float, name: str = "", brief: bool = False) -> Question | None:
    """The next question that nobody works on, waiting at most `patience` seconds for one; None when there is none.

    `brief`: without the part that is the same in all questions of the run, where `who` was shown it before.
    """
    waited = 0.0
    while True:
        try:
            found, driven = Mail(run).claim(who, name), queries.is_running(run)
        except RunError:  # whoever starts the run has not made its folder yet
            if waited >= patience:
                raise
            found, driven = None, True
        if found is not None:
            return _as_shown(run, who, found, brief)
        if waited >= patience or (not driven and waited > 5):
            return None
        pause(TICK)
        waited += TICK


def _as_shown(run: Path, who: str, question: Question, brief: bool) -> Question:
    same, mark, asked = question.body.partition(f"\n\n---\n\n{NEW_PART}\n\n")
    if not mark or not Mail(run).show(who, same) or not brief:
        return question
    return replace(question, body=f"{_LEFT_OUT.format(who, question.name)}\n\n{asked}")


def answer(run: Path, name: str, text: str, who: str, patience: float = 20.0) -> str:
    """Answer a question; what became of it in words, as far as that is known within `patience` seconds."""
    Mail(run).answer(name, text, who)
    waited = 0.0
    while True:
        driven = queries.is_running(run)
        told = _verdict(run, name)
        if told or waited >= patience or not driven:
            return told or "kept; whoever drives the run has not read it yet"
        pause(TICK)
        waited += TICK


def _verdict(run: Path, name: str) -> str:
    """What became of an answer; empty while nothing did."""
    parent, _, call = name.rpartition("/")
    number = int(call.removeprefix("call-")) + 1
    said = [note.text for note in queries.notes(run, parent) if note.address == parent]
    refused = [text for text in said if text.startswith(f"answer {number} of ")]
    following = f"{parent}/call-{number}"
    if any(question.name == following for question in Mail(run).questions()):
        why = refused[-1] if refused else "it was not in the form that was asked for"
        return f"refused: {why}\nthe question is open again as {following}"
    whole = queries.step(run, parent)
    if whole is None or whole.state != "ok":
        return ""
    read = queries.step(run, name)
    if refused or read is None or read.state != "ok":
        stood = [text for text in said if " stood in: " in text]
        return "refused: " + "\n".join([*(refused[-1:] or ["it came too late"]), *stood[-1:]])
    return "taken"


def answers(run: Path) -> list[dict[str, Any]]:
    """Every recorded reply of the run's brain, by address: what `recorded:` replays."""
    rows = [row for row in queries.steps(run) if row.verb == "brain" and row.state == "ok"]
    return [{"address": row.address, "reply": json.loads(row.result or "null")} for row in rows]


def told(scored: Scored) -> dict[str, Any]:
    """What became of a script that was handed in, as plain values."""
    found = asdict(scored)
    found.pop("results")
    return found | {"folds": [r.judged.value for r in scored.results], "seconds": scored.seconds}
