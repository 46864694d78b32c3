"""The solution tree of a run in plain lines for a terminal: branches, their steps, and what was tried there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from mlestar.plain import word
from mlestar.report.story import Node, Story

SCREEN = 24  # lines
_NAME, _PLACE = 28, 20  # characters at most
_WORDS = {True: "taken", False: "not taken"}


@dataclass(frozen=True)
class Line:
    """One line. `mark` is `*` where the delivered solution is made of it, `:` where such a part was made from it."""

    text: str
    mark: str = " "


def tree(story: Story, room: int | None = None) -> list[Line]:
    """The lines, all of them or about `room`: what the delivered solution is made of, then the best, stays."""
    found = list(steps(story))
    longest = max((len(nodes) for _, nodes in found), default=0)
    if room is None or _height(found, longest) <= room:
        return _lines(story, found, longest)
    most = next((n for n in range(min(longest, room), 1, -1) if _height(found, n) <= room), 1)
    kept = found
    if _height(found, most) > room:
        used = delivered(story)
        worth = sorted(found, key=lambda step: not any(node.address in used for node in step[1]))
        kept = [step for step in found if step in worth[: max((room - 1) // 3, 1)]]
    rest = len(found) - len(kept)
    more = [Line(f"… {rest} steps more (--all shows them)")] if rest else []
    return _lines(story, kept, most) + more


def _height(found: Sequence[tuple[str, list[Node]]], most: int) -> int:
    return sum(1 + min(len(nodes), most) + (len(nodes) > most) for _, nodes in found)


def _lines(story: Story, found: Sequence[tuple[str, list[Node]]], most: int) -> list[Line]:
    used = delivered(story)
    marks = dict.fromkeys(_before(story, used), ":") | dict.fromkeys(used, "*")
    shown = {step: most_telling(nodes, used, most) for step, nodes in found}
    texts = [(word(_place(node, step), _PLACE), word(node.name, _NAME)) for step in shown for node in shown[step]]
    widths = (max((len(place) for place, _ in texts), default=0), max((len(name) for _, name in texts), default=0))
    lines: list[Line] = []
    for step, nodes in found:
        lines.append(Line(f"{word(step, 60)}{_study(story, step)}"))
        rest = len(nodes) - len(shown[step])
        for node in shown[step]:
            last = node is shown[step][-1] and not rest
            lines.append(Line(f"{'└' if last else '├'} {_told(node, step, widths)}", marks.get(node.address, " ")))
        if rest:
            lines.append(Line(f"└ … {rest} more (--all shows them)"))
    return lines


def delivered(story: Story) -> set[str]:
    """The addresses of what the delivered solution is made of, and of the blend that it is."""
    blends = [node.address for node in story.nodes if node.kind == "blend" and node.name == story.final]
    return {key.partition("::")[0] for key, _ in story.weights} | set(blends[-1:])


def _before(story: Story, used: set[str]) -> set[str]:
    """What these were made from, all the way back."""
    parents = {node.address: node.parents for node in story.nodes}
    seen: set[str] = set()
    left = list(used)
    while left:
        fresh = [parent for parent in parents.get(left.pop(), ()) if parent not in seen]
        seen.update(fresh)
        left += fresh
    return seen


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


def most_telling(nodes: Sequence[Node], used: Set[str], most: int) -> list[Node]:
    """At most so many of them, in their order: what was delivered, what is running, then the best."""
    if len(nodes) <= most:
        return list(nodes)

    def worth(node: Node) -> tuple[bool, bool, float]:
        sign = -1.0 if node.score and node.score.direction == "min" else 1.0
        return node.address in used, node.state == "running", sign * node.score.value if node.score else float("-inf")

    kept = {node.address for node in sorted(nodes, key=worth, reverse=True)[:most]}
    return [node for node in nodes if node.address in kept]


def _place(node: Node, step: str) -> str:
    return node.address.removeprefix(step).strip("/") or node.kind


def _told(node: Node, step: str, widths: tuple[int, int]) -> str:
    place, name = word(_place(node, step), _PLACE), word(node.name, _NAME)
    score = str(node.score) if node.score else ""
    state = _WORDS.get(node.accepted, "") if node.accepted is not None and node.state == "scored" else node.state
    gain = f" ({node.gain:+.5f})" if node.gain is not None else ""
    told = "" if state == "scored" else f"{state}{gain}" + (f": {word(node.reason, 60)}" if node.reason else "")
    return f"{place:{widths[0]}}  {name:{widths[1]}}  {score:17}  {told}".rstrip()
