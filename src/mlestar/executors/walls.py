"""The wall around a job (DESIGN.md §10): how its command is wrapped so that it cannot reach out.

There is none yet but the name: `choose` is where a real probe will look for bubblewrap, then Landlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlestar.records import Job


@dataclass(frozen=True)
class Wall:
    """No wall: the command runs as it is, as the user, with the user's reach."""

    name: str = "none"

    def command(self, job: Job, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` for `job` behind this wall."""
        return list(argv)


def choose() -> Wall:
    """The strongest wall that works on this machine."""
    return Wall()
