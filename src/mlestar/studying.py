"""What is worth changing? Ablation by the harness, and looks at the data (DESIGN.md §5).

The paper lets an LLM write ablation scripts and summarise what they print. Here the brain only says
what a cell would be if it did nothing; the harness runs each variant on the same fold as the
incumbent and compares row by row, so an effect has an interval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mlestar import roles, scripts
from mlestar.evaluating import folds, run_fold
from mlestar.records import Ablated, Attempt, Direction, Effect, FoldResult, Judged, Profile, Scored, Solution, Standing
from mlestar.workbench import Workbench

_FINDING = re.compile(r"^finding:\s*(.{1,300})$", re.MULTILINE)
MOST_FINDINGS = 60
MOST_SEEN = 8_000  # characters of what one look prints
MOST_PRINTED = 1_000  # characters of what a solution printed on a fold
MOST_SHOWN = 2_500  # characters of its script, so that what it computed can be used
SCRIPT = "\nThe script that printed it:\n"


@dataclass(frozen=True)
class Study:
    """The effects of an ablation, and the variants that did better without their cell."""

    effects: tuple[Effect, ...]
    variants: tuple[tuple[str, Solution], ...]


def ablate(bench: Workbench, best: Scored, most: int) -> Study:
    """Neutralise cells in turn on one fold; on a second where the interval does not settle the sign."""
    reply = bench.ask(roles.Ablate, roles.NeutralForms, script=best.solution.script, most=most)
    known = scripts.parse(best.solution.script)
    forms = {scripts.identifier(cell): (cell, source) for cell, source in reversed(reply.forms) if cell in known}
    variants = [(cell, _variant(best, cell, source)) for cell, source in reversed(forms.values())][:most]
    variants = [
        (cell, v) for cell, v in variants if v.script != best.solution.script and not scripts.problems(v.script)
    ]
    order = np.random.default_rng(bench.seed).permutation(len(best.results))
    calls = [partial(_effect, bench.at(scripts.identifier(cell)), best, cell, v, order[:2]) for cell, v in variants]
    effects = bench.side_by_side(calls)
    for effect in effects:
        bench.journal.note(bench.address, f"ablation: {_told(effect)}")
    bench.journal.publish(bench.address, Ablated(best.address, tuple(effects)))
    rivals = [
        (cell, variant)
        for (cell, variant), effect in zip(variants, effects, strict=True)
        if effect.high is not None and effect.high < 0
    ]
    return Study(tuple(effects), tuple(rivals))


def _told(effect: Effect) -> str:
    if effect.effect is None:
        return f"{effect.cell}: {effect.note}"
    interval = "" if effect.low is None else f" [{effect.low:+.5f}, {effect.high:+.5f}]"
    return f"without {effect.cell} the score is worse by {effect.effect:+.5f}{interval} {effect.note}".rstrip()


def _variant(best: Scored, cell: str, source: str) -> Solution:
    solution = best.solution
    script = scripts.replace(solution.script, {cell: source})
    return Solution(f"{solution.name} without {cell}", script, "ablation", solution.cost, (best.address,))


def _effect(bench: Workbench, best: Scored, cell: str, variant: Solution, order: np.ndarray) -> Effect:
    """How much worse the metric gets without the cell, with an 80 % interval; positive = the cell helps."""
    done: list[FoldResult] = []
    for i in order:
        theirs = best.results[int(i)]
        mine = run_fold(bench, variant, theirs.fold)
        if mine.outcome.state == "late":
            return Effect(cell, None, None, None, "not measured: the time was up")
        if mine.judged.reason is not None:
            return Effect(cell, None, None, None, f"the variant failed: {mine.judged.reason}")
        if same_predictions(mine.judged, theirs.judged):
            return Effect(cell, 0.0, None, None, "changes no prediction")
        done.append(mine)
        effect = _interval(cell, done, best, bench.task.profile.direction)
        if effect.low is None or effect.high is None or effect.low > 0 or effect.high < 0:
            break
    return effect


def same_predictions(a: Judged, b: Judged) -> bool:
    """Whether two executions predicted the same to the last digit."""
    return bool(a.members and b.members) and a.members[0].blob == b.members[0].blob


def _interval(cell: str, variant: list[FoldResult], best: Scored, direction: Direction) -> Effect:
    theirs = dict(folds(best))
    pairs = [(theirs[r.fold], r.judged) for r in variant]
    sign = 1.0 if direction == "max" else -1.0
    effect = sign * float(np.mean([(a.value or 0.0) - (b.value or 0.0) for a, b in pairs]))
    if not all(a.replicates and b.replicates for a, b in pairs):
        return Effect(cell, effect, None, None, "too few owners for an interval")
    spread = np.mean([sign * (np.array(a.replicates) - np.array(b.replicates)) for a, b in pairs], axis=0)
    low, high = np.quantile(spread, [0.1, 0.9])
    return Effect(cell, effect, float(low), float(high))


def look(
    bench: Workbench, best: Scored | None, ledger: tuple[Attempt, ...], known: Mapping[str, Any]
) -> tuple[str, ...]:
    """Let the brain look, as often as is set: its scripts read the search rows and the incumbent's residuals.

    What they print is what comes back: line by line where all lines begin with `finding:`, else as one text, the
    script behind it. `known` is what requests are told of solutions.
    """
    findings: tuple[str, ...] = ()
    for i in range(bench.rules.size.looks):
        here = bench.at(str(i)) if i else bench
        reply = here.ask(roles.Look, roles.Analysis, findings=findings, ledger=ledger, **known)
        if reply.script is None:
            break
        seen = observe(here, reply.script, best)
        lines = _findings(seen)
        shown = f"{reply.question}\nIt printed:\n{seen}{SCRIPT}{_bounded(reply.script, MOST_SHOWN)}"
        findings += tuple(lines) if lines else (shown,)
    return findings


def printed(findings: Sequence[str]) -> str:
    """What looks printed, with their questions and without their scripts."""
    return "\n".join(finding.partition(SCRIPT)[0] for finding in findings)


def _bounded(text: str, most: int) -> str:
    return text.strip() if len(text) <= most else f"{text[:most].strip()}\n[cut]"


def _findings(seen: str) -> list[str]:
    """The findings of an output that consists of nothing else; any other output counts as a whole."""
    said = [line for line in seen.splitlines() if line.strip()]
    return _FINDING.findall(seen) if all(map(_FINDING.match, said)) and len(said) <= MOST_FINDINGS else []


def observe(bench: Workbench, script: str, best: Scored | None) -> str:
    """Run an analysis script on the search rows and the predictions of `best`; what it prints, bounded."""
    predictions = {}
    if best is not None:
        predictions = {
            f"fold-{r.fold}": bench.array(r.judged.members[0].blob) for r in best.results if r.judged.members
        }
    about = best.address if best is not None else "search rows"
    seen = bench.observe("look", script, about, lambda: bench.task.look(bench.address, predictions)).outcome
    said = seen.output if seen.ok else f"{seen.output}\n{seen.state}: {seen.error[-2000:]}"
    return _bounded(said, MOST_SEEN)


def standing(ranked: Sequence[Scored], address: str) -> tuple[Standing, ...]:
    """How the solutions of an address's branch stand, as they are ranked; of others a replay would know more.

    After the branches, at the ensemble, all are told.
    """
    branch, *deeper = address.split("/")
    own = ("",) if "ensemble" in (branch, *deeper) else (f"{branch}/", "start/")
    return tuple(stands(s) for s in ranked if s.results and f"{s.address}/".startswith(own))


def stands(s: Scored) -> Standing:
    """How one solution stands."""
    values: dict[str, list[float]] = {}
    for member in (m for result in s.results for m in result.judged.members if m.name != "submission"):
        values.setdefault(member.name, []).append(member.value)
    sign = -1.0 if s.score is not None and s.score.direction == "max" else 1.0
    parts = sorted(((name, float(np.mean(v))) for name, v in values.items()), key=lambda part: sign * part[1])
    members = len(s.results[0].judged.members) if s.results else 0
    said = s.results[0].outcome.output.strip()[-MOST_PRINTED:] if s.results else ""
    return Standing(s.solution.name, s.score, s.seconds, members, s.reason, tuple(parts), said, s.address)


def of_script(best: Scored) -> dict[str, Any]:
    """The script that is to be changed, and whose it is."""
    return {"script": best.solution.script, "start": stands(best)}


def given_files(profile: Profile) -> list[str]:
    """Every file that a solution could read: tables, row files as patterns, the rest."""
    row_files = [pattern for asset in profile.assets for pattern in (asset.train, asset.test)]
    tables = [] if profile.pixels else [profile.train, profile.test]
    return [*tables, *filter(None, row_files), *profile.other_files]


def touched(name: str, opened: set[str]) -> bool:
    """Whether a file, or any file of a `{column}` pattern, is among the opened paths (which may be patterns)."""
    shape = re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)))
    return any(shape.fullmatch(path.partition(" (")[0]) for path in opened)


def suspicions(bench: Workbench, best: Scored) -> tuple[str, ...]:
    """What the harness itself finds suspicious: train-only columns in use, a claim far above the score."""
    profile, text = bench.task.profile, best.solution.script
    quoted = [c for c in profile.train_only if re.search(rf"""["']{re.escape(c)}["']""", text)]
    found = [f"the script uses {column!r}, which only training rows have" for column in quoted]
    found += [w.removeprefix("leakage: ") for w in profile.warnings if w.startswith("leakage: ")]
    claims = [claim for r in best.results for claim in _claims(r.outcome.output)]
    score = best.score
    if claims and score is not None and score.stderr:
        claim = max(claims) if score.direction == "max" else min(claims)
        gap = (claim - score.value) * (1 if score.direction == "max" else -1)
        if gap > 5 * score.stderr:
            found.append(f"the script claims {claim:g}; the judge found {score.value:.5f}")
    return tuple(found)


def _claims(output: str) -> list[float]:
    """Numbers that a script printed as its validation score."""
    return [float(x) for x in re.findall(r"(?i)validation[^\n:]*:\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\b", output)]
