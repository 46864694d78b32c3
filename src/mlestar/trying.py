"""A recipe on one built-in task: its script, its neutral forms, or its blend, really run and judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from mlestar import blending, composing, evaluating, leveltwo, runs, scripts
from mlestar.brains.playbook import joining, proving
from mlestar.brains.playbook.proving import Fault
from mlestar.config import Settings
from mlestar.executors.local import LocalExecutor
from mlestar.housekeeping import Stopping
from mlestar.memo import Execution
from mlestar.ports import Array
from mlestar.records import Progress, Recipe
from mlestar.search.library import Library
from mlestar.search.recipes import Reading
from mlestar.tasks import samples, samples_held
from mlestar.tasks.prepared import Prepared
from mlestar.tasks.samples import Sample
from mlestar.workbench import Workbench

FOLD, OTHER = "fold-0", "fold-1"


@dataclass(frozen=True)
class Tried:
    """What came of a recipe on one built-in task, in `seconds` of its script.

    `state` is `ok` or what went wrong first; `neutral` says of each neutral form whether it changes the predictions.
    """

    data: str
    metric: str
    constant: float
    state: str = "ok"
    score: float | None = None
    seconds: float = 0.0
    ahead: bool = False  # of the best constant prediction
    neutral: tuple[tuple[str, bool], ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Bench:
    """What recipes are tried with: the executor, what it can import, and the tasks that were opened so far."""

    settings: Settings
    executor: LocalExecutor
    stopping: Stopping
    scratch: Path
    stack: ExitStack
    missing: Mapping[str, str]  # modules that recipes need and the scripts' interpreter cannot import, and why
    installed: frozenset[str]
    shipped: Sequence[Recipe] = field(default_factory=lambda: Library().recipes())
    opened: dict[Sample, tuple[Workbench, Prepared]] = field(default_factory=dict)

    def open(self, sample: Sample) -> tuple[Workbench, Prepared]:
        """The task of a sample, made and cut when it is first asked for."""
        if sample not in self.opened:
            home = self.scratch / str(len(self.opened))
            samples.write(sample, home / "task")
            one = runs.single(home / "task", self.settings, self.executor, _nobody, self.stopping, home / "run")
            self.opened[sample] = self.stack.enter_context(one)
        return self.opened[sample]


@dataclass(frozen=True)
class Case:
    """A recipe as it was read, and its place among those that are checked."""

    path: Path
    recipe: Recipe
    reading: Reading
    number: int

    def told(self, fault: Fault) -> str:
        """A fault with file, line and cell."""
        line = self.reading.lines.get((fault.role, fault.name))
        called = {"key": f"key {fault.name!r}", "cell": f"cell `{fault.name}`", "neutral": f"neutral={fault.name}"}
        where = [f"line {line + fault.row}"] if line else []
        return f"recipe {', '.join([str(self.path), *where, called[fault.role]])}: {fault.what}"


def _nobody(progress: Progress) -> None:
    """Each recipe's result is told when it is there; nothing is told before."""


def try_cell(case: Case, bench: Bench, sample: Sample) -> Tried | None:
    """The recipe's script, and the same with each neutral form, on a fold of one task; None where it has no use."""
    work, task = bench.open(sample)
    text = proving.script(case.recipe, bench.shipped, bench.installed, task.profile)
    constant = samples_held.constant(task, FOLD)
    if not text or constant is None:
        return None
    start = Tried(sample.name, task.profile.metric, constant)
    if faults := proving.faults_of(text, case.recipe):
        return replace(start, state="not composable", problems=tuple(map(case.told, faults)))
    made = {"": text, **proving.neutralised(task.profile, text, case.recipe)}
    here = work.at(f"recipe-{case.number}")
    calls = [
        partial(here.execution, f"neutral-{cell}" if cell else "whole", source, FOLD, partial(task.view, FOLD))
        for cell, source in made.items()
    ]
    done = dict(zip(made, here.side_by_side(calls), strict=True))
    return _judged(case, start, here, task, made, done)


def _judged(
    case: Case, start: Tried, here: Workbench, task: Prepared, made: Mapping[str, str], done: Mapping[str, Execution]
) -> Tried:
    """What the executions of a recipe's script (under the empty name) and its neutral forms say about it."""
    whole = done[""]
    found = replace(start, seconds=whole.outcome.seconds, notes=whole.judged.notes)
    if not whole.valid:
        failed_as = whole.outcome.state if not whole.outcome.ok else "refused"
        return replace(found, state=failed_as, problems=(_failure(case, start, made[""], whole, ""),))
    value = whole.judged.value
    assert value is not None
    before = here.array(whole.judged.members[0].blob)
    better = value > start.constant if task.profile.direction == "max" else value < start.constant
    ahead = better and bool((before != before[0]).any())  # else it is a constant with luck
    failed = [_failure(case, start, made[cell], e, cell) for cell, e in done.items() if not e.valid]
    neutral = tuple(
        (cell, not _alike(before, here.array(e.judged.members[0].blob))) for cell, e in done.items() if cell and e.valid
    )
    state = "neutral fails" if failed else "ok" if ahead else "no better"
    return replace(found, state=state, score=value, ahead=ahead, neutral=neutral, problems=tuple(failed))


