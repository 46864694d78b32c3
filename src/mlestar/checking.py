"""`mle-star library check`: a recipe is read, put into whole scripts, and really run on small built-in tasks.

What runs is what the playbook would make of the recipe; it runs behind the same wall as any script, on a fold of a task
that is cut like any task, and the judge scores it. Here is the order of a check; `trying` has the tries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlestar import casting, runs
from mlestar.brains.playbook import proving
from mlestar.brains.playbook.proving import Fault
from mlestar.config import Settings
from mlestar.errors import SettingsError
from mlestar.executors.probe import probe
from mlestar.housekeeping import stoppable
from mlestar.plain import word
from mlestar.records import Recipe
from mlestar.search.recipes import examine
from mlestar.sections import Judging
from mlestar.tasks import samples
from mlestar.tasks.samples import Sample
from mlestar.trying import Bench, Case, Tried, try_blend, try_cell

MOST = 300  # characters of a note


@dataclass(frozen=True)
class Checked:
    """A recipe file after its check; it passed where there is no problem."""

    path: Path
    recipe: Recipe | None
    problems: tuple[str, ...]
    tried: tuple[Tried, ...] = ()
    notes: tuple[str, ...] = ()


def check(paths: Sequence[Path], settings: Settings, scratch: Path) -> Iterator[Checked]:
    """Check recipe files, and all those of folders, one after another; `scratch` is an empty folder to work in.

    Raises SettingsError where there is no recipe to check, or no wall to run it behind.
    """
    files = _files(paths)
    fixed = {"judging": Judging(seal=False), "budget": None, "seed": 0}  # whatever mlestar.toml says of runs
    readings = [(path, examine(path)) for path, _ in files]
    seen: dict[tuple[Path, str, str], Path] = {}
    sound = [reading.recipe for _, reading in readings if reading.recipe is not None]
    with _bench(settings.model_copy(update=fixed), scratch, sound) as bench:
        for number, ((path, folder), (_, reading)) in enumerate(zip(files, readings, strict=True)):
            if reading.recipe is None:
                yield Checked(path, None, reading.problems)
                continue
            case = Case(path, reading.recipe, reading, number)
            found = _check(case, bench)
            first = seen.setdefault((folder, case.recipe.name, case.recipe.form), path)
            twice = f"{case.recipe.name!r} with form {case.recipe.form!r} is also in {first}: give one another name"
            more = () if first == path else (case.told(Fault("key", "name", twice)),)
            yield replace(found, problems=(*more, *found.problems))


def _files(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The recipe files that are meant, each with the library folder that it is in."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise SettingsError(f"{path}: there is no such file or folder; name recipe files or a folder of them")
        inside = sorted(path.rglob("*.md")) if path.is_dir() else [path]
        named = [file for file in inside if file.name.lower() != "readme.md"]
        if not named:
            raise SettingsError(f"{path}: there is no recipe; a recipe is a file *.md, and no README.md")
        if named[0].suffix != ".md":
            raise SettingsError(f"{path}: no library would find it; the name of a recipe file ends with .md")
        found |= {file: found.get(file, path if path.is_dir() else file.parent) for file in named}
    return list(found.items())


@contextmanager
def _bench(settings: Settings, scratch: Path, recipes: Sequence[Recipe]) -> Iterator[Bench]:
    """A bench for these recipes, behind a wall; what they need is tried by a job."""
    with stoppable() as stopping, ExitStack() as stack:
        executor = stopping.executor = casting.here(settings, scratch)
        if recipes:
            runs.need_wall(executor.wall, settings, "a recipe of your own")
        modules = sorted(proving.ALWAYS.union(*(recipe.needs for recipe in recipes))) if recipes else []
        found = probe(executor, modules)
        missing = {name: one.error for name, one in found.items() if not one.ok}
        yield Bench(settings, executor, stopping, scratch, stack, missing, frozenset(found) - frozenset(missing))


def _check(case: Case, bench: Bench) -> Checked:
    """A recipe that could be read: what a look tells; and if that is nothing, what the built-in tasks tell."""
    recipe = case.recipe
    problems = [case.told(fault) for fault in proving.faults(recipe)]
    for need in recipe.needs:
        if need in bench.missing:
            why = word(bench.missing[need], MOST)
            cure = "install it for the interpreter that runs scripts (setting 'interpreter')"
            problems.append(case.told(Fault("key", "needs", f"{need} cannot be imported ({why}): {cure}")))
    if problems:
        return Checked(case.path, recipe, tuple(problems))
    attempt = try_blend if recipe.kind == "stack" else try_cell
    wanted = _matching(recipe, bench)
    tried: tuple[Tried, ...] = ()
    for sample in wanted:
        found = attempt(case, bench, sample)
        tried += () if found is None else (found,)
        if found is not None and found.state == "timeout":
            break  # it would take as long again on each of the others
    if not tried:
        why = "the playbook would use it for none of the built-in tasks"
        names = "; a skeleton or `load` recipe counts by its name, that of the shipped one whose place it takes"
        fixed = names if recipe.cell in ("skeleton", "load") else ""
        problems.append(case.told(Fault("key", "cell", why + fixed)))
    problems += [problem for one in tried for problem in one.problems] + _in_vain(case, tried)
    return Checked(case.path, recipe, tuple(problems), tried, _notes(recipe, bench, wanted, tried))


def _matching(recipe: Recipe, bench: Bench) -> list[Sample]:
    """The built-in tasks on which most of the recipe's conditions hold."""
    unmet = {s: len(proving.unmet(recipe, bench.open(s)[1].profile)) for s in samples.suited(recipe)}
    return [sample for sample, count in unmet.items() if count == min(unmet.values())]


