"""Looking at runs, finished or not, while another process may drive them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mlestar import ranges
from mlestar.journal import queries
from mlestar.plain import called, word
from mlestar.records import Breadths, Final, Summary, Usage

FINAL = TypeAdapter(Final)


@dataclass(frozen=True)
class Counts:
    """What a run has taken so far, as its journal adds it up. `asked` are answers of the brain, `calls` paid calls."""

    jobs: int
    asked: int
    calls: int
    seconds: float
    usage: tuple[Usage, ...]
    charged: float | None


def show(run: Path) -> Summary:
    """What is known of a run. Raises RunError when the folder is none."""
    counts = queries.counts(run)
    jobs = len({row.inputs for row in queries.steps(run) if row.verb == "execute" and row.state == "ok"})
    usage = tuple(queries.usage(run))
    taken = Counts(jobs, counts["brain"], counts["call"], queries.spent(run), usage, queries.cost(run))
    return summary(run, queries.facts(run), taken)


def summary(run: Path, facts: dict[str, Any], taken: Counts) -> Summary:
    """The same of facts and counts that are known already."""
    about: dict[str, Any] = facts.get("task_facts", {})
    final = FINAL.validate_python(facts["final"]) if "final" in facts else None
    sealed = final.sealed if final else None
    settings, usage = facts.get("settings", {}), taken.usage
    return Summary(
        state=_state(run, facts),
        task=facts.get("name", ""),
        brain=called(settings.get("brain", "")),
        metric=about.get("metric", ""),
        direction=about.get("direction", "max"),
        split=about.get("split", ""),
        split_evidence=about.get("split_evidence", ""),
        folds=len(final.search.folds) if final else 0,
        search_score=final.search.value if final else None,
        search_stderr=final.search.stderr if final else None,
        sealed_score=sealed.value if sealed else None,
        sealed_stderr=sealed.stderr if sealed else None,
        optimism=final.optimism if final else None,
        seconds=taken.seconds,
        jobs=taken.jobs,
        brain_calls=taken.calls if usage or _in_words(settings) else taken.asked,
        cost_usd=_cost(usage, taken.charged),
        sandbox=facts.get("sandbox", ""),
        sandbox_about=facts.get("sandbox_about", ""),
        best=str(run / "best") if (run / "best").exists() else "",
        estimate=ranges.clip(about.get("metric", ""), final.estimate.value) if final else None,
        estimate_stderr=final.estimate.stderr if final else None,
        sealed_seen=facts.get("sealed_seen", 0),
        phases=tuple(sorted(facts.get("milestones", {}).items(), key=_in_order)),
        warnings=tuple(about.get("warnings", ())),
        usage=usage,
        groups=final.search.groups if final else (),
    )


def state(run: Path) -> str:
    """How a run stands: `running` only while somebody drives it."""
    return str(_state(run, queries.facts(run)))


def _state(run: Path, facts: dict[str, Any]) -> Any:
    said = facts.get("state", "failed")
    return "interrupted" if said == "running" and not queries.is_running(run) else said


def _in_words(settings: dict[str, Any]) -> bool:
    """Whether the brain is a voice: a relay, a command, a model. What was recorded speaks, but nobody is called."""
    brain = settings.get("brain", "")
    return brain == "relay" or (":" in brain and not brain.startswith("recorded:"))


def _cost(usage: tuple[Usage, ...], charged: float | None) -> float | None:
    """US dollars; None where a price is unknown, and where no call was made. Charges without a record count too."""
    known = [used.cost_usd for used in usage if used.cost_usd is not None]
    return max(sum(known), charged or 0.0) if known and len(known) == len(usage) else None


def _in_order(phase: tuple[str, float]) -> tuple[int, str]:
    """Phases as they follow one another: every branch's init, then refine, then ensemble."""
    return (("init", "refine", "ensemble").index(phase[0].split()[-1]), phase[0])


def find(folder: Path) -> list[Path]:
    """The runs below a folder, oldest first; or the folder itself, where it is a run."""
    if (folder / "journal.db").is_file():
        return [folder]
    found = [path.parent for path in folder.glob("*/journal.db")]
    return sorted(found, key=lambda run: (run / "journal.db").stat().st_mtime)


def none_in(places: Sequence[Path], command: str) -> str:
    """Where one looked for runs in vain, and how one looks elsewhere."""
    listed = ", ".join(word(place.resolve()) for place in places)
    return f"there are no runs in {listed}; name runs, or the folders that they lie in: `mle-star {command} FOLDER …`"


def size(settings: dict[str, Any]) -> Breadths | None:
    """The loop sizes that a run was started with; None where nobody wrote them down."""
    places = {
        "candidates": ("init", "candidates"), "outer": ("refine", "outer"), "inner": ("refine", "inner"),
        "rounds": ("ensemble", "rounds"),
    }  # fmt: skip
    if "branches" not in settings or any(section not in settings for section, _ in places.values()):
        return None
    found = {name: settings[section][key] for name, (section, key) in places.items()}
    return Breadths(branches=settings["branches"], **found)
