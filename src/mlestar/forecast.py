"""What a run will ask for, before it is begun (`mle-star run TASK --dry-run`): calls, tokens, money, jobs.

Counts follow from the loop sizes and from what `algorithm.py` and `lab.py` ask whom; prompts are rendered, never sent.
Nothing runs but the task's own task.py, behind the wall; nobody is asked, no key is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mlestar import casting, prompting, runs
from mlestar.brains.spoken.llm import known_price
from mlestar.config import Settings
from mlestar.counting import Range, Stage, calls, jobs
from mlestar.errors import SettingsError
from mlestar.plain import called, word
from mlestar.records import Breadths
from mlestar.report import costs
from mlestar.roles import ROLES
from mlestar.search.library import Library
from mlestar.tasks.infer import understand_made
from mlestar.tasks.infer_files import no_task
from mlestar.tasks.profile import profile

SAID = {  # tokens of an answer, assumed: a script about 1,500, a few cells about 1,000, a choice with its reason 200
    "retriever": 1200, "candidate writer": 1800, "data-usage checker": 600, "leakage checker": 400, "ablation": 1000,
    "target chooser": 200, "analyst": 800, "planner": 1500, "coder": 1200, "debugger": 1200, "ensemble planner": 1000,
    "ensembler": 900, "finaliser": 400,
}  # fmt: skip
UNPRICED = ("relay", "cli:")
NEVER = (0, 0)


@dataclass(frozen=True)
class Part:
    """The calls of one role. Tokens are per call, `stable` of them the same in every prompt; US dollars of all calls.

    `by` is empty where the role needs nobody to be asked in words; dollars are None where the price is unknown.
    """

    role: str
    by: str
    calls: Range
    tokens_in: int = 0
    stable: int = 0
    tokens_out: int = 0
    usd: tuple[float, float] | None = (0.0, 0.0)
    counted: float = 0.0  # US dollars of one call as a cap on money counts it


@dataclass(frozen=True)
class Forecast:
    """What is to be expected. Money is None where a price is unknown; `known_usd` is what the others come to."""

    task: str
    brain: str
    size: Breadths
    parts: tuple[Part, ...]
    stages: tuple[Stage, ...]
    calls: Range
    tokens_in: Range
    tokens_out: Range
    usd: tuple[float, float] | None
    known_usd: tuple[float, float]
    jobs: Range
    paper_calls: int
    caps: tuple[str, ...]
    assumed: tuple[str, ...]


def forecast(task: Path, settings: Settings) -> Forecast:
    """Forecast a run. Raises TaskError for a broken task, SettingsError for a brain or role that there is not."""
    if not task.is_dir():
        raise no_task(task)
    source = understand_made(task, partial(runs.serve, settings))
    seen = profile(source, np.arange(len(source.train.frame)))
    library = Library([Path(settings.library)] if settings.library else [])
    voices = answerers(settings)
    lengths = prompting.sizes(settings, seen, library.recipes()) if any(voices.values()) else {}
    counts = calls(settings.breadths, settings.brain == "none")
    parts = tuple(_part(role, voices[role], counts.get(role, NEVER), lengths, settings) for role in ROLES)
    stages = jobs(settings)
    priced = [part for part in parts if part.usd is not None]
    known = _pair(part.usd or (0.0, 0.0) for part in priced)
    total = _sum(part.calls for part in parts)
    usd = known if len(priced) == len(parts) else None
    return Forecast(
        str(task), called(settings.brain), settings.breadths, parts, stages, total,
        _sum((part.calls[0] * part.tokens_in, part.calls[1] * part.tokens_in) for part in parts),
        _sum((part.calls[0] * part.tokens_out, part.calls[1] * part.tokens_out) for part in parts),
        usd, known, _sum(stage.jobs for stage in stages), costs.paper_calls(settings.breadths),
        _caps(settings, total, parts), _assumed(settings, total),
    )  # fmt: skip


def answerers(settings: Settings) -> dict[str, str]:
    """Who is asked first for each role; empty where the role is played without words (see `casting.cast`)."""
    found = {}
    for role, voices in casting.chains(settings).items():
        wrong = next((name for name in voices if name != "relay" and ":" not in name), None)
        if wrong is not None:
            raise SettingsError(f"setting 'brain': there is no brain {wrong!r}; `mle-star run --help` names them")
        found[role] = called(voices[0]) if voices and not settings.brain.startswith("recorded:") else ""
    return found


def _part(role: str, by: str, count: Range, lengths: dict[str, tuple[int, int]], settings: Settings) -> Part:
    if not by:
        return Part(role, "", (0, 0))
    stable, asked = lengths[role]
    entry, said = stable + asked, SAID[role]
    if by.startswith(UNPRICED):
        return Part(role, by, count, entry, stable, said, (0.0, 0.0) if count[1] == 0 else None)
    price = known_price(by, settings.llm.price)
    each = _dollars(entry, said, price or settings.llm.ceiling)
    known = None if price is None and count[1] > 0 else (count[0] * each, count[1] * each)
    return Part(role, by, count, entry, stable, said, known, each)


def _dollars(asked: int, said: int, price: tuple[float, float]) -> float:
    return (asked * price[0] + said * price[1]) / 1e6


def _caps(settings: Settings, total: Range, parts: Sequence[Part]) -> tuple[str, ...]:
    """What the caps allow of it."""
    told = []
    if settings.max_calls is not None and total[1] > 0:
        told.append(f"max_calls {settings.max_calls}: {_enough(settings.max_calls, total)}")
    if settings.max_cost is not None and total[1] > 0:
        told.append(f"max_cost {costs.dollars(settings.max_cost)}{_money_cap(settings, total, parts)}")
    if settings.budget is not None:
        told.append(
            f"budget {settings.budget:g} s: time may end any loop early, below the least; {settings.jobs} jobs side by "
            f"side, each {settings.limits.seconds:g} s at most"
        )
    return tuple(told)


def _money_cap(settings: Settings, total: Range, parts: Sequence[Part]) -> str:
    money = _pair((part.calls[0] * part.counted, part.calls[1] * part.counted) for part in parts)
    if settings.max_cost is None or money[1] == 0:
        return ": holds nobody back, because what they cost nobody tells us, and it counts as nothing"
    unknown = any(part.usd is None and part.counted for part in parts)
    rate = f", an unknown price counting as {_rate(settings.llm.ceiling)}" if unknown else ""
    about = f"{settings.max_cost * total[1] / money[1]:,.0f}"
    return f" (about {about} calls{rate}): {_enough(settings.max_cost, money)}"


def _enough(cap: float, needed: tuple[float, float]) -> str:
    if cap < needed[0]:
        return "too little for the least; once it is reached, the playbook stands in"
    return (
        "enough for the most" if cap >= needed[1] else "enough for the least; if it is reached, the playbook stands in"
    )


def _rate(price: tuple[float, float]) -> str:
    return f"${price[0]:g} in and ${price[1]:g} out per million tokens"


def _assumed(settings: Settings, total: Range) -> tuple[str, ...]:
    """What the numbers rest on."""
    about = [
        "least: every loop runs, no script fails, the planner stops at its first word; equal scripts run once",
        f"the final script is rehearsed and refitted once each, with up to {settings.bag} seeds inside",
    ]
    if settings.refine.batch > 1:
        about.append(f"plans are tried {settings.refine.batch} at a time: that changes no number of calls or jobs here")
    if total[1] == 0:
        return tuple(about)
    return (
        *about,
        f"prompts as in the middle of a run, {prompting.LETTERS:g} characters a token; no discount for a cached prompt",
        "answers of a usual length; models that think first are paid for their thoughts too, several times as much",
        "one answer per call: an answer that is refused is asked for again, "
        f"at most {settings.llm.attempts} answers in all",
    )


def _sum(ranges: Iterable[Range]) -> Range:
    found = list(ranges)
    return sum(a for a, _ in found), sum(b for _, b in found)


def _pair(ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
    found = list(ranges)
    return sum((a for a, _ in found), 0.0), sum((b for _, b in found), 0.0)


# --- as people read it -----------------------------------------------------------------------------


def told(found: Forecast) -> str:
    """A forecast on one screen."""
    size = found.size
    loops = f"L={size.branches} M={size.candidates} T={size.outer} K={size.inner} R={size.rounds}"
    lines = [f"{word(found.task)}: what a run with the brain {word(found.brain)} would ask for ({loops})", ""]
    if found.calls[1] == 0:
        lines.append("  calls     0: nobody is asked in words, nothing is paid")
    else:
        lines += [f"  {line}" for line in costs.aligned([HEAD, *_rows(found)], 2)]
    lines += ["", f"  the paper needs about {found.paper_calls} calls for these loops, before any repair", ""]
    rows = [(stage.name, _span(stage.jobs)) for stage in found.stages]
    lines += [f"  {line}" for line in costs.aligned([("jobs", "least–most"), *rows, ("all", _span(found.jobs))], 1)]
    lines += ["", *(f"  cap: {cap}" for cap in found.caps), *(f"  assumed: {text}" for text in found.assumed)]
    return "\n".join(lines)


HEAD = ("role", "who is asked", "calls", "tokens in a call", "the same in all", "out", "price")


def _rows(found: Forecast) -> list[tuple[str, ...]]:
    rows = [
        (part.role, word(part.by or "no call", 30), _span(part.calls), f"{part.tokens_in:,}", f"{part.stable:,}",
         f"{part.tokens_out:,}", _money(part.usd, (0.0, 0.0)))
        for part in found.parts
    ]  # fmt: skip
    total = ("all", "", _span(found.calls), _span(found.tokens_in), "", _span(found.tokens_out),
             _money(found.usd, found.known_usd))  # fmt: skip
    return [*rows, total]


def _span(pair: Range) -> str:
    return f"{pair[0]:,}" if pair[0] == pair[1] else f"{pair[0]:,}–{pair[1]:,}"


def _money(usd: tuple[float, float] | None, known: tuple[float, float]) -> str:
    least, most = usd or known
    if usd is None and most == 0:
        return "unknown"
    span = costs.dollars(least) if least == most else f"{costs.dollars(least)}–{costs.dollars(most)}"
    return span if usd is not None else f"{span} + unknown"
