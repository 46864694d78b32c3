"""What pages know of runs: one reader per run, shared by all who watch it, that looks only while somebody does."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlestar import contributing, overview, runs
from mlestar.dashboard.shown import detail, shown
from mlestar.errors import MleStarError, RunError
from mlestar.journal import queries
from mlestar.plain import word
from mlestar.report.story import Story
from mlestar.telling import Teller

WISHES = {"hint", "pin", "forbid"}


class Watched:
    """One run. Safe from many threads."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._teller = Teller(run)
        self._version = 0
        self._story: Story | None = None
        self._told = b""
        self._driver: threading.Thread | None = None
        self._trouble = ""

    def version(self) -> int:
        """A number that grows with everything that is new; where nothing was written, a look costs next to nothing."""
        with self._lock:
            if self._teller.look() or self._story is None or self._ended():
                self._story, self._told = self._teller.story(), b""
                self._version += 1
            return self._version

    def _ended(self) -> bool:
        """Whether the driver has gone since the last look: that writes nothing into the journal."""
        assert self._story is not None
        return self._story.summary.state == "running" and overview.state(self.run) != "running"

    def about(self) -> tuple[str, str]:
        """State and task: what a page shows before its story is read."""
        return overview.state(self.run), str(queries.facts(self.run).get("name", ""))

    def story(self) -> Story:
        """The story up to the last look."""
        self.version()
        assert self._story is not None
        return self._story

    def told(self) -> bytes:
        """The story as pages draw it, in JSON; made once for all who ask."""
        story = self.story()
        with self._lock:
            if not self._told:
                found = {"version": self._version, "trouble": self._trouble, **shown(story)}
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
            if (self._driver is not None and self._driver.is_alive()) or overview.state(self.run) == "running":
                raise RunError("the run is being driven already")
            self._trouble = ""
            self._driver = threading.Thread(target=self._drive, name=f"drives {self.run.name}", daemon=True)
            self._driver.start()
        return "the run goes on"

    def _drive(self) -> None:
        try:
            runs.resume(self.run, {}, lambda progress: None)
        except MleStarError as error:
            self._trouble = str(error)

    def say(self, about: str, text: str) -> str:
        """Say something to the run: a hint, or an idea to pin or to forbid."""
        if about not in WISHES:
            raise RunError(f"from here one can say {', '.join(sorted(WISHES))}")
        return contributing.steer(self.run, about, text, "the page")

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
        self._lock = threading.Lock()

    def find(self) -> dict[str, Path]:
        """Run folders by the names that addresses of pages use, newest first."""
        found: dict[str, Path] = {}
        for place in self._places:
            here = [place] if (place / "journal.db").is_file() else reversed(overview.find(place))
            for run in here:
                name, number = run.name, 2
                while name in found and found[name] != run:
                    name, number = f"{run.name}~{number}", number + 1
                found[name] = run
        return found

    def run(self, name: str) -> Watched:
        """The run of a name. Raises RunError where there is none."""
        run = self.find().get(name)
        if run is None:
            raise RunError(f"there is no run {word(name)} here")
        with self._lock:
            known = self._known.get(name)
            if known is None or known.run != run:
                known = self._known[name] = Watched(run)
            return known

    def listed(self) -> list[dict[str, Any]]:
        """All runs for a table; one that cannot be read says why."""
        rows = []
        for name, run in self.find().items():
            try:
                rows.append({"name": name, **asdict(overview.show(run))})
            except MleStarError as error:
                rows.append({"name": name, "state": "damaged", "task": word(error, 300)})
        return rows

    def leave(self) -> None:
        """Before the process ends."""
        for watched in self._known.values():
            watched.leave()
