"""What a report says: chapters in an order and in words that a page and Markdown share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from mlestar import ranges
from mlestar.plain import number, word
from mlestar.records import Score
from mlestar.report import costs, figures
from mlestar.report.blocks import (
    Block,
    Chapter,
    Chart,
    Code,
    Folded,
    Heading,
    Items,
    Line,
    Link,
    Named,
    Piece,
    Prose,
    Strong,
    Table,
    some,
)  # fmt: skip
from mlestar.report.story import Node, Story
from mlestar.report.tree import delivered, most_telling, steps

MOST_NOTES = 1_000


def chapters(story: Story, script: str, most: int) -> tuple[Chapter, ...]:
    """Those that have something to say. `script` is the final solution's text; no table has more than `most` rows."""
    made = (
        Chapter("time", "Score over time", some(Chart(figures.scores(story)), _gains(story, most))),
        Chapter("task", "The task, and what was assumed", _task(story)),
        Chapter("tried", "What was tried", _tried(story, most)),
        Chapter("final", "The final solution", _final(story, script, most)),
        Chapter("data", "Data and leakage", _data(story, most)),
        Chapter("ideas", "Where the ideas came from", _ideas(story, most)),
        Chapter("cost", "What it took", _cost(story)),
        Chapter("trust", "What this rests on", _trust(story)),
    )
    return tuple(chapter for chapter in made if chapter.blocks)


def answer(story: Story) -> tuple[Prose, ...]:
    """What to expect, first of all, and what to know before believing it."""
    found = story.summary
    if found.estimate is None:
        return Prose(_unfinished(story)), *_beware(story)
    score = Score(found.estimate, found.estimate_stderr, found.direction, (), ())
    low, high = ranges.likely(found.metric, score)
    likely = f", most likely between {low:.5f} and {high:.5f}" if found.estimate_stderr is not None else ""
    basis = (
        "the score of the final script on rows that no decision had seen"
        if found.sealed_score is not None
        else "the search score less what choosing the best of many flattered it; there is no sealed score"
    )
    files = Prose((
        "In the run's folder, ", Code("best/submission.csv"), " is what to hand in, and ", Code("best/solution.py"),
        " makes it again: ", Code("python solution.py"), ", in a folder that has the task's files in ",
        Code("input/"), ".",
    ))  # fmt: skip
    expect = Prose(("Expect ", Strong(f"{found.metric} {found.estimate:.5f}"), f"{likely} ({_better(story)})."))
    return expect, Prose(f"This is {basis}."), *([files] if found.best else []), *_beware(story)


def _better(story: Story) -> str:
    return "higher is better" if story.summary.direction == "max" else "lower is better"


def _unfinished(story: Story) -> str:
    state = {"running": "goes on", "failed": "failed"}.get(story.summary.state, f"is {story.summary.state}")
    told = f"The run {state}; there is no final score{' yet' if state == 'goes on' else ''}."
    if story.gains:
        last = story.gains[-1]
        told += f" The best so far is {word(last.name, 60)}: {word(story.summary.metric)} {last.score}."
    return told


def _beware(story: Story) -> tuple[Prose, ...]:
    """What a reader must know before believing the number."""
    count = len(story.summary.warnings)
    told: list[Piece] = [Link("leakage is suspected", "data")] if any(note.warns for note in story.notes) else []
    told += [Link(f"{count} warning{'s' * (count > 1)}", "trust")] if count else []
    between = [piece for each in told for piece in (" and ", each)][1:]
    return (Prose(("Before you rely on it: ", *between, "."), warns=True),) if told else ()


def _gains(story: Story, most: int) -> Table:
    before = [None, *(gain.score.value for gain in story.gains)]
    rows = tuple(
        (
            f"{gain.at:.0f} s", figures.WORDS.get(gain.kind, gain.kind), Named(word(gain.name, 100), gain.address),
            str(gain.score), "" if last is None else f"{gain.score.value - last:+.5f}",
        )
        for gain, last in zip(story.gains, before, strict=False)
    )  # fmt: skip
    return Table(("when", "made by", "solution", "score", "change"), rows[-most:], 2, "Who made each gain")


