"""The solution tree of a run in plain lines for a terminal: branches, their steps, and what was tried there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlestar.plain import word
from mlestar.report.story import Node, Story

_NAME, _PLACE = 28, 20  # characters
_WORDS = {True: "taken", False: "not taken"}


@dataclass(frozen=True)
class Line:
    """One line. `part` is true where the delivered solution is made of it."""

    text: str
    part: bool = False


def tree(story: Story, most: int | None = None) -> list[Line]:
    """The lines, of each step at most `most`: what the delivered solution is made of, then the best, stays."""
    used = {key.partition("::")[0] for key, _ in story.weights}
    lines: list[Line] = []
    for step, nodes in steps(story):
        lines.append(Line(f"{step}{_study(story, step)}"))
        shown = _shown(nodes, used, most)
        rest = len(nodes) - len(shown)
        for i, node in enumerate(shown):
            last = i == len(shown) - 1 and not rest
            lines.append(Line(f"{'└' if last else '├'} {_told(node, step)}", node.address in used))
        if rest:
            lines.append(Line(f"└ … {rest} more (--all shows them)"))
    return lines


def steps(story: Story) -> Iterator[tuple[str, list[Node]]]:
    """What was tried, by the step of the method: the start, each branch's init and outer steps, the ensemble."""
    found: dict[str, list[Node]] = {}
    for node in story.nodes:
        if node.kind not in ("ablation", "look", "delivery") or node.reason:
            found.setdefault(step_of(node.address), []).append(node)
    branches = list(dict.fromkeys(step.partition("/")[0] for step in found))
    for step in sorted(found, key=lambda step: _order(step, branches)):
        yield step, found[step]


def step_of(address: str) -> str:
    """The step that an address belongs to: `branch-0/init`, `branch-0/refine/2`, `ensemble`."""
    words = address.split("/")
    if not words[0].startswith("branch-"):
        return words[0]
    return "/".join(words[:3] if words[1:2] == ["refine"] else words[:2])


def _order(step: str, branches: Sequence[str]) -> tuple[int, int]:
    words = step.split("/")
    return branches.index(words[0]), int(words[2]) if len(words) > 2 and words[2].isdigit() else -1


def _study(story: Story, step: str) -> str:
    """What the step's ablation found to matter most, and which cell was chosen."""
    effects = [e for at, found in story.ablations if at == f"{step}/ablate" for e in found.effects if e.effect]
    most = max(effects, key=lambda e: e.effect or 0.0, default=None)
    told = f"  most is lost without {word(most.cell, 20)} ({most.effect:+.5f})" if most and most.effect else ""
    chosen = [target.cell for at, target in story.targets if at.startswith(f"{step}/")]
    return told + (f"; refined: {word(chosen[0], 20)}" if chosen else "")


def _shown(nodes: Sequence[Node], used: set[str], most: int | None) -> list[Node]:
    if most is None or len(nodes) <= most:
        return list(nodes)

    def worth(node: Node) -> tuple[bool, bool, float]:
        sign = -1.0 if node.score and node.score.direction == "min" else 1.0
        return node.address in used, node.state == "running", sign * node.score.value if node.score else float("-inf")

    kept = sorted(nodes, key=worth, reverse=True)[:most]
    return [node for node in nodes if node in kept]


def _told(node: Node, step: str) -> str:
    place = node.address.removeprefix(step).strip("/") or node.kind
    score = str(node.score) if node.score else ""
    state = _WORDS.get(node.accepted, "") if node.accepted is not None and node.state == "scored" else node.state
    gain = f" ({node.gain:+.5f})" if node.gain is not None else ""
    told = "" if state == "scored" else f"{state}{gain}" + (f": {word(node.reason, 60)}" if node.reason else "")
    return f"{word(place, _PLACE):{_PLACE}} {word(node.name, _NAME):{_NAME}} {score:17} {told}".rstrip()
