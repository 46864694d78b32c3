"""What was run in this sitting: the same script on the same view is paid for once, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Lock, Semaphore

from mlestar.records import Judged, Outcome
from mlestar.timing import Pace


@dataclass(frozen=True)
class Execution:
    """What one execute step records."""

    outcome: Outcome
    judged: Judged
    note: str = ""
    submission: str = ""

    @property
    def valid(self) -> bool:
        return self.outcome.ok and self.judged.reason is None


@dataclass(frozen=True)
class Memo:
    """Executions of this sitting by script and view: scripts are deterministic, so one answer serves all.

    `slots` are as many as the executor has. `failed` is set when a thread ended with an error: the others leave at
    their next pause.
    """

    slots: Semaphore
    failed: Event = field(default_factory=Event)
    pace: Pace = field(default_factory=Pace)
    done: dict[str, Execution] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)

    def busy(self, key: str) -> Lock:
        """Held by whoever runs the job; the others wait for its answer."""
        return self.locks.setdefault(key, Lock())

    def known(self, key: str, seconds: float) -> Execution | None:
        """The answer that is there; None where the time was up and a job begun now, of so many seconds, has more."""
        found = self.done.get(key)
        short = found is not None and found.outcome.state == "timeout" and found.outcome.seconds < 0.9 * seconds
        return None if short else found

    def keep(self, key: str, found: Execution) -> None:
        """Keep an answer for who asks next; what was late never ran, or not to its end."""
        if found.outcome.state != "late":
            self.done[key] = found
