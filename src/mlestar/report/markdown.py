"""The story of a run, for somebody who was not there: what was asked, tried, found, and how sure we are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlestar.records import Final, Summary

Line = tuple[str, str]  # an address, and what was noted there
_CHAPTERS = (("start", "The first minute"), ("init", "Initial solution"), ("refine", "Refinement"))


def markdown(found: Summary, final: Final | None, notes: Sequence[Line]) -> str:
    """The report as Markdown. `notes` in the order in which they were made."""
    blocks = [f"# {found.task}", _headline(found), _task(found)]
    for word, title in _CHAPTERS:
        lines = _once((address, text) for address, text in notes if word in address.split("/"))
        if lines:
            blocks.append(f"## {title}\n\n" + _list(f"`{address}` {text}" for address, text in lines))
    if final is not None:
        blocks.append(_final(final))
    blocks.append(_trust(found))
    return "\n\n".join(blocks) + "\n"


def _headline(found: Summary) -> str:
    if found.search_score is None:
        return f"The run is {found.state}; there is no final score yet."
    better = "higher" if found.direction == "max" else "lower"
    expect = f"Expect **{found.metric} {_score(found.estimate, found.estimate_stderr)}** ({better} is better):"
    search = _score(found.search_score, found.search_stderr)
    if found.sealed_score is None:
        return f"{expect} the search score, {search}, less what choosing the best of many flattered it."
    return (
        f"{expect} the score of the final script on rows that no decision had seen. The search itself came to "
        f"{search}, an optimism of {found.optimism or 0.0:+.5f}."
    )


def _task(found: Summary) -> str:
    split = f"The split is `{found.split}`: {found.split_evidence}"
    scores = [f"| {name} | {value:.5f} |" for name, value in found.phases if value is not None]
    table = "\n".join(["| after | score |", "| --- | --- |", *scores])
    return f"## The task\n\n{split}\n\n{table}" if scores else f"## The task\n\n{split}"


def _final(final: Final) -> str:
    parts = [f"{weight:.3f} × `{key}`" for key, weight in sorted(final.parts, key=lambda part: -part[1])]
    seeds = f", each with {final.bag} seeds" if final.bag > 1 else ""
    notes = f"\n\n{_list(final.notes)}" if final.notes else ""
    how = "of (weights by which they were chosen; WEIGHTS in best/solution.py are learned)" if final.learned else "of"
    return f"## The final solution\n\n{final.name}{seeds}, {how}:\n\n{_list(parts)}{notes}"


def _trust(found: Summary) -> str:
    facts = [
        f"{found.jobs} executions, {found.brain_calls} answers of the brain `{found.brain}`, {found.seconds:.0f} s",
        f"generated scripts ran behind the wall: {found.sandbox}",
        f"the sealed rows were looked at {found.sealed_seen} times in all",
        *(f"warning: {warning}" for warning in found.warnings),
    ]
    return f"## What this rests on\n\n{_list(facts)}"


def _once(lines: Iterable[Line]) -> list[Line]:
    """What a branch noted more than once, such as the effects of cells that did not change, is told once."""
    first = {(address.split("/")[0], text): (address, text) for address, text in reversed(list(lines))}
    return list(reversed(first.values()))


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def _score(value: float | None, error: float | None) -> str:
    return "none" if value is None else f"{value:.5f}" + ("" if error is None else f" ± {error:.5f}")