def _task(story: Story) -> tuple[Block, ...]:
    found = story.summary
    sealed = number(found.sealed_score, found.sealed_stderr)
    optimism = f"; optimism {found.optimism:+.5f} (positive: the search promised too much)" if found.optimism else ""
    facts: tuple[Line, ...] = (
        f"Metric: {word(found.metric)}; {_better(story)}.",
        ("Split: ", Code(found.split), ", which is to imitate how the test relates to the training rows: "
         f"{word(found.split_evidence, 1_000)}."),
        f"Search score {number(found.search_score, found.search_stderr)}; sealed score {sealed}{optimism}.",
    )  # fmt: skip
    groups = tuple((name, f"{value:.5f}") for name, value in found.groups) if len(found.groups) > 1 else ()
    phases = tuple((name, f"{value:.5f}") for name, value in found.phases if value is not None)
    values = [value for _, value in found.groups]
    few = "Too few groups for a standard error: the search score goes from {:.5f} to {:.5f}"
    caption = few.format(min(values), max(values)) if groups else ""
    return some(
        Items(facts),
        Table(("after", "score"), phases, 1, "The best score after each phase"),
        Table((found.split.partition(":")[2] or "group", "search score"), groups, 1, caption),
    )


def _tried(story: Story, most: int) -> tuple[Block, ...]:
    """Step by step: the ablation, the cell that was chosen, what was tried."""
    used = delivered(story)
    parts = [
        block
        for step, nodes in steps(story)
        for block in some(Heading(_title(step)), *_study(story, step), _attempts(nodes, used, most))
    ]
    lines: list[Line] = [(Code(note.address), f" {note.text}") for note in story.notes[:MOST_NOTES]]
    lines += [f"… {len(story.notes) - MOST_NOTES} more"] if len(story.notes) > MOST_NOTES else []
    return *parts, *some(Folded("What the run noted, line by line", tuple(lines)))


def _title(step: str) -> str:
    branch, _, rest = step.partition("/")
    names = {"start": "The first minute", "added": "Handed in", "ensemble": "The ensemble", "finalise": "The finish"}
    if not rest:
        return names.get(branch, branch)
    at = rest.partition("/")[2]
    return f"{branch}: " + (f"refinement, step {int(at) + 1}" if at.isdigit() else "initial solution")


def _study(story: Story, step: str) -> list[Block]:
    """The ablation of an outer step, and the cell that was chosen after it."""
    parts: list[Block] = []
    for address, ablated in story.ablations:
        if address == f"{step}/ablate":
            rows = tuple(
                (e.cell, e.note, "" if e.effect is None else f"{e.effect:+.5f}",
                 "" if e.low is None or e.high is None else f"{e.low:+.5f} to {e.high:+.5f}")
                for e in ablated.effects
            )  # fmt: skip
            head = ("cell", "note", "worse without it by", "80 % interval")
            parts += [Chart(figures.effects(story, address)), Table(head, rows, 2, "What each cell is worth")]
    parts += [
        Prose(("Chosen to refine: ", Code(target.cell), f", because {target.why}."))
        for address, target in story.targets
        if address.startswith(f"{step}/")
    ]
    return parts


def _attempts(nodes: Sequence[Node], used: Set[str], most: int) -> Table:
    rows = tuple(
        (
            Named(word(node.name, 100), node.address), _came(node, node.address in used),
            "" if node.score is None else str(node.score),
            "" if node.gain is None else f"{node.gain:+.5f}", f"{node.seconds:.1f} s",
        )
        for node in most_telling(nodes, used, most)
    )  # fmt: skip
    more = f"{most} of {len(nodes)}: what was delivered, and the best" if len(nodes) > most else ""
    return Table(("what", "what came of it", "score", "gain", "slowest fold"), rows, 3, more, long=True)


def _came(node: Node, used: bool) -> tuple[Piece, ...]:
    told = {True: "taken", False: "not taken", None: node.state}[node.accepted]
    parts: list[Piece] = [Strong("in the final solution"), "; "] if used else []
    parts.append(told if node.state == "scored" else node.state)
    parts += ["; cell ", Code(node.cell)] if node.cell else []
    return *parts, *(f"; {word(part, 300)}" for part in (node.plan, node.reason) if part)


