"""The story of a run, for somebody who was not there: what was asked, tried, found, and how sure we are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from mlestar.plain import number, word
from mlestar.records import Breadths, Final, Summary
from mlestar.report import costs

MOST = 1000  # characters of a note
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"^(\d*)([-+=#.)])")  # what begins a heading, a list or a rule
_ADDRESS = re.compile(r":(?=/)|www(?=\.)|@", re.IGNORECASE)  # what readers make links of
Line = tuple[str, str]  # an address, and what was noted there
_CHAPTERS = (
    ("start", "The first minute"),
    ("init", "Initial solution"),
    ("refine", "Refinement"),
    ("added", "Handed in"),
)


def markdown(found: Summary, final: Final | None, notes: Sequence[Line], size: Breadths | None = None) -> str:
    """The report as Markdown. `notes` in the order in which they were made; `size` are the run's loop sizes."""
    blocks = [f"# {inert(found.task)}", _headline(found), _task(found)]
    for chapter, title in _CHAPTERS:
        lines = _once((address, text) for address, text in notes if chapter in address.split("/"))
        if lines:
            blocks.append(f"## {title}\n\n" + _list(f"{code(address)} {inert(text)}" for address, text in lines))
    if final is not None:
        blocks.append(_final(final))
    blocks += [_cost(found, size), _trust(found)]
    return "\n\n".join(blocks) + "\n"


def _headline(found: Summary) -> str:
    if found.search_score is None:
        return f"The run is {found.state}; there is no final score yet."
    better = "higher" if found.direction == "max" else "lower"
    expect = f"Expect **{inert(found.metric)} {number(found.estimate, found.estimate_stderr)}** ({better} is better):"
    search = number(found.search_score, found.search_stderr)
    if found.sealed_score is None:
        return f"{expect} the search score, {search}, less what choosing the best of many flattered it."
    return (
        f"{expect} the score of the final script on rows that no decision had seen. The search itself came to "
        f"{search}, an optimism of {found.optimism or 0.0:+.5f}."
    )


def _task(found: Summary) -> str:
    split = f"The split is {code(found.split)}: {inert(found.split_evidence)}"
    scores = [f"| {inert(name)} | {value:.5f} |" for name, value in found.phases if value is not None]
    table = "\n".join(["| after | score |", "| --- | --- |", *scores])
    return "\n\n".join(["## The task", split, *([table] if scores else []), *_by_group(found)])


def _by_group(found: Summary) -> list[str]:
    """The score of each group where those are too few for an error, which their range then stands for."""
    if len(found.groups) < 2:
        return []
    low, high = (end(value for _, value in found.groups) for end in (min, max))
    head = [f"| {inert(found.split.partition(':')[2] or 'group')} | search score |", "| --- | --- |"]
    lines = [f"| {inert(name)} | {value:.5f} |" for name, value in found.groups]
    told = f"Too few groups for a standard error: by group the search score goes from {low:.5f} to {high:.5f}."
    return [told, "\n".join([*head, *lines])]


def _final(final: Final) -> str:
    parts = [f"{weight:.3f} × {code(key)}" for key, weight in sorted(final.parts, key=lambda part: -part[1])]
    seeds = f", each with {final.bag} seeds" if final.bag > 1 else ""
    notes = f"\n\n{_list(map(inert, final.notes))}" if final.notes else ""
    how = "of (weights by which they were chosen; WEIGHTS in best/solution.py are learned)" if final.learned else "of"
    return f"## The final solution\n\n{inert(final.name)}{seeds}, {how}:\n\n{_list(parts)}{notes}"


def _cost(found: Summary, size: Breadths | None) -> str:
    """What the calls took, by role, and how many the paper's way would have needed."""
    parts = ["## What it cost"]
    if found.usage:
        rows = [costs.cells(used) for used in (*found.usage, costs.total(found.usage))]
        lines = [f"| {inert(role)} | {inert(by)} | {' | '.join(rest)} |" for role, by, *rest in rows]
        parts.append("\n".join([f"| {' | '.join(costs.HEAD)} |", "| --- | --- |" + " ---: |" * 6, *lines]))
    else:
        parts.append("No call: nobody was asked in words, and nothing was paid.")
    if size is not None:
        loops = f"T={size.outer} K={size.inner} L={size.branches} M={size.candidates} R={size.rounds}"
        made = f"{sum(used.calls for used in found.usage)}{'' if found.state == 'done' else ' so far'}"
        parts.append(f"The paper needs about {costs.paper_calls(size)} calls for {loops}, before any repair; this run "
                     f"made {made}, repairs included.")  # fmt: skip
    return "\n\n".join(parts)


def _trust(found: Summary) -> str:
    asked = "calls to" if found.usage else "answers of"
    facts = [
        f"{found.jobs} executions, {found.brain_calls} {asked} the brain {code(found.brain)}, {found.seconds:.0f} s",
        f"generated scripts ran behind the wall: {found.sandbox} ({found.sandbox_about})",
        f"the sealed rows were looked at {found.sealed_seen} times in all",
        *(f"warning: {inert(warning)}" for warning in found.warnings),
    ]
    return f"## What this rests on\n\n{_list(facts)}"


def _once(lines: Iterable[Line]) -> list[Line]:
    """What a branch noted more than once, such as the effects of cells that did not change, is told once."""
    first = {(address.split("/")[0], text): (address, text) for address, text in reversed(list(lines))}
    return list(reversed(first.values()))


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def inert(text: str) -> str:
    """A text that is not ours, in one line, as Markdown and as the HTML made of it show it: no markup, no link."""
    line = html.escape(_MARKUP.sub(r"\\\g<0>", word(text, MOST)), quote=False)
    return _ADDRESS.sub("\\g<0>\u200b", _BLOCK.sub(r"\1\\\2", line))


def code(text: str) -> str:
    """A short text that is not ours, as a code span."""
    return f"`{word(text).replace('`', chr(39)) or ' '}`"
