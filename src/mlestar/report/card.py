"""The card of a solution, for somebody who finds it without the run: what it does, how well, made of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlestar import ranges
from mlestar.records import Final, Page, Profile, Score
from mlestar.report.markdown import code, inert, items

_KINDS = {"table": "a table", "forecast": "a forecast", "pixels": "images in, images out"}
_PREDICTS = {
    "label": "a label", "ranking": "the best labels, best first", "probability": "probabilities", "value": "numbers",
    "text": "texts",
}  # fmt: skip
EVERYTHING = "Data that was not used: none; every file was opened, and the script names every column."
_SHOWN = 12  # names in a line


@dataclass(frozen=True)
class Origin:
    """Where cells of the solution are from. `what` says it in a sentence; `adapted`: some were changed since."""

    name: str
    what: str
    source: str
    licence: str
    cells: tuple[str, ...]
    adapted: bool = False


@dataclass(frozen=True)
class Member:
    """A model of the solution: its name, its weight, and the step of the run that made it."""

    name: str
    weight: float
    address: str


@dataclass(frozen=True)
class Card:
    """What a card says beside what the profile and the end of the run do.

    `found` are ideas that the run took from outside, as name and source; `unread` are files that the solution did not
    open, `unnamed` columns that its text does not name; `assets` are weights that it reads, with their licence.
    """

    rows: int
    sealed_rows: int
    split_evidence: str
    members: tuple[Member, ...]
    origins: tuple[Origin, ...]
    found: tuple[tuple[str, str], ...] = ()
    pages: tuple[Page, ...] = ()
    unread: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    python: str = ""
    made: str = ""
    sandbox: str = ""
    sealed_seen: int = 0


def card(task: str, profile: Profile, final: Final, about: Card) -> str:
    """The card as Markdown; all that scripts, brains and data said is shown as text only."""
    blocks = [
        f"# {inert(task)}: {inert(final.name)}",
        _opening(profile, final, about),
        "## What it predicts\n\n" + items(_data(profile, about)),
        "## How good it is\n\n" + items(_scores(profile, final, about)),
        "## What it is made of\n\n" + _made_of(final, about),
        "## Where it comes from\n\n" + _sources(about),
        "## What to know before you rely on it\n\n" + items(_limits(profile, final, about)),
        "## How to run it\n\n" + _how(profile, about),
    ]
    return "\n\n".join(blocks) + "\n"


def interval(metric: str, score: Score) -> str:
    """Value, and where it is likely to lie: two standard errors to both sides, as far as the metric goes."""
    value = f"{ranges.clip(metric, score.value):.5f}"
    return value if score.stderr is None else "{} ({:.5f} to {:.5f})".format(value, *ranges.likely(metric, score))


def _opening(profile: Profile, final: Final, about: Card) -> str:
    better = "higher" if profile.direction == "max" else "lower"
    asked = _asked(profile.description)
    known = final.estimate.stderr is not None
    told = " In brackets is where the value is likely to lie (± 2 standard errors)." if known else ""
    return "\n\n".join([
        *([f"> {inert(asked)}"] if asked else []),
        f"Expect **{inert(profile.metric)} {interval(profile.metric, final.estimate)}** on new rows like those of the "
        f"test; {better} is better.{told}",
        *([f"Made by {inert(about.made)}."] if about.made else []),
    ])  # fmt: skip


def _asked(description: str) -> str:
    """The first paragraph of a description that is no heading."""
    paragraphs = (part.strip() for part in description.split("\n\n"))
    return next((part for part in paragraphs if part and not part.startswith("#")), "")


def _data(profile: Profile, about: Card) -> list[str]:
    predicted = (
        f"; what is predicted: {_PREDICTS[profile.predicts]} for {_names(profile.target)}" if profile.target else ""
    )
    told = [
        f"The task is {_KINDS.get(profile.kind, profile.kind)}{predicted}.",
        f"Learned from {about.rows} rows of {code(profile.train)}; {profile.test_rows} rows were to be predicted.",
    ]
    if profile.classes:
        told.append(f"Classes: {_names(profile.classes)}.")
    by_kind: dict[str, list[str]] = {}
    for column in profile.columns:
        by_kind.setdefault(column.kind, []).append(column.name)
    if by_kind:
        listed = [f"{kind}: {_names(names)}" for kind, names in by_kind.items()]
        told.append(f"Feature columns: {len(profile.columns)} ({'; '.join(listed)}).")
    told += [f"A file for each row: {code(asset.train)} ({asset.kind})." for asset in profile.assets]
    return told


def _scores(profile: Profile, final: Final, about: Card) -> list[str]:
    told, search = [f"Estimate: {interval(profile.metric, final.estimate)}."], interval(profile.metric, final.search)
    if final.sealed is not None:
        seen = (
            ""
            if about.sealed_seen < 2
            else f" They were looked at {about.sealed_seen} times in all, so it may flatter."
        )
        told.append(
            f"It is the score of this very script on {about.sealed_rows} sealed rows, which no decision had seen.{seen}"
        )
        told.append(f"The search itself came to {search}: an optimism of {final.optimism or 0.0:+.5f}.")
    else:
        told.append(f"The search came to {search}. There is no sealed score, so the estimate is the search "
                    "score less what choosing the best of many flattered it.")  # fmt: skip
    folds = ", ".join(f"{value:.5f}" for value in final.search.values)
    told.append(f"By fold: {folds}.")
    told.append(f"The split imitates how the test relates to the training rows: {inert(about.split_evidence)}.")
    if final.search.groups:
        each = ", ".join(f"{inert(name)} {value:.5f}" for name, value in final.search.groups)
        told.append(f"Too few groups for a standard error; by group: {each}.")
    return told


def _made_of(final: Final, about: Card) -> str:
    seeds = f" Predictions are the mean of {final.bag} seeds." if final.bag > 1 else ""
    if len(about.members) < 2:
        return f"One model: {', '.join(inert(member.name) for member in about.members) or 'one script'}.{seeds}"
    how = "These weights chose the members; WEIGHTS in solution.py were learned later." if final.learned else ""
    rows = [
        f"| {inert(m.name)} | {m.weight:.3f} | {_names((m.address,))} |"
        for m in sorted(about.members, key=lambda m: -m.weight)
    ]
    table = "\n".join(["| member | weight | made in step |", "| --- | ---: | --- |", *rows])
    return f"A blend of {len(about.members)} members.{seeds} {how}".strip() + f"\n\n{table}"


def _sources(about: Card) -> str:
    rows = [
        f"| {_names(o.cells)} | {inert(o.name)}{', adapted' * o.adapted} | {inert(o.what)} | {inert(o.source)} | "
        f"{inert(o.licence)} |"
        for o in about.origins
    ]
    parts = ["\n".join(["| cells | from | what it is | source | licence |", "| --- | --- | --- | --- | --- |", *rows])]
    if about.found:
        told = [f"{inert(name)}: {inert(source)}" for name, source in about.found]
        parts.append("Ideas that were tried and came from outside the library; their licences are not known:\n\n"
                     + items(told))  # fmt: skip
    if about.pages:
        told = [f"{inert(p.title)}, {code(p.address)}, {inert(p.date)} (by {inert(p.provider)})" for p in about.pages]
        parts.append("Pages that were read for ideas; their licences are not known:\n\n" + items(told))
    if about.assets:
        parts.append("Weights and other files that it reads:\n\n" + items(map(inert, about.assets)))
    return "\n\n".join(parts)


def _limits(profile: Profile, final: Final, about: Card) -> list[str]:
    told = [
        "The estimate is for rows that relate to the training rows as those of the test do "
        f"({code(profile.split)} split). For rows of another kind nothing was measured.",
        "Some features may be made of all rows that are given at once, so a row can get another prediction in other "
        "company.",
        "The interval says how much the rows that were scored happen to matter; not whether the split is the right "
        "one, nor how another training set would do.",
    ]
    if final.estimate.stderr is None:
        told[2] = "There is no interval: too few independent rows or groups were scored to tell how sure it is."
    if profile.warnings:
        told += [f"Warning: {inert(text)}." for text in profile.warnings if not text.startswith("leakage: ")]
    suspected = "; ".join(inert(text) for text in about.suspicions)
    told.append(f"Leakage suspected: {suspected}." if suspected else "Leakage: nothing suspicious was found.")
    unused = [
        *(f"{code(name)} was not opened" for name in about.unread),
        *([f"the script does not name the columns {_names(about.unnamed)}"] if about.unnamed else []),
        *([f"{_names(profile.train_only)} (only training rows have it)"] if profile.train_only else []),
    ]
    told.append(f"Data that was not used: {'; '.join(unused)}." if unused else EVERYTHING)
    told += [inert(note) for note in final.notes]
    return told


def _how(profile: Profile, about: Card) -> str:
    files = [name for name in (profile.train, profile.test) if name] if not profile.pixels else []
    with_files = f" ({', '.join(map(code, files))} and whatever else it has)" if files else ""
    needs = ", ".join(map(code, about.needs)) or "nothing beside Python"
    wall = (
        f" In the run it had no network; it ran behind {inert(about.sandbox)}."
        if about.sandbox not in ("", "none")
        else ""
    )
    return (
        f"Put the task's files{with_files} into a folder `input/` beside `solution.py` (the run has them, laid out "
        "so, in `views/real`) and run it: it fits on the training rows and writes `submission.csv`.\n\n"
        "```sh\npython -m venv venv && venv/bin/pip install -r requirements.txt\nvenv/bin/python solution.py\n```\n\n"
        f"It needs {needs}, on Python {code(about.python)}.{wall} `solution.ipynb` is the same script as a "
        "notebook. For new rows: `mle-star predict RUN NEW.csv`."
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(code(name).replace("|", "\\|") for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