def _final(story: Story, script: str, most: int) -> tuple[Block, ...]:
    names = figures.member_names(story)
    ranked = sorted(story.weights, key=lambda part: -part[1])[:most]
    rows = tuple((Named(names[key], key), f"{weight:.3f}") for key, weight in ranked)
    seeds = f", each part with {story.bag} seeds" if story.bag > 1 else ""
    how = ", by the weights that chose its parts; WEIGHTS in best/solution.py are learned" if story.learned else ""
    return some(
        Prose(f"{word(story.final)}{seeds}." if story.final else ""),
        Items(story.remarks),
        *([Chart(figures.weights(story))] if len(rows) > 1 else []),
        Table(("member", "weight"), rows, 1, f"What it is made of{how}"),
        Folded("The script, whole", script=script),
    )


def _data(story: Story, most: int) -> tuple[Block, ...]:
    looked = [note for note in story.notes if "/check/" in note.address]
    suspected = _once(note.text for note in story.notes if note.warns)
    data = _once(f"Data usage: {note.text}" for note in looked if "/check/data" in note.address)
    checked = any("/check/leakage" in note.address for note in looked)
    fine = "Leakage: checked, and nothing suspicious was found." if checked else "Leakage: nobody has checked."
    rows = tuple((path, f"{count}") for path, count in story.opened[:most])
    return some(
        Items(data or ("Data usage: nobody has checked whether files were left unread.",)),
        Items(suspected, warns=True) if suspected else Prose(fine),
        Table(("file", "executions that opened it"), rows, 1, "What scripts really opened"),
    )


def _ideas(story: Story, most: int) -> tuple[Block, ...]:
    once = {(idea.name, idea.source): idea for _, idea in story.ideas}
    rows = tuple((idea.name, idea.why, idea.source) for idea in list(once.values())[:most])
    pages = _once(note.text for note in story.notes if note.text.startswith("found by "))
    return some(Table(("idea", "why", "source"), rows, long=True), Items(pages))


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _cost(story: Story) -> tuple[Block, ...]:
    found = story.summary
    rows = tuple(costs.cells(used) for used in (*found.usage, costs.total(found.usage))) if found.usage else ()
    asked = "paid calls" if found.usage else "answers of the embedded brain; nothing was paid"
    spent = sorted(figures.executions(story).items(), key=lambda part: -part[1])
    times = tuple((what, f"{taken:.1f}") for what, taken in spent)
    heard = tuple(f"{heard.sender or 'somebody'} said ({heard.about}): {heard.text}" for heard in story.heard)
    return some(
        Prose(f"{found.seconds:.0f} s, {found.jobs} executions, {found.brain_calls} {asked}."),
        Chart(figures.costs(story)),
        Table(("for", "seconds"), times, 1, "Executions"),
        Table(costs.HEAD, rows, 6, "Calls, tokens and money by role"),
        Prose(_paper(story)),
        Items(heard),
    )


def _paper(story: Story) -> str:
    """How many calls the paper's way would have needed."""
    if (size := story.size) is None:
        return ""
    loops = f"T={size.outer} K={size.inner} L={size.branches} M={size.candidates} R={size.rounds}"
    made = f"{sum(used.calls for used in story.summary.usage)}{'' if story.summary.state == 'done' else ' so far'}"
    return (
        f"The paper needs about {costs.paper_calls(size)} calls for {loops}, before any repair; this run made {made}, "
        "repairs included."
    )


def _trust(story: Story) -> tuple[Block, ...]:
    found = story.summary
    facts = (
        f"Brain: {found.brain}.",
        f"Generated scripts ran behind the wall: {found.sandbox} ({found.sandbox_about}).",
        f"The sealed rows were looked at {found.sealed_seen} times in all.",
    )
    return some(Items(facts), Items(tuple(f"warning: {warning}" for warning in found.warnings), warns=True))
