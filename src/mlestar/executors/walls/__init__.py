"""The wall around a job (DESIGN.md §10): how its command is wrapped so that it cannot reach out.

`choose` finds the strongest wall that works here by trying: bubblewrap, else Landlock with `unshare`,
else none. docs/trust.md says what each of them stops, by a table that the hostile suite writes.
"""

from mlestar.executors.walls.choosing import NAMES, choose
from mlestar.executors.walls.wall import Launch, Place, Wall

__all__ = ["NAMES", "Launch", "Place", "Wall", "choose"]
