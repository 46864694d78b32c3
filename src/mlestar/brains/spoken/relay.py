"""Voices without a provider: whoever takes the questions of a run (relay), and a command of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mlestar.brains.spoken.rendering import markdown
from mlestar.brains.spoken.voice import Past, Prompt
from mlestar.errors import Interrupted, Spent
from mlestar.ports import Desk
from mlestar.records import Exchange, Letter

TICK = 0.25  # seconds between looks for an answer


class Post(Protocol):
    """Where questions wait for an answer, in the run's folder."""

    def ask(self, name: str, role: str, body: str) -> None:
        """Put a question where answerers find it."""
        ...

    def answer_to(self, name: str) -> Letter | None:
        """Its answer, once there is one."""
        ...

    def withdraw(self, name: str) -> None:
        """Nobody needs an answer any more."""
        ...


class Relay:
    """A person or an assistant answers, through `mle-star relay` or the MCP server. What it costs, nobody tells us."""

    name = "relay"

    def __init__(self, post: Post) -> None:
        self._post = post

    def say(self, role: str, prompt: Prompt, past: Past, desk: Desk) -> Exchange:
        """Wait until somebody answers; Spent when this phase's time is over before."""
        name = f"{desk.address}/call-{len(past)}"
        answer = self._post.answer_to(name)  # somebody may have answered while nobody drove the run
        if answer is None:
            self._post.ask(name, role, markdown(prompt, past))
        while answer is None:
            if not desk.wait(TICK):
                self._post.withdraw(name)
                raise Spent("nobody answered in time")
            answer = self._post.answer_to(name)
        return Exchange(answer.body, answer.sender or "relay")


Converse = Callable[[str, str, float, Callable[[], bool], Callable[[str], str]], str]


class Command:
    """A command of the user's: the question on its standard input, the answer on its standard output.

    It is named by its program alone: what follows may be secret.
    """

    def __init__(
        self, command: str, name: str, converse: Converse, seconds: float, hide: Callable[[str], str]
    ) -> None:  # fmt: skip
        """`converse(command, text, seconds, goes_on, hide)` runs it; raises Unreachable when it fails or is slow."""
        self.name, self._converse, self._seconds, self._hide = name, converse, seconds, hide
        self._command = command

    def say(self, role: str, prompt: Prompt, past: Past, desk: Desk) -> Exchange:
        """Run the command once. What it costs, nobody tells us: also one that failed counts as a call."""
        try:
            said = self._converse(
                self._command, markdown(prompt, past), self._seconds, lambda: desk.wait(0.001), self._hide
            )
        except (Interrupted, Spent):
            desk.owe(Exchange("", self.name))
            raise
        return Exchange(said, self.name)
