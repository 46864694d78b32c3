"""One started process with its pipes: its end is noticed at once, and nothing that it started survives it."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from mlestar.executors.cgroups import Group
from mlestar.executors.streams import Output, Report
from mlestar.executors.walls import Launch
from mlestar.executors.watchdog import MARKER, Tree, Watchdog
from mlestar.records import OutcomeState

STACK_SIGNAL = int(signal.SIGUSR1)  # the prelude answers it with the stack
_STACK_PATIENCE = 0.3


class Running:
    """A job's process. As a context: on leaving, its whole tree is dead and its pipes are closed.

    `launch(report, life)` gives the wrapped command, with the two descriptors that the prelude wants.
    """

    def __init__(self, launch: Callable[[int, int, str], Launch], folder: Path, group: Group | None) -> None:
        mark = secrets.token_hex(8)
        report, report_end = os.pipe()
        life_end, self._life = os.pipe()  # never written: it ends when our process does
        output, output_end = os.pipe()
        try:
            started = launch(report_end, life_end, f"{MARKER}={mark}")
            try:
                self._process = subprocess.Popen(
                    started.argv,
                    cwd=folder,
                    env=started.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output_end,
                    stderr=output_end,
                    start_new_session=True,
                    pass_fds=(report_end, life_end, *started.descriptors),
                )
            finally:
                _close(*started.descriptors)
        except BaseException:
            _close(report, self._life, output)
            raise
        finally:
            _close(report_end, life_end, output_end)
        self._started = time.monotonic()
        self._exit = os.pidfd_open(self._process.pid)
        self.tree = Tree(self._process.pid, mark, group)
        self.output, self.report = Output(output), Report(report)
        self.seconds, self.status = 0.0, 0

    def follow(self, watchdog: Watchdog, stop: int, output_limit: int) -> OutcomeState | None:
        """Wait until the process ends by itself (None), breaks a limit, or `stop` becomes readable."""
        with selectors.DefaultSelector() as selector:
            for stream in (self.output, self.report):
                selector.register(stream.descriptor, selectors.EVENT_READ, stream)
            for end in (self._exit, stop):
                selector.register(end, selectors.EVENT_READ)
            while True:
                ready = {key.fd: key.data for key, _ in selector.select(watchdog.wait())}
                for descriptor, stream in ready.items():
                    if stream is not None and not stream.read():
                        selector.unregister(descriptor)
                if self.output.total > output_limit:
                    return "output"
                if self._exit in ready:
                    return None
                if stop in ready:
                    return "stopped"
                if broken := watchdog.broken():
                    return broken

    def ask_stack(self, program: str, argument: str) -> None:
        """Have the process that runs `program` with `argument` write where it is into its report; perhaps in vain."""
        with suppress(OSError, ValueError):
            os.kill(self.tree.find(program, argument), STACK_SIGNAL)
        deadline = time.monotonic() + _STACK_PATIENCE
        while not self.report.stack and time.monotonic() < deadline:
            time.sleep(0.01)
            self.report.drain()

    def end(self) -> None:
        """Kill what is left of the tree, take in the last words; sets `seconds` and `status`."""
        self.seconds = time.monotonic() - self._started
        self.tree.kill()
        self.status = self._process.wait()
        self.output.drain()
        self.report.drain()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self.end()
        _close(self._exit, self._life, self.output.descriptor, self.report.descriptor)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
