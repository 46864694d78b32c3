from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlestar.journal.store import Store
from mlestar.testing.journal import JournalContract


class TestStore(JournalContract):
    @contextmanager
    def opened(self, run: Path) -> Iterator[Store]:
        with Store.open(run) if run.exists() else Store.create(run, {}) as store:
            yield store
