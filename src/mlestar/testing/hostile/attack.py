"""An attack, and what became of it.

An attack is a file `attacks/<kind>/<name>.py`: lines of comment that say what it is, then a script. It prints
GOT and what it got where it gets through. The comments:

    # <the promise that it tries to break, in a few words>
    # ends: disk or memory      the ends that are right for it; without, any end will do
    # seconds: 60               its limit of time
    # judged                    what it leaves is judged, and must be refused with a reason
    # apart                     it would hurt a machine without a wall: there it is not tried
    # attempts                  blocks between empty lines, each tried; one that raises nothing got through, one that
    #                           raises anything but OSError and AssertionError is a mistake of the attack's
    # --- the next job          what follows is a second script, run afterwards

Each script has before it what preamble.py says.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mlestar.ports import Executor
from mlestar.records import Job, Limits, Outcome
from mlestar.testing.hostile.world import World

KINDS = ("reading", "writing", "eating", "outliving", "reaching", "lying")
LIMITS = Limits(seconds=15, memory_mb=400, processes=24, disk_mb=20, output_kb=200)
GOT = "GOT"
_HERE = Path(__file__).parent
_NEXT = "# --- the next job\n"
_SETTLED = 120.0  # seconds within which the harness must be back, whatever the script does
_GROWTH_MB = 200


@dataclass(frozen=True)
class Attack:
    """One promise, and the scripts of one or two jobs that try to break it."""

    kind: str
    name: str
    scripts: tuple[str, ...]
    ends: tuple[str, ...]
    seconds: float
    judged: bool
    apart: bool


@dataclass(frozen=True)
class Verdict:
    """`held` where the promise was kept; `how` in a few words."""

    held: bool
    how: str


def attacks() -> list[Attack]:
    """All attacks, by kind."""
    return [_read(path) for kind in KINDS for path in sorted((_HERE / "attacks" / kind).glob("*.py"))]


def _read(path: Path) -> Attack:
    parts = path.read_text(encoding="utf-8").split(_NEXT)
    (name, *words), _ = _parted(parts[0])
    said = {word.partition(": ")[0]: word.partition(": ")[2] for word in words}
    ends = tuple(said["ends"].split(" or ")) if "ends" in said else ()
    seconds = float(said.get("seconds", LIMITS.seconds))
    scripts = tuple(_script(part) for part in parts)
    ends = ends or (("ok",) if "attempts" in said else ())
    return Attack(path.parent.name, name, scripts, ends, seconds, "judged" in said, "apart" in said)


def _parted(text: str) -> tuple[list[str], str]:
    """The comments at the head, and the rest."""
    lines = text.splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    return [line.removeprefix("# ") for line in lines[:count]], "\n".join(lines[count:]).strip()


def _script(part: str) -> str:
    words, body = _parted(part)
    if "attempts" not in words:
        return body
    blocks = re.split(r"\n\s*\n", body)
    inner = [(re.sub(r"^", "    ", block, flags=re.MULTILINE), block.splitlines()[-1]) for block in blocks]
    return "".join(
        f"try:\n{code}\n    print('GOT', {last!r})\nexcept (OSError, AssertionError):\n    pass\n"
        for code, last in inner
    )


def assault(executor: Executor, attack: Attack, world: World) -> Verdict:
    """Run an attack: what it got, and what it changed in the world."""
    if attack.apart and executor.wall == "none":
        return Verdict(False, "not tried")
    world.settle()
    before, began = world.memory_mb(), time.monotonic()
    outcomes = [_run(executor, attack, world, script) for script in attack.scripts]
    reason = world.judge() if attack.judged else ""
    complaint = world.broken() or _got(outcomes, world) or _wrong(attack, outcomes[0], reason)
    if time.monotonic() - began > _SETTLED:
        complaint = complaint or "held up the harness"
    if world.memory_mb() - before > _GROWTH_MB:
        complaint = complaint or "the harness grew"
    if complaint:
        return Verdict(False, complaint)
    return Verdict(True, f"refused: {reason}" if attack.judged else f"ended: {outcomes[0].state}")


def _run(executor: Executor, attack: Attack, world: World, script: str) -> Outcome:
    limits = replace(LIMITS, seconds=attack.seconds)
    facts = {**world.facts(), "memory": limits.memory_mb * 2**20, "disk": limits.disk_mb * 2**20}
    preamble = (_HERE / "preamble.py").read_text(encoding="utf-8").replace("{}", json.dumps(facts), 1)
    return executor.run(Job(attack.name, f"{preamble}\n{script}\n", str(world.view), str(world.job), limits))


def _got(outcomes: list[Outcome], world: World) -> str:
    """What the scripts said that they got, or what came through of what they said."""
    for outcome in outcomes:
        lines = [line for line in outcome.output.splitlines() if line.startswith(GOT)]
        if lines:
            return f"got in: {lines[0].removeprefix(GOT).strip()}"
        text = "\n".join([outcome.output, outcome.error, *outcome.files, *outcome.opened])
        if any(ord(char) < 32 and char not in "\n\t" for char in text):
            return "control characters came through"
        if set(outcome.opened) - world.names():
            return "it was believed to have opened what is not there"
    return ""


def _wrong(attack: Attack, outcome: Outcome, reason: str) -> str:
    if attack.ends and outcome.state not in attack.ends:
        return f"ended as {outcome.state}, not as {' or '.join(attack.ends)}"
    return "the judge took it" if attack.judged and not reason else ""
