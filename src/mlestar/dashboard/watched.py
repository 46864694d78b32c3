"""What pages know of runs: one reader per run, shared by all who watch it, that looks only while somebody does."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlestar import contributing, overview, runs
from mlestar.dashboard.shown import detail, shown
from mlestar.errors import MleStarError, RunError
from mlestar.journal import queries
from mlestar.journal.reading import stamps
from mlestar.plain import word
from mlestar.report.story import Story
from mlestar.telling import Teller

WISHES = {"hint", "pin", "forbid"}
MOST_KEPT = 8  # stories in memory, beside those of runs that are driven from here


class Watched:
    """One run. Safe from many threads."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._teller = Teller(run)
        self._version = secrets.randbits(40)  # so that no page takes it for one of an earlier start of the server
        self._story: Story | None = None
        self._told = b""
        self._driver: threading.Thread | None = None
        self._trouble = ""

    def version(self) -> int:
        """A number that grows with everything that is new; where nothing was written, a look costs next to nothing."""
        with self._lock:
            try:
                if self._teller.look() or self._story is None or self._ended():
                    self._story, self._told = self._teller.story(), b""
                    self._version += 1
            except Exception:  # what was read by halves is read again from the beginning
                self._teller, self._story = Teller(self.run), None
                raise
            return self._version

    def _ended(self) -> bool:
        """Whether the driver has gone since the last look: that writes nothing into the journal."""
        assert self._story is not None
        return self._story.summary.state == "running" and not queries.is_running(self.run)

    def story(self) -> Story:
        """The story up to the last look."""
        self.version()
        assert self._story is not None
        return self._story

    def told(self) -> bytes:
        """The story as pages draw it, in JSON; made once for all who ask."""
        self.version()
        with self._lock:
            assert self._story is not None
            if not self._told:
                found = {"version": self._version, "trouble": self._trouble, **shown(self._story)}
                self._told = json.dumps(found).encode()
            return self._told

    def node(self, address: str) -> dict[str, Any]:
        """All that is known of one thing that was tried."""
        node = self.story().node(address)
        if node is None:
            raise RunError(f"nothing was tried at {word(address)}")
        return detail(self.run, self.story(), node)

    # --- wishes -------------------------------------------------------------------------------------

    def stop(self) -> str:
        """Ask whoever drives the run to leave."""
        if overview.state(self.run) != "running":
            raise RunError("nobody drives this run now, so there is nothing to stop")
        runs.stop(self.run)
        return "the run will leave when its jobs in hand are done; resume goes on later"

    def resume(self) -> str:
        """Drive the run from here, in a thread of this process."""
        with self._lock:
            if self.driven or overview.state(self.run) == "running":
                raise RunError("the run is being driven already")
            self._trouble = ""
            self._driver = threading.Thread(target=self._drive, name=f"drives {self.run.name}", daemon=True)
            self._driver.start()
        return "the run goes on"

    def _drive(self) -> None:
        try:
            runs.resume(self.run, {}, lambda progress: None)
        except Exception as error:  # whatever it is, who pressed the button must hear of it
            with self._lock:
                self._trouble, self._told = word(error, 500), b""
                self._version += 1

    def say(self, about: str, text: str) -> str:
        """Say something to the run: a hint, or an idea to pin or to forbid."""
        if about not in WISHES:
            raise RunError(f"from here one can say {', '.join(sorted(WISHES))}")
        return contributing.steer(self.run, about, text, "the page")

    @property
    def driven(self) -> bool:
        """Whether the run is driven from here."""
        return self._driver is not None and self._driver.is_alive()

    def leave(self) -> None:
        """Before the process ends: whatever it drives finishes the steps in hand."""
        if self._driver is not None and self._driver.is_alive():
            runs.stop(self.run)
            self._driver.join()


class Shelf:
    """The runs that are watched: those given, and those in the folders given, looked up anew each time."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = [place.resolve() for place in places]
        self._known: dict[str, Watched] = {}
        self._rows: dict[str, tuple[object, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def find(self) -> dict[str, Path]:
        """Run folders by the names that addresses of pages use, newest first."""
        found: dict[str, Path] = {}
        for place in self._places:
            for run in reversed(overview.find(place)):
                plain = run.name.encode("utf-8", "replace").decode()
                name, number = plain, 2
                while name in found and found[name] != run:
                    name, number = f"{plain}~{number}", number + 1
                found[name] = run
        return found

    def run(self, name: str) -> Watched:
        """The run of a name. Raises RunError where there is none."""
        run = self.find().get(name)
        if run is None:
            raise RunError(f"there is no run {word(name)} here")
        with self._lock:
            known = self._known.pop(name, None)
            if known is None or known.run != run:
                known = Watched(run)
            self._known[name] = known  # the last one asked for comes last
            idle = [other for other, watched in self._known.items() if not watched.driven]
            for other in idle[:-MOST_KEPT]:
                del self._known[other]
            return known

    def named(self) -> list[dict[str, Any]]:
        """All runs, and what is known of them already: what a page shows before many journals are read."""
        found = self.find().items()
        return [
            self._rows[name][1] if name in self._rows else {"name": name, "state": _now(run), "task": ""}
            for name, run in found
        ]

    def listed(self) -> list[dict[str, Any]]:
        """All runs for a table; one that cannot be read says why. What was not written to is not read again."""
        rows = {}
        for name, run in self.find().items():
            now = (run, stamps(run / "journal.db"), _now(run))
            known = self._rows.get(name)
            read = self._followed if now[2] == "running" else _totals
            rows[name] = known if known and known[0] == now else (now, _row(name, run, read))
        self._rows = rows
        return [row for _, row in rows.values()]

    def _followed(self, run: Path) -> dict[str, Any]:
        """The totals of a run that is being written: of its journal only what is new is read."""
        name = next((name for name, place in self.find().items() if place == run), "")
        return {**asdict(self.run(name).story().summary), "usage": []}

    def leave(self) -> None:
        """Before the process ends."""
        for watched in list(self._known.values()):
            watched.leave()


def about(run: Path) -> tuple[str, str]:
    """State and task: what a page shows before its story is read."""
    return overview.state(run), str(queries.facts(run).get("name", ""))


def _now(run: Path) -> str:
    try:
        return "running" if queries.is_running(run) else ""
    except MleStarError:
        return "damaged"


def _totals(run: Path) -> dict[str, Any]:
    return {**asdict(overview.show(run)), "usage": []}


def _row(name: str, run: Path, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """One run in the list; one that cannot be read says why."""
    try:
        return {"name": name, **read(run)}
    except MleStarError as error:
        return {"name": name, "state": "damaged", "task": word(error, 300)}
