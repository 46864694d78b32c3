"""What ended a job, in one word and in words."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from mlestar.executors.cgroups import Group
from mlestar.executors.running import Running
from mlestar.executors.streams import Report, shorten
from mlestar.records import Limits, OutcomeState

_MAX_ERROR = 8_000
_PRELUDE = str(Path(__file__).with_name("prelude.py"))
_KERNEL: dict[int, OutcomeState] = {int(signal.SIGXCPU): "timeout", int(signal.SIGXFSZ): "disk"}
_REFUSED = ("Resource temporarily unavailable", "can't start new thread")
_WORDS: dict[OutcomeState, str] = {
    "timeout": "ended after {limits.seconds:g} seconds, its limit of time",
    "memory": "ended because it used more than {limits.memory_mb} MiB of memory",
    "processes": "ended because it had more than {limits.processes} processes",
    "disk": "ended because it wrote more than {limits.disk_mb} MiB, or where it cannot be looked at",
    "output": "ended because it printed more than {limits.output_kb} KiB",
    "stopped": "ended because the run was stopped",
}


@dataclass(frozen=True)
class Ending:
    """A finished job. With `mapped`, its wall tells a death by signal n as status 128 + n."""

    running: Running
    limits: Limits
    group: Group | None
    mapped: bool

    def told(self, broken: OutcomeState | None) -> tuple[OutcomeState, str]:
        """The state and the error; `broken` is the limit for which it was ended, if we ended it."""
        running = self.running
        stack = _own_lines(running.report.stack)
        status = self._status()
        if broken is None and status < 0:
            broken = self._by_kernel(-status)
        if broken is not None:
            return broken, shorten(f"{_WORDS[broken].format(limits=self.limits)}\n{stack}".strip(), _MAX_ERROR)
        if status == 0:
            return "ok", ""
        if status < 0:
            return "signal", shorten(
                f"ended by the signal {_name(-status)}, which was not ours\n{stack}".strip(), _MAX_ERROR
            )
        if running.report.error:
            return self._by_limit(running.report), shorten(running.report.error, _MAX_ERROR)
        output = running.output.text()
        start = max(output.rfind("Traceback (most recent call last):"), 0)
        return "exception", shorten(f"exit status {status}\n{output[start:]}", _MAX_ERROR)

    def _status(self) -> int:
        """Negative for a death by signal, as subprocess has it."""
        status = self.running.status
        died = self.mapped and status > 128 and not self.running.report.finished
        return 128 - status if died else status

    def _by_limit(self, report: Report) -> OutcomeState:
        """The state of an uncaught error: that of a limit where it came of one."""
        if self.group is None:
            return report.state
        refused = any(words in report.error for words in _REFUSED) and self.group.out_of_processes()
        return "memory" if self.group.out_of_memory() else "processes" if refused else report.state

    def _by_kernel(self, number: int) -> OutcomeState | None:
        """The limit that the kernel enforced with a signal."""
        if number == signal.SIGKILL and self.group is not None and self.group.out_of_memory():
            return "memory"
        return _KERNEL.get(number)


def _name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else str(number)


def _own_lines(stack: str) -> str:
    """A native stack without our frames and without addresses, so that the same end reads the same."""
    lines = (line for line in stack.splitlines() if _PRELUDE not in line)
    return re.sub(r"thread 0x[0-9a-f]+", "thread", "\n".join(lines))
