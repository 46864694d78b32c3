"""Who is asked in words: a language model, a command, a person. The seam between prompts and providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlestar.ports import Desk
from mlestar.records import Exchange


@dataclass(frozen=True)
class Prompt:
    """What one request says. `stable` is the same for every call of a run (the task, the contract), so that

    providers' caches work; `asked` is the role's own part, with the form of the answer at its end.
    """

    stable: str
    asked: str


Past = tuple[tuple[str, str], ...]  # earlier answers to this request, each with what was wrong with it


class Voice(Protocol):
    """One way to have a prompt answered in words."""

    name: str

    def say(self, role: str, prompt: Prompt, past: Past, desk: Desk) -> Exchange:
        """Have the prompt answered. `past` are refused answers with the complaint about each, oldest first.

        Raises Unreachable when nobody answers, after all retries; Spent when the time to wait is over.
        """
        ...
