"""A_retriever's material: recipes of the library, and pages outside where the user allows a search there.

Each search is a step, so that a resumed run sees the same ideas and the same pages, with their addresses and dates.
"""

from __future__ import annotations

import re

from mlestar import roles
from mlestar.records import Idea, Page
from mlestar.workbench import Workbench

MOST_PAGES = 50  # the settings say how many of them


def library(bench: Workbench, limit: int) -> tuple[Idea, ...]:
    """What the library has for the task, best first."""
    profile = bench.task.profile
    query = re.sub(r"\s+", " ", f"{profile.metric} {profile.predicts} {profile.description}")[:400]
    kind: str = "sequence" if profile.predicts == "text" else profile.kind
    kind = "image" if any(asset.kind == "image" for asset in profile.assets) and kind == "table" else kind
    found = bench.journal.step(
        f"{bench.address}/search", "search", {"query": query},
        roles.Ideas, lambda: roles.Ideas(tuple(bench.search.search(query, kind, limit))),
    )  # fmt: skip
    return found.ideas


def pages(bench: Workbench) -> tuple[Page, ...]:
    """What a search outside brings; nothing where none is allowed. Each is noted with its address and date."""
    if bench.pages is None:
        return ()
    outside = bench.pages

    def play() -> tuple[Page, ...]:
        bench.tell("searching")
        brought, word = outside.find(bench.task.profile, MOST_PAGES)
        if word:
            bench.journal.note(bench.address, word)
        return tuple(brought)

    found = bench.journal.step(f"{bench.address}/pages", "search", {}, tuple[Page, ...], play)
    for page in found:
        bench.journal.note(bench.address, f"found by {page.provider}: {page.title} ({page.address}, {page.date})")
    return found


def origin(idea: Idea) -> str:
    """Where an idea is from, as a solution says it."""
    return idea.recipe or idea.source or idea.name
