"""What lies in `best/` beside the submission: the script pinned, as a notebook, what it needs, and its card."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mlestar import ending, roles, scripts
from mlestar.journal import queries
from mlestar.journal.queries import StepRow
from mlestar.journal.store import Store
from mlestar.products import pinning
from mlestar.products.pinning import Installed
from mlestar.records import Final, Letter, Page, Plan, Profile, Recipe
from mlestar.report.card import Card, Member, card, interval
from mlestar.report.markdown import inert
from mlestar.report.notebook import notebook
from mlestar.report.origins import origins
from mlestar.studying import given_files, touched
from mlestar.tasks.prepared import Prepared

MOST_FOUND = 30  # ideas and pages that a card names
SUSPECTED = "leakage suspected: "
_WHOLE = ("model", "submission")  # what a script calls its one member


@dataclass(frozen=True)
class Keepsakes:
    """Makes the files of `best/`, by their names, from a script that ran. `installed` says what it ran with."""

    store: Store
    task: Prepared
    recipes: Sequence[Recipe]
    shipped: Collection[str]
    author: str
    installed: Callable[[str], tuple[Installed, str]]
    assets: tuple[str, ...] = ()

    def __call__(self, script: str, opened: Collection[str], final: Final | None) -> Mapping[str, str]:
        """The card, and what the notebook says of the score, wait for the end of the run."""
        here, python = self.installed(script)
        needs = pinning.pins(script, here)
        solution, name = pinning.pinned(script, needs), self.store.facts.get("name", "")
        files = {
            "solution.py": solution,
            "solution.ipynb": notebook(solution, intro(name, self.task.profile.metric, final)),
            "requirements.txt": pinning.requirements(needs, python),
        }
        if final is not None:
            about = self._about(script, set(opened), final, needs, python)
            files["card.md"] = card(name, self.task.profile, final, about)
        return files

    def _about(
        self, script: str, opened: set[str], final: Final, needs: tuple[str, ...], python: str
    ) -> Card:  # fmt: skip
        facts, profile, rows = self.store.facts, self.task.profile, queries.steps(self.store.run)
        seen = ending.looked(facts, final.script)["sealed_seen"] if final.sealed else facts.get("sealed_seen", 0)
        return Card(
            rows=len(self.task.source.train.frame),
            sealed_rows=len(self.task.cut.sealed),
            split_evidence=self.task.split_evidence,
            members=_members(final, rows),
            origins=origins(script, profile.kind, self.recipes, self.shipped, _tried(rows), self.author),
            found=_found(rows),
            pages=_pages(rows),
            unread=tuple(name for name in given_files(profile) if not touched(name, opened)),
            unnamed=_unnamed(script, profile),
            assets=tuple(text for text in self.assets if f"assets/{text.partition(' (')[0]}" in script),
            suspicions=self._suspicions(),
            needs=needs,
            python=python,
            made=f"mle-star {facts.get('version', '')}, with the brain {self.author}",
            sandbox=facts.get("sandbox", ""),
            sealed_seen=seen,
        )

    def _suspicions(self) -> tuple[str, ...]:
        """What the harness suspected, of the data or of a script of this run."""
        noted = [note.text for note in queries.notes(self.store.run) if note.text.startswith(SUSPECTED)]
        warned = [text for text in self.task.profile.warnings if text.startswith("leakage: ")]
        return tuple(dict.fromkeys(text.partition(": ")[2] for text in (*warned, *noted)))


def intro(name: str, metric: str, final: Final | None) -> str:
    """The first cell of a notebook."""
    title, score = inert(f"{name}: {final.name}" if final else name), ""
    if final is not None:
        better = "higher" if final.estimate.direction == "max" else "lower"
        score = f"\n\nExpect {inert(metric)} {interval(metric, final.estimate)}; {better} is better."
    return (
        f"# {title}\n\nFound by mle-star: the cells are those of `solution.py`, to be run from top to bottom. The last "
        f"one reads the task's files, fits, and writes `submission.csv`.{score}\n\n"
        "```sh\npip install -r requirements.txt\n```"
    )


def _members(final: Final, rows: Sequence[StepRow]) -> tuple[Member, ...]:
    """The parts of a solution under the names that the run gave them."""
    names = {_above(row): row.read(Plan).recipe or row.read(Plan).text for row in _of(rows, "planner")}
    names |= {_above(row): row.read(roles.WrittenScript).name for row in _of(rows, "candidate-writer")}
    names |= {_above(row): row.read(Letter).about for row in _of(rows, "handed-in")}
    members = []
    for key, weight in final.parts:
        address, _, member = key.partition("::")
        name = names.get(address) or address.rpartition("/")[2]
        members.append(Member(name if member in _WHOLE else f"{name}/{member}", weight, address))
    return tuple(members)


def _tried(rows: Sequence[StepRow]) -> set[str]:
    """The recipes that the run wrote candidates of, or planned with."""
    written = [row.read(roles.WrittenScript) for row in _of(rows, "candidate-writer")]
    planned = [row.read(Plan) for row in _of(rows, "planner")]
    return {name for one in written for name in (one.name, one.source)} | {plan.recipe for plan in planned}


def _found(rows: Sequence[StepRow]) -> tuple[tuple[str, str], ...]:
    """Ideas that are no recipes of the library, with where they are from."""
    ideas = [idea for row in _of(rows, "retriever") for idea in row.read(roles.Ideas).ideas if not idea.recipe]
    return tuple(dict.fromkeys((idea.name, idea.source or "no source was named") for idea in ideas))[:MOST_FOUND]


def _pages(rows: Sequence[StepRow]) -> tuple[Page, ...]:
    found = [page for row in _of(rows, "pages") for page in row.read(tuple[Page, ...])]
    return tuple({page.address: page for page in found}.values())[:MOST_FOUND]


def _of(rows: Sequence[StepRow], last: str) -> list[StepRow]:
    """The answered steps whose address ends in a word."""
    return [row for row in rows if row.state == "ok" and row.address.rpartition("/")[2] == last]


def _above(row: StepRow) -> str:
    return row.address.rpartition("/")[0]


def _unnamed(script: str, profile: Profile) -> tuple[str, ...]:
    """Feature columns that a script does not name, where it names others."""
    missing = tuple(c.name for c in profile.columns if not {scripts.quoted(c.name), repr(c.name)} & set(_texts(script)))
    return missing if len(missing) < len(profile.columns) else ()


def _texts(script: str) -> list[str]:
    """The short texts of a program, with their quotes."""
    return re.findall(r"""\"(?:[^"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'""", script)