def _alike(a: Array, b: Array) -> bool:
    """Whether two predictions are the same, but for rounding."""
    return bool((a == b).all()) if a.dtype == object else np.allclose(a, b, rtol=1e-5, atol=1e-7)


def _failure(case: Case, start: Tried, script: str, done: Execution, neutral: str) -> str:
    """Why an execution has no score, with the line of the recipe on which it failed, if it is one of the recipe's."""
    late = done.outcome.state == "timeout"
    told = f"timeout after {done.outcome.seconds:.0f} s" if late else evaluating.failure(done.outcome, done.judged)
    why = f"on {start.data}, {told}"
    calls = [int(number) for number in evaluating.LINE.findall(done.outcome.error)]
    last = ""
    for number in calls if late else reversed(calls):  # the stack of a job that was late is told from its inner end
        cell = scripts.cell_of_line(script, number)
        mine = ("neutral", case.recipe.neutral) if cell and cell == neutral else ("cell", case.recipe.cells)
        row = _row(dict(mine[1]).get(cell, ""), script, number)
        if row is not None:
            return case.told(Fault(mine[0], cell, why, row))
        last = last or cell
    where = f" (in the cell `{last}` of the script around it)" if last else ""
    role, name = ("neutral", neutral) if neutral else ("cell", case.recipe.cell)
    return case.told(Fault(role, name, why + where))


def _row(source: str, script: str, number: int) -> int | None:
    """The row (from 0) of a recipe's cell that stands on line `number` (from 1) of a script; None if none does."""
    lines, theirs = script.split("\n")[:number], source.split("\n")
    begins = max((i for i, text in enumerate(lines) if text.startswith("# %% ")), default=0)
    same = [i for i, text in enumerate(theirs) if text.strip() and text == lines[-1]]
    return min(same, key=lambda i: abs(i - (number - 2 - begins)), default=None)


def try_blend(case: Case, bench: Bench, sample: Sample) -> Tried | None:
    """A blend learns on one fold of made predictions and joins those of another; so does what it has learned."""
    work, task = bench.open(sample)
    here, constant = work.at(f"recipe-{case.number}"), samples_held.constant(task, OTHER)
    if constant is None:
        return None
    start = Tried(f"blend of {sample.name}", task.profile.metric, constant)
    columns = samples_held.guesses(task, (FOLD, OTHER))
    known, new = ([(view, np.arange(task.rows(view)))] for view in (FOLD, OTHER))

    def run(name: str, text: str) -> Execution:
        view = here.at(name).address
        return here.execution(name, text, view, lambda: task.level_two(view, known, new, columns), "weights.json")

    def script(changes: Mapping[str, str]) -> str:
        whole = replace(case.recipe, cells=tuple({**dict(case.recipe.cells), **changes}.items()))
        return leveltwo.script(dict(joining.blend_cells(whole)), task.profile.sample, task.profile.prediction_columns)

    made = {"": script({}), **{cell: script({cell: form}) for cell, form in case.recipe.neutral}}
    done = {cell: run(f"neutral-{cell}" if cell else "whole", text) for cell, text in made.items()}
    found = _judged(case, start, here, task, made, done)
    if found.problems or _kept(here, done[""], lambda learn: run("learned", script({"learn": learn}))):
        return found
    what = f"on {start.data}, what it returns blends otherwise after a way through JSON: texts as keys, plain numbers"
    return replace(found, state="not kept", problems=(case.told(Fault("cell", "learn", what)),))


def _kept(here: Workbench, whole: Execution, again: Callable[[str], Execution]) -> bool:
    """Whether what a blend learned blends alike when it stands in a script as a constant, as in the final one."""
    if not blending.is_learned(whole.note):
        return False
    constant = composing.weights_cell(json.loads(whole.note)).replace("WEIGHTS", "LEARNED", 1)
    other = again(f"{constant}\n\n\ndef learn(known, y, seed):\n    return LEARNED")
    if not other.valid:
        return False
    before, after = (here.array(e.judged.members[0].blob) for e in (whole, other))
    return np.allclose(before, after, rtol=1e-3, atol=1e-3)
