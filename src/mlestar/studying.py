"""What is worth changing? Ablation by the harness, and looks at the data (DESIGN.md §5).

The paper lets an LLM write ablation scripts and summarise what they print. Here the brain only says
what a cell would be if it did nothing; the harness runs each variant on the same fold as the
incumbent and compares row by row, so an effect has an interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlestar import roles, scripts
from mlestar.evaluating import folds, run_fold
from mlestar.records import Ablated, Attempt, Direction, Effect, FoldResult, Judged, Profile, Scored, Solution, Standing
from mlestar.workbench import Workbench

_FINDING = re.compile(r"^finding:\s*(.{1,300})$", re.MULTILINE)
MOST_FINDINGS = 60
MOST_SEEN = 8_000  # characters of what one look prints
MOST_PRINTED = 1_000  # characters of what a solution printed on a fold
MOST_SHOWN = 6_000  # characters of its script, so that what it computed can be used


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
    bench: Workbench, best: Scored | None, most: int, ledger: tuple[Attempt, ...], standing: tuple[Standing, ...]
) -> tuple[str, ...]:
    """Let the brain look at most `most` times: its scripts read the search rows and the incumbent's residuals.

    What they print is what comes back: line by line where all lines begin with `finding:`, else as one text.
    """
    findings: tuple[str, ...] = ()
    for i in range(most):
        here = bench.at(str(i)) if i else bench
        script = best.solution.script if best else ""
        about = {"script": script, "findings": findings, "ledger": ledger, "standing": standing}
        reply = here.ask(roles.Look, roles.Analysis, **about)
        if reply.script is None:
            break
        seen = observe(here, reply.script, best)
        lines = _findings(seen)
        shown = f"{reply.question}\nThe script:\n{reply.script[:MOST_SHOWN]}\nIt printed:\n{seen}"
        findings += tuple(lines) if lines else (shown,)
    return findings


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
    return said.strip() if len(said) <= MOST_SEEN else f"{said[:MOST_SEEN].strip()}\n[cut]"


def standing(ranked: Sequence[Scored], address: str) -> tuple[Standing, ...]:
    """How the solutions of an address's branch stand, as they are ranked; of others a replay would know more.

    After the branches, at the ensemble, all are told.
    """
    branch, *deeper = address.split("/")
    own = ("",) if "ensemble" in (branch, *deeper) else (f"{branch}/", "start/")
    return tuple(_stands(s) for s in ranked if s.results and f"{s.address}/".startswith(own))


def _stands(s: Scored) -> Standing:
    values: dict[str, list[float]] = {}
    for member in (m for result in s.results for m in result.judged.members if m.name != "submission"):
        values.setdefault(member.name, []).append(member.value)
    sign = -1.0 if s.score is not None and s.score.direction == "max" else 1.0
    parts = sorted(((name, float(np.mean(v))) for name, v in values.items()), key=lambda part: sign * part[1])
    first = s.results[0]
    printed = first.outcome.output.strip()[-MOST_PRINTED:]
    return Standing(s.solution.name, s.score, s.seconds, len(first.judged.members), s.reason, tuple(parts), printed)


def given_files(profile: Profile) -> list[str]:
    """Every file that a solution could read: tables, row files as patterns, the rest."""
    row_files = [pattern for asset in profile.assets for pattern in (asset.train, asset.test)]
    tables = [] if profile.pixels else [profile.train, profile.test]
    return [*tables, *filter(None, row_files), *profile.other_files]


def touched(name: str, opened: set[str]) -> bool:
    """Whether a file, or any file of a `{column}` pattern, is among the opened paths (which may be patterns)."""
    shape = re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(name)))
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
