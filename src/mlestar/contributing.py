"""What people and assistants can do to a run, live or not: scripts, looks, words, answers, and a finish.

Everything is a letter in the run's folder. Whoever drives the run takes it; where nobody does, scripts and looks are
run here, with the run in our hands for that long. Each is a recorded step.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from mlestar import algorithm, config, guests, runs
from mlestar.errors import NoSolution, RunError, SettingsError
from mlestar.housekeeping import Watch, stoppable
from mlestar.journal import queries
from mlestar.journal.mail import Mail, Question, pause
from mlestar.journal.store import Store
from mlestar.lab import Lab
from mlestar.records import Final, Scored

T = TypeVar("T")
TICK = 0.5  # seconds between looks for what became of a letter
WORDS = ("hint", "pin", "forbid", "model", "target")


def steer(run: Path, about: str, text: str, sender: str) -> None:
    """Say something to a run. `about` is one of WORDS, or `cell:<name>` with the cell's new source."""
    if about not in WORDS and not about.startswith("cell:"):
        raise SettingsError(f"there is no way to steer called {about!r}; there are {', '.join(WORDS)} and cell:<name>")
    if not text.strip():
        raise SettingsError(f"{about}: there is nothing said")
    if about.startswith("cell:"):
        _need_wall(run)
    Mail(run).post("steer", about, text, sender)


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
            if not queries.is_running(run):  # else somebody was faster, and serves us too
                raise


def _serve(run: Path, watch: Watch) -> None:
    """Take in what was handed in, as the driver."""
    with stoppable() as stopping, Store.open(run) as store:
        bench = runs.workbench(store, config.changed(store.facts["settings"], {}), watch, stopping)
        lab = Lab(bench).at("start").open()
        added = lab.at("added").bench
        mail = Mail(run)
        taken = [guests.take(added, letter) for letter in mail.letters("add")]
        best = lab.rank([*lab.working(taken), lab.first])[0]
        for letter in mail.letters("look"):
            guests.look(added, letter, best)


def finish(run: Path, changes: dict[str, Any], watch: Watch) -> Path:
    """End a run with what there is: ensemble, rehearse, refit, report; scripts handed in since its end included."""
    with stoppable() as stopping, Store.open(run) as store:
        settings = config.changed(store.facts["settings"], changes)
        ended = store.facts["state"] == "done"
        store.set_fact("state", "running")
        bench = runs.workbench(store, settings, watch, stopping)
        return runs.drive(store, lambda: _finish(store, Lab(bench), settings, ended))


def _finish(store: Store, lab: Lab, settings: config.Settings, ended: bool) -> Final:
    """The method's own end where it had one, then a finish of our own where something new was handed in."""
    size, facts = settings.breadths, store.facts
    final = None
    if settings.brain != "none":
        rules = replace(lab.bench.rules, closing=not ended)
        with contextlib.suppress(NoSolution):
            final = algorithm.solve(replace(lab, bench=replace(lab.bench, rules=rules)), size)
    rows = [row for row in queries.steps(store.run) if row.address.endswith("/taken") and row.state == "ok"]
    taken = {letter for row in rows for letter in row.read(tuple[int, ...])}
    fresh = {letter.number for letter in Mail(store.run).letters("add")} - taken
    if final is not None and not fresh:
        return final
    done = facts.get("finishes", 0)
    number = done + 1 if fresh or not done else done  # with nothing new the last one is replayed
    opened = lab.at("start").open()
    here = opened.at(f"finish-{number}")
    here.take_in()
    leaders = here.rank(here.working([*here.found.values()]))
    unhurried = replace(here, bench=guests.unhurried(here.bench))
    final = algorithm.finish(unhurried, leaders, size)
    store.set_fact("finishes", number)
    return final


# --- answers in place of a language model ---------------------------------------------------------------


def questions(run: Path) -> list[Question]:
    """What waits for an answer."""
    return Mail(run).questions()


def claim(run: Path, who: str, patience: float, name: str = "") -> Question | None:
    """The next question that nobody works on, waiting at most `patience` seconds for one; None when there is none."""
    mail, waited = Mail(run), 0.0
    while True:
        found = mail.claim(who, name)
        if found is not None or waited >= patience or (not queries.is_running(run) and waited > 5):
            return found
        pause(TICK)
        waited += TICK


def answer(run: Path, name: str, text: str, who: str, patience: float = 20.0) -> str:
    """Answer a question; what became of it in words, as far as that is known within `patience` seconds."""
    Mail(run).answer(name, text, who)
    parent, _, call = name.rpartition("/")
    following = f"{parent}/call-{int(call.removeprefix('call-')) + 1}"
    waited = 0.0
    while waited < patience and queries.is_running(run):
        whole = queries.step(run, parent)
        if whole is not None and whole.state == "ok":
            return "taken"
        if any(q.name == following for q in Mail(run).questions()):
            said = [note.text for note in queries.notes(run, parent)]
            why = said[-1] if said else "it was not in the form that was asked for"
            return f"refused: {why}\nthe question is open again as {following}"
        pause(TICK)
        waited += TICK
    return "kept; whoever drives the run has not read it yet"


def answers(run: Path) -> list[dict[str, Any]]:
    """Every recorded reply of the run's brain, by address: what `recorded:` replays."""
    rows = [row for row in queries.steps(run) if row.verb == "brain" and row.state == "ok"]
    return [{"address": row.address, "reply": json.loads(row.result or "null")} for row in rows]


def told(scored: Scored) -> dict[str, Any]:
    """What became of a script that was handed in, as plain values."""
    found = asdict(scored)
    found.pop("results")
    return found | {"folds": [r.judged.value for r in scored.results], "seconds": scored.seconds}
