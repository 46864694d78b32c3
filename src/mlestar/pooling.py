"""Which members a blend may join: those of scripts that the finish can afford, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mlestar.records import Scored
from mlestar.workbench import Workbench

MOST_POOL, MOST_SCRIPTS = 150, 6  # members, scripts: somebody will read the blend


def pools(
    bench: Workbench, found: Mapping[str, Scored], chosen: Sequence[tuple[str, ...]], limit: float | None
) -> tuple[tuple[str, ...], ...]:
    """For each choice of members: all members of their scripts, and of a few others that the finish can afford.

    The cheapest come first: an order by scores would know the piece that the choice must not know.
    """
    banked: dict[str, list[str]] = {}
    every = bench.bank.keys()
    for key in every:
        banked.setdefault(key.partition("::")[0], []).append(key)
    made = []
    for keys in chosen:
        scripts = list(dict.fromkeys(key.partition("::")[0] for key in keys))
        spent = sum(found[address].seconds for address in scripts)
        for address in sorted(banked.keys() - set(scripts), key=lambda address: (found[address].seconds, address)):
            spent += found[address].seconds
            if limit is not None and spent <= limit and len(scripts) < MOST_SCRIPTS:
                scripts.append(address)
        made.append(tuple(key for address in scripts for key in banked[address])[:MOST_POOL])
    return tuple(made)


def left_out(
    keys: Iterable[str], found: Mapping[str, Scored], pool: Sequence[str], limit: float | None
) -> tuple[tuple[str, str], ...]:
    """The banked scripts that have no member in the last pool, cheapest first, each with the reason."""
    joined, spent = {key.partition("::")[0] for key in pool}, seconds(pool, found)
    others = {key.partition("::")[0] for key in keys} - joined

    def why(once: float) -> str:
        if limit is None:
            return "not chosen; without a time budget a blend joins no other scripts than the chosen ones"
        if spent + once <= limit:
            return f"no room: a blend joins {MOST_SCRIPTS} scripts and {MOST_POOL} members"
        room = f"the finish has {limit:.0f} s for such folds of all scripts, of which {spent:.0f} s are taken"
        return f"its slowest fold takes {once:.0f} s; {room}"

    ranked = sorted((found[address].seconds, address) for address in others)
    return tuple((address, why(once)) for once, address in ranked)


def seconds(keys: Iterable[str], found: Mapping[str, Scored]) -> float:
    """What the slowest folds of the scripts behind members took together."""
    return sum(found[address].seconds for address in {key.partition("::")[0] for key in keys})


def member_scores(keys: Sequence[str], found: Mapping[str, Scored]) -> tuple[tuple[str, float], ...]:
    """The metric of each member alone, a plain mean over its folds."""
    values: dict[str, list[float]] = {}
    for address, scored in found.items():
        for result in scored.results:
            for member in result.judged.members:
                values.setdefault(f"{address}::{member.name}", []).append(member.value)
    return tuple((key, float(np.mean(values[key]))) for key in keys if key in values)