def _in_vain(case: Case, tried: Sequence[Tried]) -> list[str]:
    """What ran and was good for nothing anywhere: scores like a constant's, neutral forms that change nothing."""
    found, scored = [], [one for one in tried if one.score is not None]
    if scored and not any(one.ahead for one in scored):
        what = "its scores are no better than a constant prediction's: does it use what it is given?"
        found.append(case.told(Fault("cell", case.recipe.cell, what)))
    changed: dict[str, bool] = {}
    for cell, does in (pair for one in tried for pair in one.neutral):
        changed[cell] = changed.get(cell, False) or does
    idle = [cell for cell, does in changed.items() if not does]
    idle = [cell for cell in idle if cell != "post"]  # it may mend what predictions here never do
    what = "it changes no prediction: write what the cell would be if it did nothing clever, or leave it out"
    return [*found, *(case.told(Fault("neutral", cell, what)) for cell in idle)]


def _notes(recipe: Recipe, bench: Bench, wanted: Sequence[Sample], tried: Sequence[Tried]) -> tuple[str, ...]:
    """What does not speak against the recipe, and should be known."""
    found = [note for one in tried for note in one.notes]
    if any((r.name, r.form) == (recipe.name, recipe.form) for r in bench.shipped):
        found.append("in a library of your own it takes the place of the shipped recipe of this name and form")
    worse = [one.data for one in tried if one.score is not None and not one.ahead]
    found += [f"no better than a constant prediction on {data}" for data in worse]
    for condition in dict.fromkeys(c for s in wanted if tried for c in proving.unmet(recipe, bench.open(s)[1].profile)):
        found.append(f"`{condition}` of `when` holds on no built-in task: it was run all the same")
    if not recipe.neutral and recipe.cell not in ("skeleton", "load", "blend"):
        found.append("there is no neutral form: the ablation cannot tell what the cell is worth")
    elif any(cell == "post" and not does for one in tried for cell, does in one.neutral):
        found.append("neutral=post changes nothing on some of the built-in tasks: their predictions need no mending")
    return tuple(dict.fromkeys(found))


def told(checked: Checked) -> str:
    """What a check found, as text: a line per built-in task, then problems and notes."""
    recipe = checked.recipe
    about = f": {word(recipe.name)} ({recipe.kind}, {recipe.cell}, {recipe.form})" if recipe else ""
    lines = [f"{checked.path}{about} {'failed' if checked.problems else 'passed'}"]
    for one in checked.tried:
        score = "none" if one.score is None else f"{one.score:.4g}"
        forms = ", ".join(f"neutral={cell} {'changes it' if does else 'changes nothing'}" for cell, does in one.neutral)
        lines.append(
            f"  {one.data:28} {one.state:13} {one.metric} {score} (a constant: {one.constant:.4g})"
            f"  {one.seconds:.1f} s  {forms}".rstrip()
        )
    lines += [f"  problem: {problem}" for problem in checked.problems]
    return "\n".join([*lines, *(f"  note: {word(note, MOST)}" for note in checked.notes)])
